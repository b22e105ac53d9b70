"""A run as a file to share: the viewer with the run's data inside, which needs no server and loads nothing.

A large run is a folder instead: the same page with its list of episodes, and beside it files of episodes that the page
loads as they are looked at.
"""

import base64
import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from flowsteer.errors import RunError
from flowsteer.runs.event_json import JSON
from flowsteer.runs.files import writing
from flowsteer.runs.index import EPISODES
from flowsteer.viewing.bundle_files import INDEX, SCRIPT, STYLE, bundle_file
from flowsteer.viewing.episode_query import EpisodeQuery
from flowsteer.viewing.plain_json import text_of
from flowsteer.viewing.run_view import PATIENCE, RunView
from flowsteer.viewing.runs_below import HERE

PAGE, PARTS = "report.html", "episodes"

MOST_INSIDE, MOST_BYTES = 1000, 40_000_000
"""Most episodes, and most bytes of `episodes.jsonl`, of a run that becomes one file."""

PART = 100
"""Episodes in a file of a folder."""

MOST_ROWS = 100_000
"""Most episodes in the list of a report; `flowsteer view` shows any number."""

MOST_STEPS = 200
"""Most steps whose groups are inside: the last ones."""


def write_report_page(run: Path, out: Path) -> Path:
    """Write the viewer of a run: one file, or for a large run a file with a folder beside it.

    Args:
        run: The run folder; it may be under way.
        out: Folder to write to; made if it is not there.

    Returns:
        The page.

    Raises:
        RunError: The run cannot be read, or the report cannot be written.
    """
    with tempfile.TemporaryDirectory() as cache:
        view = RunView(HERE, run, Path(cache))
        view.store.bring_up_to_date(float("inf"))
        data = _about(view)
        rows = data["episodes"]
        small = len(rows) <= MOST_INSIDE and _size(run / EPISODES) <= MOST_BYTES
        with writing(out):
            out.mkdir(parents=True, exist_ok=True)
            if small:
                _write(out / PAGE, data | {"episode": _pages(view, rows)})
            else:
                _write(out / PAGE, data | {"episode": {}, "parts": _write_parts(view, rows, out / PARTS)}, parts=True)
    return out / PAGE


def write_episode_page(run: Path, out: Path, episode: str) -> Path:
    """Write the viewer of one episode as one file.

    Args:
        run: The run folder.
        out: Folder to write to; made if it is not there.
        episode: Id of the episode.

    Returns:
        The page.

    Raises:
        RunError: The run has no such episode, or the page cannot be written.
    """
    path = out / f"episode-{hashlib.sha256(episode.encode()).hexdigest()[:12]}.html"
    with tempfile.TemporaryDirectory() as cache, writing(path):
        view = RunView(HERE, run, Path(cache))
        view.store.bring_up_to_date(float("inf"))
        page = view.episode(episode)
        rows = [row for row in _rows(view) if row["episode"] == episode]
        out.mkdir(parents=True, exist_ok=True)
        _write(path, _about(view) | {"episodes": rows, "episode": {episode: page}})
    return path


def _about(view: RunView) -> JSON:
    """All that is told of a run but its episodes' events."""
    page = view.page(PATIENCE)
    training = view.training(0, PATIENCE)
    last = view.groups(0)["steps"]
    return {
        "runs": {"root": view.path.resolve().name, "runs": [view.listed()]},
        "run": page,
        "episodes": list(_rows(view)),
        "training": training,
        "groups": {step: view.groups(step) for step in range(max(1, last - MOST_STEPS + 1), last + 1)},
        "study": view.study(),
    }


def _rows(view: RunView) -> Iterator[JSON]:
    for offset in range(0, MOST_ROWS, PART):
        rows = view.episodes(EpisodeQuery(offset=offset, limit=PART))["rows"]
        yield from rows
        if len(rows) < PART:
            return


def _pages(view: RunView, rows: list[JSON]) -> JSON:
    return {row["episode"]: view.episode(row["episode"]) for row in rows}


def _write_parts(view: RunView, rows: list[JSON], folder: Path) -> dict[str, str]:
    """Write the files of episodes; which of them holds which episode."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.js"):
        old.unlink()
    parts: dict[str, str] = {}
    for number, start in enumerate(range(0, len(rows), PART), 1):
        some, name = rows[start : start + PART], f"{number:04}.js"
        pages = text_of(_pages(view, some))
        (folder / name).write_text(f"window.flowsteerPart({pages});\n", encoding="utf-8")
        parts |= {row["episode"]: f"{PARTS}/{name}" for row in some}
    return parts


def _write(path: Path, data: JSON, parts: bool = False) -> None:
    """Write the page: the front end and the data, which no text of a run can end."""
    index, script, style = (_of_bundle(name) for name in (INDEX, SCRIPT, STYLE))
    script = script.replace("</script", "<\\/script")
    loaded = " 'self' file:" if parts else ""
    csp = (
        f"default-src 'none'; script-src '{_digest(script)}'{loaded}; style-src '{_digest(style)}'; img-src data:; "
        "font-src data:; base-uri 'none'; form-action 'none'"
    )
    head = f'<meta http-equiv="Content-Security-Policy" content="{csp}" />'
    inside = text_of(data).replace("</", "<\\/").replace("<!--", "<\\u0021--")
    for old, new in (
        ('<meta charset="utf-8" />', f'<meta charset="utf-8" />{head}'),
        (f'<script defer src="./assets/{SCRIPT}"></script>', ""),
        (f'<link rel="stylesheet" href="./assets/{STYLE}">', f"<style>{style}</style>"),
        (
            "</body>",
            f'<script type="application/json" id="flowsteer-data">{inside}</script><script>{script}</script></body>',
        ),
    ):
        before, found, after = index.partition(old)
        if not found:
            raise RunError(f"the built viewer lacks {old}", "build it anew: make viewer")
        index = f"{before}{new}{after}"
    path.write_text(index, encoding="utf-8")


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _of_bundle(name: str) -> str:
    content = bundle_file(name)
    if content is None:
        raise RunError(f"the package lacks the built viewer's {name}", "install it from a wheel, or: make viewer")
    return content.decode()


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
