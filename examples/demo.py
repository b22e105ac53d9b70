"""Six questions of three types, answered twice by a small model on this machine: by one call, and by a workflow.

The workflow is built for each question by the Director that comes with FlowSteer, edit by edit, on the canvas; the
model behind every step is the same as in the one call. The table at the end has both answers, right or wrong.

    python examples/demo.py [--director SPEC] [--executor SPEC]
"""

import argparse
import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from flowsteer.backends.base import SamplingSettings
from flowsteer.backends.models import default_executor
from flowsteer.canvas.episode import Episode
from flowsteer.cli.live import WIDTH, Display
from flowsteer.datasets.base import Sample
from flowsteer.datasets.local import read_samples
from flowsteer.director.spec_options import PRETRAINED
from flowsteer.errors import FlowSteerError
from flowsteer.execution.executor import Execution
from flowsteer.grading.base import Grade
from flowsteer.grading.connect import GradeAnswer, open_grader
from flowsteer.session import Session, Setup, open_session
from flowsteer.workflow.dsl import parse_dsl, to_dsl

QUESTIONS = Path(__file__).with_name("questions.jsonl")
ONE_CALL = parse_dsl("Custom")
"""Chain of thought: the model is asked to solve the task step by step."""
OPERATOR_TOKENS = 320


@dataclass(frozen=True, slots=True)
class Answered:
    """A question, answered by one call and by a workflow.

    Attributes:
        sample: The question.
        call: What the one call came to.
        call_grade: Its grade.
        episode: How the Director built the workflow, and what it came to.
        grade: Its grade.
    """

    sample: Sample
    call: Execution
    call_grade: Grade
    episode: Episode
    grade: Grade


async def answer(session: Session, sample: Sample, grade: GradeAnswer, console: Console) -> Answered:
    """Answer one question in both ways, shown as it happens."""
    console.rule(f"[bold]{sample.task.question}")
    call = await session.execute(ONE_CALL, sample.task)
    episode = await session.episode(sample.task, Display(console).emit, sample.task.id)
    grades = [await grade(sample, text) for text in (call.draft.answer, episode.ended.answer)]
    return Answered(sample, call, grades[0], episode, grades[1])


def summary(done: list[Answered]) -> Table:
    """Both answers to every question, and what they took."""
    table = Table("question", "one call", "right", "workflow", "answer", "right", "calls", title="What happened")
    for one in done:
        ended = one.episode.ended
        table.add_row(
            one.sample.task.id,
            _short(one.call.draft.answer),
            _right(one.call_grade),
            to_dsl(ended.workflow),
            _short(ended.answer),
            _right(one.grade),
            str(ended.executor_usage.calls),
        )
    table.add_section()
    by_call, by_workflow = ([_is_right(grade) for grade in grades] for grades in _grades(done))
    total = str(sum(one.episode.ended.executor_usage.calls for one in done))
    table.add_row("all", "", f"{sum(by_call)}/{len(done)}", "", "", f"{sum(by_workflow)}/{len(done)}", total)
    return table


def _grades(done: list[Answered]) -> tuple[list[Grade], list[Grade]]:
    return [one.call_grade for one in done], [one.grade for one in done]


def _short(text: str) -> str:
    return " ".join(text.split())[:30] or "(none)"


def _is_right(grade: Grade) -> bool:
    return grade.score == 1


def _right(grade: Grade) -> str:
    if grade.score is None:
        return f"unscorable: {grade.reason}"
    return {0: "no", 1: "yes"}.get(grade.score, f"partly (F1 {grade.score:.2f})")


async def main() -> None:
    """Connect, answer, report."""
    parser = argparse.ArgumentParser(description="Six questions, answered by one call and by a workflow.")
    parser.add_argument("--director", default=PRETRAINED, help="who edits the canvas")
    parser.add_argument("--executor", default=default_executor(), help="the LLM behind every step")
    chosen = parser.parse_args()
    sampling = SamplingSettings(max_tokens=OPERATOR_TOKENS)
    setup = Setup(director=chosen.director, executor=chosen.executor, executor_sampling=sampling)
    console, started = Console(width=max(Console().width, WIDTH)), time.perf_counter()
    async with open_session(setup) as session, open_grader() as grade:
        done = [await answer(session, sample, grade, console) for sample in read_samples(QUESTIONS)]
    console.print()
    console.print(summary(done))
    console.print(f"{chosen.executor}, {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except FlowSteerError as error:
        sys.exit(f"error: {error.message}\n  try: {error.hint}")
    except KeyboardInterrupt:
        sys.exit(130)
