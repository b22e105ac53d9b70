"""Where the seconds of a training step go, and how it compares with plain TRL on the same model and tokens.

The first table is `examples/demo.toml` on the simulated executor, after a short cold start: what the model draws, what
canvas, execution, grading, reward and bookkeeping take, and what is left to TRL and the optimiser. The second is TRL's
own generation and update, without any environment: the same model, as many rollouts, each as long as the mean rollout
of the first, all of it sampled. Run it on an idle machine: two busy cores make figures of a third process worthless.

    python benchmarks/training.py [--steps N] [--threads N]
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import torch
from transformers import PrinterCallback
from trl.trainer.grpo_trainer import GRPOTrainer

from datasets import Dataset
from flowsteer.training.config import TrainingConfig, load_training
from flowsteer.training.inference.distributed import Ranks
from flowsteer.training.policy.policy import load_policy
from flowsteer.training.rl.cwrpo import grpo_settings
from flowsteer.training.rl.learner import METRICS
from flowsteer.training.run import START, train

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


def steered(config: TrainingConfig, folder: Path) -> list[dict[str, float]]:
    """Metrics of the steps of a FlowSteer run."""
    train(config, folder)
    lines = (folder / METRICS).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines][LEFT_OUT:]


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
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    changes = [f"update.steps={asked.steps + LEFT_OUT}", f"warmup.episodes={COLD_START}", "update.save_every=0"]
    config = load_training(FILE, [*changes, "data.test_tasks=1", f"update.threads={asked.threads}"])
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        metrics = steered(config, folder / "run")
        rollouts = config.update.batch
        prompt, sampled, said = (_mean(metrics, f"tokens/{kind}") for kind in ("prompt", "sampled", "canvas"))
        length = round((sampled + said) / rollouts)
        own = {name: _mean(metrics, f"seconds/{name}") for name in ("step", "sampling", "canvas", "update")}
        other = plain(config, folder / "run" / START, folder / "plain", round(prompt / rollouts), length)
    print(f"{rollouts} rollouts a step of {length} tokens, of which {sampled / rollouts:.0f} are the policy's own")
    _print("FlowSteer", own, (sampled + said) / own["sampling"])
    _print("plain TRL", other, length * rollouts / other["sampling"])


def _print(title: str, seconds: Mapping[str, float], speed: float) -> None:
    print(f"\n{title}: {seconds['step']:.2f} s a step; {speed:,.0f} tokens a second while it samples")
    words = {
        "sampling": "model draws",
        "canvas": "canvas, execution, reward, bookkeeping",
        "update": "TRL and optimiser",
    }
    for name, what in words.items():
        if name in seconds:
            print(f"  {what:<40}{seconds[name]:6.2f} s {seconds[name] / seconds['step']:7.1%}")


def _mean(metrics: Sequence[Mapping[str, float]], name: str) -> float:
    return mean(step[name] for step in metrics)


if __name__ == "__main__":
    main()
