"""`flowsteer show`: a recorded episode again, or the list of a run's episodes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowsteer.cli import options as o
from flowsteer.cli.console import guarded, note, print_json
from flowsteer.errors import RunError

if TYPE_CHECKING:
    from flowsteer.runs.events import Event
    from flowsteer.runs.folder import RunFolder
    from flowsteer.runs.request_store import SentRequest

SHOWN = 50
"""Most episodes listed."""


@guarded
def show(
    run: Annotated[Path, typer.Argument(help="The run folder.")],
    episode: Annotated[str, typer.Argument(help="Episode id, or its beginning; none lists them.")] = "",
    prompts: Annotated[
        bool, typer.Option("--prompts", help="What was sent to LLMs, too: every request, under who sent it.")
    ] = False,
    json: o.Json = False,
) -> None:
    """Show an episode again, or list the episodes of a run."""
    from flowsteer.runs.event_json import event_to_json
    from flowsteer.runs.events import Graded, NodeRan
    from flowsteer.runs.folder import RunFolder

    record = RunFolder.read(run)
    if not episode and len(record.entries) != 1:
        _list(record, json)
        return
    name = find_episode(record, episode)
    events = record.events(name)
    sent = _sent(record, events) if prompts else {}
    if json:
        from flowsteer.cli.sent_prompts import request_json

        plain = {"episode": name, "events": [event_to_json(event) for event in events]}
        print_json(plain | ({"requests": {key: request_json(one) for key, one in sent.items()}} if prompts else {}))
        return
    from flowsteer.cli.live import Display
    from flowsteer.cli.terminal import Terminal

    display = Display(Terminal())
    for event in events:
        display.emit(event)
        failure = event.failure if isinstance(event, NodeRan | Graded) else None
        if failure is not None and failure.trace:
            note(f"{failure.place}: {failure.trace.rstrip()}")
    if prompts:
        from flowsteer.cli.sent_prompts import prompt_lines

        Terminal().print("\n".join(prompt_lines(events, sent)), soft_wrap=True, highlight=False)


def _sent(record: "RunFolder", events: "list[Event]") -> "dict[str, SentRequest]":
    """What was sent in an episode.

    Raises:
        RunError: Nothing of it is kept.
    """
    from flowsteer.cli.sent_prompts import keys_of
    from flowsteer.runs.request_store import read_requests

    keys = keys_of(events)
    found = read_requests(record.path, keys)
    if not found:
        raise RunError(
            f"{record.path} keeps nothing of what was sent in this episode",
            "it was made with --no-requests or before requests were kept, or nothing was sent to an LLM",
        )
    return found


def find_episode(record: "RunFolder", start: str) -> str:
    """The one episode whose id is, or begins with, `start`; the only one there is if `start` is empty.

    Raises:
        RunError: None or several fit.
    """
    if start in record.entries:
        return start
    fits = [name for name in record.entries if name.startswith(start)]
    if len(fits) == 1:
        return fits[0]
    if not record.entries:
        raise RunError(f"{record.path} holds no finished episode", "run the command that made it again to resume it")
    found = f"{len(fits)} episodes begin with {start!r}" if fits else f"no episode begins with {start!r}"
    some = ", ".join((fits or list(record.entries))[:5])
    raise RunError(f"{record.path}: {found}; there are, for example: {some}", f"flowsteer show {record.path}")


def _list(record: "RunFolder", json: bool) -> None:
    entries = list(record.entries.values())
    if json:
        from flowsteer.runs.summary import summary_to_json

        episodes = [{"episode": entry.episode, **summary_to_json(entry.summary)} for entry in entries]
        print_json({"config": record.config, "unfinished": record.unfinished, "episodes": episodes})
        return
    from rich.table import Table

    from flowsteer.cli.terminal import Terminal

    table = Table("episode", "turns", "finished", "score", "workflow", title=f"{record.path}: {_count(record)}")
    for entry in entries[:SHOWN]:
        summary = entry.summary
        cells = (summary.turns, summary.finished, summary.score, summary.dsl)
        table.add_row(entry.episode, *("" if cell is None else str(cell) for cell in cells))
    Terminal().print(table)
    if len(entries) > SHOWN:
        Terminal().print(f"… and {len(entries) - SHOWN} more: --json lists them all")


def _count(record: "RunFolder") -> str:
    unfinished = f", {record.unfinished} unfinished" if record.unfinished else ""
    return f"{len(record.entries)} episodes{unfinished}"
