"""The private names of TRL that are used are those of the version that is pinned."""

import tomllib
from pathlib import Path

import pytest

trl = pytest.importorskip("trl", reason="needs the extra: pip install 'flowsteer[train]'")

from flowsteer.training.inference import trl_internals  # noqa: E402

ROOT = Path(__file__).parents[2]


def test_the_pin_is_the_version_these_names_are_of():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert f"trl=={trl_internals.VERSION}.*" in extras["train"]
    assert trl.__version__.startswith(f"{trl_internals.VERSION}.")


def test_no_other_file_reaches_into_trls_trainer():
    private = ("trainer._", ".vllm_generation", "_last_loaded_step", ".vllm_mode")
    here = Path(trl_internals.__file__)
    for file in (ROOT / "src").rglob("*.py"):
        if file != here:
            found = [name for name in private if name in file.read_text(encoding="utf-8")]
            assert not found, f"{file.name} uses {found}"
