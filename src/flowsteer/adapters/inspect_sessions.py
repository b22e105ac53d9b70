"""One session for all samples of an eval of inspect_ai: a model is loaded once, the limits of a server are shared."""

import asyncio

from inspect_ai.model import Model

from flowsteer.adapters.inspect_backend import SPEC, InspectBackend
from flowsteer.session import Session, Setup, open_session

Key = tuple[asyncio.AbstractEventLoop, Model]


class InspectSessions:
    """Sessions by the model of the eval. No solver is told when its eval is over; its event loop ends then.

    Args:
        executor: Spec of the LLM that runs the operators.
    """

    def __init__(self, executor: str) -> None:
        self._executor = executor
        self._open: dict[Key, tuple[asyncio.Future[Session], asyncio.Task[None]]] = {}

    async def of(self, model: Model) -> Session:
        """The session of an eval, opened for its first sample and closed with its event loop.

        Raises:
            ConfigError: The executor's spec is unknown or unusable.
            BackendUnavailable: It cannot be reached; the next sample tries again.
            SandboxError: The sandbox is not there.
        """
        self._open = {key: kept for key, kept in self._open.items() if not key[0].is_closed()}
        loop = asyncio.get_running_loop()
        if (loop, model) not in self._open:
            opened: asyncio.Future[Session] = loop.create_future()
            self._open[loop, model] = opened, asyncio.create_task(self._keep(model, opened))
        return await asyncio.shield(self._open[loop, model][0])  # a sample that is cancelled takes it from no other

    async def _keep(self, model: Model, opened: asyncio.Future[Session]) -> None:
        """Open a session, and hold it until the event loop cancels what is left in it."""
        setup = Setup(director="", executor=self._executor)
        try:
            async with open_session(setup, {SPEC: InspectBackend(model)}) as session:
                opened.set_result(session)
                await asyncio.Event().wait()
        except Exception as error:  # whatever it is: the samples that wait for the session are told
            if opened.done():
                raise
            del self._open[asyncio.get_running_loop(), model]
            opened.set_exception(error)
