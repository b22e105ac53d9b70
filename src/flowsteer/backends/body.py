"""The body of a server's answer, cut into JSON documents as its bytes come in."""

from collections.abc import Iterator
from typing import Final

from flowsteer.backends.codec import read_json
from flowsteer.backends.failures import Fault

MOST_BYTES = 16 * 2**20
"""Most bytes of one document: the longest reply that is kept fits, with every character as an escape."""

DONE: Final = object()
"""Comes after the last document, where it is sure that it is the last."""

_MARK = b"\xef\xbb\xbf"
_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")


class Body:
    """Cuts a body into documents: one document alone, or one of each server-sent event (WHATWG HTML, 9.2).

    Which of the two it is, the body itself tells: servers stream unasked, answer in one piece where a stream was asked
    for, and label the one as the other. What any method raises is a `Fault`: the body is no JSON, or too long.
    """

    def __init__(self) -> None:
        self._raw = bytearray()  # what is not cut into lines: the start of a body, or all of one document alone
        self._streamed: bool | None = None
        self._lines = _Lines()
        self._waiting: list[bytes] = []  # data of the event under way
        self._event = b""
        self._held = 0  # bytes since the last document

    def feed(self, chunk: bytes) -> Iterator[object]:
        """The documents that some more bytes make whole."""
        self._held += len(chunk)
        if self._held > MOST_BYTES:
            raise Fault(f"the answer is longer than {MOST_BYTES // 2**20} MiB", 413)
        self._raw += chunk
        if self._streamed is None:
            self._look()
        if self._streamed:
            yield from self._events()

    def end(self) -> Iterator[object]:
        """The last documents, now that no more bytes come."""
        if self._streamed is None:
            self._look(all_here=True)
        if self._streamed:
            self._raw += b"\n\n"
            yield from self._events()
        else:
            self._waiting = [bytes(self._raw)]
            yield from self._document()
            yield DONE

    def _look(self, *, all_here: bool = False) -> None:
        """See of which form the body is, if enough of it is here; blanks come first where a connection is kept open."""
        self._raw = self._raw.lstrip().removeprefix(_MARK)
        if all_here or len(self._raw) >= max(map(len, _FIELDS)):
            self._streamed = self._raw.startswith(_FIELDS)

    def _events(self) -> Iterator[object]:
        """The documents of the lines that are here."""
        fresh, self._raw = bytes(self._raw), bytearray()
        for line in self._lines.feed(fresh):
            if line:
                yield from self._field(*line.split(b":", 1))
            else:
                yield from self._document()

    def _field(self, name: bytes, value: bytes = b"") -> Iterator[object]:
        value = value.removeprefix(b" ")
        if name == b"event":
            self._event = value
        elif name == b"data" and value.startswith(b"[DONE]"):
            yield from self._document()
            yield DONE
        elif name == b"data":
            self._waiting.append(value)
            if len(self._waiting) == 1 and value.endswith(b"}"):
                yield from self._document(whole=False)  # some servers leave out the blank line after an event

    def _document(self, *, whole: bool = True) -> Iterator[object]:
        """The document under way, if there is one; where it may not be whole yet, it is left if it is no JSON."""
        text, event = b"\n".join(self._waiting).strip(), self._event
        try:
            document = read_json(text) if text else None
        except ValueError as error:
            if whole:
                start = text[:400].decode(errors="replace")
                raise Fault(f"the answer is no whole JSON ({error}): {start}") from None
            return
        self._waiting, self._event = [], b""
        if text:
            self._held = 0
            has_error = isinstance(document, dict) and document.get("error")
            yield {"error": document} if event == b"error" and not has_error else document


class _Lines:
    """Cuts bytes at CR, LF and CRLF, and takes time linear in them."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []  # of the line under way
        self._returned = False  # the last byte was a CR: an LF that comes next belongs to it

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        if self._returned and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._returned = False
        self._returned = self._returned or chunk.endswith(b"\r")
        for piece in chunk.splitlines(keepends=True):
            self._pieces.append(piece)
            if piece.endswith((b"\r", b"\n")):
                yield b"".join(self._pieces).rstrip(b"\r\n")
                self._pieces.clear()
