"""A run whose episodes may be longer than its policy can read ends before anything is learned."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="needs the extra: pip install 'flowsteer[train]'")
pytest.importorskip("trl", reason="needs the extra: pip install 'flowsteer[train]'")

from transformers import AutoConfig, AutoModelForCausalLM  # noqa: E402

from flowsteer.errors import ConfigError  # noqa: E402
from flowsteer.settings import check  # noqa: E402
from flowsteer.training.config import TrainingConfig  # noqa: E402
from flowsteer.training.plan.training_plan import dry_run  # noqa: E402
from flowsteer.training.policy.policy import POSITIONS, load_policy  # noqa: E402
from flowsteer.training.policy_director import PolicyDirector  # noqa: E402
from flowsteer.training.run import open_run, train  # noqa: E402
from training.small import tiny  # noqa: E402

SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 48,
    "max_position_embeddings": 1000,
}


def asked(folder=None, tokens=500, **changes):
    """A run of a policy that exists, or of a tiny one."""
    policy = {} if folder is None else {"name": str(folder)}
    rate = {} if folder is None else {"learning_rate": 1e-3}
    return check(TrainingConfig,
        {
            "report_to": [],
            "data": {"datasets": ["simulated:math"], "tasks": 4, "test_tasks": 1},
            "canvas": {"max_turns": 2, "min_steps": 1, "needs": [], "needs_structure": False},
            "policy": policy,
            "warmup": {"episodes": 4, "batch": 4} | rate,
            "sampler": {"turn_tokens": 8, "episode_tokens": tokens},
            "update": {"steps": 0, "threads": 1},
        } | changes, "here")  # fmt: skip


def saved(folder, name, **special):
    """A policy of another kind of model, untrained, with the tokenizer of the tiny one."""
    words = len(tiny().tokenizer)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(name, vocab_size=words, **SHAPE, **special))
    replace(tiny(), model=model).save(folder)
    return folder


@pytest.mark.parametrize(
    ("name", "special", "tokens", "most"),
    [("qwen3", {}, 1001, 1000), ("mistral", {"sliding_window": 64}, 500, 64)],
)
def test_it_is_refused_by_a_run_and_by_its_plan_before_anything_is_learned(tmp_path, name, special, tokens, most):
    policy, stages = saved(tmp_path / "policy", name, **special), []
    for cold in ({}, {"warmup": {}, "policy": {"name": str(policy), "lora_rank": 2}}):
        config = asked(policy, tokens, **cold)
        with pytest.raises(ConfigError, match=f"at most {most:,}") as planned:
            dry_run(config, "here", "run")
        with pytest.raises(ConfigError, match=f"at most {most:,}") as refused:
            train(config, tmp_path / "run", on_stage=stages.append)
        assert f"sampler.episode_tokens={most}" in refused.value.hint == planned.value.hint
    assert not [stage for stage in stages if stage.startswith("coldstart ")]
    assert not (tmp_path / "run").exists()


def test_a_tiny_policy_reads_what_its_run_allows(tmp_path):
    for tokens in (500, 3000):
        config = asked(tokens=tokens)
        with open_run(config, tmp_path / str(tokens), {}) as run:
            run.start(tmp_path / str(tokens) / "start")
        made = load_policy(str(tmp_path / str(tokens) / "start"))
        assert made.model.config.max_position_embeddings == max(POSITIONS, tokens)


def test_a_policy_of_no_run_directs_as_far_as_it_can_read(tmp_path):
    made = saved(tmp_path / "policy", "mistral", sliding_window=64)
    assert PolicyDirector.load(made).limits.episode_tokens == 64
