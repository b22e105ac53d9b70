"""Where the seconds of a training step go, and how it compares with plain TRL on the same model and tokens.

The first table is `examples/demo.toml` on the simulated executor, after a short cold start: what the model draws, what
canvas, execution, grading, reward and bookkeeping take, and what is left to the update. The second is TRL's own
generation and update, without any environment: the same model, as many rollouts, each as long as the mean rollout of
the first, all of it sampled. The third is the update alone, TRL's own and the one here, on the very rollouts of the
first. Seconds of the processor stand beside those of the clock: they say more on a machine that others use.

    python benchmarks/training.py [--steps N] [--threads N] [--set KEY=VALUE]...
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import torch
from transformers import PrinterCallback
from trl.trainer.grpo_trainer import GRPOTrainer

from datasets import Dataset
from flowsteer.training.config import TrainingConfig, load_training
from flowsteer.training.inference.distributed import Ranks
from flowsteer.training.policy.kept import START
from flowsteer.training.policy.policy import load_policy
from flowsteer.training.rl.cwrpo import grpo_settings, share
from flowsteer.training.rl.learner import METRICS, Learner
from flowsteer.training.rl.trainer import CwrpoTrainer
from flowsteer.training.run import train

FILE = Path(__file__).parents[1] / "examples" / "demo.toml"
COLD_START = 600
"""Scripts: enough for episodes of the usual length."""

LEFT_OUT = 2
"""First steps, in which caches and processes warm up."""


class Plain(GRPOTrainer):
    """TRL as it is, with a clock on its generation."""

    generating = 0.0

    def _generate(self, *arguments: Any, **named: Any) -> Any:
        started = perf_counter()
        found = super()._generate(*arguments, **named)
        self.generating += perf_counter() - started
        return found


Rolled = dict[str, list[Any]]


def steered(config: TrainingConfig, folder: Path) -> tuple[list[dict[str, float]], list[Rolled]]:
    """Metrics of the steps of a FlowSteer run, and the rollouts of each as they were handed to TRL."""
    rolled: list[Rolled] = []
    roll_out = Learner.roll_out

    def recorded(self: Learner, prompts: list[str], trainer: GRPOTrainer) -> Rolled:
        rolled.append(roll_out(self, prompts, trainer))
        return rolled[-1]

    Learner.roll_out = recorded
    try:
        train(config, folder)
    finally:
        Learner.roll_out = roll_out
    lines = (folder / METRICS).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines][LEFT_OUT:], rolled


def updates(config: TrainingConfig, start: Path, folder: Path, rolled: Sequence[Rolled], own: bool) -> dict[str, float]:
    """Seconds an update of given rollouts.

    Args:
        config: The same settings.
        start: The same model.
        folder: For TRL's own files.
        rolled: The rollouts.
        own: Whether by the update here or by TRL's own.
    """
    policy, update = load_policy(str(start)), config.update
    settings, earned = grpo_settings(config, folder, Ranks(), ()), list[float | None]()
    micro, passes = share(update, Ranks())
    left = iter([{name: list(values) for name, values in step.items()} for step in rolled])

    def pay(**given: Any) -> list[float | None]:
        earned[:] = given["earned"]
        return list(earned)

    if not own:
        settings.per_device_train_batch_size, settings.gradient_accumulation_steps = micro, passes
        settings.steps_per_generation = passes
    given = {
        "model": policy.model,
        "args": settings,
        "reward_funcs": pay,
        "train_dataset": Dataset.from_dict({"prompt": [str(row) for row in range(update.steps * update.groups)]}),
        "processing_class": policy.tokenizer,
        "rollout_func": lambda prompts, trainer: next(left),
    }
    nothing = dict.fromkeys(("step", "update", "sync"), 0.0)
    trainer = CwrpoTrainer(config, Ranks(), earned, (), nothing, **given) if own else GRPOTrainer(**given)
    trainer.remove_callback(PrinterCallback)
    started, processed = perf_counter(), process_time()
    trainer.train()
    found = {"clock": perf_counter() - started, "processor": process_time() - processed}
    return {name: seconds / update.steps for name, seconds in found.items()}


def plain(config: TrainingConfig, start: Path, folder: Path, prompt: int, length: int) -> dict[str, float]:
    """Seconds a step of plain TRL.

    Args:
        config: The same settings.
        start: The same model.
        folder: For TRL's own files.
        prompt: Tokens of a prompt.
        length: Tokens of a completion.
    """
    policy, update = load_policy(str(start)), config.update
    settings = grpo_settings(config, folder, Ranks(), ())
    settings.max_completion_length, settings.generation_kwargs = length, {"min_new_tokens": length}
    text = policy.decode(policy.encode("math ") * prompt)[: 5 * prompt]
    trainer = Plain(
        model=policy.model,
        reward_funcs=lambda completions, **_: [float(place % 2) for place in range(len(completions))],
        args=settings,
        train_dataset=Dataset.from_dict({"prompt": [text] * (update.steps * update.groups)}),
        processing_class=policy.tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    started = perf_counter()
    trainer.train()
    whole = (perf_counter() - started) / update.steps
    generating = trainer.generating / update.steps
    return {"step": whole, "sampling": generating, "update": whole - generating}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Where the seconds of a training step go.")
    parser.add_argument("--steps", type=int, default=10, help="updates of each")
    parser.add_argument("--threads", type=int, default=load_training(FILE).update.threads, help="of the update")
    parser.add_argument("--set", action="append", default=[], dest="changes", help="a setting, as in flowsteer train")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    changes = [f"update.steps={asked.steps + LEFT_OUT}", f"warmup.episodes={COLD_START}", "update.save_every=0"]
    changes += ["data.test_tasks=1", f"update.threads={asked.threads}", *asked.changes]
    config = load_training(FILE, changes)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        metrics, rolled = steered(config, folder / "run")
        rollouts = config.update.batch
        prompt, sampled, said = (_mean(metrics, f"tokens/{kind}") for kind in ("prompt", "sampled", "canvas"))
        length = round((sampled + said) / rollouts)
        own = {name: _mean(metrics, f"seconds/{name}") for name in ("step", "sampling", "canvas", "update")}
        start = folder / "run" / START
        other = plain(config, start, folder / "plain", round(prompt / rollouts), length)
        alone = {
            name: updates(config, start, folder / name, rolled, name == "FlowSteer") for name in ("TRL", "FlowSteer")
        }
    print(f"{rollouts} rollouts a step of {length} tokens, of which {sampled / rollouts:.0f} are the policy's own")
    _print("FlowSteer", own, (sampled + said) / own["sampling"])
    _print("plain TRL", other, length * rollouts / other["sampling"])
    print("\nthe update alone, on the same rollouts")
    for name, seconds in alone.items():
        print(f"  {name:<40}{seconds['clock']:6.2f} s {seconds['processor']:6.2f} s of the processor")


def _print(title: str, seconds: Mapping[str, float], speed: float) -> None:
    print(f"\n{title}: {seconds['step']:.2f} s a step; {speed:,.0f} tokens a second while it samples")
    words = {
        "sampling": "model draws",
        "canvas": "canvas, execution, reward, bookkeeping",
        "update": "update",
    }
    for name, what in words.items():
        if name in seconds:
            print(f"  {what:<40}{seconds[name]:6.2f} s {seconds[name] / seconds['step']:7.1%}")


def _mean(metrics: Sequence[Mapping[str, float]], name: str) -> float:
    return mean(step[name] for step in metrics)


if __name__ == "__main__":
    main()
