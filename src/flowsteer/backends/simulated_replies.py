"""Put what the simulated executor means into the form the asking operator parses: text, a code block, or JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a reply is to say; fields that do not apply stay at their default.

    Attributes:
        answer: The answer, as it is worded.
        words: Reasoning; of a check, the lines at its end.
        code: A program, without a fence.
        passed: What a check found.
        feedback: What a check says.
        parts: A plan's steps or sub-problems.
        choice: 0-based index of the candidate chosen.
    """

    answer: str = ""
    words: str = ""
    code: str = ""
    passed: bool = True
    feedback: str = ""
    parts: tuple[str, ...] = ()
    choice: int = 0


_ANSWER = {"answer", "final_answer", "final", "output", "merged", "value"}
_CODE = {"code", "program", "python"}
_PASSED = {"passed", "verdict", "result"}
_FEEDBACK = {"feedback", "critique", "comment", "comments", "reason", "issues", "message"}
_CHOICE = {"choice", "letter", "best", "index", "selected", "candidate", "option"}
_PARTS = {"subproblems", "sub_problems", "parts", "steps", "questions"}
_CONFIDENCE = {"confidence", "score", "probability"}
_PLAN = {"plan", "strategy"}


def as_text(meaning: Meaning) -> str:
    r"""The reply as plain text, with a fenced program where there is one.

    >>> as_text(Meaning(answer="4", words="Two and two."))
    'Two and two.\n\nAnswer: 4'
    """
    if meaning.code:
        return f"{meaning.words}\n\n```python\n{meaning.code}\n```"
    if meaning.parts:
        return "\n".join(f"{number}. {part}" for number, part in enumerate(meaning.parts, start=1))
    if meaning.feedback and meaning.words:
        return f"{meaning.feedback}\n\n{meaning.words}"
    if meaning.feedback:
        return f"{'PASS' if meaning.passed else 'FAIL'}: {meaning.feedback}"
    return f"{meaning.words}\n\nAnswer: {meaning.answer}" if meaning.words else meaning.answer


def as_json(meaning: Meaning, schema: Schema) -> str:
    """The reply as JSON of a schema: each property gets what its name asks for.

    >>> as_json(Meaning(passed=False, feedback="no"), {"properties": {"passed": {"type": "boolean"}, "feedback": {}}})
    '{"passed": false, "feedback": "no"}'
    """
    properties: Mapping[str, Schema] = schema.get("properties", {})
    definitions: Mapping[str, Schema] = schema.get("$defs", {})
    return json.dumps({name: _value(name, meaning, part, definitions) for name, part in properties.items()})


def _value(name: str, meaning: Meaning, schema: Schema, definitions: Mapping[str, Schema]) -> Any:
    schema = _resolve(schema, definitions)
    if "const" in schema:
        return schema["const"]
    if options := schema.get("enum"):
        return _pick(name, meaning, options)
    match schema.get("type"):
        case "boolean":
            return meaning.passed
        case "number":
            return 0.9 if name in _CONFIDENCE else schema.get("minimum", 0)
        case "integer":
            if name in _CONFIDENCE:
                return schema.get("maximum", 100) * 9 // 10
            return schema.get("minimum", 0) + (meaning.choice if name in _CHOICE else 0)
        case "array":
            return list(meaning.parts) if meaning.parts else [_word(name, meaning)] * schema.get("minItems", 0)
        case "object":
            inner = schema.get("properties", {})
            return {key: _value(key, meaning, part, definitions) for key, part in inner.items()}
    return _word(name, meaning)


def _resolve(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """A schema without references and alternatives: the first alternative is taken."""
    if "$ref" in schema:
        return _resolve(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return _resolve(schema["anyOf"][0], definitions)
    return schema


def _pick(name: str, meaning: Meaning, options: list[Any]) -> Any:
    if name in _CHOICE:
        return options[min(meaning.choice, len(options) - 1)]
    wanted = ("pass", "passed", "yes", "correct", "true") if meaning.passed else ("fail", "failed", "no", "incorrect")
    return next((option for option in options if str(option).lower() in wanted), options[0])


def _word(name: str, meaning: Meaning) -> str:
    if name in _ANSWER:
        return meaning.answer
    if name in _CODE:
        return meaning.code
    if name in _FEEDBACK:
        return meaning.feedback
    if name in _PASSED:
        return "pass" if meaning.passed else "fail"
    if name in _CHOICE:
        return chr(ord("A") + meaning.choice)
    if name in _PLAN or name in _PARTS:
        return "\n".join(meaning.parts) or meaning.words
    return meaning.words or meaning.feedback or meaning.answer
