"""An environment plays, grades and rewards as the trainer does; text goes in, and no mistake of a Director raises."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowsteer
from flowsteer.canvas.canvas import Settings
from flowsteer.canvas.director import Turn
from flowsteer.canvas.episode import run_episode
from flowsteer.datasets.simulated_tasks import simulated_sample
from flowsteer.director.layouts import messages
from flowsteer.director.parse import understood
from flowsteer.environments.arena import Arena
from flowsteer.errors import ConfigError
from flowsteer.execution.memo import Memo
from flowsteer.grading.connect import open_grader
from flowsteer.runs.event_json import event_line
from flowsteer.runs.events import EpisodeEnded, EpisodeStarted, FeedbackGiven, Graded, TurnTaken
from flowsteer.session import Setup, open_session, seed_of

ADD = "<action>add</action><operator>{}</operator>"
FINISH = "<action>finish</action>"
GATE = [
    "<action>add</action><structure>parallel</structure><operators>Programmer, AnswerGenerate, Custom</operators>",
    *map(ADD.format, ("ScEnsemble", "Verify", "Format")),
    FINISH,
]
FREE = Settings(min_steps=1, needs=(), needs_structure=False, max_turns=6)


def played(env, turns, sample=0, seed=0):
    episode = env.reset(sample, seed)
    return episode, [episode.step(text) for text in turns]


@pytest.fixture(scope="module")
def env():
    with flowsteer.Environment("simulated:math", executor="simulated:typed-2", n=6, setup=Setup(canvas=FREE)) as opened:
        yield opened


def test_an_episode_from_messages_to_reward(env):
    episode, steps = played(env, GATE)
    assert [step.done for step in steps] == [False, False, False, False, True]
    assert [step.reward for step in steps[:-1]] == [0, 0, 0, 0]
    last = steps[-1]
    assert last.info["ended"] == "finished"
    assert last.info["gate_open"]
    assert last.info["score"] in (0.0, 1.0)
    assert last.reward == pytest.approx(sum(last.terms.values())) == pytest.approx(last.info["score"])
    assert last.terms.keys() == last.reasons.keys()
    assert last.info["workflow"] == "[Programmer, AnswerGenerate, Custom] -> ScEnsemble -> Verify -> Format"
    assert last.info["usage"].calls >= 4
    assert isinstance(episode.events[0], EpisodeStarted)
    assert isinstance(episode.events[-1], Graded)


def test_the_messages_begin_with_the_task_and_only_grow(env):
    episode = env.reset(1)
    before = episode.messages
    assert [message.role for message in before] == ["system", "user"]
    assert env.samples[1].task.question in before[1].content
    assert str(env.samples[1].reference.gold) not in before[0].content
    step = episode.step(GATE[0])
    assert episode.messages[:2] == before
    assert [m.role for m in episode.messages[2:]] == ["assistant", "user"]
    assert episode.messages[2].content == GATE[0]
    assert episode.messages[3].content == step.feedback


def test_an_episode_that_is_stopped_is_paid_as_it_stands(env):
    episode, steps = played(env, GATE[:2])
    last = episode.stop("no more tokens")
    assert last.done
    assert last.feedback == ""
    assert last.info["ended"] == "no more tokens"
    assert last.info["workflow"] == steps[-1].info["workflow"]
    assert last.reward == pytest.approx(sum(last.terms.values()))
    assert isinstance(episode.events[-1], Graded)
    with pytest.raises(ConfigError, match="over"):
        episode.stop()


@pytest.mark.parametrize(
    ("reason", "ended"),
    [("", "stopped"), ("finished", "stopped: finished"), ("turn limit", "stopped: turn limit"), ("away", "away")],
)
def test_a_stop_ends_the_episode_and_is_no_finish_whatever_it_says(env, reason, ended):
    episode, _ = played(env, GATE[:2])
    last = episode.stop(reason)
    assert (last.done, last.info["ended"]) == (True, ended)
    assert next(event for event in episode.events if isinstance(event, EpisodeEnded)).finished is False


@pytest.mark.parametrize(
    "text",
    [
        "\ud800",
        "<action>add</action><operator>\ud800</operator>",
        "<action>add</action><operator>Custom</operator><prompt>a \ud800\x00</prompt>",
        "<think>\ud800</think><action>finish</action><answer>\ud835</answer>",
    ],
)
@pytest.mark.parametrize("layout", ["conversation", "lenient"])
def test_text_that_no_record_can_hold_is_made_sound(text, layout):
    setup = Setup(canvas=FREE, layout=layout)
    with flowsteer.Environment("simulated:math", executor="simulated:typed-2", n=1, setup=setup) as env:
        episode, _ = played(env, (GATE[0], text))
        if not episode.done:
            episode.stop()
        for written in (*map(event_line, episode.events), *(message.content for message in episode.messages)):
            assert written.encode()
            assert "\x00" not in written


def test_a_bad_action_is_feedback(env):
    episode = env.reset(0)
    for text in ("", "hello", "<action>add</action>", "<action>fly</action>", FINISH, "\x00", ADD.format("Nobody")):
        if episode.done:
            break
        step = episode.step(text)
        assert not step.info["accepted"]
        assert step.feedback.startswith("rejected")
    assert episode.done
    assert step.info["ended"] == "turn limit"
    assert step.reward == -1


def test_an_episode_is_played_once(env):
    episode, _ = played(env, GATE)
    with pytest.raises(ConfigError, match="over"):
        episode.step(FINISH)


def test_the_same_turns_and_seed_come_to_the_same_end_and_episodes_do_not_mix(env):
    one, other = env.reset(0, seed=3), env.reset(0, seed=3)
    for text in GATE:
        first, second = one.step(text), other.step(text)
    assert (first.reward, first.terms, first.feedback) == (second.reward, second.terms, second.feedback)


def test_a_sample_of_ones_own(env):
    sample = simulated_sample("code", "test", 5, 7)
    episode, steps = played(env, [ADD.format("Programmer"), ADD.format("Test"), FINISH], sample)
    assert steps[-1].done
    assert episode.sample is sample


@pytest.mark.parametrize("number", [6, -1, -7, 10**9])
def test_a_number_too_far_is_refused(env, number):
    with pytest.raises(ConfigError, match="there is no sample"):
        env.reset(number)


@pytest.mark.parametrize("wrong", ["x", 1.5, None, True])
@pytest.mark.parametrize("place", ["sample", "seed"])
def test_what_is_no_whole_number_is_refused(env, place, wrong):
    with pytest.raises(ConfigError, match=f"is a whole number, found {wrong!r}") as told:
        env.reset(**{place: wrong})
    assert told.value.hint


def test_a_seed_below_0_is_refused(env):
    with pytest.raises(ConfigError, match="the seed is at least 0, found -1"):
        env.reset(0, seed=-1)


def test_a_number_of_another_library_is_one(env):
    class Number:
        def __index__(self):
            return 2

    assert env.reset(Number(), seed=Number()).id == env.reset(2, seed=2).id


@pytest.mark.parametrize("wrong", [None, b"x", {"action": "add"}, 5])
@pytest.mark.parametrize("way", ["step", "stop"])
def test_what_is_no_text_is_refused_and_takes_no_turn(env, way, wrong):
    episode = env.reset(0)
    with pytest.raises(ConfigError, match=f"a {type(wrong).__name__} was given, expected text") as told:
        getattr(episode, way)(wrong)
    assert told.value.hint
    assert episode.step(GATE[0]).info["turn"] == 1


WRONG = [
    ({"n": -1}, "the number of samples is at least 0, found -1"),
    ({"n": "5"}, "the number of samples is a whole number, found '5'"),
    ({"n": 1.5}, "the number of samples is a whole number"),
    ({"n": 0}, "there are no samples"),
    ({"order_seed": "x"}, "the seed of the samples is a whole number"),
    ({"setup": "x"}, "the setup is a str, no Setup"),
    ({"setup": Setup(seed=-1)}, "the setup: seed"),
    ({"setup": Setup(layout="none")}, "the setup: layout"),
    ({"setup": Setup(caps=5)}, "the setup: caps"),
    ({"executor": 5}, "the setup: executor"),
    ({"extra": {"mine:": object()}}, "which is no flowsteer.Backend"),
    ({"extra": "mine:"}, "extra is a str"),
    ({"reward": {"gated_finish": 1}}, "the reward is a dict, no RewardSettings"),
    ({"reward": None}, "the reward is a NoneType"),
    ({"reward": flowsteer.RewardSettings(variant="none")}, "the reward: variant"),
    ({"data": 5}, "data is a int, no folder"),
    ({"dataset": []}, "there are no samples"),
    ({"dataset": 5}, "the dataset is a int"),
    ({"dataset": [1]}, "no name and no samples"),
]


@pytest.mark.parametrize(("wrong", "words"), WRONG, ids=[str(wrong)[:40] for wrong, _ in WRONG])
async def test_a_wrong_value_is_told_when_it_is_opened(wrong, words):
    asked = {"dataset": "simulated:math", "executor": "simulated:", "n": 1} | wrong
    with pytest.raises(ConfigError, match=words):
        async with flowsteer.environment(**asked):
            pass


def test_two_step_asks_for_the_instruction_in_text():
    rules = replace(FREE, two_step=True)
    with flowsteer.Environment("simulated:qa", executor="simulated:", n=1, setup=Setup(canvas=rules)) as env:
        _, steps = played(env, [ADD.format("AnswerGenerate"), "Answer in one word.", FINISH])
    assert "node_1" in steps[0].feedback
    assert [step.info["accepted"] for step in steps] == [True, True, True]
    assert steps[-1].done


def test_the_rebuilt_layout_stays_two_messages_long():
    setup = Setup(canvas=FREE, layout="rebuilt")
    with flowsteer.Environment("simulated:qa", executor="simulated:", n=1, setup=setup) as env:
        episode = env.reset()
        episode.step(ADD.format("AnswerGenerate"))
        assert [message.role for message in episode.messages] == ["system", "user"]
        assert "AnswerGenerate" in episode.messages[1].content


def test_it_opens_where_a_loop_runs_already():
    async def notebook():
        with flowsteer.Environment("simulated:qa", executor="simulated:", n=1, setup=Setup(canvas=FREE)) as env:
            return played(env, [ADD.format("AnswerGenerate"), FINISH])[1][-1].done

    assert asyncio.run(notebook())


def test_what_cannot_be_opened_says_so():
    for wrong in (("nonesuch",), ("simulated:math", None, "nonesuch:x")):
        with pytest.raises(flowsteer.FlowSteerError), flowsteer.Environment(*wrong):
            pass
    closed = flowsteer.Environment("simulated:math", executor="simulated:", n=1)
    with pytest.raises(ConfigError, match="not open"):
        closed.reset()


async def test_many_episodes_at_once_share_one_environment():
    setup = Setup(canvas=FREE)
    async with flowsteer.environment("simulated:qa", executor="simulated:typed-2", n=30, setup=setup) as env:

        async def play(number):
            episode = env.reset(number)
            for text in GATE:
                step = await episode.step(text)
            return episode, step

        ended = await asyncio.gather(*(play(number) for number in range(len(env))))
    assert all(step.done for _, step in ended)
    assert all(step.info["score"] is not None for _, step in ended)
    assert len({episode.id for episode, _ in ended}) == 30


class Says:
    """A Director that says given texts."""

    spec = ""

    def __init__(self, texts):
        self.texts = texts

    async def act(self, observation):
        text = self.texts[observation.turn - 1]
        return Turn(text, understood(text, observation.asks_prompt is not None))


@settings(max_examples=10, deadline=None)
@given(st.lists(st.sampled_from([*GATE, ADD.format("Review"), "nonsense"]), min_size=6, max_size=6), st.integers(0, 3))
def test_a_director_in_the_episode_loop_meets_what_a_caller_of_step_meets(turns, number):
    async def both():
        setup = Setup(canvas=FREE, director="", executor="simulated:typed-2")
        async with flowsteer.environment("simulated:math", n=4, setup=setup) as env:
            episode = env.reset(number)
            for text in turns:
                if not episode.done:
                    step = await episode.step(text)
        async with open_session(setup) as session, open_grader() as grade:
            arena, events, sample = Arena(session, grade, FREE, flowsteer.RewardSettings()), [], env.samples[number]
            canvas = arena.open(sample, events.append, seed_of(0, episode.id), Memo())
            ended = (await run_episode(canvas, Says(turns), events.append, episode.id)).ended
            rejected = sum(not s.feedback.accepted for s in events if isinstance(s, FeedbackGiven))
            paid = arena.pay(canvas, ended, await grade(sample, canvas.draft.answer), rejected)
        return episode, step, events, paid, messages(canvas.observe(), "conversation")

    episode, step, events, paid, read = asyncio.run(both())
    assert step.reward == paid.value
    assert step.terms == {term.name: term.value for term in paid.terms}
    said = [event.text for event in events if isinstance(event, FeedbackGiven | TurnTaken)]
    assert said == [event.text for event in episode.events if isinstance(event, FeedbackGiven | TurnTaken)]
    assert episode.messages == read
