"""The reward of an episode as named terms, each with its reason (spec §6).

    R = −1 + R_div + 1[R_div = 1] · R_ans

R is computed from what was executed: the final workflow's tree, and which of its steps ran successfully at least once.
It speaks of categories, so a plug-in checker counts as a checker, and reads no text.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge

from flowsteer.grading.base import Grade
from flowsteer.workflow.echo import named
from flowsteer.workflow.nodes import Category, Conditional, Loop, Node, Parallel, Step, Workflow, steps, walk

Variant = Literal["cwrpo", "additive", "answer", "structure"]
"""`cwrpo` is the paper's, `additive` −1 + R_div + R_ans without a gate, `answer` −1 + R_ans, `structure` −1 + R_div."""

MIN_OPERATORS = 6
"""So many distinct operators must have run for the padding term."""

FIFTHS = {"verification": 1, "formatting": 1, "operators": 1, "structure": 2}
"""What each part of R_div is worth, in fifths: whole numbers, so that "R_div = 1" is exact."""


@dataclass(frozen=True, slots=True)
class RewardSettings:
    """Which reward is paid.

    Attributes:
        variant: Which of R's parts are added up, and whether the gate holds the answer back.
        finish: Added when the Director's own finish was accepted; 0 in the paper.
        token_cost: Subtracted for each 1,000 tokens the Director sampled; 0 in the paper. Operators' tokens are left
            out: in a group that shares a memo they would depend on which rollout asked first.
    """

    variant: Variant = "cwrpo"
    finish: Annotated[float, Ge(0)] = 0.0
    token_cost: Annotated[float, Ge(0)] = 0.0


@dataclass(frozen=True, slots=True)
class Term:
    """One summand of the reward, and why it is what it is."""

    name: str
    value: float
    reason: str


@dataclass(frozen=True, slots=True)
class Reward:
    """The reward of one episode.

    Attributes:
        value: The sum of the terms, or None if the answer that it depends on could not be graded: the rollout then
            leaves its group.
        terms: What it consists of, the base −1 first.
        diversity: R_div, in [0, 1].
        answer: R_ans, in [0, 1], whether or not it was released; None if it could not be graded.
    """

    value: float | None
    terms: tuple[Term, ...]
    diversity: float
    answer: float | None

    @property
    def gate_open(self) -> bool:
        """Whether the workflow has the whole skeleton, R_div = 1."""
        return self.diversity == 1.0

    @property
    def paper(self) -> float | None:
        """The paper's R of this episode, whatever was paid for it; None if the answer could not be graded."""
        if self.answer is None:
            return None
        return -1.0 + self.diversity + (self.answer if self.gate_open else 0.0)


def reward(
    workflow: Workflow,
    succeeded: frozenset[str],
    categories: Mapping[str, Category],
    grade: Grade,
    finished: bool = False,
    sampled_tokens: int = 0,
    settings: RewardSettings = RewardSettings(),
) -> Reward:
    """Reward one episode.

    Args:
        workflow: The final workflow.
        succeeded: Ids of the steps that ran successfully at least once when it was executed (`Execution.succeeded`).
        categories: Each operator's category.
        grade: The grade of what the workflow answered; its score is R_ans.
        finished: Whether the Director's own finish was accepted.
        sampled_tokens: Tokens that the Director sampled.
        settings: Which reward is paid.
    """
    parts = diversity_terms(workflow, succeeded, categories)
    fifths = sum(FIFTHS[part.name] for part in parts if part.value)
    terms = [Term("base", -1.0, "every episode")]
    if settings.variant != "answer":
        terms += parts
    needs_answer = settings.variant != "structure"
    if needs_answer:
        terms.append(_answer_term(grade, fifths, gated=settings.variant == "cwrpo"))
    if settings.finish:
        said = "the Director finished" if finished else "the Director did not finish"
        terms.append(Term("finish", settings.finish * finished, said))
    if settings.token_cost:
        cost = settings.token_cost * sampled_tokens / 1000
        terms.append(Term("tokens", -cost, f"the Director sampled {sampled_tokens} tokens"))
    value = None if needs_answer and grade.score is None else _total(terms, fifths)
    return Reward(value, tuple(terms), fifths / 5, grade.score)


def _total(terms: list[Term], fifths: int) -> float:
    """The sum of the terms; R_div joins the base as one number, so that no rounding of its fifths shows."""
    structural = any(term.name in FIFTHS for term in terms)
    skeleton = -1.0 + (fifths / 5 if structural else 0.0)
    return skeleton + sum(term.value for term in terms if term.name not in FIFTHS and term.name != "base")


def diversity_terms(
    workflow: Workflow, succeeded: frozenset[str], categories: Mapping[str, Category]
) -> tuple[Term, ...]:
    """The four parts of R_div, each 0 or worth its fifths.

    Repeats of a loop, branches not taken and failed nodes earn nothing: a step counts once, and only if it ran.
    A conditional counts once its check ran to a verdict; a parallel or a loop once a step in it ran.
    """
    ran = [step for step in steps(workflow.nodes) if step.id in succeeded]
    built = [node for node in walk(workflow.nodes) if _worked(node, succeeded)]
    checks = [step for step in ran if categories.get(step.operator) == "verification"]
    formats = [step for step in ran if categories.get(step.operator) == "formatting"]
    return (
        _part("verification", bool(checks), _named(checks) or "no verification operator ran"),
        _part("formatting", bool(formats), _named(formats) or "no formatting operator ran"),
        _part("operators", len(ran) >= MIN_OPERATORS, f"{len(ran)} operators ran, {MIN_OPERATORS} are asked for"),
        _part("structure", bool(built), _named(built) or "no parallel, conditional or loop ran"),
    )


def _answer_term(grade: Grade, fifths: int, gated: bool) -> Term:
    if grade.score is None:
        return Term("answer", 0.0, f"unscorable: {grade.reason}")
    if gated and fifths < 5:
        return Term("answer", 0.0, f"held back: R_div is {fifths / 5:g}, not 1")
    return Term("answer", grade.score, grade.reason or "graded")


def _worked(node: Node, succeeded: frozenset[str]) -> bool:
    """Whether a structure did something; a step is none."""
    match node:
        case Conditional():
            return node.check.id in succeeded
        case Parallel() | Loop():
            return any(step.id in succeeded for step in steps((node,)))
        case Step():
            return False


def _part(name: str, earned: bool, reason: str) -> Term:
    return Term(name, FIFTHS[name] / 5 if earned else 0.0, reason)


def _named(nodes: Sequence[Node]) -> str:
    return f"{', '.join(named(node) for node in nodes)} ran" if nodes else ""


@dataclass(frozen=True, slots=True)
class Shortcuts:
    """Which shortcuts a workflow took, by what ran of it; shares of these are reported for every arm.

    Attributes:
        one_step: At most one operator ran.
        padded: Six or more operators ran, without a structure.
        repeated: Half or more of the steps that ran repeat an operator that another one already is.
    """

    one_step: bool
    padded: bool
    repeated: bool


def shortcuts(workflow: Workflow, succeeded: frozenset[str]) -> Shortcuts:
    """The shortcuts of one workflow.

    Args:
        workflow: The final workflow.
        succeeded: Ids of the steps that ran successfully at least once.

    >>> from flowsteer.workflow import parse_dsl
    >>> shortcuts(parse_dsl("Plan -> Plan -> Plan"), frozenset({"node_1", "node_2", "node_3"}))
    Shortcuts(one_step=False, padded=False, repeated=True)
    """
    ran = [step for step in steps(workflow.nodes) if step.id in succeeded]
    built = any(_worked(node, succeeded) for node in walk(workflow.nodes))
    kinds = Counter(step.operator for step in ran)
    return Shortcuts(
        one_step=len(ran) <= 1,
        padded=len(ran) >= MIN_OPERATORS and not built,
        repeated=len(ran) > 1 and 2 * len(kinds) <= len(ran),
    )
