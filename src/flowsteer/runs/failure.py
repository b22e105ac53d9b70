"""What went wrong, as data: a failed node, an episode that broke off, a grader that could not decide."""

from dataclasses import dataclass
from traceback import format_exception

from flowsteer.errors import FlowSteerError
from flowsteer.unicode import make_sound

UNEXPECTED = "unexpected"
"""The kind of a failure that nobody had foreseen: a fault of an operator's or a grader's own code, not of a model."""


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
    return Failure(UNEXPECTED, f"{name}: {error}", name, place, "".join(format_exception(error)))


def failure_of(error: FlowSteerError) -> Failure:
    """A failure out of an exception that is raised on purpose; its kind is the name of its class.

    >>> failure_of(FlowSteerError("no answer within 60 s"))
    Failure(kind='FlowSteerError', message='no answer within 60 s', error='FlowSteerError', place='', trace='')
    """
    name = type(error).__name__
    return Failure(name, str(error), name)
