"""One episode beside those it was compared with: each one's reward term by term, and its advantage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from flowsteer.errors import RunError
from flowsteer.runs.summary import EpisodeSummary
from flowsteer.training.autopsy.training_record import TrainingRecord

FLOOR = 1e-4
"""δ where the run's settings do not say: `update.std_floor` by default."""


@dataclass(frozen=True, slots=True)
class ComparedEpisode:
    """A member of a group.

    Attributes:
        episode: Its id.
        dsl: Its workflow.
        finished: Whether the Director itself finished.
        score: The grade of its answer; None if it could not be graded.
        terms: What its reward is made of, by name.
        reward: R; None if it left its group.
        advantage: Â, as `flowsteer.training.rl.cwrpo.advantages` has it; None if it was compared with nothing.
    """

    episode: str
    dsl: str
    finished: bool | None
    score: float | None
    terms: Mapping[str, float]
    reward: float | None
    advantage: float | None


@dataclass(frozen=True, slots=True)
class EpisodeGroup:
    """An episode and its group.

    Attributes:
        episode: The id of the episode that was asked for.
        type: Its type of task.
        mean: Mean of the group's rewards; None for an episode of a test, which was compared with nothing.
        deviation: Their standard deviation (n − 1); likewise, and with fewer than two rewards.
        floor: δ, which is added to it.
        members: The group, in order; the episode itself alone if it is one of a test.
    """

    episode: str
    type: str
    mean: float | None
    deviation: float | None
    floor: float
    members: tuple[ComparedEpisode, ...]


def compare_episode(record: TrainingRecord, episode: str) -> EpisodeGroup:
    """An episode of a training run with its group.

    Args:
        record: The run.
        episode: Its id.

    Raises:
        RunError: The run has no such episode, or no reward was recorded for it.
    """
    entry = record.folder.entries.get(episode)
    if entry is None:
        raise RunError(
            f"{record.folder.path} has no finished episode {episode!r}", f"flowsteer show {record.folder.path}"
        )
    if not entry.summary.terms:
        raise RunError(f"{episode} of {record.folder.path} has no reward", "name one of another training run")
    floor = float(record.settings.get("update", {}).get("std_floor", FLOOR))
    group = next((one.group for one in record.episodes if one.episode == episode), None)
    if group is None:
        return EpisodeGroup(episode, entry.summary.type, None, None, floor, (_member(episode, entry.summary, None),))
    found = {one.episode: one.summary for one in record.episodes if one.group == group}
    summaries = [found[name] for name in sorted(found, key=_number)]
    known = [one.reward for one in summaries if one.reward is not None]
    compared = _advantages([one.reward for one in summaries], floor)
    members = map(_member, sorted(found, key=_number), summaries, compared)
    return EpisodeGroup(
        episode,
        entry.summary.type,
        mean(known) if known else None,
        stdev(known) if len(known) > 1 else None,
        floor,
        tuple(members),
    )


def first_of_group(record: TrainingRecord, beginning: str) -> str | None:
    """The first of the episodes that begin so, if they are of one group; None if there are none, or of several.

    Args:
        record: The run.
        beginning: What is typed of their ids; a whole part of them, such as `train/9/5`, is not that of `train/9/57`.
    """
    for start in (f"{beginning.rstrip('/')}/", beginning):
        found = [one for one in record.episodes if one.episode.startswith(start)]
        if found:
            groups = {one.group for one in found}
            return min((one.episode for one in found), key=_number) if len(groups) == 1 else None
    return None


def _advantages(rewards: Sequence[float | None], floor: float) -> list[float | None]:
    """`flowsteer.training.rl.cwrpo.advantages` of one group; that file needs the tensor library."""
    known = [reward for reward in rewards if reward is not None]
    if len(known) < 2:
        return [None for _ in rewards]
    usual, spread = mean(known), stdev(known) + floor
    return [None if reward is None else (reward - usual) / spread for reward in rewards]


def _member(episode: str, summary: EpisodeSummary, advantage: float | None) -> ComparedEpisode:
    return ComparedEpisode(
        episode, summary.dsl, summary.finished, summary.score, dict(summary.terms), summary.reward, advantage
    )


def _number(episode: str) -> tuple[str, int]:
    start, _, number = episode.rpartition("/")
    return start, int(number)
