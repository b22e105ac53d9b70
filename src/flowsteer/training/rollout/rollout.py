"""Rollouts: groups of episodes played by the policy on live canvases, graded and rewarded."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter

from flowsteer.canvas.canvas import Canvas
from flowsteer.canvas.episode import episode_ended, run_episode
from flowsteer.canvas.together import together
from flowsteer.datasets.base import Sample
from flowsteer.environments.arena import Arena
from flowsteer.errors import BackendUnavailable, FlowSteerError, SandboxError
from flowsteer.execution.memo import Memo, Once
from flowsteer.grading.base import Grade
from flowsteer.reward.reward import Reward
from flowsteer.runs.events import EditApplied, EditRejected, EpisodeEnded, Event, Graded, TurnTaken
from flowsteer.runs.failure import Failure, failure_of, unexpected
from flowsteer.session import seed_of
from flowsteer.training.inference.batcher import Batcher
from flowsteer.training.inference.sampling_engine import Row, SamplingEngine
from flowsteer.training.inference.trajectory import DrawSettings, Trajectory
from flowsteer.training.policy.policy import Policy
from flowsteer.training.rollout.shortcuts import Shortcuts, shortcuts
from flowsteer.training.rollout.trajectory_director import TrajectoryDirector
from flowsteer.usage import NO_USAGE
from flowsteer.workflow.nodes import steps


@dataclass(frozen=True, slots=True)
class Rollout:
    """One episode of training or validation.

    Attributes:
        id: Its id.
        sample: Its task.
        trajectory: Its tokens.
        reward: What it earned; its value is None if the rollout leaves the group.
        shortcuts: Which shortcuts its workflow took.
        ended: The last event but the grade.
        events: All events.
        operators: Distinct steps of the final workflow that ran.
        operator_types: Distinct operators among them.
        parsed: Turns that were one well-formed action.
        accepted: Turns whose action was accepted.
        lost: Why infrastructure broke it off; None if it did not.
    """

    id: str
    sample: Sample
    trajectory: Trajectory = field(repr=False)
    reward: Reward
    shortcuts: Shortcuts
    ended: EpisodeEnded
    events: tuple[Event, ...] = field(repr=False)
    operators: int
    operator_types: int
    parsed: int
    accepted: int
    lost: Failure | None


@dataclass(frozen=True, slots=True)
class Group:
    """Episodes on one task: no call is made twice, and no answer graded twice. Their rewards are compared.

    Attributes:
        name: What its episodes' ids start with.
        sample: The task.
        size: Episodes played here.
        first: Number of the first of them; those before it are played by other processes.
        draws: What the seeds of their draws are made of; empty for the name.
    """

    name: str
    sample: Sample
    size: int
    first: int = 0
    draws: str = ""


async def play(
    policy: Policy,
    groups: Sequence[Group],
    arena: Arena,
    limits: DrawSettings,
    spec: str,
    seed: int = 0,
    engine: SamplingEngine | None = None,
) -> list[Rollout]:
    """Play all episodes of all groups at once.

    Args:
        policy: Who plays.
        groups: What is played.
        arena: Where.
        limits: How the policy draws.
        spec: What to call the policy in the record: the weights it has now.
        seed: Seed of all draws; an episode's own is made of it and its id.
        engine: What draws the policy's tokens; None for its own model here.

    Returns:
        The rollouts, group by group; those that were lost to infrastructure only leave their groups. Whoever knows the
        whole of what is played asks `check_not_all_lost` of it.

    Raises:
        PolicySyncError: The engine does not have the policy's weights.
        BudgetExceeded: The budget is spent.
    """
    seats = [seat for group in groups for seat in _seats(group, seed)]
    async with (engine or Batcher(policy)).rows([seat.seed for seat in seats], limits) as rows:
        directors = [TrajectoryDirector(policy, row, limits, spec) for row in rows]
        return await together(
            _rollout(seat, arena, director, row) for seat, director, row in zip(seats, directors, rows, strict=True)
        )


def check_not_all_lost(rollouts: Sequence[Rollout]) -> None:
    """Infrastructure let some episode come to its end.

    Args:
        rollouts: Those of a step or a test so far, of all processes.

    Raises:
        BackendUnavailable: Every one was lost.
    """
    lost = [rollout.lost for rollout in rollouts if rollout.lost is not None]
    if rollouts and len(lost) == len(rollouts):
        raise BackendUnavailable(
            f"all {len(rollouts)} episodes were lost: {lost[0].message}", "mend that, then go on with the run: --resume"
        )


@dataclass(frozen=True, slots=True)
class _Seat:
    """One episode to play.

    Attributes:
        name: Its id.
        sample: Its task.
        seed: Seed of its draws.
        memo: What its group has run.
        grades: What its group has had graded.
    """

    name: str
    sample: Sample
    seed: int
    memo: Memo
    grades: Once[Grade]


def _seats(group: Group, seed: int) -> list[_Seat]:
    memo, grades = Memo(), Once[Grade]()
    numbers = range(group.first, group.first + group.size)
    seeds = [seed_of(seed, f"{group.draws or group.name}/{number}") for number in numbers]
    return [
        _Seat(f"{group.name}/{number}", group.sample, own, memo, grades)
        for number, own in zip(numbers, seeds, strict=True)
    ]


async def _rollout(seat: _Seat, arena: Arena, director: TrajectoryDirector, row: Row) -> Rollout:
    """Play, grade and reward one episode; it is graded at once, while others still play."""
    events: list[Event] = []
    canvas = arena.open(seat.sample, events.append, seat.seed, seat.memo)
    started, grade = perf_counter(), Grade(None, {}, "the episode was not graded")
    try:
        await run_episode(canvas, director, events.append, seat.name, arena.session.executor_backend.spec)
        lost = None
    except Exception as error:  # noqa: BLE001 - see `_lost`
        lost = _lost(error, director)
        spent = sum((event.usage for event in events if isinstance(event, TurnTaken)), NO_USAGE)
        events.append(episode_ended(canvas, spent, perf_counter() - started, lost.message))
    finally:
        row.close()
    if lost is None:
        answer = canvas.draft.answer
        try:
            grade, _ = await seat.grades.get(answer, arena.grade, seat.sample, answer)
        except Exception as error:  # noqa: BLE001 - see `_lost`
            lost = _lost(error, director)
    events.append(Graded(grade.score, dict(grade.metrics), grade.reason, grade.failure))
    return _rewarded(seat, arena, canvas, director.trajectory, tuple(events), grade, lost)


def _lost(error: Exception, director: TrajectoryDirector) -> Failure:
    """The one boundary of an episode: why its rollout leaves the group, while the others go on.

    Raises:
        Exception: What every other episode would meet, too: a setting, a budget, an engine that draws nothing at all.
    """
    if not isinstance(error, FlowSteerError):
        lost = unexpected(error, "the episode")
    elif isinstance(error, BackendUnavailable | SandboxError):
        lost = failure_of(error)
    else:
        raise error
    if not director.trajectory.ids:
        raise error
    return lost


def _rewarded(
    seat: _Seat,
    arena: Arena,
    canvas: Canvas,
    trajectory: Trajectory,
    events: tuple[Event, ...],
    grade: Grade,
    lost: Failure | None,
) -> Rollout:
    """What an episode came to."""
    execution = canvas.execution
    succeeded = frozenset() if execution is None else execution.succeeded
    ended = next(event for event in events if isinstance(event, EpisodeEnded))
    rejected = [event for event in events if isinstance(event, EditRejected)]
    paid = arena.pay(canvas, ended, grade, len(rejected), trajectory.own)
    accepted = sum(isinstance(event, EditApplied) for event in events)
    return Rollout(
        id=seat.name,
        sample=seat.sample,
        trajectory=trajectory,
        reward=replace(paid, value=None) if lost else paid,
        shortcuts=shortcuts(canvas.workflow, succeeded),
        ended=ended,
        events=events,
        operators=len(succeeded),
        operator_types=len({step.operator for step in steps(canvas.workflow.nodes) if step.id in succeeded}),
        parsed=accepted + sum(event.parsed for event in rejected),
        accepted=accepted,
        lost=lost,
    )
