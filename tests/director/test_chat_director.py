"""The LLM Director: what it is shown, what is understood of its replies, and what is passed on."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from director_cases import TASK, observe

from flowsteer.backends.base import Features, Message, Reply, Request, Sampling, Usage
from flowsteer.canvas.director import Exchange, PromptText
from flowsteer.director.chat import ChatDirector
from flowsteer.director.layouts import messages, system_prompt, task_prompt
from flowsteer.director.parse import parse_action
from flowsteer.errors import ActionError, BackendUnavailable, ConfigError
from flowsteer.task import Task
from flowsteer.workflow.dsl import parse_dsl
from flowsteer.workflow.edits import AddStep, Delete, Finish, Modify, SetPrompt
from flowsteer.workflow.nodes import NodeId

SNAPSHOTS = Path(__file__).parent / "snapshots"
N1, N2 = NodeId("node_1"), NodeId("node_2")

HISTORY = (
    Exchange(
        "<think>\nStart with a plan.\n</think>\n\n<action>add</action><operator>Plan</operator>",
        "accepted: added node_1 Plan at position 0 of the top level\nturn 1 of 20",
    ),
    Exchange("Let me think about it", "rejected: the reply must start with <action>\nturn 2 of 20"),
)


@dataclass
class Replies:
    """A backend that says what it is told to say, and keeps what it was asked."""

    texts: list[str]
    finish: str = "stop"
    features: Features = Features()  # noqa: RUF009 - frozen
    asked: list[Request] = field(default_factory=list)
    spec: str = "replies:"

    async def complete(self, request: Request) -> Reply:
        self.asked.append(request)
        if not self.texts:
            raise BackendUnavailable("gone")
        return Reply(self.texts.pop(0), Usage(1, 700, 30, 0.5, None), "replies", self.finish, "hidden thoughts")

    async def aclose(self) -> None:
        pass


def as_text(shown: tuple[Message, ...]) -> str:
    return "".join(f"### {message.role}\n{message.content}\n" for message in shown)


QA = Task(
    "Which of the two was born first?",
    "qa",
    context="Ada Lovelace was born in 1815. " * 4 + "Alan Turing was born in 1912. " * 4,
    answer_form="the name alone",
)
CODE = Task(
    "Return the sum of a list.", "code", entry_point="total", prompt_code="def total(numbers):\n    '''Sum.'''\n"
)
BUILT = parse_dsl("Plan -> [Programmer, Custom]")
TOLD = replace(BUILT, nodes=(replace(BUILT.nodes[0], prompt="Count twice. " * 20), *BUILT.nodes[1:]))

CASES = {
    "system_inline": lambda: system_prompt(observe()),
    "system_two_step": lambda: system_prompt(observe(two_step=True)),
    "task_qa": lambda: task_prompt(QA, 90),
    "task_code": lambda: task_prompt(CODE),
    "conversation": lambda: as_text(messages(observe(BUILT, history=HISTORY), "conversation")[1:]),
    "rebuilt_first": lambda: as_text(messages(observe(two_step=True), "rebuilt")[1:]),
    "rebuilt": lambda: as_text(messages(observe(TOLD, history=HISTORY, two_step=True), "rebuilt")[1:]),
    "rebuilt_ask": lambda: as_text(
        messages(observe(BUILT, history=HISTORY, two_step=True, asks_prompt=NodeId("node_3")), "rebuilt")[1:]
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_prompts_are_the_policys_input_and_change_on_purpose_only(name: str) -> None:
    """FLOWSTEER_WRITE_SNAPSHOTS=1 writes them anew."""
    path, text = SNAPSHOTS / f"{name}.txt", CASES[name]()
    if os.environ.get("FLOWSTEER_WRITE_SNAPSHOTS"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_the_prompt_says_what_matters() -> None:
    system = system_prompt(observe(max_turns=17))
    assert "If it FAILS, the true branch runs; if it passes, the false branch" in system
    assert "at least 5 operators" in system
    assert "At most 17 turns" in system
    forms = [line for line in system.splitlines() if line.startswith("<action>")]
    assert len(forms) == 9
    for line in forms:
        parse_action(line)


def test_the_first_prompt_is_short() -> None:
    assert sum(len(message.content) for message in messages(observe(), "conversation")) < 2_500


def test_a_conversation_only_appends() -> None:
    before: tuple[Message, ...] = ()
    for turn in range(len(HISTORY) + 1):
        workflow = parse_dsl("Plan") if turn else parse_dsl("")
        shown = messages(observe(workflow, history=HISTORY[:turn]), "conversation")
        assert shown[: len(before)] == before
        assert len(shown) == 2 + 2 * turn
        before = shown
    assert [message.content for message in before[2:]] == [text for e in HISTORY for text in (e.text, e.feedback)]


def test_rebuilt_shows_only_the_last_answer() -> None:
    shown = messages(observe(TOLD, history=HISTORY, two_step=True), "rebuilt")
    assert [message.role for message in shown] == ["system", "user"]
    assert HISTORY[1].feedback in shown[1].content
    assert HISTORY[0].feedback not in shown[1].content


def test_long_tasks_are_cut_with_a_mark_that_counts() -> None:
    text = task_prompt(Task("q" * 500, context="c" * 250), 100)
    assert "[… cut, 400 characters]" in text
    assert "[… cut, 150 characters]" in text
    assert text.count("q") == 100 + 1  # the type of the task is qa


RELEASED = [
    ("<think>\nplan first\n</think>\n\n<action>add</action>\n<operator>Plan</operator>", AddStep("Plan")),
    ("<action>modify</action>\n<target>node_2</target>\n<operator>Custom</operator>", Modify(N2, "Custom")),
    ("<think>x</think><action>delete</action><target>node_1</target>", Delete(N1)),
    ("<action>set_prompt</action><target>node_2</target><prompt>Be exact.</prompt>", SetPrompt(N2, "Be exact.")),
    ("<think>done</think>\n<action>finish</action>\n<answer>72</answer>\n", Finish("72")),
]


@pytest.mark.parametrize(("text", "action"), RELEASED)
async def test_the_released_policys_forms_work_unchanged(text: str, action: object) -> None:
    director = ChatDirector(Replies([text]), layout="rebuilt")
    turn = await director.act(observe(parse_dsl("Plan -> Programmer"), two_step=True))
    assert turn.action == action
    assert turn.text == text


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("<think>\nhm\n</think>\n\n<prompt>Compute 48 + 24.</prompt>", "Compute 48 + 24."),
        ("<think>\nhm\n</think>\n\nCompute 48 + 24.", "Compute 48 + 24."),
    ],
)
async def test_two_step_replies_are_instructions(text: str, prompt: str) -> None:
    seen = observe(parse_dsl("Plan"), two_step=True, asks_prompt=N1)
    turn = await ChatDirector(Replies([text]), layout="rebuilt").act(seen)
    assert turn.action == PromptText(prompt)


async def test_a_turn_tells_what_was_said_and_what_it_cost() -> None:
    backend = Replies(["I add a plan."])
    turn = await ChatDirector(backend, Sampling(0.6, 0.95, 20, 99)).act(observe(history=HISTORY, seed=5))
    assert isinstance(turn.action, ActionError)
    assert turn.text == "I add a plan."
    assert turn.reasoning == "hidden thoughts"
    assert turn.usage == Usage(1, 700, 30, 0.5, None)
    assert turn.seconds >= 0
    (asked,) = backend.asked
    assert asked.sampling == Sampling(0.6, 0.95, 20, 99, seed=5)
    assert asked.origin is not None
    assert (asked.origin.role, asked.origin.task) == ("director", TASK)
    assert asked.grammar is None


async def test_a_reply_cut_at_the_limit_is_never_an_action() -> None:
    backend = Replies(["<action>add</action><operator>Custom</operator>"], finish="length")
    turn = await ChatDirector(backend, Sampling(max_tokens=12)).act(observe())
    assert isinstance(turn.action, ActionError)
    assert "cut at 12 tokens" in turn.action.message


async def test_a_backend_failure_is_not_an_action() -> None:
    with pytest.raises(BackendUnavailable):
        await ChatDirector(Replies([])).act(observe())


@pytest.mark.parametrize(("can", "wanted", "held"), [(True, None, True), (True, False, False), (False, None, False)])
async def test_constrained_wherever_the_backend_can(can: bool, wanted: bool | None, held: bool) -> None:
    backend = Replies(["<action>finish</action>"], features=Features(grammar=can))
    await ChatDirector(backend, constrained=wanted).act(observe())
    assert (backend.asked[0].grammar is not None) == held


def test_no_silent_fall_back_from_constrained_decoding() -> None:
    with pytest.raises(ConfigError, match="cannot hold decoding to a grammar"):
        ChatDirector(Replies([]), constrained=True)


async def test_the_lenient_layout_is_one_message_with_the_last_turns_and_mends_replies():
    told = tuple(Exchange(f"<think>no</think>said {number}", f"heard {number}") for number in range(1, 8))
    backend = Replies(["Sure: <ACTION>add</ACTION><operator>Plan</operator>"], features=Features(grammar=True))
    turn = await ChatDirector(backend, layout="lenient").act(observe(BUILT, history=told))
    assert turn.action == AddStep("Plan")
    assert turn.repairs == ("text around the action was left out", "<ACTION> was read as <action>")
    (request,) = backend.asked
    (message,) = request.messages
    assert request.grammar is None
    assert message.role == "user"
    for words in (TASK.question, "said 3", "heard 7", "Plan -> [Programmer, Custom]", "## The last turns"):
        assert words in message.content
    assert "said 2" not in message.content
    assert "<think>no" not in message.content
