"""A chat completion as servers really send it, whole or in pieces, read into one record."""

from collections.abc import Iterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Any, Literal

from flowsteer.backends.base import MOST_CHARACTERS
from flowsteer.backends.body import DONE, Body
from flowsteer.backends.failures import Fault, error_in, said
from flowsteer.unicode import sound

MOST_NAME = 200
"""Most characters of a model's name."""

_MOST_TOKENS = 10**9
_NO_REASON = frozenset({"", "null", "none"})
_CUT = frozenset({"length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded"})
_WITHHELD = frozenset(
    {"content_filter", "safety", "refusal", "recitation", "blocklist", "prohibited_content", "spii", "sensitive"}
)
_BROKEN = frozenset(
    {"error", "abort", "aborted", "cancelled", "canceled", "timeout", "network_error", "insufficient_system_resource"}
)
_REASONING = ("reasoning_content", "reasoning", "thinking")  # llama.cpp, DeepSeek; vLLM, OpenRouter; Ollama
_DEEPEST = 8  # content parts inside content parts


@dataclass(frozen=True, slots=True)
class Answer:
    """What came over the wire.

    Attributes:
        text: The reply.
        reasoning: Thinking returned apart from it.
        model: The model the server names.
        finish: Why it ended.
        prompt_tokens: Tokens read, None when the server does not say.
        completion_tokens: Tokens written, None when the server does not say.
    """

    text: str
    reasoning: str
    model: str
    finish: Literal["stop", "length"]
    prompt_tokens: int | None
    completion_tokens: int | None


class Completion:
    """Gathers an answer from the bytes of a body.

    A whole completion is read as a stream of one piece, so both are read alike. Of several choices the first is taken.
    What is not as the protocol has it is read for what it means; nothing is guessed. What any method raises is a
    `Fault`: the body is no completion, or holds an error.

    Attributes:
        refused: Whether the server said an error instead of a reply.
    """

    def __init__(self) -> None:
        self._body = Body()
        self._text, self._reasoning, self._refusal = _Pieces(), _Pieces(), _Pieces()
        self._index = 0
        self._chosen = self._done = False
        self.refused = False
        self._finish = self._model = ""
        self._tokens: dict[str, int] = {}
        self._other: object = ""  # the last document without a choice: it may say why there is none

    @property
    def over(self) -> bool:
        """Whether nothing that may still come counts: the server has said that it is done, or the reply is full."""
        return self._done or self._full

    @property
    def ended(self) -> bool:
        """Whether the reply has come to its end, as the server said in it."""
        return bool(self._finish)

    @property
    def _full(self) -> bool:
        return max(self._text.size, self._reasoning.size) > MOST_CHARACTERS

    def feed(self, chunk: bytes) -> None:
        """Read some more bytes."""
        for document in self._body.feed(chunk):
            self._add(document)

    def answer(self) -> Answer:
        """The answer, now that no more bytes come or are wanted."""
        if not self.over:
            with suppress(Fault) if self.ended else nullcontext():
                for document in self._body.end():
                    self._add(document)
        if not self._chosen:
            raise Fault(f"no chat completion in the answer: {said(self._other) or 'it is empty'}")
        if not self.over and not self._finish:
            raise Fault(f"the stream was cut after {self._text.size} characters")
        return Answer(
            str(self._text),
            str(self._reasoning),
            self._model,
            self._ended() if self._done or self._finish else "length",
            self._tokens.get("prompt_tokens"),
            self._tokens.get("completion_tokens"),
        )

    def _add(self, document: object) -> None:
        if document is DONE:
            self._done = True
            return
        if isinstance(document, list) and document:
            document = document[0]
        if error := error_in(document):
            self.refused = not self._chosen
            raise error
        choice = None
        if isinstance(document, Mapping):
            self._model = _name(document.get("model")) or self._model
            self._count(document.get("usage"))
            choice = self._choose(document.get("choices"))
        if choice is None:
            self._other = document
        else:
            self._take(choice)

    def _choose(self, choices: object) -> Mapping[str, Any] | None:
        """The choice that is read: the one of index 0, or the first that came."""
        listed = choices if isinstance(choices, list) else [choices]
        found = [choice for choice in listed if isinstance(choice, Mapping)]
        if found and not self._chosen:
            self._chosen = True
            self._index = min((_index(choice) for choice in found), key=lambda index: index != 0)
        return next((choice for choice in found if _index(choice) == self._index), None)

    def _take(self, choice: Mapping[str, Any]) -> None:
        if error := error_in(choice):
            raise error
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason.strip().lower() not in _NO_REASON:
            self._finish = reason.strip()
        message = choice.get("message") or choice.get("delta")
        if isinstance(message, Mapping):
            self._refusal.add(_text(message.get("refusal")))
            self._reasoning.add(next(filter(None, (_text(message.get(name)) for name in _REASONING)), ""))
            message = message.get("content")
        for thinks, text in _texts(message or choice.get("text")):
            (self._reasoning if thinks else self._text).add(text)

    def _count(self, usage: object) -> None:
        """Book token counts; they only grow, so a zero that comes last is none.

        Some servers, such as Google's and xAI's, count thinking in the total alone: what was not read was written.
        """
        if not isinstance(usage, Mapping):
            return
        counts = {name: _whole_number(usage.get(name)) for name in ("prompt_tokens", "completion_tokens")}
        read, total = counts["prompt_tokens"], _whole_number(usage.get("total_tokens"))
        if read and total and total > read:
            counts["completion_tokens"] = max(counts["completion_tokens"] or 0, total - read)
        for name, count in counts.items():
            if count is not None:
                self._tokens[name] = max(count, self._tokens.get(name, 0))

    def _ended(self) -> Literal["stop", "length"]:
        """Why the reply ended. A whole reply is a whole reply, whatever its server calls that."""
        reason = self._finish.lower()
        if self._refusal.size:
            raise Fault(f"the model refused: {self._refusal}", 422)
        if reason in _WITHHELD:
            raise Fault(f"the content filter withheld the reply (finish_reason {self._finish!r})", 422)
        if reason in _BROKEN:
            raise Fault(f"the reply broke off (finish_reason {self._finish!r})")
        return "length" if reason in _CUT else "stop"


class _Pieces:
    """Text that grows."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self.size = 0

    def __str__(self) -> str:
        return "".join(self._pieces)

    def add(self, piece: str) -> None:
        self._pieces.append(piece)
        self.size += len(piece)


def _text(value: object) -> str:
    return "".join(text for _, text in _texts(value))


def _texts(value: object, *, thinks: bool = False, depth: int = 0) -> Iterator[tuple[bool, str]]:
    """The texts of a content, each with whether it is thinking: a string, or parts of any of the usual shapes."""
    if depth > _DEEPEST:
        return
    if isinstance(value, str):
        yield thinks, value
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part, thinks=thinks, depth=depth + 1)
    elif isinstance(value, Mapping):
        thinks = thinks or value.get("type") in ("thinking", "reasoning")
        for name in ("text", "content", "value", "parts"):
            yield from _texts(value.get(name), thinks=thinks, depth=depth + 1)
        for name in ("thinking", "reasoning", "summary"):
            yield from _texts(value.get(name), thinks=True, depth=depth + 1)


def _index(choice: Mapping[str, Any]) -> int:
    index = choice.get("index")
    return index if isinstance(index, int) else 0


def _name(value: object) -> str:
    return sound(value)[:MOST_NAME] if isinstance(value, str) else ""


def _whole_number(value: object) -> int | None:
    """A count of tokens, also as `3.0` or `"3"`; None for what is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < len(str(_MOST_TOKENS)):
        return int(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS:
        return int(value) if value == int(value) else None
    return None
