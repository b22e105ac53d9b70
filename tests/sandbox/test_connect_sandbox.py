import shutil

import pytest

from flowsteer.errors import ConfigError, SandboxError
from flowsteer.sandbox.base import Program
from flowsteer.sandbox.connect import available_tiers, connect_sandbox
from flowsteer.sandbox.ladder import Ladder
from flowsteer.sandbox.pair import Caller


@pytest.fixture
async def ladder():
    sandbox = connect_sandbox("auto")
    yield sandbox
    await sandbox.aclose()


async def test_a_run_gets_the_tier_it_names():
    sandbox = connect_sandbox("monty")
    assert (await sandbox.run(Program("import heapq"))).status == "unsupported"
    await sandbox.aclose()


def test_an_unknown_tier_is_refused():
    with pytest.raises(ConfigError, match="expected one of monty, bubblewrap, container, auto"):
        connect_sandbox("host")


async def test_auto_starts_on_monty_and_climbs_for_what_monty_lacks(ladder):
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    easy = await ladder.run(Program("x = 1", result="x"))
    hard = await ladder.run(Program("import heapq\nx = [3, 1]\nheapq.heapify(x)", result="x"))
    wrong = await ladder.run(Program("1 / 0"))
    assert [(o.tier, o.status, o.value) for o in (easy, hard, wrong)] == [
        ("monty", "ok", 1),
        ("bubblewrap", "ok", [1, 3]),
        ("monty", "error", None),
    ]


async def test_without_a_stronger_tier_it_stays_unsupported_and_says_what_to_install(ladder, monkeypatch):
    await ladder.run(Program("x = 1"))
    monkeypatch.setenv("PATH", "/nonexistent")
    outcome = await ladder.run(Program("import heapq\nopen('/tmp/ran', 'w')"))
    assert (outcome.status, outcome.tier) == ("unsupported", "monty")
    assert "No module named 'heapq'" in outcome.error
    assert "bubblewrap or container" in outcome.error
    assert "apt install bubblewrap" in outcome.error


@pytest.mark.parametrize("pair", [False, True])
async def test_a_stronger_tier_that_breaks_is_no_fault_of_the_program(monty, pair):
    class Broken:
        async def run(self, program, limits):
            raise SandboxError("the sandboxed process was not gone after 10 s")

        async def run_pair(self, caller, callee, limits):
            raise SandboxError("the sandboxed process was not gone after 10 s")

    async def find():
        return Broken()

    ladder, program = Ladder(monty, find), Program("import heapq\ndef f(): return 1")
    with pytest.raises(SandboxError, match="not gone"):
        await (ladder.run_pair(Caller(("f",), "", "assert f() == 1"), program) if pair else ladder.run(program))


async def test_tiers_are_reported_by_trying_them(monkeypatch):
    statuses = {status.name: status for status in await available_tiers()}
    assert list(statuses) == ["monty", "bubblewrap", "container"]
    assert statuses["monty"].ok
    assert all(status.ok or (status.detail and status.hint) for status in statuses.values())
    monkeypatch.setenv("PATH", "/nonexistent")
    without = {status.name: status for status in await available_tiers()}
    assert not without["bubblewrap"].ok
    assert not without["container"].ok
    with pytest.raises(SandboxError):
        connect_sandbox("bubblewrap")
