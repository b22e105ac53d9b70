"""A training run: what is trained is what was sampled, the same seed gives the same curve, a killed run goes on."""

import json
import shutil
from collections import Counter
from contextlib import suppress
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="needs the extra: pip install 'flowsteer[train]'")
pytest.importorskip("trl", reason="needs the extra: pip install 'flowsteer[train]'")

from safetensors.torch import load_file  # noqa: E402

from flowsteer.backends.ledger import Ledger  # noqa: E402
from flowsteer.errors import BackendUnavailable, BudgetExceeded, RunError  # noqa: E402
from flowsteer.reward.reward import RewardSettings  # noqa: E402
from flowsteer.runs.events import EpisodeStarted, Graded, TurnTaken  # noqa: E402
from flowsteer.runs.folder import RunFolder  # noqa: E402
from flowsteer.settings import check  # noqa: E402
from flowsteer.training import best_policy  # noqa: E402
from flowsteer.training import run as training  # noqa: E402
from flowsteer.training.best_policy import score  # noqa: E402
from flowsteer.training.config import TrainingConfig  # noqa: E402
from flowsteer.training.inference.settings import SamplerSettings  # noqa: E402
from flowsteer.training.policy.kept import best_of, replace_best  # noqa: E402
from flowsteer.training.policy_director import PolicyDirector  # noqa: E402
from flowsteer.training.rl import learner as trl_side  # noqa: E402
from flowsteer.training.rl import trainer as update_side  # noqa: E402
from flowsteer.training.run import open_run, train  # noqa: E402

KINDS = ("simulated:math", "simulated:qa")


def config(steps=4, **update):
    """A run so short that little is learned; the price of tokens makes rewards differ within a group all the same."""
    return check(TrainingConfig,
        {
            "data": {"datasets": KINDS, "tasks": 10, "validation_tasks": 2, "test_tasks": 2},
            "executor": {"backend": "simulated:typed"},
            "canvas": {"max_turns": 3, "max_rejected": 2, "min_steps": 1, "needs": [], "needs_structure": False},
            "reward": {"token_cost": 20.0},
            "warmup": {"episodes": 24, "batch": 8},
            "sampler": {"turn_tokens": 12, "episode_tokens": 256},
            "update": {
                "steps": steps, "groups": 2, "group": 3, "learning_rate": 1e-3, "warmup_steps": 0,
                "entropy": 0.0, "save_every": 2, "validate_every": 2, "threads": 1, **update,
            },
        }, "here")  # fmt: skip


def curve(path):
    """Each step's figures that do not measure time."""
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if "seconds" not in k and "step_time" not in k} for line in lines]


def weights(path):
    return load_file(path / "policy" / "model.safetensors")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """One whole run, and the batches TRL trained on beside the rollouts they are made of."""
    path = tmp_path_factory.mktemp("run") / "whole"
    seen = []
    score, keep = trl_side.GRPOTrainer._generate_and_score_completions, training.TrainingRun._keep

    def scored(self, inputs):
        batch = score(self, inputs)
        seen.append((batch, rolled[-1]))
        return batch

    rolled = []

    def kept(self, rollouts, policy):
        rolled.append(list(rollouts))
        keep(self, rollouts, policy)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trl_side.GRPOTrainer, "_generate_and_score_completions", scored)
        patch.setattr(training.TrainingRun, "_keep", kept)
        result = train(config(), path)
    return path, result, seen


def test_ids_trained_are_ids_sampled(undisturbed):
    _, _, seen = undisturbed
    assert len(seen) == 4
    for batch, rollouts in seen:
        for row, rollout in enumerate(rollouts):
            buffer, there = rollout.trajectory, batch["completion_mask"][row].bool()
            assert batch["completion_ids"][row][there].tolist() == buffer.ids
            assert batch["tool_mask"][row][there].tolist() == buffer.mask
            assert batch["prompt_ids"][row][batch["prompt_mask"][row].bool()].tolist() == list(buffer.prompt)
            assert 0 < buffer.own < len(buffer.ids) or rollout.ended.turns == 1


def test_a_run_says_what_it_did(undisturbed):
    path, result, _ = undisturbed
    assert result.steps == 4
    for figures in (result.before, result.after):
        assert {"accuracy", "gate_open", "valid", "finished", "turns", "operators", "by_type"} <= set(figures)
        assert figures["episodes"] == figures["sampled"]["episodes"] == 4
    lines = curve(path)
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert any(line["grad_norm"] > 0 for line in lines)
    record = RunFolder.read(path)
    assert len(record.entries) == 4 * 6 + 2 * 2 * 4 + 2 * 2 * 4
    episode = next(name for name in record.entries if name.startswith("train/4/"))
    events = record.events(episode)
    assert isinstance(events[0], EpisodeStarted)
    assert events[0].director == "policy@3"
    assert isinstance(events[-1], Graded)


def test_the_best_policy_on_validation_tasks_is_kept_tested_and_taken(undisturbed):
    path, result, _ = undisturbed
    found = json.loads((path / "validation.json").read_text())
    assert set(found) == {"2", "4"}
    assert set(found["2"]["greedy"]["by_type"]) == {"math", "qa"}
    best = load_file(path / "best" / "model.safetensors")
    later_is_better = found["4"]["score"] > found["2"]["score"]
    assert all(torch.equal(best[name], weight) for name, weight in weights(path).items()) == later_is_better
    assert result.tested == f"best@{4 if later_is_better else 2}"
    assert result.best["step"] == (4 if later_is_better else 2)
    director = PolicyDirector.load(path)
    assert all(
        torch.equal(best[name], weight) for name, weight in director.policy.model.state_dict().items() if name in best
    )


def test_tasks_of_two_files_that_share_ids_are_all_tested(tmp_path):
    """Each task is tested once, greedily and drawn, whatever another dataset calls its own."""
    files = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for file, kind in zip(files, ("math", "qa"), strict=True):
        rows = [{"id": str(n), "question": f"{file.stem}{n}?", "type": kind, "answer": "1"} for n in range(1, 9)]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = config(steps=0, validate_every=0)
    data = replace(asked.data, datasets=tuple(map(str, files)), cut=True, tasks=4)
    result = train(replace(asked, data=data), tmp_path / "run")
    for figures in (result.before, result.before["sampled"], result.after, result.after["sampled"]):
        assert figures["episodes"] == 4
        assert set(figures["by_type"]) == {"math", "qa"}
    record = RunFolder.read(tmp_path / "run")
    assert len({(entry.summary.dataset, entry.summary.task) for entry in record.entries.values()}) == 4
    assert len(record.entries) == 4 * 4


def test_before_and_after_are_drawn_alike(tmp_path):
    """Greedily and at the training temperature, on the same draws: a policy that did not change plays the same."""
    result = train(config(steps=0, validate_every=0), tmp_path / "run")
    assert result.before["sampled"]["temperature"] == result.after["sampled"]["temperature"] == 1.0
    record = RunFolder.read(tmp_path / "run")
    said = {
        when: [
            [event.text for event in record.events(name) if isinstance(event, TurnTaken)]
            for name in sorted(record.entries)
            if name.startswith(f"{when}/")
        ]
        for when in ("before", "after")
    }
    assert said["before"] == said["after"] != []


def test_a_run_takes_more_steps_and_none_back(tmp_path):
    short, longer = config(steps=2), config(steps=4)
    first = train(short, tmp_path / "run")
    with pytest.raises(RunError, match="has 2 steps behind it"):
        train(config(steps=1, save_every=1), tmp_path / "run", resume=True)
    further = train(longer, tmp_path / "run", resume=True)
    assert [line["step"] for line in curve(tmp_path / "run")] == [1, 2, 3, 4]
    assert (first.steps, further.steps) == (2, 4)
    assert json.loads((tmp_path / "run" / "result_2.json").read_text())["after"] == first.after
    assert further.before == first.before


def test_a_run_of_an_earlier_version_takes_more_steps(tmp_path):
    """It recorded its steps among its settings, a number for each validation, and tests at temperature 1."""
    run = tmp_path / "run"
    train(config(steps=2), run)
    recorded = json.loads((run / "config.json").read_text())
    assert "steps" not in recorded["config"]["update"]
    recorded["config"]["update"]["steps"] = 2
    (run / "config.json").write_text(json.dumps(recorded))
    (run / "validation.json").write_text('{"2": 0.25}')
    (run / "best" / "chosen.json").unlink()
    for name in ("before.json", "after.json"):
        found = json.loads((run / name).read_text())
        del found["sampled"]["temperature"]
        (run / name).write_text(json.dumps({key: found[key] for key in found if key not in ("tested", "steps")}))
    result = train(config(steps=4), run, resume=True)
    assert result.steps == 4
    assert {"before_T1.json", "after_2.json", "result_2.json", "before.json", "after.json"} <= {
        found.name for found in run.iterdir()
    }
    assert json.loads((run / "validation.json").read_text())["2"] == 0.25
    rates = [json.loads(line)["learning_rate"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert rates[2] > 0  # the first added step learns: its rate is that of the longer schedule


@pytest.mark.parametrize("older", [False, True])
def test_a_start_that_is_gone_on_with_is_compared_at_one_temperature(tmp_path, older):
    """An older version tested a run without steps at the temperature that training begins with."""
    run, falling = tmp_path / "run", check(SamplerSettings, {"turn_tokens": 12, "episode_tokens": 256,
        "temperature_end": 0.5}, "here")  # fmt: skip
    first = train(replace(config(steps=0, validate_every=0), sampler=falling), run)
    assert first.before["sampled"]["temperature"] == 0.5
    if older:
        for name in ("before.json", "after.json"):
            found = json.loads((run / name).read_text())
            (run / name).write_text(json.dumps(found | {"sampled": found["sampled"] | {"temperature": 1.0}}))
    result = train(replace(config(steps=2, validate_every=0), sampler=falling), run, resume=True)
    assert result.before["sampled"]["temperature"] == result.after["sampled"]["temperature"] == 0.5
    assert (run / "before_T1.json").exists() == older
    assert result.before == first.before


def test_of_a_run_whose_tests_differ_in_temperature_the_start_is_tested_again(tmp_path):
    """As an older version left a run that was gone on with after its cold start."""
    run = tmp_path / "run"
    first = train(config(steps=0, validate_every=0), run)
    found = json.loads((run / "before.json").read_text())
    (run / "before.json").write_text(json.dumps(found | {"sampled": found["sampled"] | {"temperature": 0.5}}))
    assert train(config(steps=0, validate_every=0), run, resume=True).before == first.before
    assert (run / "before_T0.5.json").exists()


def test_the_best_is_even_over_types_and_whole_at_every_moment(tmp_path):
    assert score({"math": 0.9, "qa": 0.9, "code": 0.0}) < score({"math": 0.6, "qa": 0.6, "code": 0.6})

    def write(word):
        def into(folder):
            folder.mkdir()
            (folder / "config.json").write_text(word)

        return into

    def broken(folder):
        folder.mkdir()
        raise OSError("no space left")

    replace_best(tmp_path, write("first"))
    with pytest.raises(OSError, match="no space"):
        replace_best(tmp_path, broken)
    assert (best_of(tmp_path) / "config.json").read_text() == "first"
    (tmp_path / "best").rename(tmp_path / "best.new")  # a kill between two renames
    assert (best_of(tmp_path) / "config.json").read_text() == "first"
    replace_best(tmp_path, write("second"))
    assert (best_of(tmp_path) / "config.json").read_text() == "second"
    assert sorted(found.name for found in tmp_path.iterdir()) == ["best"]


def test_training_moves_the_weights_and_leaves_the_reference(undisturbed):
    path, _, _ = undisturbed
    start = load_file(path / "start" / "model.safetensors")
    assert any(not torch.equal(start[name], weight) for name, weight in weights(path).items())


def test_the_same_seed_gives_the_same_curve_and_a_killed_run_goes_on(undisturbed, tmp_path):
    path, _, _ = undisturbed

    class Kill(Exception):
        pass

    def kill(metrics):
        if metrics["step"] == 3:
            raise Kill

    with pytest.raises(Kill):
        train(config(), tmp_path / "again", on_step=kill)
    assert curve(tmp_path / "again") == curve(path)[:3]
    with pytest.raises(RunError, match="holds a run already"):
        train(config(), tmp_path / "again")
    with pytest.raises(RunError, match="other settings"):
        train(config(learning_rate=2e-3), tmp_path / "again", resume=True)

    train(config(), tmp_path / "again", resume=True)
    assert curve(tmp_path / "again") == curve(path)
    for name, weight in weights(path).items():
        assert torch.equal(weights(tmp_path / "again")[name], weight), name
    assert set(RunFolder.read(tmp_path / "again").entries) == set(RunFolder.read(path).entries)


def killed(run, path, step, resume=False):
    """Take the steps before this one, and stop in the middle of it."""

    class Kill(Exception):
        pass

    def kill(metrics):
        if metrics["step"] == step:
            raise Kill

    with pytest.raises(Kill):
        train(run, path, resume=resume, on_step=kill)
    return sorted(found.name for found in (path / "checkpoints").glob("checkpoint-*"))


def test_how_often_checkpoints_are_written_may_change_between_starts(tmp_path):
    rarely = config(steps=2, validate_every=0)
    train(rarely, tmp_path / "run")
    often = replace(rarely, update=replace(rarely.update, steps=5, save_every=1))
    assert killed(often, tmp_path / "run", 5, resume=True) == ["checkpoint-3", "checkpoint-4"]


def test_the_best_policy_is_never_of_a_step_that_a_run_would_take_again(tmp_path, monkeypatch):
    scores = iter([1.0, 5.0, 0.0, 0.0, 0.0, 0.0])
    figures = {"greedy": {"reward": 0.0}, "sampled": {}}
    monkeypatch.setattr(best_policy, "validation", lambda *played: {"score": next(scores)} | figures)
    run = config(steps=4, validate_every=1, save_every=0)
    assert killed(run, tmp_path / "run", 4) == ["checkpoint-1", "checkpoint-2"]
    result = train(run, tmp_path / "run", resume=True)
    assert (result.tested, result.best["step"], result.best["score"]) == ("best@2", 2, 5.0)
    told = json.loads((tmp_path / "run" / "validation.json").read_text())
    assert {step: entry["score"] for step, entry in told.items()} == {"1": 1.0, "2": 5.0, "3": 0.0, "4": 0.0}


def test_of_a_step_that_is_taken_again_the_later_record_counts(undisturbed, tmp_path):
    path, _, _ = undisturbed
    shutil.copytree(path, tmp_path / "again")
    shutil.rmtree(tmp_path / "again" / "checkpoints" / "checkpoint-4")
    size = (path / "episodes.jsonl").stat().st_size
    train(config(), tmp_path / "again", resume=True)
    entries = RunFolder.read(tmp_path / "again").entries
    taken = {name.split("/")[1] for name, entry in entries.items() if name[:6] == "train/" and entry.offset >= size}
    assert taken == {"3", "4"}
    assert set(entries) == set(RunFolder.read(path).entries)


def test_a_run_says_what_it_is_at_and_how_far_its_cold_start_is(tmp_path):
    said = []
    train(config(steps=0), tmp_path / "run", on_stage=said.append)
    assert [stage for stage in said if "/" not in stage] == ["coldstart", "test", "test", "training", "test", "test"]
    warming = [stage for stage in said if "/" in stage]
    assert warming[0].startswith("coldstart 1/")
    assert warming[-1].partition(" ")[2] == "{0}/{0}".format(len(warming))


def test_there_must_be_a_run_to_go_on_with(tmp_path):
    with pytest.raises(RunError, match="holds no run to go on with"):
        train(config(), tmp_path / "typo", resume=True)
    assert not (tmp_path / "typo").exists()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.txt").write_text("mine")
    with pytest.raises(RunError, match="is not empty and holds no run"):
        train(config(), tmp_path / "other")


def test_what_was_learned_before_the_executor_was_lost_is_kept(undisturbed, tmp_path):
    """Where the cold start lies elsewhere and episodes are not written down, as in a study."""
    path, _, _ = undisturbed

    def lose(metrics):
        if metrics["step"] == 3:
            raise BackendUnavailable("gone", "")

    with pytest.raises(BackendUnavailable), open_run(config(), tmp_path / "cell", {}, record=False) as run:
        run.learned(run.start(path / "start"), False, lose)
    assert len(curve(tmp_path / "cell")) == 3
    assert trl_side.last_checkpoint(tmp_path / "cell" / "checkpoints").name == "checkpoint-2"


@pytest.fixture(scope="module")
def cooled(tmp_path_factory):
    """A run with every addition to the update; and what sampler and learner say of its tokens, at which temperature."""
    path, seen, score = tmp_path_factory.mktemp("cooled") / "run", [], update_side.own_logprobs

    def scored(model, head, rows, temperature, *rest):
        found = score(model, head, rows, temperature, *rest)
        seen.append((temperature, found[0].detach(), torch.cat([row.sampled for row in rows])))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(update_side, "own_logprobs", scored)
        train(replace(config(**ADDITIONS), sampler=COOLING), path)
    return path, seen


ADDITIONS = {
    "epochs": 2, "std_floor": 0.1, "adam_beta2": 0.99, "entropy": 0.01, "entropy_mean": "trajectory", "kl": 0.0,
    "micro_batch": 3,
}  # fmt: skip
COOLING = replace(config().sampler, temperature=1.0, temperature_end=0.4)


def test_sampler_and_learner_agree_at_every_temperature(cooled):
    _, seen = cooled
    first = [one for number, one in enumerate(seen) if number % 4 < 2]  # two passes, then those of the second epoch
    assert [temperature for temperature, *_ in first] == pytest.approx([1.0] * 2 + [0.8] * 2 + [0.6] * 2 + [0.4] * 2)
    for _, learner, sampler in first:
        assert torch.allclose(learner, sampler, atol=1e-4)
    assert sum(len(sampler) for *_, sampler in first) > 50
    assert any(not torch.allclose(one[1], one[2], atol=1e-4) for one in seen), "a second epoch must see other weights"


def test_a_killed_run_with_all_additions_goes_on(cooled, tmp_path):
    path, _ = cooled
    shutil.copytree(path, tmp_path / "again")
    shutil.rmtree(tmp_path / "again" / "checkpoints" / "checkpoint-4")
    run = replace(config(**ADDITIONS), sampler=COOLING)
    train(run, tmp_path / "again", resume=True)
    assert curve(tmp_path / "again") == curve(path)
    with pytest.raises(RunError, match="std_floor"):
        train(replace(run, update=replace(run.update, std_floor=0.2)), path, resume=True)


def test_groups_without_signal_give_way_and_a_killed_run_meets_the_same_tasks(tmp_path):
    """Without a price of tokens, nearly all groups of such a policy earn equal rewards."""
    run, path = replace(config(steps=2, dynamic=2), reward=RewardSettings()), tmp_path / "run"
    train(run, path)
    lines = curve(path)
    rows = Counter(tuple(name.split("/")[1:3]) for name in RunFolder.read(path).entries if name.startswith("train/"))
    assert set(rows.values()) == {3}, "every group is whole"
    for step, line in enumerate(lines, 1):
        assert 1 <= line["signal/replaced"] <= 4
        assert sum(int(at) == step for at, _ in rows) == 2 + line["signal/replaced"]
    shutil.copytree(path, tmp_path / "again")
    shutil.rmtree(tmp_path / "again" / "checkpoints" / "checkpoint-2")
    with suppress(FileNotFoundError):
        (tmp_path / "again" / "result.json").unlink()
    train(run, tmp_path / "again", resume=True)
    assert curve(tmp_path / "again") == lines
    assert set(RunFolder.read(tmp_path / "again").entries) == set(RunFolder.read(path).entries)


def test_micro_batches_do_not_change_the_update(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(config(steps=2), whole)
    train(config(steps=2, micro_batch=2), parts)
    start = load_file(whole / "start" / "model.safetensors")
    for name, weight in weights(whole).items():
        assert not torch.equal(start[name], weight), name
        assert torch.allclose(weights(parts)[name], weight, atol=1e-4), name


@pytest.mark.parametrize(("backend", "reached"), [("simulated:typed", True), ("", False)])
def test_scripts_may_be_played_on_an_executor_of_their_own(tmp_path, backend, reached):
    """What they cost is then not the run's, which its own executor has a single call for."""
    run = config(steps=0)
    caps, warmup = replace(run.executor.caps, calls=1), replace(run.warmup, backend=backend)
    run = replace(run, executor=replace(run.executor, caps=caps), warmup=warmup)
    with suppress(BudgetExceeded):
        train(run, tmp_path / "run")
    assert (tmp_path / "run" / "start").exists() is reached


def test_a_budget_is_one_for_the_run_however_often_that_is_started(tmp_path):
    run = config(steps=1)
    run = replace(run, executor=replace(run.executor, caps=replace(run.executor.caps, calls=3)))
    for resume in (False, True):
        with pytest.raises(BudgetExceeded, match="budget of 3 calls"):
            train(run, tmp_path / "run", resume=resume)
        assert Ledger(tmp_path / "run").read().calls == 3
