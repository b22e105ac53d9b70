"""An episode that would overflow its LLM's context, shown in short: from its oldest turn on, and no more than needed.

The system message, the task and the last turns stay whole as long as they fit. In the `conversation` layout the
canvas's older answers become one line each; then what the Director said in those turns loses its thinking; then those
turns are left out. The workflow as it stands is in the last answer. In the `rebuilt` layout, which shows the last
answer only, that one loses most of its results.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from flowsteer.answers.thinking import without_thinking
from flowsteer.backends.base import Message
from flowsteer.canvas.director import Exchange, Observation
from flowsteer.canvas.feedback import Budgets, render
from flowsteer.director.layouts import Layout, cut, messages

WHOLE = 2
"""The last turns, which stay whole until nothing else is left to shorten."""

BLOCK = 4
"""Turns are shortened by so many at once: what stands before the shortened ones then stays the same for some turns, and
a server's cache of the prefix valid."""

SAID = 160
"""Most characters kept of what a Director said in a shortened turn."""

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
    for seen, count, left_out in _foldings(observation, layout):
        shown = Folded(messages(seen, layout, task_chars, left_out), count)
        if most is None or shown.characters <= most:
            return replace(shown, shortest=not known)
    return replace(shown, shortest=True)


def _foldings(observation: Observation, layout: Layout) -> Iterator[tuple[Observation, int, int]]:
    """What may be shown, whole first and shortest last: the observation, its shortened turns, those left out."""
    yield observation, 0, 0
    history = observation.history
    if not history:
        return
    if layout == "conversation":
        older, count = len(history) - WHOLE, len(history)
        for number in [*range(BLOCK, older, BLOCK), *([older] if older > 0 else [])]:
            lines = (Exchange(turn.text, _line(turn, observation.budgets)) for turn in history[:number])
            yield replace(observation, history=(*lines, *history[number:])), number, 0
        short = tuple(_short(turn, observation.budgets) for turn in history)
        for number in (older, count - 1):
            if number > 0:
                yield replace(observation, history=(*short[:number], *history[number:])), number, 0
        for number in dict.fromkeys((older // 2, older, count - 1)):
            if number > 0:
                kept = (*short[number : count - 1], history[-1])
                yield replace(observation, history=kept), count - 1, number
        last = Exchange(_own_words(history[-1].text), history[-1].feedback)
        yield replace(observation, history=(last,), budgets=_TIGHT), count, count - 1
    else:
        yield replace(observation, budgets=_TIGHT), 1, 0


def _short(turn: Exchange, budgets: Budgets) -> Exchange:
    return Exchange(_own_words(turn.text), _line(turn, budgets))


def _own_words(text: str) -> str:
    """What a Director said, without its thinking; never empty, which servers refuse."""
    return cut(" ".join(without_thinking(text).split()), SAID) or "…"


def _line(turn: Exchange, budgets: Budgets) -> str:
    """The first line of the canvas's answer: what was done, or why it was refused."""
    first, _, more = render(turn.feedback, budgets).partition("\n")
    return f"{first} […]" if more else first
