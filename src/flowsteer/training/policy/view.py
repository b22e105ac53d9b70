"""What a policy in training reads of an episode, as text that only ever grows.

An LLM reads what it reads at inference: the chat of the `conversation` layout. A policy with a vocabulary of a few
hundred words cannot read questions; it reads the type and coarse features of a task, and the canvas's feedback boiled
down to a few words: taken or not, which steps ran and which checks failed, how many operators there are, what a finish
still needs, turns left.
"""

import re
from typing import TYPE_CHECKING, Protocol

from flowsteer.canvas.director import Observation
from flowsteer.canvas.feedback import Heard, render
from flowsteer.director.layouts import messages
from flowsteer.errors import ConfigError
from flowsteer.operators.retrieval import passages
from flowsteer.runs.events import Feedback, NodeRan
from flowsteer.task import Task
from flowsteer.workflow.nodes import steps
from flowsteer.workflow.rules import Condition

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

END = "<end>"
"""Ends a turn of the tiny policy."""

LONG = 400
"""A question or context of more characters than this is long to the tiny policy."""

_FEATURE = re.compile(r"(?:topic|difficulty): (\w+)")


class View(Protocol):
    """Turns an episode into text for one kind of policy."""

    def opening(self, observation: Observation) -> str:
        """What stands before the first turn."""
        ...

    def answer(self, heard: Heard) -> str:
        """What stands between a turn that the policy ended and its next one.

        Args:
            heard: What the policy is told.
        """
        ...


class CompactView:
    """The tiny policy's view."""

    def opening(self, observation: Observation) -> str:
        """Type and features of the task."""
        return f"{' '.join((observation.task.type, *features(observation.task)))}\n"

    def answer(self, heard: Heard) -> str:
        """The feedback in a few words.

        Raises:
            ConfigError: There are words alone, of no canvas or of an old record.
        """
        if isinstance(heard, str):
            raise ConfigError(
                "a tiny policy reads the canvas's feedback as data, and here it was given in words alone",
                "record the episodes anew, or let an LLM be the policy",
            )
        return f"{compact(heard)}\n" if heard else ""


class ChatView:
    """An LLM's view: its own chat template around the same messages as at inference.

    Args:
        tokenizer: The LLM's; it must have a chat template and an end-of-turn token.
        task_chars: Most characters of question, context and code, each.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", task_chars: int) -> None:
        if not tokenizer.chat_template:
            raise ConfigError("the policy's tokenizer has no chat template", "choose an instruction-tuned model")
        self._tokenizer = tokenizer
        self._task_chars = task_chars
        self._end = str(tokenizer.eos_token)

    def opening(self, observation: Observation) -> str:
        """System prompt and task."""
        chat = messages(observation, "conversation", self._task_chars)
        return self._render([{"role": message.role, "content": message.content} for message in chat])

    def answer(self, heard: Heard) -> str:
        """The feedback as the user's message; what the template puts behind a turn's end mark stands before it."""
        said = "\x00"
        chat = [{"role": "user", "content": ""}, {"role": "assistant", "content": said}]
        behind = self._render([*chat, {"role": "user", "content": render(heard)}]).partition(said)[2]
        if not behind.startswith(self._end):
            raise ConfigError(
                f"the chat template does not end a turn with {self._end!r}", "choose a model whose end token ends turns"
            )
        return behind.removeprefix(self._end)

    def _render(self, chat: list[dict[str, str]]) -> str:
        text = self._tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        return str(text)


def features(task: Task) -> list[str]:
    r"""Coarse features of a task in single words; simulated tasks name theirs.

    >>> features(Task("Name it. type: qa; topic: people; difficulty: hard; task: 1", "qa", dataset="simulated"))
    ['people', 'hard']
    >>> features(Task("Who?", "qa", context="She did."))
    ['short', 'context']
    >>> features(Task("Who?", "qa", context="She did.\n\nHe did."))
    ['short', 'context', 'passages']
    """
    if task.dataset == "simulated":
        return _FEATURE.findall(task.question)
    found = ["long" if len(task.question) > LONG else "short"]
    if task.context:
        found.append("document" if len(task.context) > LONG else "context")
        if len(passages(task.context)) > 1:
            found.append("passages")
    if task.public_tests is not None:
        found.append("tested")
    if task.answer_form:
        found.append("form")
    return found


def compact(feedback: Feedback) -> str:
    """The canvas's feedback in a few words; of a node that ran more than once, the last run.

    >>> from flowsteer.workflow import parse_dsl
    >>> needs = (Condition("steps", least=5, found=2), Condition("operator", "Test"))
    >>> compact(Feedback(False, "no", (), parse_dsl("Plan -> Custom"), (), None, needs, 1, 9))
    'no | 2 needs operators Test left 8'
    """
    said = ["ok" if feedback.accepted else "no"]
    said += {run.node: f"{run.node}{_state(run)}" for run in feedback.fresh}.values()
    said += ["|", str(sum(1 for _ in steps(feedback.workflow.nodes)))]
    if feedback.unmet:
        said += ["needs", *map(_word, feedback.unmet)]
    if feedback.asks is not None:
        said.append("prompt")
    return " ".join([*said, "left", str(feedback.max_turns - feedback.turn)])


def _state(run: NodeRan) -> str:
    if run.failure is not None:
        return " error"
    verdict = run.wrote.verdict
    return "" if verdict is None else " pass" if verdict.passed else " FAIL"


def _word(condition: Condition) -> str:
    """The word of a finish condition that tells it from the others."""
    return condition.name or ("operators" if condition.kind == "steps" else condition.kind)
