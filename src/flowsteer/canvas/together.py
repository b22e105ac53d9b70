"""Several episodes at once."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

Played = TypeVar("Played")


async def together(playing: Iterable[Coroutine[Any, Any, Played]]) -> list[Played]:
    """What all of them come to, in order; the first that fails ends the others.

    Args:
        playing: Episodes that have not begun.
    """
    tasks = [asyncio.create_task(one) for one in playing]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
