"""A run's replies as one compressed file to share, and a backend that answers from it.

    line 1       {"pack": 1, "models": [{"spec", "served", "features"}, …]}
    other lines  {"key", "reply"}

The file is JSON lines under gzip. A key is the digest of a request and of the model that was asked, so nothing that was
asked stands in it: no dataset's text. Who asks the same again gets the same reply, however often.
"""

import gzip
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flowsteer.backends.base import Backend, Features, Reply, Request
from flowsteer.backends.codec import decode, digest, encode, read_json
from flowsteer.errors import BackendUnavailable, ConfigError

FORMAT = 1
MAGIC = b"\x1f\x8b"
"""How a file under gzip begins."""


@dataclass(frozen=True, slots=True)
class AskedModel:
    """A model whose replies are kept.

    Attributes:
        spec: The spec it was asked by.
        served: The model name that its server reported.
        features: What it could enforce.
    """

    spec: str
    served: str
    features: Features


@dataclass(frozen=True, slots=True)
class Packed:
    """What was packed.

    Attributes:
        models: Whose replies.
        replies: How many.
        bytes: Size of the file.
    """

    models: tuple[AskedModel, ...]
    replies: int
    bytes: int


def pack(replies: Path, file: Path) -> Packed:
    """Write all replies that a run kept into one file; it is there whole or not at all.

    Args:
        replies: The run's `replies.sqlite`; its writer may be at work.
        file: Where they go.

    Raises:
        ConfigError: Nothing was kept, what was kept cannot be read, or the file cannot be written.
    """
    if not replies.is_file():
        raise ConfigError(f"{replies.parent} kept no replies", "run it again without --no-cache")
    count, part = 0, file.with_name(f"{file.name}.part")
    try:
        with closing(sqlite3.connect(f"{replies.absolute().as_uri()}?mode=ro", uri=True)) as kept:
            models = tuple(_models(kept))
            if not models:
                raise ConfigError(
                    f"{replies} holds the replies of no model: none was asked but simulated ones",
                    "simulated: models answer the same again: name them, and no pack",
                )
            with gzip.open(part, "wt", encoding="utf-8") as lines:
                lines.write(_line({"pack": FORMAT, "models": [asdict(model) for model in models]}))
                for key, reply in kept.execute("SELECT key, reply FROM replies ORDER BY key"):
                    lines.write(_line({"key": key, "reply": encode(decode(read_json(reply)))}))
                    count += 1
        part.replace(file)
    except (OSError, sqlite3.Error, ValueError) as error:
        part.unlink(missing_ok=True)
        raise ConfigError(f"{replies} cannot be packed into {file}: {error}", "name another file with --to") from error
    return Packed(models, count, file.stat().st_size)


class PackedBackend:
    """A backend that answers from a pack.

    Args:
        path: The pack.
        of: Spec of the model whose replies are wanted; may be empty if the pack is of one model.
        live: Who is asked what the pack does not hold; the answer is added to the pack. None for nobody.

    Raises:
        ConfigError: There is no such file, it is no pack, or it has no such model.
    """

    def __init__(self, path: Path, of: str = "", live: Backend | None = None) -> None:
        self._path, self._live = path, live
        self._model, self._replies = _read(path, of)

    @property
    def spec(self) -> str:
        """`recorded:FILE#SPEC`."""
        return f"recorded:{self._path}#{self._model.spec}"

    @property
    def features(self) -> Features:
        """What the packed model could enforce."""
        return self._model.features

    async def complete(self, request: Request) -> Reply:
        """The packed reply to a request, with the usage it had when the model was asked.

        Raises:
            BackendUnavailable: The pack has none, and nobody else is to be asked.
        """
        key = digest(request, self._model.spec, self._model.served)
        if (known := self._replies.get(key)) is not None:
            return known
        if self._live is None:
            last = request.messages[-1].content if request.messages else ""
            raise BackendUnavailable(
                f"{self._path} does not hold request {key[:12]}, which ends in {last[-80:]!r}.",
                f"Replay with the tasks and settings it was packed from, or ask the model: recorded:{self._path}?live",
            )
        reply = self._replies[key] = await self._live.complete(request)
        self._add(key, reply)
        return reply

    async def aclose(self) -> None:
        """Nothing is held open; who answers what is missing is closed by its maker."""

    def _add(self, key: str, reply: Reply) -> None:
        try:
            with gzip.open(self._path, "at", encoding="utf-8") as lines:
                lines.write(_line({"key": key, "reply": encode(reply)}))
        except OSError as error:
            raise ConfigError(f"{self._path} cannot be written: {error.strerror}", "make room there") from error


def is_pack(path: Path) -> bool:
    """Whether a file is under gzip, as packs are and recordings of single backends are not."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def packed_model(path: Path, of: str = "") -> AskedModel:
    """The model of a pack.

    Args:
        path: The pack.
        of: Its spec; may be empty if the pack is of one model.

    Raises:
        ConfigError: It is no pack, or has no such model.
    """
    lines = _lines(path)
    return _chosen(path, next(lines, {}), of)


def _models(kept: sqlite3.Connection) -> Iterable[AskedModel]:
    if not kept.execute("SELECT 1 FROM sqlite_master WHERE name = 'models'").fetchone():
        raise ConfigError(
            "an earlier version kept these replies, and did not say which models they are of",
            "run it again to have its replies packed",
        )
    for spec, served, features in kept.execute("SELECT spec, served, features FROM models ORDER BY spec, served"):
        yield AskedModel(spec, served, Features(**read_json(features)))


def _read(path: Path, of: str) -> tuple[AskedModel, dict[str, Reply]]:
    lines = _lines(path)
    model = _chosen(path, next(lines, {}), of)
    try:
        return model, {line["key"]: decode(line["reply"]) for line in lines}
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(path, error) from error


def _chosen(path: Path, header: dict[str, Any], of: str) -> AskedModel:
    try:
        if header["pack"] != FORMAT:
            raise ConfigError(f"{path} is of format {header['pack']!r}", f"this version reads format {FORMAT}")
        models = [
            AskedModel(str(one["spec"]), str(one["served"]), Features(**one["features"])) for one in header["models"]
        ]
    except (KeyError, TypeError) as error:
        raise _unreadable(path, error) from error
    chosen = [model for model in models if of in ("", model.spec)]
    if len(chosen) != 1:
        names = ", ".join(f"recorded:{path}#{model.spec}" for model in models)
        what = "has replies of several models" if not of else f"has no replies of {of!r}"
        raise ConfigError(f"{path} {what}", f"one of: {names}")
    return chosen[0]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Each line of a pack; one that was cut off in writing is left out, with all behind it."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield read_json(line)
    except EOFError:
        return
    except (OSError, zlib.error, ValueError) as error:
        raise _unreadable(path, error) from error


def _line(plain: dict[str, Any]) -> str:
    return json.dumps(plain, ensure_ascii=False) + "\n"


def _unreadable(path: Path, error: Exception) -> ConfigError:
    return ConfigError(f"{path} cannot be read as packed replies: {error}", "pack them anew: flowsteer runs pack RUN")
