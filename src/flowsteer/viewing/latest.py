"""A value that takes long to make, made anew in a thread when what it is made of has changed."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """The latest value.

    Args:
        make: Makes it.
        first: Stands for it until it is made for the first time.
    """

    def __init__(self, make: Callable[[], T], first: T) -> None:
        self._make, self._value = make, first
        self._lock = threading.Lock()
        self._key: object = None
        self._thread: threading.Thread | None = None

    def of(self, key: object, seconds: float) -> tuple[T, bool]:
        """The value, as far as it is made.

        Args:
            key: What it is made of; it is made anew when that is another one.
            seconds: Longest time to wait for it.

        Returns:
            The value, and whether it is made of this key.
        """
        with self._lock:
            if self._key != key and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(target=self._renew, args=(key,), daemon=True)
                self._thread.start()
            thread = self._thread
        if self._key != key and thread is not None:
            thread.join(seconds)
        return self._value, self._key == key

    def _renew(self, key: object) -> None:
        self._value = self._make()
        self._key = key
