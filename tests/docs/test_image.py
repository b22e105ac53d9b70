"""The Dockerfile and compose.yaml: no container engine runs where the tests do, so their parts are checked alone."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from flowsteer.cli.main import app

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
SERVICES = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]


def parsed(words):
    """What a command line asks for; the command refuses what it does not know."""
    command, context = typer.main.get_command(app), None
    while hasattr(command, "resolve_command"):
        context = command.make_context("flowsteer", [], parent=context, resilient_parsing=True)
        _, command, words = command.resolve_command(context, words)
    return command.make_context(command.name, list(words), parent=context).params


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_a_command_as_this_version_has_it(name):
    assert parsed(SERVICES[name]["command"])


def test_a_mistyped_command_is_found():
    with pytest.raises(Exception, match="no-browsers"):
        parsed(["view", "runs", "--no-browsers"])


def test_what_one_service_asks_another_listens_at():
    server, executor = parsed(SERVICES["server"]["command"]), parsed(SERVICES["executor"]["command"])
    assert server["executor"] == f"http://127.0.0.1:{executor['port']}/v1#{executor['model']}"
    assert f"127.0.0.1:{server['port']}/healthz" in SERVICES["server"]["healthcheck"]["test"][-1]
    assert f"127.0.0.1:{executor['port']}/" in SERVICES["executor"]["healthcheck"]["test"][-1]


def test_nothing_listens_beyond_this_machine():
    assert parsed(SERVICES["server"]["command"])["host"] == "127.0.0.1"
    assert all(service["network_mode"] == "host" and "ports" not in service for service in SERVICES.values())


def test_the_image_runs_as_nobody_special_and_copies_what_is_there():
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.M) == ["1000"]
    copied = [name for line in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.M) for name in line.split()]
    assert copied
    assert all((ROOT / name).exists() for name in copied)
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert all(f"!{name}" in kept for name in copied)


def test_hadolint_finds_nothing():
    hadolint = shutil.which("hadolint", path=Path(sys.executable).parent)
    if hadolint is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run([hadolint, "--no-color", "-"], input=DOCKERFILE, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")
