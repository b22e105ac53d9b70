"""A backend that says what a test scripted, and a way to run one operator as the executor runs it."""

import json

from flowsteer.backends.base import Features, Reply, Sampling
from flowsteer.draft import EMPTY
from flowsteer.operators.base import OperatorCall
from flowsteer.operators.registry import load_library
from flowsteer.usage import Usage

OPERATORS = load_library("paper+tools").operators


class Scripted:
    """Answers with the given replies in turn (a dict becomes JSON), and fails a test that asks for more."""

    spec = "scripted"

    def __init__(self, *replies, json_schema=False):
        self.features = Features(json_schema=json_schema)
        self.requests = []
        self._replies = list(replies)

    async def complete(self, request):
        self.requests.append(request)
        assert self._replies, f"an unexpected call:\n{request.messages[-1].content}"
        reply = self._replies.pop(0)
        if isinstance(reply, Reply):
            return reply
        text = json.dumps(reply) if isinstance(reply, dict) else reply
        return Reply(text, Usage(calls=1), "scripted")

    async def aclose(self):
        pass

    @property
    def prompts(self):
        """The last message of each request."""
        return [request.messages[-1].content for request in self.requests]


def cut(text):
    """A reply that ran into the token limit."""
    return Reply(text, Usage(calls=1), "scripted", finish="length")


def call_of(name, task, backend, draft=EMPTY, sandbox=None, prompt="", max_tokens=1024):
    """The call the executor would make: the draft holds only what the operator declared to read."""
    operator = OPERATORS[name]
    return OperatorCall(
        task=task,
        draft=draft.only(operator.reads),
        prompt=prompt,
        backend=backend,
        sandbox=sandbox,
        sampling=Sampling(max_tokens=max_tokens),
        operator=operator,
    )


async def run(name, task, *replies, draft=EMPTY, sandbox=None, prompt=""):
    """Run an operator and merge what it declared to write, as the executor does."""
    call = call_of(name, task, Scripted(*replies), draft, sandbox, prompt)
    return draft.merge(await call.operator.run(call), call.operator.writes)
