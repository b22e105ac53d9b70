"""The reward of an episode as named terms, each with its reason (spec §6).

    R = −1 + R_div + 1[R_div = 1] · R_ans

R_div stands in `diversity`, what may be added to R in `additions`; R_ans is the grade of the answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from flowsteer.grading.base import Grade
from flowsteer.reward.additions import Course, additions
from flowsteer.reward.diversity import FIFTHS, diversity_terms
from flowsteer.reward.settings import RewardSettings
from flowsteer.reward.term import Term
from flowsteer.workflow.nodes import Category, Workflow


@dataclass(frozen=True, slots=True)
class Reward:
    """The reward of one episode.

    Attributes:
        value: The sum of the terms, or None if R_ans is one of them and the answer could not be graded, or if it is
            paid for a cost that is not known: the rollout then leaves its group. An answer without a grade leaves R
            undefined behind a closed gate, too: else of such a task only what failed would be learned from.
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
    course: Course = Course(),
    settings: RewardSettings = RewardSettings(),
) -> Reward:
    """Reward one episode.

    Args:
        workflow: The final workflow.
        succeeded: Ids of the steps that ran successfully at least once when it was executed (`Execution.succeeded`).
        categories: Each operator's category.
        grade: The grade of what the workflow answered; its score is R_ans.
        course: How the episode went; only additions look at it.
        settings: Which reward is paid.
    """
    parts = diversity_terms(workflow, succeeded, categories)
    fifths = sum(FIFTHS[part.name] for part in parts if part.value)
    terms = [Term("base", -1.0, "every episode")]
    if settings.variant != "answer":
        terms += parts
    if needs_answer := settings.variant != "structure":
        terms.append(_answer_term(grade, fifths, gated=settings.variant == "cwrpo"))
    terms += additions(course, fifths == 5, settings)
    needs_price = bool(settings.money_cost) and fifths == 5
    unknown = (needs_answer and grade.score is None) or (needs_price and course.usage.cost is None)
    return Reward(None if unknown else _total(terms, fifths), tuple(terms), fifths / 5, grade.score)


def _total(terms: list[Term], fifths: int) -> float:
    """The sum of the terms; R_div joins the base as one number, so that no rounding of its fifths shows."""
    structural = any(term.name in FIFTHS for term in terms)
    skeleton = -1.0 + (fifths / 5 if structural else 0.0)
    return skeleton + sum(term.value for term in terms if term.name not in FIFTHS and term.name != "base")


def _answer_term(grade: Grade, fifths: int, gated: bool) -> Term:
    if grade.score is None:
        return Term("answer", 0.0, f"unscorable: {grade.reason}")
    if gated and fifths < 5:
        return Term("answer", 0.0, f"held back: R_div is {fifths / 5:g}, not 1")
    return Term("answer", grade.score, grade.reason or "graded")
