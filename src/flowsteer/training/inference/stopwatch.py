"""A stopwatch for one kind of work, which may overlap with itself."""

from dataclasses import dataclass
from time import perf_counter
from types import TracebackType


@dataclass(slots=True)
class Clock:
    """Seconds in which at least one of its `with` blocks was open.

    Attributes:
        seconds: So far.
    """

    seconds: float = 0.0
    _open: int = 0
    _since: float = 0.0

    def __enter__(self) -> None:
        """Count from now on."""
        if not self._open:
            self._since = perf_counter()
        self._open += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Count no longer, unless another block is open."""
        self._open -= 1
        if not self._open:
            self.seconds += perf_counter() - self._since
