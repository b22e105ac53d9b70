"""How many tokens an episode may have: what a model can read, and what the sampler in this process can read with it."""

from typing import TYPE_CHECKING, Any

from flowsteer.errors import ConfigError

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

ANY = 2**62
"""More tokens than any episode has."""

ELSEWHERE = 'sampler.engine="vllm_server"'


def positions(config: Any) -> int:
    """Most tokens that a model reads, by its configuration."""
    return int(getattr(config.get_text_config(), "max_position_embeddings", None) or ANY)


def seen(model: "PreTrainedModel | PeftModel") -> int:
    """Most tokens of an episode that the sampler in this process reads as the model does.

    It lets each token see all that stands before it, in every layer, so no layer may look back less far.

    Args:
        model: The model.

    Raises:
        ConfigError: A layer is no attention, or one of a kind that is not known here.
    """
    text = model.config.get_text_config()
    window = getattr(text, "sliding_window", None) if getattr(text, "use_sliding_window", True) else None
    sliding, chunk = window or ANY, getattr(text, "attention_chunk_size", None) or ANY
    sees = {"full_attention": ANY, "sliding_attention": sliding, "chunked_attention": chunk}
    kinds = set(getattr(text, "layer_types", None) or ["sliding_attention"])
    if getattr(model, "_is_stateful", False):
        kinds.add("recurrent")
    if other := sorted(kinds - set(sees)):
        raise ConfigError(
            f"the sampler 'transformers' reads no model with layers of the kind {other[0]}", f"set {ELSEWHERE}"
        )
    return min(sees[kind] for kind in kinds)


def check_seen(model: "PreTrainedModel | PeftModel", tokens: int) -> None:
    """The sampler in this process reads episodes of so many tokens as the model does.

    Raises:
        ConfigError: It does not.
    """
    if tokens > (most := seen(model)):
        raise ConfigError(
            f"an episode may have {tokens:,} tokens, and layers of the policy look back over at most {most:,}, while "
            "the sampler 'transformers' lets all of them see everything",
            f"set sampler.episode_tokens={most}, or {ELSEWHERE}",
        )


def check_reach(name: str, model: "PreTrainedModel | PeftModel", tokens: int, here: bool) -> None:
    """A policy can read episodes of so many tokens.

    Args:
        name: What it is called.
        model: Its model; weights are not looked at.
        tokens: Most tokens of an episode.
        here: Whether the sampler in this process draws with it.

    Raises:
        ConfigError: It cannot.
    """
    if tokens > (most := positions(model.config)):
        raise ConfigError(
            f"an episode may have {tokens:,} tokens, and {name} reads at most {most:,}",
            f"--set sampler.episode_tokens={most}",
        )
    if here:
        check_seen(model, tokens)
