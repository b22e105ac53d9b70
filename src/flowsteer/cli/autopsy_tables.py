"""An autopsy as tables for a terminal."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from flowsteer.reporting import words
from flowsteer.training.autopsy.accuracy_by_feature import FeatureAccuracy, Share
from flowsteer.training.autopsy.compared_episode import ComparedEpisode, EpisodeGroup
from flowsteer.training.autopsy.evidence import Evidence
from flowsteer.training.autopsy.rejections import summed
from flowsteer.training.autopsy.windows import Window, WindowMeans

COURSE = {"entropy": "entropy", "kl": "KL", "episodes/reward": "reward"}
"""Figures that are drawn over time, with what they are called."""

SHARES = {
    "episodes/accuracy": "accuracy",
    "episodes/gate_open": "gate open",
    "episodes/valid": "valid edits",
    "episodes/finished": "finished",
    "signal/none": "groups without signal",
}
"""Shares that are drawn over time; those of each type of task follow."""

LEAST = 10
"""A feature is drawn if so many episodes have it and as many have not; all are in the JSON."""

FEATURES = 8
"""Most features drawn of a type."""


def headline(evidence: Evidence) -> str:
    """What was examined, in a line."""
    asked = "" if evidence.asked is None else f" of {evidence.asked}"
    end = "" if evidence.finished else ", unfinished"
    return f"{evidence.run}: {evidence.steps}{asked} steps{end}; {evidence.episodes} training episodes"


def tables(evidence: Evidence) -> Iterator[Table]:
    """All tables that there is something to draw in."""
    figures = [part.figures for part in evidence.course]
    every = sorted({name for one in figures for name in one})
    shares = SHARES | {
        name: name.removeprefix("types/").replace("/", ": ").replace("_", " ")
        for name in every
        if name.startswith("types/") and name.endswith(("/accuracy", "/gate_open"))
    }
    terms = {name: name.removeprefix("signal/") for name in every if name.startswith("signal/")}
    terms.pop("signal/none", None)
    yield from _over_time("up to step", evidence.course, COURSE, _small)
    yield from _over_time("in %, up to step", evidence.course, shares, _whole_percent)
    yield from _over_time("variance in a group, to step", evidence.course, terms, _small)
    yield from _rejections(evidence)
    for kind in sorted({row.type for row in evidence.features}):
        yield from _features(kind, [row for row in evidence.features if row.type == kind], evidence.late_from)
    if evidence.workflows:
        table = Table("test, greedy", "type", "share", "right in %", "workflow")
        for one in evidence.workflows:
            share = f"{one.episodes}/{one.of}"
            table.add_row(one.test, one.type, share, words.percent(one.accuracy), one.dsl or "(empty)")
        yield table


def group(found: EpisodeGroup) -> Table:
    """An episode's group, a column for each member: its reward term by term, and its advantage."""
    table = Table("reward", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for member in found.members:
        table.add_column(_marked(found, member), justify="right", no_wrap=True)
    for name in dict.fromkeys(name for member in found.members for name in member.terms):
        table.add_row(name, *(_figure(member.terms.get(name)) for member in found.members))
    table.add_row("R", *(_figure(member.reward) for member in found.members))
    table.add_row("Â", *(_figure(member.advantage) for member in found.members))
    return table


def workflows_of(found: EpisodeGroup) -> Iterator[str]:
    """The workflows of a group, a line each."""
    for member in found.members:
        score = "could not be graded" if member.score is None else f"graded {member.score:g}"
        ended = "" if member.finished else ", not finished"
        yield f"{_marked(found, member)}: {member.dsl or '(empty)'} ({score}{ended})"


def _marked(found: EpisodeGroup, member: ComparedEpisode) -> str:
    """A member's number; the one that was asked for has a star."""
    return f"{member.episode.rpartition('/')[2]}{'*' if member.episode == found.episode else ''}"


def of_group(found: EpisodeGroup) -> str:
    """What an episode was compared with, in a line."""
    if found.mean is None:
        return f"{found.episode} ({found.type}) was compared with nothing: no update was made with it"
    spread = "unknown" if found.deviation is None else f"{found.deviation:.4g}"
    return (
        f"{found.episode} ({found.type}); Â = (R − mean) / (deviation + δ), with mean {found.mean:.4g}, deviation "
        f"{spread}, δ {found.floor:g}"
    )


def _over_time(
    title: str, course: Sequence[WindowMeans], names: Mapping[str, str], write: Callable[[float | None], str]
) -> Iterator[Table]:
    rows = {said: [one.figures.get(name) for one in course] for name, said in names.items()}
    known = {said: values for said, values in rows.items() if any(value is not None for value in values)}
    if known:
        table = _timeline(title, [part.window for part in course])
        for said, values in known.items():
            table.add_row(said, *map(write, values))
        yield table


def _rejections(evidence: Evidence) -> Iterator[Table]:
    total = summed(evidence.turns)
    if total:
        table = _timeline("rejected, in %, up to step", [part.window for part in evidence.turns], "all", "tries")
        by_window = [{one.kind: one for one in part.kinds} for part in evidence.turns]
        for kind, count in total.items():
            shares = [
                found[kind].rejected / found[kind].tries if kind in found else None for found in (*by_window, total)
            ]
            table.add_row(kind, *map(_whole_percent, shares), str(count.tries))
        yield table


def _timeline(title: str, windows: Sequence[Window], *more: str) -> Table:
    """A table with a column for each window, headed by its last step, narrow enough for a terminal of 80 columns."""
    table = Table(title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for head in (*(str(window.last) for window in windows), *more):
        table.add_column(head, justify="right", no_wrap=True)
    return table


def _features(kind: str, rows: Sequence[FeatureAccuracy], first: int) -> Iterator[Table]:
    told = [row for row in rows if min(row.having.episodes, row.lacking.episodes) >= LEAST][:FEATURES]
    if told:
        table = Table(f"{kind}, from step {first} on: workflows with", "right in %", "n", "without", "n")
        for row in told:
            table.add_row(row.feature, *_share(row.having), *_share(row.lacking))
        yield table


def _share(share: Share) -> tuple[str, str]:
    return words.score(share.right), str(share.episodes)


def _figure(value: float | None) -> str:
    return words.NONE if value is None else f"{value:.3g}"


def _small(value: float | None) -> str:
    """A figure that is mostly below 1, in four characters or little more.

    >>> _small(0.31333), _small(-0.128), _small(0.004), _small(1.26), _small(0.0002), _small(0.0)
    ('.31', '-.13', '.004', '1.26', '2e-4', '0')
    """
    if not value:
        return words.NONE if value is None else "0"
    if abs(value) < 0.001:
        return f"{value:.0e}".replace("e-0", "e-")
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 0.01 else f"{value:.2f}".replace("0.", ".", 1)


def _whole_percent(share: float | None) -> str:
    return words.NONE if share is None else f"{100 * share:.0f}"
