"""Which backend a spec that names none was probably meant to be."""

import re

from flowsteer.backends.models import MODELS
from flowsteer.backends.presets import PRESETS
from flowsteer.suggestions import nearest

_MAKERS = (
    (re.compile(r"gpt-|chatgpt-|o\d(-|$)"), "openai"),
    (re.compile(r"claude-"), "anthropic"),
    (re.compile(r"gemini-"), "gemini"),
    (re.compile(r"deepseek-"), "deepseek"),
    (re.compile(r"grok-"), "xai"),
    (re.compile(r"qwen-"), "qwen"),
)
"""How the names of a provider's models begin."""

BACKEND_SCHEMES = ("http", "https", "recorded", "simulated", *PRESETS)
"""What can stand before the colon."""


def likely_spec(spec: str) -> str:
    """The spec that a mistyped one was probably meant to be; empty if none is near.

    >>> likely_spec("openai/gpt-4o-mini"), likely_spec("gpt-4o"), likely_spec("opnai:gpt-4o"), likely_spec("poem")
    ('openai:gpt-4o-mini', 'openai:gpt-4o', 'openai:gpt-4o', '')
    """
    scheme, separator, model = spec.partition(":" if ":" in spec else "/")
    if separator:
        meant = nearest(scheme, BACKEND_SCHEMES)
        return f"{meant}:{model}" if meant and f"{meant}:{model}" != spec else ""
    if spec in MODELS:
        return f"llamacpp:{spec}"
    maker = next((name for pattern, name in _MAKERS if pattern.match(spec)), "")
    if maker:
        return f"{maker}:{spec}"
    meant = nearest(spec, BACKEND_SCHEMES)
    return f"{meant}:{'' if meant == 'simulated' else 'MODEL'}" if meant else ""
