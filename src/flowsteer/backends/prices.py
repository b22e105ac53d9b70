"""What models cost, in US dollars per million tokens; what is not listed is unknown, which is not the same as free."""

import re
from dataclasses import dataclass

from flowsteer.usage import Usage
from flowsteer.web.hosts import is_here

_LOCAL = frozenset({"llamacpp", "ollama", "vllm", "simulated", "recorded"})


@dataclass(frozen=True, slots=True)
class Price:
    """List price of a model, without discounts for cached prompts, so costs are upper bounds.

    Attributes:
        prompt: US dollars per million tokens read.
        completion: US dollars per million tokens written, thinking included.
        longest: Most prompt tokens this price holds for; longer prompts are dearer by an amount not listed here.
    """

    prompt: float
    completion: float
    longest: int | None = None

    def of(self, usage: Usage) -> float | None:
        """US dollars that a call costs; None where the price does not hold for it.

        >>> Price(1.0, 4.0).of(Usage(1, 1_000_000, 500_000))
        3.0
        """
        if self.longest is not None and usage.prompt_tokens > self.longest:
            return None
        return (usage.prompt_tokens * self.prompt + usage.completion_tokens * self.completion) / 1e6


# Sources: the providers' price pages, as quoted in March and April 2026 (OpenAI, Anthropic, Google).
_PRICES = {
    "openai": {
        "gpt-4.1": Price(2.00, 8.00),
        "gpt-4.1-mini": Price(0.40, 1.60),
        "gpt-4.1-nano": Price(0.10, 0.40),
        "gpt-4o": Price(2.50, 10.00),
        "gpt-4o-2024-05-13": Price(5.00, 15.00),
        "gpt-4o-mini": Price(0.15, 0.60),
        "gpt-5": Price(1.25, 10.00),
        "gpt-5-mini": Price(0.25, 2.00),
        "gpt-5-nano": Price(0.05, 0.40),
        "gpt-5.1": Price(1.25, 10.00),
        "o3": Price(2.00, 8.00),
        "o3-mini": Price(1.10, 4.40),
        "o4-mini": Price(1.10, 4.40),
    },
    "anthropic": {
        "claude-haiku-4-5": Price(1.00, 5.00),
        "claude-opus-4-1": Price(15.00, 75.00),
        "claude-opus-4-5": Price(5.00, 25.00),
        "claude-opus-4-6": Price(5.00, 25.00),
        "claude-opus-4-7": Price(5.00, 25.00),
        "claude-sonnet-4-5": Price(3.00, 15.00, longest=200_000),
        "claude-sonnet-4-6": Price(3.00, 15.00),
    },
    "gemini": {
        "gemini-2.5-flash": Price(0.30, 2.50),
        "gemini-2.5-flash-lite": Price(0.10, 0.40),
        "gemini-2.5-pro": Price(1.25, 10.00, longest=200_000),
    },
}

_SNAPSHOT = re.compile(r"-(?:\d{4}-\d\d-\d\d|\d{8})$")


def is_free(spec: str) -> bool:
    """Whether a backend runs on the user's own machines.

    >>> is_free("llamacpp:smollm2"), is_free("http://127.0.0.1:8000/v1#qwen3"), is_free("openai:gpt-5")
    (True, True, False)
    """
    return spec.partition(":")[0] in _LOCAL or is_here(spec)


def price(spec: str, usage: Usage) -> float | None:
    """US dollars that a call costs, None when the price is unknown.

    Args:
        spec: The backend that was asked. A dated snapshot that is not listed itself costs what the model costs.
        usage: Its tokens.

    >>> price("openai:gpt-4o-mini-2024-07-18", Usage(1, 1_000_000, 1_000_000))
    0.75
    """
    if is_free(spec):
        return 0.0
    preset, _, name = spec.partition(":")
    model, listed = name.removeprefix("models/"), _PRICES.get(preset, {})
    known = listed.get(model) or listed.get(_SNAPSHOT.sub("", model))
    return None if known is None else known.of(usage)
