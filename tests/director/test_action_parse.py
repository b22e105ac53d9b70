"""The action language: every form, every error, and the laws of its parser."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsteer.canvas.director import PromptText
from flowsteer.director.forms import FORMS, WORDS, shape
from flowsteer.director.parse import parse_action, parse_prompt_reply
from flowsteer.errors import ActionError
from flowsteer.workflow.dsl import parse_structure
from flowsteer.workflow.edits import (
    AddStep,
    AddStructure,
    Delete,
    Finish,
    Modify,
    SetPrompt,
    WrapConditional,
    WrapLoop,
    WrapParallel,
)
from flowsteer.workflow.nodes import NodeId

N1, N2, N3 = (NodeId(f"node_{number}") for number in (1, 2, 3))


def structure(dsl: str, **place: object) -> AddStructure:
    return AddStructure(parse_structure(dsl), **place)  # type: ignore[arg-type]


FORM_EXAMPLES = [
    ("<action>add</action><operator>Plan</operator>", AddStep("Plan")),
    (
        "<action>add</action>\n<operator> Custom </operator>\n<prompt> keep <b>this</b> &lt; as it is\n</prompt>"
        "<position>0</position><backend>openai:gpt-5-mini</backend><target>node_3.true</target>\n",
        AddStep("Custom", " keep <b>this</b> &lt; as it is\n", "openai:gpt-5-mini", 0, "node_3.true"),
    ),
    ("<operator>Plan</operator><action>add</action>", AddStep("Plan")),
    (
        "<action>add</action><structure>parallel</structure><operators>Programmer,Custom</operators>",
        structure("[Programmer, Custom]"),
    ),
    (
        "<action>add</action><structure>parallel</structure>"
        "<operators>Plan -> Programmer, [A, (B -> C) * 2], Verify ? Revise : done</operators><position>1</position>",
        structure("[Plan -> Programmer, [A, (B -> C) * 2], Verify ? Revise : done]", position=1),
    ),
    (
        "<action>add</action><structure>loop</structure><operators>Review, Revise</operators><count>3</count>"
        "<target>node_2</target>",
        structure("(Review -> Revise) * 3", container="node_2"),
    ),
    (
        "<action>add</action><structure>loop</structure><operators>Review -> Revise</operators><count>10</count>",
        structure("(Review -> Revise) * 10"),
    ),
    (
        "<action>add</action><structure>conditional</structure><condition>Verify</condition>"
        "<true>Revise</true><false>done</false>",
        structure("Verify ? Revise : done"),
    ),
    (
        "<action>add</action><structure>conditional</structure><condition>Verify</condition>"
        "<true>Plan -> Revise</true><false>Format</false>",
        structure("Verify ? (Plan -> Revise) : Format"),
    ),
    (
        "<action>add</action><structure>conditional</structure><condition>Verify</condition><true>Revise</true>",
        structure("Verify ? Revise : done"),
    ),
    (
        "<action>set_structure</action><target>node_1, node_2</target><structure>parallel</structure>",
        WrapParallel((N1, N2)),
    ),
    (
        "<action>set_structure</action><target>node_1</target><structure>loop</structure><count>2</count>",
        WrapLoop((N1,), 2),
    ),
    (
        "<action>set_structure</action><structure>conditional</structure><condition>node_1</condition>"
        "<true>node_2,node_3</true><false>done</false>",
        WrapConditional(N1, (N2, N3)),
    ),
    (
        "<action>set_structure</action><structure>conditional</structure><condition>node_1</condition>"
        "<true>done</true><false>node_2</false>",
        WrapConditional(N1, (), (N2,)),
    ),
    ("<action>delete</action><target>node_3</target>", Delete(N3)),
    ("<action>modify</action><target>node_2</target><operator>Custom</operator>", Modify(N2, "Custom")),
    ("<action>set_prompt</action><target>node_2</target><prompt>Be brief.</prompt>", SetPrompt(N2, "Be brief.")),
    ("<action>finish</action>", Finish()),
    ("<action>finish</action><answer>42 < 43</answer>", Finish("42 < 43")),
]


@pytest.mark.parametrize(("text", "action"), FORM_EXAMPLES)
def test_every_form(text: str, action: object) -> None:
    assert parse_action(text) == action


@pytest.mark.parametrize(
    "thinking",
    [
        "<think>First a plan. <action>delete</action><target>node_1</target></think>\n\n",
        "<reasoning>Maybe <action>finish</action></reasoning>",
        "<think>\n\n</think><reasoning>so be it</reasoning>",
        "The template opened this. <action>finish</action> is tempting.</think>\n",
        "<THINK>Maybe <action>finish</action></THINK>",
        "[think]Maybe <action>finish</action>[/think]",
        "◁think▷Maybe <action>finish</action>◁/think▷",
        "<think>a</think> So. <think>Maybe <action>finish</action></think>",
        "<think>I could <think> more. <action>finish</action></think>",
        "I could close with <prompt>x</think>",
    ],
)
def test_nothing_inside_the_thinking_is_an_action(thinking: str) -> None:
    assert parse_action(thinking + "<action>add</action><operator>Plan</operator>") == AddStep("Plan")


@pytest.mark.parametrize("fence", ["{}", "```xml\n{}\n```", "```\n{}"])
@pytest.mark.parametrize("words", ["end with </think>", "write <think>a</think>, then", "a </reasoning> <thought>"])
def test_a_tag_of_thinking_inside_a_prompt_is_text(fence: str, words: str) -> None:
    text = f"<action>add</action><operator>Custom</operator><prompt>{words}</prompt>"
    assert parse_action(fence.format(text)) == AddStep("Custom", words)


ERRORS = [
    ("", "no action"),
    ("  \n", "no action"),
    ("I would add a plan.", "must start with <action>"),
    ("Sure: <action>finish</action>", "must start with <action>"),
    ("<action>finish</action> Done!", "text after the action"),
    ("<action>finish</action><action>finish</action>", "two actions"),
    ("<action>add</action><operator>A</operator><operator>B</operator>", "<operator> occurs twice"),
    ("<operator>Plan</operator>", "no <action>"),
    ("<action></action>", "<action> is empty"),
    ("<action>explode</action>", "unknown action 'explode'"),
    ("<action>add</action><tool>Plan</tool>", "unknown tag '<tool>'"),
    ("<action>add</action>", "add needs <operator>"),
    ("<action>add</action><operators>A,B</operators>", "add needs <operator>"),
    ("<action>add</action><structure>parallel</structure>", "add parallel needs <operators>"),
    ("<action>add</action><structure>ring</structure><operators>A,B</operators>", "unknown structure 'ring'"),
    ("<action>set_structure</action><target>node_1</target>", "needs a <structure>"),
    ("<action>delete</action><structure>loop</structure><target>node_1</target>", "<structure> does not belong"),
    ("<action>delete</action><target>node_1</target><operator>A</operator>", "<operator> does not belong to delete"),
    ("<action>finish</action><prompt>x</prompt>", "<prompt> does not belong to finish"),
    ("<action>add</action><operator>A<prompt>x</prompt></operator>", "<operator> holds another tag"),
    ("<action>add</action><operator>Custom</operator><prompt>Solve the", "<prompt> is not closed"),
    ("<action>add</action><operator>Cus", "<operator> is not closed"),
    ("<think>hmm", "<think> is not closed"),
    ("<THINK>hmm </reasoning>", "<think> is not closed"),
    (
        "```xml\n<action>add</action><operator>Custom</operator><prompt>Close with </think><action>finish</action>",
        "<prompt> is not closed",
    ),
    ("Sure: <reasoning>hm</reasoning><action>finish</action>", "must start with <action>"),
    ("<action>add</action><operator>A</operator><position>first</position>", "<position> must be a whole number"),
    ("<action>add</action><operator>A</operator><position>-1</position>", "<position> must be a whole number"),
    ("<action>add</action><operator>A</operator><position>١</position>", "<position> must be a whole number"),
    (
        "<action>add</action><structure>parallel</structure><operators>Plan</operators>",
        "at least two branches",
    ),
    ("<action>add</action><structure>parallel</structure><operators>A, , B</operators>", "does not read"),
    ("<action>add</action><structure>parallel</structure><operators>A] -> [B, C</operators>", "does not read"),
    (
        "<action>add</action><structure>loop</structure><operators>A</operators><count>11</count>",
        "a count from 1 to 10",
    ),
    (
        "<action>add</action><structure>conditional</structure><condition>A -> B</condition><true>C</true>",
        "<condition> must be one operator",
    ),
    (
        "<action>add</action><structure>conditional</structure><condition>A</condition><true>B : C</true>",
        "does not read",
    ),
    (
        "<action>set_structure</action><structure>loop</structure><target>node_1,,node_2</target><count>2</count>",
        "empty place",
    ),
]


@pytest.mark.parametrize(("text", "reason"), ERRORS)
def test_every_error_says_what_was_found(text: str, reason: str) -> None:
    with pytest.raises(ActionError) as caught:
        parse_action(text)
    assert reason in caught.value.message
    assert caught.value.hint


def test_a_missing_tag_is_answered_with_the_form() -> None:
    with pytest.raises(ActionError) as caught:
        parse_action("<action>modify</action><target>node_1</target>")
    assert caught.value.hint == shape(("modify", ""))


@pytest.mark.parametrize("kind", FORMS)
def test_shown_forms_are_legal_themselves(kind: tuple[str, str]) -> None:
    parse_action(shape(kind).replace("[", "").replace("]", ""))


PIECES = st.sampled_from(
    [f"<{tag}>" for tag in (*WORDS, "think", "reasoning", "tool")]
    + [f"</{tag}>" for tag in (*WORDS, "think", "reasoning")]
    + ["add", "set_structure", "loop", "finish", "Plan", "A -> B", "[A, B]", "node_1", "done", "3", ",", " ", "<", "(("]
)


def why_not(text: str, parse: Callable[[str], object]) -> str | None:
    """The reason a text is refused, or None if it is read; any other exception is a bug."""
    try:
        parse(text)
    except ActionError as error:
        return error.message
    return None


@given(st.one_of(st.text(), st.lists(PIECES, max_size=14).map("".join)))
def test_total_on_any_text(text: str) -> None:
    for read in (parse_action, parse_prompt_reply):
        reason = why_not(text, read)
        assert reason is None or len(reason.splitlines()) == 1


@given(st.sampled_from(FORM_EXAMPLES), st.data())
def test_total_on_damaged_actions(example: tuple[str, object], data: st.DataObject) -> None:
    text = example[0]
    cut = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(cut, len(text)))
    damaged = text[:cut] + data.draw(st.one_of(PIECES, st.just(""))) + text[end:]
    reason = why_not(damaged, parse_action)
    assert reason is None or len(reason.splitlines()) == 1


@given(st.sampled_from([text for text, _ in FORM_EXAMPLES]), st.data())
def test_a_reply_cut_inside_a_tag_is_never_an_action(text: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(text.rstrip()) - 1))
    whole_tags = text[:cut].rstrip().endswith(">") and text[:cut].count("</") * 2 == text[:cut].count("<")
    if not whole_tags and text[:cut].strip():
        with pytest.raises(ActionError):
            parse_action(text[:cut])


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("<prompt>Solve it.</prompt>", "Solve it."),
        ("<think>hm <prompt>no</prompt></think>\n<prompt>Solve\nit.</prompt>\n", "Solve\nit."),
        ("<think>hm</think>\n\nSolve it step by step.\n", "Solve it step by step."),
        ("Here it is: <prompt>Solve it.</prompt> Good luck.", "Solve it."),
        ("<action>set_prompt</action><target>node_1</target><prompt>Solve it.</prompt>", "Solve it."),
        ("<prompt></prompt>", ""),
        ("If x < 3 then return x.", "If x < 3 then return x."),
        ("Reason in <reasoning></reasoning> tags.", "Reason in <reasoning></reasoning> tags."),
        ("[Reasoning] Solve it.", "[Reasoning] Solve it."),
    ],
)
def test_prompt_replies(text: str, prompt: str) -> None:
    assert parse_prompt_reply(text) == PromptText(prompt)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<think>only thought</think>", "empty"),
        ("<prompt>Solve the", "<prompt> is not closed"),
        ("<prompt>a</prompt><prompt>b</prompt>", "more than one"),
        ("<action>finish</action>", "got an action"),
        ("<think>never ends", "<think> is not closed"),
    ],
)
def test_prompt_reply_errors(text: str, reason: str) -> None:
    with pytest.raises(ActionError, match=reason):
        parse_prompt_reply(text)
