"""Help is instant, and importing the package costs nothing: what is heavy is loaded by whoever needs it."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "openai", "httpx", "httpx2", "pydantic", "jinja2", "rich", "lark", "math_verify", "sympy", "numpy"}


def loaded(code: str) -> set[str]:
    """The heavy modules that some code loads in a fresh process."""
    report = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint('loaded', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()) & HEAVY


def test_the_check_finds_what_is_loaded():
    assert loaded("import jinja2") >= {"jinja2"}


@pytest.mark.parametrize(
    "code",
    [
        "import flowsteer",
        "import flowsteer; flowsteer.parse_dsl; flowsteer.Task; flowsteer.Workflow",
        "import flowsteer; flowsteer.solve; flowsteer.open_session",
        "from flowsteer.cli.main import app; app(['--help'])",
    ],
)
def test_nothing_heavy_is_loaded(code: str):
    assert loaded(code) == set()
