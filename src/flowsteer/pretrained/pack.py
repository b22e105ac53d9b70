"""Packs what a training run made into this package, with its card: `python -m flowsteer.pretrained.pack RUN`.

The run is that of a tiny policy held to the grammar, such as `flowsteer train examples/pretrained.toml --run RUN`.
"""

import argparse
import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowsteer.errors import ConfigError, FlowSteerError
from flowsteer.pretrained.weights_card import CARD, PACKED, Card, packed
from flowsteer.runs.config import CONFIG
from flowsteer.runs.files import read_json, write_json
from flowsteer.runs.folder import RunFolder
from flowsteer.settings import check, to_json
from flowsteer.training.config import TrainingConfig
from flowsteer.training.policy.kept import taken
from flowsteer.training.policy.policy import TINY
from flowsteer.training.resuming import RESULT

TEXT = "CARD.md"
FIGURES = ("accuracy", "finished", "valid", "turns", "operators")


def pack(run: Path, folder: Path) -> Card:
    """Copy the policy of a run, and write its card, as data and as a text.

    Args:
        run: The run folder; its training is over.
        folder: Where to.

    Raises:
        ConfigError: The run is not over, or its policy is no tiny one that was held to the grammar.
    """
    policy, result, recorded = taken(run), read_json(run / RESULT), read_json(run / CONFIG)
    if policy is None or result is None or recorded is None:
        raise ConfigError(f"{run} holds no training that is over", f"flowsteer train FILE.toml --run {run} --resume")
    plain = {name: value for name, value in recorded["config"].items() if name != "command"}
    config = check(TrainingConfig, plain, str(run / CONFIG))
    if config.policy.name != TINY or not config.sampler.grammar:
        raise ConfigError(
            f"{run} trained {config.policy.name} with sampler.grammar={config.sampler.grammar}",
            f"pack a run with policy.name={TINY} and sampler.grammar=true",
        )
    folder.mkdir(parents=True, exist_ok=True)
    contents = {name: (policy / name).read_bytes() for name in PACKED}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    card = Card(
        sha256={name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
        world=next(iter(RunFolder.read(run).entries.values())).summary.executor,
        datasets=config.data.datasets,
        seed=config.seed,
        step=(result["best"] or {}).get("step", result["steps"]),
        canvas=config.canvas,
        turn_tokens=config.sampler.turn_tokens,
        episode_tokens=config.sampler.episode_tokens,
        last_temperature=config.sampler.last_temperature,
        versions=recorded["versions"],
        figures={name: _figures(result[name]) for name in ("before", "after")},
    )
    write_json(folder / CARD, to_json(card))
    (folder / TEXT).write_text(in_words(card), encoding="utf-8")
    return card


def in_words(card: Card) -> str:
    """The card as a text in Markdown."""
    before, after = card.figures["before"], card.figures["after"]
    rows = [(name, before[name], after[name]) for name in FIGURES]
    rows += [(f"accuracy, {kind}", before["by_type"].get(kind), value) for kind, value in after["by_type"].items()]
    figures = "\n".join(f"| {name} | {_shown(one)} | {_shown(other)} |" for name, one, other in rows)
    workflows = "\n".join(f"| {kind} | `{dsl}` |" for kind, dsl in after["workflows"].items())
    hashes = "\n".join(f"| `{name}` | `{digest}` |" for name, digest in card.sha256.items())
    return f"""# The pretrained Director `{card.name}`

A Llama of 0.6 million parameters that edits workflows. It sees the type and coarse features of a task and the canvas's
feedback, never the question itself.

- Trained on {", ".join(card.datasets)} with the executor `{card.world}`, seed {card.seed}, {card.step} updates.
- Made again by `flowsteer train examples/pretrained.toml --run RUN`, then `python -m flowsteer.pretrained.pack RUN`.
- Limits: it knows the operators of the library `paper` and the canvas below; what it is worth with another executor has
  to be measured. It writes no instructions for operators.
- Canvas: at most {card.canvas.max_turns} turns, {card.canvas.max_steps} operators, {card.canvas.max_runs} runs of them;
  a finish needs {card.canvas.min_steps} operators, {", ".join(card.canvas.needs) or "no category"}{_structure(card)}.

Greedily on held-out tasks of that world:

| figure | before training | after |
|---|---|---|
{figures}

| type | most frequent workflow |
|---|---|
{workflows}

| file | SHA-256 |
|---|---|
{hashes}
"""


def _structure(card: Card) -> str:
    return ", a structure" if card.canvas.needs_structure else ""


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _figures(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in (*FIGURES, "by_type", "workflows")}


def main() -> None:
    """Pack the run that the command line names."""
    parser = argparse.ArgumentParser(description="Packs the policy of a training run into the package.")
    parser.add_argument("run", type=Path, help="the run folder")
    run: Path = parser.parse_args().run
    try:
        card = pack(run, Path(str(packed())))
    except FlowSteerError as error:
        sys.exit(f"error: {error.message}\n  try: {error.hint}")
    sys.stdout.write(f"packed {card.name}\n")


if __name__ == "__main__":
    main()
