"""Wrong inputs of all kinds: each ends with its exit code and one message, none silently and none with a traceback."""

from pathlib import Path

import pytest
from flowsteer_cli import Outcome, flowsteer

SIMULATED = ("--director", "simulated:", "--executor", "simulated:")
SOLVE = ("solve", "hi", *SIMULATED)
EVAL = ("eval", "simulated:math", "--limit", "1", "--executor", "simulated:")
RUN = ("run", "--executor", "simulated:")

WRONG: list[tuple[tuple[str, ...], int, str]] = [
    # the command line
    (("dance",), 2, "No such command 'dance'"),
    (("slove", "hi"), 2, "solve"),
    (("solve",), 2, "Missing argument"),
    ((*SOLVE, "--nonsense"), 2, "--nonsense"),
    ((*SOLVE, "--type", "poem"), 2, "poem"),
    ((*SOLVE, "--max-turns", "0"), 2, "--max-turns"),
    ((*SOLVE, "--seed", "one"), 2, "--seed"),
    *(
        ((*command, "--seed", "-1"), 2, "--seed")
        for command in (SOLVE, (*RUN, "Custom", "hi"), EVAL, ("serve",), ("calibrate", "simulated:math"))
    ),
    ((*SOLVE, "--quiet", "--verbose"), 2, "--quiet and --verbose"),
    ((*SOLVE, "--log-level", "loud"), 2, "loud"),
    ((*SOLVE, "--log-file", "nowhere/log"), 2, "nowhere/log"),
    # what is asked
    (("solve", "", *SIMULATED), 2, "the question is empty"),
    ((*SOLVE, "--context", "missing.txt"), 2, "missing.txt"),
    ((*RUN, "", "hi"), 2, "the workflow is empty"),
    ((*RUN, "Plan -> [", "hi"), 2, "character"),
    ((*RUN, "Nope -> Plan", "hi"), 2, "there is no operator 'Nope'"),
    ((*RUN, "missing.json", "hi"), 2, "missing.json"),
    ((*RUN, "Plan", "hi"), 3, "no answer"),
    ((*RUN, "Plan -> Programer", "hi"), 2, "Did you mean Programmer?"),
    ((*RUN, "fixed:Plan -> Nope", "hi"), 2, "there is no operator 'Nope'"),
    (RUN, 2, "the workflow is missing"),
    ((*RUN, "Custom"), 2, "the question is missing"),
    ((*RUN, "Custom", "hi", "--question", "ho"), 2, "'hi' is one argument too many"),
    # who works
    (("solve", "hi", "--director", "simulated:", "--executor", "gpt-4o"), 2, "Did you mean openai:gpt-4o?"),
    (("solve", "hi", "--director", "simulated:", "--executor", "opnai:gpt-4o"), 2, "Did you mean openai:gpt-4o?"),
    ((*SOLVE, "--director", "openai/gpt-4o-mini"), 2, "Did you mean openai:gpt-4o-mini?"),
    ((*SOLVE, "--director", "hunam"), 2, "Did you mean human?"),
    ((*SOLVE, "--director", "dls:Plan"), 2, "Did you mean dsl:Plan?"),
    ((*SOLVE, "--director", "fixed:Plan -> Nope"), 2, "there is no operator 'Nope'"),
    ((*SOLVE, "--director", "dsl:Plan -> Programer"), 2, "Did you mean Programmer?"),
    ((*SOLVE, "--run", "."), 1, "is not empty and holds no run"),
    ((*SOLVE, "--director", "nope"), 2, "'nope' names no backend"),
    (("solve", "hi", "--director", "simulated:", "--executor", "simulated:sharp"), 2, "sharp"),
    ((*SOLVE, "--director", "openai:gpt-5-mini"), 2, "OPENAI_API_KEY is not set"),
    ((*SOLVE, "--director", "script:missing.txt"), 2, "missing.txt"),
    ((*SOLVE, "--director", "dsl:Plan -> ["), 2, "character"),
    (("solve", "hi", "--director", "dsl:Custom", "--executor", "http://127.0.0.1:9/v1#m"), 1, "127.0.0.1:9"),
    (("solve", "hi", "--director", "dsl:Plan", "--executor", "simulated:"), 3, "no answer"),
    ((*SOLVE, "--library", "papre"), 2, "unknown operator library 'papre'. Did you mean paper?"),
    ((*SOLVE, "--backend", "big"), 2, "NAME=SPEC"),
    ((*SOLVE, "--backend", 'a"b=simulated:'), 2, "cannot be a backend's name"),
    (("solve", "hi", "--director", "dsl:Custom", "--executor", "simulated:", "--max-tokens", "1"), 4, "--max-tokens"),
    # evaluations
    (("eval", "gsm9k"), 2, "Did you mean gsm8k?"),
    (("eval", "missing.jsonl"), 2, "missing.jsonl"),
    (("eval", "missing.toml"), 2, "missing.toml"),
    (("eval", "keys.jsonl", "--executor", "simulated:"), 2, "unknown key 'anwser'. Did you mean answer?"),
    ((*EVAL, "--system", "nope"), 2, "'nope' names no system"),
    ((*EVAL, "--system", "sc:many"), 2, "sc:many"),
    ((*EVAL, "--without", "cavnas"), 2, "no such ablation. Did you mean canvas?"),
    ((*EVAL, "--library", "nope"), 2, "unknown operator library 'nope'"),
    ((*EVAL, "--set", "nonsense=1"), 2, "nonsense"),
    ((*EVAL, "--set", "caps.call=1"), 2, "Did you mean caps.calls?"),
    ((*EVAL, "--system", "dirct"), 2, "Did you mean direct?"),
    ((*EVAL, "--system", "cot=sc:3"), 2, "cot is the name of another system"),
    ((*EVAL, "--system", "my=cot", "--system", "my=sc:3"), 2, "two systems are called my"),
    ((*EVAL, "--system", "dsl:Nope"), 2, "there is no operator 'Nope'"),
    ((*EVAL, "--run", "."), 1, "is not empty and holds no run"),
    ((*EVAL, "--set", "limit"), 2, "'limit' is no setting"),
    (("validate", "no_gold.jsonl"), 6, "no_gold.jsonl has no right answer to check"),
    (("validate", "wrong.jsonl"), 6, ""),
    (("grade", "--tasks", "no_gold.jsonl", "--answers", "answers.jsonl"), 3, "nothing could be graded"),
    (("grade", "--tasks", "wrong.jsonl", "--answers", "other.jsonl"), 2, "no task 'x'"),
    # runs
    *(
        ((*command, "nowhere"), 2, "there is no folder nowhere")
        for command in (
            *(("show",), ("report",), ("score",), ("library",), ("autopsy",), ("runs", "pack")),
            ("swap", "--executor", "simulated:"),
        )
    ),
    (("library", ".", "nowhere"), 2, "there is no folder nowhere"),
    (("show", "a" * 300), 2, "there is no folder aaa"),
    (("show", "keys.jsonl"), 2, "there is no folder keys.jsonl"),
    (("export", "Custom", "3"), 2, "'Custom' is no run folder, so it has no episode '3'"),
    (("export", ".", "3", "--episode", "4"), 2, "two episodes are named, '3' and '4'"),
    (("export", "nowhere"), 2, "'nowhere' is no folder and no file"),
    (("score", "."), 1, ". holds no evaluation"),
    (("report", "."), 1, ". is not a run folder"),
    (("train", "missing.toml"), 2, "missing.toml"),
    (("models", "pull", "nope"), 2, "no model named 'nope'"),
    (("operators", "--library", "nope"), 2, "unknown operator library 'nope'"),
]

FILES = {
    "keys.jsonl": '{"id": "1", "type": "math", "question": "What is 6 times 7?", "anwser": "42"}',
    "wrong.jsonl": '{"id": "1", "type": "code", "question": "f", "answer": "f=lambda: 1", "tests": "assert f() == 2"}',
    "no_gold.jsonl": '{"id": "1", "type": "math", "question": "What is 6 times 7?"}',
    "answers.jsonl": '{"id": "1", "answer": "42"}',
    "other.jsonl": '{"id": "x", "answer": "42"}',
}


def name(value: object) -> str:
    return " ".join(value)[:60] if isinstance(value, tuple) else ""


def called(tmp_path: Path, *arguments: str) -> Outcome:
    for name, line in FILES.items():
        (tmp_path / name).write_text(f"{line}\n")
    return flowsteer(*arguments, cwd=tmp_path)


@pytest.mark.parametrize(("arguments", "code", "words"), WRONG, ids=name)
def test_each_wrong_input_is_told_with_its_code(tmp_path: Path, arguments: tuple[str, ...], code: int, words: str):
    outcome = called(tmp_path, *arguments)
    assert outcome.code == code, outcome
    assert words in outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.err + outcome.out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [one for one in WRONG if one[1] in (1, 2) and one[0][0] in ("solve", "run", "eval", "validate", "show", "grade")],
    ids=name,
)
def test_a_program_gets_each_error_as_an_object(tmp_path: Path, arguments: tuple[str, ...], code: int, words: str):
    error = called(tmp_path, *arguments, "--json").json["error"]
    assert error["code"] == code
    assert words in error["message"]
    assert "hint" in error


def test_what_is_refused_leaves_nothing_behind(tmp_path: Path):
    for arguments, code, _ in WRONG:
        if code == 2:
            called(tmp_path, *arguments)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")} == FILES.keys()
