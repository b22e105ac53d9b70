"""Model files: which are known, and where they are found."""

from pathlib import Path

import pytest

from flowsteer.backends import models
from flowsteer.errors import ConfigError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLOWSTEER_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "models"


def test_the_known_are_pinned_and_their_parts_make_them_whole():
    assert list(models.MODELS) == ["qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b", "smollm2"]
    for model in models.MODELS.values():
        assert len(model.sha256) == 64
        assert model.licence == "Apache-2.0"
        assert model.wheels is not None
        parts = len(model.wheels.requirements)
        assert model.wheels.part_bytes * (parts - 1) < model.size <= model.wheels.part_bytes * parts


@pytest.mark.parametrize("name", [*models.MODELS, "hf:some/toy-GGUF/sub/toy.gguf"])
def test_a_model_that_is_not_here_says_how_to_get_it(name: str):
    with pytest.raises(ConfigError) as error:
        models.locate(name)
    assert error.value.hint == f"flowsteer models pull {name}"


def test_files_of_the_hub_are_listed_once_they_are_here(home: Path):
    assert [model.name for model in models.list_models()] == list(models.MODELS)
    file = home / "hf" / "some" / "toy-GGUF" / "sub" / "toy.gguf"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"GGUF")
    assert models.list_models()[-1].name == "hf:some/toy-GGUF/sub/toy.gguf"
    assert models.locate("hf:some/toy-GGUF/sub/toy.gguf") == file


@pytest.mark.parametrize("name", ["nobody", "", "smol", "qwen2.5-coder"])
def test_an_unknown_name_lists_the_known(name: str):
    with pytest.raises(ConfigError, match=r"known: qwen2\.5-coder-0\.5b, qwen2\.5-coder-1\.5b, smollm2"):
        models.locate(name)


@pytest.mark.parametrize(
    ("typed", "meant"), [("smollm", "smollm2"), ("Qwen2.5-Coder-1.5B", "qwen2.5-coder-1.5b"), ("qwen", "qwen2.5-coder")]
)
def test_a_name_close_to_a_known_one_is_asked_about(typed: str, meant: str):
    with pytest.raises(ConfigError) as error:
        models.locate(typed)
    assert error.value.hint.startswith(f"Did you mean {meant}")


@pytest.mark.parametrize(
    "name", ["hf:toy.gguf", "hf:some/toy.gguf", "hf:a/b/c.bin", "hf:../../x.gguf", "hf:a/b/../x.gguf", "hf:a/b/ü.gguf"]
)
def test_a_name_that_is_no_file_on_the_hub_is_refused(name: str):
    with pytest.raises(ConfigError, match="no file on the hub"):
        models.locate(name)


def test_a_path_is_taken_as_it_is(tmp_path: Path):
    path = tmp_path / "my.gguf"
    with pytest.raises(ConfigError, match=r"my\.gguf"):
        models.locate(str(path))
    path.write_bytes(b"GGUF")
    assert models.locate(str(path)) == path
