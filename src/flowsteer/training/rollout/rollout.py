"""Rollouts: groups of episodes played by the policy on live canvases, graded and rewarded."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter

from flowsteer.canvas.canvas import Canvas, Settings, rules_for
from flowsteer.canvas.director import Turn
from flowsteer.canvas.episode import episode_ended, episode_settings
from flowsteer.datasets.base import Sample
from flowsteer.errors import BackendUnavailable, SandboxError
from flowsteer.execution.memo import Memo, Once
from flowsteer.grading.base import Grade
from flowsteer.runs.events import EpisodeEnded, EpisodeStarted, Event, Graded, TurnTaken
from flowsteer.session import Session, seed_of
from flowsteer.training.inference.batcher import Draw, sample
from flowsteer.training.inference.trajectory import Buffer, DrawSettings
from flowsteer.training.policy.policy import Policy
from flowsteer.training.policy.view import View
from flowsteer.training.policy_director import understood
from flowsteer.training.rollout.reward import Reward, RewardSettings, Shortcuts, reward, shortcuts
from flowsteer.usage import Usage
from flowsteer.workflow.nodes import steps
from flowsteer.workflow.rules import Rules

GradeAnswer = Callable[[Sample, str], Awaitable[Grade]]
"""Grades one answer; only it sees the reference."""


@dataclass(frozen=True, slots=True)
class Arena:
    """What episodes are played in; one for training and validation.

    Attributes:
        session: What is connected.
        grade: The grader.
        canvas: Turn limit and feedback.
        rules: What a canvas allows, before what a task adds.
        rewards: Which reward is paid.
    """

    session: Session
    grade: GradeAnswer
    canvas: Settings
    rules: Rules
    rewards: RewardSettings

    def open(self, sample: Sample, emit: Callable[[Event], None], seed: int, memo: Memo) -> Canvas:
        """A fresh canvas."""
        rules = rules_for(sample.task, self.session.library, self.rules)
        return Canvas(sample.task, self.session.executor(memo), rules, self.canvas, emit, seed)


@dataclass(frozen=True, slots=True)
class Rollout:
    """One episode of training or validation.

    Attributes:
        id: Its id.
        sample: Its task.
        buffer: Its tokens.
        reward: What it earned; its value is None if the rollout leaves the group.
        shortcuts: Which shortcuts its workflow took.
        ended: The last event but the grade.
        events: All events.
        operators: Distinct steps of the final workflow that ran.
        operator_types: Distinct operators among them.
        parsed: Turns that were one well-formed action.
        accepted: Turns whose action was accepted.
        lost: Why infrastructure broke it off; empty if it did not.
    """

    id: str
    sample: Sample
    buffer: Buffer = field(repr=False)
    reward: Reward
    shortcuts: Shortcuts
    ended: EpisodeEnded
    events: tuple[Event, ...] = field(repr=False)
    operators: int
    operator_types: int
    parsed: int
    accepted: int
    lost: str


@dataclass(frozen=True, slots=True)
class Group:
    """Episodes on one task whose rewards are compared: no call is made twice, and no answer graded twice.

    Attributes:
        name: What its episodes' ids start with.
        sample: The task.
        size: Episodes played here.
        first: Number of the first of them; those before it are played by other processes.
    """

    name: str
    sample: Sample
    size: int
    first: int = 0


async def play(
    policy: Policy,
    groups: Sequence[Group],
    arena: Arena,
    limits: DrawSettings,
    spec: str,
    seed: int = 0,
    draw: Draw = sample,
) -> list[Rollout]:
    """Play all episodes of all groups at once.

    Args:
        policy: Who plays.
        groups: What is played.
        arena: Where.
        limits: How the policy draws.
        spec: What to call the policy in the record: the weights it has now.
        seed: Seed of all draws; an episode's own is made of it and its id.
        draw: What draws the policy's tokens; its own model here, or an engine apart.

    Returns:
        The rollouts, group by group.

    Raises:
        BackendUnavailable: Every episode was lost to infrastructure; a few lost ones only leave their groups.
        BudgetExceeded: The budget is spent.
    """
    seats: list[_Seat] = []
    for group in groups:
        memo, grades = Memo(), Once[Grade]()
        ids = (f"{group.name}/{group.first + number}" for number in range(group.size))
        seats += [
            _Seat(name, group.sample, arena, policy.view, spec, seed_of(seed, name), memo, grades) for name in ids
        ]
    buffers = await draw(policy, seats, limits)
    rollouts = [seat.rollout(buffer) for seat, buffer in zip(seats, buffers, strict=True)]
    if rollouts and all(rollout.lost for rollout in rollouts):
        raise BackendUnavailable(
            f"all {len(rollouts)} episodes were lost: {rollouts[0].lost}", "see to it, then go on with the run"
        )
    return rollouts


@dataclass(slots=True)
class _Tally:
    """What is counted along an episode."""

    events: list[Event] = field(default_factory=list)
    parsed: int = 0
    accepted: int = 0
    sampled: int = 0
    lost: str = ""


class _Seat:
    """One episode: the sampler on one side, a canvas on the other."""

    def __init__(
        self,
        name: str,
        sample: Sample,
        arena: Arena,
        view: View,
        spec: str,
        seed: int,
        memo: Memo,
        grades: Once[Grade],
    ) -> None:
        self.seed = seed
        self._name, self._sample, self._arena, self._view, self._grades = name, sample, arena, view, grades
        self._tally = _Tally()
        self._emit = self._tally.events.append
        self._canvas = arena.open(sample, self._emit, seed, memo)
        self._started = perf_counter()
        self._grade = Grade(None, {}, "the episode was not graded")
        self.prompt = view.opening(self._canvas.observe())
        executor, settings = arena.session.executor_backend.spec, episode_settings(self._canvas)
        self._emit(EpisodeStarted(name, sample.task, spec, executor, settings))

    async def answer(self, text: str, cut: bool, tokens: int) -> str | None:
        """Take one turn; the end of the episode is graded at once, while others still play."""
        canvas, tally = self._canvas, self._tally
        tally.sampled += tokens
        usage = Usage(calls=1, completion_tokens=tokens)
        self._emit(TurnTaken(canvas.turn + 1, text, "", usage, 0.0))
        try:
            action = understood(text, cut, asked=canvas.asks_prompt is not None)
            step = await canvas.step(Turn(text, action, usage=usage))
            tally.parsed += step.parsed
            tally.accepted += step.accepted
            if not canvas.done:
                return self._view.answer(step.feedback)
            await self._mark()
        except (BackendUnavailable, SandboxError) as error:
            tally.lost = str(error)
        return None

    async def full(self) -> None:
        """There is no room for another turn: the workflow is scored as it stands."""
        try:
            await self._canvas.stop("the episode reached its token limit")
            await self._mark()
        except (BackendUnavailable, SandboxError) as error:
            self._tally.lost = str(error)

    def rollout(self, buffer: Buffer) -> Rollout:
        """What the episode came to."""
        canvas, tally, arena = self._canvas, self._tally, self._arena
        ended = self._ended()
        succeeded = frozenset() if canvas.execution is None else canvas.execution.succeeded
        categories = arena.session.library.categories
        paid = reward(
            canvas.workflow, succeeded, categories, self._grade, ended.finished is True, tally.sampled, arena.rewards
        )
        if tally.lost:
            paid = replace(paid, value=None)
        cuts = shortcuts(canvas.workflow, succeeded)
        events = (*tally.events, ended, Graded(self._grade.score, dict(self._grade.metrics), self._grade.reason))
        return Rollout(
            self._name,
            self._sample,
            buffer,
            paid,
            cuts,
            ended,
            events,
            len(succeeded),
            len({step.operator for step in steps(canvas.workflow.nodes) if step.id in succeeded}),
            tally.parsed,
            tally.accepted,
            tally.lost,
        )

    async def _mark(self) -> None:
        answer = self._canvas.draft.answer
        self._grade, _ = await self._grades.get(answer, self._arena.grade, self._sample, answer)

    def _ended(self) -> EpisodeEnded:
        spent = Usage(calls=self._canvas.turn, completion_tokens=self._tally.sampled)
        return episode_ended(self._canvas, spent, perf_counter() - self._started, self._tally.lost)
