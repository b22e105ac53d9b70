"""The loss is CWRPO: held to an objective written by hand, trajectory by trajectory, without padding (spec §6)."""

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
from flowsteer.training.rl.cwrpo import advantages  # noqa: E402
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
    """Makes a learner, given what is special about its updates."""
    torch.set_num_threads(1)
    make_tiny(CORPUS).save(tmp_path / "start")
    usual = {"steps": 1, "groups": 2, "group": GROUP, "clip": CLIP, "kl": BETA, "entropy": ENTROPY}
    with asyncio.Runner() as runner:

        def made(**update):
            config = check(
                TrainingConfig,
                {
                    "warmup": {"episodes": 1},
                    "sampler": {"temperature": TEMPERATURE},
                    "update": usual | update,
                },
                "here",
            )
            policy = load_policy(str(tmp_path / "start"))
            return Fixed(config, policy, Schedule(samples(2), 0), None, runner, Path(tmp_path))

        yield made


def drifted(model, by):
    """Move the weights, so that policy, old policy and reference are three different ones."""
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(by * torch.randn_like(weight))


def away_from_the_start(learner, trainer):
    """The trainer's model, no longer its reference; log-probs under it, and the trajectories that they are of."""
    model, made = trainer.model, trajectories(learner.policy.model.config.vocab_size)
    drifted(model, 0.01)
    with torch.no_grad():
        return model, [per_token(model, trajectory)[0] for trajectory in made], made


def own(trajectory):
    return torch.tensor(trajectory.mask, dtype=torch.bool)


def per_token(model, trajectory):
    """Log-probs and entropies of everything after the prompt, for one trajectory alone."""
    ids = torch.tensor([[*trajectory.prompt, *trajectory.ids]])
    logprobs = torch.log_softmax(model(input_ids=ids).logits[0, :-1] / TEMPERATURE, -1)[len(trajectory.prompt) - 1 :]
    entropies = -(logprobs.exp() * logprobs).sum(-1)
    return logprobs.gather(1, torch.tensor(trajectory.ids)[:, None])[:, 0], entropies


def by_hand():
    """Group-relative: mean and standard deviation of those that were rewarded; the others learn nothing."""
    found = []
    for first in range(0, len(REWARDS), GROUP):
        group = [r for r in REWARDS[first : first + GROUP] if r is not None]
        mean = sum(group) / len(group)
        std = (sum((r - mean) ** 2 for r in group) / (len(group) - 1)) ** 0.5
        found += [0.0 if r is None else (r - mean) / (std + DELTA) for r in REWARDS[first : first + GROUP]]
    return found


def objective(model, reference, old, made, by_trajectory=False):
    """CWRPO by hand."""
    losses, entropies = [], []
    for trajectory, advantage, before in zip(made, by_hand(), old, strict=True):
        now, entropy = per_token(model, trajectory)
        with torch.no_grad():
            base, _ = per_token(reference, trajectory)
        ratio = (now - before).exp()
        gain = torch.minimum(ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage)
        k3 = (base - now).exp() - (base - now) - 1
        losses.append((BETA * k3 - gain)[own(trajectory)].mean())
        entropies.append(entropy[own(trajectory)])
    if by_trajectory:
        entropies = [torch.stack([entropy.mean() for entropy in entropies])]
    return torch.stack(losses).mean() - ENTROPY * torch.cat(entropies).mean()


ROWS = [{"prompt": str(number // GROUP)} for number in range(len(REWARDS))]


def gradient(model):
    return torch.cat([weight.grad.flatten() for weight in model.parameters()])


class Drifting:
    """Stands for an optimiser: its step moves the weights somewhere, and the gradients before it are seen."""

    def __init__(self, model):
        self.model, self.seen = model, []

    def step(self):
        self.seen.append(gradient(self.model))
        drifted(self.model, 0.02)


def test_the_update_follows_the_objective_written_by_hand(learner):
    """In the second epoch, too, where policy, old policy and reference are three different ones."""
    learner = learner(epochs=2)
    trainer = learner.trainer()
    model, old, made = away_from_the_start(learner, trainer)
    wanted = objective(model, trainer.ref_model, old, made)
    wanted.backward()
    by_hand_first = gradient(model)
    model.zero_grad()
    trainer.optimizer = optimiser = Drifting(model)
    loss = trainer.training_step(model, ROWS)
    second = gradient(model)

    [first] = optimiser.seen
    assert loss.item() == pytest.approx(wanted.item(), abs=1e-6)
    norm = by_hand_first.norm().clamp(min=1.0)  # gradients are scaled down to 1 before an optimiser's step
    assert torch.allclose(first, by_hand_first / norm, atol=1e-5)
    model.zero_grad()
    objective(model, trainer.ref_model, old, made).backward()
    assert torch.allclose(second, gradient(model), atol=1e-5)
    ratios = [(per_token(model, b)[0] - o).exp()[own(b)] for b, o in zip(made, old, strict=True)]
    assert any(((ratio < 1 - CLIP) | (ratio > 1 + CLIP)).any() for ratio in ratios), "the clip must have acted"


def test_the_pull_to_the_start_may_fall_over_the_run(learner):
    """Halfway from twice the β to none it is the β by hand."""
    learner = learner(steps=3, kl=2 * BETA, kl_end=0.0)
    trainer = learner.trainer()
    model, old, made = away_from_the_start(learner, trainer)
    wanted = objective(model, trainer.ref_model, old, made)
    trainer.state.global_step = 1
    assert trainer.training_step(model, ROWS).item() == pytest.approx(wanted.item(), abs=1e-6)


def test_the_entropy_bonus_may_be_a_mean_over_trajectories(learner):
    learner = learner(entropy_mean="trajectory", micro_batch=2)
    trainer = learner.trainer()
    model, old, made = away_from_the_start(learner, trainer)
    loss, found = trainer.training_step(model, ROWS), gradient(model)
    model.zero_grad()
    wanted = objective(model, trainer.ref_model, old, made, by_trajectory=True)
    wanted.backward()
    assert loss.item() == pytest.approx(wanted.item(), abs=1e-6)
    assert torch.allclose(found, gradient(model), atol=1e-6)
    model.zero_grad()
    objective(model, trainer.ref_model, old, made).backward()
    assert not torch.allclose(found, gradient(model), atol=1e-6), "the two means must differ"


def test_nothing_is_learned_at_masked_positions(learner):
    """The gradient at what predicts a canvas, prompt or padding token is exactly zero; elsewhere it is not."""
    learner = learner()
    trainer, hidden = learner.trainer(), []
    made = sorted(trajectories(learner.policy.model.config.vocab_size), key=len)

    def keep(module, arguments, output):
        output.retain_grad()
        hidden.append(output)

    with_hook = trainer.model.model.norm.register_forward_hook(keep)
    trainer.training_step(trainer.model, ROWS)
    with_hook.remove()
    learned = hidden[-1].grad.abs().sum(-1) > 0
    for row, trajectory in enumerate(made):
        expected, first = torch.zeros(learned.shape[1], dtype=torch.bool), len(trajectory.prompt) - 1
        expected[first : first + len(trajectory.mask)] = own(trajectory)
        assert torch.equal(learned[row], expected)


def test_an_unscorable_rollout_moves_no_advantage():
    """The group's other two are compared with each other only."""
    assert by_hand()[3:] == pytest.approx([-(0.5**0.5), 0.0, 0.5**0.5], abs=1e-3)
    assert advantages(REWARDS, GROUP, DELTA) == pytest.approx(by_hand(), abs=1e-12)


def test_the_advantages_are_those_of_trl(learner):
    trainer = learner().trainer()
    trainer.model.train()
    inputs = trainer._generate_and_score_completions(ROWS)
    assert inputs["advantages"].tolist() == pytest.approx(advantages(REWARDS, GROUP, DELTA), abs=1e-6)


def test_equal_rewards_teach_nothing_at_all_and_a_floor_keeps_small_differences_small():
    assert advantages([0.7, 0.7, 0.7, None, None, 0.1], 3, 1e-4) == [0.0] * 6
    small = [0.70, 0.71, 0.72]
    assert advantages(small, 3, 1e-4) == pytest.approx([-0.99, 0.0, 0.99], abs=1e-2)
    assert advantages(small, 3, 0.1) == pytest.approx([-1 / 11, 0.0, 1 / 11])
