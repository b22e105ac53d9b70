"""Every operator with a real LLM (SmolLM2-135M in llama.cpp) and the real sandbox: a result or a typed failure."""

import asyncio
from importlib.util import find_spec

import pytest
from scripted import OPERATORS, call_of

from flowsteer.backends.connect import Backends
from flowsteer.backends.models import MODELS
from flowsteer.draft import Candidate, Draft, Verdict
from flowsteer.errors import OperatorError
from flowsteer.evaluation.evaluation_plan import MOST_CALLS, USUAL
from flowsteer.task import AssertTests, Task

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(find_spec("xllamacpp") is None, reason="xllamacpp is not installed"),
    pytest.mark.skipif(not MODELS["smollm2"].path.is_file(), reason="no model file: flowsteer models pull smollm2"),
]

EGGS = Task("Ann buys 3 boxes of 12 eggs and eats 5. How many eggs are left?", "math")
ADD = Task("Write add(a, b).", "code", entry_point="add", public_tests=AssertTests("assert add(1, 2) == 3"))
WRONG = "def add(a, b):\n    return a - b"
DRAFTS = {
    EGGS: Draft(
        plan="Multiply, then subtract.",
        solution="36 - 6 = 30",
        candidates=(Candidate("a", "30"), Candidate("b", "31")),
        verdict=Verdict(False, "Ann eats 5 eggs, not 6."),
        answer="30",
    ),
    ADD: Draft(code=WRONG, verdict=Verdict(False, "It subtracts."), answer=WRONG),
}
CONSTRAINED = {"Decompose", "AnswerGenerate", "Review", "Verify", "ScEnsemble", "Format", "Answer"}
"""Operators whose reply is JSON of a bounded schema: enforced while decoding, it ends in time and parses."""
FREE = {"Plan", "Custom", "Revise", "Aggregate", "Outline", "Calculator", "Equation", "Repair"}
ASKED = {EGGS: CONSTRAINED | FREE, ADD: ("Programmer", "Test")}


async def failure_of(name, task, backend, sandbox):
    """The kind of the operator's failure, or None; whatever is no typed failure is raised."""
    call = call_of(name, task, backend, DRAFTS[task], sandbox, "Be brief.", max_tokens=48)
    try:
        result = await call.operator.run(call)
    except OperatorError as failure:
        return failure.kind
    assert any(getattr(result, field) for field in OPERATORS[name].writes)
    # "30" has the form already.
    assert (name != "Format") <= call.usage.calls <= MOST_CALLS.get(name, USUAL)
    return None


async def test_every_operator_that_asks_gives_a_result_or_a_typed_failure(sandbox):
    async with Backends() as backends:
        smollm2 = await backends.get("llamacpp:smollm2?threads=1")
        asked = [(task, name) for task, names in ASKED.items() for name in sorted(names)]
        kinds = await asyncio.gather(*(failure_of(name, task, smollm2, sandbox) for task, name in asked))
    outcomes = {(task.type, name): kind for (task, name), kind in zip(asked, kinds, strict=True)}
    failed = {who: kind for who, kind in outcomes.items() if kind}
    assert not [name for _, name in failed if name in CONSTRAINED], failed
    assert ("code", "Test") not in failed  # what the public tests said stands, whatever the repairs were worth
    assert len(failed) < len(outcomes) / 3, failed
