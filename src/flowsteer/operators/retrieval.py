"""Okapi BM25 over the passages of a context, without any index or model.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with their usual
constants and the inverse document frequency that is never negative.
"""

import math
import re
from collections import Counter

K1, B = 1.5, 0.75
"""Saturation of repeated words, and weight of a passage's length."""

_WORD = re.compile(r"\w+")
_STOP = frozenset(
    {"a", "an", "and", "are", "as", "at", "by", "did", "do", "does", "for", "from", "how", "in", "is", "it", "of"}
    | {"on", "or", "that", "the", "to", "was", "were", "what", "when", "where", "which", "who", "whom", "whose"}
    | {"why", "with"}
)


def passages(context: str) -> list[str]:
    r"""The paragraphs of a context: texts between blank lines.

    >>> passages("One.\n\nTwo.\nStill two.")
    ['One.', 'Two.\nStill two.']
    """
    return [part.strip() for part in re.split(r"\n\s*\n", context) if part.strip()]


def rank(query: str, texts: list[str]) -> list[tuple[float, int]]:
    """Score every text against a query.

    Args:
        query: Words; common ones do not count.
        texts: What is ranked.

    Returns:
        Pairs of score and index, best first; equal scores in the order given. A score of 0 means no common word.

    >>> [index for _, index in rank("Who wrote Emma?", ["Paris is big.", "Austen wrote Emma."])]
    [1, 0]
    """
    bags = [Counter(words(text)) for text in texts]
    mean_length = sum(bag.total() for bag in bags) / max(len(bags), 1)
    scores = [0.0] * len(texts)
    for word in set(words(query)) - _STOP:
        holders = sum(word in bag for bag in bags)
        weight = math.log(1 + (len(bags) - holders + 0.5) / (holders + 0.5))
        for index, bag in enumerate(bags):
            if bag[word]:
                length = 1 - B + B * bag.total() / mean_length
                scores[index] += weight * bag[word] * (K1 + 1) / (bag[word] + K1 * length)
    return sorted(((score, index) for index, score in enumerate(scores)), key=lambda pair: (-pair[0], pair[1]))


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return _WORD.findall(text.casefold())
