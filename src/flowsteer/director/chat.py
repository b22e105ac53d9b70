"""An LLM as Director, on any backend."""

from dataclasses import dataclass
from time import perf_counter

from flowsteer.backends.base import NO_USAGE, Backend, Origin, Reply, Request, SamplingSettings
from flowsteer.canvas.director import Observation, PromptText, Turn
from flowsteer.director.folding import Folded, fold
from flowsteer.director.grammar import action_grammar
from flowsteer.director.layouts import TASK_CHARS, Layout
from flowsteer.director.parse import understood_in
from flowsteer.errors import ActionError, ConfigError, ContextExceeded
from flowsteer.workflow.edits import Action

EVALUATION = SamplingSettings(temperature=0.6, top_p=0.95, top_k=20, max_tokens=2048)
"""The paper's sampling for evaluation (spec §6)."""

CHARACTERS_PER_TOKEN = 3
"""Of a Director's conversation, roughly. What is longer than that after all is refused by the server, and shortened."""

ATTEMPTS = 5
"""How often one turn is asked for while it does not fit the context: each time with half of the earlier turns, the
last time with as little as there can be."""

_SPARE = 2  # tokens that a server leaves free at the end of a context


@dataclass(frozen=True, slots=True)
class ChatDirector:
    """Asks an LLM for each turn's action.

    Attributes:
        backend: The LLM.
        sampling: How it draws.
        layout: How it is shown the episode; `lenient` also says how its replies are read.
        constrained: Whether decoding is held to the grammar of the legal actions; None for wherever the backend can,
            and never in the lenient dialect.
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

        What would overflow the LLM's context is shown in short (`folding.py`); the turn says how much was.

        Raises:
            BackendUnavailable: The LLM is gone.
            BackendRejected: It refused the request; `ContextExceeded` if not even the shortest form of it fits.
        """
        started, spent, most = perf_counter(), NO_USAGE, self._most()
        for attempt in range(ATTEMPTS):
            shown = fold(observation, self.layout, self.task_chars, 0 if attempt == ATTEMPTS - 1 else most)
            try:
                reply = await self.backend.complete(self._request(observation, shown))
            except ContextExceeded as error:
                if shown.shortest:
                    raise self._too_long(shown, error) from error
            else:
                spent += reply.usage
                if shown.shortest or not self._cut_by_context(reply):
                    break
            fixed = fold(observation, self.layout, self.task_chars, 0).characters
            most = fixed + (shown.characters - fixed) // 2
        action, repairs = self._understood(reply, observation)
        return Turn(reply.text, action, reply.reasoning, spent, perf_counter() - started, shown.count, repairs)

    def _understood(
        self, reply: Reply, observation: Observation
    ) -> tuple[Action | PromptText | ActionError, tuple[str, ...]]:
        """The action in a reply, and its repairs. A cut reply holds none, even if what is left of it reads as one."""
        if reply.finish == "length":
            most = self.sampling.max_tokens
            return ActionError(f"the reply was cut at {most} tokens before its end", "think less, write less"), ()
        return understood_in(self.layout == "lenient", reply.text, observation.asks_prompt is not None)

    def _request(self, observation: Observation, shown: Folded) -> Request:
        usual = self.backend.features.grammar and self.layout != "lenient"
        held = usual if self.constrained is None else self.constrained
        return Request(
            messages=shown.messages,
            sampling=self.sampling.seeded(None if self.sampling.temperature == 0 else observation.seed),
            grammar=action_grammar(observation) if held else None,
            origin=Origin("director", observation.task),
        )

    def _most(self) -> int | None:
        """Most characters of a prompt by the context that the server tells, with room for a reply; None for unknown."""
        context = self.backend.features.context
        room = min(self.sampling.max_tokens, context // 4)
        return CHARACTERS_PER_TOKEN * (context - room) if context else None

    def _cut_by_context(self, reply: Reply) -> bool:
        """Whether a reply ends where the context is full, rather than at its own limit."""
        context = self.backend.features.context
        return reply.finish == "length" and 0 < context - _SPARE <= reply.usage.tokens

    def _too_long(self, shown: Folded, error: ContextExceeded) -> ContextExceeded:
        what = "even with the earlier turns in short" if shown.count else "with the first prompt alone"
        return ContextExceeded(
            f"the context of {self.backend.spec} is full {what}: {error.message}",
            "give the LLM a longer context, or the task a shorter text",
        )
