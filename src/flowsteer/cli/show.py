"""`flowsteer show`: a recorded episode again, or the list of a run's episodes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowsteer.cli import options as o
from flowsteer.cli.console import guarded, note, print_json
from flowsteer.cli.verbosity import tell
from flowsteer.errors import ConfigError, RunError

if TYPE_CHECKING:
    from flowsteer.runs.events import Event
    from flowsteer.runs.folder import RunFolder
    from flowsteer.runs.request_store import SentRequest

SHOWN = 50
"""Most episodes listed."""


@guarded
def show(
    run: Annotated[Path, o.run_argument("The run folder.")],
    episode: Annotated[str, typer.Argument(help="Its number, its id, or a part of that; none lists them.")] = "",
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
    if not episode and len(names_of(record)) != 1:
        _list(record, json)
        return
    name = find_episode(record, episode, "show")
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
    if name not in record.entries:
        tell(f"this episode {_state(record)}; what stands above is all there is so far")
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


def names_of(record: "RunFolder") -> list[str]:
    """Ids of all episodes in the order of their numbers: the finished ones, then those that are not."""
    finished = list(record.entries)
    return [*finished, *(name for name in record.unfinished_episodes if name not in record.entries)]


def find_episode(record: "RunFolder", wanted: str, command: str) -> str:
    """The one episode that is meant: by its id, its number in the list, the beginning or any other part of its id.

    Args:
        record: The run.
        wanted: What was typed; empty for the only one there is.
        command: The command that is to be told which one.

    Raises:
        ConfigError: None or several fit.
        RunError: There are none.
    """
    names = names_of(record)
    if wanted in names:
        return wanted
    if wanted.isdecimal() and 1 <= int(wanted) <= len(names):
        return names[int(wanted) - 1]
    beginning = [name for name in names if name.startswith(wanted)]
    fits = beginning or [name for name in names if wanted in name]
    if len(fits) == 1:
        return fits[0]
    if not names:
        raise RunError(f"{record.path} holds no episode", "run the command that made it again to resume it")
    found = f"no episode begins with {wanted!r} or holds it"
    if fits:
        found = f"{len(fits)} episodes fit {wanted!r}" if wanted else f"{len(fits)} episodes, and none is named"
    some, number = ", ".join((fits or names)[:5]), names.index((fits or names)[0]) + 1
    raise ConfigError(
        f"{record.path}: {found}; there are, for example: {some}",
        f"flowsteer {command} {record.path} {number}, for example; flowsteer show {record.path} lists their numbers",
    )


def _list(record: "RunFolder", json: bool) -> None:
    entries, names, state = list(record.entries.values()), names_of(record), _state(record)
    if json:
        from flowsteer.runs.summary import summary_to_json

        episodes = [{"episode": entry.episode, **summary_to_json(entry.summary)} for entry in entries]
        unfinished = [{"episode": name, "state": state} for name in names[len(entries) :]]
        counted = {"unfinished": record.unfinished, "unfinished_episodes": unfinished}
        print_json({"config": record.config, **counted, "episodes": episodes})
        return
    from rich.table import Table

    from flowsteer.cli.terminal import Terminal

    table = Table(title=f"{record.path}: {_count(record)}")
    for column in ("no.", "episode", "turns", "state", "score"):
        table.add_column(column, overflow="fold", justify="right" if column == "no." else "left")
    table.add_column("workflow", overflow="ellipsis", no_wrap=True, ratio=1)
    for number, entry in enumerate(entries[:SHOWN], 1):
        summary = entry.summary
        ended = "ran" if summary.finished is None else "finished" if summary.finished else "not finished"
        score = "" if summary.score is None else f"{summary.score:g}"
        table.add_row(str(number), entry.episode, str(summary.turns), ended, score, summary.dsl)
    for number, name in enumerate(names[len(entries) :][:SHOWN], len(entries) + 1):
        table.add_row(str(number), name, "", state, "", "")
    Terminal().print(table)
    if len(entries) > SHOWN:
        Terminal().print(f"… and {len(entries) - SHOWN} more: --json lists them all")
    if len(names) > len(entries) and state == "broke off":
        if record.config.get("command") == "serve":
            how = f"a server goes on with none of them; flowsteer runs rm {record.path} --unfinished removes them"
        else:
            how = f"to go on with what broke off, run the command that made it again, with --run {record.path}"
        tell(f"  {how}")


def _state(record: "RunFolder") -> str:
    """What the episodes that are not finished do."""
    from flowsteer.runs.lock import is_locked

    return "is running" if is_locked(record.path) else "broke off"


def _count(record: "RunFolder") -> str:
    unfinished = f", {record.unfinished} unfinished" if record.unfinished else ""
    return f"{len(record.entries)} episodes{unfinished}"
