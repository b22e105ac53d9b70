"""Options of the embedded server, written behind the model's name."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsteer.backends.connect import check_spec
from flowsteer.backends.llama_options import LlamaOptions
from flowsteer.errors import ConfigError


@given(st.integers(1, os.cpu_count() or 1), st.integers(1, 99), st.integers(1, 10**6))
def test_what_is_written_is_read(threads: int, slots: int, context: int):
    written = f"some/model.gguf?threads={threads}&slots={slots}&context={context}"
    options = LlamaOptions(threads, slots, context)
    assert LlamaOptions.read(written) == ("some/model.gguf", options)
    assert options.arguments() == f"--threads {threads} --slots {slots} --context {context}".split()


def test_without_options_all_processors_work():
    assert LlamaOptions.read("smollm2") == ("smollm2", LlamaOptions())
    assert LlamaOptions().threads == os.cpu_count()


@pytest.mark.parametrize(
    ("written", "message", "hint"),
    [
        ("thread=2", "has no option 'thread'", "did you mean threads"),
        ("colour=2", "has no option 'colour'", "options: threads, slots, context"),
        ("", "has no option ''", "options: threads, slots, context"),
        ("slots=0", "slots must be a whole number above 0, not '0'", "such as ?slots=2"),
        ("slots=-1", "slots must be a whole number above 0, not '-1'", "such as ?slots=2"),
        ("context=", "context must be a whole number above 0, not ''", "such as ?context=2"),
        ("context=²", "context must be a whole number above 0, not '²'", "such as ?context=2"),
        ("threads=4096", "threads=4096, and there are", "at most"),
        ("slots=2&slots=2", "gives slots twice", "write it once"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_starts(written: str, message: str, hint: str):
    with pytest.raises(ConfigError) as caught:
        check_spec(f"llamacpp:smollm2?{written}")
    assert message in caught.value.message
    assert hint in caught.value.hint
