"""Keys in specs: refused before anything is written, and not repeated."""

import json
from pathlib import Path

import pytest
from flowsteer_cli import flowsteer
from hypothesis import given
from hypothesis import strategies as st

from flowsteer.backends.connect import Backends, check_spec
from flowsteer.credentials import refuse_key, refuse_keys
from flowsteer.errors import ConfigError
from flowsteer.runs.folder import RunFolder

SECRET = "hunter2hunter2hunter2"
WITH_A_KEY = [
    f"http://me:{SECRET}@127.0.0.1/v1#x",
    f"HTTPS://{SECRET}@host/v1#x",
    f"http:/me:{SECRET}@host/v1#x",
    f"https://host/v1?key={SECRET}#x",
    f"https://host/v1;key={SECRET}#x",
    f"https://host/v1#x?api_key={SECRET}",
    f"https://host/sk-{SECRET}/v1#x",
    f"openai:sk-{SECRET}",
    f"openrouter:sk-or-v1-{SECRET}",
    f"director:http://me:{SECRET}@host/v1#x",
]
WITHOUT = [
    "http://127.0.0.1:8000/v1#org/model:tag@rev?x",
    "https://gateway.example/v1/0123456789abcdef/openai#task-sk-model",
    "openrouter:openai/gpt-oss-120b:nitro",
    "director:llamacpp:smollm2",
    "simulated:?seed=1",
    "recorded:runs/key=5/run.jsonl",
]


@pytest.mark.parametrize("spec", WITH_A_KEY)
def test_a_spec_with_a_key_is_refused_unrepeated(spec: str):
    with pytest.raises(ConfigError, match="no key") as error:
        check_spec(spec)
    assert SECRET not in error.value.message + error.value.hint


@pytest.mark.parametrize("spec", WITHOUT)
def test_a_spec_without_one_is_not(spec: str):
    refuse_key(spec)


@pytest.mark.parametrize("spec", WITH_A_KEY)
def test_nothing_is_written_of_a_run_that_holds_one(tmp_path: Path, spec: str):
    for config in ({"executor": spec}, {"roster": {"big": spec}}, {"systems": ["direct", spec]}):
        with pytest.raises(ConfigError):
            RunFolder.create(tmp_path / "run", config)
    assert not list(tmp_path.iterdir())


def test_a_question_about_urls_is_no_spec():
    refuse_keys({"task": {"question": "What does http://me:pass@host/v1?key=1#x mean?"}, "seed": 3, "none": None})


@pytest.mark.parametrize(
    "command",
    [
        ("solve", "hi", "--director", "simulated:", "--executor"),
        ("run", "Custom", "hi", "--executor"),
        ("eval", "simulated:math", "--limit", "1", "--system", "direct", "--run", "r", "--executor"),
        ("eval", "simulated:math", "--limit", "1", "--executor", "simulated:", "--run", "r", "--system"),
    ],
)
def test_a_command_with_one_writes_and_repeats_nothing(tmp_path: Path, command: tuple[str, ...]):
    system = command[-1] == "--system"
    outcome = flowsteer(*command, WITH_A_KEY[-1] if system else WITH_A_KEY[0], cwd=tmp_path)
    assert outcome.code == 2
    assert "no key" in outcome.err
    assert SECRET not in outcome.err + outcome.out
    assert not list(tmp_path.rglob("*"))


@given(st.text(max_size=30) | st.from_regex(r"https?:[\[\]/:.\w@#-]{0,20}#\w", fullmatch=True))
def test_any_spec_is_known_or_refused(spec: str):
    try:
        check_spec(spec)
    except ConfigError as error:
        json.dumps(error.message + error.hint, ensure_ascii=False).encode()


@pytest.mark.parametrize("key", ["sk-é", "sk-a\nb", "sk-\x7f"])
async def test_a_key_that_no_header_can_carry_is_refused_unrepeated(key: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FLOWSTEER_API_KEY", key)
    async with Backends() as backends:
        with pytest.raises(ConfigError, match="FLOWSTEER_API_KEY") as error:
            await backends.get("http://127.0.0.1:9/v1#x")
    assert key not in error.value.message
