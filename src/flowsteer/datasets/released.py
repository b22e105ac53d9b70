"""The task files that the paper's authors released: rows of `problem, ground_truth, source, meta`.

A line of such a file is recognised by its `ground_truth`, so `read_samples` takes these files as they are. What they
repeat from the paper they keep: HumanEval's evaluation tasks are among its training tasks there (spec §7), which
`flowsteer.datasets.splits.overlap` shows.
"""

import ast
import re
from collections.abc import Mapping
from typing import Any

from flowsteer.datasets.public_tests import docstring_examples, first_assert
from flowsteer.errors import ConfigError
from flowsteer.task import TaskType

TYPES: Mapping[str, TaskType] = {
    "gsm8k": "math",
    "math": "math",
    "mathqa": "math",
    "aime2025": "math",
    "hotpotqa": "qa",
    "squad_v2": "qa",
    "triviaqa": "qa",
    "nq_open": "qa",
    "humaneval": "code",
    "mbpp": "code",
    "apps": "code",
    "ds1000": "code",
}
"""The twelve datasets and their types."""

_START = re.compile(r"^(?:from \w|import \w|def \w|async def \w|class \w|@\w)", re.MULTILINE)
_HEADS = re.compile(r"^(?:async )?def (\w+)\(", re.MULTILINE)

_OTHER_NAMES = {"nq": "nq_open", "naturalquestions": "nq_open", "squad": "squad_v2", "aime25": "aime2025"}


def is_released(row: Mapping[str, Any]) -> bool:
    """Whether a JSON object is a row of the authors' files."""
    return "ground_truth" in row and "problem" in row


def own_name(spelled: str) -> str:
    """The name here of a dataset as the authors spell it; what they do not name stays as it is.

    >>> own_name("GSM8K"), own_name("NQ"), own_name("SQuAD-v2"), own_name("DS-1000"), own_name("mine")
    ('gsm8k', 'nq_open', 'squad_v2', 'ds1000', 'mine')
    """
    bare = re.sub(r"[-_ ]", "", spelled.lower())
    known = {name.replace("_", ""): name for name in TYPES} | _OTHER_NAMES
    return known.get(bare, spelled)


def plain_row(released: Mapping[str, Any], number: int) -> dict[str, Any]:
    """A row of the authors' files as a plain row.

    Args:
        released: The row.
        number: Its line, which becomes its id where it has none.

    Raises:
        ConfigError: If its source is none of the twelve datasets.
    """
    dataset = own_name(str(released.get("source", "")))
    if dataset not in TYPES:
        raise ConfigError(
            f"line {number} has the unknown source {released.get('source')!r}", f"known: {', '.join(TYPES)}"
        )
    meta = released.get("meta") or {}
    row: dict[str, Any] = {
        "id": str(released.get("id") or f"released/{dataset}/{number}"),
        "dataset": dataset,
        "type": TYPES[dataset],
        "question": released["problem"],
        "answer": released["ground_truth"],
        "meta": dict(meta) | {"file": "released by the paper's authors"},
    }
    return row | _code_part(row, meta) if row["type"] == "code" else row


def _code_part(row: Mapping[str, Any], meta: Mapping[str, Any]) -> dict[str, Any]:
    """Tests and code of a code row; public tests are derived as for the public datasets."""
    tests, name = meta.get("test") or "", meta.get("entry_point") or None
    given = meta.get("code_prompt") or None
    if row["dataset"] == "humaneval" and not given:
        given = beginning(meta.get("prompt") or "", name) or beginning(row["question"], name) or None
        name = name or (_HEADS.findall(given)[-1] if given else None)
    part: dict[str, Any] = {"tests": tests, "entry_point": name, "prompt_code": given}
    if row["dataset"] == "humaneval" and name:
        part["public_tests"] = docstring_examples(given or row["question"], name)
        part["tests"] = tests if f"check({name})" in tests else f"{tests}\ncheck({name})\n"
    elif row["dataset"] == "mbpp":
        part["public_tests"] = first_assert(tests.splitlines())
    return part


def beginning(text: str, name: str | None = None) -> str:
    r"""The code in a text that ends with the head of a function, as HumanEval's prompts do; empty if there is none.

    Args:
        text: Perhaps prose, then code, perhaps in a fence.
        name: The function; without it any.

    >>> beginning("Complete this.\n```python\ndef f(x):\n    # Add one\n```", "f")
    'def f(x):\n    # Add one\n'
    """
    start = _START.search(text)
    code = text[start.start() :].partition("\n```")[0].rstrip() if start else ""
    heads = _HEADS.findall(code)
    if not heads or (name and name not in heads):
        return ""
    for whole in (code, f"{code}\n    pass"):
        try:
            ast.parse(whole)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        return f"{code}\n"
    return ""
