"""Tokens that a grammar allows: a turn is held to the legal actions when it is drawn, and in the loss alike.

The sampler asks llguidance at each token which ones may follow. These sets are kept with the trajectory, and the
learner takes its log-probs over the same ones (`only_allowed.py`), so both speak of one distribution.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from flowsteer.errors import ConfigError

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

    from flowsteer.training.policy.policy import Policy

_GBNF = re.compile(r'"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|[a-z][a-z0-9-]*|::=')
"""A literal, a class of characters, a name, or what stands between a name and its rule."""


class GrammarMasks:
    """Holds the turns of one policy to grammars.

    Equal sets of tokens are one object here, since most of a trajectory's are.

    Args:
        vocabulary: What the policy can say.
    """

    def __init__(self, vocabulary: "LLTokenizer") -> None:
        self._vocabulary = vocabulary
        self._sets: dict[bytes, bytes] = {}

    @classmethod
    def of(cls, policy: "Policy") -> "GrammarMasks":
        """Those of a policy; each token stands for the text it is decoded to, so `<action>` may be several."""
        width = int(policy.model.get_output_embeddings().weight.shape[0])
        return cls(_vocabulary(policy.tokenizer, width, policy.end))

    def turn(self, grammar: str) -> "TurnMask":
        """Hold a turn to a grammar.

        Args:
            grammar: GBNF text, as `action_grammar` writes it.

        Raises:
            ConfigError: llguidance cannot follow it.
        """
        return TurnMask(_compiled(self._vocabulary, grammar).deep_copy(), self._sets)


class TurnMask:
    """What may follow in one turn.

    Args:
        matcher: Where the turn stands.
        sets: Sets of tokens known so far; extended in place.
    """

    def __init__(self, matcher: "LLMatcher", sets: dict[bytes, bytes]) -> None:
        self._matcher, self._sets = matcher, sets

    def allowed(self) -> bytes:
        """The tokens that may come next, a bit each, the lowest first; where the turn may end, its end is among them.

        Raises:
            ConfigError: llguidance cannot follow the grammar any further.
        """
        found = self._matcher.compute_bitmask()
        _check(self._matcher)
        return self._sets.setdefault(found, found)

    def take(self, token: int) -> None:
        """Go on behind a token that was allowed."""
        self._matcher.consume_token(token)


def as_lark(grammar: str) -> str:
    r"""A grammar in the form that llguidance reads, as a single regular expression.

    Rules of several words would be cut into words greedily, the longest first: where both `<action>add</action>` and
    the same with more behind it may come, only the longer one could. No rule refers to itself, so none is needed.

    Args:
        grammar: GBNF text, as `action_grammar` writes it.

    >>> print(as_lark('root ::= "a" some-text?\nsome-text ::= [^<] ("b" | "/"){0,3}\n'))
    start: ROOT
    ROOT : "a" SOME_TEXT?
    SOME_TEXT : /[^<]/ ("b" | "/"){0,3}
    <BLANKLINE>
    """
    return "start: ROOT\n" + _GBNF.sub(_lark, grammar)


def _lark(found: re.Match[str]) -> str:
    said = found[0]
    if said == "::=":
        return ":"
    if said.startswith("["):
        return "/" + said.replace("/", r"\/") + "/"
    return said if said.startswith('"') else said.upper().replace("-", "_")


def vocabulary_of(
    tokens: Sequence[bytes], end: int, marks: Sequence[int], encode: Callable[[str], Iterable[int]]
) -> "LLTokenizer":
    """What a policy can say, as llguidance reads it.

    Args:
        tokens: What each token says, by id.
        end: Id of the token that ends a turn.
        marks: Ids of tokens that say nothing.
        encode: From a text to ids.
    """
    from llguidance import LLTokenizer, TokenizerWrapper

    class Said:
        """What llguidance asks of a tokenizer."""

        eos_token_id, bos_token_id = end, None
        special_token_ids = sorted({end, *marks})

        def __init__(self) -> None:
            self.tokens = tuple(tokens)

        def __call__(self, text: str) -> list[int]:
            return list(encode(text))

    return LLTokenizer(TokenizerWrapper(Said()))


@lru_cache(maxsize=4)
def _vocabulary(tokenizer: Any, width: int, end: int) -> "LLTokenizer":
    """The vocabulary of a tokenizer of transformers.

    llguidance takes every added token in angle brackets for a mark without text. Here only special ones are that; an
    XML tag that is a token of its own is said like any other word.

    Args:
        tokenizer: The policy's.
        width: Logits of its model, which may be more than there are tokens.
        end: Id of the token that ends a turn.
    """
    from llguidance.hf import from_tokenizer

    plain = from_tokenizer(tokenizer, eos_token=end)
    added = {number: token.content.encode() for number, token in tokenizer.added_tokens_decoder.items()}
    said = [
        b"" if number >= len(tokenizer) else added.get(number) or plain.decode_bytes([number])
        for number in range(width)
    ]
    return vocabulary_of(
        said, end, tokenizer.all_special_ids, lambda text: map(int, tokenizer.encode(text, add_special_tokens=False))
    )


@lru_cache(maxsize=256)
def _compiled(vocabulary: "LLTokenizer", grammar: str) -> "LLMatcher":
    from llguidance import LLMatcher

    matcher = LLMatcher(vocabulary, as_lark(grammar), log_level=0)
    _check(matcher)
    return matcher


def _check(matcher: "LLMatcher") -> None:
    if matcher.is_error():
        first = matcher.get_error().partition("\n")[0]
        raise ConfigError(f"the grammar of the legal actions cannot be followed: {first}", "set sampler.grammar=false")
