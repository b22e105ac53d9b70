"""The table of known servers: where they are, which key they want, what they can enforce, how they are spoken to.

All speak the OpenAI chat completions protocol, each in its own dialect. A dialect is looked up by preset and model
name and never found by trial and error. Sources: the providers' API references, read November 2026.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from flowsteer.backends.base import Features

_NOTHING = Features()
ALL_SAMPLING = frozenset({"temperature", "top_p", "top_k", "seed"})


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a server takes its parameters.

    Attributes:
        max_tokens: Name of the field that caps new tokens.
        accepts: The sampling fields it takes; others are left out of the request and named in a warning.
        top_k_off: The value that switches top-k off where the server's default is on, else None.
        grammar: The field for a GBNF grammar: `grammar` (llama.cpp), `structured_outputs` (vLLM) or none.
        extra: Fields sent with every request, to switch off defaults that would change the sampling.
    """

    max_tokens: str = "max_tokens"
    accepts: frozenset[str] = frozenset({"temperature", "top_p", "seed"})
    top_k_off: int | None = None
    grammar: Literal["", "grammar", "structured_outputs"] = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


_STANDARD = Dialect()


@dataclass(frozen=True, slots=True)
class Preset:
    """One kind of server.

    Attributes:
        name: The word before the colon of a spec.
        base_url: Where it listens; empty when the spec or this process says so.
        key_env: Environment variable of its key.
        key_required: False where the server can do without.
        features: What it enforces while decoding.
        dialect: How it takes parameters.
        listing: What its `GET /models` is worth: `complete` (a name it lacks is an error), `partial` (asked, but
            unlisted names also work) or `none` (not asked).
        exceptions: Dialects of model families, as (pattern of the name, dialect); the first match counts.
        stream: True where streaming is the better default.
        concurrency: Most requests in flight at once.
    """

    name: str
    base_url: str
    key_env: str
    key_required: bool = True
    features: Features = _NOTHING
    dialect: Dialect = _STANDARD
    listing: Literal["complete", "partial", "none"] = "complete"
    exceptions: tuple[tuple[re.Pattern[str], Dialect], ...] = ()
    stream: bool = False
    concurrency: int = 16

    def dialect_of(self, model: str) -> Dialect:
        """The dialect of one model of this server.

        >>> PRESETS["openai"].dialect_of("o4-mini").accepts
        frozenset()
        """
        return next((dialect for pattern, dialect in self.exceptions if pattern.search(model)), self.dialect)


_SCHEMA = Features(json_schema=True)
_BOTH = Features(json_schema=True, grammar=True)
_OPENAI = Dialect(max_tokens="max_completion_tokens")
_NO_SAMPLING = frozenset[str]()

# Claude refuses temperature together with top_p (4.1 and 4.5), and any sampling field from 4.7 on; it ignores seed
# and response_format on this protocol.
_CLAUDE = Dialect(accepts=frozenset({"temperature"}))
_CLAUDE_FIXED = re.compile(r"claude-(?:\w+-4-(?:[7-9]|\d\d)\b|(?:opus|sonnet|haiku|fable)-[5-9]|mythos)")

# The o-series and gpt-5 (but not its chat variant) refuse every sampling field.
_OPENAI_REASONING = re.compile(r"^(?:o\d|gpt-5(?!.*chat))")

_LISTED = (
    Preset(
        "openai",
        "https://api.openai.com/v1",
        "OPENAI_API_KEY",
        features=_SCHEMA,
        dialect=_OPENAI,
        exceptions=((_OPENAI_REASONING, replace(_OPENAI, accepts=_NO_SAMPLING)),),
    ),
    Preset(
        "anthropic",
        "https://api.anthropic.com/v1",
        "ANTHROPIC_API_KEY",
        dialect=_CLAUDE,
        listing="none",  # its model list wants headers of its own protocol
        exceptions=((_CLAUDE_FIXED, replace(_CLAUDE, accepts=_NO_SAMPLING)),),
    ),
    Preset(
        "gemini",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "GEMINI_API_KEY",
        features=_SCHEMA,
        dialect=Dialect(accepts=frozenset({"temperature", "top_p"})),
    ),
    Preset(
        "deepseek",
        "https://api.deepseek.com/v1",
        "DEEPSEEK_API_KEY",
        dialect=Dialect(accepts=frozenset({"temperature", "top_p"})),
    ),
    Preset("xai", "https://api.x.ai/v1", "XAI_API_KEY", features=_SCHEMA, dialect=_OPENAI, listing="partial"),
    Preset(
        "qwen",
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        "DASHSCOPE_API_KEY",
        dialect=Dialect(accepts=ALL_SAMPLING),
        listing="none",
        stream=True,  # its thinking models answer in no other way
    ),
    Preset(
        "openrouter",
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
        dialect=Dialect(accepts=ALL_SAMPLING),
        listing="partial",  # routing suffixes such as :nitro are not listed
    ),
    Preset(
        "ollama",
        "http://127.0.0.1:11434/v1",
        "OLLAMA_API_KEY",
        key_required=False,
        features=_SCHEMA,
        concurrency=4,
    ),
    Preset(
        "vllm",
        "http://127.0.0.1:8000/v1",
        "VLLM_API_KEY",
        key_required=False,
        features=_BOTH,
        dialect=Dialect(accepts=ALL_SAMPLING, top_k_off=-1, grammar="structured_outputs", extra={"min_p": 0.0}),
        concurrency=64,
    ),
    Preset(
        "llamacpp",
        "",
        "FLOWSTEER_API_KEY",
        key_required=False,
        features=_BOTH,
        dialect=Dialect(
            accepts=ALL_SAMPLING, top_k_off=0, grammar="grammar", extra={"min_p": 0.0, "cache_prompt": True}
        ),
        listing="partial",  # it answers to any name
        stream=True,  # it notices a cancelled request only while it streams, and else decodes on to the end
        concurrency=2,
    ),
)

PRESETS: Mapping[str, Preset] = {preset.name: preset for preset in _LISTED}
"""Every named server, by the word before the colon."""

SERVER = Preset("http", "", "FLOWSTEER_API_KEY", key_required=False)
"""A server given by its URL, before it has said what it is."""

_OWNERS = {"llamacpp": "llamacpp", "vllm": "vllm", "library": "ollama"}


def recognise(preset: Preset, owners: frozenset[str]) -> Preset:
    """What a server given by URL is, by the `owned_by` of its model list.

    Args:
        preset: What is known so far.
        owners: The values of `owned_by` in the answer to `GET /models`.

    Returns:
        The same address and key with the features and dialect of the kind of server it says it is.
    """
    kind = next((_OWNERS[owner] for owner in sorted(owners) if owner in _OWNERS), None)
    if preset.name != SERVER.name or kind is None:
        return preset
    known = PRESETS[kind]
    return replace(known, base_url=preset.base_url, key_env=preset.key_env)
