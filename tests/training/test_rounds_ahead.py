"""Steps played ahead: an episode that waits holds no step up, and its version is known and corrected for."""

import asyncio
import copy
import json
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="needs the extra: pip install 'flowsteer[train]'")
pytest.importorskip("trl", reason="needs the extra: pip install 'flowsteer[train]'")

from flowsteer.backends.simulated import SimulatedBackend  # noqa: E402
from flowsteer.errors import BudgetExceeded, ConfigError  # noqa: E402
from flowsteer.runs.events import EpisodeStarted  # noqa: E402
from flowsteer.runs.folder import RunFolder  # noqa: E402
from flowsteer.settings import check  # noqa: E402
from flowsteer.training.config import TrainingConfig  # noqa: E402
from flowsteer.training.inference.distributed import Ranks  # noqa: E402
from flowsteer.training.rl import learner as trl_side  # noqa: E402
from flowsteer.training.rl import trainer as update_side  # noqa: E402
from flowsteer.training.rl.rounds_ahead import frozen  # noqa: E402
from flowsteer.training.run import train  # noqa: E402
from training.small import tiny  # noqa: E402

STEPS, KINDS = 4, ("simulated:math", "simulated:qa")


def config(staleness, **update):
    return check(
        TrainingConfig,
        {
            "data": {"datasets": KINDS, "tasks": 12, "test_tasks": 2, "validation_tasks": 2},
            "canvas": {"max_turns": 3, "max_rejected": 2, "min_steps": 1, "needs": [], "needs_structure": False},
            "reward": {"token_cost": 20.0},
            "warmup": {"episodes": 24, "batch": 8},
            "sampler": {"turn_tokens": 32, "episode_tokens": 400, "grammar": True},
            "update": {
                "steps": STEPS, "groups": 2, "group": 3, "learning_rate": 3e-3, "warmup_steps": 0, "save_every": 2,
                "threads": 1, "staleness": staleness, **update,
            },
        },
        "here",
    )  # fmt: skip


def versions(path):
    """The version that drew each step's episodes."""
    record, found = RunFolder.read(path), {}
    for name in record.entries:
        if name.startswith("train/"):
            started = next(event for event in record.events(name) if isinstance(event, EpisodeStarted))
            found.setdefault(int(name.split("/")[1]), set()).add(started.director)
    return found


def names_of(path, step):
    return [name for name in RunFolder.read(path).entries if name.startswith(f"train/{step}/")]


def metrics(path):
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def ahead(tmp_path_factory):
    """A run one step ahead, with the log-probs of each pass: the learner's beside those of the draw."""
    path, seen = tmp_path_factory.mktemp("ahead") / "run", []
    objective = update_side.objective

    def looked(tokens, update):
        seen.append((tokens.old.detach(), tokens.sampled))
        return objective(tokens, update)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(update_side, "objective", looked)
        train(config(staleness=1), path)
    return path, seen


def test_each_step_is_drawn_by_the_version_of_one_step_before(ahead):
    path, _ = ahead
    assert versions(path) == {1: {"policy@0"}, 2: {"policy@0"}, 3: {"policy@1"}, 4: {"policy@2"}}
    assert [line["staleness"] for line in metrics(path)] == [0, 1, 1, 1]
    assert len(RunFolder.read(path).entries) == 2 * 2 * 4 + STEPS * 6


def test_tokens_are_weighed_by_the_version_that_drew_them(ahead):
    _, seen = ahead
    assert torch.allclose(*seen[0], atol=1e-4), "the first step was drawn by the policy that learns from it"
    assert any(not torch.allclose(old, sampled, atol=1e-3) for old, sampled in seen[1:])


def test_the_same_tasks_are_played_in_the_same_order(ahead, tmp_path):
    path, _ = ahead
    train(config(staleness=0), tmp_path / "run")
    now, before = (
        [name for name in RunFolder.read(one).entries if name.startswith("train/")] for one in (path, tmp_path / "run")
    )
    assert now == before
    assert all("staleness" not in line for line in metrics(tmp_path / "run"))


def test_an_answer_that_is_late_holds_no_step_up(ahead, tmp_path, monkeypatch):
    """The executor answers what the second step asks only when the first has been learned from."""
    tasks = {step: {name.split("/", 3)[3].rpartition("/")[0] for name in names_of(ahead[0], step)} for step in (1, 2)}
    late, stages, over, asked = tasks[2] - tasks[1], [], asyncio.Event(), set()
    answered = SimulatedBackend.complete

    async def complete(self, request):
        task = request.origin.task.id
        if task in late and "training" in stages and not over.is_set():
            asked.add(task)
            await over.wait()
        return await answered(self, request)

    monkeypatch.setattr(SimulatedBackend, "complete", complete)
    train(config(staleness=1), tmp_path / "run", on_stage=stages.append, on_step=lambda line: over.set())
    assert asked, "the second step was under way before the first was over"
    assert versions(tmp_path / "run") == versions(ahead[0])


def test_a_killed_run_goes_on_and_forgets_what_was_under_way(tmp_path):
    path = tmp_path / "run"

    class Killed(Exception):
        pass

    def kill(line):
        if line["step"] == 3:
            raise Killed

    with pytest.raises(Killed):
        train(config(staleness=1), path, on_step=kill)
    train(config(staleness=1), path, resume=True)
    assert [line["step"] for line in metrics(path)] == [1, 2, 3, 4]
    assert versions(path) == {1: {"policy@0"}, 2: {"policy@0"}, 3: {"policy@2"}, 4: {"policy@2"}}


def test_what_ends_a_step_that_is_under_way_ends_the_run(tmp_path, monkeypatch):
    async def spent(self, request):
        raise BudgetExceeded("the budget is spent", "raise it")

    def spend(line):
        monkeypatch.setattr(SimulatedBackend, "complete", spent)

    with pytest.raises(BudgetExceeded):
        train(config(staleness=1), tmp_path / "run", on_step=spend)
    assert metrics(tmp_path / "run")[0]["step"] == 1


def test_a_frozen_policy_stays_as_it_was():
    policy = replace(tiny(), model=copy.deepcopy(tiny().model))
    policy.model.forward = policy.model.forward  # as a trainer that wraps it leaves it
    held = frozen(policy)
    weights = next(iter(policy.model.parameters()))
    with torch.no_grad():
        weights += 1.0
    kept = next(iter(held.model.parameters()))
    assert not torch.equal(kept, weights)
    assert not kept.requires_grad
    ids = torch.tensor([[1, 2, 3]])
    assert not torch.equal(held.model(input_ids=ids).logits, policy.model(input_ids=ids).logits)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"update": {"staleness": 1, "dynamic": 1}}, "too late to play ahead"),
        ({"update": {"staleness": 1}, "sampler": {"engine": "vllm_colocate"}}, "one version of it at a time"),
    ],
)
def test_what_does_not_go_with_it_is_refused(change, told):
    with pytest.raises(ConfigError, match=told):
        check(TrainingConfig, change, "here")


def test_several_processes_are_refused(tmp_path):
    learner = trl_side.Learner(config(staleness=1), tiny(), None, None, None, tmp_path, Ranks(0, 2))
    with pytest.raises(ConfigError, match="single process"):
        learner.trainer()
