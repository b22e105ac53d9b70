"""An event loop whose clock stands still while the loop does: limits of time count what was waited, nothing else.

A training run turns its loop for each step's episodes and lets it rest while the learner computes. Episodes that are
played ahead (`update.staleness`) are under way meanwhile; on an ordinary loop the learner's seconds would count against
their limits, and a reply that had come long ago would be taken for one that never came.
"""

import sys

if sys.platform == "win32":
    from asyncio import ProactorEventLoop as EventLoop
else:
    from asyncio import SelectorEventLoop as EventLoop


class RestingLoop(EventLoop):
    """For `asyncio.Runner(loop_factory=RestingLoop)`."""

    def __init__(self) -> None:
        self._rested, self._left = 0.0, 0.0
        super().__init__()

    def time(self) -> float:
        """Seconds in which the loop was turning, from any point."""
        return super().time() - self._rested

    def run_forever(self) -> None:
        """Turn until stopped; the time since it last did does not count."""
        if self._left:
            self._rested += super().time() - self._left
        try:
            super().run_forever()
        finally:
            self._left = super().time()
