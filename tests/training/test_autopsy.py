"""An autopsy says what a run's folder shows, no more: on folders made by hand, with the package's own writers."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from flowsteer.errors import RunError
from flowsteer.runs.events import (
    FINISHED,
    EditApplied,
    EditRejected,
    EpisodeEnded,
    EpisodeSettings,
    EpisodeStarted,
    Graded,
    TurnTaken,
)
from flowsteer.runs.failure import Failure
from flowsteer.runs.files import append_line, write_json
from flowsteer.runs.folder import RunFolder
from flowsteer.runs.summary import tally
from flowsteer.task import Task
from flowsteer.training.autopsy.compared_episode import FLOOR, compare_episode
from flowsteer.training.autopsy.examination import examine
from flowsteer.training.autopsy.training_record import read_training
from flowsteer.usage import NO_USAGE
from flowsteer.workflow.dsl import parse_dsl
from flowsteer.workflow.nodes import Workflow
from flowsteer.workflow.rules import Rules

STEP = "<action>add</action><operator>Plan</operator>"
LOOP = "<action>add</action><structure>loop</structure><operators>Review -> Revise</operators>"
CATEGORIES = {"Plan": "planning", "Custom": "solving", "Verify": "verification", "Review": "verification"}
SETTINGS = EpisodeSettings(12, 2, "full", Rules(categories=CATEGORIES))
SAID = ((STEP, True),)


def play(run, episode, kind="math", dsl="Custom -> Verify", score=1.0, said=SAID, **changed):
    """Record an episode: each turn's text and whether it was accepted."""
    workflow = parse_dsl(dsl) if dsl else Workflow()
    task = episode.split("/", 3)[-1].rpartition("/")[0] if episode.startswith("train/") else episode
    events = [EpisodeStarted(episode, Task("q", type=kind, id=task, dataset="d"), "policy@0", "simulated:", SETTINGS)]
    for turn, (text, accepted) in enumerate(said, 1):
        events.append(TurnTaken(turn, text, "", NO_USAGE, 0.0))
        new = EditApplied(turn, "", (), dsl, workflow)
        events.append(new if accepted else EditRejected(turn, accepted is not None, "no"))
    events.append(EpisodeEnded.of(workflow, "1", FINISHED, NO_USAGE, 0.0, turns=len(said)))
    events.append(Graded(score, {}))
    terms = {"base": -1.0, "answer": score or 0.0}
    told = replace(tally(events).summary("policy@0"), **{"terms": terms, "reward": sum(terms.values())} | changed)
    writer = run.begin(episode)
    for event in events:
        writer.emit(event)
    writer.commit(told)


def measured(path, step, **figures):
    append_line(
        path / "metrics.jsonl", {"step": step} | {name.replace("__", "/"): one for name, one in figures.items()}
    )


HEALTHY = {"episodes__valid": 0.99, "episodes__tokens": 60.0, "types__math__gate_open": 1.0, "signal__none": 0.1}


def course(path, steps=10, **figures):
    """Metrics in which each figure goes from its first to its second value; those not named are healthy."""
    moving = {"entropy": (0.4, 0.1), "episodes__reward": (-0.5, 0.5)} | figures
    for step in range(1, steps + 1):
        at = (step - 1) / max(1, steps - 1)
        line = {name: low + (high - low) * at for name, (low, high) in moving.items()}
        measured(path, step, **(HEALTHY | line))


@pytest.fixture
def run(tmp_path):
    with RunFolder.create(tmp_path / "run", {"command": "train", "update": {"steps": 10}}) as folder:
        yield folder


def names(autopsy):
    return [(verdict.name, verdict.about) for verdict in autopsy.verdicts]


def row(autopsy, kind, feature):
    (found,) = [one for one in autopsy.evidence.features if (one.type, one.feature) == (kind, feature)]
    return found


def test_accuracy_by_feature_is_of_late_episodes_of_one_type(run):
    for step in (1, 8, 9, 10):
        for number in range(4):
            at = f"train/{step}/{step}/t{step}"
            play(run, f"{at}/{number}", dsl="Custom -> Verify" if number else "Custom", score=float(number > 0))
        play(run, f"train/{step}/{step}0/q/0", kind="qa", score=0.0)
        play(run, f"train/{step}/{step}1/x/0", score=None)
    found = examine(run.path)
    verify = row(found, "math", "Verify")
    assert found.evidence.late_from == 8
    assert (verify.having.right.mean, verify.having.episodes) == (1.0, 9)
    assert (verify.lacking.right.mean, verify.lacking.episodes) == (0.0, 3)
    assert (verify.having.right.n, verify.difference) == (3, 1.0)  # tasks, not episodes
    assert verify.having.right.low > 0.2
    assert row(found, "math", "1–3 operators").lacking.right is None
    assert row(found, "qa", "Verify").having.right.mean == 0.0
    assert found.evidence.features[0].feature == "Verify"  # what tells most apart comes first


def test_a_category_is_told_where_several_operators_have_it(run):
    play(run, "train/1/1/a/0", dsl="Custom -> Verify")
    play(run, "train/1/1/a/1", dsl="Custom -> (Review -> Plan) * 2", score=0.0)
    play(run, "train/1/1/a/2", dsl="Custom", score=0.0)
    found = examine(run.path)
    assert row(found, "math", "any verification").having.episodes == 2
    assert row(found, "math", "a loop").having.episodes == 1
    assert "any solving" not in {one.feature for one in found.evidence.features}


def test_rejections_are_counted_by_kind_and_window(run):
    for step in range(1, 21):
        said = ((STEP, True), (LOOP, step <= 10), ("hm", None))
        play(run, f"train/{step}/{step}/t/0", said=said)
    turns = examine(run.path).evidence.turns
    assert [(part.window.first, part.window.last) for part in turns][:2] == [(1, 2), (3, 4)]
    first, last = (
        {one.kind: (one.tries, one.rejected, one.unread) for one in part.kinds} for part in (turns[0], turns[-1])
    )
    assert first == {"add step": (2, 0, 0), "add loop": (2, 0, 0), "unreadable": (2, 2, 2)}
    assert last == {"add step": (2, 0, 0), "add loop": (2, 2, 0), "unreadable": (2, 2, 2)}


def test_a_kind_that_is_rejected_at_the_end_cannot_be_written_also_when_it_is_given_up(run):
    course(run.path)
    for step in range(1, 11):
        looped = [(LOOP, step < 3)] * (20 if step < 9 else 0)
        play(run, f"train/{step}/{step}/t/0", said=[(STEP, True)] * 40 + looped)
    found = examine(run.path)
    assert names(found) == [("cannot write", "add loop")]
    (verdict,) = found.verdicts
    assert verdict.figures == {"tries": 40, "rejected": 40, "unread": 0}
    assert "not tried any more" in verdict.seen
    assert "sampler.grammar=true" in str(verdict)


def test_a_healthy_run_has_nothing_to_complain_of(run):
    course(run.path)
    assert names(examine(run.path)) == [("nothing to complain of", "")]
    assert "so far" in examine(run.path).verdicts[0].seen
    write_json(run.path / "after.json", {"by_type": {"math": 0.5}})
    assert "so far" not in examine(run.path).verdicts[0].seen


@pytest.mark.parametrize(
    ("figures", "verdict", "setting"),
    [
        ({"entropy": (0.4, 0.39), "episodes__reward": (0.1, 0.12), "kl": (0.0, 0.003)}, ("undertrained", ""), "update"),
        ({"entropy": (0.4, 0.005)}, ("collapsed", ""), "update.entropy"),
        ({"episodes__valid": (0.99, 0.7)}, ("collapsed", ""), "reward.rejected"),
        ({"types__math__gate_open": (1.0, 0.2)}, ("gate closed", "math"), "reward.gated_finish"),
        ({"signal__none": (0.0, 0.8)}, ("no signal", ""), "update.group"),
        ({"types__qa__accuracy": (0.4, 0.2)}, ("below its start", "qa"), "update.validate_every"),
    ],
)
def test_each_sign_of_trouble_has_its_verdict_and_no_other(run, figures, verdict, setting):
    course(run.path, **figures)
    found = examine(run.path)
    assert names(found) == [verdict]
    assert setting in found.verdicts[0].advice
    assert any(character.isdigit() for character in found.verdicts[0].seen)


@pytest.mark.parametrize(
    "figures",
    [
        {"loss": (float("nan"), float("nan"))},
        {"grad_norm": (0.0, float("inf"))},
        {name: (float("nan"), float("nan")) for name in ("loss", "grad_norm", "entropy", "kl")},
    ],
)
def test_a_run_whose_weights_are_no_numbers_has_diverged(run, figures):
    course(run.path, **figures)
    found = examine(run.path)
    assert names(found) == [("diverged", "")]
    assert "update.learning_rate" in found.verdicts[0].advice
    assert all(name in found.verdicts[0].seen for name in figures)


def test_numbers_of_both_signs_without_end_have_no_mean_and_are_no_error(run):
    for step in range(1, 21):
        measured(run.path, step, loss=float("inf") * (-1) ** step, entropy=0.4)
    assert names(examine(run.path)) == [("diverged", "")]


def test_what_diverged_for_a_while_and_went_on_is_not_blamed(run):
    measured(run.path, 1, loss=float("nan"), **HEALTHY)
    for step in range(2, 11):
        measured(run.path, step, loss=0.1, **HEALTHY)
    assert names(examine(run.path)) == [("nothing to complain of", "")]


def at_ends(path, name, first, last):
    """Metrics of two steps."""
    for step, value in enumerate((first, last), 1):
        measured(path, step, **{name: value})


@pytest.mark.parametrize(("before", "after"), [(0.85, 0.8), (0.6, 0.55), (0.95, 0.9), (0.9, 0.85), (0.55, 0.5)])
def test_five_points_in_tests_are_five_points(run, before, after):
    write_json(run.path / "before.json", {"by_type": {"math": before, "qa": before}})
    write_json(run.path / "after.json", {"by_type": {"math": after, "qa": after + 0.001}})
    assert names(examine(run.path)) == [("below its start", "math"), ("no gain", "qa")]


@pytest.mark.parametrize(("first", "last"), [(0.9, 0.8), (1.0, 0.9), (0.5, 0.4), (0.8, 0.7), (0.4, 0.3)])
@pytest.mark.parametrize(
    ("name", "verdict"),
    [("episodes__valid", ("collapsed", "")), ("types__qa__accuracy", ("below its start", "qa"))],
)
def test_ten_points_in_training_are_ten_points(run, name, verdict, first, last):
    at_ends(run.path, name, first, last)
    assert names(examine(run.path)) == [verdict]


@pytest.mark.parametrize("last", [0.2, 0.3, 0.9])
def test_a_reward_that_rose_by_a_tenth_has_moved(run, last):
    course(run.path, steps=2, entropy=(0.4, 0.4), episodes__reward=(last - 0.1, last))
    assert names(examine(run.path)) == [("nothing to complain of", "")]


def test_an_accuracy_that_nothing_tells_is_not_called_nought(run):
    course(run.path, entropy=(0.4, 0.001))
    assert "with accuracy unknown" in examine(run.path).verdicts[0].seen
    measured(run.path, 10, episodes__accuracy=0.25)
    assert "with accuracy 0.25" in examine(run.path).verdicts[0].seen


def test_an_empty_workflow_has_a_name(run):
    for kind in ("math", "qa"):
        play(run, f"after/T0/{kind}/0", kind, dsl="")
    assert "(empty) on at least 100 %" in examine(run.path).verdicts[0].seen


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("before", {"by_type": 3}),
        ("before", {"by_type": {"math": "x"}}),
        ("after", {"by_type": [1]}),
        ("after", {"by_type": {"qa": None}}),
        ("coldstart", {"taught": 3}),
        ("coldstart", {"taught": [3]}),
    ],
)
def test_side_files_that_are_damaged_are_passed_over(run, name, content):
    course(run.path)
    write_json(run.path / "before.json", {"by_type": {"math": 0.5}})
    write_json(run.path / f"{name}.json", content)
    found = examine(run.path)
    assert names(found) == [("nothing to complain of", "")]
    assert found.evidence.taught == ()


def test_what_is_solved_may_have_no_signal_and_no_entropy(run):
    course(run.path, entropy=(0.4, 0.001), signal__none=(0.0, 0.9), episodes__accuracy=(0.3, 0.99))
    assert names(examine(run.path)) == [("nothing to complain of", "")]


def test_a_reward_without_a_gate_is_not_blamed_for_a_closed_one(tmp_path):
    with RunFolder.create(tmp_path / "run", {"command": "train", "reward": {"variant": "answer"}}) as run:
        course(run.path, types__math__gate_open=(1.0, 0.0))
        assert names(examine(run.path)) == [("nothing to complain of", "")]


def test_tests_tell_the_usual_workflows_and_what_got_worse(run):
    course(run.path)
    for test, dsl in (("before", "Custom"), ("after", "Plan -> Custom")):
        for number in range(4):
            for kind in ("math", "qa"):
                usual = dsl if number else f"{kind.title()} -> Verify"
                play(run, f"{test}/T0/{kind}{number}/0", kind, dsl=usual, score=float(number > 2))
        play(run, f"{test}/T1/other/0", dsl="Review")
    write_json(run.path / "before.json", {"by_type": {"math": 0.5, "qa": 0.2}})
    write_json(run.path / "after.json", {"by_type": {"math": 0.25, "qa": 0.25}})
    found = examine(run.path)
    usual = [one for one in found.evidence.workflows if (one.test, one.type) == ("after", "math")]
    assert [(one.dsl, one.episodes, one.of, one.share) for one in usual] == [
        ("Plan -> Custom", 3, 4, 0.75), ("Math -> Verify", 1, 4, 0.25)
    ]  # fmt: skip
    assert usual[0].accuracy == pytest.approx(1 / 3)
    assert names(found) == [("same workflow", "all types"), ("below its start", "math")]
    assert "50 % to 25 % of 4 test tasks" in found.verdicts[1].seen


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [(0.46, 0.46, True), (0.46, 0.5, True), (0.46, 0.51, False), (0.96, 0.97, False), (0.5, 0.42, False)],
)
def test_a_type_that_gained_nothing_is_named(run, before, after, told):
    course(run.path)
    write_json(run.path / "before.json", {"by_type": {"math": 0.3, "qa": before}})
    write_json(run.path / "after.json", {"by_type": {"math": 0.9, "qa": after}})
    found = [one for one in examine(run.path).verdicts if one.name == "no gain"]
    assert [one.about for one in found] == ["qa"] * told


def test_types_that_share_a_workflow_are_named(run):
    course(run.path)
    for kind, dsl in (("code", "Plan -> Test"), ("math", "Plan"), ("qa", "Plan")):
        play(run, f"after/T0/{kind}/0", kind, dsl=dsl)
    found = examine(run.path)
    assert names(found) == [("same workflow", "math and qa")]
    assert str(found.verdicts[0]).startswith("same workflow for math and qa: Plan on")


def test_what_is_not_recorded_is_said_and_not_made_up(run):
    nothing = examine(run.path)
    assert nothing.verdicts == ()
    assert nothing.evidence.steps == 0
    assert any("metrics.jsonl" in line for line in nothing.evidence.missing)
    measured(run.path, 1, entropy=0.4, frac_reward_zero_std=0.9)
    old = examine(run.path)
    assert any("signal/" in line for line in old.evidence.missing)
    assert any("no training episode" in line for line in old.evidence.missing)
    assert old.evidence.features == () == old.evidence.turns[0].kinds
    assert names(old) == [("no signal", "")]  # by the figure that older versions wrote


def test_lost_episodes_are_in_no_figure_and_damaged_ones_are_said(run):
    play(run, "train/1/1/a/0")
    play(run, "train/1/1/a/1", lost=Failure("gone", "gone", "gone"))
    play(run, "train/1/1/a/2")
    text = (run.path / "episodes.jsonl").read_bytes()
    (run.path / "episodes.jsonl").write_bytes(text.replace(b'"reasoning"', b'"reasonimg"', 1))
    found = examine(run.path).evidence
    assert found.episodes == 2
    assert sum(one.tries for one in found.turns[0].kinds) == 1
    assert any("1 training episodes are damaged" in line for line in found.missing)


def test_an_episode_stands_beside_its_group_with_the_advantages_of_the_update(run):
    for number, score in enumerate((1.0, 0.0, None, 0.5, 0.0)):
        changed = {"reward": None} if score is None else {}
        play(run, f"train/1/7/d/a/{number}", score=score, **changed)
    play(run, "train/1/8/d/b/0")
    play(run, "before/T0/d/a/0")
    record = read_training(run.path)
    group = compare_episode(record, "train/1/7/d/a/3")
    assert [member.episode[-1] for member in group.members] == ["0", "1", "2", "3", "4"]
    assert group.members[3].terms == {"base": -1.0, "answer": 0.5}
    assert group.members[2].advantage is None
    assert (group.mean, group.floor) == (pytest.approx(-0.625), FLOOR)
    assert sum(member.advantage or 0.0 for member in group.members) == pytest.approx(0.0)
    pytest.importorskip("torch", reason="needs the extra: pip install 'flowsteer[train]'")
    pytest.importorskip("trl", reason="needs the extra: pip install 'flowsteer[train]'")
    from flowsteer.training.rl.cwrpo import advantages
    from flowsteer.training.rl.settings import UpdateSettings

    assert UpdateSettings().std_floor == FLOOR
    asked = advantages([member.reward for member in group.members], 5, FLOOR)
    assert [member.advantage or 0.0 for member in group.members] == pytest.approx(asked)
    alone = compare_episode(record, "before/T0/d/a/0")
    assert (len(alone.members), alone.mean, alone.members[0].advantage) == (1, None, None)


def test_rollouts_of_different_tasks_of_one_dataset_are_a_group_too(run):
    for task in "ab":
        play(run, f"train/1/7/d/{task}/0", score=float(task == "a"))
    group = compare_episode(read_training(run.path), "train/1/7/d/b/0")
    assert [member.advantage > 0 for member in group.members] == [True, False]


def test_a_folder_that_is_no_training_run(tmp_path):
    with pytest.raises(RunError, match="not a run folder"):
        examine(tmp_path)
    RunFolder.create(tmp_path / "other", {"command": "eval"}).close()
    with pytest.raises(RunError, match="no training run: it was made by flowsteer eval"):
        examine(tmp_path / "other")


def test_the_tensor_library_is_not_needed(run):
    play(run, "train/1/1/a/0")
    code = (
        "import sys, pathlib; from flowsteer.training.autopsy.examination import examine; "
        "from flowsteer.training.autopsy.compared_episode import compare_episode; "
        "assert examine(pathlib.Path(sys.argv[1])).evidence.episodes == 1; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(run.path)], check=True)


def test_all_of_it_is_plain_json(run):
    course(run.path)
    play(run, "train/1/1/a/0")
    told = json.loads(json.dumps(examine(run.path).to_json()))
    assert {"features", "turns", "course", "workflows", "accuracy", "missing", "verdicts"} <= set(told)
    assert told["verdicts"][0]["name"] == "nothing to complain of"
