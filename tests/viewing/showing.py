"""A viewer of a folder of runs, in this event loop; and runs to look at."""

import asyncio
from contextlib import asynccontextmanager

import httpx

from flowsteer.evaluation.evaluate import evaluate
from flowsteer.evaluation.evaluation_config import make_config
from flowsteer.viewing.viewer_server import view_runs

WORKFLOW = "Plan -> [Programmer, Custom] -> ScEnsemble -> Verify ? Revise : done"


@asynccontextmanager
async def showing(root, cache):
    """A viewer; the address that it says, token included."""
    address = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(view_runs(root, 0, address.set_result, cache))
    await asyncio.wait({task, address}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    try:
        yield await address
    finally:
        task.cancel()
        await asyncio.wait({task})


@asynccontextmanager
async def reader(address):
    """A client with the token of an address, as a script would show it; all runs have been read by then."""
    base, _, token = address.partition("/?token=")
    async with httpx.AsyncClient(base_url=base, headers={"authorization": f"Bearer {token}"}, timeout=20) as client:
        for _ in range(100):
            if all(run["indexed"] == 1 for run in (await client.get("/api/runs")).json()["runs"]):
                break
        yield client


async def evaluated(path, systems=("direct", f"director:dsl:{WORKFLOW}"), limit=4, extra=None, **settings):
    """A finished evaluation on tasks of the simulated world."""
    plain = {"datasets": ["simulated:math"], "systems": list(systems), "executor": "simulated:", "limit": limit}
    return await evaluate(make_config(plain | settings), path, extra=extra)
