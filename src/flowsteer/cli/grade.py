"""`flowsteer validate`: graders on their own gold answers; `flowsteer grade`: answers from anywhere."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowsteer.cli import options as o
from flowsteer.cli.console import guarded, print_json
from flowsteer.cli.evaluate import Data
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
    """Grade every gold answer of a dataset; exit with 1 if one is not right."""
    import asyncio

    from flowsteer.datasets.registry import load_samples
    from flowsteer.evaluation.evaluate import open_grader
    from flowsteer.grading.validate import validate as run

    async def all_of_them() -> dict[str, Any]:
        async with open_grader() as grade:
            return {name: await run(load_samples(name, split, limit, data=data), grade) for name in datasets}

    found = asyncio.run(all_of_them())
    if json:
        print_json({name: _counts(result) for name, result in found.items()})
    else:
        for name, result in found.items():
            counts = _counts(result)
            faults = counts.pop("faults")
            typer.echo(f"{name}: {', '.join(f'{count} {word}' for word, count in counts.items())}")
            for fault in faults:
                typer.echo(f"  {fault['id']}: {fault['reason']}")
    if any(result.wrong or result.unscorable for result in found.values()):
        raise typer.Exit(1)


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
    """Grade answers from anywhere, with the graders of training and evaluation."""
    import asyncio

    from flowsteer.datasets.local import read_samples
    from flowsteer.evaluation.evaluate import open_grader
    from flowsteer.grading.validate import in_parallel

    samples = {sample.task.id: sample for sample in read_samples(tasks)}
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
        }
        for (_, row), result in zip(pairs, grades, strict=True)
    ]
    scores = [item["score"] for item in items if item["score"] is not None]
    total = {
        "n": len(items),
        "correct": sum(item["correct"] is True for item in items),
        "unscorable": len(items) - len(scores),
        "mean": sum(scores) / len(scores) if scores else None,
    }
    if json:
        print_json({**total, "items": items})
        return
    for item in items:
        verdict = {True: "right", False: "wrong", None: "unscorable"}[item["correct"]]
        typer.echo(f"{item['id']}: {verdict}{'' if not item['reason'] else ' (' + item['reason'] + ')'}")
    typer.echo(f"{total['correct']} of {total['n']} right, {total['unscorable']} unscorable")


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """The `{id, answer}` lines of a file.

    Raises:
        ConfigError: The file cannot be read, or a line is something else.
    """
    import json

    try:
        lines: Iterable[str] = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the answers {path}: {error}", "--answers FILE.jsonl") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ConfigError(f"{path}, line {number} is not JSON: {error}") from error
        if not isinstance(row, dict) or not isinstance(row.get("id"), str) or not isinstance(row.get("answer"), str):
            hint = '{"id": "gsm8k/test/0000", "answer": "18"}'
            raise ConfigError(f"{path}, line {number} is not an object with the texts id and answer", hint)
        yield row


def _sample(samples: "dict[str, Sample]", row: dict[str, str], tasks: Path) -> "Sample":
    if row["id"] not in samples:
        raise ConfigError(
            f"{tasks} has no task {row['id']!r}", f"its {len(samples)} ids begin with {next(iter(samples), '')}"
        )
    return samples[row["id"]]
