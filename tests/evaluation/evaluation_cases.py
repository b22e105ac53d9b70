"""What the evaluation's tests share: a small run of the simulated world, and an LLM that says what it is told to."""

import asyncio

from flowsteer.backends.base import Features, Reply
from flowsteer.evaluation.evaluate import evaluate
from flowsteer.evaluation.evaluation_config import make_config
from flowsteer.runs.folder import RunFolder
from flowsteer.usage import Usage

SYSTEMS = ("direct", "sc:3", "refine", "director:simulated:")
FIGURES = (
    "score",
    "metrics",
    "reason",
    "answer",
    "turns",
    "director_tokens",
    "executor_tokens",
    "calls",
    "dsl",
    "failures",
)


def small(**changes):
    """A configuration of 12 episodes, unless changed."""
    plain = {
        "datasets": ["simulated:math"],
        "systems": SYSTEMS,
        "executor": "simulated:",
        "sandbox": "monty",
        "limit": 3,
        "max_turns": 12,
    }
    return make_config(plain | changes)


def run(path, config=None, **options):
    """Evaluate to the end; the final counts."""
    return asyncio.run(evaluate(config or small(), path, **options))


def figures(path):
    """What no disturbance may change, by episode."""
    entries = RunFolder.read(path).entries
    return {name: {key: getattr(entry.summary, key) for key in FIGURES} for name, entry in sorted(entries.items())}


class SaysLLM:
    """Says the same in answer to everything, or what a function of the request returns."""

    features = Features()

    def __init__(self, says, spec="says:it"):
        self.says, self.spec, self.requests = says, spec, []

    async def complete(self, request):
        self.requests.append(request)
        text = self.says(request) if callable(self.says) else self.says
        read = sum(len(message.content) for message in request.messages)
        return Reply(text, Usage(1, read, len(text)), self.spec)

    async def aclose(self):
        pass
