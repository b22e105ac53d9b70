"""The plain row: one JSON object of fixed keys that every dataset is brought into before it becomes a `Sample`.

Its keys are `KEYS`; only `id`, `question` and `type` are needed. `answer` is a string or a list of accepted ones. What
a key means depends on the dataset for three of them: `answer` of a HumanEval row is the body that continues
`prompt_code`; `tests` of APPS is JSON of inputs and outputs; `meta.options` of MathQA holds the values of the letters.
"""

from collections.abc import Mapping
from string import ascii_lowercase
from typing import Any, get_args

from flowsteer.case_json import read_case, write_case
from flowsteer.datasets.answer_options import parse_options
from flowsteer.datasets.base import HiddenTests, ProgramTests, Reference, Sample
from flowsteer.errors import ConfigError
from flowsteer.suggestions import did_you_mean
from flowsteer.task import AssertTests, CallTests, PublicTests, StdioTests, Task, TaskType

Row = Mapping[str, Any]

KEYS = (
    "id",
    "dataset",
    "type",
    "question",
    "context",
    "answer",
    "answer_form",
    "entry_point",
    "public_tests",
    "tests",
    "prompt_code",
    "meta",
    "license",
)
"""Keys of a plain row."""

_FORMS = {
    "gsm8k": "the final number alone, without a unit",
    "math": "the final value or expression alone, in LaTeX where needed",
    "mathqa": "the letter of the right option alone: a, b, c, d or e",
    "aime2025": "an integer from 0 to 999",
    "hotpotqa": "a few words from the passages, or yes or no",
    "squad_v2": "a few words copied from the passage, or the word unanswerable if the passage does not answer",
    "nq_open": "a few words: a name, a date, a number",
    "triviaqa": "a few words: a name, a date, a number",
    "humaneval": "Python code that completes the given function",
    "mbpp": "Python code of the function that the tests call",
    "apps": "a whole Python program that reads standard input and prints to standard output",
    "ds1000": "Python code that continues the given code and sets the variable asked for",
}
"""How answers must look to be graded, per dataset."""

_TYPE_FORMS: Mapping[str, str] = {
    "math": "the final value or expression alone",
    "qa": "a few words, no sentence",
    "code": "Python code",
}
_CALL_FORM = "Python code of the function asked for"


def sample_from_row(row: Row, where: str = "a row") -> Sample:
    """The sample that a plain row describes.

    Args:
        row: A row.
        where: File and line, for the error.

    Raises:
        ConfigError: If a key is unknown, is missing, or holds something else than it must.

    >>> sample_from_row({"id": "1", "type": "math", "question": "1 + 1?", "answer": "2"}).task.answer_form
    'the final value or expression alone'
    """
    if unknown := [key for key in row if key not in KEYS]:
        raise ConfigError(
            f"{where} has the unknown key {unknown[0]!r}.{did_you_mean(unknown[0], KEYS)}",
            f'keys: {", ".join(KEYS)}; what only you read goes under "meta"',
        )
    if _is_number(row.get("id")):
        row = {**row, "id": str(row["id"])}
    for key in ("id", "question", "type"):
        if not isinstance(row.get(key), str) or not row[key]:
            raise ConfigError(
                f"{where} has no text under {key!r}",
                'a row is {"id": "1", "type": "math", "question": "…", "answer": "…"}',
            )
    if row["type"] not in get_args(TaskType):
        raise ConfigError(f"{where}: type {row['type']!r} is not one of {', '.join(get_args(TaskType))}")
    try:
        tests, public = _hidden_tests(row), _tests(row.get("public_tests"), row)
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{where}: the tests of {row['id']} cannot be read: {error}") from error
    dataset = row.get("dataset") or ""
    task = Task(
        question=row["question"],
        type=row["type"],
        context=row.get("context") or "",
        id=row["id"],
        dataset=dataset,
        entry_point=row.get("entry_point") or None,
        prompt_code=row.get("prompt_code") or "",
        public_tests=public,
        answer_form=_answer_form(row, tests),
    )
    return Sample(task, _reference(row, tests, where))


def _answer_form(row: Row, tests: HiddenTests | None) -> str:
    if row.get("answer_form"):
        return str(row["answer_form"])
    if isinstance(tests, CallTests):
        return _CALL_FORM
    return _FORMS.get(row.get("dataset") or "", _TYPE_FORMS[row["type"]])


def _reference(row: Row, tests: HiddenTests | None, where: str) -> Reference:
    if not isinstance(row.get("meta") or {}, Mapping):
        raise ConfigError(f"{where}: 'meta' is no object: {str(row['meta'])[:80]}")
    meta = dict(row.get("meta") or {}) | {"license": row.get("license") or ""}
    answer = row.get("answer")
    if row["type"] == "code":
        body = answer if isinstance(answer, str) else ""
        whole = f"{row['prompt_code']}{body}" if body and row.get("dataset") == "humaneval" else body
        return Reference(solution=whole, tests=tests, meta=meta)
    options = _options(meta.get("options"), where)
    if row.get("dataset") == "mathqa" and not options:
        options = parse_options(row["question"])
    accepted = _accepted(answer, where)
    if row["type"] == "math":
        accepted = tuple(text for text in accepted if text.strip())
    elif not accepted and meta.get("is_impossible"):
        accepted = ("",)
    return Reference(answers=accepted, options=options, meta=meta)


def _options(given: Any, where: str) -> dict[str, str]:
    """Values by letter; those of a list have the letters in order."""
    if isinstance(given, list) and len(given) <= len(ascii_lowercase):
        given = dict(zip(ascii_lowercase, given, strict=False))
    found = {} if given is None else given
    if not isinstance(found, Mapping) or not all(isinstance(one, str) or _is_number(one) for one in found.values()):
        raise ConfigError(
            f"{where}: 'options' of 'meta' is neither a list of texts or numbers, at most {len(ascii_lowercase)}, "
            f"nor an object of them by letter: {str(given)[:80]}",
            'options are {"a": "12", "b": "16"} or ["12", "16"]',
        )
    return {str(letter).lower(): str(value) for letter, value in found.items()}


def _accepted(answer: Any, where: str) -> tuple[str, ...]:
    """The accepted answers: one text or number, a list of them, or none."""
    found = answer if isinstance(answer, list | tuple) else () if answer is None else (answer,)
    if not all(isinstance(one, str) or _is_number(one) for one in found):
        raise ConfigError(f"{where}: the answer is not a text, a number or a list of them: {str(answer)[:80]}")
    return tuple(str(one) for one in found)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _hidden_tests(row: Row) -> HiddenTests | None:
    if row.get("dataset") == "ds1000":
        return ProgramTests(row["tests"]) if row.get("tests") else None
    return _tests(row.get("tests"), row)


def _tests(text: Any, row: Row) -> PublicTests | None:
    """Tests in the form of task.py: JSON of inputs and outputs, or assert statements."""
    if not text:
        return None
    if isinstance(text, str) and not text.lstrip().startswith("{"):
        return AssertTests(text)
    cases = read_case(text) if isinstance(text, str) else text
    if not cases["inputs"]:
        return None
    if name := cases.get("fn_name"):
        return CallTests(name, tuple(map(write_case, cases["inputs"])), tuple(map(write_case, cases["outputs"])))
    return StdioTests(tuple(map(stream, cases["inputs"])), tuple(map(stream, cases["outputs"])))


def stream(case: Any) -> str:
    """A case's stream as text: APPS gives some as a list of lines."""
    if isinstance(case, list):
        return "\n".join(map(stream, case))
    return case if isinstance(case, str) else write_case(case)
