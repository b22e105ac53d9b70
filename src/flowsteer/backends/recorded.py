"""Recordings: a run's replies in a file, and a backend that plays them again without any model."""

import json
import logging
from collections import defaultdict, deque
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from flowsteer.backends.base import Backend, Features, Reply, Request
from flowsteer.backends.codec import decode, digest, encode, read_json
from flowsteer.errors import BackendUnavailable, ConfigError, ContextExceeded

SCHEME = "recorded"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Recording:
    """What a recording holds.

    Attributes:
        spec: The backend that was recorded.
        features: What it could enforce.
        replies: Digest of the request and the reply, or that the request was too long, in order.
    """

    spec: str
    features: Features
    replies: list[tuple[str, Reply | ContextExceeded]] = field(default_factory=list)


class Recorder:
    """A backend whose replies are also appended to a file, one JSON line each.

    Args:
        backend: Who answers.
        path: The recording; made if it is not there, else continued.

    Raises:
        ConfigError: The file is there and is not a recording, or cannot be written.
    """

    def __init__(self, backend: Backend, path: Path) -> None:
        self._backend = backend
        self._path = path
        if path.is_file() and path.stat().st_size:
            recording = _read(path)
            if recording.spec != backend.spec:
                raise ConfigError(
                    f"{path} is a recording of {recording.spec}, not of {backend.spec}.", "Name another file."
                )
            _drop_torn_line(path)
        else:
            self._append({"spec": backend.spec, "features": asdict(backend.features)})

    @property
    def spec(self) -> str:
        """The spec of the backend behind."""
        return self._backend.spec

    @property
    def features(self) -> Features:
        """The features of the backend behind."""
        return self._backend.features

    async def complete(self, request: Request) -> Reply:
        """Answer by the backend behind and keep the reply.

        That a request is too long is kept, since a Director then asks a shorter one; other failures are not.
        """
        try:
            reply = await self._backend.complete(request)
        except ContextExceeded as error:
            self._append({"request": digest(request), "too_long": error.message})
            raise
        self._append({"request": digest(request), "reply": encode(reply)})
        return reply

    async def aclose(self) -> None:
        """Close the backend behind; the file is whole after every reply."""
        await self._backend.aclose()

    def _append(self, entry: dict[str, Any]) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise ConfigError(
                f"The recording {self._path} cannot be written: {error.strerror}.", "Make room, or name another file."
            ) from error


class RecordedBackend:
    """A backend that answers from a recording: equal requests get their replies in the order they were given.

    Args:
        path: The recording.

    Raises:
        ConfigError: There is no such file, or it is not a recording.
    """

    def __init__(self, path: Path) -> None:
        recording = _read(path)
        self._path = path
        self._features = recording.features
        self._replies: defaultdict[str, deque[Reply | ContextExceeded]] = defaultdict(deque)
        for key, reply in recording.replies:
            self._replies[key].append(reply)
        self._recorded = frozenset(self._replies)

    @property
    def spec(self) -> str:
        """`recorded:FILE`."""
        return f"{SCHEME}:{self._path}"

    @property
    def features(self) -> Features:
        """What the recorded backend could enforce."""
        return self._features

    async def complete(self, request: Request) -> Reply:
        """The next recorded reply to this request, with the usage it had when the model was asked.

        Raises:
            ContextExceeded: The request was too long when it was recorded.
            BackendUnavailable: The recording holds no (further) reply to it.
        """
        key = digest(request)
        if not self._replies[key]:
            what = "holds no further reply to" if key in self._recorded else "does not hold"
            last = request.messages[-1].content if request.messages else ""
            raise BackendUnavailable(
                f"{self._path} {what} request {key[:12]}, which ends in {last[-80:]!r}.",
                "Replay with the same code, tasks and settings as the recording, or record anew.",
            )
        reply = self._replies[key].popleft()
        if isinstance(reply, ContextExceeded):
            raise reply
        return reply

    async def aclose(self) -> None:
        """Nothing is held open."""


def _read(path: Path) -> _Recording:
    """Read a recording; a last line cut off in writing is left out."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as a recording: {error}.", "Check the path.") from error
    if torn := lines.pop():
        _log.warning("%s: the last line is cut off after %d characters and is left out.", path, len(torn))
    number = 1
    try:
        if not lines:
            raise ValueError("it is empty")
        header = read_json(lines[0])
        recording = _Recording(str(header["spec"]), Features(**header["features"]))
        for line in lines[1:]:
            number += 1
            entry = read_json(line)
            refused = "too_long" in entry
            reply = ContextExceeded(str(entry["too_long"])) if refused else decode(entry["reply"])
            recording.replies.append((str(entry["request"]), reply))
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{path}, line {number}: not a line of a recording ({error}).", "Record anew.") from error
    return recording


def _drop_torn_line(path: Path) -> None:
    """Drop a last line that was cut off, so that what is appended starts on a line of its own."""
    whole = path.read_bytes().rfind(b"\n") + 1
    with path.open("r+b") as file:
        file.truncate(whole)
