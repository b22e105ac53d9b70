"""A fault of somebody's code is a failure of that node, answer or episode: the run goes on, and says where to look."""

from dataclasses import replace

import pytest
from evaluation_cases import run, small
from flowsteer_cli import flowsteer

from flowsteer.datasets.simulated_tasks import simulated_sample
from flowsteer.errors import FaultError
from flowsteer.evaluation.systems import WorkflowSystem
from flowsteer.grading.grade import Grader
from flowsteer.operators import paper
from flowsteer.runs.events import NodeRan
from flowsteer.runs.folder import RunFolder
from flowsteer.workflow import parse_dsl

BUGS = [
    KeyError("unit"),
    ZeroDivisionError("by zero"),
    RecursionError("too deep"),
    AssertionError(),
    OSError(5),
    SystemExit(0),
    TimeoutError("its own"),
]
SYSTEMS = ("fixed:Plan -> Custom", "fixed:AnswerGenerate")


def broken(error, name="Custom"):
    """The paper's library with a fault in one operator."""

    async def fail(call):
        raise error

    operators = paper.LIBRARY.operators
    return replace(paper.LIBRARY, operators={**operators, name: replace(operators[name], run=fail)})


def asking(*arguments):
    return (*arguments, "--executor", "simulated:")


@pytest.mark.parametrize("error", BUGS, ids=lambda error: type(error).__name__)
def test_an_operators_fault_fails_its_node_and_the_run_goes_on(tmp_path, monkeypatch, error):
    monkeypatch.setattr(paper, "LIBRARY", broken(error))
    done = run(tmp_path / "run", small(systems=SYSTEMS))
    assert (done.done, done.errors, done.stopped) == (6, 0, "")
    record = RunFolder.read(tmp_path / "run")
    for name, entry in record.entries.items():
        faulty = name.startswith("fixed:Plan")
        assert entry.summary.failures == ({"unexpected": 1} if faulty else {})
        failures = [event.failure for event in record.events(name) if isinstance(event, NodeRan) and event.failure]
        for failure in failures:
            assert (failure.error, failure.place) == (type(error).__name__, "operator Custom")
            assert "in fail" in failure.trace


def test_the_command_goes_on_ends_with_5_and_says_where_to_look(tmp_path, monkeypatch):
    monkeypatch.setattr(paper, "LIBRARY", broken(KeyError("unit")))
    asked = asking("eval", "simulated:math", "--limit", "2", "--system", SYSTEMS[0], "--run", "run")
    done = flowsteer(*asked, cwd=tmp_path)
    assert done.code == 5
    assert "code of an operator or a grader failed in 2 episodes" in done.err
    shown = flowsteer("show", "run", next(iter(RunFolder.read(tmp_path / "run").entries)), cwd=tmp_path)
    assert "operator Custom: Traceback" in shown.err
    assert "KeyError: 'unit'" in shown.err
    again = flowsteer(*asked, cwd=tmp_path)
    assert again.code == 5
    assert len(RunFolder.read(tmp_path / "run").entries) == 2


def test_asked_to_it_stops_at_the_first_fault_and_runs_that_episode_again(tmp_path, monkeypatch):
    asked = asking("eval", "simulated:math", "--limit", "2", "--system", SYSTEMS[0], "--run", "run")
    with monkeypatch.context() as patch:
        patch.setattr(paper, "LIBRARY", broken(KeyError("unit")))
        done = flowsteer(*asked, "--fail-fast", cwd=tmp_path)
        assert done.code == 5
        assert "operator Custom failed: KeyError: 'unit'" in done.err
        assert not RunFolder.read(tmp_path / "run").entries
    mended = flowsteer(*asked, "--fail-fast", cwd=tmp_path)
    assert mended.code == 0
    assert len(RunFolder.read(tmp_path / "run").entries) == 2


def test_solve_says_it_too(tmp_path, monkeypatch):
    monkeypatch.setattr(paper, "LIBRARY", broken(TypeError("no"), "Plan"))
    asked = asking("solve", "What?", "--director", "dsl:Plan -> [Custom, Custom] -> Verify ? Revise : done")
    assert flowsteer(*asked, "--run", "a", cwd=tmp_path).code == 5
    stopped = flowsteer(*asked, "--run", "b", "--fail-fast", cwd=tmp_path)
    assert stopped.code == 5
    assert "operator Plan failed: TypeError: no" in stopped.err


def test_run_says_it_too(tmp_path, monkeypatch):
    monkeypatch.setattr(paper, "LIBRARY", broken(SystemExit(0), "Plan"))
    done = flowsteer(*asking("run", "Plan", "What?"), cwd=tmp_path)
    assert done.code == 5
    assert "operator Plan failed by a fault of its own code" in done.err


def test_swap_and_calibrate_say_it_too(tmp_path, monkeypatch):
    asked = asking("eval", "simulated:math", "--limit", "2", "--system", SYSTEMS[0], "--run", "run")
    assert flowsteer(*asked, cwd=tmp_path).code == 0
    monkeypatch.setattr(paper, "LIBRARY", broken(KeyError("unit")))
    swapped = flowsteer("swap", "run", "--executor", "simulated:flat", "--run", "swapped", cwd=tmp_path)
    assert swapped.code == 5
    assert "code of an operator or a grader failed in 2 episodes" in swapped.err
    calibrated = flowsteer(*asking("calibrate", "simulated:math", "--tasks", "2"), cwd=tmp_path)
    assert calibrated.code == 5


@pytest.mark.parametrize("error", BUGS[:5], ids=lambda error: type(error).__name__)
async def test_a_graders_fault_is_neither_right_nor_wrong_and_told(error):
    async def fail(sample, answer):
        raise error

    async with Grader(fail) as grader:
        grade = await grader.grade(simulated_sample("code", "test", 0, 0), "def f(): pass")
    assert grade.score is None
    assert (grade.failure.kind, grade.failure.error) == ("unexpected", type(error).__name__)
    assert "in fail" in grade.failure.trace


class Faulty(WorkflowSystem):
    """A system with a fault that shows on one task."""

    async def run(self, session, task, emit, episode, seed):
        if task.id.endswith("1"):
            raise LookupError("a table is missing")
        return await super().run(session, task, emit, episode, seed)


def test_a_systems_fault_loses_its_episode_alone_and_the_next_start_tries_again(tmp_path, monkeypatch):
    from flowsteer.evaluation import evaluate

    faulty = Faulty("faulty", parse_dsl("AnswerGenerate"))
    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "parse_systems", lambda specs, without: [faulty])
        done = run(tmp_path / "run")
    assert (done.done, done.errors) == (2, 1)
    assert done.error == "LookupError: a table is missing"
    whole = WorkflowSystem("faulty", faulty.workflow)
    monkeypatch.setattr(evaluate, "parse_systems", lambda specs, without: [whole])
    again = run(tmp_path / "run")
    assert (again.done, again.resumed, again.errors) == (3, 2, 0)


def test_what_stops_at_faults_hands_them_on_first(tmp_path, monkeypatch):
    monkeypatch.setattr(paper, "LIBRARY", broken(KeyError("unit")))
    with pytest.raises(FaultError, match="operator Custom failed"):
        run(tmp_path / "run", small(systems=SYSTEMS[:1]), fail_fast=True)
