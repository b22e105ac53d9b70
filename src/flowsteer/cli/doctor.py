"""`flowsteer doctor`: what works on this machine, and what to type where something does not."""

import os
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import typer

from flowsteer.cli import options as o
from flowsteer.cli.console import guarded, print_json, say
from flowsteer.cli.exit_codes import CHECK_FAILED
from flowsteer.cli.extras import missing_of_extras

SERVER_SECONDS = 1.0
"""Longest wait for a server on this machine."""

ROOM = 2**30
"""Free bytes below which a run or a model soon finds no room."""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Attributes:
        name: What was looked at.
        ok: Whether it works.
        detail: What was found.
        hint: What to type if it does not.
        needed: Whether nothing runs without it.
    """

    name: str
    ok: bool
    detail: str
    hint: str = ""
    needed: bool = False


@guarded
def doctor(json: o.Json = False) -> None:
    """Check Python, sandboxes, extras, models, servers, disk, processors and keys; the last line is for a bug report.

    Ends with 6 if something is missing without which nothing runs.
    """
    import asyncio

    checks = asyncio.run(_checks())
    ok = all(check.ok for check in checks if check.needed)
    if json:
        print_json({"ok": ok, "checks": [asdict(check) for check in checks], "report": _report(checks)})
    else:
        for check in checks:
            say(f"{'✓' if check.ok else ('✗' if check.needed else '–')} {check.name}: {check.detail}")
            if check.hint and not check.ok:
                say(f"    {check.hint}")
        say(f"for a bug report: {_report(checks)}")
    raise typer.Exit(0 if ok else CHECK_FAILED)


async def _checks() -> list[Check]:
    from flowsteer.operators.registry import library_names
    from flowsteer.sandbox.connect import available_tiers

    tiers = await available_tiers()
    libraries = library_names()
    return [
        Check("python", sys.version_info >= (3, 11), platform.python_version(), "install Python 3.11 or later", True),
        Check("operators", "paper" in libraries, ", ".join(libraries), "pip install --force-reinstall flowsteer", True),
        *(
            Check(
                f"sandbox {tier.name}", tier.ok, " ".join(tier.detail.split()), tier.hint, needed=tier.name == "monty"
            )
            for tier in tiers
        ),
        *_extras(),
        *_models(),
        *await _servers(),
        *_machine(),
        *_keys(),
    ]


def _extras() -> list[Check]:
    return [
        Check(
            f"extra {name}",
            not missing,
            f"not installed: {', '.join(missing)}" if missing else "installed",
            f"pip install 'flowsteer[{name}]'",
        )
        for name, missing in missing_of_extras().items()
    ]


def _models() -> list[Check]:
    from flowsteer.backends.models import list_models

    return [
        Check(
            f"model {model.name}",
            model.here,
            str(model.path) if model.here else "not fetched",
            f"flowsteer models pull {model.name}",
        )
        for model in list_models()
    ]


async def _servers() -> list[Check]:
    """The servers of this machine that have a name, where they usually listen."""
    import asyncio
    from urllib.parse import urlsplit

    from flowsteer.backends.presets import PRESETS
    from flowsteer.web.hosts import is_loopback

    found = []
    for preset in PRESETS.values():
        address = urlsplit(preset.base_url)
        if address.hostname is None or not is_loopback(address.hostname):
            continue
        try:
            async with asyncio.timeout(SERVER_SECONDS):
                _, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.close()
        except OSError:  # a timeout is one
            found.append(Check(f"server {preset.name}", False, f"nothing listens at {preset.base_url}"))
        else:
            found.append(Check(f"server {preset.name}", True, f"something listens at {preset.base_url}"))
    return found


def _machine() -> list[Check]:
    from flowsteer.backends.models import models_folder
    from flowsteer.sandbox.processors import usable

    places = {"disk here": Path.cwd(), "disk for models": _existing(models_folder())}
    room = {name: shutil.disk_usage(path).free for name, path in places.items()}
    threads = os.environ.get("OMP_NUM_THREADS")
    said = f"OMP_NUM_THREADS is {threads}" if threads else "OMP_NUM_THREADS is not set"
    return [
        *(
            Check(name, free >= ROOM, f"{free / 2**30:.1f} GiB free at {places[name]}", "flowsteer runs prune")
            for name, free in room.items()
        ),
        Check("processors", True, f"{len(usable())} of {os.cpu_count()}, {said}"),
    ]


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _report(checks: list[Check]) -> str:
    """One line that says what this is and what works here; nothing in it is a secret or names a person."""
    works = {kind: [c.name.removeprefix(f"{kind} ") for c in checks if c.ok and c.name.startswith(f"{kind} ")]
             for kind in ("sandbox", "extra", "model", "server")}  # fmt: skip
    processors = next(check.detail for check in checks if check.name == "processors")
    return "; ".join(
        [
            f"flowsteer {version('flowsteer')}",
            f"Python {platform.python_version()}",
            platform.platform(),
            f"processors {processors}",
            *(f"{kind} {' '.join(names) or 'none'}" for kind, names in works.items()),
        ]
    )


def _keys() -> list[Check]:
    from flowsteer.backends.presets import PRESETS

    wanted = [preset for preset in PRESETS.values() if preset.key_required]
    return [
        Check(f"key {preset.name}", here, f"{preset.key_env} is {'set' if here else 'not set'}")
        for preset in wanted
        for here in [bool(os.environ.get(preset.key_env))]
    ]
