"""A hub on the loopback, with files on a second host as the real one has them, and a package index beside it."""

import hashlib
import re
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

REPOSITORY, FILE = "some/toy-GGUF", "toy.gguf"


@dataclass
class FakeHub:
    """What the hub holds, how it behaves, and what it was asked.

    Attributes:
        content: Of the one file.
        etag: The mark it gives the file; None for its SHA-256.
        cuts: The next answers break off after so many bytes.
        knows_ranges: Whether it sends the end of a file alone, if asked to.
        status: Other than 200, what every question for the file gets.
        gate: Closed, answers wait in their middle.
        asked: Method, host (`hub` or `files`), range and authorization of every request for the file.
        packages: Folder of the index.
        fetched: The packages that were asked for.
        url: Where it listens.
    """

    content: bytes
    packages: Path
    etag: str | None = None
    cuts: list[int] = field(default_factory=list)
    status: int = 200
    knows_ranges: bool = True
    gate: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[str, str, str, str]] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    url: str = ""

    def ranges(self) -> list[str]:
        """Of the requests for the file's bytes."""
        return [asked[2] for asked in self.asked if asked[:2] == ("GET", "files")]

    def add_package(self, name: str, member: str, content: bytes) -> None:
        """Put a package with one file into the index."""
        stem = name.replace("-", "_")
        with zipfile.ZipFile(self.packages / f"{stem}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{stem}/__init__.py", "raise SystemExit('never to be imported')")
            wheel.writestr(member, content)
            wheel.writestr(f"{stem}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            wheel.writestr(f"{stem}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            wheel.writestr(f"{stem}-1.0.dist-info/RECORD", "")


@contextmanager
def serving(hub: FakeHub) -> Iterator[FakeHub]:
    """Serve it on two ports of the loopback."""
    hub.gate.set()
    with _server(hub, "files") as files, _server(hub, "hub") as front:
        files_url = f"http://127.0.0.1:{files.server_port}"
        front.onward = files_url  # type: ignore[attr-defined]
        hub.url = f"http://127.0.0.1:{front.server_port}"
        yield hub
        hub.gate.set()


@contextmanager
def _server(hub: FakeHub, host: str) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.hub, server.host = hub, host  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self._file()

    def do_GET(self) -> None:
        if self.path.startswith("/simple/"):
            self._index()
        elif self.path.startswith("/packages/"):
            self._package()
        else:
            self._file()

    def log_message(self, *args: object) -> None:
        pass

    def _file(self) -> None:
        hub, host = self.server.hub, self.server.host  # type: ignore[attr-defined]
        hub.asked.append((self.command, host, self.headers.get("Range", ""), self.headers.get("Authorization", "")))
        if hub.status != 200:
            self._headers(hub.status)
        elif self.path.startswith("/old/name/"):
            self._headers(307, Location=f"/{REPOSITORY}/{self.path.removeprefix('/old/name/')}")
        elif self.path != f"/{REPOSITORY}/resolve/main/{FILE}":
            self._headers(404)
        elif host == "hub":
            mark = hashlib.sha256(hub.content).hexdigest() if hub.etag is None else hub.etag
            marks = {"X-Linked-Etag": f'"{mark}"'} if mark else {}
            onward = self.server.onward + self.path  # type: ignore[attr-defined]
            self._headers(302, Location=onward, **marks, **{"X-Linked-Size": str(len(hub.content))})
        else:
            self._bytes(hub)

    def _bytes(self, hub: FakeHub) -> None:
        part = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        part = part if hub.knows_ranges else None
        start = int(part[1]) if part else 0
        rest = hub.content[start:]
        length = {"Content-Length": str(len(rest))}
        if part:
            self._headers(
                206, **length, **{"Content-Range": f"bytes {start}-{len(hub.content) - 1}/{len(hub.content)}"}
            )
        else:
            self._headers(200, **length)
        cut = hub.cuts.pop(0) if hub.cuts else len(rest)
        half = cut // 2
        self.wfile.write(rest[:half])
        self.wfile.flush()
        hub.gate.wait(10)
        self.wfile.write(rest[half:cut])
        self.close_connection = True

    def _index(self) -> None:
        stem = self.path.split("/")[2].replace("-", "_")
        files = sorted(self.server.hub.packages.glob(f"{stem}-*.whl"))  # type: ignore[attr-defined]
        if not files:
            self._headers(404)
            return
        page = "".join(
            f'<a href="/packages/{file.name}#sha256={hashlib.sha256(file.read_bytes()).hexdigest()}">{file.name}</a>'
            for file in files
        ).encode()
        self._headers(200, **{"Content-Type": "text/html", "Content-Length": str(len(page))})
        self.wfile.write(page)

    def _package(self) -> None:
        hub, name = self.server.hub, self.path.split("/")[2]  # type: ignore[attr-defined]
        hub.fetched.append(name)
        content = (hub.packages / name).read_bytes()
        self._headers(200, **{"Content-Length": str(len(content))})
        self.wfile.write(content)

    def _headers(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": "0"} | headers).items():
            self.send_header(name, value)
        self.end_headers()
