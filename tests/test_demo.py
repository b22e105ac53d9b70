"""`examples/demo.py`, the first half of `make demo`: it shows what happened, whatever that is."""

import asyncio
import importlib.util
import re
import sys
from pathlib import Path

import pytest

from flowsteer.datasets.local import read_samples
from flowsteer.grading.connect import open_grader

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def demo():
    spec = importlib.util.spec_from_file_location("demo", EXAMPLES / "demo.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["demo"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["demo"]


def test_every_question_is_answered_by_one_call_and_by_a_workflow(demo, monkeypatch, capsys):
    """The simulated executor knows nothing of real questions: it is wrong, and the table says so."""
    monkeypatch.setattr(sys, "argv", ["demo.py", "--executor", "simulated:typed-2"])
    asyncio.run(demo.main())
    shown = capsys.readouterr().out
    for name in ("rolls", "sevens", "lighthouse", "bridge", "vowels", "runs"):
        assert f"demo/{name}" in shown
    assert len(re.findall(r"\d/6", shown.rpartition("all")[2])) == 2
    assert "one call" in shown
    assert "workflow" in shown


async def test_the_answers_that_come_with_the_questions_are_right():
    async with open_grader() as grade:
        for sample in read_samples(EXAMPLES / "questions.jsonl"):
            reference = sample.reference
            for answer in (reference.solution,) if reference.solution else reference.answers:
                assert (await grade(sample, answer)).score == 1, (sample.task.id, answer)
