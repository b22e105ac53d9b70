"""Rollouts play real canvases: groups share what ran, and infrastructure is never the policy's fault."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="needs the extra: pip install 'flowsteer[train]'")

from flowsteer.backends.simulated import SimulatedBackend  # noqa: E402
from flowsteer.errors import BackendUnavailable, SandboxError  # noqa: E402
from flowsteer.grading.base import unscorable  # noqa: E402
from flowsteer.reward.settings import RewardSettings  # noqa: E402
from flowsteer.runs.events import EditApplied, EpisodeEnded, EpisodeStarted, Graded, NodeRan, TurnTaken  # noqa: E402
from flowsteer.settings import check  # noqa: E402
from flowsteer.training import policy_tests  # noqa: E402
from flowsteer.training.config import TrainingConfig  # noqa: E402
from flowsteer.training.inference.distributed import Ranks  # noqa: E402
from flowsteer.training.inference.sampling_engine import Drawn  # noqa: E402
from flowsteer.training.inference.trajectory import DrawSettings  # noqa: E402
from flowsteer.training.rollout.metrics import BY_TYPE, accuracy_by_type, measure, type_figures, usual_workflows  # noqa: E402
from flowsteer.training.rollout.rollout import Group, check_not_all_lost, play  # noqa: E402
from flowsteer.training.rollout.signal import signal  # noqa: E402
from training.small import Counting, arena, by_truth, samples, tiny  # noqa: E402

WORDS = (
    "<action>add</action><operator>Plan</operator>",
    "<action>add</action><structure>parallel</structure><operators>Custom,Custom</operators>",
    "not an action",
    "<action>finish</action>",
)
LIMITS = DrawSettings(1.0, 24, 512)


class Spoken:
    """In place of a sampling engine: every episode is told the same words, or each its own."""

    def __init__(self, words=()):
        self._words = words

    @asynccontextmanager
    async def rows(self, seeds, settings):
        yield [self.Row(words) for words in self._words or [WORDS] * len(seeds)]

    class Row:
        def __init__(self, words):
            self._words = iter(words)

        async def draw(self, new, most, grammar=""):
            ids = [*tiny().encode(next(self._words)), tiny().end]
            return Drawn(ids, [-1.0] * len(ids))

        def close(self):
            """Nothing is held."""


async def test_an_episode_is_recorded_turn_by_turn_and_graded():
    async with arena() as place:
        (played,) = await play(tiny(), [Group("g", samples(1)[0], 1)], place, LIMITS, "policy@0", engine=Spoken())
    kinds = [type(event) for event in played.events]
    assert kinds[0] is EpisodeStarted
    assert kinds[-2:] == [EpisodeEnded, Graded]
    assert kinds.count(TurnTaken) == 4
    assert kinds.count(EditApplied) == 3
    assert [event.text for event in played.events if isinstance(event, TurnTaken)] == list(WORDS)
    assert (played.parsed, played.accepted, played.operators) == (3, 3, 3)
    assert played.ended.finished
    assert played.ended.director_usage.completion_tokens == played.trajectory.own
    assert played.ended.dsl == "Plan -> [Custom, Custom]"


async def test_a_group_makes_each_call_once():
    alone, group = Counting(), Counting()
    for backend, size in ((alone, 1), (group, 6)):
        async with arena(extra={backend.spec: backend}, executor=backend.spec) as place:
            played = await play(tiny(), [Group("g", samples(1)[0], size)], place, LIMITS, "p", engine=Spoken())
    assert len(played) == 6
    assert sorted(group.calls) == sorted(alone.calls)
    assert len({rollout.reward.value for rollout in played}) == 1


async def test_rejected_turns_and_costs_are_those_of_the_episode_and_equal_within_a_group():
    rewards = RewardSettings(rejected=0.5, executor_token_cost=1.0, operator_cost=1.0)
    async with arena(rewards=rewards) as place:
        played = await play(tiny(), [Group("g", samples(1)[0], 4)], place, LIMITS, "p", engine=Spoken())
    (terms,) = {tuple((term.name, term.value, term.reason) for term in one.reward.terms) for one in played}
    found = {name: (value, reason) for name, value, reason in terms}
    assert found["rejected"] == (-0.125, "1 of 4 turns were rejected")
    assert found["operator_cost"] == (0, "free, the gate is closed: 3 operators were run, 0 above 6")
    spent = sum(one.ended.executor_usage.tokens for one in played)
    assert found["executor_token_cost"][1].endswith(f" {spent} tokens")


async def test_each_type_has_its_figures_and_each_term_its_share_of_the_signal():
    one, other = samples(2)
    words = [(*WORDS[:2], WORDS[3]), WORDS]
    async with arena(rewards=RewardSettings(rejected=0.5)) as place:
        groups = [Group("a", one, 2), Group("b", other, 2)]
        played = await play(tiny(), groups, place, LIMITS, "p", engine=Spoken([*words, *(WORDS, WORDS)]))
    figures, learned_from = type_figures(played), signal(played, group=2)
    assert figures["types/math/valid"] == 6 / 7
    assert figures["types/qa/valid"] == 3 / 4
    assert figures["types/qa/reward"] == played[2].reward.value
    assert {name.rpartition("/")[2] for name in figures} == set(BY_TYPE)
    assert learned_from["signal/none"] == 0.5
    assert learned_from["signal/rejected"] == learned_from["signal/reward"] == pytest.approx(0.0625**2 / 2)
    assert learned_from["signal/answer"] == learned_from["signal/verification"] == 0


async def test_a_rollout_without_a_reward_gives_no_signal():
    async with arena() as place:
        played = await play(tiny(), [Group("a", samples(1)[0], 2)], place, LIMITS, "p", engine=Spoken())
    gone = [replace(one, reward=replace(one.reward, value=None)) for one in played]
    assert signal([played[0], gone[1]], group=2) == signal(gone, group=2) == {"signal/none": 1}
    assert signal([], group=2) == {}


async def test_a_group_grades_each_answer_once():
    graded = []

    async def grade(sample, answer):
        graded.append((sample.task.id, answer))
        return await by_truth(sample, answer)

    async with arena(grade=grade) as place:
        groups = [Group(f"g{number}", sample, 4) for number, sample in enumerate(samples(2))]
        played = await play(tiny(), groups, place, LIMITS, "p", engine=Spoken())
    assert len(graded) == len({*graded}) < len(played)


async def test_no_event_and_no_prompt_holds_the_gold_answer():
    async with arena() as place:
        (played,) = await play(tiny(), [Group("g", samples(2)[1], 1)], place, LIMITS, "p", engine=Spoken())
    gold = played.sample.reference.gold
    before = [event for event in played.events if not isinstance(event, NodeRan | EpisodeEnded)]
    told = [event for event in before if not hasattr(event, "text")]
    assert gold not in repr(told)
    assert gold not in tiny().decode([*played.trajectory.prompt, *played.trajectory.ids])


class Flaky(SimulatedBackend):
    """Gone for some tasks."""

    def __init__(self, gone):
        super().__init__()
        self._gone = gone

    async def complete(self, request):
        if request.origin.task.id in self._gone:
            raise BackendUnavailable("the executor is gone")
        return await super().complete(request)


async def test_a_lost_rollout_leaves_its_group_and_is_counted():
    one, other = samples(2)
    backend = Flaky({one.task.id})
    async with arena(extra={backend.spec: backend}, executor=backend.spec) as place:
        played = await play(tiny(), [Group("a", one, 2), Group("b", other, 2)], place, LIMITS, "p", engine=Spoken())
    assert [rollout.reward.value is None for rollout in played] == [True, True, False, False]
    assert played[0].trajectory.own > 0
    figures = measure(played)
    assert (figures["lost"], figures["episodes"], figures["unscorable"]) == (2, 4, 0)
    assert figures["turns"] == 4


async def test_an_episode_ends_once_also_where_its_grading_breaks():
    async def broken(sample, answer):
        raise SandboxError("the grading sandbox broke")

    async with arena(grade=broken) as place:
        with pytest.raises(BackendUnavailable, match="the grading sandbox broke"):
            check_not_all_lost(await play(tiny(), [Group("a", samples(1)[0], 1)], place, LIMITS, "p", engine=Spoken()))
    one, other = samples(2)

    async def sometimes(sample, answer):
        return await (broken if sample is one else by_truth)(sample, answer)

    async with arena(grade=sometimes) as place:
        played = await play(tiny(), [Group("a", one, 1), Group("b", other, 1)], place, LIMITS, "p", engine=Spoken())
    for rollout in played:
        ends = [event for event in rollout.events if isinstance(event, EpisodeEnded)]
        assert ends == [rollout.ended]
        assert rollout.ended.finished
    assert [rollout.lost is not None for rollout in played] == [True, False]


async def test_what_was_spent_before_an_episode_broke_off_is_counted():
    one, other = samples(2)

    class Breaks(Flaky):
        async def complete(self, request):
            if request.origin.operator == "Custom":
                return await super().complete(request)
            return await SimulatedBackend.complete(self, request)

    backend = Breaks({one.task.id})
    async with arena(extra={backend.spec: backend}, executor=backend.spec) as place:
        groups = [Group("a", one, 1), Group("b", other, 1)]
        lost, whole = await play(tiny(), groups, place, LIMITS, "p", engine=Spoken())
    assert lost.lost is not None
    assert 0 < lost.ended.executor_usage.calls < whole.ended.executor_usage.calls


async def test_a_fault_of_code_costs_its_rollout_alone():
    one, other = samples(2)

    async def faulty(sample, answer):
        if sample is one:
            raise LookupError("a table is missing")
        return await by_truth(sample, answer)

    async with arena(grade=faulty) as place:
        groups = [Group("a", one, 1), Group("b", other, 1)]
        played = await play(tiny(), groups, place, LIMITS, "p", engine=Spoken())
    assert played[0].lost.error == "LookupError"
    assert "in faulty" in played[0].lost.trace
    assert [rollout.reward.value is None for rollout in played] == [True, False]


async def test_a_step_of_lost_rollouts_only_is_an_error():
    (one,) = samples(1)
    backend = Flaky({one.task.id})
    async with arena(extra={backend.spec: backend}, executor=backend.spec) as place:
        with pytest.raises(BackendUnavailable, match="all 2 episodes"):
            check_not_all_lost(await play(tiny(), [Group("a", one, 2)], place, LIMITS, "p", engine=Spoken()))


def test_a_test_ends_only_where_all_of_its_episodes_so_far_were_lost(monkeypatch):
    """However few of them are played at once."""
    tasks = [sample for sample in samples(4) if sample.task.type != "code"]

    async def breaks(sample, answer):
        if sample is tasks[-1]:
            raise SandboxError("one container died")
        return await by_truth(sample, answer)

    monkeypatch.setattr(policy_tests, "AT_ONCE", 2)
    config = check(TrainingConfig, {"warmup": {"episodes": 1}}, "here")
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        place = runner.run(stack.enter_async_context(arena(grade=breaks)))
        tests = policy_tests.PolicyTests(config, place, runner, Ranks(), lambda policy: Spoken(), lambda *kept: None)
        played = tests.play("before", tiny(), 0.0, tasks)
        assert [rollout.lost is not None for rollout in played] == [False, False, True]
        with pytest.raises(BackendUnavailable, match="all 1 episodes were lost: one container died"):
            tests.play("before", tiny(), 0.0, tasks[-1:])
        runner.run(stack.aclose())


async def test_unscorable_is_counted_and_in_no_mean():
    async def undecided(sample, answer):
        return unscorable("the grader timed out")

    async with arena(grade=undecided) as place:
        played = await play(tiny(), [Group("a", samples(1)[0], 2)], place, LIMITS, "p", engine=Spoken())
    figures = measure(played)
    assert (figures["unscorable"], figures["reward"], figures["accuracy"]) == (2, None, None)
    assert figures["gate_open"] == 0
    assert accuracy_by_type(played) == {}


async def test_the_turn_limit_scores_the_workflow_as_it_stands():
    async with arena(max_turns=2) as place:
        (played,) = await play(tiny(), [Group("a", samples(1)[0], 1)], place, LIMITS, "p", engine=Spoken())
    assert not played.ended.finished
    assert played.ended.reason == "turn limit"
    assert played.reward.answer is not None
    assert "structure" in {term.name for term in played.reward.terms if term.value}


async def test_a_real_policy_plays_to_the_end_and_the_same_seed_plays_the_same():
    async with arena() as place:
        groups = [Group(f"g{n}", sample, 3) for n, sample in enumerate(samples(3))]
        once = await play(tiny(), groups, place, LIMITS, "p", seed=3)
        again = await play(tiny(), groups, place, LIMITS, "p", seed=3)
        other = await play(tiny(), groups, place, LIMITS, "p", seed=4)
    assert [r.trajectory.ids for r in once] == [r.trajectory.ids for r in again]
    assert [r.trajectory.ids for r in once] != [r.trajectory.ids for r in other]
    assert [r.reward for r in once] == [r.reward for r in again]
    assert len({tuple(r.trajectory.ids) for r in once}) == 9
    assert set(usual_workflows(once)) == {"math", "qa", "code"}
