"""The one protocol between this package and any LLM."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

from annotated_types import Ge, Gt, Le

from flowsteer.draft import EMPTY, Draft
from flowsteer.task import Task
from flowsteer.unicode import make_sound
from flowsteer.usage import NO_USAGE, Usage

__all__ = [
    "MOST_CHARACTERS",
    "NO_USAGE",
    "Backend",
    "Features",
    "Message",
    "Origin",
    "Reply",
    "Request",
    "Sampling",
    "SamplingSettings",
    "Usage",
    "payee",
]


MOST_CHARACTERS = 1_000_000
"""Most characters of a reply, and of its reasoning: some 250,000 tokens, more than models write at once. What is longer
is cut there."""


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message.

    Attributes:
        role: Who wrote it: `system`, `user` or `assistant`.
        content: Its text.
    """

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """How tokens are drawn.

    Attributes:
        temperature: 0 is greedy.
        top_p: 1.0 is off.
        top_k: 0 is off.
        max_tokens: Most new tokens.
    """

    temperature: Annotated[float, Ge(0)] = 0.0
    top_p: Annotated[float, Gt(0), Le(1)] = 1.0
    top_k: Annotated[int, Ge(0)] = 0
    max_tokens: Annotated[int, Ge(1)] = 1024

    def seeded(self, seed: int | None) -> "Sampling":
        """The sampling of one draw."""
        return Sampling(self.temperature, self.top_p, self.top_k, self.max_tokens, seed)


@dataclass(frozen=True, slots=True)
class Sampling(SamplingSettings):
    """How the tokens of one call are drawn.

    Attributes:
        seed: Seed where the backend takes one, else None.
    """

    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asks, and about what; an LLM sees none of it.

    Accounting reads the role; the simulated executor reads the rest.

    Attributes:
        role: `director` or `executor`.
        task: The task at hand.
        operator: The asking operator, empty for a Director.
        category: That operator's category.
        draft: What that operator reads.
        prompt: The Director's instruction to it.
        sample: Which draw of an otherwise equal call this is.
    """

    role: str
    task: Task
    operator: str = ""
    category: str = ""
    draft: Draft = EMPTY
    prompt: str = ""
    sample: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a backend.

    Attributes:
        messages: The conversation, oldest first.
        sampling: How to draw.
        json_schema: The reply must be JSON of this schema, where the backend can enforce it.
        grammar: The reply must match this GBNF grammar, where the backend can enforce it.
        origin: Who asks.
    """

    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    json_schema: Mapping[str, Any] | None = None
    grammar: str | None = None
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a backend answered: text that can be written down and is of bounded length, whoever made the record.

    Half characters and NULs are replaced by U+FFFD, and text is cut at `MOST_CHARACTERS`, when the record is made:
    from the wire, a cache, a pack or a backend of a user's own alike.

    Attributes:
        text: The reply, without reasoning.
        usage: What it cost when the model was asked, also if it comes from the cache now, so that an episode's
            figures do not depend on what had been asked before. What is paid now is the budget's affair.
        model: The model name the server reports.
        finish: `stop`, or `length` when it was cut at `max_tokens` or at `MOST_CHARACTERS`.
        reasoning: Thinking that the server returned apart.
        cached: True if it was kept, in the response cache or a pack, and is not paid for now.
    """

    text: str
    usage: Usage
    model: str
    finish: Literal["stop", "length"] = "stop"
    reasoning: str = ""
    cached: bool = False

    def __post_init__(self) -> None:
        if len(self.text) > MOST_CHARACTERS:
            object.__setattr__(self, "finish", "length")
        for name in ("text", "reasoning"):
            object.__setattr__(self, name, getattr(self, name)[:MOST_CHARACTERS])
        make_sound(self, "text", "reasoning", "model")


@dataclass(frozen=True, slots=True)
class Features:
    """What a backend can do.

    Attributes:
        json_schema: Whether it enforces a schema while decoding.
        grammar: Whether it enforces a GBNF grammar while decoding.
        context: Most tokens of prompt and reply together; 0 where the server does not tell.
        own_draws: Whether equal calls are separate draws by `Origin.sample`, at any temperature: a simulated world's.
    """

    json_schema: bool = False
    grammar: bool = False
    context: int = 0
    own_draws: bool = False


class Backend(Protocol):
    """An LLM that answers requests.

    Implementations are safe to call concurrently from one event loop and keep their own limits.
    """

    @property
    def spec(self) -> str:
        """The string that names this backend, such as `openai:gpt-5-mini`. It holds no key."""
        ...

    @property
    def features(self) -> Features:
        """What it can enforce."""
        ...

    async def complete(self, request: Request) -> Reply:
        """Answer one request.

        Raises:
            BackendUnavailable: Unreachable, timed out or still failing after the retries.
            BackendRejected: This request was refused; `ContextExceeded` if it is too long for the model.
        """
        ...

    async def aclose(self) -> None:
        """Release connections, processes and memory."""
        ...


def payee(backend: Backend) -> str:
    """The spec of the model that is paid for what a backend answers: its own, unless it asks another (`payee`)."""
    return str(getattr(backend, "payee", backend.spec))
