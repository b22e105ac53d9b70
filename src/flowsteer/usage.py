"""What calls of a language model cost."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Calls, tokens, seconds and money, added up.

    Attributes:
        calls: Requests answered by a model.
        prompt_tokens: Tokens read; 0 where they were not told (`counted`).
        completion_tokens: Tokens written; likewise.
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

    @property
    def counted(self) -> bool:
        """Whether the tokens of a call were told: no model answers without having read one.

        >>> Usage(1, 8, 0).counted, Usage(1, 0, 0).counted, NO_USAGE.counted
        (True, False, True)
        """
        return self.prompt_tokens > 0 or not self.calls

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

    def __sub__(self, other: "Usage") -> "Usage":
        """What is left of it without another; an unknown cost makes that unknown.

        >>> Usage(calls=3, cost=0.5) - Usage(calls=1, cost=0.25)
        Usage(calls=2, prompt_tokens=0, completion_tokens=0, seconds=0.0, cost=0.25)
        """
        return self + Usage(
            -other.calls,
            -other.prompt_tokens,
            -other.completion_tokens,
            -other.seconds,
            None if other.cost is None else -other.cost,
        )


NO_USAGE = Usage()
"""Nothing asked, nothing paid."""
