"""What the prose names exists: the tests, modules and functions of INVARIANTS.md and PAPER.md, and every link."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLAIMS = [ROOT / "INVARIANTS.md", ROOT / "PAPER.md"]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
SOURCE = re.compile(r"`(src/[\w/]+\.py|[a-z_]+(?:/[a-z_0-9]+)+\.py)(?:::([\w.]+))?`")
LINK = re.compile(r"\]\(([^)#\s]+)")


def names(path):
    """Functions, classes, methods and constants of a file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.ClassDef(name=name, body=body):
                found |= {name, *(f"{name}.{item.name}" for item in body if hasattr(item, "name"))}
                found |= {f"{name}.{item.target.id}" for item in body if isinstance(item, ast.AnnAssign)}
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
    return found


@pytest.mark.parametrize("page", CLAIMS, ids=lambda page: page.name)
def test_every_test_named_exists(page):
    named = TEST.findall(page.read_text(encoding="utf-8"))
    assert len(named) > 10
    missing = [f"{file}::{test}" for file, test in named if test not in names(ROOT / file)]
    assert not missing


@pytest.mark.parametrize("page", CLAIMS, ids=lambda page: page.name)
def test_every_function_named_exists(page):
    named = [item for item in SOURCE.findall(page.read_text(encoding="utf-8")) if not item[0].startswith("tests/")]
    assert len(named) > 5
    for file, name in named:
        path = ROOT / file if file.startswith("src/") else ROOT / "src/flowsteer" / file
        assert path.is_file(), file
        assert not name or name in names(path), f"{file}::{name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    targets = [target for target in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in target]
    assert not [target for target in targets if not (page.parent / target).exists()]
