"""`hotpotqa-short`: HotpotQA with each context cut to 400 words around the supporting facts.

A derived view for executors that read slowly: it is easier than HotpotQA, since the cut uses the annotated facts, and
its scores are not comparable with published ones. Every system under comparison gets the same cut. A word is what
stands between white space, titles included; 400 words are roughly 530 tokens of a usual English vocabulary.
"""

import re
from dataclasses import replace

from flowsteer.datasets.base import Sample
from flowsteer.errors import ConfigError

NAME = "hotpotqa-short"
MAX_WORDS = 400

_PARAGRAPH = re.compile(r"^\[(?P<title>[^\n]+)\]\n", re.MULTILINE)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[\"'“(\[]?[A-Z0-9])")


def shorten(sample: Sample, max_words: int = MAX_WORDS) -> Sample:
    """The sample with its context cut; another id and dataset name, so that it is never mistaken for the original.

    Kept are, until the words are used up: sentences named as supporting facts, then the sentences of the same
    paragraphs by their distance to one, then the other paragraphs from the top. What is kept stays in its order.

    Raises:
        ConfigError: If the sample does not name its supporting facts.
    """
    facts = sample.reference.meta.get("supporting_facts")
    if not facts:
        raise ConfigError(f"{sample.task.id} names no supporting facts, which {NAME} needs in meta.supporting_facts")
    task = replace(
        sample.task,
        context=cut(sample.task.context, [(title, number) for title, number in facts], max_words),
        id=f"{sample.task.id}#short",
        dataset=NAME,
    )
    return replace(sample, task=task)


def cut(context: str, facts: list[tuple[str, int]], max_words: int) -> str:
    """The context within `max_words` words, around the facts.

    Args:
        context: Paragraphs, each headed by a line `[Title]`.
        facts: Title and 0-based sentence number of each supporting fact.
        max_words: Most words kept.
    """
    paragraphs = _paragraphs(context)
    numbers: dict[str, list[int]] = {}
    for title, number in facts:
        numbers.setdefault(title, []).append(number)
    ranked: list[tuple[int, int, int]] = []
    for place, (title, sentences) in enumerate(paragraphs):
        for index in range(len(sentences)):
            near = min((abs(index - min(n, len(sentences) - 1)) for n in numbers.get(title, [])), default=len(context))
            ranked.append((near, place, index))
    kept: dict[int, list[int]] = {}
    left = max_words
    for _, place, index in sorted(ranked):
        title, sentences = paragraphs[place]
        price = len(sentences[index].split()) + (0 if place in kept else len(title.split()))
        if price > left:
            break
        left -= price
        kept.setdefault(place, []).append(index)
    return "\n\n".join(
        f"[{paragraphs[place][0]}]\n" + " ".join(paragraphs[place][1][index] for index in sorted(kept[place]))
        for place in sorted(kept)
    )


def _paragraphs(context: str) -> list[tuple[str, list[str]]]:
    """Title and sentences of each paragraph."""
    pieces = _PARAGRAPH.split(context)
    pairs = zip(pieces[1::2], pieces[2::2], strict=True)
    return [(title, _SENTENCE_END.split(body.strip())) for title, body in pairs]
