"""TRL's GRPOTrainer plays our environment through the calls of a tiny model, and takes a step on its rewards."""

import pytest

pytest.importorskip("trl", reason="pip install 'flowsteer[train]'")

from tiny_qwen import ACTIONS, CALLS, save

import flowsteer
from flowsteer.adapters.trl import DirectorTool, trl_factory, trl_rows
from flowsteer.environments.played import EnvironmentEpisode
from flowsteer.errors import SandboxError


@pytest.fixture(scope="module")
def env():
    with flowsteer.Environment("simulated:math", executor="simulated:typed-2", n=2) as opened:
        yield opened


def test_one_step_of_grpo_on_what_the_tool_calls_earned(env, tmp_path, monkeypatch):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    from datasets import Dataset

    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    folder = save(tmp_path / "tiny")
    model, words = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    others = [number for number in range(len(words)) if number not in words.convert_tokens_to_ids(CALLS)]
    seats = []

    def seat():
        seats.append(trl_factory(env)())
        return seats[-1]

    args = GRPOConfig(
        output_dir=str(tmp_path), max_steps=1, per_device_train_batch_size=4, num_generations=4,
        max_completion_length=6_000, max_tool_calling_iterations=5, learning_rate=1e-2, report_to=[], use_cpu=True,
        generation_kwargs={"suppress_tokens": others, "max_new_tokens": 1}, save_strategy="no", bf16=False,
    )  # fmt: skip
    trainer = GRPOTrainer(
        model, args=args, train_dataset=Dataset.from_list(trl_rows(env)), processing_class=words,
        environment_factory=seat,
    )  # fmt: skip
    trainer.train()

    logged = trainer.state.log_history[0]
    assert len(seats) == 4
    assert logged["tools/call_frequency"] > 1
    assert logged["tools/failure_frequency"] == 0
    rewards = [seat.get_reward() for seat in seats]
    assert logged["rewards/DirectorTool/mean"] == pytest.approx(sum(rewards) / 4, abs=1e-4)
    assert len(set(rewards)) > 1
    assert any(not torch.equal(weight, before[name]) for name, weight in model.named_parameters())


def test_a_seat_is_paid_what_the_environment_pays_and_is_used_again(env):
    seat = DirectorTool(env)
    assert seat.get_reward() is None
    for _ in range(2):
        mine = env.reset(1)
        seat.reset(sample=1, prompt="ignored")
        for action in ACTIONS[:2]:
            assert seat.edit(action) == mine.step(action).feedback
        assert seat.get_reward() == mine.stop("no further action").reward == seat.get_reward()
        assert "over" in seat.edit(ACTIONS[0])


@pytest.mark.parametrize("stopped", [False, True])
def test_what_could_not_be_graded_has_no_reward(env, monkeypatch, stopped):
    async def break_down(episode):
        raise SandboxError("the sandbox broke")

    monkeypatch.setattr(EnvironmentEpisode, "_end", break_down)
    seat = DirectorTool(env)
    seat.reset()
    for _ in range(2 if stopped else 19):
        seat.edit(ACTIONS[0])
    with pytest.raises(SandboxError):
        seat.get_reward() if stopped else seat.edit(ACTIONS[0])
    assert seat.get_reward() is None


def test_the_prompt_holds_the_task_and_no_reference(env):
    for row in trl_rows(env):
        sample = env.samples[row["sample"]]
        assert sample.task.question in row["prompt"][1]["content"]
        assert sample.reference.gold not in row["prompt"][0]["content"]
