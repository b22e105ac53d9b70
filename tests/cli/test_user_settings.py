"""`flowsteer.toml`, `.env` and the environment: who wins, what is refused, and what the shell completes."""

import os
import subprocess
from pathlib import Path

import pytest
from flowsteer_cli import COMMAND, Outcome, environment, flowsteer

DIRECTOR = "dsl:Plan -> Programmer -> Verify ? Revise : done -> Format"
SETTINGS = f"""
[defaults]
executor = "simulated:"
director = "{DIRECTOR}"
max_turns = 3

[solve]
max-turns = 20
type = "math"
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with settings, and an empty configuration folder of the user's."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    (tmp_path / "flowsteer.toml").write_text(SETTINGS)
    return tmp_path


def in_force(place: Path, **changes: str) -> dict[str, tuple[object, str]]:
    rows = flowsteer("config", "--json", cwd=place, **changes).json["settings"]
    return {row["setting"]: (row["value"], row["from"]) for row in rows}


def test_a_command_takes_what_the_file_says(place: Path):
    solved = flowsteer("solve", "6*7?", "--json", cwd=place)
    assert (solved.code, solved.json["director"]) == (0, DIRECTOR)
    assert flowsteer("solve", "6*7?", "--json", "--max-turns", "2", cwd=place).json["turns"] == 2


def test_the_stronger_place_wins_and_config_says_which_it_was(place: Path):
    (place / "user" / "flowsteer").mkdir(parents=True)
    (place / "user" / "flowsteer" / "flowsteer.toml").write_text('[defaults]\nexecutor = "simulated:flat"\nseed = 5\n')
    assert in_force(place)["executor"] == ("simulated:", "flowsteer.toml")
    assert in_force(place)["seed"][0] == 5
    (place / ".env").write_text("FLOWSTEER_EXECUTOR=simulated:null\nPATH=nowhere\n")
    assert in_force(place)["executor"] == ("simulated:null", "FLOWSTEER_EXECUTOR in .env")
    given = {"FLOWSTEER_EXECUTOR": "simulated:typed"}
    assert in_force(place, **given)["executor"] == ("simulated:typed", "FLOWSTEER_EXECUTOR in the environment")
    assert os.environ["PATH"] != "nowhere"
    assert "FLOWSTEER_EXECUTOR" not in os.environ
    (place / ".env").unlink()
    (place / "flowsteer.toml").unlink()
    assert in_force(place)["executor"][0] == "simulated:flat"
    assert in_force(place)["director"] == ("pretrained", "built in")


def test_a_key_is_found_where_the_settings_say_and_never_shown(place: Path):
    with (place / "flowsteer.toml").open("a") as file:
        file.write('[keys]\nopenai = "MINE"\n')
    (place / ".env").write_text("MINE=sk-secret-secret-secret\n")
    told = flowsteer("config", "--json", cwd=place)
    (row,) = [key for key in told.json["keys"] if key["backend"] == "openai"]
    assert row == {"backend": "openai", "set": True, "from": "MINE in .env"}
    assert "secret" not in told.out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("executor = 1\n", "executor stands in no table"),
        ("[slove]\nseed = 1\n", "[slove] is no command. Did you mean solve?"),
        ("[solve]\nmax-trns = 1\n", "unknown key max-trns. Did you mean max-turns?"),
        ("[keys]\nopnai = 'X'\n", "names no backend opnai. Did you mean openai?"),
        ("[keys]\nopenai = 'not a name'\n", "is no name of a variable"),
        ("[defaults]\nexecutor = 'sk-abcdefghijklmnopqrstuv'\n", "no key"),
        ("[solve\n", "is not TOML"),
    ],
)
def test_what_cannot_be_meant_is_refused(place: Path, text: str, words: str):
    (place / "flowsteer.toml").write_text(text)
    refused = flowsteer("solve", "hi", cwd=place)
    assert (refused.code, refused.out) == (2, "")
    assert words in refused.err


def completed(place: Path, line: str) -> list[str]:
    words = {"_FLOWSTEER_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    code = "import sys; sys.argv = ['flowsteer']; from flowsteer.cli.main import app; app(prog_name='flowsteer')"
    done = subprocess.run([COMMAND[0], "-c", code], cwd=place, env=environment(**words), capture_output=True, text=True)
    return done.stdout.split()


def test_the_shell_completes_commands_backends_datasets_and_runs(place: Path):
    assert isinstance(flowsteer("solve", "6*7?", "--json", "--run", "runs/mine", cwd=place), Outcome)
    assert "solve" in completed(place, "flowsteer so")
    assert "openai:" in completed(place, "flowsteer solve hi --executor op")
    assert "gsm8k" in completed(place, "flowsteer eval gs")
    assert completed(place, "flowsteer show ru") == ["runs/mine"]
