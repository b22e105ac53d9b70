# ruff: noqa: E501  # the replies read best unbroken
"""Programs in replies, however they are wrapped; and what wrapping may cost."""

import functools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsteer.answers.code import extract_code, inserted_code, solution_code
from flowsteer.task import Task
from quickest import quickest

CODE = "def f(x):\n    return x + 1"
WRONG = "def f(x):\n    return x - 1"
PROGRAM = "a, b = map(int, input().split())\nprint(a + b)"


@pytest.mark.parametrize(
    "reply",
    [
        CODE,
        f"```python\n{CODE}\n```",
        f"~~~python\n{CODE}\n~~~",
        f"~~~\n{CODE}\n~~~\nDone.",
        f"````py\n{CODE}\n````",
        f"```Python\n{CODE}",
        f"Here:\n\n```\n{CODE}\n```\n\nIt adds one.",
        f"```python\n{CODE}```",
        f"{CODE}\n```\nThat adds one.",
        f"{CODE}\n~~~",
        f"The function:\n{CODE}\nIt's right, isn't it? Yes: 1 + 1 = 2.",
        f"Sure, here you are.\n\n{CODE}\n\n**Explanation:** it adds 1 (one).",
        f"1. So:\n   ```python\n   {CODE.replace(chr(10), chr(10) + '   ')}\n   ```",
        f"<answer>\n```python\n{CODE}\n```\n</answer>",
        f"<answer>\n{CODE}\n</answer>",
        f"```python\n{WRONG}\n```\nWait, that subtracts. Corrected:\n```python\n{CODE}\n```",
        f"```python\n{CODE}\n```\nTests:\n```python\nfrom solution import f\nassert f(1) == 2\nassert f(2) == 3\nassert f(3) == 4\n```",
        f"```python\n{CODE}\n```\n```cpp\nint f(int x) {{ return x + 1; }} // and a long, long, long comment\n```",
        f"```python\n{CODE}\n```\nThe signature was:\n```python\ndef f(x):\n    ...\n```",
        f"```text\nf(1) -> 2 and so on, for ever and ever and ever\n```\n```python\n{CODE}\n```",
        f"```python\n{CODE}\n```\nUse `f(1)` or ```f(2)``` then.",
    ],
)
def test_the_program_is_found(reply):
    assert extract_code(reply, "f") == CODE


@pytest.mark.parametrize(
    "reply",
    [
        f"```python\n{PROGRAM}\n```\n\nSample run:\n\n```\n$ python3 a.py\n2 3\n5\n$ python3 a.py\n10 20\n30\n```\n",
        f"Input:\n```\nline one: two integers a and b, separated by one blank, both below one thousand\n```\n```python\n{PROGRAM}\n```",
        f"{PROGRAM}\n```\nThat reads both numbers.",
        f"The program:\n{PROGRAM}",
        f"```python\nprint(2 + 3, 'is what one gets for the first example of the task')\n```\nIn full:\n```python\n{PROGRAM}\n```",
        f"```python\n{PROGRAM.replace('+', '-')}\n```\nNo, the sum:\n```python\n{PROGRAM}\n```",
    ],
)
def test_a_program_without_a_name_is_found(reply):
    assert extract_code(reply) == PROGRAM


def test_a_fence_in_one_line_and_fences_within_strings():
    assert extract_code("```python a, b = map(int, input().split()); print(a + b)```") == PROGRAM.replace("\n", "; ")
    inside = 'def f(x):\n    """\n```python\nf(1)\n```\n    """\n    return x + 1'
    assert extract_code(inside, "f") == inside
    assert extract_code(f"Here:\n```python\n{inside}\n```\nDone.", "f") == inside


@pytest.mark.parametrize(
    "reply", ["", "I cannot.", "`f(x)`", "<think>```python\nprint(1)\n``` no", "Yes.\nNo.\nPerhaps."]
)
def test_no_program_is_found_where_there_is_none(reply):
    assert extract_code(reply, "f") == ""


@pytest.mark.parametrize(
    "head", ["def f(x):\n", 'def f(x):\n    """Add one."""\n', "import math\n\ndef g(x):\n    return x\n\ndef f(x):"]
)
@pytest.mark.parametrize(
    "body",
    [
        "    return x + 1",
        "return x + 1",
        "    y = x\n    return y + 1",
        "y = x\n    return y + 1",
        CODE,
        f"```\n{CODE}\n```",
    ],
)
def test_a_body_continues_what_the_task_began(head, body):
    names = {}
    exec(solution_code(body, Task("?", "code", entry_point="f", prompt_code=head)), names)
    assert names["f"](1) == 2


def test_an_insertion_keeps_its_indentation():
    assert inserted_code("    x = 1\n    y = 2\n") == "    x = 1\n    y = 2"


HOSTILE = [
    "\n",
    "{",
    "\\boxed{",
    "<",
    ". ",
    "\n#",
    "```",
    "```\n",
    "`",
    "~~~\n",
    "``` ",
    " ",
    "\t",
    "(",
    "x=",
    "\nx = 1\n.",
    '"""\n```\n',
    "\ndef f():\n",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_no_reply_takes_long(piece):
    text = (piece * 200_000)[:200_000]
    for reply in (text, f"```python{text}", f"```python\n{text}", f"{text}\n```\n{CODE}\n```"):
        seconds = quickest(functools.partial(extract_code, reply, "f"), enough=1.0)
        assert seconds < 1.0, piece  # seconds for what quadratic time would take minutes for


@given(st.lists(st.sampled_from([*HOSTILE, CODE, PROGRAM, "\n", "python", "Text. ", "    "]), max_size=12).map("".join))
def test_whatever_is_found_is_part_of_the_reply(reply):
    found = extract_code(reply, "f")
    assert all(line.strip() in reply for line in found.split("\n"))


def test_what_python_would_warn_of_reaches_no_terminal(recwarn):
    extract_code("1if 2else 3")
    extract_code('```python\nx = "\\d" is 1\n```')
    assert not list(recwarn)
