"""A small language model builds and runs a workflow for each of five questions, edit by edit; then the score.

SmolLM2 (135 million parameters, four bits, on this machine's processor) is both the Director, which edits the canvas,
and the executor, which runs the operators. It is far too small to be good at either: what the demo shows is that every
edit is checked, every workflow is run, and every figure is what happened. Better models: --director and --executor.

    python examples/demo.py [--director SPEC] [--executor SPEC]
"""

import argparse
import asyncio
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from flowsteer.backends.base import Sampling
from flowsteer.canvas.canvas import Settings
from flowsteer.canvas.episode import Episode
from flowsteer.canvas.feedback import Budgets
from flowsteer.cli.live import WIDTH, Display
from flowsteer.datasets.local import read_samples
from flowsteer.errors import FlowSteerError
from flowsteer.grading.base import Grade
from flowsteer.grading.connect import open_grader
from flowsteer.session import Session, Setup, open_session

EMBEDDED = "llamacpp:smollm2"
QUESTIONS = Path(__file__).with_name("questions.jsonl")
TURNS = 10
STEPS = 8
RUNS = 32
OPERATOR_TOKENS = 96
FEEDBACK = Budgets(status=120, workflow=160, field=60, results=240)
"""Short, since a model of this size reads about as slowly as it thinks."""


def setup(director: str, executor: str) -> Setup:
    """What the demo connects."""
    return Setup(
        director=director,
        executor=executor,
        canvas=Settings(max_turns=TURNS, max_steps=STEPS, max_runs=RUNS, budgets=FEEDBACK),
        director_sampling=Sampling(temperature=0.6, top_p=0.95, top_k=20, max_tokens=160),
        executor_sampling=Sampling(max_tokens=OPERATOR_TOKENS),
    )


async def solve_all(session: Session, console: Console) -> list[tuple[Episode, Grade]]:
    """Every question, one after another, shown as it happens."""
    done = []
    async with open_grader() as grade:
        for sample in read_samples(QUESTIONS):
            console.rule(f"[bold]{sample.task.id}")
            episode = await session.episode(sample.task, Display(console).emit, sample.task.id)
            done.append((episode, await grade(sample, episode.ended.answer)))
    return done


def summary(done: list[tuple[Episode, Grade]]) -> Table:
    """What happened, question by question; turns that parsed, were accepted and finished are told apart."""
    names = ("question", "type", "turns", "parsed", "accepted", "finished", "answer", "right")
    table = Table(*names, title="What happened")
    for episode, grade in done:
        ended = episode.ended
        turns = (str(count) for count in (ended.turns, episode.parsed, episode.accepted))
        answer = " ".join(ended.answer.split())[:40] or "(none)"
        table.add_row(episode.id, episode.task.type, *turns, _yes(ended.finished), answer, _right(grade))
    turns_taken = sum(episode.ended.turns for episode, _ in done)
    parsed, accepted = sum(episode.parsed for episode, _ in done), sum(episode.accepted for episode, _ in done)
    shares = (f"{part}/{turns_taken} = {part / turns_taken:.0%}" for part in (parsed, accepted))
    finished = f"{sum(episode.ended.finished for episode, _ in done)}/{len(done)}"
    right = f"{sum(grade.score == 1 for _, grade in done)}/{len(done)}"
    table.add_section()
    table.add_row("all", "", str(turns_taken), *shares, finished, "", right)
    return table


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _right(grade: Grade) -> str:
    if grade.score is None:
        return f"unscorable: {grade.reason}"
    return _yes(grade.score == 1) if grade.score in (0, 1) else f"partly (F1 {grade.score:.2f})"


async def main() -> None:
    """Connect, solve, report."""
    parser = argparse.ArgumentParser(description="A small language model builds and runs workflows.")
    parser.add_argument("--director", default=EMBEDDED, help="who edits the canvas")
    parser.add_argument("--executor", default=EMBEDDED, help="the LLM that runs the operators")
    chosen = parser.parse_args()
    console, started = Console(width=max(Console().width, WIDTH)), time.perf_counter()
    async with open_session(setup(chosen.director, chosen.executor)) as session:
        done = await solve_all(session, console)
    console.print()
    console.print(summary(done))
    tokens = sum(e.ended.director_usage.tokens + e.ended.executor_usage.tokens for e, _ in done)
    console.print(f"{tokens:,} tokens in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except FlowSteerError as error:
        sys.exit(f"error: {error.message}\n  try: {error.hint}")
    except KeyboardInterrupt:
        sys.exit(130)
