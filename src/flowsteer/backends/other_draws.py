"""How another draw of an otherwise equal call is made."""

import zlib
from dataclasses import replace

from flowsteer.backends.base import Sampling

EQUAL_TEMPERATURE = 0.7
"""At which a call draws that is equal to one before it, where the operators are greedy: the first gives the greedy
answer, the others are samples, as those of self-consistency are (Wang et al. 2023, arXiv 2203.11171, §3.1)."""


def sampling_of(sampling: Sampling, sample: str, again: bool) -> Sampling:
    """How a draw is made: with a seed of its own, and at a temperature where greedily it would be the same once more.

    Args:
        sampling: That of the run. Without a seed no draw has one.
        sample: The draw's name.
        again: Whether an equal call stands before it.
    """
    if again and sampling.temperature == 0:
        sampling = replace(sampling, temperature=EQUAL_TEMPERATURE)
    if sampling.seed is None or sampling.temperature == 0:
        return sampling
    return replace(sampling, seed=(sampling.seed + zlib.crc32(sample.encode())) % 2**31)
