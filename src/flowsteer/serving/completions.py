"""An episode in the shapes of OpenAI's chat completions, whole and in chunks."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from flowsteer.runs.events import EpisodeEnded
from flowsteer.serving.refusals import JSON
from flowsteer.task import TaskType

CUT = "turn limit"
"""Why an episode ended whose Director was cut short: OpenAI's `length`."""


@dataclass(frozen=True, slots=True)
class CompletionFrame:
    """The frame of one answer.

    Attributes:
        episode: Id of the episode.
        model: Name of the system.
        type: Type of the task.
        guessed: Whether nobody named that type.
        created: Unix time of the request.
    """

    episode: str
    model: str
    type: TaskType
    guessed: bool
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, ended: EpisodeEnded) -> JSON:
        """The answer as one document."""
        message = {"role": "assistant", "content": ended.answer, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(ended)}
        return self._frame("chat.completion") | {
            "choices": [choice],
            "usage": usage_of(ended),
            "flowsteer": self.facts(ended),
        }

    def chunk(self, delta: Mapping[str, Any], **more: Any) -> JSON:
        """A chunk of a stream.

        Args:
            delta: What is new.
            more: Other fields.
        """
        choice = {"index": 0, "delta": dict(delta), "logprobs": None, "finish_reason": None}
        return self._frame("chat.completion.chunk") | {"choices": [choice]} | more

    def last_chunk(self, ended: EpisodeEnded) -> JSON:
        """The chunk that says why the stream ends, and what kind of episode it was."""
        chunk = self.chunk({}, flowsteer=self.facts(ended))
        chunk["choices"][0]["finish_reason"] = _finish(ended)
        return chunk

    def usage_chunk(self, ended: EpisodeEnded) -> JSON:
        """The chunk of `stream_options.include_usage`."""
        return self._frame("chat.completion.chunk") | {"choices": [], "usage": usage_of(ended)}

    def facts(self, ended: EpisodeEnded) -> JSON:
        """What OpenAI has no field for."""
        return {
            "episode": self.episode,
            "type": self.type,
            "type_guessed": self.guessed,
            "finished": ended.finished,
            "reason": ended.reason,
            "turns": ended.turns,
            "dsl": ended.dsl,
            "seconds": ended.seconds,
            "cost": (ended.director_usage + ended.executor_usage).cost,
            "director": asdict(ended.director_usage),
            "executor": asdict(ended.executor_usage),
        }

    def _frame(self, kind: str) -> JSON:
        return {"id": f"chatcmpl-{self.episode}", "object": kind, "created": self.created, "model": self.model}


def usage_of(ended: EpisodeEnded) -> JSON:
    """What Director and operators read and wrote together, as OpenAI counts it."""
    spent = ended.director_usage + ended.executor_usage
    return {
        "prompt_tokens": spent.prompt_tokens,
        "completion_tokens": spent.completion_tokens,
        "total_tokens": spent.tokens,
    }


def _finish(ended: EpisodeEnded) -> str:
    return "length" if ended.reason == CUT else "stop"
