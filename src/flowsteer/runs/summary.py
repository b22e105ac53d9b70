"""What is told of an episode in lists and reports: one record, whoever ran it and wherever."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from flowsteer.runs.events import (
    EditApplied,
    EditRejected,
    EpisodeEnded,
    EpisodeStarted,
    Event,
    Graded,
    NodeRan,
)
from flowsteer.runs.failure import Failure
from flowsteer.workflow.facts import facts
from flowsteer.workflow.nodes import Workflow, steps

JSON = dict[str, Any]

REJECTED, UNREAD = "rejected edit", "no action"
"""Kinds of failure that are the Director's: an action the canvas refused, and a reply that is no action."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeSummary:
    """One episode of any kind: solved, evaluated, or trained on.

    Attributes:
        system: What worked on the task: `director:SPEC`, `fixed:DSL`, `policy@3` and so on.
        dataset: Name of the dataset in the run; empty for a user's own question.
        type: Type of the task.
        task: Id of the task within its dataset.
        digest: Digest of what could be read from the task; empty in runs that did not record it.
        epoch: Which of the repetitions, from 0.
        seed: Seed of its draws.
        director: Spec of the Director; empty where none edits.
        executor: Spec of the executor.
        served: The model names that servers reported, by the specs that took part.
        answer: What the workflow produced.
        finished: Whether the Director's own finish was accepted; None where there is no Director to finish.
        ended: Why it ended, such as `finished` or `turn limit`.
        turns: Turns taken.
        parsed: Turns that were one well-formed action.
        accepted: Turns whose action was accepted.
        dsl: The final workflow.
        ran: Steps of the final workflow that ran successfully at least once.
        operators: How often each operator occurs in the final workflow.
        structures: How many `parallel`, `conditional` and `loop` it has.
        failures: How often what failed: kinds of node failures, `rejected edit`, `no action`.
        director_tokens: Tokens that the Director read and wrote.
        executor_tokens: Tokens that the operators' calls read and wrote.
        calls: Requests answered by any model.
        cost: US dollars; None when a price is unknown.
        seconds: Wall time.
        score: The grade; None if there is none.
        metrics: All that the grader measured, by name.
        reason: What the grader noticed, or why there is no score.
        reward: What was paid for it in training; None outside, and where the episode left its group.
        terms: What the reward is made of, by name.
        lost: Why infrastructure broke it off; None if it did not. Such an episode belongs to no mean.
    """

    system: str
    dataset: str
    type: str
    task: str
    digest: str = ""
    epoch: int = 0
    seed: int = 0
    director: str = ""
    executor: str = ""
    served: Mapping[str, str] = field(default_factory=dict)
    answer: str = ""
    finished: bool | None = None
    ended: str = ""
    turns: int = 0
    parsed: int = 0
    accepted: int = 0
    dsl: str = ""
    ran: int = 0
    operators: Mapping[str, int] = field(default_factory=dict)
    structures: Mapping[str, int] = field(default_factory=dict)
    failures: Mapping[str, int] = field(default_factory=dict)
    director_tokens: int = 0
    executor_tokens: int = 0
    calls: int = 0
    cost: float | None = None
    seconds: float = 0.0
    score: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    reward: float | None = None
    terms: Mapping[str, float] = field(default_factory=dict)
    lost: Failure | None = None


@dataclass(slots=True)
class Tally:
    """What a summary is made of, counted as the events of one episode pass; none of them is kept but three.

    Attributes:
        started: The first event.
        ended: The last event but the grade.
        graded: The grade.
        parsed: Turns that were one well-formed action.
        accepted: Turns whose action was accepted.
        succeeded: Whether a node's latest run in an iteration went well.
        made: Operator, instruction and backend of each step of the workflow as it stands.
        backends: Specs of the backends that ran a node.
        failures: How often what failed.
    """

    started: EpisodeStarted | None = None
    ended: EpisodeEnded | None = None
    graded: Graded = Graded(None, {}, "not graded")  # noqa: RUF009 - frozen
    parsed: int = 0
    accepted: int = 0
    succeeded: dict[tuple[str, tuple[int, ...]], bool] = field(default_factory=dict)
    made: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    backends: set[str] = field(default_factory=set)
    failures: Counter[str] = field(default_factory=Counter)

    def see(self, event: Event) -> None:
        """Count one event."""
        match event:
            case EpisodeStarted():
                self.started = event
            case EpisodeEnded():
                self.ended = event
            case Graded():
                self.graded = event
                if event.failure is not None:
                    self.failures[event.failure.kind] += 1
            case EditApplied():
                self.parsed, self.accepted = self.parsed + 1, self.accepted + 1
                self._forget_changed(event.workflow)
            case EditRejected(parsed=parsed):
                self.parsed += parsed
                self.failures[REJECTED if parsed else UNREAD] += 1
            case NodeRan(failure=failure):
                self.succeeded[event.node, event.iteration] = failure is None
                self.backends.add(event.backend)
                if failure is not None:
                    self.failures[failure.kind] += 1

    def _ran(self, workflow: Workflow) -> int:
        """Steps of a workflow that ran well."""
        well = {node for (node, _), succeeded in self.succeeded.items() if succeeded}
        return sum(step.id in well for step in steps(workflow.nodes))

    def _forget_changed(self, workflow: Workflow) -> None:
        """What a step did before it was given another operator, instruction or backend, it has not done."""
        made = {str(step.id): (step.operator, step.prompt, step.backend) for step in steps(workflow.nodes)}
        changed = {node for node, as_made in self.made.items() if made.get(node) != as_made}
        self.succeeded = {run: well for run, well in self.succeeded.items() if run[0] not in changed}
        self.made = made

    def summary(
        self,
        system: str,
        dataset: str | None = None,
        epoch: int = 0,
        seed: int = 0,
        served: Mapping[str, str] | None = None,
    ) -> EpisodeSummary:
        """The summary of the episode, which has begun and ended.

        Args:
            system: What worked on the task.
            dataset: Name of the dataset in the run; the task's own if it is not given.
            epoch: Which of the repetitions.
            seed: Seed of its draws.
            served: The model names that servers reported; those that took part are kept.
        """
        if self.started is None or self.ended is None:
            raise ValueError("an episode that has not begun, or not ended, has no summary")
        started, ended, task = self.started, self.ended, self.started.task
        used, counted = ended.director_usage + ended.executor_usage, facts(ended.workflow, {})
        asked = {started.director, started.executor, *self.backends}
        return EpisodeSummary(
            system=system,
            dataset=task.dataset if dataset is None else dataset,
            type=task.type,
            task=task.id,
            digest=task.digest,
            epoch=epoch,
            seed=seed,
            director=started.director,
            executor=started.executor,
            served={spec: name for spec, name in (served or {}).items() if spec in asked},
            answer=ended.answer,
            finished=ended.finished,
            ended=ended.reason,
            turns=ended.turns,
            parsed=self.parsed,
            accepted=self.accepted,
            dsl=ended.dsl,
            ran=self._ran(ended.workflow),
            operators=dict(counted.operators),
            structures={"parallel": counted.parallels, "conditional": counted.conditionals, "loop": counted.loops},
            failures=dict(self.failures),
            director_tokens=ended.director_usage.tokens,
            executor_tokens=ended.executor_usage.tokens,
            calls=used.calls,
            cost=used.cost,
            seconds=ended.seconds,
            score=self.graded.score,
            metrics=dict(self.graded.metrics),
            reason=self.graded.reason,
        )


def tally(events: Iterable[Event]) -> Tally:
    """The tally of an episode that is over."""
    counted = Tally()
    for event in events:
        counted.see(event)
    return counted


_FIELDS = tuple(field.name for field in fields(EpisodeSummary))


def _classes(hint: Any) -> tuple[type, ...]:
    """What a field that was read from JSON may be an instance of; a whole number stands for a float, too."""
    parts = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    return tuple(
        kind for part in parts for kind in ((float, int) if part is float else (dict if get_origin(part) else part,))
    )


_CLASSES = tuple((name, _classes(hint)) for name, hint in get_type_hints(EpisodeSummary).items())


def summary_to_json(summary: EpisodeSummary) -> JSON:
    """The summary as plain JSON values."""
    plain = {name: getattr(summary, name) for name in _FIELDS}
    return plain | {"lost": None if summary.lost is None else asdict(summary.lost)}


def summary_from_json(plain: JSON) -> EpisodeSummary:
    """The inverse of `summary_to_json`.

    Raises:
        TypeError: If a field is missing or unknown, or of another kind.
    """
    lost = plain.get("lost")
    made = EpisodeSummary(**plain | {"lost": None if lost is None else Failure(**lost)})
    for name, classes in _CLASSES:
        if not isinstance(getattr(made, name), classes):
            raise TypeError(f"{name} is {getattr(made, name)!r:.40}")
    return made
