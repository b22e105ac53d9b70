"""The tables: dialects of model families, and prices."""

import pytest

from flowsteer.backends.base import Features, Message, Request, Sampling
from flowsteer.backends.presets import PRESETS
from flowsteer.backends.prices import price
from flowsteer.backends.wire import body, left_out
from flowsteer.usage import NO_USAGE, Usage

SAMPLING = Sampling(temperature=0.6, top_p=0.95, top_k=20, max_tokens=77, seed=1)


@pytest.mark.parametrize(
    ("spec", "cap", "sampling"),
    [
        ("openai:gpt-4.1-mini", "max_completion_tokens", {"temperature", "top_p", "seed"}),
        ("openai:gpt-5-mini", "max_completion_tokens", set()),
        ("openai:gpt-5.4", "max_completion_tokens", set()),
        ("openai:o3", "max_completion_tokens", set()),
        ("openai:o4-mini-2025-04-16", "max_completion_tokens", set()),
        ("openai:gpt-5-chat-latest", "max_completion_tokens", {"temperature", "top_p", "seed"}),
        ("anthropic:claude-sonnet-4-5-20250929", "max_tokens", {"temperature"}),
        ("anthropic:claude-opus-4-20250514", "max_tokens", {"temperature"}),
        ("anthropic:claude-opus-4-6", "max_tokens", {"temperature"}),
        ("anthropic:claude-opus-4-7", "max_tokens", set()),
        ("anthropic:claude-opus-4-8", "max_tokens", set()),
        ("anthropic:claude-sonnet-5-5", "max_tokens", set()),
        ("gemini:gemini-2.5-flash", "max_tokens", {"temperature", "top_p"}),
        ("deepseek:deepseek-chat", "max_tokens", {"temperature", "top_p"}),
        ("xai:grok-4", "max_completion_tokens", {"temperature", "top_p", "seed"}),
        ("qwen:qwen3-8b", "max_tokens", {"temperature", "top_p", "top_k", "seed"}),
        ("openrouter:a/b", "max_tokens", {"temperature", "top_p", "top_k", "seed"}),
        ("ollama:qwen3", "max_tokens", {"temperature", "top_p", "seed"}),
        ("vllm:Qwen/Qwen3-8B", "max_tokens", {"temperature", "top_p", "top_k", "seed"}),
        ("llamacpp:smollm2", "max_tokens", {"temperature", "top_p", "top_k", "seed"}),
    ],
)
def test_each_model_is_sent_only_what_it_takes(spec: str, cap: str, sampling: set[str]):
    name, _, model = spec.partition(":")
    dialect = PRESETS[name].dialect_of(model)
    sent = body(Request((Message("user", "?"),), SAMPLING), model, dialect, Features())
    assert sent[cap] == 77
    assert {"temperature", "top_p", "top_k", "seed"} & set(sent) == sampling
    assert set(left_out(SAMPLING, dialect)) == {"temperature", "top_p", "top_k", "seed"} - sampling


def test_prices():
    usage = Usage(1, 2_000_000, 1_000_000)
    assert price("openai:gpt-4o-mini", usage) == pytest.approx(0.90)
    assert price("openai:gpt-4o-mini-2024-07-18", usage) == price("openai:gpt-4o-mini", usage)
    assert price("openai:gpt-4o-2024-05-13", Usage(1, 1_000_000, 1_000_000)) == pytest.approx(20.00)
    assert price("openai:gpt-4o-2024-08-06", usage) == price("openai:gpt-4o", usage)
    assert price("anthropic:claude-haiku-4-5-20251001", Usage(1, 100, 10)) == pytest.approx(0.00015)
    assert price("openai:gpt-4o-mini", NO_USAGE) == 0.0


@pytest.mark.parametrize(
    "spec", ["openai:gpt-4o-ultra", "deepseek:deepseek-chat", "nobody:x", "https://example.org/v1#gpt-4o", "gpt-4o"]
)
def test_an_unknown_price_is_unknown(spec: str):
    assert price(spec, Usage(1, 10, 10)) is None


def test_a_prompt_beyond_what_the_price_holds_for_is_unknown():
    assert price("gemini:gemini-2.5-pro", Usage(1, 200_000, 1)) is not None
    assert price("gemini:gemini-2.5-pro", Usage(1, 200_001, 1)) is None


@pytest.mark.parametrize(
    "spec",
    [
        *("llamacpp:smollm2", "ollama:x", "vllm:x", "simulated:typed", "recorded:f"),
        *(
            "http://127.0.0.1:8000/v1#x",
            "http://127.0.1.1:8000/v1#x",
            "http://[::1]:8000/v1#x",
            "http://LocalHost/v1#x",
        ),
    ],
)
def test_ones_own_machine_is_free(spec: str):
    assert price(spec, Usage(1, 10, 10)) == 0.0
