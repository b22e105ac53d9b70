"""`--report-to`: the figures of a run in an experiment tracker, while it runs and when it is over."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from flowsteer.cli.console import note
from flowsteer.cli.tracing import traced

if TYPE_CHECKING:
    from flowsteer.evaluation.progress import Progress
    from flowsteer.reporting.summary import Summary
    from flowsteer.runs.folder import Listener
    from flowsteer.runs.summary import EpisodeSummary

SECONDS = 1.0
"""Between two reports of a run that goes on; each is one call of the tracker."""

Track = Callable[[Mapping[str, float], int], None]
"""Takes figures, and the step that they belong to."""


@contextmanager
def followed(
    run: Path, trace: bool, names: Sequence[str] | None, listener: "Listener", settings: Any
) -> "Iterator[tuple[Listener, Track]]":
    """Send the spans of a run to a collector and its figures to trackers, as far as that is asked for.

    Args:
        run: The run folder; it may be made later.
        trace: Whether to send spans.
        names: The trackers; None or empty for none.
        listener: What else hears every event.
        settings: What the run is asked to do, a record.

    Yields:
        What must hear every event, and what takes figures.

    Raises:
        ConfigError: What it needs is not installed.
    """
    with traced(run, trace, listener) as hear, _tracked(names, run, asdict(settings)) as track:
        yield hear, track


@contextmanager
def _tracked(names: Sequence[str] | None, run: Path, settings: Mapping[str, Any]) -> Iterator[Track]:
    """Send figures to trackers, if there are any to send them to. One that fails later on costs no run."""
    if not names:
        yield lambda figures, step: None
        return
    from flowsteer.adapters.trackers import tracking

    stack, lost = ExitStack(), False
    send = stack.enter_context(tracking(tuple(names), run, settings))

    def attempt(what: Callable[[], None]) -> None:
        nonlocal lost
        try:
            what()
        except Exception as error:  # noqa: BLE001 - of a tracker, whatever it is: the run is worth more
            if not lost:
                note(f"no more figures go to {', '.join(names)}: {type(error).__name__}: {error}")
            lost = True

    def track(figures: Mapping[str, float], step: int) -> None:
        if not lost:
            attempt(lambda: send(figures, step))

    try:
        yield track
    finally:
        attempt(stack.close)


def at_times(track: Track) -> "Callable[[Progress], None]":
    """Reports how far an evaluation is: at most once in `SECONDS`, and when it is through."""
    latest = float("-inf")

    def told(progress: "Progress") -> None:
        nonlocal latest
        if monotonic() - latest < SECONDS and progress.done + progress.errors < progress.total:
            return
        latest = monotonic()
        figures = {
            "episodes/done": progress.done,
            "episodes/errors": progress.errors,
            "episodes/unscorable": progress.unscorable,
            "episodes/per_second": progress.rate,
            "calls": progress.calls,
            "tokens": progress.tokens,
        } | {f"accuracy/{system}": value for system, value in progress.accuracy.items()}
        track(figures if progress.cost is None else figures | {"cost": progress.cost}, progress.done)

    return told


def figures_of(summary: "Summary") -> dict[str, float]:
    """What a report says of each system on each dataset, as figures: `final/DATASET/SYSTEM/…`."""
    found: dict[str, float] = {}
    for cell in summary.cells:
        place, use = f"final/{cell.dataset}/{cell.system}", cell.use
        known: dict[str, float | None] = {}
        if cell.score is not None:
            known |= {"accuracy": cell.score.mean, "accuracy_low": cell.score.low, "accuracy_high": cell.score.high}
        if use is not None:
            known |= {"tokens": use.tokens, "calls": use.calls, "seconds": use.seconds, "cost": use.cost}
        found |= {f"{place}/{name}": value for name, value in known.items() if value is not None}
    return found


def figures_of_one(summary: "EpisodeSummary") -> dict[str, float]:
    """What one episode came to, as figures."""
    found: dict[str, float] = {
        "turns": summary.turns,
        "calls": summary.calls,
        "tokens/director": summary.director_tokens,
        "tokens/executor": summary.executor_tokens,
        "seconds": summary.seconds,
        "finished": float(summary.finished is not False),
    }
    return found if summary.cost is None else found | {"cost": summary.cost}
