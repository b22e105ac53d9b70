"""What went wrong, as data: a failed node, an episode that broke off, a grader that could not decide."""

from dataclasses import dataclass
from traceback import format_exception

from flowsteer.errors import FlowSteerError
from flowsteer.unicode import make_sound

UNEXPECTED = "unexpected"
"""The kind of a failure that nobody had foreseen: a fault of an operator's or a grader's own code, not of a model."""

MAX_TRACE = 8000
"""Most characters of a message or a traceback that are kept: a deep recursion has a trace of tens of thousands."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something failed.

    Attributes:
        kind: A short stable word for statistics.
        message: A sentence for people.
        error: Class of the exception, such as `BackendUnavailable` or `KeyError`; empty if it was none.
        place: Where it was raised, such as the grader of a dataset; empty where the record that holds this says it.
        trace: Traceback of an error that nobody had foreseen; empty for one that is raised on purpose.
    """

    kind: str
    message: str
    error: str = ""
    place: str = ""
    trace: str = ""

    def __post_init__(self) -> None:
        make_sound(self, "kind", "message", "error", "place", "trace")  # exceptions quote what models and programs say


def unexpected(error: Exception | SystemExit, place: str) -> Failure:
    """A failure out of an exception that is none of this package's own: it is a fault of the code at `place`.

    >>> found = unexpected(KeyError("unit"), "operator Convert")
    >>> found.kind, found.message, found.place
    ('unexpected', "KeyError: 'unit'", 'operator Convert')
    """
    name = type(error).__name__
    return Failure(UNEXPECTED, _kept(f"{name}: {error}"), name, place, _kept("".join(format_exception(error))))


def _kept(text: str) -> str:
    """A text, or the two ends of a long one: a traceback begins at the caller and ends with what went wrong."""
    half = MAX_TRACE // 2
    return text if len(text) <= MAX_TRACE else f"{text[:half]}\n[…]\n{text[-half:]}"


def failure_of(error: FlowSteerError) -> Failure:
    """A failure out of an exception that is raised on purpose; its kind is the name of its class.

    >>> failure_of(FlowSteerError("no answer within 60 s"))
    Failure(kind='FlowSteerError', message='no answer within 60 s', error='FlowSteerError', place='', trace='')
    """
    name = type(error).__name__
    return Failure(name, str(error), name)
