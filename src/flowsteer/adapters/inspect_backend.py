"""A model of inspect_ai as a backend, so that operators and Directors ask what the eval was given."""

from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageUser, GenerateConfig, Model, ModelUsage

from flowsteer.backends.base import Features, Reply, Request
from flowsteer.errors import BackendRejected, BackendUnavailable
from flowsteer.usage import Usage

SPEC = "inspect:model"
"""The backend that names the model of the eval."""

_ROLES = {"system": ChatMessageSystem, "user": ChatMessageUser, "assistant": ChatMessageAssistant}
_REFUSED = ("model_length", "content_filter")


class InspectBackend:
    """A `Backend` that asks through inspect_ai: its connections, retries, limits, cache and log.

    Args:
        model: The model.
    """

    spec, features = SPEC, Features()

    def __init__(self, model: Model) -> None:
        self._model = model

    async def complete(self, request: Request) -> Reply:
        """See `Backend.complete`."""
        drawn = request.sampling
        config = GenerateConfig(
            temperature=drawn.temperature,
            top_p=drawn.top_p,
            top_k=drawn.top_k or None,
            max_tokens=drawn.max_tokens,
            seed=drawn.seed,
        )
        messages = [_ROLES[message.role](content=message.content) for message in request.messages]
        try:
            output = await self._model.generate(messages, config=config)
        except Exception as error:  # providers raise what they like; the sample fails with it, and never a node alone
            raise BackendUnavailable(f"{self._model} did not answer: {error}") from error
        if output.stop_reason in _REFUSED:
            raise BackendRejected(f"{self._model} refused: {output.stop_reason}")
        usage = _usage(output.usage, output.time)
        return Reply(output.completion, usage, output.model, "length" if output.stop_reason == "max_tokens" else "stop")

    async def aclose(self) -> None:
        """Nothing: the eval closes its models."""


def _usage(counted: ModelUsage | None, seconds: float | None) -> Usage:
    """What a call cost; tokens that the provider's cache served count as read."""
    if counted is None:
        return Usage(1, 0, 0, seconds or 0.0, None)
    read = counted.input_tokens + (counted.input_tokens_cache_read or 0) + (counted.input_tokens_cache_write or 0)
    return Usage(1, read, counted.output_tokens, seconds or 0.0, counted.total_cost)
