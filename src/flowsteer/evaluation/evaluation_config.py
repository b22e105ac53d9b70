"""What an evaluation is: a TOML file or command-line options, checked; unknown keys are refused."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from flowsteer.backends.base import Sampling
from flowsteer.backends.budget import Caps
from flowsteer.canvas.canvas import Settings
from flowsteer.session import DEFAULT_BACKEND, Setup
from flowsteer.strict import Strict, check, read_toml


class SamplingConfig(Strict):
    """How an LLM draws; see `flowsteer.backends.base.Sampling`."""

    temperature: float = Field(default=0.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: int = Field(default=0, ge=0)
    max_tokens: int = Field(default=1024, ge=1)


class CapsConfig(Strict):
    """Budget of the run; see `flowsteer.backends.budget.Caps`."""

    calls: int | None = Field(default=None, ge=0)
    tokens: int | None = Field(default=None, ge=0)
    seconds: float | None = Field(default=None, ge=0)
    cost: float | None = Field(default=None, ge=0)


class EvaluationConfig(Strict):
    """An evaluation.

    Attributes:
        datasets: Names, or paths of `.jsonl` files.
        systems: Specs of the systems.
        without: Ablations: each adds a copy of every Director system that goes without it.
        data: Folder of `NAME.jsonl` files to read instead of downloading.
        split: Split that is tested on.
        limit: Most tasks of each dataset; None for all that there are.
        epochs: Times each task is run.
        seed: Seed of the choice of tasks and of every draw.
        executor: Spec of the LLM that runs the operators.
        roster: Backends that single steps may name: spec by name.
        library: Operator libraries.
        sandbox: Where code runs.
        layout: How an LLM Director is shown the episode.
        two_step: Whether the canvas asks for each instruction in a turn of its own.
        constrained: Whether an LLM Director is held to legal actions while it decodes; None for wherever it can be.
        max_turns: Turn limit of a Director.
        max_steps: Most operators a Director's workflow may hold.
        max_runs: Most operator runs of a Director's workflow, every loop and branch run in full.
        director_sampling: How Directors draw.
        executor_sampling: How operators draw.
        node_seconds: Longest time one node may take.
        concurrency: Episodes at once.
        engine: `local`, or `ray` for worker processes.
        workers: Worker processes of `ray`.
        caps: Budget of the run.
        cache: File of the response cache; None for none.
    """

    datasets: tuple[str, ...] = Field(min_length=1)
    systems: tuple[str, ...] = Field(min_length=1)
    without: tuple[str, ...] = ()
    data: Path | None = None
    split: str = "test"
    limit: int | None = Field(default=128, ge=1)
    epochs: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)
    executor: str = DEFAULT_BACKEND
    roster: dict[str, str] = Field(default_factory=dict)
    library: str = "paper"
    sandbox: Literal["auto", "monty", "bubblewrap", "container"] = "auto"
    layout: Literal["conversation", "rebuilt"] = "conversation"
    two_step: bool = False
    constrained: bool | None = None
    max_turns: int = Field(default=20, ge=1)
    max_steps: int = Field(default=24, ge=1)
    max_runs: int = Field(default=200, ge=1)
    director_sampling: SamplingConfig = SamplingConfig(temperature=0.6, top_p=0.95, top_k=20, max_tokens=2048)
    executor_sampling: SamplingConfig = SamplingConfig()
    node_seconds: float = Field(default=600.0, gt=0)
    concurrency: int = Field(default=8, ge=1)
    engine: Literal["local", "ray"] = "local"
    workers: int = Field(default=2, ge=1)
    caps: CapsConfig = CapsConfig()
    cache: Path | None = None


OUTSIDE = ("datasets", "systems", "without", "data", "split", "limit", "epochs")
"""What says which episodes there are, not how one goes: a run may be extended by changing it."""

FREE = ("concurrency", "engine", "workers", "caps", "cache")
"""What no result depends on."""


def load_config(path: Path, overrides: Sequence[str] = ()) -> EvaluationConfig:
    """Read an evaluation file.

    Args:
        path: A TOML file.
        overrides: Changes such as `limit=20` or `executor_sampling.max_tokens=64`: values as in TOML; what is no TOML
            value is a string.

    Raises:
        ConfigError: The file is absent or no TOML, a key is unknown, or a value does not fit.
    """
    return make_config(read_toml(path, "examples/paper_eval.toml"), path.name, overrides)


def make_config(
    plain: dict[str, Any], where: str = "the evaluation", overrides: Sequence[str] = ()
) -> EvaluationConfig:
    """Check plain values.

    Args:
        plain: Values by name; those not given are at their default.
        where: What to call them in an error.
        overrides: Changes, as `load_config` takes them.

    Raises:
        ConfigError: A key is unknown or a value does not fit; all faults are named.
    """
    return check(EvaluationConfig, plain, where, overrides)


def setup_of(config: EvaluationConfig) -> Setup:
    """The session that an evaluation needs; its Directors are connected one by one."""
    return Setup(
        director="",
        executor=config.executor,
        roster=config.roster,
        library=config.library,
        sandbox=config.sandbox,
        layout=config.layout,
        two_step=config.two_step,
        constrained=config.constrained,
        canvas=Settings(max_turns=config.max_turns),
        max_steps=config.max_steps,
        max_runs=config.max_runs,
        director_sampling=Sampling(**config.director_sampling.model_dump()),
        executor_sampling=Sampling(**config.executor_sampling.model_dump()),
        node_seconds=config.node_seconds,
        seed=config.seed,
        caps=Caps(**config.caps.model_dump()),
        cache=config.cache,
    )


def settings_of(config: EvaluationConfig) -> dict[str, Any]:
    """What decides how an episode goes: it must be the same for a run to be resumed."""
    return {"command": "eval"} | config.model_dump(mode="json", exclude={*OUTSIDE, *FREE})
