"""Questions: exact match and token F1, as the official evaluation scripts of the datasets compute them.

SQuAD 2.0's rules are the ground; two datasets add to them, and give no F1 where an answer normalises to nothing, even
if both do. HotpotQA: F1 is 0 where yes, no or noanswer, on either side, is not the very same on the other. TriviaQA:
its own normalisation turns punctuation into blanks; what it gives stands beside SQuAD's as `triviaqa_em` and
`triviaqa_f1`.

Answers are lower-cased, stripped of punctuation and of the articles a, an, the, and split at white space; F1 counts
tokens as a multiset; the best over all accepted answers counts. The empty answer says "there is no answer" and is right
only where that is accepted.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Iterable

from flowsteer.answers.thinking import without_thinking
from flowsteer.grading.base import Grade

_ARTICLES = re.compile(r"\b(a|an|the)\b", re.UNICODE)
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_NO_ANSWER = frozenset(("unanswerable", "no answer"))
"""How a workflow says "there is no answer" where a dataset allows it: operators cannot return an empty text."""

_TRIVIAQA_BLANKS = str.maketrans(dict.fromkeys(string.punctuation + "‘’´`", " "))
_WHOLE = {"hotpotqa": frozenset(("yes", "no", "noanswer"))}
_SHARES_WORDS = ("hotpotqa", "triviaqa")
"""Their F1 is of words that both sides share: of nothing, it is 0."""

Tokens = Callable[[str], list[str]]


def grade_qa(accepted: Iterable[str], answer: str, dataset: str = "") -> Grade:
    """Grade by F1, and report exact match beside it.

    Args:
        accepted: All accepted answers; the empty text among them accepts "there is no answer".
        answer: The workflow's answer; thinking in it is left out, and an answer of nothing but thinking is none.
        dataset: Its own rules count: `squad_v2` (the words "unanswerable" and "no answer" stand for the empty answer,
            and accepted answers that normalise to nothing are left aside), `hotpotqa`, `triviaqa`.

    >>> grade_qa(["the Eiffel Tower", "Tour Eiffel"], "Eiffel tower!").metrics
    {'em': 1.0, 'f1': 1.0}
    >>> grade_qa([""], "unanswerable", "squad_v2").score, grade_qa(["Yes Minister"], "yes", "hotpotqa").score
    (1.0, 0.0)
    """
    said = without_thinking(answer)
    if answer.strip() and not said:
        return Grade(0.0, {"em": 0.0, "f1": 0.0}, "there is no answer")
    if dataset == "squad_v2":
        said = "" if " ".join(tokens(said)) in _NO_ANSWER else said
        accepted = [gold for gold in accepted if tokens(gold)] or [""]
    golds = list(accepted)
    metrics = _best(golds, said, tokens, dataset)
    if dataset == "triviaqa":
        own = _best(golds, said, triviaqa_tokens, dataset)
        metrics |= {f"triviaqa_{name}": value for name, value in own.items()}
    return Grade(metrics["f1"], metrics, "" if metrics["f1"] == 1.0 else "the words differ")


def _best(golds: list[str], answer: str, split: Tokens, dataset: str) -> dict[str, float]:
    """Exact match and F1 with the accepted answers that fit best, by the dataset's rules."""
    given, whole = split(answer), _WHOLE.get(dataset, frozenset())
    pairs = [(right, float(right == given)) for right in map(split, golds)]
    scores = [
        same if {" ".join(right), " ".join(given)} & whole else token_f1(right, given)
        for right, same in pairs
        if (right and given) or dataset not in _SHARES_WORDS
    ]
    return {"em": max(same for _, same in pairs), "f1": max(scores, default=0.0)}


def tokens(text: str) -> list[str]:
    """The normalised words of a text, as SQuAD counts them.

    >>> tokens("The U.S. dollar's  value")
    ['us', 'dollars', 'value']
    """
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def triviaqa_tokens(text: str) -> list[str]:
    """The normalised words of a text, as TriviaQA counts them: punctuation parts words.

    >>> triviaqa_tokens("The U.S. dollar's  value"), triviaqa_tokens("state-of-the-art")
    (['u', 's', 'dollar', 's', 'value'], ['state', 'of', 'art'])
    """
    return _ARTICLES.sub(" ", text.lower().translate(_TRIVIAQA_BLANKS)).split()


def token_f1(right: list[str], given: list[str]) -> float:
    """Harmonic mean of precision and recall of tokens; if either side is empty, whether both are.

    >>> token_f1(tokens("a cat sat"), tokens("cat cat sat down"))
    0.6666666666666666
    """
    if not right or not given:
        return float(right == given)
    common = sum((Counter(right) & Counter(given)).values())
    if common == 0:
        return 0.0
    precision, recall = common / len(given), common / len(right)
    return 2 * precision * recall / (precision + recall)
