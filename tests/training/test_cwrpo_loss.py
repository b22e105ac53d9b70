"""TRL's loss is CWRPO's: held to an objective written by hand, trajectory by trajectory, without padding (spec §6)."""

import asyncio
import random
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra: pip install 'flowsteer[train]'")
pytest.importorskip("trl", reason="needs the extra: pip install 'flowsteer[train]'")

from flowsteer.settings import check  # noqa: E402
from flowsteer.training.config import TrainingConfig  # noqa: E402
from flowsteer.training.data import Schedule  # noqa: E402
from flowsteer.training.inference.trajectory import Trajectory  # noqa: E402
from flowsteer.training.policy.policy import load_policy, make_tiny  # noqa: E402
from flowsteer.training.rl.learner import Learner  # noqa: E402
from training.small import CORPUS, samples  # noqa: E402

CLIP, BETA, ENTROPY, TEMPERATURE, DELTA = 0.2, 0.1, 0.01, 0.8, 1e-4
REWARDS = (1.0, -0.6, 0.2, -1.0, None, -0.4)
GROUP = 3


def trajectories(vocabulary):
    """Trajectories of unlike lengths, each with canvas tokens in the middle; one ends with some."""
    rng = random.Random(5)

    def tokens(count):
        return [rng.randrange(vocabulary) for _ in range(count)]

    made = []
    for number in range(len(REWARDS)):
        trajectory = Trajectory(tuple(tokens(3 + number // GROUP)))
        for turn in range(2 + number % 3):
            for token in tokens(2 + turn + number):
                trajectory.sampled(token, -1.0)
            trajectory.said(tokens(3 + number) if turn < 2 or number == 4 else [])
        made.append(trajectory)
    return made


class Fixed(Learner):
    """A learner whose rollouts are given."""

    def roll_out(self, prompts, trainer):
        made = trajectories(self.policy.model.config.vocab_size)
        return {
            "prompt_ids": [list(b.prompt) for b in made],
            "completion_ids": [b.ids for b in made],
            "logprobs": [b.logprobs for b in made],
            "env_mask": [b.mask for b in made],
            "earned": list(REWARDS),
        }


@pytest.fixture
def learner(tmp_path):
    torch.set_num_threads(1)
    make_tiny(CORPUS).save(tmp_path / "start")
    config = check(
        TrainingConfig,
        {
            "warmup": {"episodes": 1},
            "sampler": {"temperature": TEMPERATURE},
            "update": {"steps": 1, "groups": 2, "group": GROUP, "clip": CLIP, "kl": BETA, "entropy": ENTROPY},
        },
        "here",
    )
    with asyncio.Runner() as runner:
        yield Fixed(config, load_policy(str(tmp_path / "start")), Schedule(samples(2), 0), None, runner, Path(tmp_path))


def drifted(model, by):
    """Move the weights, so that policy, old policy and reference are three different ones."""
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(by * torch.randn_like(weight))


def own(trajectory):
    return torch.tensor(trajectory.mask, dtype=torch.bool)


def per_token(model, trajectory):
    """Log-probs and entropies of everything after the prompt, for one trajectory alone."""
    ids = torch.tensor([[*trajectory.prompt, *trajectory.ids]])
    logprobs = torch.log_softmax(model(input_ids=ids).logits[0, :-1] / TEMPERATURE, -1)[len(trajectory.prompt) - 1 :]
    entropies = -(logprobs.exp() * logprobs).sum(-1)
    return logprobs.gather(1, torch.tensor(trajectory.ids)[:, None])[:, 0], entropies


def advantages():
    """Group-relative: mean and standard deviation of those that were rewarded; the others learn nothing."""
    found = []
    for first in range(0, len(REWARDS), GROUP):
        group = [r for r in REWARDS[first : first + GROUP] if r is not None]
        mean = sum(group) / len(group)
        std = (sum((r - mean) ** 2 for r in group) / (len(group) - 1)) ** 0.5
        found += [0.0 if r is None else (r - mean) / (std + DELTA) for r in REWARDS[first : first + GROUP]]
    return found


def objective(model, reference, old, made):
    """CWRPO by hand."""
    losses, entropies = [], []
    for trajectory, advantage, before in zip(made, advantages(), old, strict=True):
        now, entropy = per_token(model, trajectory)
        with torch.no_grad():
            base, _ = per_token(reference, trajectory)
        ratio = (now - before).exp()
        gain = torch.minimum(ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage)
        k3 = (base - now).exp() - (base - now) - 1
        losses.append((BETA * k3 - gain)[own(trajectory)].mean())
        entropies.append(entropy[own(trajectory)])
    return torch.stack(losses).mean() - ENTROPY * torch.cat(entropies).mean()


def test_trl_computes_the_objective_written_by_hand(learner):
    trainer = learner.trainer()
    model, made = trainer.model, trajectories(learner.policy.model.config.vocab_size)
    drifted(model, 0.01)
    with torch.no_grad():
        old = [per_token(model, trajectory)[0] for trajectory in made]
    drifted(model, 0.02)
    trainer.current_gradient_accumulation_steps = 1
    model.train()
    inputs = trainer._generate_and_score_completions([{"prompt": str(n // GROUP)} for n in range(len(made))])
    longest = inputs["completion_ids"].shape[1]
    inputs["old_per_token_logps"] = torch.stack([torch.cat([o, o.new_zeros(longest - len(o))]) for o in old])
    assert inputs["advantages"].tolist() == pytest.approx(advantages(), abs=1e-6)

    theirs = trainer._compute_loss(model, inputs)
    theirs.backward()
    their_gradient = torch.cat([weight.grad.flatten() for weight in model.parameters()])
    model.zero_grad()
    ours = objective(model, trainer.ref_model, old, made)
    ours.backward()
    our_gradient = torch.cat([weight.grad.flatten() for weight in model.parameters()])

    assert theirs.item() == pytest.approx(ours.item(), abs=1e-6)
    assert torch.allclose(their_gradient, our_gradient, atol=1e-5)
    ratios = [(per_token(model, b)[0] - o).exp()[own(b)] for b, o in zip(made, old, strict=True)]
    assert any(((ratio < 1 - CLIP) | (ratio > 1 + CLIP)).any() for ratio in ratios), "the clip must have acted"


def test_the_ratio_is_one_with_one_update_a_batch(learner):
    trainer = learner.trainer()
    made = trajectories(learner.policy.model.config.vocab_size)
    drifted(trainer.model, 0.01)
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    inputs = trainer._generate_and_score_completions([{"prompt": str(n // GROUP)} for n in range(len(made))])
    assert "old_per_token_logps" not in inputs
    with torch.no_grad():
        old = [per_token(trainer.model, trajectory)[0] for trajectory in made]
    ours = objective(trainer.model, trainer.ref_model, old, made)
    assert float(trainer._compute_loss(trainer.model, inputs)) == pytest.approx(float(ours), abs=1e-6)


def test_nothing_is_learned_at_masked_positions(learner):
    """The gradient at what predicts a canvas, prompt or padding token is exactly zero; elsewhere it is not."""
    trainer = learner.trainer()
    made = trajectories(learner.policy.model.config.vocab_size)
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    inputs = trainer._generate_and_score_completions([{"prompt": str(n // GROUP)} for n in range(len(made))])
    hidden = []

    def keep(module, arguments, output):
        output.retain_grad()
        hidden.append(output)

    with_hook = trainer.model.model.norm.register_forward_hook(keep)
    trainer._compute_loss(trainer.model, inputs).backward()
    with_hook.remove()
    learned = hidden[-1].grad.abs().sum(-1) > 0
    left = inputs["prompt_ids"].shape[1]
    for row, trajectory in enumerate(made):
        expected = torch.zeros(learned.shape[1], dtype=torch.bool)
        expected[left - 1 : left - 1 + len(trajectory.mask)] = own(trajectory)
        assert torch.equal(learned[row], expected)


def test_an_unscorable_rollout_moves_no_advantage(learner):
    """The group's other two are compared with each other only."""
    assert advantages()[3:] == pytest.approx([-(0.5**0.5), 0.0, 0.5**0.5], abs=1e-3)
    trainer = learner.trainer()
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    inputs = trainer._generate_and_score_completions([{"prompt": str(n // GROUP)} for n in range(6)])
    assert inputs["advantages"].tolist() == pytest.approx(advantages(), abs=1e-6)
