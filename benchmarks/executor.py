"""What the embedded server gives here: tokens and calls a second by threads and slots, and what a known prefix saves.

Each row is a server of its own, started through the backend as any run does it. `bare` asks the same server over plain
HTTP, so the difference is what the backend costs. `busy` is the same with a program on every processor beside it.
`same prefix` repeats a long beginning, as the operators of one workflow do with their task; `new prefix` does not.

    python benchmarks/executor.py [--model smollm2] [--calls 8] [--tokens 64]
"""

import argparse
import asyncio
import multiprocessing
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import httpx
from rich.console import Console
from rich.table import Table

from flowsteer.backends.base import Message, Request, Sampling
from flowsteer.backends.connect import Backends
from flowsteer.backends.llama_options import PROCESSORS, LlamaOptions
from flowsteer.backends.llamacpp import LlamaServer

PASSAGE = "The river rises in the hills and runs for ninety miles to the sea. " * 40
"""About 640 tokens."""

Ask = Callable[[str], Awaitable[int]]
"""Asks a question; the tokens of the reply."""


def spin() -> None:
    """Take a processor."""
    while True:
        pass


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """So many programs that each want a processor."""
    running = [multiprocessing.get_context("spawn").Process(target=spin, daemon=True) for _ in range(count)]
    for one in running:
        one.start()
    try:
        yield
    finally:
        for one in running:
            one.kill()
            one.join()


async def timed(ask: Ask, prompts: list[str], at_once: int) -> tuple[float, float]:
    """Tokens and calls a second."""
    turn = asyncio.Semaphore(at_once)

    async def one(prompt: str) -> int:
        async with turn:
            return await ask(prompt)

    started = time.perf_counter()
    tokens = sum(await asyncio.gather(*(one(prompt) for prompt in prompts)))
    seconds = time.perf_counter() - started
    return tokens / seconds, len(prompts) / seconds


async def through_backend(spec: str, prompts: list[str], tokens: int, at_once: int) -> tuple[float, float]:
    """The server as a run uses it."""
    async with Backends() as backends:
        backend = await backends.get(spec)

        async def ask(prompt: str) -> int:
            request = Request((Message("user", prompt),), Sampling(temperature=0.0, max_tokens=tokens))
            return (await backend.complete(request)).usage.completion_tokens

        await ask("Hello.")
        return await timed(ask, prompts, at_once)


async def bare(model: str, options: LlamaOptions, prompts: list[str], tokens: int) -> tuple[float, float]:
    """The same server over plain HTTP."""
    server = await LlamaServer.start(model, options)
    try:
        headers = {"Authorization": f"Bearer {server.key}"}
        async with httpx.AsyncClient(base_url=server.base_url, headers=headers, timeout=600) as client:

            async def ask(prompt: str) -> int:
                body = {"messages": [{"role": "user", "content": prompt}], "temperature": 0.0, "max_tokens": tokens}
                reply = (await client.post("chat/completions", json=body)).raise_for_status().json()
                return int(reply["usage"]["completion_tokens"])

            await ask("Hello.")
            return await timed(ask, prompts, options.slots)
    finally:
        await server.aclose()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Tokens and calls a second of the embedded server.")
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--calls", type=int, default=8, help="calls of each row")
    parser.add_argument("--tokens", type=int, default=64, help="longest reply")
    asked = parser.parse_args()
    short = [f"Write a story about the number {number}." for number in range(asked.calls)]
    same = [f"{PASSAGE}\nQuestion {number}: how long is the river?" for number in range(asked.calls)]
    new = [f"Passage {number}. {PASSAGE}\nHow long is the river?" for number in range(asked.calls)]
    table = Table("threads", "slots", "beside", "prompts", "tokens/s", "calls/s", title=f"llamacpp:{asked.model}")

    def add(options: LlamaOptions, beside: str, prompts: str, found: tuple[float, float]) -> None:
        table.add_row(str(options.threads), str(options.slots), beside, prompts, f"{found[0]:.1f}", f"{found[1]:.2f}")

    for threads in sorted({1, max(1, PROCESSORS // 2), PROCESSORS}):
        for slots in (1, 2, 4):
            options = LlamaOptions(threads, slots)
            spec = f"llamacpp:{asked.model}?threads={threads}&slots={slots}"
            add(options, "", "short", asyncio.run(through_backend(spec, short, asked.tokens, slots)))
    options, spec = LlamaOptions(), f"llamacpp:{asked.model}"
    add(options, "bare", "short", asyncio.run(bare(asked.model, options, short, asked.tokens)))
    for name, prompts in (("same prefix", same), ("new prefix", new)):
        add(options, "", name, asyncio.run(through_backend(spec, prompts, 8, options.slots)))
    with neighbours(os.cpu_count() or 1):
        add(options, "busy", "short", asyncio.run(through_backend(spec, short, asked.tokens, options.slots)))
    Console().print(table)


if __name__ == "__main__":
    main()
