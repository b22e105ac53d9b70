"""`flowsteer doctor`: what works on this machine, and what to type where something does not."""

import platform
import sys
from dataclasses import asdict, dataclass
from importlib.util import find_spec

import typer

from flowsteer.cli import options as o
from flowsteer.cli.console import guarded, print_json, say
from flowsteer.cli.exit_codes import CHECK_FAILED


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
    """Check Python, sandboxes, extras, models and keys.

    Ends with 6 if something is missing without which nothing runs.
    """
    import asyncio

    checks = asyncio.run(_checks())
    ok = all(check.ok for check in checks if check.needed)
    if json:
        print_json({"ok": ok, "checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            say(f"{'✓' if check.ok else ('✗' if check.needed else '–')} {check.name}: {check.detail}")
            if check.hint and not check.ok:
                say(f"    {check.hint}")
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
        *_keys(),
    ]


def _extras() -> list[Check]:
    extras = (("local", "xllamacpp"), ("train", "trl"), ("scale", "ray"), ("serve", "fastapi"))
    return [
        Check(f"extra {name}", find_spec(module) is not None, module, f"pip install 'flowsteer[{name}]'")
        for name, module in extras
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


def _keys() -> list[Check]:
    import os

    from flowsteer.backends.presets import PRESETS

    wanted = [preset for preset in PRESETS.values() if preset.key_required]
    return [
        Check(f"key {preset.name}", here, f"{preset.key_env} is {'set' if here else 'not set'}")
        for preset in wanted
        for here in [bool(os.environ.get(preset.key_env))]
    ]
