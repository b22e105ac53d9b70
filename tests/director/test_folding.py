"""An episode longer than its LLM's context goes on, shown in short; and the record says so."""

from dataclasses import dataclass, field

import pytest
from director_cases import TASK, observe

from flowsteer.backends.base import Features, Reply, Request, Sampling, Usage
from flowsteer.canvas.director import Exchange, Observation
from flowsteer.director.chat import ATTEMPTS, ChatDirector
from flowsteer.director.layouts import Layout, messages
from flowsteer.draft import Draft
from flowsteer.errors import ContextExceeded
from flowsteer.runs.events import Feedback, NodeRan
from flowsteer.workflow.dsl import parse_dsl
from flowsteer.workflow.nodes import Step, Workflow, node_id

ACTION = "<action>add</action><operator>Plan</operator>"


def history(turns: int) -> tuple[Exchange, ...]:
    return tuple(
        Exchange(
            f"<think>{'thought ' * 40}</think>{ACTION}",
            f"accepted: added node_{turn} Plan\nworkflow: Plan\nresults:\n{'much text ' * 60}",
        )
        for turn in range(1, turns + 1)
    )


@dataclass
class Small:
    """A backend with a context of so many characters, four to a token; it need not tell.

    A prompt that leaves it less room than the reply is answered in part, as llama.cpp does.
    """

    characters: int
    features: Features = Features()  # noqa: RUF009 - frozen
    reply: str = ACTION
    asked: list[Request] = field(default_factory=list)
    spec: str = "small:"

    async def complete(self, request: Request) -> Reply:
        self.asked.append(request)
        read = size(request)
        if read > self.characters:
            raise ContextExceeded(f"request ({read // 4} tokens) exceeds the available context size")
        room = self.characters - read
        whole = len(self.reply) <= room
        usage = Usage(1, read // 4, (len(self.reply) if whole else room) // 4)
        return Reply(self.reply[:room], usage, "small", "stop" if whole else "length")

    async def aclose(self) -> None:
        pass


def size(request: Request) -> int:
    return sum(len(message.content) for message in request.messages)


FIRST = sum(len(message.content) for message in messages(observe(), "conversation"))
"""Characters of system message and task."""


@pytest.mark.parametrize("two_step", [False, True])
@pytest.mark.parametrize("layout", ["conversation", "rebuilt"])
@pytest.mark.parametrize("room", [900, 1500, 3000])
async def test_a_long_episode_goes_on_in_a_small_context(layout: Layout, room: int, two_step: bool) -> None:
    seen = observe(parse_dsl("Plan"), history=history(17), two_step=two_step)
    whole = messages(seen, layout)
    backend = Small(max(FIRST, len(whole[1].content) if layout == "rebuilt" else 0) + room)
    turn = await ChatDirector(backend, layout=layout).act(seen)
    assert turn.text == ACTION
    fits = sum(len(message.content) for message in whole) <= backend.characters
    assert (turn.folded > 0) == (not fits)
    assert len(backend.asked) <= ATTEMPTS
    shown = backend.asked[-1].messages
    assert shown[0] == whole[0]
    assert TASK.question in shown[1].content
    if layout == "conversation":
        assert [message.role for message in shown[1:]] == ["user", *["assistant", "user"] * (len(shown) // 2 - 1)]
        assert all(message.content for message in shown)


async def test_older_feedback_is_shortened_first_and_the_last_turns_stay_whole() -> None:
    seen = observe(parse_dsl("Plan"), history=history(12))
    whole = messages(seen, "conversation")
    length = sum(len(message.content) for message in whole)
    backend = Small(length - 100, Features(context=(length - 100) // 3 + 50))
    turn = await ChatDirector(backend, Sampling(max_tokens=50)).act(seen)
    (asked,) = backend.asked  # the server tells its context, so nothing is refused
    assert turn.folded == 4
    assert asked.messages[3].content == "accepted: added node_1 Plan […]"
    assert asked.messages[:3] == whole[:3]
    assert asked.messages[2 + 2 * turn.folded :] == whole[2 + 2 * turn.folded :]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (f"<reasoning>{'thought ' * 40}</reasoning>{ACTION}", ACTION),
        (f"<THINK>{'thought ' * 40}</THINK>{ACTION}", ACTION),
        (f"Well. <reasoning>{'thought ' * 40}</reasoning>{ACTION}", f"Well. {ACTION}"),
        (f"{ACTION}<prompt>Write </think> last</prompt>", f"{ACTION}<prompt>Write </think> last</prompt>"),
        (f"<think>{'thought ' * 40}", "…"),
    ],
)
async def test_older_turns_lose_their_thinking_and_keep_their_action(said: str, kept: str) -> None:
    seen = observe(parse_dsl("Plan"), history=(Exchange(said, "accepted"), *history(4)))
    backend = Small(FIRST + 1500)
    await ChatDirector(backend).act(seen)
    assert backend.asked[-1].messages[2].content == kept
    (lenient,) = messages(seen, "lenient")
    assert f"You: {kept.removesuffix('…')}\n" in lenient.content


async def test_the_rebuilt_prompt_gives_up_results_before_anything_else() -> None:
    ran = tuple(
        NodeRan(1, f"node_{number}", "Custom", (), False, Draft(answer="word " * 40), None, "x:", Usage(), 0, 0.0)
        for number in range(1, 9)
    )
    built = parse_dsl(" -> ".join(["Custom"] * 8))
    heard = Feedback(True, "added node_8 Custom", (), built, ran, None, (), 8, 20)
    seen = observe(built, history=(Exchange(ACTION, heard),))
    whole = messages(seen, "rebuilt")
    backend = Small(sum(len(message.content) for message in whole) - 500)
    turn = await ChatDirector(backend, layout="rebuilt").act(seen)
    (_, asked) = backend.asked
    assert turn.folded == 1
    assert asked.messages[0] == whole[0]
    for kept in (TASK.question, "accepted: added node_8 Custom", "finish is allowed", "- node_8 Custom"):
        assert kept in asked.messages[1].content


def built_turn_by_turn(turns: int) -> Observation:
    """An episode in which each turn added a step with an instruction, and was told what that gave."""
    prompt = "word " * 24
    nodes = tuple(Step(node_id(number), "Custom", prompt) for number in range(1, turns + 1))
    said = f"<think>so</think><action>add</action><operator>Custom</operator><prompt>{prompt}</prompt>"
    heard = (
        Feedback(
            True,
            f"added {node.id} Custom",
            (),
            Workflow(nodes[:number], number + 1),
            (NodeRan(number, node.id, "Custom", (), False, Draft(answer="word " * 60), None, "x:", Usage(), 0, 0.0),),
            None,
            (),
            number,
            20,
        )
        for number, node in enumerate(nodes, 1)
    )
    return observe(Workflow(nodes, turns + 1), history=tuple(Exchange(said, feedback) for feedback in heard))


@pytest.mark.parametrize("layout", ["conversation", "rebuilt", "lenient"])
@pytest.mark.parametrize("told", [False, True])
async def test_in_every_layout_an_episode_goes_on_where_the_task_is_not_too_long(layout: Layout, told: bool) -> None:
    room = 4500
    backend = Small(room, Features(context=room // 3 + 50) if told else Features(), reply="")
    folded = []
    for turns in range(19):
        turn = await ChatDirector(backend, Sampling(max_tokens=50), layout).act(built_turn_by_turn(turns))
        assert (turn.folded > 0) == (size(backend.asked[-1]) < size_of_whole(turns, layout))
        folded.append(turn.folded)
    assert folded[0] == 0 < folded[-1]
    assert not told or max(map(size, backend.asked)) <= room


def size_of_whole(turns: int, layout: Layout) -> int:
    return sum(len(message.content) for message in messages(built_turn_by_turn(turns), layout))


async def test_a_refusal_counts_no_turn_that_was_not_shown() -> None:
    with pytest.raises(ContextExceeded, match="is full even with the earlier turns in short: request"):
        await ChatDirector(Small(100), layout="rebuilt").act(built_turn_by_turn(3))


async def test_what_fits_is_shown_whole() -> None:
    seen = observe(parse_dsl("Plan"), history=history(3))
    backend = Small(100_000, Features(context=25_000))
    turn = await ChatDirector(backend).act(seen)
    assert (turn.folded, backend.asked[0].messages) == (0, messages(seen, "conversation"))


async def test_a_reply_that_the_context_cut_is_asked_for_again_and_both_are_paid() -> None:
    seen = observe(parse_dsl("Plan"), history=history(3))
    length = sum(len(message.content) for message in messages(seen, "conversation"))
    backend = Small(length + 12, Features(context=length // 4 + 3))
    turn = await ChatDirector(backend, Sampling(max_tokens=2048)).act(seen)
    assert turn.text == ACTION
    assert turn.folded
    assert turn.usage.calls == sum(size(request) <= backend.characters for request in backend.asked)


async def test_a_task_that_alone_is_too_long_says_so() -> None:
    for turns in (0, 9):
        backend = Small(FIRST - 1)
        with pytest.raises(ContextExceeded, match="the context of small: is full") as caught:
            await ChatDirector(backend).act(observe(history=history(turns)))
        assert "context" in caught.value.hint
        assert len(backend.asked) <= ATTEMPTS
