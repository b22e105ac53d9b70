"""Run folders written through the public writer, with episodes whose texts try to break out of a page."""

from flowsteer.draft import Candidate, Draft, Verdict
from flowsteer.runs.events import (
    EditApplied,
    EditRejected,
    EpisodeEnded,
    EpisodeStarted,
    FeedbackGiven,
    Graded,
    NodeRan,
    TurnTaken,
)
from flowsteer.runs.failure import Failure
from flowsteer.runs.folder import RunFolder
from flowsteer.runs.index import Entry
from flowsteer.runs.summary import EpisodeSummary
from flowsteer.task import Task
from flowsteer.usage import Usage
from flowsteer.workflow.dsl import parse_dsl, to_dsl
from flowsteer.workflow.nodes import Workflow

HOSTILE = "</script><script>alert('x')</script><img src=x onerror=alert(1)> & \u2028 \"quoted\" | *bold* `code`"
WORKFLOW = parse_dsl("[Programmer, Custom] -> (Review ? Revise : done) * 3 -> Format")


def summary(system, dataset, task, score, epoch=0, **changes):
    """A summary as the runner writes it."""
    plain = {
        "system": system,
        "dataset": dataset,
        "type": "math",
        "task": task,
        "digest": task,
        "epoch": epoch,
        "seed": epoch,
        "answer": "42",
        "score": score,
        "metrics": {} if score is None else {"accuracy": score},
        "executor_tokens": 100,
        "calls": 1,
        "cost": 0.5,
        "seconds": 2.0,
        "dsl": "Custom",
        "operators": {"Custom": 1},
        "structures": {"parallel": 0, "conditional": 0, "loop": 0},
    }
    return EpisodeSummary(**plain | changes)


def entry(system, dataset, task, score, epoch=0, **changes):
    """An entry of a run's index."""
    return Entry(f"{system}/{dataset}/{task}/{epoch}", summary(system, dataset, task, score, epoch, **changes))


def directed_events(text=HOSTILE):
    """Three turns of a Director: a rejected one, an accepted one, a finish."""
    usage = Usage(1, 50, 10, 0.5, 0.01)
    wrote = Draft(
        text, (text,), text, text, text, (Candidate("Custom", text),), Verdict(False, text, 0.5, "Review"), text
    )
    task = Task(f"question {text}", "math", f"context {text}")
    return [
        EpisodeStarted("id", task, f"director {text}", "simulated:typed"),
        TurnTaken(1, f"first reply {text}", f"thinking {text}", usage, 0.2),
        EditRejected(1, False, f"reason {text}", (f"choice {text}",)),
        FeedbackGiven(1, f"first feedback {text}"),
        TurnTaken(2, f"second reply {text}", "", usage, 0.2),
        EditApplied(2, f"echo {text}", ("node_2",), to_dsl(WORKFLOW), WORKFLOW),
        NodeRan(2, "node_2", "Programmer", (), False, wrote, None, "simulated:typed", usage, 1, 0.1),
        NodeRan(2, "node_3", "Custom", (), False, Draft(), Failure("bad_reply", f"why {text}"), "b", usage, 0, 0.1),
        FeedbackGiven(2, f"second feedback {text}"),
        TurnTaken(3, "<action>finish</action>", "", usage, 0.2),
        EditApplied(3, "finish", (), to_dsl(WORKFLOW), WORKFLOW),
        FeedbackGiven(3, "finished"),
        EpisodeEnded(text, True, "finished", 3, f"stated {text}", to_dsl(WORKFLOW), WORKFLOW, usage, usage, 1.0),
        Graded(0.0, {"accuracy": 0.0}, f"graded {text}"),
    ]


def plain_events():
    """A fixed workflow's run."""
    workflow, usage = parse_dsl("Custom"), Usage(1, 90, 10, 0.5, 0.5)
    return [
        NodeRan(0, "node_1", "Custom", (), False, Draft(answer="42"), None, "simulated:typed", usage, 0, 0.1),
        EpisodeEnded("42", None, "no Director", 0, "", "Custom", workflow, Usage(), usage, 2.0),
        Graded(1.0, {"accuracy": 1.0}),
    ]


def nothing_happened():
    """The record of a Director that never got anything accepted."""
    return [
        EpisodeStarted("id", Task("q"), "d", "e"),
        EpisodeEnded("", False, "turn limit", 0, "", "", Workflow(), Usage(), Usage(), 0.0),
    ]


def write(run, summary, events):
    """Write one episode."""
    name = f"{summary.system}/{summary.dataset}/{summary.task}/{summary.epoch}"
    writer = run.begin(name)
    for event in events:
        writer.emit(event)
    return writer.commit(summary)


def hostile_run(path, tasks=6):
    """A run of three systems on two datasets, in which every text is hostile."""
    with RunFolder.create(path, {"executor": "simulated:typed", "note": HOSTILE}) as run:
        for dataset in ("gsm8k", f"odd {HOSTILE}"):
            for number in range(tasks):
                task = f"{number} {HOSTILE}"
                write(run, summary("direct", dataset, task, float(number % 2)), plain_events())
                write(run, summary("fixed:A -> B", dataset, task, 1.0, cost=None), plain_events())
                bad = {"failures": {f"bad {HOSTILE}": 2}} if number == 3 else {}
                given = None if number == 4 else 0.0
                reason = f"no sense {HOSTILE}" if number == 4 else ""
                counted = {
                    "finished": True,
                    "turns": 3,
                    "director_tokens": 180,
                    "operators": {"Programmer": 1, "Custom": 1, HOSTILE: 1},
                    "structures": {"parallel": 1, "conditional": 1, "loop": 0},
                    "answer": HOSTILE,
                    "dsl": to_dsl(WORKFLOW),
                    "reason": reason,
                }
                write(run, summary(f"director:{HOSTILE}", dataset, task, given, **counted, **bad), directed_events())
    return RunFolder.read(path)
