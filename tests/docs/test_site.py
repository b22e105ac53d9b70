"""The documentation site builds without a warning, has every public name, and is read without a network."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import flowsteer

ROOT = Path(__file__).parents[2]
LOADED = re.compile(r"<(?:link|script|img|iframe)\b[^>]*\b(?:href|src)=[\"']?((?:https?:)?//[^\"'\s>]+)")
IMPORTED = re.compile(r"(?:@import|url\()\s*[\"']?((?:https?:)?//[^\"')\s]+)")


def test_the_reference_has_every_public_name_once():
    pages = sorted((ROOT / "docs" / "reference").glob("*.md"))
    shown = [name for page in pages for name in re.findall(r"^::: flowsteer\.(\w+)$", page.read_text("utf-8"), re.M)]
    assert sorted(shown) == sorted(flowsteer.__all__)


@pytest.mark.skipif(find_spec("mkdocs") is None, reason="mkdocs is not installed: pip install 'flowsteer[docs]'")
def test_the_site_builds_strictly_and_loads_nothing_from_elsewhere(tmp_path):
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    pages = sorted(tmp_path.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        text = page.read_text("utf-8")
        assert LOADED.findall(text) + IMPORTED.findall(text) == [], page
        # The theme would fetch a drawing program for these.
        assert 'class="mermaid"' not in text, page
    for sheet in tmp_path.rglob("*.css"):
        assert IMPORTED.findall(sheet.read_text("utf-8")) == [], sheet
