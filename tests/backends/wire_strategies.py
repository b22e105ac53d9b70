"""Bodies of chat completions, well made and not, and what hypothesis makes of them."""

import json
from typing import Any

from hypothesis import strategies as st


def event(document: object) -> str:
    """A server-sent event."""
    return f"data: {json.dumps(document)}\n\n"


def chunk(delta: object, finish: object = None, **more: object) -> dict[str, Any]:
    """One piece of a streamed completion."""
    return {"model": "tiny-1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


END = chunk({}, "stop")
DONE = "data: [DONE]\n\n"

KEYS = st.sampled_from(
    [
        *("choices", "message", "delta", "content", "text", "type", "thinking", "reasoning", "reasoning_content"),
        *("refusal", "finish_reason", "index", "usage", "prompt_tokens", "completion_tokens", "error", "code"),
        *("status", "details", "retryDelay", "detail", "model", "object", "data", "id", "owned_by"),
    ]
)
TEXT = st.text(st.characters() | st.sampled_from("\ud835\udc00\x00"), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.sampled_from(["error", "stop", "429"])
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | TEXT, inner, max_size=4),
    max_leaves=12,
)
CHOICES = st.lists(st.dictionaries(KEYS, ANY_JSON, max_size=4) | ANY_JSON, max_size=3)
DOCUMENTS = st.fixed_dictionaries({"choices": CHOICES}, optional={"usage": ANY_JSON, "model": ANY_JSON}) | ANY_JSON
TOKENS = st.sampled_from([b"data:", b"[DONE]", b"{", b"}", b"\n", b"\r", b"event: error", b"\xff", b'"'])
BODIES = st.one_of(
    DOCUMENTS.map(json.dumps).map(str.encode),
    st.lists(DOCUMENTS, max_size=4).map(lambda documents: ("".join(map(event, documents)) + DONE).encode()),
    st.binary(max_size=80),
    st.lists(TOKENS, max_size=12).map(b"".join),
)
"""Whole completions, streams and rubbish."""
