"""Every command, through the command line: what scripts rely on."""

import json
import os
import platform
import pty
import re
import subprocess
import sys
from importlib.metadata import metadata, version
from pathlib import Path

import pytest
from flowsteer_cli import COMMAND, OFFLINE, environment, flowsteer

DSL = "Plan -> [Programmer, Custom] -> ScEnsemble -> Verify"
SOLVED = {"answer", "finished", "turns", "dsl", "workflow", "usage", "run", "episode"}


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `run` holds a solved question."""
    folder = tmp_path_factory.mktemp("solved")
    outcome = flowsteer(
        *("solve", "What is 6 times 7?", "--type", "math", "--run", "run", "--executor", "simulated:"),
        *("--director", f"dsl:{DSL}", "--json"),
        cwd=folder,
    )
    assert outcome.code == 0, outcome.err
    (folder / "solved.json").write_text(outcome.out)
    return folder


def test_solve_json_keeps_its_contract(solved: Path):
    value = json.loads((solved / "solved.json").read_text())
    assert value.keys() >= SOLVED
    assert value["finished"] is True
    assert value["dsl"] == DSL
    assert value["turns"] == 5
    assert value["answer"]
    assert value["usage"]["total"]["calls"] == value["usage"]["executor"]["calls"] == 5
    assert value["run"] == "run"


@pytest.mark.parametrize("director", ["simulated:", "simulated:?seed=3", "script:edits.txt", f"dsl:{DSL}"])
def test_every_kind_of_director_solves(tmp_path: Path, director: str):
    (tmp_path / "edits.txt").write_text("# two steps\nadd Custom\nnonsense\nadd Verify\n")
    limit = ("--max-turns", "3") if director.startswith("script:") else ()
    outcome = flowsteer(
        *("solve", "Who wrote it?", "--type", "qa", "--director", director, "--executor", "simulated:", "--json"),
        *limit,
        cwd=tmp_path,
    )
    assert outcome.code == (0 if outcome.json["finished"] else 3)
    assert (outcome.err == "") == outcome.json["finished"]
    assert outcome.json.keys() >= SOLVED
    assert Path(tmp_path / outcome.json["run"], "episodes.jsonl").is_file()
    if director.startswith("script:"):
        assert outcome.json["dsl"] == "Custom -> Verify"
        assert (outcome.json["turns"], outcome.json["parsed"], outcome.json["accepted"]) == (3, 2, 2)
        assert (outcome.json["finished"], outcome.json["reason"]) == (False, "turn limit")


def test_without_json_people_see_the_graph_the_tokens_and_the_answer(tmp_path: Path):
    outcome = flowsteer(
        *("solve", "What is 6 times 7?", "--type", "qa", "--director", f"dsl:{DSL}", "--executor", "simulated:"),
        cwd=tmp_path,
    )
    assert outcome.code == 0
    assert "└─ branch 2: node_4 Custom" in outcome.out
    assert "tokens" in outcome.out
    assert "Answer" in outcome.out
    assert all(len(line) <= 100 for line in outcome.out.splitlines())
    assert outcome.err.startswith("recorded: flowsteer show runs/solve-")


def test_what_a_director_prints_keeps_out_of_the_json(tmp_path: Path):
    outcome = flowsteer(
        *("solve", "hi", "--director", "human", "--executor", "simulated:", "--json", "--max-turns", "2"),
        "--allow-unfinished",
        cwd=tmp_path,
        stdin="add Custom\nadd Verify\n",
    )
    assert outcome.code == 0
    assert outcome.json["dsl"] == "Custom -> Verify"
    assert "turn 1 of 2>" in outcome.err


def test_the_question_comes_from_standard_input(tmp_path: Path):
    outcome = flowsteer("solve", "-", *OFFLINE, "--json", "--run", "r", cwd=tmp_path, stdin="\nWhat is ½ of 7?\n")
    assert outcome.code == 0
    events = flowsteer("show", "r", "--json", cwd=tmp_path).json["events"]
    assert events[0]["task"] == {"question": "What is ½ of 7?", "type": "qa"}


def test_the_context_reaches_the_operators(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("The capital of France is Paris.")
    base = ("run", "Custom", "What is the capital?", "--executor", "simulated:", "--json")
    plain = flowsteer(*base, cwd=tmp_path).json["usage"]["prompt_tokens"]
    assert flowsteer(*base, "--context", "notes.txt", cwd=tmp_path).json["usage"]["prompt_tokens"] > plain + 5


def test_solve_shows_an_episode_it_has_already(solved: Path):
    again = ("solve", "What is 6 times 7?", "--type", "math", "--run", "run", "--executor", "simulated:")
    first = flowsteer(*again, "--director", f"dsl:{DSL}", cwd=solved)
    assert first.code == 0
    assert "nothing was run" in first.err
    assert first.out == flowsteer("show", "run", cwd=solved).out
    assert (
        flowsteer(*again, "--director", f"dsl:{DSL}", "--json", cwd=solved).out == (solved / "solved.json").read_text()
    )
    assert len((solved / "run" / "episodes.jsonl").read_text().splitlines()) == 1


def test_show_gives_an_episode_by_the_beginning_of_its_name(solved: Path):
    name = json.loads((solved / "solved.json").read_text())["episode"]
    shown = flowsteer("show", "run", name[:4], "--json", cwd=solved).json
    assert shown["episode"] == name
    kinds = [event["kind"] for event in shown["events"]]
    assert (kinds[0], kinds[-1]) == ("episode_started", "episode_ended")
    assert kinds.count("turn_taken") == 5


@pytest.mark.parametrize("source", [DSL, "workflow.json", "workflow.dsl"])
def test_run_takes_dsl_text_and_files(tmp_path: Path, source: str):
    (tmp_path / "workflow.dsl").write_text(f"{DSL}\n")
    (tmp_path / "workflow.json").write_text(flowsteer("export", DSL, "--to", "json", cwd=tmp_path).out)
    outcome = flowsteer("run", source, "6*7?", "--type", "qa", "--executor", "simulated:", "--json", cwd=tmp_path)
    assert outcome.code == 0, outcome.err
    assert outcome.json.keys() >= {"answer", "dsl", "nodes", "usage"}
    assert outcome.json["dsl"] == DSL
    assert [node["operator"] for node in outcome.json["nodes"]] == [
        "Plan",
        "Programmer",
        "Custom",
        "ScEnsemble",
        "Verify",
    ]
    assert outcome.json["usage"]["calls"] == 5


def test_run_shows_people_the_tree_and_the_answer(tmp_path: Path):
    outcome = flowsteer("run", DSL, "6*7?", "--type", "qa", "--executor", "simulated:", cwd=tmp_path)
    assert "├─ node_2 parallel" in outcome.out
    assert "5 calls" in outcome.err


def test_a_node_may_name_a_backend_of_the_roster(tmp_path: Path):
    edit = "<action>add</action><operator>Custom</operator><backend>big</backend>"
    (tmp_path / "edits.txt").write_text(f"{edit}\nadd Verify\n")
    outcome = flowsteer(
        *("solve", "hi", "--director", "script:edits.txt", "--executor", "simulated:", "--json", "--run", "r"),
        *("--backend", "big=simulated:flat", "--max-turns", "2", "--allow-unfinished"),
        cwd=tmp_path,
    )
    assert outcome.code == 0, outcome.err
    nodes = [
        event for event in flowsteer("show", "r", "--json", cwd=tmp_path).json["events"] if event["kind"] == "node_ran"
    ]
    assert [node["backend"].partition("#")[0] for node in nodes] == ["simulated:flat", "simulated:typed"]


def test_exported_python_runs(solved: Path):
    assert flowsteer("export", "run", "--to", "python", "--out", "program.py", cwd=solved).out == ""
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=solved, env=environment(), capture_output=True, text=True, check=True
    )
    ran = flowsteer(
        *("run", DSL, "What is 6 times 7?", "--type", "math", "--executor", "simulated:"),
        "--json",
        cwd=solved,
    )
    assert done.stdout == f"{ran.json['answer']}\n"


def test_export_writes_the_same_workflow_in_every_form(solved: Path):
    assert flowsteer("export", "run", cwd=solved).out == f"{DSL}\n"
    (solved / "w.json").write_text(flowsteer("export", "run", "--to", "json", cwd=solved).out)
    assert flowsteer("export", "w.json", "--to", "dsl", cwd=solved).out == f"{DSL}\n"
    mermaid = flowsteer("export", "run", "--to", "mermaid", "--json", cwd=solved).json
    assert mermaid["to"] == "mermaid"
    assert mermaid["text"].startswith("flowchart TD")


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        (("operators",), {"library", "libraries", "operators"}),
        (("operators", "--library", "paper+tools"), {"library", "libraries", "operators"}),
        (("backends",), {"presets", "others"}),
        (("models", "list"), {"models"}),
        (("doctor",), {"ok", "checks", "report"}),
    ],
)
def test_catalogues_speak_json_and_prose(tmp_path: Path, arguments: tuple[str, ...], keys: set[str]):
    outcome = flowsteer(*arguments, "--json", cwd=tmp_path)
    assert outcome.code == 0
    assert outcome.err == ""
    assert outcome.json.keys() == keys
    prose = flowsteer(*arguments, cwd=tmp_path)
    assert prose.code == 0
    assert len(prose.out) > 50


def test_the_doctor_checks_every_extra_and_ends_with_a_line_for_a_bug_report(tmp_path: Path):
    offered = {name for name in metadata("flowsteer").get_all("Provides-Extra") if name not in ("dev", "docs")}
    found = flowsteer("doctor", "--json", cwd=tmp_path).json
    names = {check["name"] for check in found["checks"]}
    assert names >= {f"extra {name}" for name in offered} | {"server ollama", "disk here", "processors"}
    assert found["report"].startswith(f"flowsteer {version('flowsteer')}; Python {platform.python_version()}; ")
    assert all(f"; {kind} " in found["report"] for kind in ("processors", "sandbox", "extra", "model", "server"))
    assert flowsteer("doctor", cwd=tmp_path).out.splitlines()[-1] == f"for a bug report: {found['report']}"


def test_the_paper_has_twelve_operators(tmp_path: Path):
    rows = flowsteer("operators", "--json", cwd=tmp_path).json["operators"]
    assert len(rows) == 12
    assert all(row["does"] and row["category"] for row in rows)


def test_backends_says_which_keys_are_set_and_shows_none(tmp_path: Path):
    outcome = flowsteer("backends", "--json", cwd=tmp_path, OPENAI_API_KEY="sk-secret")
    keys = {row["spec"]: row["key_set"] for row in outcome.json["presets"]}
    assert keys["openai:MODEL"] is True
    assert keys["anthropic:MODEL"] is False
    assert "sk-secret" not in outcome.out + flowsteer("doctor", cwd=tmp_path, OPENAI_API_KEY="sk-secret").out


@pytest.mark.parametrize("command", ["", "solve", "run", "show", "export", "operators", "backends", "doctor", "models"])
def test_every_command_has_help(tmp_path: Path, command: str):
    outcome = flowsteer(*command.split(), "--help", cwd=tmp_path)
    assert outcome.code == 0
    assert "Usage: flowsteer" in outcome.out


def test_on_a_terminal_a_spinner_says_what_is_waited_for_and_leaves_nothing_behind(tmp_path: Path):
    screen, side = pty.openpty()
    command = (*COMMAND, "solve", "hi", "--director", f"dsl:{DSL}", "--executor", "simulated:")
    with subprocess.Popen(command, cwd=tmp_path, env=environment(TERM="xterm"), stdout=side, stderr=side) as process:
        os.close(side)
        shown = b"".join(iter(lambda: _read(screen), b"")).decode()
    os.close(screen)
    assert process.returncode == 0
    assert "connecting …" in shown
    assert "\x1b[?25l" in shown  # the cursor is hidden while it turns
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # and shown again
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    assert "Turn 5 of 20" in plain
    assert plain.rstrip().splitlines()[-1].startswith("recorded: flowsteer show runs/solve-")


def _read(screen: int) -> bytes:
    try:
        return os.read(screen, 65536)
    except OSError:  # how Linux says that the other side is closed
        return b""
