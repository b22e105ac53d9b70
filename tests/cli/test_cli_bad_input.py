"""What a user can get wrong: one clear message on standard error, no traceback, a non-zero exit."""

import asyncio
import json
import subprocess
from pathlib import Path

import pytest
from fake_server import FakeServer
from flowsteer_cli import COMMAND, OFFLINE, Outcome, environment, flowsteer, run

HTTP = "http://127.0.0.1:9/v1#tiny"  # the discard port: nobody listens


def assert_told(outcome: Outcome, *words: str, code: int = 2) -> None:
    """One message that holds all the words, and nothing where a result would stand."""
    assert outcome.code == code, outcome
    assert outcome.out == ""
    assert outcome.err.startswith("error: "), outcome.err
    assert outcome.err.count("error: ") == 1
    assert "Traceback" not in outcome.err
    assert len(outcome.err) < 1200
    for word in words:
        assert word in outcome.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--director", "nope:model"), ("'nope:model' names no backend", "openrouter")),
        (("--director", "nope"), ("'nope' names no backend",)),
        (("--executor", "simulated:sharp"), ("sharp", "typed")),
        (("--director", "openai:gpt-5-mini"), ("OPENAI_API_KEY is not set", "export OPENAI_API_KEY=…")),
        (("--director", "script:missing.txt"), ("missing.txt",)),
        (("--director", "dsl:Plan -> ["), ("character 10", "  Plan -> [\n")),
        (("--library", "nope"), ("unknown operator library 'nope'", "paper, tools")),
        (("--backend", "big"), ("NAME=SPEC", "'big'")),
        (("--backend", "=simulated:"), ("NAME=SPEC",)),
        (("--context", "missing.txt"), ("missing.txt", "No such file")),
        (("--context", "."), ("Is a directory",)),
        (("--context", "picture.png"), ("picture.png", "not UTF-8")),
        (("--executor", "llamacpp:missing.gguf"), ("missing.gguf",)),
        (("--executor", "http://user:secret@127.0.0.1/v1#tiny"), ("no user, password or query",)),
        (("--max-cost", "1", "--executor", HTTP), ("127.0.0.1:9",)),
    ],
)
def test_solve_names_what_does_not_fit(tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]):
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n")
    outcome = flowsteer("solve", "hi", *OFFLINE, "--run", "r", *arguments, cwd=tmp_path)
    assert_told(outcome, *words, code=1 if HTTP in arguments else 2)
    assert "secret" not in outcome.err


@pytest.mark.parametrize(
    ("question", "words"),
    [("", ("the question is empty",)), (" \n\t", ("empty",)), ("a" * 1_000_000, ("1,000,000", "--context"))],
)
@pytest.mark.parametrize("command", [("solve", "-"), ("run", "Custom", "-")])
def test_questions_that_are_none(tmp_path: Path, command: tuple[str, ...], question: str, words: tuple[str, ...]):
    outcome = flowsteer(*command, "--executor", "simulated:", cwd=tmp_path, stdin=question)
    assert_told(outcome, *words)
    assert not list(tmp_path.iterdir())


def test_a_question_that_is_no_text(tmp_path: Path):
    assert_told(flowsteer("solve", "-", *OFFLINE, cwd=tmp_path, stdin=b"\xff\xfe\x00"), "not UTF-8")


@pytest.mark.parametrize(
    "arguments",
    [
        ("solve", "caf\udce9?", *OFFLINE),
        ("solve", "hi", *OFFLINE, "--executor", f"{HTTP}\udce9"),
        ("solve", "hi", *OFFLINE, "--backend", "caf\udce9=simulated:"),
        ("solve", "hi", *OFFLINE, "--director", "script:caf\udce9.txt"),
        ("run", "Plan -> Caf\udce9", "hi", "--executor", "simulated:"),
        ("run", "half.json", "hi", "--executor", "simulated:"),
    ],
)
def test_bytes_on_the_command_line_that_are_no_text(tmp_path: Path, arguments: tuple[str, ...]):
    (tmp_path / "half.json").write_text(r'{"version": 1, "nodes": ["\ud835"]}')
    assert_told(flowsteer(*arguments, cwd=tmp_path), "not clean UTF-8")
    assert [path.name for path in tmp_path.iterdir()] == ["half.json"]


@pytest.mark.parametrize(
    ("workflow", "words"),
    [
        ("Nope -> Plan", ("there is no operator 'Nope'", "there are Plan")),
        ("Plan -> [Custom,", ("character 17", "\n  Plan -> [Custom,\n                  ^")),
        ("Plan -> (Plan) * x", ("character 18", "found 'x'")),
        ("", ("empty",)),
        ("cut.json", ("not JSON", "column 6")),
        ("other.json", ("version, next_number, nodes",)),
        ("list.json", ("expected an object",)),
        ("missing.json", ("missing.json", "No such file")),
        ("binary.dsl", ("not UTF-8",)),
    ],
)
def test_workflows_that_are_none(tmp_path: Path, workflow: str, words: tuple[str, ...]):
    for name, text in (("cut", '{"a": '), ("other", '{"a": 1}'), ("list", "[1]")):
        (tmp_path / f"{name}.json").write_text(text)
    (tmp_path / "binary.dsl").write_bytes(b"\x80")
    outcome = flowsteer("run", workflow, "hi", "--executor", "simulated:", cwd=tmp_path)
    assert_told(outcome, *words)


async def test_a_model_that_the_server_does_not_have(tmp_path: Path):
    async with FakeServer(models=[("tiny", "someone"), ("large", "someone")]) as server:
        outcome = await run("solve", "hi", "--executor", f"{server.url}#huge", "--director", "simulated:", cwd=tmp_path)
    assert_told(outcome, "has no model 'huge'", "tiny", "large")
    assert server.seen == []
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("command", [("solve", "hi", "--director", "simulated:"), ("run", "Custom", "hi")])
def test_no_network(tmp_path: Path, command: tuple[str, ...]):
    outcome = flowsteer(*command, "--executor", HTTP, cwd=tmp_path)
    assert_told(outcome, "127.0.0.1:9", "Connect call failed", code=1)


def test_a_sandbox_that_is_not_installed(tmp_path: Path):
    outcome = flowsteer("solve", "hi", *OFFLINE, "--sandbox", "bubblewrap", cwd=tmp_path, PATH=str(tmp_path))
    assert_told(outcome, "bubblewrap (the command bwrap) is not installed", "apt install bubblewrap", code=1)


@pytest.mark.parametrize(
    "arguments",
    [
        ("solve", "hi", "--sandbox", "chroot"),
        ("solve", "hi", "--type", "poem"),
        ("solve", "hi", "--max-turns", "0"),
        ("solve", "hi", "--nonsense"),
        ("solve",),
        ("dance",),
        ("export", "Plan", "--to", "png"),
        ("models", "serve", "--port", "99999"),
    ],
)
def test_options_that_are_none(tmp_path: Path, arguments: tuple[str, ...]):
    outcome = flowsteer(*arguments, cwd=tmp_path)
    assert outcome.code == 2
    assert outcome.out == ""
    assert "\nError: " in outcome.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("folder", ["file/run", "/proc/run"])
def test_a_run_folder_that_cannot_be_written(tmp_path: Path, folder: str):
    (tmp_path / "file").write_text("")
    assert_told(flowsteer("solve", "hi", *OFFLINE, "--run", folder, cwd=tmp_path), "cannot write", folder, code=1)


def test_a_run_folder_of_another_run(tmp_path: Path):
    assert flowsteer("solve", "one", *OFFLINE, "--run", "r", "--json", cwd=tmp_path).code == 0
    held = (tmp_path / "r" / "episodes.jsonl").read_bytes()
    assert_told(
        flowsteer("solve", "two " * 1000, *OFFLINE, "--run", "r", cwd=tmp_path),
        "r holds a run with other settings: task.question is 'one' there and 'two",
        "another folder: --run DIR",
        code=1,
    )
    assert_told(
        flowsteer("solve", "one", *OFFLINE, "--run", "r", "--seed", "7", cwd=tmp_path),
        "seed is 0 there and 7 here",
        code=1,
    )
    assert (tmp_path / "r" / "episodes.jsonl").read_bytes() == held


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"config": 1}'])
def test_a_folder_with_another_config(tmp_path: Path, text: str):
    (tmp_path / "config.json").write_text(text)
    for command in (("solve", "hi", *OFFLINE, "--run", "."), ("show", "."), ("export", ".")):
        assert_told(flowsteer(*command, cwd=tmp_path), ". is not a run folder", code=1)


def test_looking_for_what_is_not_there(tmp_path: Path):
    assert flowsteer("solve", "hi", *OFFLINE, "--run", "r", "--json", cwd=tmp_path).code == 0
    assert_told(flowsteer("show", "nowhere", cwd=tmp_path), "there is no folder nowhere")
    assert_told(flowsteer("show", "r", "zzz", cwd=tmp_path), "no episode begins with 'zzz'")
    assert_told(flowsteer("export", "r", "--episode", "zzz", cwd=tmp_path), "'zzz'")
    assert_told(flowsteer("export", "runs1", cwd=tmp_path), "'runs1' is no folder and no file")
    assert_told(flowsteer("export", "r", "--out", "nowhere/x.py", cwd=tmp_path), "cannot write nowhere/x.py")
    assert_told(flowsteer("operators", "--library", "nope", cwd=tmp_path), "unknown operator library 'nope'")
    assert_told(flowsteer("models", "pull", "nope", cwd=tmp_path), "no model named 'nope'")


def test_a_start_that_failed_leaves_no_folder_behind_and_a_resumed_run_stays(tmp_path: Path):
    failing = ("solve", "hi", "--director", "openai:gpt-5-mini", "--executor", "simulated:")
    assert_told(flowsteer(*failing, "--run", "fresh", cwd=tmp_path), "OPENAI_API_KEY")
    assert not (tmp_path / "fresh").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    refused = flowsteer(*failing, "--run", "mine", cwd=tmp_path)
    assert_told(refused, "mine is not empty and holds no run: there is notes.txt", code=1)
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep me"


@pytest.mark.parametrize("command", [("operators", "--json"), ("show", "r"), ("show", "r", "--json"), ("doctor",)])
def test_a_reader_that_leaves_is_no_crash(tmp_path: Path, command: tuple[str, ...]):
    assert flowsteer("solve", "hi", *OFFLINE, "--run", "r", "--json", cwd=tmp_path).code == 0
    process = subprocess.Popen(
        [*COMMAND, *command], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()  # long before anything is written
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert err == b""


def test_a_budget_that_is_spent_ends_the_episode_and_more_of_it_resumes(tmp_path: Path):
    command = ("solve", "hi", "--director", "dsl:Plan -> [Custom, Programmer] -> ScEnsemble -> Verify", "--run", "r")
    outcome = flowsteer(*command, "--executor", "simulated:", "--max-calls", "2", cwd=tmp_path)
    assert outcome.code == 4
    for words in ("2 calls", "--max-calls", "add --run r to the same command"):
        assert words in outcome.err
    kinds = [event["kind"] for event in flowsteer("show", "r", "--json", cwd=tmp_path).json["events"]]
    assert kinds[0] == "episode_started"
    assert "episode_ended" not in kinds
    outcome = flowsteer(*command, "--executor", "simulated:", "--max-calls", "9", "--json", cwd=tmp_path)
    assert outcome.code in (0, 3)
    assert json.loads(outcome.out)["usage"]["total"]["calls"] == 5


async def test_a_budget_is_one_for_the_run_however_often_that_is_started(tmp_path: Path):
    async with FakeServer() as server:
        command = ("solve", "hi", "--director", "dsl:Plan -> Custom -> Verify", "--run", "r", "--executor", server.spec)
        for _ in range(2):
            assert (await run(*command, "--max-calls", "2", cwd=tmp_path)).code == 4
        assert len(server.seen) == 2
        assert (await run(*command, "--max-calls", "9", "--allow-unfinished", cwd=tmp_path)).code == 0
        assert len(server.seen) > 2


def test_two_at_once_on_one_folder(tmp_path: Path):
    async def both() -> list[Outcome]:
        async with FakeServer() as server:
            command = ("solve", "hi", "--executor", server.spec, "--director", "simulated:", "--run", "r", "--json")
            command = (*command, "--allow-unfinished")
            return list(await asyncio.gather(run(*command, cwd=tmp_path), run(*command, cwd=tmp_path)))

    codes = sorted(outcome.code for outcome in asyncio.run(both()))
    assert codes in ([0, 0], [0, 1])  # the second waits for nobody: it is refused, or finds the episode done
