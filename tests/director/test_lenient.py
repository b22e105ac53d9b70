"""The lenient dialect: what strays from the forms is mended, and what was mended is told."""

from time import perf_counter, process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsteer.director.parse import parse_action, parse_prompt_reply, understood, understood_in
from flowsteer.errors import ActionError
from flowsteer.workflow.dsl import to_dsl
from flowsteer.workflow.edits import AddStep, AddStructure, Delete, Finish, Modify, SetPrompt
from flowsteer.workflow.nodes import MAX_LOOP, NodeId, Workflow

PLAN = "<action>add</action><operator>Plan</operator>"
ONE = NodeId("node_1")
PIECES = ["<action>", "</action>", "add", "[", "]", "<operators>", "</operators>", "A, B", "x2", "```", "\n", "</s>"]


@pytest.mark.parametrize(
    "reply",
    [
        f"<thinking>first a plan</thinking>{PLAN}",
        f"first a plan</thinking>{PLAN}",
        f"{PLAN}<|im_end|>",
        f"{PLAN}</s>\n",
        f"{PLAN}<|im_end|>\n<|endoftext|>",
        f"```xml\n{PLAN}\n```",
        f"```\n{PLAN}\n```<|im_end|>",
        f"<think>so</think>\n```xml\n{PLAN}\n```\n",
        f"{PLAN}\n```",
    ],
)
def test_what_templates_leave_costs_no_turn_in_any_dialect(reply: str):
    assert parse_action(reply) == AddStep("Plan")
    assert understood_in(True, reply, asks_prompt=False) == (AddStep("Plan"), ())


def test_an_instruction_ends_before_the_end_of_turn():
    assert parse_prompt_reply("Two steps at most.<|im_end|>").text == "Two steps at most."
    assert parse_prompt_reply("```python\nx = 1\n```").text == "```python\nx = 1\n```"


@pytest.mark.parametrize(
    ("reply", "action", "repair"),
    [
        (f"I add a plan. {PLAN} Then more.", AddStep("Plan"), "text around the action was left out"),
        ("<ACTION>ADD</ACTION><Operator>Plan</Operator>", AddStep("Plan"), "<ACTION> was read as <action>"),
        ("[action]add[/action][operator]Plan[/operator]", AddStep("Plan"), "[action] was read as <action>"),
        (f"{PLAN}<action>finish</action>", AddStep("Plan"), "only the first action was taken"),
        ("<action>add</action><operator>Plan", AddStep("Plan"), "<operator> was closed"),
        ("<action>add<operator>Plan</operator>", AddStep("Plan"), "<action> was closed"),
        ("<action>finish</action><operator>Plan</operator>", Finish(), "<operator> was left out"),
        (
            "<action>Set Prompt</action><target>node_1</target><prompt> a < b </prompt>",
            SetPrompt(ONE, " a < b "),
            "was read as set_prompt",
        ),
        ("<action>delete</action><target>node_1</target> bye", Delete(ONE), "text around"),
        ("so <action>modify</action><target>node_1</target><operator>Test</operator>", Modify(ONE, "Test"), "text"),
        (f"<think>no end {PLAN}", AddStep("Plan"), "text around the action was left out"),
    ],
)
def test_repairs(reply: str, action: object, repair: str):
    found, repairs = understood_in(True, reply, asks_prompt=False)
    assert found == action
    assert repair in "; ".join(repairs)
    assert isinstance(understood(reply, asks_prompt=False), ActionError)


@pytest.mark.parametrize(
    ("reply", "action"),
    [
        (f"<THINK>I could <action>finish</action> now</THINK>{PLAN}", AddStep("Plan")),
        (f"Sure. <reasoning>maybe <action>finish</action></reasoning>{PLAN}", AddStep("Plan")),
        (f"Sure. [Thinking]maybe [action]finish[/action][/thinking] {PLAN}", AddStep("Plan")),
        (f"<think>a</think> So. <think>maybe <action>finish</action></think>{PLAN}", AddStep("Plan")),
        (f"<action>add</action><thought><action>finish</action></thought>{PLAN[20:]}", AddStep("Plan")),
        (
            "So: <action>set_prompt</action><target>node_1</target><prompt>Use <think>a</think>, end it.</prompt>",
            SetPrompt(ONE, "Use <think>a</think>, end it."),
        ),
        (
            "<ACTION>set_prompt</ACTION><target>node_1</target><PROMPT>End with </think>, please.</PROMPT>",
            SetPrompt(ONE, "End with </think>, please."),
        ),
    ],
)
def test_nothing_inside_the_thinking_is_an_action_and_no_instruction_is_thinking(reply: str, action: object):
    assert understood_in(True, reply, asks_prompt=False)[0] == action


@pytest.mark.parametrize(
    ("reply", "prompt", "repairs"),
    [
        ("<PROMPT>Be brief.</PROMPT>", "Be brief.", "<PROMPT> was read as <prompt>"),
        ("Here: [prompt]Be brief.[/prompt] Done.", "Be brief.", "[prompt] was read as <prompt>"),
        ("<prompt>Be brief.", "Be brief.", "<prompt> was closed"),
        ("[prompt]Be brief.", "Be brief.", "<prompt> was closed; [prompt] was read as <prompt>"),
        ("<prompt>Be brief.</prompt><prompt>No.</prompt>", "Be brief.", "only the first <prompt> was taken"),
        ("Hm. <reasoning><prompt>No.</prompt></reasoning><prompt>Be brief.</prompt>", "Be brief.", ""),
        ("<THINK>hm</THINK>Be brief.", "Be brief.", ""),
        ("<prompt>Write [action] and [prompt].</prompt>", "Write [action] and [prompt].", ""),
        ("Rewrite the [prompt] of the user.", "Rewrite the [prompt] of the user.", ""),
        ("Reason in <reasoning></reasoning> tags.", "Reason in <reasoning></reasoning> tags.", ""),
    ],
)
def test_an_instruction_that_was_asked_for_is_repaired_as_actions_are(reply: str, prompt: str, repairs: str):
    found, told = understood_in(True, reply, asks_prompt=True)
    assert (found if isinstance(found, ActionError) else found.text, "; ".join(told)) == (prompt, repairs)


@pytest.mark.parametrize("action", ["[action]finish[/action]", "<ACTION>finish</ACTION>", PLAN])
def test_an_action_is_no_instruction_however_it_is_written(action: str):
    assert "got an action" in str(understood_in(True, f"So: {action}", asks_prompt=True)[0])


SET_PROMPT = "<action>set_prompt</action><target>node_1</target><prompt>Rewrite the [prompt] of the user.</prompt>"


@pytest.mark.parametrize(
    "reply",
    [
        SET_PROMPT,
        "<action>set_prompt</action><target>node_1</target><prompt>Write [action], <target> and </answer>.</prompt>",
        "<action>add</action><structure>loop</structure><operators>[Plan, Custom]</operators><count>2</count>",
    ],
)
def test_what_has_a_form_is_not_repaired(reply: str):
    assert understood_in(True, reply, asks_prompt=False) == (parse_action(reply), ())


@pytest.mark.parametrize(
    ("reply", "action"),
    [
        (f"So: {SET_PROMPT}", SetPrompt(ONE, "Rewrite the [prompt] of the user.")),
        ("I'd change the [target] node. <action>delete</action><target>node_1</target>", Delete(ONE)),
        ("I'd change the <target> node. <action>delete</action><target>node_1</target>", Delete(ONE)),
        ("I'd change the [target] node. [action]delete[/action][target]node_1[/target]", Delete(ONE)),
        (f"The [operator] is Plan. {PLAN}", AddStep("Plan")),
        (f"The [action] is clear: {PLAN}", AddStep("Plan")),
        (f"The [target] is the end. {PLAN}", AddStep("Plan")),
        ("[action]add[/action]<operator>Plan</operator>", AddStep("Plan")),
        ("[action]add</action>[operator]Plan</operator>", AddStep("Plan")),
        ("[action]add[/action][operator]Plan", AddStep("Plan")),
        ("<action>add</action>[operator]Plan</operator>", AddStep("Plan")),
    ],
)
def test_a_tag_that_prose_names_is_no_part_of_the_action(reply: str, action: object):
    assert understood_in(True, reply, asks_prompt=False)[0] == action


@pytest.mark.parametrize(
    ("tags", "dsl"),
    [
        ("<structure>parallel</structure><operators>Plan; Custom</operators>", "[Plan, Custom]"),
        ("<structure>parallel</structure><operators>Plan Custom</operators>", "[Plan, Custom]"),
        ("<structure>PARALLEL</structure><operators>[Plan, Custom]</operators>", "[Plan, Custom]"),
        ("<structure>loop</structure><operators>Plan, Custom</operators>", "(Plan -> Custom) * 3"),
        ("<structure>loop</structure><operators>Plan</operators><count>99</count>", f"(Plan) * {MAX_LOOP}"),
        ("<structure>loop</structure><operators>Plan</operators><count>2 times</count>", "(Plan) * 2"),
        ("<structure>loop</structure><operator>Plan</operator>", "(Plan) * 3"),
        ("<operators>[Plan, Custom]x2</operators>", "(Plan -> Custom) * 2"),
        ("<operators>[Plan; Custom] * 2</operators>", "(Plan -> Custom) * 2"),
    ],
)
def test_lists_and_counts(tags: str, dsl: str):
    action, _ = understood_in(True, f"<action>add</action>{tags}", asks_prompt=False)
    assert isinstance(action, AddStructure)
    assert to_dsl(Workflow((action.structure,), 9)) == dsl


@given(st.lists(st.sampled_from([*PIECES, "<think>", "<count>", "<structure>", "loop"])).map("".join))
def test_no_text_breaks_it(reply: str):
    action, repairs = understood_in(True, reply, asks_prompt=False)
    assert action is not None
    assert all(repairs)


@pytest.mark.parametrize(
    "piece", ["<action>", "[action]", "</s>", "<prompt>", "[", "<", " ", "\n```", "</think>", "; "]
)
def test_reading_takes_linear_time(piece: str):
    started = perf_counter()
    understood_in(True, f"<action>add</action><operators>[A{piece * 100_000}", asks_prompt=False)
    understood(f"<action>add</action>{piece * 100_000}", asks_prompt=False)
    assert perf_counter() - started < 10


@pytest.mark.parametrize("piece", ["<think>", "a</reasoning>", "a<reasoning></reasoning>", "<prompt>", "</think>"])
@pytest.mark.parametrize("asks_prompt", [False, True])
def test_hearing_what_is_no_thinking_takes_linear_time(piece: str, asks_prompt: bool):
    started = process_time()
    understood_in(True, f"So: {piece * 20_000}", asks_prompt)
    assert process_time() - started < 10
