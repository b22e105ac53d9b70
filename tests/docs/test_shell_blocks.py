"""Every ```sh block of README.md and docs/ runs, and prints what the ```text block right below it says.

The blocks of one page share a folder and run in order, so a page can be followed from top to bottom. Blocks that need
a key, a GPU, a server or minutes are marked ```console and are not run. In an output block, `...` stands for anything.
"""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```sh\n(?P<commands>.*?)^```\n(?:\n```text\n(?P<output>.*?)^```\n)?", re.MULTILINE | re.DOTALL)
SECONDS = re.compile(r"\b\d+\.\d s\b")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def blocks(page):
    return list(BLOCK.finditer(page.read_text(encoding="utf-8")))


def environment():
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FLOWSTEER_DIRECTOR")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return kept | {"PATH": path, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.name)
def test_shell_blocks_do_what_the_page_says(page, tmp_path):
    for block in blocks(page):
        ran = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", block["commands"]],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ran.returncode == 0, f"{block['commands']}\n{ran.stdout}\n{ran.stderr}"
        if block["output"] is not None:
            want, got = (SECONDS.sub("0.0 s", text) for text in (block["output"], ran.stdout))
            assert doctest.OutputChecker().check_output(want, got, FLAGS), f"{block['commands']}\n{ran.stdout}"


def test_no_block_that_could_run_is_left_out_by_a_slip():
    """Only these words open a fence, so that a block is either run or marked as one that is not."""
    known = {"sh", "text", "console", "python", "toml", "json", "jsonl", "yaml"}
    for page in PAGES:
        fences = re.findall(r"^```(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(fences[::2]) <= known, page.name
        assert set(fences[1::2]) <= {""}, page.name
