"""Choosing a workflow on validation tasks: by hand-made candidates, and by edits that are kept if better."""

import json

import pytest

from evaluation.evaluation_cases import SaysLLM, figures, run, small
from flowsteer.errors import BackendUnavailable, ConfigError
from flowsteer.evaluation import design as designing
from flowsteer.evaluation.baselines import HAND_MADE
from flowsteer.evaluation.design import FixedBest, Trial
from flowsteer.evaluation.search import Search
from flowsteer.evaluation.specs import parse_system
from flowsteer.runs.folder import RunFolder
from flowsteer.session import Setup, open_session
from flowsteer.task import Task
from flowsteer.workflow import parse_dsl, steps, to_dsl

TASKS = (Task("1 + 1?", "math", id="1"), Task("2 + 2?", "math", id="2"))


class TableBench:
    """A bench that scores a workflow by a function of its text, and counts."""

    dataset = "sums"
    tasks = TASKS

    def __init__(self, session, worth, calls=1):
        self.session, self.worth, self.calls = session, worth, calls
        self.notes, self.tried = {}, []

    async def score(self, workflow):
        self.tried.append(workflow)
        return Trial(workflow, self.worth(workflow), self.calls)

    def recall(self, note):
        return self.notes.get(note)

    def keep(self, note, content):
        self.notes[note] = content


async def design(designer, worth, editor=None, notes=None, calls=1):
    extra = {editor.spec: editor} if editor else None
    async with open_session(Setup(director="", executor="simulated:", sandbox="monty"), extra) as session:
        bench = TableBench(session, worth, calls)
        bench.notes |= notes or {}
        return await designer.design(bench), bench


@pytest.mark.parametrize("best", range(len(HAND_MADE)))
async def test_the_best_hand_made_workflow_is_chosen(best):
    chosen, bench = await design(FixedBest(2), lambda workflow: to_dsl(workflow) == HAND_MADE[best])
    assert to_dsl(chosen) == HAND_MADE[best]
    assert len(bench.tried) == len(HAND_MADE)


async def test_a_random_search_climbs_and_never_falls():
    def customs(workflow):
        return sum(step.operator == "Custom" for step in steps(workflow.nodes)) / 10

    chosen, bench = await design(Search(rounds=60), customs)
    scores = [customs(workflow) for workflow in bench.tried]
    assert customs(chosen) == max(scores) > max(scores[: len(HAND_MADE)])


async def test_an_edit_that_is_not_better_is_dropped():
    chosen, bench = await design(Search(rounds=10), lambda workflow: 0.5)
    assert to_dsl(chosen) == HAND_MADE[0]
    assert len(bench.tried) == len(HAND_MADE) + 10


async def test_an_llm_edits_the_best_and_is_told_what_came_of_it():
    replies = iter(
        [
            "<action>set_prompt</action><target>node_1</target><prompt>Count twice.</prompt>",
            "<action>fly</action>",
            "<action>finish</action>",
            "<action>delete</action><target>node_1</target>",
        ]
    )
    editor = SaysLLM(lambda request: next(replies), "says:editor")
    worth = {"Count twice.": 0.9}
    chosen, bench = await design(
        Search(rounds=4, by="says:editor"),
        lambda workflow: worth.get(next(steps(workflow.nodes)).prompt, 0.1),
        editor,
    )
    assert next(steps(chosen.nodes)).prompt == "Count twice."
    assert len(bench.tried) == len(HAND_MADE) + 2
    last = "\n".join(message.content for message in editor.requests[-1].messages)
    assert "scores 0.900, the best before 0.100: kept as the best" in last
    assert last.count("Refused:") == 2
    assert "1 + 1?" in last
    assert bench.notes["search/sums/round/3"]["workflow"] is not None


async def test_a_search_stops_at_its_calls():
    _, bench = await design(Search(rounds=50, calls=10), lambda workflow: 0.5, calls=4)
    assert len(bench.tried) == len(HAND_MADE) + 3


async def test_what_was_noted_before_a_break_is_not_asked_for_again():
    replies = iter(["<action>delete</action><target>node_1</target>"])
    editor = SaysLLM(lambda request: next(replies), "says:editor")
    search = Search(rounds=1, by="says:editor")
    first, bench = await design(search, lambda workflow: len(list(steps(workflow.nodes))) == 6, editor)
    again, _ = await design(search, lambda workflow: len(list(steps(workflow.nodes))) == 6, editor, bench.notes)
    assert first == again
    assert len(editor.requests) == 1


def test_options_of_a_search():
    found = parse_system("search:rounds=4,tasks=3,calls=90,by=llm")
    assert (found.rounds, found.tasks, found.calls, found.by) == (4, 3, 90, "llm")
    assert parse_system("search:by=http://127.0.0.1:1/v1#a,b=c").by == "http://127.0.0.1:1/v1#a,b=c"


def test_chosen_workflows_run_on_test_tasks_and_trials_are_kept_apart_and_not_repeated(tmp_path):
    config = small(systems=["fixed:best", "search:rounds=3,tasks=4"], datasets=["simulated:math", "simulated:qa"])
    run(tmp_path, config)
    trials = RunFolder.read(tmp_path / "validation")
    test = {entry.summary.task for entry in RunFolder.read(tmp_path).entries.values()}
    tried = {entry.summary.task for entry in trials.entries.values()}
    assert not test & tried
    assert {name.partition("/")[0] for name in RunFolder.read(tmp_path).entries} == {
        "fixed:best",
        "search:rounds=3,tasks=4",
    }
    chosen = {(e.summary.system, e.summary.dataset): e.summary.dsl for e in RunFolder.read(tmp_path).entries.values()}
    assert len(chosen) == 4
    before, same = (tmp_path / "validation" / "episodes.jsonl").read_bytes(), figures(tmp_path)
    run(tmp_path, config)
    assert (tmp_path / "validation" / "episodes.jsonl").read_bytes() == before
    assert figures(tmp_path) == same


def from_file(folder, **changes):
    """An evaluation on a file of 30 rows, by an LLM that is never right: the first of the workflows is chosen."""
    rows = [{"id": str(n), "type": "math", "question": f"{n} + 1?", "answer": str(n + 1)} for n in range(30)]
    (folder / "sums.jsonl").write_text("\n".join(map(json.dumps, rows)))
    plain = {"datasets": ["sums"], "data": str(folder), "systems": ["fixed:best"], "executor": "says:it", "limit": 2}
    return small(**plain | changes), {"says:it": SaysLLM("Answer: no idea", "says:it")}


def play(folder, **changes):
    config, extra = from_file(folder, **changes)
    return run(folder / "run", config, extra=extra)


@pytest.mark.parametrize("lost", [[], ["validation/notes.jsonl"]])
def test_an_extended_run_keeps_the_workflow_that_was_chosen(tmp_path, monkeypatch, lost):
    """Runs of former versions noted no choice: it is read from their episodes."""
    systems = ["fixed:best", "search:rounds=2,tasks=8"]
    play(tmp_path, systems=systems)
    trials = (tmp_path / "run" / "validation" / "episodes.jsonl").read_bytes()
    for file in lost:
        (tmp_path / "run" / file).unlink()
    monkeypatch.setattr(designing, "HAND_MADE", HAND_MADE[::-1])
    assert play(tmp_path, systems=systems, limit=5).done == 10
    entries = [entry.summary for entry in RunFolder.read(tmp_path / "run").entries.values()]
    assert {(one.system, one.dsl) for one in entries} == {(name, HAND_MADE[0]) for name in systems}
    assert (tmp_path / "run" / "validation" / "episodes.jsonl").read_bytes() == trials


def test_what_a_run_has_validated_on_is_not_tested_on_later(tmp_path):
    play(tmp_path, systems=["search:rounds=1,tasks=12"])
    with pytest.raises(ConfigError, match="4 tasks of sums that are to be tested on were validation tasks") as error:
        play(tmp_path, limit=None)
    assert "--limit 18" in error.value.hint
    assert play(tmp_path, limit=18).done == 18
    assert play(tmp_path, systems=["direct"], limit=None).done == 30


def test_the_budget_holds_while_a_workflow_is_being_chosen(tmp_path):
    progress = run(tmp_path, small(systems=["fixed:best"], caps={"calls": 20}))
    assert (progress.done, progress.total) == (0, 3)
    assert "calls" in progress.stopped
    assert run(tmp_path, small(systems=["fixed:best"])).done == 3


def test_a_backend_that_is_lost_while_a_workflow_is_being_chosen_ends_the_run(tmp_path):
    def says(request):
        raise BackendUnavailable("gone")

    with pytest.raises(BackendUnavailable, match="validation on"):
        run(tmp_path, small(systems=["fixed:best"], executor="says:it"), extra={"says:it": SaysLLM(says, "says:it")})


async def test_the_first_round_of_a_search_depends_on_its_seed_alone():
    one, other = [(await design(Search(rounds=5), lambda workflow: 0.0))[1].tried for _ in range(2)]
    assert one == other
    assert one[0] == parse_dsl(HAND_MADE[0])


@pytest.mark.parametrize(
    ("system", "library"),
    [("search:by=nosuch", "paper"), ("search:by=runs/none", "paper"), ("fixed:best", "paper:Custom,Format")],
)
def test_a_choice_that_cannot_be_made_is_refused_before_the_first_validation_task(tmp_path, system, library):
    with pytest.raises(ConfigError):
        run(tmp_path / "run", small(systems=[system], library=library))
    assert list(tmp_path.iterdir()) == []
