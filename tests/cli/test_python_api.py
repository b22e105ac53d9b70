"""The same as the command line, from Python."""

import pytest

import flowsteer
from flowsteer.errors import ConfigError
from flowsteer.runs.events import EpisodeEnded, NodeRan

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


@pytest.mark.parametrize(
    ("dsl", "question", "words"),
    [(DSL, " ", "empty"), ("Nope", "hi", "no operator 'Nope'"), (DSL, "a" * 100_001, "100,001")],
)
def test_what_does_not_fit_is_told(dsl: str, question: str, words: str):
    with pytest.raises(ConfigError, match=words):
        flowsteer.run(dsl, question, executor="simulated:")
