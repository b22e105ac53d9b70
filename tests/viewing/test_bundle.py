"""The front end in the package: small, self-contained, and the one that its source builds to."""

import gzip
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VIEWER, BUNDLE = ROOT / "viewer", ROOT / "src" / "flowsteer" / "viewing" / "bundle"
MOST = 400_000
"""Bytes of the whole bundle, compressed."""


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_bundle_is_small_and_asks_for_nothing_else():
    bundle = files(BUNDLE)
    assert set(bundle) == {"index.html", "LICENSES.txt", "assets/app.css", "assets/app.js"}
    assert sum(len(gzip.compress(content)) for content in bundle.values()) < MOST
    page, style = bundle["index.html"].decode(), bundle["assets/app.css"].decode()
    assert re.findall(r'(?:src|href)="([^"]+)"', page) == ["data:,", "./assets/app.js", "./assets/app.css"]
    assert "style=" not in page
    assert not re.findall(r"url\((?!\s*[\"']?data:)", style)


def test_models_words_are_never_taken_for_markup():
    sources = "\n".join(path.read_text("utf-8") for path in (VIEWER / "src").rglob("*.ts*"))
    for forbidden in ("dangerouslySetInnerHTML", "innerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert forbidden not in sources, forbidden


def test_files_of_the_front_end_can_be_read():
    for path in (VIEWER / "src").rglob("*.ts*"):
        if path.name != "records.ts":
            assert path.read_text("utf-8").count("\n") <= 400, path


def test_the_bundle_is_what_the_source_builds_to(tmp_path):
    if shutil.which("npx") is None:
        pytest.skip("no Node here: the front end cannot be built")
    if not (VIEWER / "node_modules").is_dir():
        pytest.skip("the front end's parts are not installed: make viewer")
    command = ["npx", "--no-install", "vite", "build", "--outDir", str(tmp_path), "--logLevel", "error"]
    subprocess.run(command, cwd=VIEWER, check=True, capture_output=True)
    assert files(tmp_path) == files(BUNDLE)
