"""Keys where they do not belong: specs of backends are written into records, so none may hold one."""

import re
from collections.abc import Mapping

from flowsteer.errors import ConfigError

_URL = re.compile(r"(?:\w+:)?https?:\S+", re.IGNORECASE)  # also behind `director:`
_IN_ADDRESS = re.compile(r":/*[^/#]*@|[?;]")  # user and password, a query, parameters
_NAMED = re.compile(r"(?:key|token|secret|password|auth)=", re.IGNORECASE)
# Forms of keys: OpenAI, Anthropic, OpenRouter, DeepSeek; Groq, Hugging Face, Replicate; xAI, NVIDIA, Perplexity;
# Google.
_KEY = re.compile(
    r"(?<![A-Za-z0-9])(?:sk-[\w-]{16,}|(?:gsk|hf|r8)_[A-Za-z0-9]{20,}|(?:xai|nvapi|pplx)-[\w-]{20,}|AIza[\w-]{30,})"
)


def refuse_key(spec: str) -> None:
    """Refuse a backend's spec that holds a key, or a place for one; the error does not repeat it.

    Raises:
        ConfigError: It does.
    """
    address, _, _ = spec.partition("#")
    is_url = _URL.fullmatch(spec) is not None
    if _KEY.search(spec) or (is_url and (_IN_ADDRESS.search(address) or _NAMED.search(spec))):
        raise ConfigError(
            "A backend's spec may hold no user, password or query, and no key, since specs are written into records.",
            "Put the key into its variable (flowsteer backends lists them); for a URL that is FLOWSTEER_API_KEY.",
        )


def refuse_keys(settings: object) -> None:
    """Refuse settings of which any part that reads like a backend's spec holds a key.

    Args:
        settings: JSON values. Text with blanks, such as a question, is no spec.

    Raises:
        ConfigError: One does.
    """
    if isinstance(settings, Mapping):
        settings = list(settings.values())
    if isinstance(settings, (list, tuple)):
        for part in settings:
            refuse_keys(part)
    elif isinstance(settings, str) and re.fullmatch(r"[\w+.-]+:\S+", settings):
        refuse_key(settings)
