"""What it costs to keep what was sent: evaluations with and without, beside inspect_ai on the same instant server.

    python benchmarks/kept_requests.py

A server on the loopback answers at once, so what is measured is everything but the model. Each run is a process of its
own, timed from its start to its end, in turn with the others. inspect_ai is left out where it is not installed with
openai 3.4 or later, which its provider wants.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from flowsteer.runs.folder import RunFolder

REPEATS = 3
ROWS = 20
EPISODES = 400
WORKFLOW = "fixed:Plan -> [Custom, AnswerGenerate] -> ScEnsemble -> Review ? Revise : done -> Format"
FLOWSTEER = (sys.executable, "-c", "from flowsteer.cli.main import main; main()", "eval", "--no-cache")
INSPECT = f"""
import inspect_ai
from inspect_ai.dataset import Sample
from inspect_ai.scorer import match
from inspect_ai.solver import generate
rows = [Sample(f"What is {{number}} plus 1?", target="42") for number in range({ROWS})]
task = inspect_ai.Task(rows, solver=generate(), scorer=match())
inspect_ai.eval(task, model="openai-api/instant/tiny", display="none", log_dir="logs")
"""
MESSAGE = {"role": "assistant", "content": "Answer: 42"}
ANSWER = {
    "id": "x", "object": "chat.completion", "created": 0, "model": "tiny",
    "choices": [{"index": 0, "finish_reason": "stop", "message": MESSAGE}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13},
}  # fmt: skip
MODELS = {"object": "list", "data": [{"id": "tiny", "object": "model", "owned_by": "me"}]}


class Instant(BaseHTTPRequestHandler):
    """Answers every chat at once."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """List the model."""
        self._say(MODELS)

    def do_POST(self):
        """Answer."""
        self.rfile.read(int(self.headers["content-length"]))
        self._say(ANSWER)

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
    rows = [{"id": str(n), "type": "math", "question": f"What is {n} plus 1?", "answer": "42"} for n in range(ROWS)]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    http = ("rows.jsonl", "--executor", f"{url}#tiny", "--limit", str(ROWS), "--system")
    simulated = ("simulated:math", "--executor", "simulated:", "--limit", str(EPISODES), "--system")
    found = {
        f"{ROWS} rows, one call each": (*http, "direct"),
        f"{ROWS} rows, a workflow of up to eight steps": (*http, WORKFLOW),
        f"{EPISODES} rows on the simulated executor, that workflow": (*simulated, WORKFLOW),
    }
    both = {f"{name}, {how}": (*FLOWSTEER, *line, *flag) for name, line in found.items() for how, flag in FLAGS.items()}
    inspect = {f"inspect_ai: {ROWS} rows, one call each": (sys.executable, "-c", INSPECT)}
    return both | (inspect if find_spec("inspect_ai") and not version("openai").startswith("2.") else {})


FLAGS = {"kept": (), "not kept": ("--no-requests",)}


def main():
    """Run everything in turn and print the table."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Instant)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1"
    env = os.environ | {"INSTANT_BASE_URL": url, "INSTANT_API_KEY": "none"}
    table = Table("what", "seconds, median", "each", "KB an episode: requests", "events")
    with tempfile.TemporaryDirectory() as place:
        folder, took, sizes = Path(place), defaultdict(list), {}
        lines = commands(folder, url)
        for number in range(REPEATS):
            for place_of, (name, line) in enumerate(lines.items()):
                run = folder / f"{place_of}-{number}"
                started = time.perf_counter()
                folder_of = ("--run", str(run)) if "eval" in line else ()
                done = subprocess.run([*line, *folder_of], cwd=folder, env=env, capture_output=True, text=True)
                assert done.returncode == 0, f"{name}\n{done.stdout}\n{done.stderr}"
                took[name].append(time.perf_counter() - started)
                sizes[name] = size(run) if "eval" in line else ("", "")
    for name, seconds in took.items():
        table.add_row(name, f"{median(seconds):.2f}", " ".join(f"{one:.2f}" for one in seconds), *sizes[name])
    Console(width=150).print(table)


def size(path):
    """Kilobytes of requests and of events an episode."""
    run = RunFolder.read(path)
    files = (run.requests, path / "episodes.jsonl")
    return [f"{(file.stat().st_size if file.exists() else 0) / len(run.entries) / 1e3:.1f}" for file in files]


if __name__ == "__main__":
    main()
