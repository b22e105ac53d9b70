"""Questions: exact match and token F1, as the official evaluation script of SQuAD 2.0 computes them.

Answers are lower-cased, stripped of punctuation and of the articles a, an, the, and split at white space; F1 counts
tokens as a multiset; the best over all accepted answers counts. The empty answer says "there is no answer" and is right
only where that is accepted.
"""

import re
import string
from collections import Counter
from collections.abc import Iterable

from flowsteer.grading.base import Grade

_ARTICLES = re.compile(r"\b(a|an|the)\b", re.UNICODE)
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_NO_ANSWER = frozenset(("unanswerable", "no answer"))
"""How a workflow says "there is no answer" where a dataset allows it: operators cannot return an empty text."""


def grade_qa(accepted: Iterable[str], answer: str, may_be_unanswerable: bool = False) -> Grade:
    """Grade by F1, and report exact match beside it.

    Args:
        accepted: All accepted answers; the empty text among them accepts "there is no answer".
        answer: The workflow's answer.
        may_be_unanswerable: SQuAD 2.0's own rules: the words "unanswerable" and "no answer" stand for the empty answer,
            and accepted answers that normalise to nothing are left aside.

    >>> grade_qa(["the Eiffel Tower", "Tour Eiffel"], "Eiffel tower!").metrics
    {'em': 1.0, 'f1': 1.0}
    >>> grade_qa([""], "unanswerable", may_be_unanswerable=True).score
    1.0
    """
    if may_be_unanswerable:
        answer = "" if " ".join(tokens(answer)) in _NO_ANSWER else answer
        accepted = [gold for gold in accepted if tokens(gold)] or [""]
    pairs = [(exact_match(gold, answer), f1(gold, answer)) for gold in accepted]
    em, best = max(pair[0] for pair in pairs), max(pair[1] for pair in pairs)
    return Grade(best, {"em": em, "f1": best}, "" if best == 1.0 else "the words differ")


def tokens(text: str) -> list[str]:
    """The normalised words of a text.

    >>> tokens("The U.S. dollar's  value")
    ['us', 'dollars', 'value']
    """
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def exact_match(gold: str, answer: str) -> float:
    """1.0 if the normalised texts are the same, else 0.0."""
    return float(tokens(gold) == tokens(answer))


def f1(gold: str, answer: str) -> float:
    """Harmonic mean of precision and recall of tokens; if either text is empty, whether both are.

    >>> f1("a cat sat", "cat cat sat down")
    0.6666666666666666
    """
    right, given = tokens(gold), tokens(answer)
    if not right or not given:
        return float(right == given)
    common = sum((Counter(right) & Counter(given)).values())
    if common == 0:
        return 0.0
    precision, recall = common / len(given), common / len(right)
    return 2 * precision * recall / (precision + recall)
