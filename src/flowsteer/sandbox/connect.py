"""Sandboxes by name, and which of them work here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from flowsteer.errors import ConfigError, SandboxError
from flowsteer.sandbox.base import Program, SandboxLimits, Tier
from flowsteer.sandbox.bubblewrap import BubblewrapSandbox
from flowsteer.sandbox.container import ContainerSandbox
from flowsteer.sandbox.ladder import Ladder
from flowsteer.sandbox.monty import MontySandbox
from flowsteer.sandbox.pair import PairSandbox
from flowsteer.sandbox.shared import SharedBubblewrap

TierChoice = Literal["monty", "bubblewrap", "container", "auto"]

MAKERS: dict[Tier, Callable[[], PairSandbox]] = {
    "monty": MontySandbox,
    "bubblewrap": BubblewrapSandbox,
    "container": ContainerSandbox,
}

FULL_PYTHON: tuple[Tier, ...] = ("bubblewrap", "container")
"""Both run the same CPython; the first starts ten times as fast."""


def connect_sandbox(tier: TierChoice = "auto") -> PairSandbox:
    """Make the sandbox a run asks for.

    Args:
        tier: A tier, which then runs everything; or `auto`, which starts on Monty and takes to bubblewrap (or, without
            it, to a container) what Monty does not support.

    Raises:
        ConfigError: If there is no such tier.
        SandboxError: If the tier is not installed.
    """
    if tier == "auto":
        return Ladder(MontySandbox(), find_full_python)
    if tier not in MAKERS:
        raise ConfigError(f"unknown sandbox tier {tier!r}; expected one of {', '.join(get_args(TierChoice))}")
    return MAKERS[tier]()


@dataclass(frozen=True, slots=True)
class TierStatus:
    """Whether a tier works here.

    Attributes:
        name: The tier.
        ok: Whether a program ran in it just now.
        detail: What was found.
        hint: What to do about it; empty when ok.
    """

    name: Tier
    ok: bool
    detail: str
    hint: str = ""


def shared(sandbox: PairSandbox) -> PairSandbox:
    """The same Python where one start serves many programs; the sandbox itself where there is no such thing."""
    return SharedBubblewrap(sandbox) if isinstance(sandbox, BubblewrapSandbox) else sandbox


async def find_full_python() -> PairSandbox:
    """The quickest sandbox with full CPython that works here.

    Raises:
        SandboxError: If none does; the message says why, tier by tier.
    """
    tried = []
    for name in FULL_PYTHON:
        status = await _try_tier(name, MAKERS[name])
        if status.ok:
            return MAKERS[name]()
        tried.append(status)
    reasons = "; ".join(f"{status.name}: {status.detail}" for status in tried)
    raise SandboxError(f"no tier with full Python works here ({reasons})", tried[0].hint)


async def available_tiers() -> list[TierStatus]:
    """Try every tier with a small program, weakest first."""
    return [await _try_tier(name, make) for name, make in MAKERS.items()]


async def _try_tier(name: Tier, make: Callable[[], PairSandbox]) -> TierStatus:
    try:
        sandbox = make()
    except SandboxError as error:
        return TierStatus(name, False, error.message, error.hint)
    try:
        outcome = await sandbox.run(Program("total = sum(range(4))", result="total"), SandboxLimits(seconds=20.0))
    except SandboxError as error:
        return TierStatus(name, False, error.message, error.hint)
    finally:
        await sandbox.aclose()
    if outcome.value != 6:
        return TierStatus(name, False, f"a small program ended with {outcome.status}: {outcome.error}")
    return TierStatus(name, True, f"ran a small program in {1000 * outcome.seconds:.0f} ms")
