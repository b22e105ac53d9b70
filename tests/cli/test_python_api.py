"""The same as the command line, from Python."""

import pytest

import flowsteer
from flowsteer.errors import ConfigError
from flowsteer.runs.events import EpisodeEnded, EpisodeStarted, NodeRan

DSL = "Plan -> [Programmer, Custom] -> ScEnsemble -> Verify"


def test_solve_builds_runs_and_tells():
    events = []
    solved = flowsteer.solve(
        "What is 6 times 7?", type="math", director=f"dsl:{DSL}", executor="simulated:", emit=events.append
    )
    assert flowsteer.to_dsl(solved.workflow) == DSL
    assert (solved.finished, solved.turns, solved.usage.calls) == (True, 5, 5)
    assert isinstance(events[-1], EpisodeEnded)
    assert events[-1].answer == solved.answer
    assert sum(isinstance(event, NodeRan) for event in events) == 5


async def test_run_gives_every_node_and_the_answer_of_the_last():
    ran = await flowsteer.arun(DSL, "What is 6 times 7?", type="math", executor="simulated:")
    assert [node.operator for node in ran.nodes] == ["Plan", "Programmer", "Custom", "ScEnsemble", "Verify"]
    assert ran.answer
    assert ran.usage.calls == 5


def test_a_change_of_the_canvas_leaves_the_rest_as_the_director_learned_it():
    def rules(setup):
        events = []
        flowsteer.solve("6*7?", "math", director="pretrained", executor="simulated:", setup=setup, emit=events.append)
        settings = next(event.settings for event in events if isinstance(event, EpisodeStarted))
        return settings.rules, settings.max_turns

    learned, _ = rules(None)
    assert rules(flowsteer.Setup(canvas={"max_turns": 4})) == (learned, 4)


@pytest.mark.parametrize(
    ("dsl", "question", "words"),
    [(DSL, " ", "empty"), ("Nope", "hi", "no operator 'Nope'"), (DSL, "a" * 100_001, "100,001")],
)
def test_what_does_not_fit_is_told(dsl: str, question: str, words: str):
    with pytest.raises(ConfigError, match=words):
        flowsteer.run(dsl, question, executor="simulated:")


def test_every_public_name_is_there():
    for name in flowsteer.__all__:
        assert getattr(flowsteer, name) is not None


async def test_solve_inside_a_running_loop_waits():
    solved = flowsteer.solve("What is 6 times 7?", type="math", director=f"dsl:{DSL}", executor="simulated:")
    assert (solved.finished, solved.usage.calls) == (True, 5)


def test_a_notebook_shows_answer_and_workflow():
    solved = flowsteer.solve("<b>?", type="math", director=f"dsl:{DSL}", executor="simulated:")
    shown = solved._repr_html_()
    assert "node_1 Plan" in shown
    assert "finished after 5 turns" in shown
    ran = flowsteer.run("Custom", "hi", executor="simulated:")
    assert "node_1 Custom" in ran._repr_html_()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"type": "mth"}, "no type 'mth' of tasks. Did you mean math"),
        ({"extra": {"mine": object()}}, "'mine' is given a object, which is no flowsteer.Backend"),
        ({"extra": object()}, "extra is a object"),
        ({"executor": "simulatd:"}, "names no backend"),
        ({"executor": 5}, "the setup: executor"),
        ({"setup": "fast"}, "the setup is a str, no Setup"),
        ({"setup": flowsteer.Setup(seed=-1)}, "the setup: seed"),
    ],
)
def test_what_is_no_type_and_no_backend_is_told(asked: dict, words: str):
    with pytest.raises(flowsteer.FlowSteerError, match=words):
        flowsteer.run("Custom", "hi", **{"executor": "simulated:"} | asked)
