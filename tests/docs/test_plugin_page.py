"""The plug-in package that docs/operators.md shows works as it stands, once it is installed."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "operators.md"


def shown(title):
    """The content of the block whose first line is the comment `# title`."""
    text = PAGE.read_text(encoding="utf-8")
    return re.search(rf"^```\w+\n(# {re.escape(title)}\n.*?)^```", text, re.MULTILINE | re.DOTALL)[1]


def install(folder):
    """Leave the package on a path as pip would: the module, and its entry points."""
    project = tomllib.loads(shown("pyproject.toml"))["project"]
    (folder / "acme_operators.py").write_text(shown("acme_operators.py"))
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"].items()
    lines = (
        f"[{group}]\n" + "\n".join(f"{name} = {value}" for name, value in items.items()) for group, items in groups
    )
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


def test_the_package_of_the_page_is_found_and_runs(tmp_path):
    install(tmp_path)
    workflow = "Estimate -> CheckNumber ? Revise : done"
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "flowsteer.cli.main", "run", workflow, "How far is it?"),
            *("--library", "paper+acme", "--executor", "simulated:", "--json"),
        ],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    assert '"operator": "Estimate"' in ran.stdout
    assert '"operator": "CheckNumber"' in ran.stdout
    assert '"operator": "Revise"' in ran.stdout, "the simulated answer is no number, so the check fails"
