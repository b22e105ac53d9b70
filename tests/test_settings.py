"""Settings: what is unknown is answered with what is known in its place, and a record reads back as it was written."""

import inspect
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowsteer
from flowsteer.backends.base import SamplingSettings
from flowsteer.backends.budget import Caps
from flowsteer.canvas.canvas import Settings
from flowsteer.canvas.feedback import Budgets
from flowsteer.errors import ConfigError
from flowsteer.evaluation.evaluation_config import EvaluationConfig, make_config, read_evaluation
from flowsteer.reward.settings import RewardSettings
from flowsteer.session import Setup
from flowsteer.settings import check, to_json
from flowsteer.study.study_config import StudyConfig
from flowsteer.training.config import ExecutorSettings, TrainingConfig, load_training
from flowsteer.training.data import DataSettings, OwnData
from flowsteer.training.inference.settings import SamplerSettings
from flowsteer.training.policy.policy import PolicySettings
from flowsteer.training.rl.settings import UpdateSettings
from flowsteer.training.sft.settings import WarmupSettings

EXAMPLES = Path(__file__).parents[1] / "examples"
TABLES = {
    "executor": ExecutorSettings,
    "executor.caps": Caps,
    "executor.sampling": SamplingSettings,
    "data": DataSettings,
    "data.own.simulated:qa": OwnData,
    "canvas": Settings,
    "canvas.budgets": Budgets,
    "policy": PolicySettings,
    "sampler": SamplerSettings,
    "update": UpdateSettings,
    "reward": RewardSettings,
    "warmup": WarmupSettings,
}
RECORDS = (*TABLES.values(), TrainingConfig, EvaluationConfig, StudyConfig, Setup)


@pytest.mark.parametrize("table", TABLES)
@given(key=st.from_regex(r"[a-z]{3,9}_q", fullmatch=True))
def test_an_unknown_key_is_answered_with_the_keys_of_its_own_table(table, key):
    with pytest.raises(ConfigError) as refused:
        load_training(EXAMPLES / "demo.toml", [f"{table}.{key}=1"])
    assert f"{table}.{key}: unknown key" in refused.value.message
    names = ", ".join(field.name for field in fields(TABLES[table]))
    assert refused.value.hint == f"keys of {table}: {names}"


def test_only_a_table_in_which_a_key_is_unknown_is_listed():
    with pytest.raises(ConfigError) as refused:
        load_training(EXAMPLES / "demo.toml", ["updates.steps=1", "reward.variants=1", "seed=-1"])
    nested, top = refused.value.hint.split("; ")
    assert top.startswith("keys: ")
    assert "sampler" in top
    assert nested == f"keys of reward: {', '.join(field.name for field in fields(RewardSettings))}"
    with pytest.raises(ConfigError, match=r"seed: .*found -1") as refused:
        load_training(EXAMPLES / "demo.toml", ["seed=-1"])
    assert refused.value.hint == ""
    with pytest.raises(ConfigError, match="update: is a table of settings, found 3"):
        load_training(EXAMPLES / "demo.toml", ["update=3"])


def test_what_an_error_quotes_keeps_its_capitals():
    with pytest.raises(ConfigError, match=r"input should|string should") as refused:
        check(StudyConfig, {"base": "b", "seeds": [0], "worlds": {"w": {}}, "arms": {"cold start": {}}}, "the study")
    assert "[A-Za-z0-9]" in refused.value.message


@pytest.mark.parametrize("record", RECORDS)
def test_every_setting_has_a_line_beside_it(record):
    told = "\n".join(inspect.getdoc(kind) or "" for kind in record.__mro__)
    assert [field.name for field in fields(record) if f"    {field.name}: " not in told] == []


def test_a_record_reads_back_as_it_was_written():
    for file in ("demo.toml", "smollm2.toml", "smollm2_executor.toml", "paper_qwen3_8b.toml"):
        config = load_training(EXAMPLES / file)
        assert check(TrainingConfig, to_json(config), file) == config
    config = make_config(read_evaluation(EXAMPLES / "paper_eval.toml"))
    assert check(EvaluationConfig, to_json(config), "the plan") == config


def test_a_call_names_only_what_differs_from_the_setup():
    """A default of the function takes nothing from a setup that was given."""
    setup = Setup(director="dsl:Custom -> Format", executor="simulated:typed", sandbox="monty")
    solved = flowsteer.solve("What is 6 times 7?", "math", setup=setup)
    assert flowsteer.to_dsl(solved.workflow) == "Custom -> Format"
    assert flowsteer.run("Custom", "What is 6 times 7?", "math", setup=setup).usage.calls == 1
    other = flowsteer.solve("What is 6 times 7?", "math", setup=setup, director="dsl:Custom -> Custom -> Format")
    assert flowsteer.to_dsl(other.workflow) == "Custom -> Custom -> Format"
