"""The command line, in this process or in one of its own."""

import asyncio
import contextlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from flowsteer.cli.main import app

COMMAND = (sys.executable, "-m", "flowsteer.cli.main")
OFFLINE = ("--director", "simulated:", "--executor", "simulated:", "--allow-unfinished")


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(**changes: str) -> dict[str, str]:
    """This process's environment without settings that would change what a command does."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    for name in ("FLOWSTEER_DIRECTOR", "FLOWSTEER_EXECUTOR", "PYTHONSTARTUP"):
        kept.pop(name, None)
    return kept | {"COLUMNS": "100"} | changes


def flowsteer(*arguments: str, cwd: Path, stdin: str | bytes = "", **changes: str) -> Outcome:
    """Run a command in this process, which is quicker; an exception that is no clean exit is a bug and comes out."""
    removed = {name: None for name in os.environ if name not in environment()}
    with contextlib.chdir(cwd):
        done = CliRunner().invoke(
            app,
            arguments,
            input=stdin,
            env=removed | environment(**changes),
            catch_exceptions=False,
            prog_name="flowsteer",
        )
    return Outcome(done.exit_code, done.stdout, done.stderr)


async def start(*arguments: str, cwd: Path) -> asyncio.subprocess.Process:
    """Start a command, without waiting for it."""
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, cwd=cwd, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=environment()
    )


async def ended(process: asyncio.subprocess.Process) -> Outcome:
    """Wait for a command that was started."""
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Outcome(process.returncode, out.decode(), err.decode())


async def run(*arguments: str, cwd: Path) -> Outcome:
    """Run a command while this event loop goes on serving."""
    return await ended(await start(*arguments, cwd=cwd))


def open_events(run_folder: Path) -> list[dict[str, Any]]:
    """What the record of the one unfinished episode of a run holds."""
    (file,) = (run_folder / "open").iterdir()
    return [json.loads(line) for line in file.read_text().splitlines()]
