"""A backend in memory that counts its calls and can be held back."""

import asyncio

from flowsteer.backends.base import Features, Message, Reply, Request, Sampling
from flowsteer.usage import Usage


class Counting:
    """Answers with the number of the call."""

    spec = "counting"
    features = Features(json_schema=True)

    def __init__(self) -> None:
        self.calls = self.cancelled = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()
        self.error: Exception | None = None

    async def complete(self, request: Request) -> Reply:
        self.calls += 1
        self.asked.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error:
            raise self.error
        return Reply(f"reply {self.calls}", Usage(1, 5, 2, 0.5, 0.25), "tiny-1", reasoning="r")

    async def aclose(self) -> None:
        pass


def ask(text: str = "Hello?", **sampling: float) -> Request:
    return Request((Message("user", text),), Sampling(**sampling))  # type: ignore[arg-type]
