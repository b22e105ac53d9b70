"""What calls of a language model cost."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Calls, tokens, seconds and money, added up.

    Attributes:
        calls: Requests answered by a model.
        prompt_tokens: Tokens read.
        completion_tokens: Tokens written.
        seconds: Wall time of the calls, added up.
        cost: US dollars; None when the price is unknown, which is not the same as free.
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    cost: float | None = 0.0

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: "Usage") -> "Usage":
        """The sum; an unknown cost makes the sum unknown.

        >>> (Usage(calls=1, cost=0.5) + Usage(calls=2, cost=None)).cost is None
        True
        """
        cost = None if self.cost is None or other.cost is None else self.cost + other.cost
        return Usage(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.seconds + other.seconds,
            cost,
        )


NO_USAGE = Usage()
"""Nothing asked, nothing paid."""
