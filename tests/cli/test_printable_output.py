"""Whatever models, questions, files and command lines hold: no control character of theirs reaches a terminal."""

import json
import re
import tempfile
from pathlib import Path

import pytest
from flowsteer_cli import OFFLINE, Outcome, flowsteer
from hypothesis import example, given, settings
from hypothesis import strategies as st

STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
ATTACKS = (
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x1b]8;;http://x\x1b\\link",
    "\x9b2J",
    "safe\rfake",
    "\u202egnp.exe",
    "\u2066x\u2069",
    "a\x08\x08b",
    "[/] [bold] :smile:",
)
hostile = st.one_of(
    st.sampled_from(ATTACKS),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=30),
    st.lists(st.sampled_from([*ATTACKS, "word", " ", "[", "]", "\x7f", "\x85", "\u200f"]), min_size=1).map("".join),
)
names = hostile.filter(lambda text: "/" not in text and len(text.encode()) < 100)


def assert_clean(outcome: Outcome) -> None:
    for stream in (outcome.out, outcome.err):
        assert not STEERS.search(stream), ascii(stream)
    assert "Traceback" not in outcome.err


@settings(max_examples=12)
@given(question=hostile.filter(str.strip), said=hostile, operator=hostile)
@example("\x1b[31m?", ATTACKS[0], ATTACKS[5])
def test_an_episode_watched_shown_and_printed(question: str, said: str, operator: str):
    with tempfile.TemporaryDirectory() as folder:
        cwd = Path(folder)
        replies = [
            f"{said}<action>add</action><operator>Custom</operator>",
            f"<action>add</action><operator>{operator}</operator>",
            "<action>set_prompt</action><target>node_1</target>" + f"<prompt>{said}</prompt>",
        ]
        (cwd / "s.txt").write_text("\n".join(" ".join(reply.splitlines()) for reply in replies), newline="")
        asked = ("solve", "-", "--director", "script:s.txt", "--executor", "simulated:", "--run", "r")
        for more in ((), ("--json",)):  # run, and then read again
            assert_clean(flowsteer(*asked, *more, cwd=cwd, stdin=question))
        for command in (("show", "r"), ("show", "r", "--json"), ("export", "r", "--to", "python")):
            assert_clean(flowsteer(*command, cwd=cwd))


@settings(max_examples=20)
@given(hostile)
def test_json_reads_back_as_it_was(text: str):
    from flowsteer.unicode import printable_json

    written = printable_json({"text": text})
    assert not STEERS.search(written)
    assert json.loads(written) == {"text": text}


@settings(max_examples=8)
@given(names)
@example("\x1b[2J.json")
@example("\udce9.json")
def test_what_is_named_on_the_command_line(name: str):
    with tempfile.TemporaryDirectory() as folder:
        cwd = Path(folder)
        for arguments in (
            ("solve", "hi", *OFFLINE, "--context", f"c{name}"),
            ("solve", "hi", *OFFLINE, "--director", f"x{name}"),
            ("solve", "hi", *OFFLINE, "--library", f"x{name}"),
            ("show", f"x{name}"),
            ("show", "a", "b", f"x{name}"),
            ("show", f"--x{name}"),
            (f"x{name}",),
            ("eval", f"x{name}.toml"),
            ("run", f"Plan -> {name}", "hi", "--executor", "simulated:"),
            ("export", f"x{name}"),
        ):
            outcome = flowsteer(*arguments, cwd=cwd)
            assert outcome.code != 0
            assert_clean(outcome)


@settings(max_examples=10)
@given(names, hostile)
def test_graded_answers_and_their_ids(name: str, answer: str):
    with tempfile.TemporaryDirectory() as folder:
        cwd = Path(folder)
        task = {"id": name, "dataset": "gsm8k", "type": "math", "question": "6 * 7?", "answer": "42"}
        (cwd / "t.jsonl").write_text(json.dumps(task) + "\n")
        (cwd / "a.jsonl").write_text(json.dumps({"id": name, "answer": answer}) + "\n")
        for more in ((), ("--json",)):
            assert_clean(flowsteer("grade", "--tasks", "t.jsonl", "--answers", "a.jsonl", *more, cwd=cwd))


@pytest.mark.parametrize("name", [ATTACKS[0], ATTACKS[6], ATTACKS[8]])
def test_systems_and_folders_in_tables(tmp_path: Path, name: str):
    folder = f"r{name.replace('/', '')}"
    arguments = ("--system", "direct", "--executor", "simulated:", "--limit", "1", "--run", folder)
    done = flowsteer("eval", "simulated:math", *arguments, cwd=tmp_path)
    assert_clean(done)
    assert done.code == 0, done.err
    assert_clean(flowsteer("show", folder, cwd=tmp_path))
    assert_clean(flowsteer("report", folder, cwd=tmp_path))
