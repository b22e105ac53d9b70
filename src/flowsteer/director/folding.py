"""An episode that would overflow its LLM's context, shown in short: from its oldest turn on, and no more than needed.

The system message, the task and the last turns stay whole as long as they fit. In the `conversation` layout the
canvas's older answers become one line each; then what the Director said in those turns loses its thinking; then those
turns are left out. The workflow as it stands is in the last answer. The `lenient` layout shows the last turns only, and
`rebuilt` the last answer; where these in short are too long still, the last answer loses most of its results, and then
the workflow its instructions.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from flowsteer.backends.base import Message
from flowsteer.canvas.director import Exchange, Observation
from flowsteer.canvas.feedback import Budgets, render
from flowsteer.director.layouts import LAST_TURNS, STEP_CHARS, Layout, cut, messages
from flowsteer.director.spoken import spoken

WHOLE = 2
"""The last turns, which stay whole until nothing else is left to shorten."""

BLOCK = 4
"""Turns are shortened by so many at once: what stands before the shortened ones then stays the same for some turns, and
a server's cache of the prefix valid."""

SAID = 160
"""Most characters kept of what a Director said in a shortened turn."""

LESS_OF_STEPS = (STEP_CHARS, 40, 0)
"""Most characters of one step's instruction, shorter and shorter."""

_TIGHT = Budgets(status=200, workflow=400, field=60, results=240)


@dataclass(frozen=True, slots=True)
class Folded:
    """An episode as it is shown.

    Attributes:
        messages: The messages.
        count: Earlier turns that are in short, or left out.
        shortest: Whether nothing is left to shorten.
    """

    messages: tuple[Message, ...]
    count: int = 0
    shortest: bool = False

    @property
    def characters(self) -> int:
        """How long the messages are."""
        return sum(len(message.content) for message in self.messages)


def fold(observation: Observation, layout: Layout, task_chars: int, most: int | None) -> Folded:
    """The messages for the next turn, as whole as they fit.

    Args:
        observation: What the Director sees.
        layout: How it is shown.
        task_chars: Most characters of question, context and code, each.
        most: Most characters of all messages together; None for no limit. What cannot be made so short is as short as
            it can be.
    """
    known, shown = len(observation.history), Folded(())
    for form in _forms(observation, layout):
        shown = Folded(messages(form.seen, layout, task_chars, form.left_out, form.step_chars), form.shortened)
        if most is None or shown.characters <= most:
            return replace(shown, shortest=not known)
    return replace(shown, shortest=True)


class _Form(NamedTuple):
    """What may be shown: what is seen of the episode, its turns in short, those left out, and of each instruction."""

    seen: Observation
    shortened: int = 0
    left_out: int = 0
    step_chars: int = STEP_CHARS


def _forms(observation: Observation, layout: Layout) -> Iterator[_Form]:
    """What may be shown, whole first and shortest last."""
    yield _Form(observation)
    if observation.history:
        yield from _of_conversation(observation) if layout == "conversation" else _of_state(observation, layout)


def _of_conversation(observation: Observation) -> Iterator[_Form]:
    history, budgets = observation.history, observation.budgets
    older, count = len(history) - WHOLE, len(history)
    for number in [*range(BLOCK, older, BLOCK), *([older] if older > 0 else [])]:
        lines = (Exchange(turn.text, _line(turn, budgets)) for turn in history[:number])
        yield _Form(replace(observation, history=(*lines, *history[number:])), number)
    short = tuple(_short(turn, budgets) for turn in history)
    for number in (older, count - 1):
        if number > 0:
            yield _Form(replace(observation, history=(*short[:number], *history[number:])), number)
    for number in dict.fromkeys((older // 2, older, count - 1)):
        if number > 0:
            yield _Form(replace(observation, history=(*short[number : count - 1], history[-1])), count - 1, number)
    yield _Form(_tight(observation), count, count - 1)


def _of_state(observation: Observation, layout: Layout) -> Iterator[_Form]:
    """Of one message with the state of the episode, and in the lenient layout with its last turns."""
    shown = observation.history[-(LAST_TURNS if layout == "lenient" else 1) :]
    short, count = tuple(_short(turn, observation.budgets) for turn in shown), len(shown)
    for number in range(1, count):
        yield _Form(replace(observation, history=(*short[:number], *shown[number:])), number)
    for number in range(1, count):
        yield _Form(replace(observation, history=(*short[number : count - 1], shown[-1])), count - 1)
    for step_chars in LESS_OF_STEPS:
        yield _Form(_tight(observation), count, step_chars=step_chars)


def _tight(observation: Observation) -> Observation:
    """The last turn alone, without its thinking and most of its results."""
    last = observation.history[-1]
    return replace(observation, history=(Exchange(_own_words(last.text), last.feedback),), budgets=_TIGHT)


def _short(turn: Exchange, budgets: Budgets) -> Exchange:
    return Exchange(_own_words(turn.text), _line(turn, budgets))


def _own_words(text: str) -> str:
    """What a Director said, without its thinking; never empty, which servers refuse."""
    return cut(" ".join(spoken(text).split()), SAID) or "…"


def _line(turn: Exchange, budgets: Budgets) -> str:
    """The first line of the canvas's answer: what was done, or why it was refused."""
    first, _, more = render(turn.feedback, budgets).partition("\n")
    return f"{first} […]" if more else first
