"""What a policy in training reads of an episode, as text that only ever grows.

An LLM reads what it reads at inference: the chat of the `conversation` layout. A policy with a vocabulary of a few
hundred words cannot read questions; it reads the type and coarse features of a task, and the canvas's feedback boiled
down to a few words: taken or not, which steps ran and which checks failed, how many operators there are, what a finish
still needs, turns left.
"""

import re
from typing import TYPE_CHECKING, Protocol

from flowsteer.canvas.director import Observation
from flowsteer.director.layouts import messages
from flowsteer.errors import ConfigError
from flowsteer.operators.retrieval import passages
from flowsteer.task import Task

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

END = "<end>"
"""Ends a turn of the tiny policy."""

LONG = 400
"""A question or context of more characters than this is long to the tiny policy."""

_RESULT = re.compile(r"- (?P<node>\w+) \w+(?: round [\d.]+)?(?P<failed> FAILED)?(?:: verdict: (?P<verdict>pass|FAIL))?")
_TURN = re.compile(r"turn (\d+) of (\d+)")
_FEATURE = re.compile(r"(?:topic|difficulty): (\w+)")
_FILLER = re.compile(r"\(.*?\)|:.*|\b(?:a|the|at|least|operators?(?!$)|\d+)\b")


class View(Protocol):
    """Turns an episode into text for one kind of policy."""

    def opening(self, observation: Observation) -> str:
        """What stands before the first turn."""
        ...

    def answer(self, feedback: str) -> str:
        """What stands between a turn that the policy ended and its next one.

        Args:
            feedback: The canvas's answer, word for word; empty if the policy is told nothing.
        """
        ...


class CompactView:
    """The tiny policy's view."""

    def opening(self, observation: Observation) -> str:
        """Type and features of the task."""
        return f"{' '.join((observation.task.type, *features(observation.task)))}\n"

    def answer(self, feedback: str) -> str:
        """The feedback in a few words."""
        return f"{compact(feedback)}\n" if feedback else ""


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

    def answer(self, feedback: str) -> str:
        """The feedback as the user's message; what the template puts behind a turn's end mark stands before it."""
        said = "\x00"
        chat = [{"role": "user", "content": ""}, {"role": "assistant", "content": said}]
        behind = self._render([*chat, {"role": "user", "content": feedback}]).partition(said)[2]
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


def compact(feedback: str) -> str:
    r"""The canvas's feedback in a few words; of a node that ran more than once, the last run.

    >>> compact("accepted: added\nresults:\n- node_1 Verify: verdict: FAIL 0.9 no\nfinish is allowed\nturn 2 of 9")
    'ok node_1 FAIL | left 7'
    >>> compact("accepted: added\nresults:\n- node_2 Plan: plan: x\noperators: 2\nfinish is allowed\nturn 2 of 9")
    'ok node_2 | 2 left 7'
    >>> compact("rejected: no\nfinish needs at least 5 operators (there are 1); the operator Test\nturn 1 of 9")
    'no | needs operators Test left 8'
    """
    runs: dict[str, str] = {}
    needs = ["|"]
    for line in feedback.splitlines():
        if result := _RESULT.match(line):
            runs[result["node"]] = (
                " error" if result["failed"] else f" {result['verdict']}" if result["verdict"] else ""
            )
        elif line.startswith("operators: "):
            needs.append(line.removeprefix("operators: "))
        elif line.startswith("finish needs "):
            needs += ["needs", *(_word(need) for need in line.removeprefix("finish needs ").split("; "))]
        elif line.startswith("now: "):
            needs.append("prompt")
        elif turn := _TURN.fullmatch(line):
            needs += ["left", str(int(turn[2]) - int(turn[1]))]
    taken = "ok" if feedback.startswith("accepted") else "no"
    return " ".join([taken, *(node + state for node, state in runs.items()), *needs])


def _word(need: str) -> str:
    """The word of a finish condition that tells it from the others."""
    return " ".join(_FILLER.sub(" ", need).split()) or "operators"
