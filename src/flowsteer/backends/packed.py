"""A run's replies as one compressed file to share, and a backend that answers from it.

    line 1       {"pack": 1, "models": [{"spec", "served", "features"}, …]}
    other lines  {"key", "reply"}

The file is JSON lines under gzip. A key is the digest of a request and of the model that was asked, so nothing that was
asked stands in it: no dataset's text. Who asks the same again gets the same reply, however often.
"""

import gzip
import json
import logging
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from flowsteer.backends.base import Backend, Features, Reply, Request, payee
from flowsteer.backends.codec import decode, digest, encode, read_json
from flowsteer.errors import BackendUnavailable, ConfigError
from flowsteer.runs.files import writing

_log = logging.getLogger(__name__)

FORMAT = 1


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
    try:
        with closing(sqlite3.connect(f"{replies.absolute().as_uri()}?mode=ro", uri=True)) as kept:
            models = tuple(_models(kept))
            if not models:
                raise ConfigError(
                    f"{replies} holds the replies of no model: none was asked but simulated ones",
                    "simulated: models answer the same again: name them, and no pack",
                )
            rows = kept.execute("SELECT key, reply FROM replies ORDER BY key")
            count = _write(file, models, ((key, decode(read_json(reply))) for key, reply in rows))
    except (OSError, sqlite3.Error, ValueError) as error:
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
        RunWriteError: It has to be mended and cannot be.
    """

    def __init__(self, path: Path, of: str = "", live: Backend | None = None) -> None:
        self._path, self._live = path, live
        with nullcontext() if live is None else _alone(path):
            lines = _Lines(path)
            models, self._replies = _read(lines)
            self._model = _chosen(path, models, of)
            if lines.torn and live is not None:  # what is added behind a tear could not be read
                _write(path, models, self._replies.items())

    @property
    def spec(self) -> str:
        """`recorded:FILE#SPEC`."""
        return f"recorded:{self._path}#{self._model.spec}"

    @property
    def features(self) -> Features:
        """What the packed model could enforce."""
        return self._model.features

    @property
    def payee(self) -> str:
        """Who is paid for what the pack does not hold."""
        return self.spec if self._live is None else payee(self._live)

    def kept(self, request: Request) -> Reply | None:
        """The packed reply to a request; None if there is none."""
        return self._replies.get(self._key(request))

    async def complete(self, request: Request) -> Reply:
        """The packed reply to a request, with the usage it had when the model was asked.

        Raises:
            BackendUnavailable: The pack has none, and nobody else is to be asked.
            RunWriteError: The model's reply cannot be added.
        """
        key = self._key(request)
        if (known := self._replies.get(key)) is not None:
            return known
        if self._live is None:
            last = request.messages[-1].content if request.messages else ""
            raise BackendUnavailable(
                f"{self._path} does not hold request {key[:12]}, which ends in {last[-80:]!r}.",
                f"Replay with the tasks and settings it was packed from, or ask the model: {self.spec}?live",
            )
        reply = self._replies[key] = await self._live.complete(request)
        self._add(key, reply)
        return reply

    async def aclose(self) -> None:
        """Nothing is held open; who answers what is missing is closed by its maker."""

    def _key(self, request: Request) -> str:
        return digest(request, self._model.spec, self._model.served)

    def _add(self, key: str, reply: Reply) -> None:
        """Add a reply, whole or not at all: what a full disk left of it would hide what is added behind it."""
        with _alone(self._path):
            end = self._path.stat().st_size
            try:
                with self._path.open("ab") as file:
                    file.write(gzip.compress(_line(key, reply).encode()))
            except OSError:
                os.truncate(self._path, end)
                raise


def packed_model(path: Path, of: str = "", *, live: bool = False) -> AskedModel:
    """The model of a pack.

    Args:
        path: The pack.
        of: Its spec; may be empty if the pack is of one model.
        live: Whether that model is to be asked: then its spec may not be empty.

    Raises:
        ConfigError: It is no pack, has no such model, or does not tell which is meant.
    """
    return _chosen(path, _models_of(path, next(iter(_Lines(path)), {})), of, live=live)


def _models(kept: sqlite3.Connection) -> Iterable[AskedModel]:
    if not kept.execute("SELECT 1 FROM sqlite_master WHERE name = 'models'").fetchone():
        raise ConfigError(
            "an earlier version kept these replies, and did not say which models they are of",
            "run it again to have its replies packed",
        )
    for spec, served, features in kept.execute("SELECT spec, served, features FROM models ORDER BY spec, served"):
        yield AskedModel(spec, served, Features(**read_json(features)))


class _Lines:
    """The lines of a pack. One that was cut off in writing, or is damaged, is left out with all behind it.

    Attributes:
        torn: Whether that was so, once the lines have been read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.torn = False

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Read them.

        Raises:
            ConfigError: There is no file, or its first line cannot be read.
        """
        count = 0
        try:
            with gzip.open(self.path, "rt", encoding="utf-8") as lines:
                for line in lines:
                    yield read_json(line)
                    count += 1
        except (EOFError, gzip.BadGzipFile, zlib.error, ValueError) as error:
            if not count:
                raise _unreadable(self.path, error) from error
            self.torn = True
            _log.warning("%s is cut off or damaged behind %d replies; what follows is left out.", self.path, count - 1)
        except OSError as error:
            raise _unreadable(self.path, error) from error


def _read(lines: _Lines) -> tuple[tuple[AskedModel, ...], dict[str, Reply]]:
    rest = iter(lines)
    models = _models_of(lines.path, next(rest, {}))
    try:
        return models, {line["key"]: decode(line["reply"]) for line in rest}
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(lines.path, error) from error


def _models_of(path: Path, header: dict[str, Any]) -> tuple[AskedModel, ...]:
    try:
        if header["pack"] != FORMAT:
            raise ConfigError(f"{path} is of format {header['pack']!r}", f"this version reads format {FORMAT}")
        told = [(str(one["spec"]), str(one["served"]), Features(**one["features"])) for one in header["models"]]
    except (KeyError, TypeError) as error:
        raise _unreadable(path, error) from error
    return tuple(AskedModel(*one) for one in told)


def _chosen(path: Path, models: Sequence[AskedModel], of: str, *, live: bool = False) -> AskedModel:
    chosen = [model for model in models if of == model.spec or not (of or live)]
    if len(chosen) != 1:
        names = ", ".join(f'"recorded:{path}#{model.spec}{"?live" if live else ""}"' for model in models)
        what = "has replies of several models" if not live else "does not decide which model is asked: name it"
        raise ConfigError(f"{path} {f'has no replies of {of!r}' if of else what}", f"one of: {names}")
    return chosen[0]


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold back the other processes that add to a pack."""
    with writing(path), FileLock(path.with_name(f"{path.name}.lock")):
        yield


def _write(file: Path, models: Sequence[AskedModel], replies: Iterable[tuple[str, Reply]]) -> int:
    """Write a pack, whole or not at all; how many replies it has."""
    count, part = 0, file.with_name(f"{file.name}.part")
    try:
        with gzip.open(part, "wt", encoding="utf-8") as lines:
            lines.write(json.dumps({"pack": FORMAT, "models": [asdict(model) for model in models]}) + "\n")
            for key, reply in replies:
                lines.write(_line(key, reply))
                count += 1
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return count


def _line(key: str, reply: Reply) -> str:
    return json.dumps({"key": key, "reply": encode(reply)}, ensure_ascii=False) + "\n"


def _unreadable(path: Path, error: Exception) -> ConfigError:
    return ConfigError(f"{path} cannot be read as packed replies: {error}", "pack them anew: flowsteer runs pack RUN")
