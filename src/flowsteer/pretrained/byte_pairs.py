"""The tokenizer of a tiny policy, read out of its `tokenizer.json` without the library that made it.

It is byte-level BPE over words, with each tag of the action language a token of its own; see
`flowsteer.training.policy.tokenizer`. A test holds it to the library's own result.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from flowsteer.errors import ConfigError

WORDS = r" ?\w+|\s|[^\w\s]"
"""How a text is cut before pairs are merged."""


class BytePairs:
    """Texts to ids, and back.

    Args:
        plain: What is in `tokenizer.json`.

    Attributes:
        tokens: What each token says, in bytes, by id.

    Raises:
        ConfigError: It is a tokenizer of another kind.
    """

    def __init__(self, plain: Mapping[str, Any]) -> None:
        cut = plain["pre_tokenizer"].get("pretokenizers", [{}])[0].get("pattern", {}).get("Regex")
        if plain["model"]["type"] != "BPE" or plain["normalizer"] is not None or cut != WORDS:
            raise ConfigError("this is no tokenizer of a tiny policy", "pack a policy made by `tiny`")
        self._ids: dict[str, int] = plain["model"]["vocab"]
        self._ranks = {tuple(pair): rank for rank, pair in enumerate(plain["model"]["merges"])}
        self._tags = {token["content"]: token["id"] for token in plain["added_tokens"]}
        tags = sorted(map(re.escape, self._tags), key=len, reverse=True)
        self._parts = re.compile(f"({'|'.join(tags)})")
        letters = _letters()
        self._letters = [letter for _, letter in sorted(letters.items())]
        byte_of = {letter: byte for byte, letter in letters.items()}
        said = {number: tag.encode() for tag, number in self._tags.items()}
        said |= {
            number: bytes(byte_of[letter] for letter in token)
            for token, number in self._ids.items()
            if number not in said
        }
        self.tokens = tuple(said.get(number, b"") for number in range(1 + max(said)))

    def id(self, tag: str) -> int:
        """The id of a tag."""
        number: int = self._tags[tag]
        return number

    def encode(self, text: str) -> list[int]:
        """Ids of a text."""
        return [number for part in self._parts.split(text) for number in self._encoded(part)]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        return b"".join(self.tokens[number] for number in ids).decode(errors="replace")

    def _encoded(self, part: str) -> Iterator[int]:
        if part in self._tags:
            yield self._tags[part]
            return
        for word in re.findall(WORDS, part):
            yield from (self._ids[piece] for piece in self._merged([self._letters[byte] for byte in word.encode()]))

    def _merged(self, pieces: list[str]) -> list[str]:
        """Pieces, merged pair by pair: the pair that was learned first goes first, from left to right."""
        while len(pieces) > 1:
            ranked = [(self._ranks[pair], place) for place, pair in enumerate(pairwise(pieces)) if pair in self._ranks]
            if not ranked:
                break
            _, place = min(ranked)
            pieces[place : place + 2] = [pieces[place] + pieces[place + 1]]
        return pieces


def _letters() -> dict[int, str]:
    """The letter that stands for each byte: itself where it can be printed, else one from 256 on."""
    printed = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printed]
    return {byte: chr(byte) for byte in printed} | {byte: chr(256 + place) for place, byte in enumerate(others)}
