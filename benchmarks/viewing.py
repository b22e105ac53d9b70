"""A run of 100,000 episodes in the viewer: what opening it takes, first and again, pages, search, memory, live lag.

python benchmarks/viewing.py [EPISODES]
"""

import asyncio
import json
import os
import random
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import httpx

from flowsteer.evaluation.evaluate import evaluate
from flowsteer.evaluation.evaluation_config import make_config
from flowsteer.runs.event_json import event_line
from flowsteer.runs.folder import RunFolder

EPISODES = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
WORKFLOW = "Plan -> [Programmer, Custom] -> ScEnsemble -> Verify ? Revise : done"
FOLLOWED = 200
"""Events of the episode whose lag is measured."""


async def make_run(folder, run):
    """A run folder of many episodes, each with the events of a real one."""
    plain = {"datasets": ["simulated:math"], "systems": [f"director:dsl:{WORKFLOW}"], "executor": "simulated:"}
    await evaluate(make_config(plain | {"limit": 20}), folder)
    made = RunFolder.read(folder)
    known = [(one.summary, [event_line(event) for event in made.events(name)]) for name, one in made.entries.items()]
    draw = random.Random(0)
    with RunFolder.create(run, {"command": "eval"}) as record:
        for number in range(EPISODES):
            summary, lines = known[number % len(known)]
            summary = replace(summary, task=f"task/{number // 2}", epoch=number % 2, score=float(draw.random() < 0.6))
            summary = replace(summary, answer=str(number), system=draw.choice(("one", "other")))
            record.append(f"{summary.system}/task/{number}", summary, lines)
    return known[0][1]


def memory_mb(process):
    """Resident memory of a process now, and at its highest, in MB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    found = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Vm")}
    return int(found["VmRSS"]) * 1024 / 1e6, int(found["VmHWM"]) * 1024 / 1e6


async def open_viewer(run, home):
    """The viewer's process, a client of it, and the seconds until it said where it is."""
    started = time.perf_counter()
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "flowsteer.cli.main", "view", str(run), "--no-browser"),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"FLOWSTEER_HOME": str(home)},
    )
    base, _, token = (await server.stdout.readline()).decode().strip().partition("/?token=")
    client = httpx.AsyncClient(base_url=base, headers={"authorization": f"Bearer {token}"}, timeout=60)
    return server, client, time.perf_counter() - started


async def timed(client, path, **params):
    """Seconds of a request, and its answer."""
    started = time.perf_counter()
    answer = await client.get(path, params=params)
    return time.perf_counter() - started, answer.raise_for_status().json()


async def first_time(run, home):
    """Open it when nothing is indexed."""
    server, client, ready = await open_viewer(run, home)
    started = time.perf_counter()
    seconds, page = await timed(client, "/api/runs/~/episodes")
    print(f"first time: address after {ready:.2f} s; {len(page['rows'])} rows {seconds:.2f} s later")
    slowest = 0.0
    while (await timed(client, "/api/runs"))[1]["runs"][0]["indexed"] < 1:
        slowest = max(slowest, (await timed(client, "/api/runs/~/episodes"))[0])
    print(f"            all of it indexed after {time.perf_counter() - started:.1f} s, pages meanwhile within", end=" ")
    print(f"{slowest:.2f} s, the server at most {memory_mb(server.pid)[1]:.0f} MB")
    await close(server, client)


async def again(run, home):
    """Open it again, and go through what people ask."""
    server, client, ready = await open_viewer(run, home)
    seconds, page = await timed(client, "/api/runs/~/episodes")
    print(f"again:      address after {ready:.2f} s; {page['total']:,} episodes, first rows {seconds:.2f} s later")
    asked = {
        "run's page": ("/api/runs/~", {}),
        "list of runs": ("/api/runs", {}),
        "last page": ("/api/runs/~/episodes", {"offset": EPISODES - 100}),
        "by tokens": ("/api/runs/~/episodes", {"sort": "tokens", "order": "desc"}),
        "full text": ("/api/runs/~/episodes", {"q": "ScEnsemble train"}),
        "one word": ("/api/runs/~/episodes", {"q": str(EPISODES // 2)}),
        "wrong ones": ("/api/runs/~/episodes", {"state": "wrong", "system": "other", "sort": "score"}),
        "an episode": (f"/api/runs/~/episodes/{page['rows'][50]['episode'].replace('/', '%2F')}", {}),
    }
    for name, (path, params) in asked.items():
        times = [(await timed(client, path, **params))[0] for _ in range(5)]
        print(f"            {name:<13} {times[0]:.3f} s, then {sorted(times)[2]:.3f} s")
    now, most = memory_mb(server.pid)
    print(f"            the server has {now:.0f} MB, at most {most:.0f} MB")
    await close(server, client)


async def lag(run, home, lines):
    """How long after an event is written its reader has it."""
    with RunFolder.create(run, {"command": "eval"}) as record:
        file = record.begin("live")._file
        file.write(lines[0] + "\n")
        file.flush()
        server, client, _ = await open_viewer(run, home)
        written, late = [], []

        async def write():
            await asyncio.sleep(1)
            for _ in range(FOLLOWED):
                await asyncio.sleep(random.uniform(0, 0.1))
                written.append(time.perf_counter())
                file.write(lines[1] + "\n")
                file.flush()

        writing = asyncio.create_task(write())
        async with client.stream("GET", "/api/runs/~/episodes/live/stream", params={"after": 1}) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data: ") and json.loads(line[6:]).get("kind"):
                    late.append(time.perf_counter() - written[len(late)])
                    if len(late) == FOLLOWED:
                        break
        await writing
        late.sort()
        print(
            f"live:       p50 {late[FOLLOWED // 2] * 1e3:.0f} ms, p95 {late[FOLLOWED * 95 // 100] * 1e3:.0f} ms,",
            end="",
        )
        print(f" at most {late[-1] * 1e3:.0f} ms behind the file")
        await close(server, client)


async def close(server, client):
    """End a viewer."""
    await client.aclose()
    server.terminate()
    await server.wait()


async def main():
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        run, home = Path(folder) / "run", Path(folder) / "home"
        lines = await make_run(Path(folder) / "small", run)
        size = sum(file.stat().st_size for file in run.glob("*.jsonl")) / 1e6
        print(f"{EPISODES:,} episodes, {size:,.0f} MB")
        await first_time(run, home)
        await again(run, home)
        await lag(Path(folder) / "growing", home, lines)


asyncio.run(main())
