"""Contexts cut to a number of words, for executors that read slowly.

A word is what stands between white space; 300 words are roughly 400 tokens of a usual English vocabulary. Where a
sample names its supporting facts, as HotpotQA does, the cut keeps the sentences around them; else it keeps the first
words. So the task becomes easier, or loses its answer: scores are not comparable with published ones, and every system
under comparison must get the same cut.
"""

from dataclasses import replace

from flowsteer.datasets.base import Sample
from flowsteer.datasets.hotpot_short import cut


def excerpt(sample: Sample, max_words: int) -> Sample:
    """The sample with a context of at most so many words; the very sample if it has no more.

    >>> from flowsteer.datasets.base import Reference
    >>> from flowsteer.task import Task
    >>> excerpt(Sample(Task("Who?", context="Ann and Bob met."), Reference()), 3).task.context
    'Ann and Bob'
    """
    words = sample.task.context.split()
    if len(words) <= max_words:
        return sample
    facts = sample.reference.meta.get("supporting_facts")
    if facts:
        context = cut(sample.task.context, [(title, number) for title, number in facts], max_words)
    else:
        context = " ".join(words[:max_words])
    return replace(sample, task=replace(sample.task, context=context))
