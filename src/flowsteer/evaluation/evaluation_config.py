"""What an evaluation is: a TOML file or command-line options, checked; unknown keys are refused."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, MinLen

from flowsteer.backends.models import reply_tokens
from flowsteer.canvas.canvas import Settings
from flowsteer.director.connect import is_trained
from flowsteer.session import SessionSettings, Setup
from flowsteer.settings import check, overridden, part_of, read_toml, to_json
from flowsteer.workflow.nodes import Category


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationConfig(SessionSettings):
    """An evaluation: what its sessions are asked for, and what they are to do.

    Attributes:
        datasets: Names, or paths of `.jsonl` files.
        systems: Specs of the systems.
        without: Ablations: each adds a copy of every Director system that goes without it.
        data: Folder of `NAME.jsonl` files to read instead of downloading.
        split: Split that is tested on.
        limit: Most tasks of each dataset; None for all that there are.
        skip: Tasks of each dataset that are left out first, in the order that `seed` draws: those that something else
            was fitted to, such as a calibration with the same seed.
        epochs: Times each task is run.
        max_turns: Turn limit of a Director. This and the following, where they are None, are a trained Director's own,
            and the paper's for any other.
        max_rejected: So many rejected turns in a row end an episode.
        min_steps: Fewest operators before a finish.
        max_steps: Most operators a Director's workflow may hold.
        max_runs: Most operator runs of a Director's workflow, every loop and branch run in full.
        needs: Categories that must occur before a finish.
        needs_structure: Whether a finish needs a parallel, conditional or loop.
        two_step: Whether the canvas asks for each instruction in a turn of its own.
        concurrency: Episodes at once.
        engine: `local`, or `ray` for worker processes.
        workers: Most worker processes of `ray`, a processor each.
    """

    datasets: Annotated[tuple[str, ...], MinLen(1)]
    systems: Annotated[tuple[str, ...], MinLen(1)]
    without: tuple[str, ...] = ()
    data: Path | None = None
    split: str = "test"
    limit: Annotated[int, Ge(1)] | None = 128
    skip: Annotated[int, Ge(0)] = 0
    epochs: Annotated[int, Ge(1)] = 1
    max_turns: Annotated[int, Ge(1)] | None = None
    max_rejected: Annotated[int, Ge(1)] | None = None
    min_steps: Annotated[int, Ge(0)] | None = None
    max_steps: Annotated[int, Ge(1)] | None = None
    max_runs: Annotated[int, Ge(1)] | None = None
    needs: tuple[Category, ...] | None = None
    needs_structure: bool | None = None
    two_step: bool | None = None
    concurrency: Annotated[int, Ge(1)] = 8
    engine: Literal["local", "ray"] = "local"
    workers: Annotated[int, Ge(1)] = 2


OUTSIDE = ("datasets", "systems", "without", "data", "split", "limit", "skip", "epochs")
"""What says which episodes there are, not how one goes: a run may be extended by changing it."""

CANVAS = (
    "max_turns", "max_rejected", "min_steps", "max_steps", "max_runs", "needs", "needs_structure", "two_step",
)  # fmt: skip
"""What is asked of the canvas."""

NAMED_BEFORE = ("max_turns", "max_steps", "max_runs", "two_step")
"""What of it older runs name."""

FREE = ("concurrency", "engine", "workers", "caps", "cache", "requests")
"""What no result depends on."""


def read_evaluation(path: Path) -> dict[str, Any]:
    """The plain values of an evaluation file, as `make_config` takes them.

    Args:
        path: A TOML file.

    Raises:
        ConfigError: The file is absent or no TOML.
    """
    return read_toml(path, "examples/paper_eval.toml")


def make_config(
    plain: dict[str, Any], where: str = "the evaluation", overrides: Sequence[str] = ()
) -> EvaluationConfig:
    """Check plain values.

    Args:
        plain: Values by name; those not given are at their default. Replies of a small embedded model are shorter than
            those of others, if nothing says how long.
        where: What to call them in an error.
        overrides: Changes such as `limit=20` or `executor_sampling.max_tokens=64`: values as in TOML; what is no TOML
            value is a string.

    Raises:
        ConfigError: A key is unknown or a value does not fit; all faults are named.
    """
    said = overridden(plain, overrides)
    config = check(EvaluationConfig, said, where)
    tokens = reply_tokens(config.executor)
    if tokens is None or "max_tokens" in said.get("executor_sampling", {}):
        return config
    return replace(config, executor_sampling=replace(config.executor_sampling, max_tokens=tokens))


def setup_of(config: EvaluationConfig) -> Setup:
    """The session that an evaluation needs; its Directors are connected one by one."""
    asked = {name: value for name in CANVAS if (value := getattr(config, name)) is not None}
    return Setup(director="", canvas=asked, **part_of(config, SessionSettings))


def settings_of(config: EvaluationConfig) -> dict[str, Any]:
    """What decides how an episode goes; it must be the same for a run to be resumed."""
    decides = {name: value for name, value in to_json(config).items() if name not in (*OUTSIDE, *FREE)}
    if not config.prices:
        del decides["prices"]  # older runs do not name it
    left = [name for name in CANVAS if decides[name] is None]
    paper = to_json(Settings())
    for name in left:  # as they were written before a Director could have its own
        decides |= {name: paper[name]}
    for name in set(left) - set(NAMED_BEFORE):
        del decides[name]
    if any(map(_brings_its_own, config.systems)) and len(left) < len(CANVAS):
        decides["asked"] = [name for name in CANVAS if name not in left]
    return {"command": "eval"} | decides


def _brings_its_own(system: str) -> bool:
    """Whether a system is a Director with a canvas of its own: to ask for the paper's value is then a change."""
    _, director, spec = system.partition("director:")
    return bool(director) and is_trained(re.split(r"\?| --", spec)[0])
