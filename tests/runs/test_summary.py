"""A summary is counted from the events of an episode as they pass."""

from flowsteer.draft import EMPTY, Draft
from flowsteer.runs.events import UNDIRECTED, EditApplied, EpisodeEnded, EpisodeStarted, NodeRan
from flowsteer.runs.failure import Failure
from flowsteer.runs.summary import Tally
from flowsteer.task import Task
from flowsteer.usage import NO_USAGE, Usage
from flowsteer.workflow import parse_dsl, to_dsl


def ran(node, operator, failure=None, iteration=(), turn=1, usage=NO_USAGE):
    wrote = Draft(answer="4") if failure is None else EMPTY
    return NodeRan(turn, node, operator, iteration, False, wrote, failure, "simulated:", usage, 0, 0.0)


def applied(turn, workflow):
    return EditApplied(turn, "", (), to_dsl(workflow), workflow)


def summed(*events, workflow):
    tally = Tally()
    for event in (EpisodeStarted("e", Task("What?"), "", "simulated:"), *events):
        tally.see(event)
    tally.see(EpisodeEnded.of(workflow, "4", UNDIRECTED, Usage(calls=2, prompt_tokens=3, completion_tokens=4), 0.5))
    return tally.summary("fixed:X")


def test_a_step_that_was_changed_has_not_done_what_it_did_before():
    before, after = parse_dsl("Custom"), parse_dsl("Test")
    failed = Failure("no_code", "there is no code")
    told = summed(
        applied(1, before), ran("node_1", "Custom"), applied(2, after), ran("node_1", "Test", failed), workflow=after
    )
    assert (told.ran, told.failures) == (0, {"no_code": 1})


def test_of_a_step_that_ran_again_the_later_run_counts_and_one_good_iteration_does():
    once, loop = parse_dsl("Custom"), parse_dsl("(Review -> Revise) * 2")
    failed = Failure("timeout", "took longer than 1 s")
    again = summed(applied(1, once), ran("node_1", "Custom"), ran("node_1", "Custom", failed, turn=2), workflow=once)
    rounds = [ran("node_2", "Review", failed, (0,)), ran("node_2", "Review", None, (1,))]
    assert again.ran == 0
    assert summed(applied(1, loop), *rounds, workflow=loop).ran == 1


def test_what_was_spent_is_in_the_summary():
    told = summed(ran("node_1", "Custom"), workflow=parse_dsl("Custom"))
    assert (told.calls, told.executor_tokens, told.director_tokens, told.seconds, told.ran) == (2, 7, 0, 0.5, 1)
