"""How quickly a model writes on this machine: measured once, kept beside its file."""

import os
import time
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from flowsteer.backends.base import Message, Request, Sampling
from flowsteer.backends.connect import Backends
from flowsteer.backends.models import ModelFile, find, locate
from flowsteer.errors import BackendUnavailable
from flowsteer.runs.files import read_json, write_json

_TOKENS = 64
_PROMPT = "Write the numbers from 1 to 100, one on each line."


@dataclass(frozen=True, slots=True)
class ModelSpeed:
    """One measurement.

    Attributes:
        tokens_per_second: Tokens written a second, by one request alone.
        tokens: Tokens written.
        processors: Of the machine.
        load: Processes that ran or waited to run, the mean of the minute before; a busy machine is slower. 0 on
            Windows, which does not count them.
        on: The day.
    """

    tokens_per_second: float
    tokens: int
    processors: int
    load: float
    on: str

    def __str__(self) -> str:
        busy = ", on a busy machine" if self.load >= self.processors else ""
        return f"{self.tokens_per_second} tokens/s on {self.on}{busy}"


async def measure(name: str) -> ModelSpeed:
    """Serve a model as runs do, let it write, and keep how quick it was beside its file.

    Args:
        name: A model's own name, or `hf:OWNER/REPO/FILE.gguf`.

    Raises:
        ConfigError: The name is unknown, or the model or its runtime is not on this machine.
        BackendUnavailable: It did not answer, or wrote nothing.
    """
    find(name)  # a file of the user's own has no place for a measurement beside it
    path, load = locate(name), os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    request = Request((Message("user", _PROMPT),), Sampling(max_tokens=_TOKENS, temperature=0.0))
    async with Backends() as backends:
        backend = await backends.get(f"llamacpp:{name}")
        await backend.complete(Request(request.messages, Sampling(max_tokens=1, temperature=0.0)))  # reads the prompt
        begun = time.perf_counter()
        written = (await backend.complete(request)).usage.completion_tokens
        seconds = time.perf_counter() - begun
    if not written:
        raise BackendUnavailable(f"{name} wrote no token.", "Check that it is a model for chats.")
    speed = ModelSpeed(
        round(written / seconds, 1), written, os.cpu_count() or 1, round(load, 1), date.today().isoformat()
    )
    write_json(_file(path), asdict(speed))
    return speed


def speed_of(model: ModelFile) -> ModelSpeed | None:
    """What was measured of a model on this machine, if anything."""
    file = _file(model.path)
    return ModelSpeed(**read_json(file)) if file.is_file() else None


def _file(path: Path) -> Path:
    return path.with_suffix(".speed.json")
