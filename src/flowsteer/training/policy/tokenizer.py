"""The tokenizer of the tiny policy: byte-level BPE trained on the action language, each XML tag one token."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flowsteer.director.forms import WORDS
from flowsteer.director.parse import THINKING
from flowsteer.training.policy.view import END

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD = "<pad>"
SIZE = 640
"""Most tokens; bytes, tags and two marks take 288 of them."""

TAGS: tuple[str, ...] = tuple(mark for tag in (*WORDS, *THINKING) for mark in (f"<{tag}>", f"</{tag}>"))
"""Every tag of the action language, opening and closing."""


def train_tokenizer(corpus: Iterable[str], size: int = SIZE) -> "PreTrainedTokenizerFast":
    """Train a tokenizer; the same corpus gives the same one, in any order of its lines.

    Any text can be said in it, byte by byte if need be, and decoding gives back exactly what was encoded.

    Args:
        corpus: Texts such as the policy will read and write.
        size: Most tokens.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    words = pre_tokenizers.Split(Regex(r" ?\w+|\s|[^\w\s]"), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    marks = [PAD, END, *TAGS]
    tokenizer.add_tokens([AddedToken(mark, normalized=False, special=False) for mark in marks])
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(marks), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(sorted(corpus), trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, clean_up_tokenization_spaces=False
    )
