"""What a server says or does wrong, as what this package raises.

Nothing raised here carries a key: the key is struck out of every message, and the answer to a wrong key (401) is not
repeated.
"""

import email.utils
import json
import re
import time
from collections.abc import Mapping
from typing import Any, NoReturn

from flowsteer.backends.limits import Transient
from flowsteer.errors import BackendRejected, BackendUnavailable, ContextExceeded
from flowsteer.unicode import sound

_AGAIN = frozenset({408, 409, 425, 429})
_FULL, _BRIEF = 2000, 300  # characters of a message: of one that is told once, and of one in a list of attempts
_DEEPEST = 8  # no server wraps its words deeper
_WORDS = ("error", "message", "detail")
_TOO_LONG = re.compile(
    r"context[ _](?:length|size|window)|maximum (?:context|model) length|prompt is too long|input token count"
    r"|reduce the length of the messages",
    re.IGNORECASE,
)
"""How servers word it: OpenAI, OpenRouter, Mistral; vLLM; llama.cpp; Anthropic; Google; Groq."""

_FLAGGED = re.compile(
    r"moderation|content[ _](?:policy|filter|violates)|(?:input|prompt|content|request) (?:was|is|has been) flagged",
    re.IGNORECASE,
)
"""How servers word it that they will not answer this question: OpenRouter; OpenAI; xAI."""

# Words that servers write where a status belongs: OpenAI, Anthropic, Google, OpenRouter.
_STATUS_OF = {
    "insufficient_quota": 402,
    "billing_error": 402,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "resource_exhausted": 429,
    "invalid_request_error": 400,
    "invalid_argument": 400,
    "context_length_exceeded": 400,
    "exceed_context_size_error": 400,
    "content_policy_violation": 400,
    "request_too_large": 413,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "unauthenticated": 401,
    "permission_error": 403,
    "permission_denied": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "not_found": 404,
}


class Fault(Exception):
    """A server did not answer with a chat completion.

    Args:
        words: What it said, or what is wrong with its answer.
        status: The HTTP status, or the one that an error in the body stands for; None where there is none, and it may
            pass.
        wait: Seconds the server asks to wait, if it does.
    """

    def __init__(self, words: str, status: int | None = None, wait: float | None = None) -> None:
        super().__init__(words)
        self.words = words
        self.status = status
        self.wait = wait

    @property
    def loading(self) -> bool:
        """Whether the server is up and its model not yet."""
        return self.status == 503 and "loading" in self.words.lower()

    @property
    def too_long(self) -> bool:
        """Whether prompt and reply do not fit the model's context. llama.cpp has said so by 400 and by 500."""
        return self.status in (None, 400, 413, 422, 500) and _TOO_LONG.search(self.words) is not None

    @property
    def flagged(self) -> bool:
        """Whether the question is what is forbidden, and not access to the model."""
        return self.status == 403 and _FLAGGED.search(self.words) is not None


def fault_of(status: int, body: object, headers: Mapping[str, str]) -> Fault:
    """The fault of an answer whose status is an error."""
    words = f"{status} {said(body)}".strip()
    inside = error_in(body)
    if inside is not None and inside.status == 402:  # a spent account often comes as 429, which waiting cannot mend
        return Fault(words, 402)
    return Fault(words, status, retry_after(headers) or (inside.wait if inside else None))


def error_in(body: object) -> Fault | None:
    """The error that a body or a choice holds, by its own code; None if it holds none."""
    if isinstance(body, list) and body:
        body = body[0]  # Gemini's way
    if not isinstance(body, Mapping):
        return None
    error = body.get("error") or (body if "error" in (body.get("object"), body.get("type")) else None)
    if not error:
        return None
    holders = [holder for holder in (error, body) if isinstance(holder, Mapping)]
    named = [_status(holder.get(name)) for name in ("code", "type", "status") for holder in holders]
    status = next(filter(None, named), None)
    return Fault(said(error), status, _retry_delay(error))


def explain_fault(fault: Fault, *, where: str, key: str, key_env: str) -> NoReturn:
    """Raise the error of this package that a fault stands for.

    Args:
        fault: The fault.
        where: The address asked.
        key: The key, to be struck out.
        key_env: The environment variable it came from.

    Raises:
        Transient: It may pass when repeated.
        BackendUnavailable: No request will succeed: the key, the account, the model or the address is wrong.
        ContextExceeded: This very request is longer than the model's context.
        BackendRejected: This very request was refused.
    """
    status, words = fault.status, _clean(fault.words, key)
    if fault.too_long:
        raise ContextExceeded(
            f"{where} refused the request: {words}", "Shorten the request, or give the model a longer context."
        ) from None
    if status == 401:
        found = "the key of that variable was refused" if key else "that variable is not set"
        raise BackendUnavailable(
            f"{where} answered {status}: no access, {found} ({key_env}).", f"Set {key_env} to a valid key."
        ) from None
    if status == 403 and not fault.flagged:
        asked = f"with the key of {key_env}" if key else f"without a key, {key_env} is not set"
        raise BackendUnavailable(
            f"{where} answered {words} (asked {asked})", f"Check what that key may use, or set {key_env} to another."
        ) from None
    if status == 402:
        raise BackendUnavailable(f"{where} answered {words}", "Top up the account of that key.") from None
    if status == 404:
        raise BackendUnavailable(
            f"{where} answered {words}", "Check the model's name and that the address ends in its /v1."
        ) from None
    if status is None or status in _AGAIN or status >= 500:
        raise Transient(_cut(words, _BRIEF), fault.wait, loading=fault.loading) from None
    raise BackendRejected(f"{where} refused the request: {words}", "Shorten or change the request.") from None


def explain_connection(error: Exception, key: str) -> NoReturn:
    """Raise a connection that is missing, or broke, as `Transient`."""
    raise Transient(f"no connection ({_cut(_clean(_root(error), key), _BRIEF)})") from None


def said(body: object) -> str:
    """A server's own words, wherever in a body it puts them.

    >>> said({"error": {"message": "slow down"}}), said({"detail": "no"}), said({"error": "gone"})
    ('slow down', 'no', 'gone')
    """
    for _ in range(_DEEPEST):
        if isinstance(body, list) and len(body) == 1:
            body = body[0]
        elif isinstance(body, Mapping) and len(words := [body[name] for name in _WORDS if body.get(name)]) == 1:
            body = words[0]
        else:
            break
    if isinstance(body, str):
        return body
    try:
        return json.dumps(body, ensure_ascii=False)
    except RecursionError:
        return "something nested too deep"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by `retry-after-ms`, or by `Retry-After` in seconds or as an HTTP date (RFC 9110, 10.2.3).

    >>> retry_after({"retry-after": "1.5"}), retry_after({"retry-after": "20", "retry-after-ms": "300"})
    (1.5, 0.3)
    """
    exact = _seconds(headers.get("retry-after-ms", "") + "ms")
    value = headers.get("retry-after", "").strip()
    found = _seconds(value) if exact is None else exact
    if found is not None:
        return found
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _seconds(text: str) -> float | None:
    """A span such as `2`, `2s` or `300ms`; None for what is none."""
    match = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{0,12})?)\s*(ms|s)?\s*", text, re.ASCII)
    return None if match is None else float(match[1]) / (1000.0 if match[2] == "ms" else 1.0)


def _retry_delay(error: object) -> float | None:
    """Seconds to wait by an error object of Google's (google.rpc.RetryInfo)."""
    details: Any = error.get("details") if isinstance(error, Mapping) else None
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, Mapping) and isinstance(detail.get("retryDelay"), str):
            return _seconds(detail["retryDelay"])
    return None


def _status(code: object) -> int | None:
    """The status that a code stands for: a number, its digits or a word."""
    if isinstance(code, str):
        word = code.strip().lower()
        code = int(word) if re.fullmatch("[45][0-9]{2}", word) else _STATUS_OF.get(word)
    return code if type(code) is int and 400 <= code < 600 else None


def _root(error: BaseException) -> str:
    """The first cause: the operating system's words rather than the client's "All connection attempts failed"."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return str(error) or type(error).__name__


def _clean(text: str, key: str) -> str:
    return _cut(" ".join(sound(text.replace(key, "***") if key else text).split()), _FULL)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + "…"
