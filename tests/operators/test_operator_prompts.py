"""What an LLM is shown: the task first and alike for all, user text as data, nothing empty, nothing long."""

from pathlib import Path

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import OPERATORS, Scripted, call_of

import flowsteer.operators
from flowsteer.draft import EMPTY, Candidate, Draft, Verdict
from flowsteer.operators.prompting import ask_messages, examples, render
from flowsteer.task import AssertTests, CallTests, StdioTests, Task

MATH = Task("What is 6 times 7?", "math")
QA = Task("Who wrote Emma?", "qa", context="Jane Austen wrote Emma.")
CODE = Task("Add two numbers.", "code", entry_point="add", public_tests=AssertTests("assert add(1, 2) == 3"))
FULL = Draft(
    plan="THE PLAN",
    subproblems=("PART 1", "PART 2"),
    solution="THE SOLUTION",
    code="the_code = 1",
    output="THE OUTPUT",
    candidates=(Candidate("a", "ANSWER A", "WORK A"), Candidate("b", "ANSWER B", "WORK B")),
    verdict=Verdict(False, "THE FAULT"),
    answer="THE ANSWER",
)
NAMED = {
    "sc_ensemble": {"letters": "AB"},
    "fix_tests": {"failures": "assert add(1, 2) == 3: got -1"},
    "compare": {"own": "42"},
    "mcp_tool": {"tool": "add", "description": "Adds.", "schema": "{}"},
}
TEMPLATES = sorted(
    path.stem
    for path in (Path(flowsteer.operators.__file__).parent / "prompts").glob("[a-z]*.jinja")
    if "_layout" in path.read_text()
)


def prompt_of(template, task, draft=EMPTY, instruction=""):
    if template == "answer" and not draft.plan:
        draft = Draft(plan="THE PASSAGES")
    call = call_of("Plan", task, Scripted(), prompt=instruction)
    (message,) = ask_messages(call, template, draft, **NAMED.get(template, {}))
    assert message.role == "user"
    return message.content


@pytest.mark.parametrize("task", [MATH, QA, CODE])
def test_all_operators_start_with_the_same_words_about_a_task(task):
    head = render("_task", task=task, examples=examples(task))
    assert task.question in head
    for template in (name for name in TEMPLATES if name != "answer"):
        assert prompt_of(template, task, FULL).startswith(head)


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("task", [MATH, QA, CODE])
def test_prompts_are_short_and_leave_no_gap(template, task):
    words = prompt_of(template, task)
    assert len(words) - len(task.question) - len(task.context) < 450
    assert "\n\n\n" not in words
    assert "None" not in words
    assert "Instruction" not in words
    for heading in ("Plan:", "Parts:", "Solution so far", "Code so far", "Its output", "A check found"):
        assert heading not in words
    assert "\n\n\n" not in prompt_of(template, task, FULL, "Do it well.")


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_instruction_stands_once_in_every_prompt(template):
    assert prompt_of(template, QA, FULL, "Mind {% the gap %}.").count("Instruction: Mind {% the gap %}.") == 1


@given(st.text(min_size=1, max_size=60))
def test_a_question_comes_through_letter_for_letter(text):
    question = f"{{{{ 7 * 6 }}}} {{% if %}} {{# {text}"
    assert f"Question:\n{question}\n" in prompt_of("custom", Task(question, "qa"))


def test_the_context_stands_before_the_question():
    words = prompt_of("custom", QA)
    assert words.startswith(f"Context:\n{QA.context}\n\nQuestion:\n{QA.question}")


def test_everything_an_operator_reads_is_shown_once():
    for name in ("Custom", "Aggregate", "Revise", "AnswerGenerate"):
        shown = prompt_of("custom", MATH, FULL.only(OPERATORS[name].reads))
        for field in OPERATORS[name].reads:
            value = getattr(FULL, field)
            texts = {
                "candidates": ("WORK A", "ANSWER B"),
                "verdict": ("THE FAULT",),
                "subproblems": ("1. PART 1", "2. PART 2"),
            }.get(field, (value,))
            for text in texts:
                assert shown.count(text) == 1


def test_code_that_is_the_answer_is_shown_once():
    assert prompt_of("review", CODE, Draft(code="x = 1", answer="x = 1")).count("x = 1") == 1


def test_a_missing_value_is_an_error_and_not_an_empty_string():
    with pytest.raises(jinja2.UndefinedError):
        render("compare", task=MATH, draft=EMPTY)


def test_examples_are_public_tests_that_the_question_does_not_show():
    assert examples(MATH) == ""
    assert examples(CODE) == "assert add(1, 2) == 3"
    four = Task("Add.", "code", public_tests=AssertTests("\n".join(f"assert add({n}, 0) == {n}" for n in range(4))))
    assert examples(four).count("assert") == 3
    stdio = Task("Add.\nInput\n1 2", "code", public_tests=StdioTests(("1 2\n", "3 4\n"), ("3\n", "7\n")))
    assert examples(stdio) == "Input:\n3 4\nOutput:\n7"
    calls = Task("Add.", "code", public_tests=CallTests("add", ("[1, 2]",), ("3",)))
    assert examples(calls) == "add(*[1, 2]) == 3"
    long = Task("Add.", "code", public_tests=AssertTests(f"assert add({'1 + ' * 400}1, 0)"))
    assert examples(long) == ""


@pytest.mark.parametrize(
    ("task", "form"),
    [
        (MATH, "final answer: the number or expression alone."),
        (Task("2 + 2?", "math", answer_form="one option letter"), "final answer: one option letter."),
        (CODE, "the whole function `add`"),
        (Task("Add.", "code", public_tests=StdioTests(("1",), ("1",))), "reads standard input"),
        (Task("Fill in.", "code"), "one Python code block"),
    ],
)
def test_the_form_follows_the_task(task, form):
    assert form in prompt_of("custom", task)


def test_the_beginning_of_a_completion_is_shown_unless_the_question_is_it():
    beginning = 'def add(a, b):\n    """Add."""\n'
    apart = Task("Add.", "code", entry_point="add", prompt_code=beginning)
    same = Task(beginning, "code", entry_point="add", prompt_code=beginning)
    assert prompt_of("custom", apart).count("def add") == 1
    assert prompt_of("custom", same).count("def add") == 1
