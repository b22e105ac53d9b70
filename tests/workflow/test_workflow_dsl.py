"""The DSL says every shape, and says clearly what it cannot read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsteer.errors import DSLError
from flowsteer.workflow.dsl import MAX_TEXT, parse_dsl, parse_structure, to_dsl
from flowsteer.workflow.laws import MAX_DEPTH, depth
from flowsteer.workflow.nodes import Conditional, Loop, Parallel, Step, Workflow, steps, walk
from flowsteer.workflow.tree import renumbered
from strategies import workflows, written_steps


@given(workflows(written_steps))
def test_every_shape_is_written_and_read_back(workflow: Workflow) -> None:
    fresh = Workflow(*renumbered(workflow.nodes, 1))
    assert parse_dsl(to_dsl(workflow)) == fresh


@given(workflows(written_steps), st.sampled_from([" ", "", "\n", "\t  "]))
def test_white_space_does_not_matter(workflow: Workflow, gap: str) -> None:
    assert parse_dsl(to_dsl(workflow).replace(" ", gap)) == parse_dsl(to_dsl(workflow))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        ("  \n ", ""),
        ("Plan->Custom", "Plan -> Custom"),
        ("((Plan -> (Custom)))", "Plan -> Custom"),
        ("(Verify ? Revise : done)", "Verify ? Revise : done"),
        ("Verify ? (A -> B) : done", "Verify ? (A -> B) : done"),
        ("Verify ? (done) : (B)", "Verify ? done : B"),
        ("Verify ? done : done -> B", "Verify ? done : done -> B"),
        ("(A) * 2", "(A) * 2"),
        ("((A) * 2) * 3", "((A) * 2) * 3"),
        ("[A, (B -> C), V ? D : done]", "[A, B -> C, V ? D : done]"),
        ("A ? B : C ? D : E", "A ? B : (C ? D : E)"),
        ("A ? B ? C : D : E", "A ? (B ? C : D) : E"),
        ("V ? (A) * 2 : [B, C]", "V ? (A) * 2 : [B, C]"),
        ("(A) * 010", "(A) * 10"),
        ("A@big->B", "A@big -> B"),
        ("A@big-2.5->B", "A@big-2.5 -> B"),
        ('A@"big" -> [B@"openai:gpt-5", C]', 'A@big -> [B@"openai:gpt-5", C]'),
        ("Verify@big ? (A@x -> B) : done", "Verify@big ? (A@x -> B) : done"),
    ],
)
def test_groups_flatten_into_the_canonical_form(text: str, canonical: str) -> None:
    assert to_dsl(parse_dsl(text)) == canonical


def test_ids_follow_reading_order_structure_before_contents_check_first() -> None:
    workflow = parse_dsl("Plan -> [A, B] -> (Verify ? Revise : done) * 2")
    assert [node.id for node in walk(workflow.nodes)] == [f"node_{number}" for number in range(1, 9)]
    assert [type(node) for node in walk(workflow.nodes)] == [Step, Parallel, Step, Step, Loop, Conditional, Step, Step]
    assert workflow.next_number == 9


def test_a_step_may_name_a_backend_anywhere() -> None:
    found = steps(parse_dsl("A -> [B@big, Verify@small ? C : done] -> (D@'x' -> E) * 2".replace("'", '"')).nodes)
    assert [step.backend for step in found] == ["", "big", "small", "", "x", ""]


def test_the_first_branch_is_the_one_for_a_failed_check() -> None:
    node = parse_structure("Verify ? Revise : Format")
    assert isinstance(node, Conditional)
    assert (node.check.operator, to_dsl(node.if_fail), to_dsl(node.if_pass)) == ("Verify", "Revise", "Format")


def test_conditional_binds_tighter_than_arrow() -> None:
    first, second, third = parse_dsl("Plan -> Verify ? Revise : done -> Format").nodes
    assert isinstance(first, Step)
    assert isinstance(second, Conditional)
    assert isinstance(third, Step)


@pytest.mark.parametrize("count", range(1, 11))
def test_loops_are_loops_with_their_count(count: int) -> None:
    node = parse_structure(f"(Review -> Revise) * {count}")
    assert isinstance(node, Loop)
    assert (node.count, to_dsl(node.body)) == (count, "Review -> Revise")


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("Plan ->", 7, "expected an operator, '[' or '(', found the end"),
        ("Plan Custom", 5, "expected '->' or the end, found 'Custom'"),
        ("Plan -> & -> A", 8, "'&' has no meaning"),
        ("A - > B", 2, "'-' has no meaning"),
        ("[A]", 0, "at least two branches"),
        ("[A, ]", 4, "found ']'"),
        ("[]", 1, "found ']'"),
        ("()", 1, "found ')'"),
        ("() * 2", 1, "found ')'"),
        ("[A, B", 5, "the closing ']', found the end"),
        ("(A -> B", 7, "the closing ')', found the end"),
        ("A)", 1, "found ')'"),
        ("A * 2", 2, "write (A) * 2"),
        ("(A) * 0", 6, "from 1 to 10, found 0"),
        ("(A) * 11", 6, "from 1 to 10, found 11"),
        ("(A) * " + "9" * 9000, 6, "from 1 to 10"),
        ("(A) * n", 6, "from 1 to 10, found 'n'"),
        ("(A) * ", 5, "from 1 to 10, found the end"),
        ("A -> done", 5, "'done' can only be"),
        ("done", 0, "'done' can only be"),
        ("A ? (done -> B) : C", 10, "found '->'"),
        ("A ? B", 5, "the branch for a passed check"),
        ("A ? B -> C : D", 6, "needs brackets"),
        ("(A -> B) ? C : D", 0, "must be one operator"),
        ("[A, B] ? C : D", 0, "must be one operator"),
        ("3 -> A", 0, "found '3'"),
        ("A@", 1, "'@' has no meaning"),
        ("A -> @big", 5, "found '@big'"),
        ("[A, B]@big", 6, "expected '->' or the end, found '@big'"),
        ('A@"', 1, "'@' has no meaning"),
    ],
)
def test_errors_point_at_the_fault(text: str, position: int, says: str) -> None:
    with pytest.raises(DSLError) as caught:
        parse_dsl(text)
    message, shown, caret = caught.value.message.split("\n")
    assert caught.value.position == position
    assert says in message
    assert caret.endswith("^")
    assert caught.value.hint.startswith("syntax:")
    if position < len(text):
        assert shown[len(caret) - 1] == text[position]


def test_the_caret_stands_under_the_fault_in_its_own_line() -> None:
    with pytest.raises(DSLError) as caught:
        parse_dsl("Plan ->\n  Custom ->\n  ] -> Format")
    assert caught.value.message.split("\n")[1:] == ["    ] -> Format", "    ^"]


@pytest.mark.parametrize(
    "text",
    ["(" * 5000, "[" * 5000, "A ? " * 5000, "[A ? (" * 3000, "(" * 300_000, "A -> " * 250_000, "A" * 1_000_000],
    ids=["groups", "parallels", "conditionals", "mixed", "many groups", "long", "one word"],
)
def test_huge_and_deep_texts_are_refused(text: str) -> None:
    with pytest.raises(DSLError, match=r"too (deep|long)"):
        parse_dsl(text)


@pytest.mark.parametrize(
    ("left", "right"),
    [("(", ") * 2"), ("[A, ", "]"), ("V ? ", " : done"), ("V ? (A -> ", ") : done"), ("V ? (", " -> B) : done")],
)
def test_nesting_is_legal_up_to_the_limit_and_no_further(left: str, right: str) -> None:
    deepest = parse_dsl(left * MAX_DEPTH + "X" + right * MAX_DEPTH)
    assert depth(deepest.nodes) == MAX_DEPTH
    assert parse_dsl(to_dsl(deepest)) == deepest
    with pytest.raises(DSLError, match="too deep"):
        parse_dsl(left * (MAX_DEPTH + 1) + "X" + right * (MAX_DEPTH + 1))


def test_the_longest_text_is_read() -> None:
    text = "A->" * (MAX_TEXT // 3 - 1) + "A"
    assert len(parse_dsl(text).nodes) == MAX_TEXT // 3


TOKENS = ["A", "Verify", "->", "[", "]", "(", ")", ",", "?", ":", "done", "*", "2", "11", " ", "\n", "-", "é", "\x00"]


@given(st.one_of(st.text(max_size=30), st.lists(st.sampled_from(TOKENS), max_size=25).map("".join)))
def test_any_text_parses_or_is_refused_with_a_place(text: str) -> None:
    error = None
    try:
        workflow = parse_dsl(text)
    except DSLError as caught:
        error = caught
    if error is None:
        assert parse_dsl(to_dsl(workflow)) == workflow
    else:
        assert 0 <= error.position <= len(text)
        assert error.message.endswith("^")


@pytest.mark.parametrize("text", ["", "Plan", "Plan -> [A, B]", "(A -> B)", "[A, B] -> [C, D]"])
def test_one_structure_means_one(text: str) -> None:
    with pytest.raises(DSLError, match="expected one structure"):
        parse_structure(text)
