"""The embedded servers of one node of a Ray cluster: all its workers ask the same ones, each loaded once."""

import asyncio

from flowsteer.backends.llama_options import LlamaOptions
from flowsteer.backends.llamacpp import LlamaAddress, LlamaServer
from flowsteer.errors import FlowSteerError


class LlamaHost:
    """Starts servers when they are asked for; they end with its process."""

    def __init__(self) -> None:
        self._servers: dict[str, LlamaServer] = {}
        self._turn = asyncio.Lock()

    async def find(self, named: str) -> LlamaAddress | FlowSteerError:
        """Where the server is that runs a model, started if it is not there yet; or why it cannot be.

        Args:
            named: What stands behind `llamacpp:`.
        """
        async with self._turn:
            try:
                if named in self._servers and self._servers[named].ended:
                    await self._servers.pop(named).aclose()
                if named not in self._servers:
                    self._servers[named] = await LlamaServer.start(*LlamaOptions.read(named))
            except FlowSteerError as error:
                return error
            return LlamaAddress(self._servers[named].base_url, self._servers[named].key)
