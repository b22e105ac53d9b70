"""What a policy in training reads of an episode, as text that only ever grows.

An LLM reads what it reads at inference: the chat of the `conversation` layout. A policy with a vocabulary of a few
hundred words cannot read questions; it reads the type and coarse features of a task, and the canvas's feedback boiled
down to a few words: taken or not, which steps ran and which checks failed, how many operators there are, what a finish
still needs, turns left; and the task's type and features once more, since a small policy forgets what it read long ago.
"""

import re
from dataclasses import dataclass
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

    @property
    def name(self) -> str:
        """What a policy that reads it is marked with."""
        ...

    def opening(self, observation: Observation) -> str:
        """What stands before the first turn."""
        ...

    def answer(self, heard: Heard, task: Task) -> str:
        """What stands between a turn that the policy ended and its next one.

        Args:
            heard: What the policy is told.
            task: The task it works on.
        """
        ...


@dataclass(frozen=True, slots=True)
class CompactView:
    """The tiny policy's view.

    Attributes:
        reminds: Whether each answer names the operators of failed checks and ends with the task's type and features.
            Policies that were made before answers did so go on without.
    """

    reminds: bool = True

    @property
    def name(self) -> str:
        """What a policy that reads it is marked with."""
        return "compact-2" if self.reminds else "compact"

    def opening(self, observation: Observation) -> str:
        """Type and features of the task."""
        return f"{_known(observation.task)}\n"

    def answer(self, heard: Heard, task: Task) -> str:
        """The feedback in a few words.

        Raises:
            ConfigError: There are words alone, of no canvas or of an old record.
        """
        if isinstance(heard, str):
            raise ConfigError(
                "a tiny policy reads the canvas's feedback as data, and here it was given in words alone",
                "record the episodes anew, or let an LLM be the policy",
            )
        if not heard:
            return ""
        return f"{terse(heard)} {_known(task)}\n" if self.reminds else f"{compact(heard)}\n"


def compact_view(name: str) -> CompactView | None:
    """The view of a tiny policy by its mark; None if the mark is not that of one."""
    return next((view for view in (CompactView(), CompactView(reminds=False)) if view.name == name), None)


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

    name = "chat"

    def opening(self, observation: Observation) -> str:
        """System prompt and task."""
        chat = messages(observation, "conversation", self._task_chars)
        return self._render([{"role": message.role, "content": message.content} for message in chat])

    def lenient(self, observation: Observation) -> str:
        """All that a policy of the lenient dialect reads for its next turn, in one message of the user."""
        (message,) = messages(observation, "lenient", self._task_chars)
        return self._render([{"role": message.role, "content": message.content}])

    def answer(self, heard: Heard, task: Task) -> str:
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


def _known(task: Task) -> str:
    """Type and features."""
    return " ".join((task.type, *features(task)))


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
    said = [*_done(feedback, named=False), "|", _size(feedback)]
    if feedback.unmet:
        said += ["needs", *map(_word, feedback.unmet)]
    if feedback.asks is not None:
        said.append("prompt")
    return " ".join([*said, "left", _left(feedback)])


def terse(feedback: Feedback) -> str:
    """The same in fewer words, with the operators of failed checks, and a word for a workflow that may be finished.

    >>> from flowsteer.workflow import parse_dsl
    >>> needs = (Condition("steps", least=5, found=2), Condition("operator", "Test"))
    >>> terse(Feedback(False, "no", (), parse_dsl("Plan -> Custom"), (), None, needs, 1, 9))
    'no 2 operators Test 8'
    """
    asks = [] if feedback.asks is None else ["prompt"]
    needs = [_word(condition) for condition in feedback.unmet] or ["ready"]
    return " ".join([*_done(feedback, named=True), _size(feedback), *needs, *asks, _left(feedback)])


def _done(feedback: Feedback, named: bool) -> list[str]:
    """Whether the edit was taken, and what ran."""
    ran = {run.node: f"{run.node}{_state(run, named)}" for run in feedback.fresh}
    return ["ok" if feedback.accepted else "no", *ran.values()]


def _size(feedback: Feedback) -> str:
    return str(sum(1 for _ in steps(feedback.workflow.nodes)))


def _left(feedback: Feedback) -> str:
    return str(feedback.max_turns - feedback.turn)


def _state(run: NodeRan, named: bool) -> str:
    if run.failure is not None:
        return " error"
    verdict = run.wrote.verdict
    if verdict is None or verdict.passed:
        return "" if verdict is None else " pass"
    return f" {run.operator} FAIL" if named else " FAIL"


def _word(condition: Condition) -> str:
    """The word of a finish condition that tells it from the others."""
    return condition.name or ("operators" if condition.kind == "steps" else condition.kind)
