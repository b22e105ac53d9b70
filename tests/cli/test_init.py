"""What `flowsteer init` writes works as it stands: its own test runs, with the package found as pip would leave it."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from flowsteer_cli import environment, flowsteer

ROOT = Path(__file__).parents[2]


def install(folder: Path) -> None:
    """Leave the entry points as `pip install -e` would, beside the modules."""
    file = folder / "pyproject.toml"
    if not file.is_file():
        return
    project = tomllib.loads(file.read_text())["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in items.items())
        for group, items in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups))


@pytest.mark.parametrize("kind", ["operator", "dataset", "experiment", "env"])
def test_what_is_written_passes_its_own_test(tmp_path: Path, kind: str):
    made = flowsteer("init", kind, f"my-{kind}", cwd=tmp_path)
    assert made.code == 0, made.err
    folder = tmp_path / f"my-{kind}"
    install(folder)
    path = os.pathsep.join((str(folder), str(ROOT / "src")))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)],
        cwd=folder,
        env=environment(PYTHONPATH=path),
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert "$" not in "".join(file.read_text() for file in folder.glob("*") if file.is_file())
    checked = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--select=F", str(folder)],
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("operator", "my-operators"), "my-operators exists already"),
        (("operator", "1st"), "'1st' is no name for a package"),
        (("operator", "class"), "'class' is no name for a package"),
        (("poem", "mine"), "poem"),
    ],
)
def test_what_cannot_be_begun_is_refused(tmp_path: Path, arguments: tuple[str, ...], words: str):
    (tmp_path / "my-operators").mkdir()
    refused = flowsteer("init", *arguments, cwd=tmp_path)
    assert (refused.code, words in refused.err) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["my-operators"]
