"""A server from its settings to its end."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from flowsteer.backends.base import Backend
from flowsteer.backends.ledger import resume_account
from flowsteer.errors import ConfigError
from flowsteer.evaluation.evaluate import keep_names
from flowsteer.evaluation.job_runner import spent_before
from flowsteer.evaluation.specs import parse_systems
from flowsteer.evaluation.systems import System
from flowsteer.runs.folder import Listener, RunFolder, unheard
from flowsteer.serving.admission import ServeLimits
from flowsteer.serving.app import Endpoints, make_app
from flowsteer.serving.gate import Gate
from flowsteer.serving.player import Player
from flowsteer.session import Setup, deciding, open_session
from flowsteer.task import TaskType
from flowsteer.web.hosts import is_loopback
from flowsteer.web.listening import address, listening, run_app


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """What a server is asked to be.

    Attributes:
        systems: Specs of the systems; each is a model of that name.
        setup: The session that all requests share.
        run: The run folder.
        host: Address to listen at.
        port: Port; 0 for any free one.
        key: What clients must show; empty for none, which is for the loopback alone.
        limits: What is taken on.
        type: Type of a task whose type is not said; None to guess it.
    """

    systems: tuple[str, ...]
    setup: Setup
    run: Path
    host: str = "127.0.0.1"
    port: int = 0
    key: str = field(default="", repr=False)
    limits: ServeLimits = ServeLimits()
    type: TaskType | None = None


async def serve(
    settings: ServeSettings,
    ready: Callable[[str], None],
    extra: Mapping[str, Backend] | None = None,
    listener: Listener = unheard,
) -> None:
    """Serve until cancelled.

    Args:
        settings: The server.
        ready: Gets its address once it answers.
        extra: Backends made elsewhere, by the spec that names them.
        listener: Hears every event of the run.

    Raises:
        ConfigError: A setting or a name does not fit, the port is taken, or a key is missing.
        RunError: The folder belongs to another run.
        BackendUnavailable: A backend cannot be reached at the start.
        SandboxError: The sandbox asked for is not there.
    """
    systems = _systems(settings.systems)
    if not settings.key and not is_loopback(settings.host):
        raise ConfigError(f"{settings.host} can be reached by others, and no key is set", "set FLOWSTEER_API_KEY")
    with listening(settings.host, settings.port) as bound:
        async with _player(settings, systems, extra, listener) as player:
            endpoints = Endpoints(player, systems, settings.setup.executor, settings.type)
            local, answered = is_loopback(settings.host), player.gauges.answered
            app = Gate(make_app(endpoints), settings.key, local, settings.limits.body_bytes, answered)
            await run_app(app, bound, lambda: ready(address(bound)), player.stop)


def _systems(specs: tuple[str, ...]) -> dict[str, System]:
    found: dict[str, System] = {}
    for system in parse_systems(specs):
        if not isinstance(system, System):
            raise ConfigError(f"{system.name} chooses its workflow on validation tasks", "serve what it chose: fixed:…")
        if getattr(system, "director", "").startswith("human"):
            raise ConfigError("a person cannot direct behind a server", "name another Director")
        found[system.name] = system
    return found


@asynccontextmanager
async def _player(
    settings: ServeSettings, systems: Mapping[str, System], extra: Mapping[str, Backend] | None, listener: Listener
) -> AsyncIterator[Player]:
    """Everything behind the endpoints; a folder that is new and holds nothing is removed if it cannot be opened."""
    with RunFolder.create(settings.run, {"command": "serve"} | deciding(settings.setup), listener) as folder:
        try:
            async with open_session(settings.setup, extra) as session:
                resume_account(session.budget, settings.run, spent_before(folder))
                for system in systems.values():
                    await system.check(session)
                keep_names(folder, settings.systems)
                yield Player(session, folder, settings.limits)
        finally:
            folder.discard_if_new()
