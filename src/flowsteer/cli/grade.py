"""`flowsteer validate`: graders on their own gold answers; `flowsteer grade`: answers from anywhere."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowsteer.cli import options as o
from flowsteer.cli.console import guarded, note, print_json, say
from flowsteer.cli.evaluate import Data
from flowsteer.cli.exit_codes import CHECK_FAILED, FAULT, NO_ANSWER
from flowsteer.errors import ConfigError

if TYPE_CHECKING:
    from flowsteer.datasets.base import Sample


@guarded
def validate(
    datasets: Annotated[list[str], typer.Argument(help="Datasets, files' stems in --data, or .jsonl files.")],
    data: Data = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Most rows of each.")] = None,
    split: Annotated[str, typer.Option("--split", help="Split to read.")] = "test",
    json: o.Json = False,
) -> None:
    """Grade every gold answer of a dataset; end with 6 if one is not right, or a dataset has none."""
    import asyncio

    from flowsteer.grading.connect import open_grader
    from flowsteer.grading.validate import validate as run

    async def all_of_them() -> dict[str, Any]:
        async with open_grader() as grade:
            return {name: await run(_at_most(limit, name, split, data), grade) for name in datasets}

    found = asyncio.run(all_of_them())
    if json:
        print_json({name: _counts(result) for name, result in found.items()})
    else:
        for name, result in found.items():
            counts = _counts(result)
            faults = counts.pop("faults")
            say(f"{name}: {', '.join(f'{count} {word}' for word, count in counts.items())}")
            for fault in faults:
                say(f"  {fault['id']}: {fault['reason']}")
    for name, result in found.items():
        if not result.correct and not result.wrong:
            note(f"{name} has no right answer to check")
    if any(result.wrong or result.unscorable or not result.correct for result in found.values()):
        raise typer.Exit(CHECK_FAILED)


def _at_most(limit: int | None, name: str, split: str, data: Path | None) -> "list[Sample]":
    """Samples of a dataset: `limit` of them, or all where there are fewer."""
    from flowsteer.datasets.registry import generated, load_samples
    from flowsteer.datasets.splits import shuffled

    if limit is None or generated(name):
        return load_samples(name, split, limit, data=data)
    return shuffled(load_samples(name, split, data=data))[:limit]


def _counts(result: Any) -> dict[str, Any]:
    names = ("n", "correct", "wrong", "unscorable", "no_reference")
    faults = [{"id": name, "reason": reason} for name, reason in result.faults]
    return {name: getattr(result, name) for name in names} | {"faults": faults}


@guarded
def grade(
    tasks: Annotated[Path, typer.Option("--tasks", help="JSONL file of tasks with their references.")],
    answers: Annotated[Path, typer.Option("--answers", help="JSONL file of {id, answer}.")],
    json: o.Json = False,
) -> None:
    """Grade answers from anywhere, with the graders of training and evaluation.

    An answer is text or a number; null is no answer. Each line is graded, also
    when several answer one task.
    """
    import asyncio
    from dataclasses import asdict

    from flowsteer.datasets.local import read_samples
    from flowsteer.datasets.splits import take
    from flowsteer.grading.connect import open_grader
    from flowsteer.grading.validate import in_parallel

    samples = {sample.task.id: sample for sample in take(read_samples(tasks), None)}
    pairs = [(_sample(samples, row, tasks), row) for row in _rows(answers)]

    async def all_of_them() -> list[Any]:
        async with open_grader() as judge:
            return await in_parallel(judge(sample, row["answer"]) for sample, row in pairs)

    grades = asyncio.run(all_of_them())
    items = [
        {
            "id": row["id"],
            "correct": None if result.score is None else result.metrics.get("em", result.score) == 1.0,
            "score": result.score,
            "metrics": dict(result.metrics),
            "reason": result.reason,
            "failure": None if result.failure is None else asdict(result.failure),
        }
        for (_, row), result in zip(pairs, grades, strict=True)
    ]
    scores = [item["score"] for item in items if item["score"] is not None]
    total = {
        "n": len(items),
        "correct": sum(item["correct"] is True for item in items),
        "unscorable": len(items) - len(scores),
        "missing": len(samples.keys() - {row["id"] for _, row in pairs}),
        "mean": sum(scores) / len(scores) if scores else None,
    }
    faults = [item for item in items if item["failure"]]
    if json:
        print_json({**total, "items": items})
    else:
        _print_grades(items, total)
    if faults:
        note(f"a grader's own code failed on {len(faults)} answers; the first, {faults[0]['id']}:")
        note(faults[0]["failure"]["trace"].rstrip())
        raise typer.Exit(FAULT)
    if not scores:
        note(f"nothing could be graded: {items[0]['reason'] if items else f'{answers} holds no answer'}")
        raise typer.Exit(NO_ANSWER)


def _print_grades(items: list[dict[str, Any]], total: dict[str, Any]) -> None:
    for item in items:
        verdict = {True: "right", False: "wrong", None: "unscorable"}[item["correct"]]
        say(f"{item['id']}: {verdict}{'' if not item['reason'] else ' (' + item['reason'] + ')'}")
    missing = f", {total['missing']} tasks without an answer" if total["missing"] else ""
    say(f"{total['correct']} of {total['n']} right, {total['unscorable']} unscorable{missing}")


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """The `{id, answer}` lines of a file, as texts: a number as it is written, null as an empty answer.

    Raises:
        ConfigError: The file cannot be read, or a line is something else.
    """
    from flowsteer.datasets.jsonl import read_objects

    for where, row in read_objects(path, numbers_as_text=True):
        answer = "" if "answer" in row and row["answer"] is None else row.get("answer")
        if not isinstance(row.get("id"), str) or not isinstance(answer, str):
            hint = '{"id": "gsm8k/test/0000", "answer": "18"}'
            raise ConfigError(f"{where} is not an object with the texts id and answer", hint)
        yield {"id": row["id"], "answer": answer}


def _sample(samples: "dict[str, Sample]", row: dict[str, str], tasks: Path) -> "Sample":
    if row["id"] not in samples:
        hint = f"one of its {len(samples)} ids is {next(iter(samples))!r}" if samples else "the file holds no task"
        raise ConfigError(f"{tasks} has no task {row['id']!r}", hint)
    return samples[row["id"]]
