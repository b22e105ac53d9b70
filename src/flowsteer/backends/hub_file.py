"""A file on the Hugging Face hub, or on a stand-in that `HF_ENDPOINT` names: looked up, then read into a partial file.

Plain HTTP with ranges, so that a file that is cut off goes on where it stopped. A token in `HF_TOKEN` is sent to the
hub alone, not to where it sends readers, and stands in no message.
"""

import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit

from flowsteer.errors import BackendUnavailable, ConfigError

if TYPE_CHECKING:
    import httpx2

_HUB = "https://huggingface.co"
_CONNECT_SECONDS, _SILENT_SECONDS = 5.0, 30.0
_FRUITLESS = 3
"""Attempts in a row that bring no byte, after which the hub is given up."""
_HOPS = 5
_WORDS = {
    401: "wants a token that may read it: export HF_TOKEN=…",
    403: "wants a token that may read it: export HF_TOKEN=…",
    404: "has no such file",
}


class HubUnavailable(BackendUnavailable):
    """The hub cannot be reached, does not have the file, or stopped in the middle of it."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """What the hub says of a file.

    Attributes:
        url: Where it is asked for.
        size: Its bytes; 0 if the hub does not say.
        etag: The hub's mark of this version of the file; empty if it gives none.
    """

    url: str
    size: int
    etag: str

    @property
    def sha256(self) -> str:
        """Digest of the file, if its mark is one; files that the hub keeps outside of Git have such a mark."""
        return self.etag if re.fullmatch(r"[0-9a-f]{64}", self.etag) else ""


def look_up(repository: str, file: str) -> HubFile:
    """Ask the hub for a file's size and mark.

    Args:
        repository: `OWNER/REPO`.
        file: Path of the file in it.

    Raises:
        HubUnavailable: The hub is switched off (`HF_HUB_OFFLINE`), cannot be reached, or does not have the file.
        ConfigError: `HF_TOKEN` cannot be sent.
    """
    import httpx2

    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise HubUnavailable("The hub is switched off by HF_HUB_OFFLINE.", "unset HF_HUB_OFFLINE")
    url = f"{_endpoint()}/{quote(repository)}/resolve/main/{quote(file)}"
    with _client() as client:
        for _ in range(_HOPS):
            try:
                response = client.head(url)
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                raise _unreachable(error) from error
            onward = response.headers.get("Location", "")
            if not response.is_redirect or urlsplit(onward).netloc:
                break
            url = urljoin(url, onward)  # a repository with a new name; the file's own place is on another host
    if response.is_error:
        raise _refused(response.status_code)
    headers: Mapping[str, str] = response.headers
    size = headers.get("X-Linked-Size", "") or ("" if response.is_redirect else headers.get("Content-Length", ""))
    etag = headers.get("X-Linked-Etag", "") or headers.get("ETag", "")
    return HubFile(url, int(size) if size.isdecimal() else 0, etag.removeprefix("W/").strip('"'))


def download(remote: HubFile, partial: Path, moved: Callable[[int], None]) -> None:
    """Read a file to its end, beginning where the partial file ends.

    Args:
        remote: The file.
        partial: What was read of it before, if anything; grows.
        moved: Told the bytes that are there, again and again.

    Raises:
        HubUnavailable: The hub stopped; what was read stays.
        OSError: The partial file cannot be written.
    """
    import httpx2

    fruitless = 0
    while True:
        before = _bytes(partial)
        if remote.size and before >= remote.size:
            return
        try:
            with _client() as client:
                _read(client, remote, partial, moved)
            if not remote.size or _bytes(partial) >= remote.size:
                return
            failure = HubUnavailable("The hub ended the file too early.")
        except HubUnavailable as error:
            failure = error
        except httpx2.HTTPError as error:
            failure = _unreachable(error)
        fruitless = 0 if _bytes(partial) > before else fruitless + 1
        if fruitless == _FRUITLESS:
            raise failure
        time.sleep(0.5 * fruitless)


def _read(client: "httpx2.Client", remote: HubFile, partial: Path, moved: Callable[[int], None]) -> None:
    have = _bytes(partial)
    # Compressed on the way it could not be gone on with.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with client.stream("GET", remote.url, headers=headers, follow_redirects=True) as response:
        if response.status_code == 416:  # no byte is left, and the hub did not say before how many there are
            partial.unlink()
        if response.is_error:
            raise _refused(response.status_code)
        goes_on = response.status_code == 206 and _first(response.headers) == have
        with partial.open("ab" if goes_on else "wb") as sink:
            for block in response.iter_raw():  # as it comes: what waits for more would be lost with a cut
                sink.write(block)
                have = sink.tell()
                moved(have)


def _first(headers: Mapping[str, str]) -> int:
    """Where the part begins that the server sends."""
    found = re.match(r"bytes (\d+)-", headers.get("Content-Range", ""))
    return int(found[1]) if found else -1


def _bytes(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or _HUB).rstrip("/")


def _client() -> "httpx2.Client":
    import httpx2

    token = os.environ.get("HF_TOKEN", "").strip()
    if not (token.isascii() and token.isprintable()):
        raise ConfigError("The token in HF_TOKEN has characters that no token has.", "export HF_TOKEN=…")
    headers = {"User-Agent": "flowsteer"} | ({"Authorization": f"Bearer {token}"} if token else {})
    return httpx2.Client(headers=headers, timeout=httpx2.Timeout(_SILENT_SECONDS, connect=_CONNECT_SECONDS))


def _place() -> str:
    """The hub's host: the rest of an address may hold a password."""
    return urlsplit(_endpoint()).hostname or "HF_ENDPOINT"


def _unreachable(error: Exception) -> HubUnavailable:
    what = str(error) or type(error).__name__
    return HubUnavailable(f"The hub at {_place()} cannot be reached ({what}).", "Check the network and HF_ENDPOINT.")


def _refused(status: int) -> HubUnavailable:
    words = _WORDS.get(status, "does not give the file")
    return HubUnavailable(f"The hub at {_place()} {words} (status {status}).", "Check OWNER, REPO and FILE.")
