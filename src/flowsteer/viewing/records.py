"""What the viewer's server answers: the records that its front end is typed by.

Texts in lists are cut to `BRIEF` characters; an episode's own page holds them whole.
"""

from dataclasses import dataclass
from typing import Any, Literal

from flowsteer.runs.events import Event
from flowsteer.runs.summary import EpisodeSummary
from flowsteer.workflow.nodes import Category

JSON = dict[str, Any]

BRIEF = 160
"""Most characters of a question or an answer in a list."""

LIST_LACKS = ("served", "metrics")
"""What the summary of an episode leaves out in a list."""

RunKind = Literal["solve", "run", "eval", "train", "serve", "study", "other"]
EpisodeState = Literal["finished", "open", "lost"]


@dataclass(frozen=True, slots=True)
class RunListed:
    """A run among others.

    Attributes:
        id: Its folder below the folder that is viewed; `~` for that folder itself.
        name: Name of its folder.
        kind: The command that made it.
        modified: When it last grew, in seconds since 1970.
        finished: Finished episodes.
        open: Episodes in flight.
        lost: Episodes that only ever broke off.
        systems: Names of its systems.
        datasets: Names of its datasets.
        accuracy: Mean score of what is scored; None if nothing is.
        indexed: Share of its finished episodes that can be listed by now, in [0, 1]; the counts are of these.
        training: Whether it holds training metrics.
        error: Why it cannot be read, and all counts are 0; empty where it can be.
    """

    id: str
    name: str
    kind: RunKind
    modified: float
    finished: int
    open: int
    lost: int
    systems: tuple[str, ...]
    datasets: tuple[str, ...]
    accuracy: float | None
    indexed: float
    training: bool
    error: str


@dataclass(frozen=True, slots=True)
class RunsPage:
    """All runs below the folder that is viewed, the latest first."""

    root: str
    runs: tuple[RunListed, ...]


@dataclass(frozen=True, slots=True)
class SystemFigures:
    """One system on one dataset.

    Attributes:
        system: Its name.
        dataset: The dataset's name.
        n: Episodes.
        scored: Episodes with a score.
        accuracy: Mean score over tasks; None if nothing is scored.
        low: Lower end of its 95 % interval.
        high: Upper end.
        tokens: Mean tokens an episode.
        seconds: Mean wall time of an episode.
        cost: Mean US dollars an episode; None when a price is unknown.
        gate: Share of episodes that passed the reward's gate; None outside training.
        finished: Share of episodes whose Director finished; None for systems without one.
    """

    system: str
    dataset: str
    n: int
    scored: int
    accuracy: float | None
    low: float | None
    high: float | None
    tokens: float
    seconds: float
    cost: float | None
    gate: float | None
    finished: float | None


@dataclass(frozen=True, slots=True)
class FailureFigures:
    """How often what failed, and some of the episodes in which it did."""

    kind: str
    count: int
    episodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunPage:
    """One run.

    Attributes:
        id: Its folder below the folder that is viewed.
        name: Name of its folder.
        kind: The command that made it.
        config: What it was asked to do.
        writing: Whether a process is writing to it.
        indexed: Share of its finished episodes that can be listed by now, in [0, 1]; the figures are of all of them
            only once it is 1.
        finished: Finished episodes.
        open: Episodes in flight.
        lost: Episodes that only ever broke off.
        training: Whether it holds training metrics.
        systems: Its systems on its datasets.
        failures: What failed, the most frequent first.
    """

    id: str
    name: str
    kind: RunKind
    config: JSON
    writing: bool
    indexed: float
    finished: int
    open: int
    lost: int
    training: bool
    systems: tuple[SystemFigures, ...]
    failures: tuple[FailureFigures, ...]


@dataclass(frozen=True, slots=True)
class EpisodeRow:
    """One episode in a list.

    Attributes:
        number: Its place in the run, from 1; it never changes. None until the episode is finished.
        episode: Its id.
        state: Whether it is finished, in flight, or broke off.
        summary: What is told of it, without `served` and `metrics`; None while it is in flight.
        question: The question, cut.
        answer: The answer, cut.
        right: Whether the answer is right; None where that is not known.
        parent: The episode it branched from, if it did.
    """

    number: int | None
    episode: str
    state: EpisodeState
    summary: EpisodeSummary | None
    question: str
    answer: str
    right: bool | None
    parent: str | None


@dataclass(frozen=True, slots=True)
class EpisodesPage:
    """A part of a run's episodes: how many there are, how many match, and the asked rows of these."""

    total: int
    matched: int
    rows: tuple[EpisodeRow, ...]


@dataclass(frozen=True, slots=True)
class GroupMember:
    """An episode beside the others of its group.

    Attributes:
        episode: Its id.
        reward: What was paid for it; None where it left its group.
        terms: What the reward is made of.
        dsl: Its final workflow.
        score: Its grade.
        advantage: Its reward against the group's, in standard deviations; None where the group has none.
    """

    episode: str
    reward: float | None
    terms: dict[str, float]
    dsl: str
    score: float | None
    advantage: float | None


@dataclass(frozen=True, slots=True)
class OperatorShown:
    """What is declared of an operator: its category, and the fields of a draft that it reads and writes."""

    category: Category
    reads: tuple[str, ...]
    writes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EpisodePage:
    """One episode.

    Attributes:
        run: The run it belongs to.
        episode: Its id.
        number: Its place in the run, from 1; None until it is finished.
        state: Whether it is finished, in flight, or broke off.
        summary: What is told of it; None while it is in flight.
        gold: The right answers; None while it is in flight, and where they are not at hand.
        grade_reason: What the grader noticed.
        parent: The episode it branched from, if it did.
        parent_run: The run of that one.
        parent_turn: The last turn that it shares with that one.
        group: The episodes it was compared with in training, itself included; None outside.
        operators: The operators of its library by name; empty where it cannot be loaded here.
        previous: The episode before it in the run.
        next: The one after it.
        events: Its events so far, as `flowsteer.runs.event_json` writes them.
    """

    run: str
    episode: str
    number: int | None
    state: EpisodeState
    summary: EpisodeSummary | None
    gold: tuple[str, ...] | None
    grade_reason: str
    parent: str | None
    parent_run: str | None
    parent_turn: int | None
    group: tuple[GroupMember, ...] | None
    operators: dict[str, OperatorShown]
    previous: str | None
    next: str | None
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class SentMessage:
    """One message of a request: who speaks in it, and what it says."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class RequestPage:
    """What was sent to a model, as events name it by its key: see `flowsteer.runs.request_store.SentRequest`."""

    key: str
    backend: str
    messages: tuple[SentMessage, ...]
    sampling: JSON
    json_schema: JSON | None
    grammar: str | None


@dataclass(frozen=True, slots=True)
class ComparePage:
    """Two episodes side by side."""

    left: EpisodePage
    right: EpisodePage


@dataclass(frozen=True, slots=True)
class AutopsyVerdict:
    """What the autopsy says of one thing a policy may have learned, and why."""

    verdict: str
    text: str


@dataclass(frozen=True, slots=True)
class WorkflowFrequency:
    """A workflow among the episodes of one type of task: how often, and how often right."""

    type: str
    dsl: str
    count: int
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class WorkflowChange:
    """The most frequent workflows of each type, in the first steps of a training run and in its last."""

    before: tuple[WorkflowFrequency, ...]
    after: tuple[WorkflowFrequency, ...]


@dataclass(frozen=True, slots=True)
class RejectionCourse:
    """How often a kind of action was rejected along training.

    Attributes:
        action: The kind of action.
        steps: The last step of each part of the run in which it was tried.
        tries: Turns that meant to be one, in each part.
        rejected: Those of them that were rejected.
    """

    action: str
    steps: tuple[int, ...]
    tries: tuple[int, ...]
    rejected: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TrainingPage:
    """What a training run wrote down since a line.

    Attributes:
        lines: The lines of `metrics.jsonl` since then; each holds numbers by name, `step` among them.
        next: The line to ask for next.
        verdicts: What the autopsy says; empty while the run is too young.
        workflows: The workflows before and after.
        rejections: How often each kind of action was rejected; empty likewise.
    """

    lines: tuple[JSON, ...]
    next: int
    verdicts: tuple[AutopsyVerdict, ...]
    workflows: WorkflowChange
    rejections: tuple[RejectionCourse, ...]


@dataclass(frozen=True, slots=True)
class TaskGroup:
    """The rollouts of one task in one step."""

    task: str
    type: str
    question: str
    episodes: tuple[GroupMember, ...]


@dataclass(frozen=True, slots=True)
class GroupsPage:
    """The groups of one step, and the number of the last step there is."""

    step: int
    steps: int
    groups: tuple[TaskGroup, ...]


@dataclass(frozen=True, slots=True)
class EpisodeFound:
    """An episode that a search over all runs found."""

    run: str
    row: EpisodeRow


@dataclass(frozen=True, slots=True)
class SearchPage:
    """What a search over all runs found."""

    rows: tuple[EpisodeFound, ...]


@dataclass(frozen=True, slots=True)
class ErrorMessage:
    """What went wrong, and what to do next."""

    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """The body of every answer that is an error."""

    error: ErrorMessage
