"""Requests that get no answer: the status, and what is said in OpenAI's shape of an error."""

import re
from typing import Any

from flowsteer.errors import (
    BackendUnavailable,
    BudgetExceeded,
    ConfigError,
    FlowSteerError,
    SandboxError,
    WorkflowError,
)
from flowsteer.unicode import sound

JSON = dict[str, Any]

GONE = 499
"""Status of a request whose client went away before it was answered: nobody reads it, the figures count it."""

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error", 504: "timeout_error"}


class RequestRefused(FlowSteerError):
    """A request that is not answered as asked.

    Args:
        status: The HTTP status.
        code: A short stable word for programs.
        message: What was found and what was expected.
        hint: What to do next.
        param: The field of the body that is meant, if one is.
        kind: OpenAI's `type`; what fits the status without it.
        retry: Whether the same request may well be answered a little later.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        hint: str = "",
        *,
        param: str = "",
        kind: str = "",
        retry: bool = False,
    ) -> None:
        super().__init__(message, hint)
        self.status, self.code, self.param, self.retry = status, code, param, retry
        self.kind = kind or _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")

    @property
    def body(self) -> JSON:
        """What the client reads; of what it said, which an error may quote, that which UTF-8 can hold.

        >>> RequestRefused(404, "model_not_found", "no x", param="model").body["error"]["type"]
        'invalid_request_error'
        """
        message = sound(f"{self.message}; try: {self.hint}" if self.hint else self.message)
        return {"error": {"message": message, "type": self.kind, "param": sound(self.param) or None, "code": self.code}}

    @property
    def headers(self) -> dict[str, str]:
        """Whether OpenAI's clients, which ask again by themselves, should; an episode is too dear to do it blindly."""
        if self.status == 401:
            return {"WWW-Authenticate": "Bearer"}
        return {"Retry-After": "1"} if self.retry else {"x-should-retry": "false"}


def refusal_of(error: BaseException) -> RequestRefused:
    """What a client is told of an error; of one that nobody had foreseen, its class alone.

    >>> refusal_of(KeyError("secret")).body["error"]["message"]
    "an unexpected error (KeyError); the server's log says more"
    """
    if isinstance(error, RequestRefused):
        return error
    if not isinstance(error, FlowSteerError):
        name = type(error).__name__
        return RequestRefused(500, "internal_error", f"an unexpected error ({name}); the server's log says more")
    code, kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower(), ""
    if isinstance(error, ConfigError | WorkflowError):
        status = 400
    elif isinstance(error, BudgetExceeded):
        status, kind = 429, "insufficient_quota"
    else:
        status = 503 if isinstance(error, BackendUnavailable | SandboxError) else 500
    return RequestRefused(status, code, error.message, error.hint, kind=kind)
