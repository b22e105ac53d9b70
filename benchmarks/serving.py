"""200 requests at once at a server with a simulated executor: what is lost, how long they take, and the memory.

python benchmarks/serving.py
"""

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

import openai

from flowsteer.runs.folder import RunFolder

REQUESTS = 200
WORKFLOW = "Plan -> [Programmer, Custom] -> ScEnsemble -> Verify ? Revise : done"
MODEL = f"director:dsl:{WORKFLOW}"


def resident_mb(process):
    """Resident memory of a process now, and at its highest, in MiB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    found = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Vm")}
    return int(found["VmRSS"]) / 1024, int(found["VmHWM"]) / 1024


async def ask(client, number):
    """Seconds of one request; None if it got no answer."""
    started = time.perf_counter()
    messages = [{"role": "user", "content": f"What is {number} times 7?"}]
    try:
        await client.chat.completions.create(model=MODEL, messages=messages, extra_body={"type": "math"})
    except openai.OpenAIError:
        return None
    return time.perf_counter() - started


async def measure(folder):
    """Start the command, ask, and print."""
    command = ("serve", "--system", MODEL, "--executor", "simulated:", "--port", "0", "--run", str(folder))
    limits = ("--concurrency", "32", "--queue", str(REQUESTS))
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "flowsteer.cli.main", *command, *limits, stdout=asyncio.subprocess.PIPE
    )
    url = (await server.stdout.readline()).decode().strip()
    idle, _ = resident_mb(server.pid)
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0, timeout=300) as client:
        started = time.perf_counter()
        times = await asyncio.gather(*(ask(client, number) for number in range(REQUESTS)))
        wall = time.perf_counter() - started
    now, most = resident_mb(server.pid)
    server.terminate()
    await server.wait()
    answered = [one for one in times if one is not None]
    recorded = len(RunFolder.read(folder).entries)
    cuts = statistics.quantiles(answered, n=100)
    print(f"{REQUESTS} requests at once: {REQUESTS - len(answered)} lost, {recorded} recorded, {wall:.1f} s")
    print(f"p50 {cuts[49]:.2f} s, p99 {cuts[98]:.2f} s")
    print(f"RSS {idle:.0f} MiB idle, {now:.0f} MiB after, {most:.0f} MiB at most")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        asyncio.run(measure(Path(made) / "run"))
