"""A training file says everything, and nothing that is not understood is accepted."""

from dataclasses import fields
from pathlib import Path

import pytest

from flowsteer.errors import ConfigError
from flowsteer.operators.registry import load_library
from flowsteer.reward.settings import RewardSettings
from flowsteer.settings import check
from flowsteer.training import requirements
from flowsteer.training.config import (
    TrainingConfig,
    load_training,
    settings_of,
    setup_of,
)
from flowsteer.training.requirements import check_engine, check_trackers

EXAMPLES = Path(__file__).parents[2] / "examples"
ADDITIONS = [field.name for field in fields(RewardSettings)][1:]
LARGE = {"policy": {"name": "some/model"}}


def test_the_demo_reads_and_says_its_departures():
    config = load_training(EXAMPLES / "demo.toml")
    assert config.policy.name == "tiny"
    assert config.update.batch == 36
    rules = config.canvas
    assert (rules.needs, rules.min_steps, rules.needs_structure) == (("verification", "formatting"), 6, True)
    assert (config.sampler.temperature, config.sampler.temperature_end) == (1.0, 0.5)
    assert config.sampler.grammar
    text = (EXAMPLES / "demo.toml").read_text().replace("\n# ", " ")
    for said in (
        "a finish is allowed once the workflow has all that R_div asks for",
        "a penalty for rejected edits, a finish that is paid behind the gate, a floor under the deviation of a group",
        "three passes over a step's rollouts, a falling temperature",
        "turns held to the grammar of the legal actions",
    ):
        assert said in text


def test_the_real_executor_is_greedy_and_its_scripts_cost_nothing():
    config = load_training(EXAMPLES / "smollm2_executor.toml")
    library = load_library(setup_of(config).library)
    assert set(library.categories.values()) == {"solving", "verification", "formatting"}
    assert setup_of(config).executor_sampling.temperature == 0
    assert config.executor.cache
    assert config.warmup.backend.startswith("simulated:")
    assert config.data.cut


def test_defaults_are_the_papers():
    config = check(TrainingConfig, dict(LARGE), "here")
    assert (config.update.steps, config.update.groups, config.update.group) == (300, 6, 6)
    assert (config.update.learning_rate, config.update.clip, config.update.kl) == (1e-5, 0.2, 0.005)
    assert (config.update.entropy, config.update.weight_decay, config.update.warmup_steps) == (0.005, 0.01, 10)
    assert config.reward == RewardSettings(variant="cwrpo", **dict.fromkeys(ADDITIONS, 0.0))
    rules = config.canvas
    assert (rules.min_steps, rules.needs, rules.needs_structure) == (5, ("verification",), True)
    assert config.canvas.max_turns == 20
    assert setup_of(config).executor_sampling.temperature == 0


def test_overrides_are_toml_values_and_win():
    config = load_training(
        EXAMPLES / "demo.toml", ["update.steps=3", "reward.variant=answer", "executor.caps.calls=10", "seed=7"]
    )
    assert (config.update.steps, config.reward.variant, config.seed) == (3, "answer", 7)
    assert setup_of(config).caps.calls == 10
    assert config.warmup.batch == 4


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("update.stepps=3", r"update\.stepps: unknown key"),
        ("reward.variant=best", r"reward\.variant"),
        ("update.group=1", r"update\.group.*found 1"),
        ("update.micro_batch=5", "micro_batch must divide 36"),
        ("warmup.episodes=0", "needs a cold start"),
        ("data.validation_tasks=0", "set data.validation_tasks"),
        ("update.mask=false sampler.engine=vllm_colocate", 'set sampler.engine="transformers"'),
        ("update.mask=false update.staleness=1 sampler.grammar=false", "and update.staleness=0"),
        ("warmup.least_valid=0.9 policy.name=smollm2 warmup.episodes=0 warmup.recall=0", "set warmup.episodes"),
        ("update.grouping=dataset data.tasks=5", "set data.tasks to more"),
        ("sampler.turn_tokens=512 sampler.episode_tokens=512", "set turn_tokens to less, such as 64"),
        ("report_to=['nothing']", r"report_to\.0.*'trackio'"),
        ("canvas.needs=['luck']", r"canvas\.needs"),
        ("reward.money_cost=1 executor.backend=http://far.example/v1#m", "set reward.executor_token_cost instead"),
        ("reward.money_cost=1 executor.roster.big=http://far.example/v1#m", "state it, such as executor.prices"),
        ("executor.prices.x=[-1,2]", r"executor\.prices"),
        ("sampler.temperature=0", r"sampler\.temperature"),
        ("policy.dtype=bfloat16", 'set policy.lora_rank, such as 64, or policy.dtype="float32"'),
        ("policy={name='a/b',dtype='bfloat16',lora_rank=4} warmup.recall=0 warmup.learning_rate=1e-5", "cold start of"),
        ("seed.more=1", "holds no settings of its own"),
        ("steps", "is no setting"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_name(override, said):
    with pytest.raises(ConfigError, match=said):
        load_training(EXAMPLES / "demo.toml", override.split(" "))


@pytest.mark.parametrize("name", ["smollm2", "some/model", "runs/model"])
@pytest.mark.parametrize("warmup", [{"episodes": 8}, {"run": "runs/recorded"}])
def test_only_a_tiny_policy_has_a_usual_learning_rate_of_the_cold_start(name, warmup):
    plain = {"policy": {"name": name}, "warmup": dict(warmup)}
    with pytest.raises(ConfigError, match=f"cold start of {name}.* set warmup\\.learning_rate, such as 1e-5"):
        check(TrainingConfig, plain, "here")
    config = check(TrainingConfig, plain, "here", ["warmup.learning_rate=2e-5"])
    assert config.warmup.peak == 2e-5
    assert check(TrainingConfig, {"warmup": {"episodes": 8}}, "here").warmup.peak == 3e-3
    assert not check(TrainingConfig, {"policy": {"name": name}, "warmup": {"batch": 4}}, "here").warmup.wanted


def test_adapters_are_not_served_on_a_base_that_the_run_makes():
    policy = {"name": "some/model", "lora_rank": 4}
    plain = {"policy": policy, "warmup": {"episodes": 8, "learning_rate": 1e-5}, "sampler": {"engine": "vllm_server"}}
    with pytest.raises(ConfigError, match=r'policy\.name="RUN/start"; or set sampler\.weights'):
        check(TrainingConfig, plain, "here")
    for change in ("sampler.weights=transfer", "sampler.engine=vllm_colocate", "warmup.episodes=0"):
        check(TrainingConfig, plain, "here", [change])


@pytest.mark.parametrize(
    ("tracker", "missing", "said"),
    [
        ("wandb", "wandb", "pip install wandb,"),
        ("mlflow", "mlflow", "pip install mlflow,"),
        ("trackio", "trackio", "pip install trackio,"),
        ("comet_ml", "comet_ml", "pip install comet-ml,"),
        ("dagshub", "mlflow", "pip install mlflow,"),
        ("flyte", "flytekit", "pip install flytekit,"),
    ],
)
def test_a_tracker_that_is_not_installed_is_named(monkeypatch, tracker, missing, said):
    config = check(TrainingConfig, LARGE | {"report_to": [tracker]}, "here")
    monkeypatch.setattr(requirements, "find_spec", lambda module: object())
    check_trackers(config.report_to)
    monkeypatch.setattr(requirements, "find_spec", lambda module: None if module == missing else object())
    with pytest.raises(ConfigError, match=f"{tracker}, and {missing} is not installed") as refused:
        check_trackers(config.report_to)
    assert refused.value.hint.startswith(said)
    check_trackers(())


def test_either_of_two_packages_does_for_tensorboard(monkeypatch):
    config = check(TrainingConfig, LARGE | {"report_to": ["tensorboard"]}, "here")
    monkeypatch.setattr(requirements, "find_spec", lambda module: object() if module == "tensorboardX" else None)
    check_trackers(config.report_to)
    monkeypatch.setattr(requirements, "find_spec", lambda module: None)
    with pytest.raises(ConfigError, match="tensorboard is not installed"):
        check_trackers(config.report_to)


@pytest.mark.parametrize(
    ("sampler", "needed"),
    [
        ({"engine": "vllm_colocate"}, True),
        ({"engine": "vllm_server", "weights": "transfer"}, True),
        ({"engine": "vllm_server", "weights": "adapters"}, False),
        ({"engine": "transformers", "weights": "transfer"}, False),
    ],
)
def test_a_learner_that_needs_vllm_is_told_so(monkeypatch, sampler, needed):
    monkeypatch.setattr(requirements, "find_spec", lambda module: None)
    config = check(TrainingConfig, {"policy": {"name": "some/model", "lora_rank": 4}, "sampler": sampler}, "here")
    if not needed:
        check_engine(config.sampler)
        return
    with pytest.raises(ConfigError, match="vllm is not installed") as refused:
        check_engine(config.sampler)
    assert refused.value.hint == "pip install vllm"


def test_a_file_that_is_not_there_and_one_that_is_no_toml(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_training(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("steps = = 3")
    with pytest.raises(ConfigError, match="is not TOML"):
        load_training(tmp_path / "bad.toml")


def test_what_no_result_depends_on_may_change_between_starts():
    config = load_training(EXAMPLES / "demo.toml")
    free = load_training(EXAMPLES / "demo.toml", ["update.threads=1", "update.save_every=5", "executor.caps.calls=9"])
    bound = load_training(EXAMPLES / "demo.toml", ["update.kl=0.1"])
    assert settings_of(config) == settings_of(free) != settings_of(bound)


def test_what_was_added_to_the_update_is_recorded_where_it_is_used():
    """So that a run of before, whose record does not name it, is gone on with."""
    changes = {"sampler": {"temperature_end": 0.5}, "update": {"std_floor": 0.1, "epochs": 2}}
    plain, added = check(TrainingConfig, dict(LARGE), "here"), check(TrainingConfig, LARGE | changes, "here")
    said, more = settings_of(plain), settings_of(added)
    for table, names in (("sampler", {"temperature_end"}), ("update", {"std_floor", "epochs"})):
        assert more[table].keys() - said[table].keys() == names
    assert not {"adam_beta2", "entropy_mean", "std_floor", "epochs"} & said["update"].keys()


def test_what_is_added_to_the_reward_is_recorded_where_it_is_asked_for():
    """So that a run that was begun before these settings were there goes on."""
    plain = check(TrainingConfig, dict(LARGE), "here")
    assert settings_of(plain)["reward"] == {"variant": "cwrpo", "finish": 0.0, "token_cost": 0.0}
    asked = ["reward.rejected=0.5", "reward.money_cost=2", "executor.backend=openai:gpt-4o-mini"]
    recorded = settings_of(check(TrainingConfig, dict(LARGE), "here", asked))["reward"]
    assert recorded == settings_of(plain)["reward"] | {"rejected": 0.5, "money_cost": 2.0}


def test_reading_a_configuration_needs_no_tensor_library():
    import subprocess
    import sys

    code = "import sys, flowsteer.training.config; assert not {'torch', 'transformers', 'trl'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
