"""An LLM as Director, on any backend."""

from dataclasses import dataclass
from time import perf_counter

from flowsteer.backends.base import Backend, Origin, Reply, Request, SamplingSettings
from flowsteer.canvas.director import Observation, PromptText, Turn
from flowsteer.director.grammar import action_grammar
from flowsteer.director.layouts import TASK_CHARS, Layout, messages
from flowsteer.director.parse import parse_action, parse_prompt_reply
from flowsteer.errors import ActionError, ConfigError
from flowsteer.workflow.edits import Action

EVALUATION = SamplingSettings(temperature=0.6, top_p=0.95, top_k=20, max_tokens=2048)
"""The paper's sampling for evaluation (spec §6)."""


@dataclass(frozen=True, slots=True)
class ChatDirector:
    """Asks an LLM for each turn's action.

    Attributes:
        backend: The LLM.
        sampling: How it draws.
        layout: How it is shown the episode.
        constrained: Whether decoding is held to the grammar of the legal actions; None for wherever the backend can.
        task_chars: Most characters of question, context and code shown, each.

    Raises:
        ConfigError: If decoding is to be constrained and the backend cannot.
    """

    backend: Backend
    sampling: SamplingSettings = EVALUATION
    layout: Layout = "conversation"
    constrained: bool | None = None
    task_chars: int = TASK_CHARS

    def __post_init__(self) -> None:
        if self.constrained and not self.backend.features.grammar:
            raise ConfigError(
                f"the backend {self.backend.spec} cannot hold decoding to a grammar",
                "choose a local backend, or do not ask for constrained decoding",
            )

    @property
    def spec(self) -> str:
        """The backend's spec."""
        return self.backend.spec

    async def act(self, observation: Observation) -> Turn:
        """Ask for the next action; a reply that is none becomes an `ActionError` in the turn.

        Raises:
            BackendUnavailable: The LLM is gone.
            BackendRejected: It refused the request, such as a conversation that is too long.
        """
        held = self.backend.features.grammar if self.constrained is None else self.constrained
        request = Request(
            messages=messages(observation, self.layout, self.task_chars),
            sampling=self.sampling.seeded(None if self.sampling.temperature == 0 else observation.seed),
            grammar=action_grammar(observation) if held else None,
            origin=Origin("director", observation.task),
        )
        started = perf_counter()
        reply = await self.backend.complete(request)
        seconds = perf_counter() - started
        action = _understood(reply, observation, self.sampling.max_tokens)
        return Turn(reply.text, action, reply.reasoning, reply.usage, seconds)


def _understood(reply: Reply, observation: Observation, max_tokens: int) -> Action | PromptText | ActionError:
    """The action in a reply. A cut reply holds none, even if what is left of it reads as one."""
    if reply.finish == "length":
        return ActionError(f"the reply was cut at {max_tokens} tokens before its end", "think less, write less")
    try:
        return parse_prompt_reply(reply.text) if observation.asks_prompt else parse_action(reply.text)
    except ActionError as error:
        return error
