"""The draft: what flows along the edges of a workflow.

Its texts can be written down, whoever wrote them: a model's JSON and a program's value can hold half characters that
the reply and the program did not. What an operator of one's own writes in other types than those named here is
converted, or is an error of that operator.
"""

from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any

from flowsteer.unicode import is_plain, make_sound, sound


@dataclass(frozen=True, slots=True)
class Candidate:
    """What one parallel branch produced, kept for an ensemble step to choose from.

    Attributes:
        source: Who made it: the branch in DSL, such as `Plan -> Programmer`.
        answer: Its answer; may be empty where only a solution or code exists.
        solution: Its reasoning in words.
        code: Its Python code.
    """

    source: str
    answer: str = ""
    solution: str = ""
    code: str = ""

    def __post_init__(self) -> None:
        make_sound(self, "source", "answer", "solution", "code")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check said.

    Attributes:
        passed: True if the check found no fault.
        feedback: What is wrong, or why it is right.
        confidence: In [0, 1], or None where the checker gives none.
        by: The operator that checked.
    """

    passed: bool
    feedback: str = ""
    confidence: float | None = None
    by: str = ""

    def __post_init__(self) -> None:
        if type(self.passed) is not bool:  # such as numpy's, which is neither True nor JSON
            object.__setattr__(self, "passed", bool(self.passed))
        if not isinstance(self.confidence, float | int | None):
            object.__setattr__(self, "confidence", float(self.confidence))
        make_sound(self, "feedback", "by")


@dataclass(frozen=True, slots=True)
class Draft:
    """The state of the work so far; an operator reads some fields and writes some.

    Attributes:
        plan: Strategy and steps.
        subproblems: Parts of the problem.
        solution: Reasoning in words.
        code: Python code.
        output: What running the code printed or returned.
        candidates: Results of parallel branches, in the order of the branches.
        verdict: The latest check of the current answer; None once the answer is new.
        answer: The answer so far; for code tasks the code itself.
    """

    plan: str = ""
    subproblems: tuple[str, ...] = ()
    solution: str = ""
    code: str = ""
    output: str = ""
    candidates: tuple[Candidate, ...] = ()
    verdict: Verdict | None = None
    answer: str = ""

    def __post_init__(self) -> None:
        if not is_plain(self.plan + self.solution + self.code + self.output + self.answer):  # seldom; drafts are many
            make_sound(self, "plan", "solution", "code", "output", "answer")
        if type(self.candidates) is not tuple:
            object.__setattr__(self, "candidates", tuple(self.candidates))
        if self.subproblems or type(self.subproblems) is not tuple:
            object.__setattr__(self, "subproblems", tuple(map(sound, self.subproblems)))

    def only(self, names: Collection[str]) -> "Draft":
        """The same draft with every field outside `names` at its default."""
        return EMPTY.merge(self, names) if names else EMPTY

    def merge(self, other: "Draft", names: Collection[str]) -> "Draft":
        """This draft with the fields `names` taken from `other`."""
        return Draft(
            other.plan if "plan" in names else self.plan,
            other.subproblems if "subproblems" in names else self.subproblems,
            other.solution if "solution" in names else self.solution,
            other.code if "code" in names else self.code,
            other.output if "output" in names else self.output,
            other.candidates if "candidates" in names else self.candidates,
            other.verdict if "verdict" in names else self.verdict,
            other.answer if "answer" in names else self.answer,
        )


EMPTY = Draft()
"""The draft a workflow starts from."""

FIELDS: tuple[str, ...] = tuple(field.name for field in fields(Draft))
"""Names of the draft's fields, in order."""


def draft_to_json(draft: Draft) -> dict[str, Any]:
    """The draft as plain JSON values; fields at their default are left out.

    >>> draft_to_json(Draft(answer="4", verdict=Verdict(True, by="Verify")))
    {'verdict': {'passed': True, 'feedback': '', 'confidence': None, 'by': 'Verify'}, 'answer': '4'}
    """
    plain: dict[str, Any] = {}
    for name in FIELDS:
        value = getattr(draft, name)
        if not value:
            continue
        if name == "candidates":
            value = [{f.name: getattr(c, f.name) for f in fields(c)} for c in value]
        elif name == "verdict":
            value = {f.name: getattr(value, f.name) for f in fields(value)}
        elif name == "subproblems":
            value = list(value)
        plain[name] = value
    return plain


def draft_from_json(plain: dict[str, Any]) -> Draft:
    """The inverse of `draft_to_json`.

    Raises:
        TypeError: If a field is unknown.
    """
    values = dict(plain)
    if "subproblems" in values:
        values["subproblems"] = tuple(values["subproblems"])
    if "candidates" in values:
        values["candidates"] = tuple(Candidate(**item) for item in values["candidates"])
    if values.get("verdict") is not None:
        values["verdict"] = Verdict(**values["verdict"])
    return Draft(**values)
