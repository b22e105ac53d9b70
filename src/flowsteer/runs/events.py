"""Every fact of an episode as a small tagged record: the one stream that everything else reads.

Records hold live values (a `Draft`, a `Workflow`); `flowsteer.runs.event_json` turns them into JSON and back at the
edge, so nothing is serialised that nobody writes down.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from flowsteer.draft import Draft
from flowsteer.errors import FaultError
from flowsteer.runs.failure import UNEXPECTED, Failure
from flowsteer.task import Task
from flowsteer.usage import NO_USAGE, Usage
from flowsteer.workflow.dsl import to_dsl
from flowsteer.workflow.nodes import NodeId, Workflow
from flowsteer.workflow.rules import Condition, Rules

FINISHED, UNDIRECTED = "finished", "no Director"
"""Why an episode ended: the Director's finish was accepted; or it was a fixed workflow's, which nobody could finish."""


@dataclass(frozen=True, slots=True)
class EpisodeSettings:
    """What a Director was allowed in an episode.

    Attributes:
        max_turns: Turn limit.
        max_rejected: So many rejected turns in a row would have ended it; None for no such limit.
        feedback: What the Director was told after an edit: `full`, `status` or `none`.
        rules: What the canvas allowed, and what a finish needed.
    """

    max_turns: int
    max_rejected: int | None
    feedback: str
    rules: Rules


@dataclass(frozen=True, slots=True)
class EpisodeStarted:
    """An episode began.

    Attributes:
        episode: Its id.
        task: The task; it holds no gold answer and no hidden test.
        director: Spec of the Director; empty where none edits.
        executor: Spec of the executor.
        settings: What the Director was allowed; None where none edits.
    """

    kind: ClassVar[str] = "episode_started"
    episode: str
    task: Task
    director: str
    executor: str
    settings: EpisodeSettings | None = None


@dataclass(frozen=True, slots=True)
class TurnTaken:
    """The Director replied.

    Attributes:
        turn: The turn's number.
        text: What it sampled, unchanged.
        reasoning: Thinking that its backend returned apart.
        usage: What the turn cost.
        seconds: Wall time.
        folded: Earlier turns that were shown to it in short.
        requests: Keys of what its LLM was sent, in that order (`flowsteer.runs.request_store`); empty where it is not
            kept.
    """

    kind: ClassVar[str] = "turn_taken"
    turn: int
    text: str
    reasoning: str
    usage: Usage
    seconds: float
    folded: int = 0
    requests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EditApplied:
    """An action was accepted. `echo` is what was understood, `new` the ids it made, `workflow` the whole tree."""

    kind: ClassVar[str] = "edit_applied"
    turn: int
    echo: str
    new: tuple[str, ...]
    dsl: str
    workflow: Workflow


@dataclass(frozen=True, slots=True)
class EditRejected:
    """An action did not parse (`parsed` is false) or was refused; nothing changed."""

    kind: ClassVar[str] = "edit_rejected"
    turn: int
    parsed: bool
    reason: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeRan:
    """A node ran, failed, or was served from the memo.

    Attributes:
        turn: The turn it belongs to; 0 outside an episode.
        node: The node's id.
        operator: Its operator.
        iteration: Which iteration of each loop around it, outermost first and from 0; empty outside loops.
        memo: True if the very same call had been made before and its result was used again.
        wrote: A draft that holds what the operator wrote; empty when it failed.
        failure: Why it failed, or None.
        backend: Spec of the node's backend.
        usage: What the call cost; zero for a memo hit.
        retries: Replies that had to be asked for again because they did not parse.
        seconds: Wall time.
        requests: Keys of what its LLM was sent, in that order, also where a memo hit uses what came back; empty where
            it is not kept.
    """

    kind: ClassVar[str] = "node_ran"
    turn: int
    node: str
    operator: str
    iteration: tuple[int, ...]
    memo: bool
    wrote: Draft
    failure: Failure | None
    backend: str
    usage: Usage
    retries: int
    seconds: float
    requests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Feedback:
    """What the canvas has to say after one turn, as data: whoever reads it makes the words.

    Attributes:
        accepted: Whether the action was accepted.
        status: What was done, or why it was refused.
        choices: The legal choices, when refused.
        workflow: The workflow as it stands.
        fresh: Node runs this turn made, as far as they are told.
        asks: In two-step mode, the step whose instruction is asked for next.
        unmet: Finish conditions still unmet.
        turn: This turn.
        max_turns: The turn limit.
    """

    accepted: bool
    status: str
    choices: tuple[str, ...]
    workflow: Workflow
    fresh: tuple[NodeRan, ...]
    asks: NodeId | None
    unmet: tuple[Condition, ...]
    turn: int
    max_turns: int


@dataclass(frozen=True, slots=True)
class FeedbackGiven:
    """What the canvas answered.

    Attributes:
        turn: The turn it answers.
        text: Its words, as an LLM reads them; empty if the Director is told nothing.
        feedback: What it says; None if the Director is told nothing, and in runs that recorded words alone.
    """

    kind: ClassVar[str] = "feedback_given"
    turn: int
    text: str
    feedback: Feedback | None = None


@dataclass(frozen=True, slots=True)
class EpisodeEnded:
    """The episode is over.

    Attributes:
        answer: What the workflow produced.
        finished: Whether the Director's own finish was accepted; None where there is no Director to finish.
        reason: `finished`, `turn limit`, `rejected edits`, `no Director`, or why the Director could not go on.
        turns: Turns taken.
        stated: The answer the Director wrote into its finish; recorded, never scored.
        dsl: The final workflow as DSL.
        workflow: The final workflow.
        director_usage: What the Director's turns cost.
        executor_usage: What the operators' calls cost.
        seconds: Wall time.
        requests: Keys of what a Director's LLM refused, so that no turn came of it.
    """

    kind: ClassVar[str] = "episode_ended"
    answer: str
    finished: bool | None
    reason: str
    turns: int
    stated: str
    dsl: str
    workflow: Workflow
    director_usage: Usage
    executor_usage: Usage
    seconds: float
    requests: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        workflow: Workflow,
        answer: str,
        reason: str,
        executor_usage: Usage,
        seconds: float,
        *,
        turns: int = 0,
        stated: str = "",
        director_usage: Usage = NO_USAGE,
        requests: tuple[str, ...] = (),
    ) -> "EpisodeEnded":
        """The one maker of this event: how the workflow is written, and whether it is finished, follows from the rest.

        >>> EpisodeEnded.of(Workflow(), "", UNDIRECTED, NO_USAGE, 0.1).finished is None
        True
        """
        return cls(
            answer=answer,
            finished=None if reason == UNDIRECTED else reason == FINISHED,
            reason=reason,
            turns=turns,
            stated=stated,
            dsl=to_dsl(workflow),
            workflow=workflow,
            director_usage=director_usage,
            executor_usage=executor_usage,
            seconds=seconds,
            requests=requests,
        )


@dataclass(frozen=True, slots=True)
class Voted:
    """Several episodes were played on the task; the turns behind this event are those of the one that was taken.

    Attributes:
        agreed: How many have the answer that was taken.
        answers: The answer of each, in the order they were asked for.
        others: All events of those that were not taken.
        taken: Which one was taken, from 0; -1 in runs that did not record it.
    """

    kind: ClassVar[str] = "voted"
    agreed: int
    answers: tuple[str, ...]
    others: "tuple[tuple[Event, ...], ...]"
    taken: int = -1


@dataclass(frozen=True, slots=True)
class Graded:
    """A grader's outcome.

    Attributes:
        score: The score; None means unscorable.
        metrics: All that was measured, by name.
        reason: Why it is unscorable, or what the grader noticed.
        failure: What went wrong in the grader itself, if it was that.
    """

    kind: ClassVar[str] = "graded"
    score: float | None
    metrics: dict[str, float]
    reason: str = ""
    failure: Failure | None = None


Event = (
    EpisodeStarted | TurnTaken | EditApplied | EditRejected | NodeRan | FeedbackGiven | EpisodeEnded | Voted | Graded
)
Emit = Callable[[Event], None]
"""A place events go to; called in the order the facts became true."""


def stop_at_faults(emit: Emit) -> Emit:
    """An `Emit` that hands events on, and raises at the first fault of an operator's or a grader's own code.

    Args:
        emit: Gets the events, that one too.

    Raises:
        FaultError: Raised by what is returned.
    """

    def strict(event: Event) -> None:
        emit(event)
        failure = event.failure if isinstance(event, NodeRan | Graded) else None
        if failure is not None and failure.kind == UNEXPECTED:
            raise FaultError(f"{failure.place} failed: {failure.message}\n{failure.trace}".rstrip(), "mend its code")

    return strict


def ignore(event: Event) -> None:
    """An `Emit` that drops what it gets."""
