"""The container tier without an engine: its command line, and its protocol with bubblewrap in the engine's place."""

import shlex
import shutil

import pytest

from flowsteer.errors import SandboxError
from flowsteer.sandbox.base import Call, Program, Return, SandboxLimits
from flowsteer.sandbox.bubblewrap import GUEST, bubblewrap_command, this_interpreter
from flowsteer.sandbox.container import ContainerSandbox, container_command


def options(command):
    """The options before the image, as pairs and flags in one flat set of strings."""
    text = shlex.join(command[: command.index("image")])
    return {"--" + part.strip() for part in text.split(" --")[1:]}


def test_the_command_line_closes_everything():
    limits = SandboxLimits(memory_mb=300, processes=7, disk_mb=9)
    command = container_command("/bin/docker", "image", "name", limits)
    assert options(command) == {
        *("--rm", "--interactive", "--name name", "--pull never", "--network none", "--read-only", "--cap-drop ALL"),
        *("--security-opt no-new-privileges", "--user 65534:65534", "--ipc private", "--log-driver none"),
        *("--pids-limit 7", "--cpus 1", "--memory 300m", "--memory-swap 300m", "--workdir /tmp"),
        *("--tmpfs /tmp:rw,nosuid,nodev,size=9m,mode=1777", f"--volume {GUEST}:/guest:ro", "--entrypoint python3"),
    }
    assert command[command.index("image") :] == ("image", "-I", "-B", "-X", "utf8", "/guest/runner.py")
    assert not any(part.startswith(("--env", "-e")) for part in command)


@pytest.fixture
def engine(tmp_path):
    """A stand-in for docker that logs its command line and runs the same runner with bubblewrap."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        pytest.skip("bubblewrap is not installed")
    inner, _ = bubblewrap_command(bwrap, this_interpreter(), SandboxLimits(), privileged=False)
    script = tmp_path / "engine"
    script.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/log\n[ "$1" = run ] || exit 0\nexec {shlex.join(inner)}\n')
    script.chmod(0o755)
    return script


async def test_programs_run_and_report_through_an_engine(engine):
    sandbox = ContainerSandbox(str(engine))
    code = "print(input())\ndef f(x): return [x, (x,)]"
    outcome = await sandbox.run(Program(code, "given", "f(1)", (Call("f", (2,)), Call("f"))))
    assert (outcome.status, outcome.stdout, outcome.tier) == ("ok", "given\n", "container")
    assert outcome.value == [1, (1,)]
    assert outcome.returns[0] == Return([2, (2,)])
    assert outcome.returns[1].error.startswith("TypeError: ")


async def test_a_container_that_must_be_ended_is_removed_by_name(engine):
    outcome = await ContainerSandbox(str(engine)).run(Program("while True: pass"), SandboxLimits(seconds=0.5))
    assert outcome.status == "timeout"
    run, remove = (engine.parent / "log").read_text().splitlines()
    name = run.split("--name ")[1].split()[0]
    assert remove == f"rm --force {name}"


async def test_the_client_gets_no_keys(engine, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-this-test")
    engine.write_text("#!/bin/sh\nenv >&2\nexit 1\n")
    with pytest.raises(SandboxError) as caught:
        await ContainerSandbox(str(engine)).run(Program("x = 1"))
    assert "PATH=" in caught.value.message
    assert "sk-secret" not in caught.value.message


async def test_an_engine_that_does_not_run_is_the_sandboxs_failure(engine):
    engine.write_text("#!/bin/sh\necho 'Cannot connect to the daemon' >&2\nexit 125\n")
    with pytest.raises(SandboxError, match="Cannot connect to the daemon") as caught:
        await ContainerSandbox(str(engine)).run(Program("x = 1"))
    assert "pull python:" in caught.value.hint


def test_a_missing_engine_says_what_to_install():
    with pytest.raises(SandboxError, match="no container engine") as caught:
        ContainerSandbox("/nonexistent/docker")
    assert "install Docker or Podman" in caught.value.hint
