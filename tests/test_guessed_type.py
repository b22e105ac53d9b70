"""The type of a task that names none is guessed from what it says, and the user is told."""

import json
from pathlib import Path

import pytest

import flowsteer
from cli.flowsteer_cli import OFFLINE
from cli.flowsteer_cli import flowsteer as command
from flowsteer.guessed_type import guessed_type

DATA = Path(__file__).parents[2] / "shared" / "data"

ASKED = {
    "math": (
        "What is 6 times 7?",
        "What is 15% of 240?",
        "What is the square root of 144?",
        "Solve x^2 = 4.",
        "Compute the derivative of x^3.",
        "If I have three apples and eat one, how many are left?",
        "Let the function f(x) = 2x + 1. What is f(3)?",
        "Complete the table of the function y = 3x + 2.",
        "What is the mean of the list of integers from 1 to 10?",
        "What is the probability of two heads in two throws?",
        "A shirt costs $20 and a hat $5. How much do both cost?",
        "Find the area of this triangle.\n[asy]\ndraw((0,0)--(3,0)--(0,4)--cycle);\nlabel.put(x);\n[/asy]",
    ),
    "qa": (
        "Who wrote Hamlet?",
        "capital of France",
        "What is the function of the liver?",
        "How long is a python?",
        "How many moons has Mars?",
        "When did World War 2 end?",
        "Write a haiku about code",
        "Which volcano in Java is the tallest?",
        "Which actor starred in Rust?",
        "What is a(n) aardvark?",
        "Write a poem that has class.",
        "Who wrote the first program of the Bauhaus?",
        "When did he complete the program of studies?",
        "which three countries border on Andorra?",
        "Who directed the first class of 1999?",
        "Shares fell from $5 in May; who had bought them for $3?",
    ),
    "code": (
        "Write a function that reverses a list.",
        "reverse a linked list in C++",
        "Give me a Python one-liner to flatten a list",
        "Implement quicksort",
        "How do I reverse an array in Java?",
        "Sort the list of integers in place.",
        "What does this return? def f(x): return x + 1",
        "Sort a list of tuples by the second element.",
        "Read numbers.\n\nInput\n\nThe first line contains n.\n\nOutput\n\nTheir sum.",
        "My frame has two columns:\n```\na b\n```\nHow do I add them?",
    ),
}


@pytest.mark.parametrize(("kind", "question"), [(kind, one) for kind, asked in ASKED.items() for one in asked])
def test_a_question_tells_its_type(kind: str, question: str):
    assert guessed_type(question).type == kind


def test_passages_make_a_question_one_to_answer_from_them_unless_it_shows_code():
    assert guessed_type("What is 6 times 7?", "They met in 1942.").type == "qa"
    assert guessed_type("Write a function that adds.", "They met in 1942.").type == "code"


@pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the samples of the datasets in {DATA}")
def test_of_the_samples_of_each_dataset_nearly_all_are_guessed_right():
    for file in sorted(DATA.glob("*.jsonl")):
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        right = sum(guessed_type(row["question"], row["context"]).type == row["type"] for row in rows)
        assert right / len(rows) >= 0.95, file.name


def test_solve_says_what_it_guessed_and_how_to_say_another(tmp_path: Path):
    asked = ("solve", "What is 6 times 7?", *OFFLINE, "--json")
    guessed, named = command(*asked, cwd=tmp_path), command(*asked, "--type", "qa", cwd=tmp_path)
    assert (guessed.json["type"], guessed.json["type_guessed"]) == ("math", True)
    assert "type: math (guessed" in guessed.err
    assert "--type qa|code|math" in guessed.err
    assert (named.json["type"], named.json["type_guessed"]) == ("qa", False)
    assert "guessed" not in named.err


def test_run_and_python_guess_as_well(tmp_path: Path):
    done = command("run", "Custom", "Write a function that adds.", "--executor", "simulated:", "--json", cwd=tmp_path)
    assert (done.json["type"], done.json["type_guessed"]) == ("code", True)
    solved = flowsteer.solve("Who wrote Hamlet?", director="dsl:Custom", executor="simulated:")
    assert solved.type == "qa"
