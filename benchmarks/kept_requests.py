"""What it costs to keep what was sent: evaluations with and without, beside inspect_ai on the same instant server.

    python benchmarks/kept_requests.py

A server on the loopback answers at once, so what is measured is everything but the model; what the model took all the
same is counted apart. Each run is a process of its own, timed from its start to its end, in turn with the others, with
few rows and with many: the difference is what a row costs, without the start. Processor seconds hold on a busy machine,
too. inspect_ai is run by the Python that INSPECT_PYTHON names, in an environment with openai 3.4 or later, which its
provider wants; it is left out without one.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from flowsteer.runs.folder import RunFolder

REPEATS = 5
FEW, MANY = 20, 200
EPISODES = 400
CONCURRENCY = 8
WORKFLOW = "fixed:Plan -> [Custom, AnswerGenerate] -> ScEnsemble -> Review ? Revise : done -> Format"
FLOWSTEER = (sys.executable, "-c", "from flowsteer.cli.main import main; main()", "eval", "--no-cache")
INSPECT = f"""
import sys
import inspect_ai
from inspect_ai.dataset import Sample
from inspect_ai.scorer import match
from inspect_ai.solver import generate
rows = [Sample(f"What is {{number}} plus 1?", target="42") for number in range(int(sys.argv[1]))]
task = inspect_ai.Task(rows, solver=generate(), scorer=match())
inspect_ai.eval(task, model="openai-api/instant/tiny", display="none", log_dir="logs", max_connections={CONCURRENCY})
"""
MESSAGE = {"role": "assistant", "content": "Answer: 42"}
ANSWER = {
    "id": "x", "object": "chat.completion", "created": 0, "model": "tiny",
    "choices": [{"index": 0, "finish_reason": "stop", "message": MESSAGE}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13},
}  # fmt: skip
MODELS = {"object": "list", "data": [{"id": "tiny", "object": "model", "owned_by": "me"}]}


class Instant(BaseHTTPRequestHandler):
    """Answers every chat at once, and counts the chats and the seconds they took."""

    protocol_version = "HTTP/1.1"
    calls, seconds, lock = 0, 0.0, threading.Lock()

    def do_GET(self):
        """List the model."""
        self._say(MODELS)

    def do_POST(self):
        """Answer."""
        started = time.perf_counter()
        self.rfile.read(int(self.headers["content-length"]))
        self._say(ANSWER)
        with Instant.lock:
            Instant.calls += 1
            Instant.seconds += time.perf_counter() - started

    def log_message(self, *_):
        """Say nothing."""

    def _say(self, content):
        written = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(written)))
        self.end_headers()
        self.wfile.write(written)


def commands(folder, url):
    """What is run, by name: the command line without its run folder."""
    rows = [{"id": str(n), "type": "math", "question": f"What is {n} plus 1?", "answer": "42"} for n in range(MANY)]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    simulated = ("simulated:math", "--executor", "simulated:", "--limit", str(EPISODES), "--system", WORKFLOW)
    found = {f"{EPISODES} rows on the simulated executor, that workflow": simulated}
    for count in (MANY, FEW):
        http = ("rows.jsonl", "--executor", f"{url}#tiny", "--limit", str(count), "--system")
        found = {
            f"{count} rows, one call each": (*http, "direct"),
            f"{count} rows, a workflow of up to eight steps": (*http, WORKFLOW),
        } | found
    both = {f"{name}, {how}": (*FLOWSTEER, *line, *flag) for name, line in found.items() for how, flag in FLAGS.items()}
    python = os.environ.get("INSPECT_PYTHON")
    inspect = {f"inspect_ai: {count} rows, one call each": (python, "-c", INSPECT, str(count)) for count in (FEW, MANY)}
    return both | (inspect if python else {})


FLAGS = {"kept": (), "not kept": ("--no-requests",)}
COLUMNS = ("what", "seconds", "processor", "of the model", "calls", "KB an episode: requests", "events")


@dataclass(frozen=True)
class Cost:
    """What one run took.

    Attributes:
        wall: Seconds from its start to its end.
        processor: Seconds of a processor.
        model: Seconds that the server worked on its chats.
        calls: How many chats there were.
    """

    wall: float
    processor: float
    model: float
    calls: int


def cost(line, folder, env):
    """Run a command line."""
    Instant.calls, Instant.seconds = 0, 0.0
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(line, cwd=folder, env=env, capture_output=True, text=True)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, processor, Instant.seconds, Instant.calls)


def main():
    """Run everything in turn and print the table."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Instant)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1"
    env = os.environ | {"INSTANT_BASE_URL": url, "INSTANT_API_KEY": "none"}
    table, took, sizes = Table(*COLUMNS), defaultdict(list), {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for number in range(REPEATS):
            for place_of, (name, line) in enumerate(commands(folder, url).items()):
                run = folder / f"{place_of}-{number}"
                ours = "eval" in line
                took[name].append(cost([*line, *(("--run", str(run)) if ours else ())], folder, env))
                sizes[name] = size(run) if ours else ("", "")
    for name, costs in took.items():
        wall, processor, model = (median(getattr(one, of) for one in costs) for of in ("wall", "processor", "model"))
        table.add_row(name, f"{wall:.2f}", f"{processor:.2f}", f"{model:.2f}", str(costs[0].calls), *sizes[name])
    Console(width=150).print(table)
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the end, {REPEATS} runs each, medians")


def size(path):
    """Kilobytes of requests and of events an episode."""
    run = RunFolder.read(path)
    files = (run.requests, path / "episodes.jsonl")
    return [f"{(file.stat().st_size if file.exists() else 0) / len(run.entries) / 1e3:.1f}" for file in files]


if __name__ == "__main__":
    main()
