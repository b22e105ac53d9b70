"""A person at the terminal as Director."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

from flowsteer.canvas.director import Observation, PromptText, Turn
from flowsteer.canvas.feedback import in_words, render
from flowsteer.director.commands import HELP, parse_command
from flowsteer.director.layouts import task_prompt
from flowsteer.director.parse import parse_prompt_reply
from flowsteer.errors import ActionError, ConfigError
from flowsteer.unicode import printable, refuse_unsound
from flowsteer.workflow.apply import Rejected, apply
from flowsteer.workflow.drawing import draw_tree
from flowsteer.workflow.edits import Action, Finish


def _show(text: str) -> None:
    sys.stdout.write(f"{printable(text)}\n")
    sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class HumanDirector:
    """Shows the workflow and the canvas's answer, and asks until the person types an action that the canvas accepts.

    It waits for the person with the event loop at rest: nothing else runs meanwhile. Ctrl-D and Ctrl-C leave the
    episode unfinished, and running it again resumes it.

    Attributes:
        read: Asks for a line; `input` unless something else is given.
        show: Shows a text.
    """

    read: Callable[[str], str] = input
    show: Callable[[str], None] = _show

    @property
    def spec(self) -> str:
        """`human`."""
        return "human"

    async def act(self, observation: Observation) -> Turn:
        """Ask for the next action.

        Raises:
            KeyboardInterrupt: The person left, by Ctrl-D or Ctrl-C.
        """
        started = perf_counter()
        self._show_state(observation)
        while True:
            try:
                line = self._ask(f"turn {observation.turn} of {observation.max_turns}> ")
                refuse_unsound([line], "that line")
            except (ConfigError, UnicodeDecodeError) as error:
                self.show(str(error))
                continue
            if line.strip() == "help" and not observation.asks_prompt:
                self.show(f"{HELP}\n\n{_operators(observation)}")
                continue
            try:
                return Turn(line, understood(line, observation), seconds=perf_counter() - started)
            except ActionError as error:
                self.show(f"{error.message}\n{error.hint}".rstrip())

    def _show_state(self, observation: Observation) -> None:
        if observation.history:
            self.show(render(observation.history[-1].feedback, observation.budgets))
        else:
            self.show(f"{task_prompt(observation.task)}\n\n{_operators(observation)}\n\nType help for the commands.")
        if observation.workflow.nodes:
            self.show(draw_tree(observation.workflow))

    def _ask(self, prompt: str) -> str:
        with _interruptible():
            try:
                return self.read(prompt)
            except EOFError:
                raise KeyboardInterrupt from None


def understood(line: str, observation: Observation) -> Action | PromptText:
    """The action of a line that the canvas will accept; a slip of a person costs no turn.

    Raises:
        ActionError: If it is none, or would be refused.
    """
    if observation.asks_prompt:
        return parse_prompt_reply(line)
    action = parse_command(line)
    if isinstance(action, Finish):
        if observation.unmet:
            raise ActionError("finish is not allowed yet", f"missing: {in_words(observation.unmet)}")
        return action
    outcome = apply(observation.workflow, action, observation.rules)
    if isinstance(outcome, Rejected):
        choices = f"legal: {', '.join(outcome.choices)}" if outcome.choices else ""
        raise ActionError(outcome.reason, choices)
    return action


def _operators(observation: Observation) -> str:
    return "\n".join(
        f"{item.name} ({item.category}): {item.summary}" for item in observation.library.operators.values()
    )


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end the wait at once: the event loop's own handler would only note it until the loop runs again."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
