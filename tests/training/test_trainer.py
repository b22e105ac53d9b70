"""The update made here is TRL's: the same loss and gradient, however it is cut into passes; and its additions."""

import asyncio
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra: pip install 'flowsteer[train]'")
pytest.importorskip("trl", reason="needs the extra: pip install 'flowsteer[train]'")

from trl.trainer.grpo_trainer import GRPOTrainer  # noqa: E402

from datasets import Dataset  # noqa: E402
from flowsteer.settings import check  # noqa: E402
from flowsteer.training.config import TrainingConfig  # noqa: E402
from flowsteer.training.data import Schedule  # noqa: E402
from flowsteer.training.inference import trl_internals  # noqa: E402
from flowsteer.training.inference.distributed import Ranks  # noqa: E402
from flowsteer.training.inference.trajectory import Trajectory  # noqa: E402
from flowsteer.training.policy.policy import load_policy, make_tiny, with_adapters  # noqa: E402
from flowsteer.training.rl import own_tokens  # noqa: E402
from flowsteer.training.rl import trainer as trainer_side  # noqa: E402
from flowsteer.training.rl.cwrpo import grpo_settings  # noqa: E402
from flowsteer.training.rl.learner import Learner  # noqa: E402
from training.small import CORPUS, samples  # noqa: E402

TEMPERATURE, GROUP = 0.8, 3
REWARDS = (1.0, -0.6, 0.3, 0.25, 0.25, 0.25, -1.0, None, -0.4, 0.0, 0.0, 0.5)


def trajectories(seed, vocabulary=200):
    """Twelve of unlike lengths, with the canvas's tokens in between; what was sampled has unlike log-probs."""
    rng = torch.Generator().manual_seed(seed)

    def number(low, high):
        return int(torch.randint(low, high, (1,), generator=rng))

    made = []
    for _ in REWARDS:
        trajectory = Trajectory(tuple(number(0, vocabulary) for _ in range(number(2, 6))))
        for _ in range(number(1, 4)):
            for _ in range(number(1, 9)):
                trajectory.sampled(number(0, vocabulary), -6.5 + 2 * torch.rand(1, generator=rng).item())
            trajectory.said([number(0, vocabulary) for _ in range(number(0, 7))])
        made.append(trajectory)
    return made


class Given(Learner):
    """A learner whose rollouts are given."""

    made: list[Trajectory]
    mask = True

    def roll_out(self, prompts, trainer):
        return {
            "prompt_ids": [list(one.prompt) for one in self.made],
            "completion_ids": [one.ids for one in self.made],
            "logprobs": [one.logprobs for one in self.made],
            "env_mask": [one.mask if self.mask else [1] * len(one.ids) for one in self.made],
            "earned": list(REWARDS),
        }


@contextmanager
def learning(folder, seed=0, lora=False, mask=True, **update):
    """A learner of a policy that is no longer what it began as."""
    torch.set_num_threads(1)
    make_tiny(CORPUS, seed).save(folder / "start")
    settings = {"steps": 1, "groups": 4, "group": GROUP, "entropy": 0.0, "kl": 0.0, **update}
    config = check(
        TrainingConfig,
        {"warmup": {"episodes": 1}, "sampler": {"temperature": TEMPERATURE}, "update": settings},
        "here",
    )
    policy = load_policy(str(folder / "start"))
    if lora:
        policy = replace(policy, model=with_adapters(policy.model, 4, 8, seed))
    with asyncio.Runner() as runner:
        learner = Given(config, policy, Schedule(samples(4), 0), None, runner, Path(folder))
        learner.made, learner.mask = trajectories(seed, policy.model.config.vocab_size), mask
        yield learner


def drift(model, by=0.05, seed=1):
    """Make the policy another than the one the run began with."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(by * torch.randn_like(weight))


ROWS = [{"prompt": str(number // GROUP)} for number in range(len(REWARDS))]


def gradient(model):
    return torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.requires_grad])


def ours(learner, apart=False):
    """Loss and gradient of an update here."""
    trainer = learner.trainer()
    if apart:
        trl_internals.let_engine_draw(trainer, lambda step: None)
    drift(trainer.model)
    trainer.model.zero_grad()
    loss = trainer.training_step(trainer.model, ROWS)
    return loss.item(), gradient(trainer.model), trainer


def trls(learner, apart=False):
    """Loss and gradient of TRL's own code on the same rollouts, in one pass."""
    settings = grpo_settings(learner._config, learner._folder / "plain", Ranks(), ())
    settings.vllm_importance_sampling_correction = apart
    settings.vllm_importance_sampling_mode, settings.vllm_importance_sampling_clip_max = "token_truncate", 2.0
    trainer = GRPOTrainer(
        model=learner.policy.model,
        reward_funcs=lambda earned, **_: earned,
        args=settings,
        train_dataset=Dataset.from_list(ROWS),
        processing_class=learner.policy.tokenizer,
        rollout_func=learner.roll_out,
    )
    if apart:
        trl_internals.let_engine_draw(trainer, lambda step: None)
    drift(trainer.model)
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    loss = trainer._compute_loss(trainer.model, trainer._generate_and_score_completions(ROWS))
    loss.backward()
    return loss.item(), gradient(trainer.model), trainer


CASES = {
    "plain": {},
    "kl": {"kl": 0.3},
    "entropy": {"entropy": 0.05},
    "all": {"kl": 0.3, "entropy": 0.05},
    "lora": {"lora": True, "kl": 0.3, "entropy": 0.05},
    "nothing masked": {"mask": False, "kl": 0.3},
}


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("micro", [None, 4, 1])
@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradient_are_those_of_trl(tmp_path, case, micro, seed):
    with learning(tmp_path, seed, micro_batch=micro, **CASES[case]) as learner:
        loss, mine, _ = ours(learner)
    with learning(tmp_path, seed, **CASES[case]) as learner:
        wanted, theirs, _ = trls(learner)
    assert loss == pytest.approx(wanted, abs=2e-6)
    assert (mine - theirs).norm() < 1e-5 * theirs.norm()
    assert theirs.norm() > 1e-3


@pytest.mark.parametrize("unknown", [False, True])
def test_tokens_of_an_engine_apart_weigh_what_they_weigh_in_trl(tmp_path, unknown):
    """Also those that the engine gave no log-prob of."""

    def made(learner):
        for one in learner.made[1:2] if unknown else ():
            one.logprobs[one.mask.index(1)] = float("nan")
        return learner

    with learning(tmp_path, 3, micro_batch=4, kl=0.3, entropy=0.05) as learner:
        loss, mine, trainer = ours(made(learner), apart=True)
    with learning(tmp_path, 3, kl=0.3, entropy=0.05) as learner:
        wanted, theirs, plain = trls(made(learner), apart=True)
    with learning(tmp_path, 3, kl=0.3, entropy=0.05) as learner:
        _, here, _ = ours(learner)
    assert loss == pytest.approx(wanted, abs=2e-6)
    assert (mine - theirs).norm() < 1e-5 * theirs.norm()
    assert (mine - here).norm() > 0.1 * theirs.norm(), "the weights must have mattered"
    for name in ("importance_sampling_ratio/mean", "sampling_logp_difference/mean", "sampling_logp_difference/max"):
        [told] = plain._metrics["train"][f"sampling/{name}"]
        assert trainer._figures[f"sampling/{name}"] == pytest.approx(told, rel=1e-4)


def test_what_adds_nothing_to_the_loss_is_not_read(tmp_path, monkeypatch):
    """Three of equal reward and one without; with an entropy bonus or a penalty they are read."""
    read, score = [], trainer_side.own_logprobs
    monkeypatch.setattr(trainer_side, "own_logprobs", lambda *given: (read.append(len(given[2])), score(*given))[1])
    for micro, update, expected in ((4, {}, [3, 3, 2]), (None, {}, [8]), (4, {"entropy": 0.1}, [4, 4, 4])):
        with learning(tmp_path, micro_batch=micro, **update) as learner:
            ours(learner)
        assert read == expected
        read.clear()


def test_a_step_that_teaches_nothing_has_a_gradient_of_zero(tmp_path):
    """Not none: the optimiser's moments fade and weights decay as after any other step."""
    with learning(tmp_path, micro_batch=4) as learner:
        learner.paid = lambda earned, **_: learner._earned.__setitem__(slice(None), [0.5] * 12) or earned
        _, mine, _ = ours(learner)
    assert torch.equal(mine, torch.zeros_like(mine))


def test_a_pass_on_a_processor_has_no_more_tokens_than_help(tmp_path, monkeypatch):
    read, score = [], trainer_side.own_logprobs
    monkeypatch.setattr(trainer_side, "own_logprobs", lambda *given: (read.append(given[2]), score(*given))[1])
    monkeypatch.setattr(trainer_side, "AT_ONCE_TOKENS", 60)
    with learning(tmp_path, entropy=0.1) as learner:
        loss, mine, _ = ours(learner)
    with learning(tmp_path, entropy=0.1) as learner:
        wanted, theirs, _ = trls(learner)
    assert loss == pytest.approx(wanted, abs=2e-6)
    assert (mine - theirs).norm() < 1e-5 * theirs.norm()
    assert sum(map(len, read)) == len(REWARDS)
    lengths = [[len(row.ids) for row in rows] for rows in read]
    assert sorted(chain(*lengths)) == list(chain(*lengths))
    assert all(len(one) == 1 or len(one) * one[-1] <= 60 for one in lengths)
    assert any(len(one) > 1 for one in lengths)


@pytest.mark.parametrize("lora", [False, True])
def test_the_output_layer_in_pieces_gives_the_same_gradient(tmp_path, monkeypatch, lora):
    found = []
    for dense in (own_tokens.DENSE, 0):
        monkeypatch.setattr(own_tokens, "DENSE", dense)
        with learning(tmp_path, lora=lora, micro_batch=4, kl=0.3, entropy=0.05) as learner:
            found.append(ours(learner)[1])
    assert (found[0] - found[1]).norm() < 1e-5 * found[0].norm()


@pytest.mark.parametrize(
    ("name", "special"),
    [
        ("gemma2", {"final_logit_softcapping": 2.0}),
        ("granite", {"logits_scaling": 7.0}),
        ("cohere", {"logit_scale": 3.0}),
    ],
)
def test_what_a_model_does_to_its_logits_is_done(name, special):
    """A cap or a scale behind the output layer; and each row is read as if it were alone."""
    from transformers import AutoConfig, AutoModelForCausalLM

    small = {
        "vocab_size": 60,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "intermediate_size": 48,
        "head_dim": 16,
        "pad_token_id": 0,
    }
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(name, **small, **special))
    rows = []
    for length in (5, 11, 8):
        own = torch.rand(length) > 0.5
        own[0] = False
        rows.append(own_tokens.Scorable(torch.randint(0, 60, (length,)), own, torch.zeros(int(own.sum())), 1.0))
    found, entropies = own_tokens.own_logprobs(model, model.get_output_embeddings(), rows, 0.7, False, True)
    wanted = [torch.log_softmax(model(input_ids=row.ids[None]).logits[0, :-1] / 0.7, -1) for row in rows]
    chosen = [w.gather(1, row.ids[1:, None])[:, 0][row.own[1:]] for w, row in zip(wanted, rows, strict=True)]
    spread = [-(w.exp() * w).sum(-1)[row.own[1:]] for w, row in zip(wanted, rows, strict=True)]
    assert torch.allclose(found, torch.cat(chosen), atol=1e-5)
    assert torch.allclose(entropies, torch.cat(spread), atol=1e-5)
