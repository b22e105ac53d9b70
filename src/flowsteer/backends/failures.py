"""What the SDK raises, as what this package raises.

Nothing raised here carries a key: the key is struck out of every message, a refused key's answer is not repeated,
and the SDK's exception, which holds the request, is not chained.
"""

import email.utils
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn

from flowsteer.backends.limits import Transient
from flowsteer.errors import BackendRejected, BackendUnavailable

if TYPE_CHECKING:
    from openai import APIStatusError

_AGAIN = frozenset({408, 409, 429})
_KEY = frozenset({401, 403})


def explain(error: Exception, *, where: str, key: str, key_env: str) -> NoReturn:
    """Raise the error of this package that an exception of the SDK stands for.

    Args:
        error: What the SDK raised.
        where: The address asked.
        key: The key, to be struck out.
        key_env: The environment variable it came from.

    Raises:
        Transient: It may pass when repeated.
        BackendUnavailable: No request will succeed: the key, the account, the model or the address is wrong.
        BackendRejected: This very request was refused.
    """
    import openai

    if isinstance(error, openai.APIStatusError):
        _explain_status(error, where, key, key_env)
    if isinstance(error, openai.APITimeoutError):
        raise Transient("timed out") from None
    if isinstance(error, openai.APIConnectionError):
        raise Transient(f"no connection ({_clean(_root(error), key)})") from None
    if isinstance(error, (ValueError, openai.APIResponseValidationError)):
        raise Transient("the answer is no whole JSON") from None
    if isinstance(error, openai.APIError):
        raise Transient(_clean(error.message, key)) from None
    raise error


def _explain_status(error: "APIStatusError", where: str, key: str, key_env: str) -> NoReturn:
    status = error.status_code
    said = _clean(_message(error), key)
    if status in _KEY:
        found = "the key of that variable was refused" if key else "that variable is not set"
        raise BackendUnavailable(
            f"{where} answered {status}: no access, {found} ({key_env}).", f"Set {key_env} to a valid key."
        ) from None
    if status == 402 or error.code == "insufficient_quota":
        raise BackendUnavailable(f"{where} answered {status}: {said}", "Top up the account of that key.") from None
    if status == 404:
        raise BackendUnavailable(
            f"{where} answered 404: {said}", "Check the model's name and that the address ends in its /v1."
        ) from None
    if status in _AGAIN or status >= 500:
        raise Transient(f"{status} {said}".strip(), retry_after(error.response.headers)) from None
    raise BackendRejected(f"{where} refused the request ({status}): {said}", "Shorten or change the request.") from None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by a `Retry-After` header, given in seconds or as an HTTP date (RFC 9110, 10.2.3).

    >>> retry_after({"retry-after": "1.5"})
    1.5
    """
    value = headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _message(error: "APIStatusError") -> str:
    """The server's own words, without the SDK's wrapping."""
    if isinstance(error.body, Mapping) and isinstance(error.body.get("message"), str):
        return str(error.body["message"])
    return error.message


def _root(error: BaseException) -> str:
    """The first cause: the operating system's words rather than the SDK's "Connection error."."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return str(error) or type(error).__name__


def _clean(text: str, key: str) -> str:
    text = " ".join(text.replace(key, "***").split() if key else text.split())
    return text if len(text) <= 300 else text[:300] + "…"
