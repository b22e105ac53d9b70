"""Profiles of the simulated executor: small fixed tables of what each operator is worth on each type of task.

The tables in this file are inventions. They say what a Director can learn in the simulated world and nothing about real
LLMs. Tables that were fitted to a real LLM are files, made by `flowsteer calibrate`. A table's hash is part of the
backend's name, so it stands in every run that used it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from flowsteer.errors import ConfigError
from flowsteer.shipped_examples import with_examples
from flowsteer.task import TaskType

ByType = Mapping[TaskType, float]
Table = Mapping[str, ByType]
"""Probabilities by operator name, or by category for operators without a row of their own."""


@dataclass(frozen=True)
class Profile:
    """What operators are worth. All tables hold probabilities.

    A profile of the second generation has a `mending` table. Under it an operator that reads a failed check repairs,
    whatever its category; under the first only Revise and Test do, and no check ever fails a right answer. Profiles
    that are fitted to a real LLM also set the last three fields.

    Attributes:
        name: What users type after `simulated:`.
        skill: A solver's first answer is right.
        power: A checker finds a fault of the type, decided once for each task; it sees no fault where there is none.
        spoilt: Solvers put a task's answer in a form that graders do not take, until a formatting step puts it right.
            Nothing for code tasks, and nothing for what a program prints on math tasks.
        planning: Added to the skill of a solver that reads a plan or sub-problems, on hard tasks only.
        hard: Factor on every skill on hard tasks.
        repair: Factor on the skill with which a found fault is repaired.
        noise: An ensemble step that asks picks any candidate instead of the most frequent one.
        common: An attempt ends as the task's first thought does instead of by a draw of its own: how alike solvers err.
        false_alarm: A checker takes a task's right answer for a wrong one, decided once for each task and checker.
        mending: A found fault is mended by the operator that reads of it; on hard tasks as with `skill`. Operators
            without a row, nor a row of their category, never mend.
        harm: A right answer that was said to be wrong is replaced by a wrong one, by the operator that reads of it.
        trap: A wrong answer is the task's most tempting one, so that what goes wrong goes wrong alike and no vote
            tells it from what is right.
        planned: The skill of a solver that reads a plan or sub-problems, instead of `skill` and `planning`.
        stubborn: A repair ends as the task's first one by that operator would, so that trying again helps little.
        tokens: Tokens of a reply, by operator; nothing for those without a row: theirs are counted from the text.
    """

    name: str
    skill: Table
    power: Table
    spoilt: ByType
    planning: ByType
    hard: float
    repair: float
    noise: float
    common: float
    false_alarm: Table = field(default_factory=dict)
    mending: Table = field(default_factory=dict)
    harm: Table = field(default_factory=dict)
    trap: float = 0.0
    planned: Table = field(default_factory=dict)
    stubborn: float = 0.0
    tokens: Table = field(default_factory=dict)

    @classmethod
    def read(cls, text: str, where: str) -> Self:
        """The profile of a file that `flowsteer calibrate` wrote.

        Args:
            text: JSON with the tables under `profile`.
            where: What to call it in an error.

        Raises:
            ConfigError: It is no profile.
        """
        from pydantic import TypeAdapter, ValidationError  # heavy, and only files need it

        try:
            return TypeAdapter(cls).validate_python(json.loads(text)["profile"])
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            raise ConfigError(
                f"{where} holds no profile: {str(error).splitlines()[0]}", "flowsteer calibrate writes such files"
            ) from None

    def plain(self) -> dict[str, Any]:
        """The tables as JSON values, as `read` takes them."""
        return asdict(self)

    @cached_property
    def digest(self) -> str:
        """First eight hex digits of the table's SHA-256; what was added later counts once it is set."""
        every = {one.name: (getattr(self, one.name), _neutral(one)) for one in fields(self)}
        plain = {name: value for name, (value, neutral) in every.items() if value != neutral}
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:8]


def _neutral(one: "Field[Any]") -> object:
    """What a field is where nothing is said of it; MISSING for those that every profile sets."""
    return one.default if one.default_factory is MISSING else one.default_factory()


def look_up(table: Table, operator: str, category: str, kind: TaskType) -> float:
    """The value of an operator on a type of task: its own row's, else its category's, else 0."""
    row = table.get(operator) or table.get(category)
    return row[kind] if row else 0.0


def _row(math: float, qa: float, code: float) -> ByType:
    return {"math": math, "qa": qa, "code": code}


def _same(value: float) -> ByType:
    return _row(value, value, value)


TYPED = Profile(
    name="typed",
    skill={
        "Programmer": _row(math=0.55, qa=0.15, code=0.55),
        "Custom": _row(math=0.35, qa=0.5, code=0.3),
        "AnswerGenerate": _row(math=0.35, qa=0.55, code=0.2),
        "solving": _same(0.4),
    },
    power={
        "Verify": _row(math=0.8, qa=0.0, code=0.0),
        "Review": _row(math=0.0, qa=0.8, code=0.0),
        "Test": _row(math=0.0, qa=0.0, code=0.9),
        "verification": _same(0.4),
    },
    spoilt=_row(math=0.1, qa=0.6, code=0.0),
    planning=_row(math=0.1, qa=0.0, code=0.2),
    hard=0.75,
    repair=1.0,
    noise=0.1,
    common=0.3,
)
"""Types need different workflows: Programmer, Verify; AnswerGenerate, Review, Format; Plan, Programmer, Test."""

TYPED_2 = Profile(
    name="typed-2",
    skill={
        "Programmer": _row(math=0.6, qa=0.25, code=0.6),
        "Custom": _row(math=0.35, qa=0.5, code=0.25),
        "AnswerGenerate": _row(math=0.3, qa=0.6, code=0.2),
        "solving": _same(0.35),
    },
    power={
        "Verify": _row(math=0.88, qa=0.0, code=0.0),
        "Review": _row(math=0.0, qa=0.88, code=0.0),
        "Test": _row(math=0.0, qa=0.0, code=0.92),
        "verification": _same(0.4),
    },
    spoilt=_row(math=0.05, qa=0.3, code=0.0),
    planning=_row(math=0.0, qa=-0.15, code=0.25),
    hard=0.7,
    repair=1.0,
    noise=0.1,
    common=0.3,
    false_alarm={
        "Verify": _row(math=0.0, qa=0.7, code=0.4),
        "Review": _row(math=0.7, qa=0.0, code=0.4),
        "verification": _same(0.2),
    },
    mending={
        "Programmer": _row(math=0.65, qa=0.05, code=0.65),
        "Custom": _row(math=0.1, qa=0.6, code=0.1),
        "AnswerGenerate": _row(math=0.05, qa=0.65, code=0.05),
        "Test": _row(math=0.0, qa=0.0, code=0.35),
        "solving": _same(0.25),
        "revision": _same(0.45),
    },
    harm={
        "Programmer": _row(math=0.05, qa=0.65, code=0.05),
        "Custom": _row(math=0.6, qa=0.1, code=0.6),
        "AnswerGenerate": _row(math=0.65, qa=0.05, code=0.65),
        "solving": _same(0.35),
        "revision": _same(0.45),
    },
    trap=0.9,
)
"""Types need different workflows, and what is right for one does harm to another.

On math Programmer solves and mends and Verify sees faults; on qa AnswerGenerate and Review; on code Programmer with a
plan and Test. Review on math and Verify on qa see no fault and take right answers for wrong ones, and a solver harms on
the one type about as often as it mends on the other. So what a check says means one thing on math and the opposite on
qa, and what then becomes of the answer looks the same: no workflow can find out by itself which of the two it is on.
"""


def _scaled(table: Table, factor: float) -> Table:
    return {name: {kind: round(value * factor, 3) for kind, value in row.items()} for name, row in table.items()}


TYPED_2_SMALL = replace(
    TYPED_2,
    name="typed-2-small",
    skill=_scaled(TYPED_2.skill, 0.5),
    power=_scaled(TYPED_2.power, 0.6),
    mending=_scaled(TYPED_2.mending, 0.5),
)
"""The same world seen by a weaker model: half of what `typed-2` solves and mends, and fewer faults found.

What it says of a plan or the form of an answer is as good, so a Director that may name both models can save money.
"""

FLAT = Profile(
    name="flat",
    skill={"solving": _same(0.5)},
    power={"verification": _same(0.7)},
    spoilt=_same(0.3),
    planning=_same(0.1),
    hard=0.75,
    repair=1.0,
    noise=0.1,
    common=0.3,
)
"""One workflow serves all types: any solver, any checker, Format."""

NULL = Profile(
    name="null",
    skill={"solving": _same(0.5)},
    power={"verification": _same(0.0)},
    spoilt=_same(0.0),
    planning=_same(0.0),
    hard=1.0,
    repair=0.0,
    noise=1.0,
    common=1.0,
)
"""Structure is worth nothing: no check finds a fault, no repair helps, all members of an ensemble say the same."""

PROFILES: Mapping[str, Profile] = {profile.name: profile for profile in (TYPED, TYPED_2, TYPED_2_SMALL, FLAT, NULL)}
FILE_ENDING = ".json"


def find_profile(name: str) -> Profile | None:
    """A profile by its name or its file; None if there is none of that name.

    Raises:
        ConfigError: A file cannot be read, or holds no profile.
    """
    return _read_file(name) if name.endswith(FILE_ENDING) else PROFILES.get(name)


def _read_file(name: str) -> Profile:
    try:
        text = with_examples(Path(name)).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the profile {name} cannot be read: {error}", "flowsteer calibrate … writes one") from None
    return Profile.read(text, name)
