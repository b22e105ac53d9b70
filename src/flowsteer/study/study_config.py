"""What a study is: a TOML file that names a training file and what differs from it, arm by arm and world by world.

base = "demo.toml"              # a training file, beside this one
seeds = [0, 1, 2, 3, 4]
reference = "cwrpo"             # the arm that the others are compared with
temperatures = [0.0, 0.5, 1.0]  # of the tests

[set]                           # changes for all: names as in --set, values as in TOML
"update.steps" = 40

[worlds.typed]                  # each arm is trained in each world
"executor.backend" = "simulated:typed"

[arms.cwrpo]
[arms.answer]
"reward.variant" = "answer"

[swaps.flat]                    # changes under which every trained policy is tested once more, as it is
"executor.backend" = "simulated:flat"
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, MinLen
from pydantic import StringConstraints

from flowsteer.errors import ConfigError
from flowsteer.settings import changed, check, differing, read_toml
from flowsteer.shipped_examples import with_examples
from flowsteer.training import config as c
from flowsteer.training.rl.settings import UpdateSettings

EXAMPLE = "examples/study_rewards.toml"

SWAPPABLE = ("executor", "data", "canvas")
"""Sections of a training file that a trained policy can be tested under other settings of."""

JSON = dict[str, Any]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
"""Names of arms, worlds and swaps name folders, too."""

Temperature = Annotated[float, Ge(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyConfig:
    """A study file.

    Attributes:
        base: The training file, relative to the study file.
        seeds: Seeds; every arm is trained with each, in every world.
        reference: The arm that the others are compared with.
        temperatures: At which the policies are tested.
        set: Changes for all.
        worlds: Changes of each world.
        arms: Changes of each arm.
        swaps: Changes under which the trained policies are tested once more.
    """

    base: Path
    seeds: Annotated[tuple[Annotated[int, Ge(0)], ...], MinLen(1)]
    reference: Name
    temperatures: Annotated[tuple[Temperature, ...], MinLen(1)] = (0.0, 0.5, 1.0)
    set: JSON = field(default_factory=dict)
    worlds: Annotated[Mapping[Name, JSON], MinLen(1)] = field(default_factory=lambda: {"base": {}})
    arms: Annotated[Mapping[Name, JSON], MinLen(1)]
    swaps: Mapping[Name, JSON] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """What is named is there, nothing is done twice, and a swap changes what can be changed afterwards."""
        if self.reference not in self.arms:
            raise ValueError(f"reference must be one of the arms: {', '.join(self.arms)}")
        for name, values in (("seeds", self.seeds), ("temperatures", self.temperatures)):
            if len({*values}) < len(values):
                raise ValueError(f"{name} holds a value twice")
        for swap, changes in self.swaps.items():
            if alien := [key for key in changes if key.split(".")[0] not in SWAPPABLE]:
                raise ValueError(f"swaps.{swap} may change {', '.join(SWAPPABLE)} only, not {', '.join(alien)}")


@dataclass(frozen=True, slots=True)
class StudyCell:
    """One arm in one world with one seed.

    Attributes:
        world: The world's name.
        arm: The arm's name.
        seed: The seed.
        config: The training run.
        swaps: The same run as it is tested under each swap.
    """

    world: str
    arm: str
    seed: int
    config: c.TrainingConfig
    swaps: Mapping[str, c.TrainingConfig]

    @property
    def name(self) -> str:
        """Its name, which is its place under `cells`."""
        return f"{self.world}/{self.arm}/{self.seed}"

    @property
    def start(self) -> str:
        """Name of its cold start: equal for all cells that can share one."""
        return hashlib.sha256(json.dumps(start_settings(self.config), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Study:
    """A study that has been checked.

    Attributes:
        config: The file.
        cells: World by world, then seed by seed, then arm by arm: what is done first can be compared first.
    """

    config: StudyConfig
    cells: tuple[StudyCell, ...]


def load_study(path: Path) -> Study:
    """Read a study file and every training run that it stands for.

    Raises:
        ConfigError: A file is absent or no TOML, a key is unknown, a value does not fit, or a study cannot do it.
    """
    config = check(StudyConfig, read_toml(path, EXAMPLE), path.name)
    base = read_toml(with_examples(path).parent / config.base, c.EXAMPLE)
    return Study(config, tuple(_cells(config, base, path.name)))


def cell_settings(config: c.TrainingConfig) -> JSON:
    """What decides a run, as far as it differs from the defaults: a setting that is new to FlowSteer parts no study."""
    decides, usual = c.settings_of(config), c.default_settings()
    decides["update"]["steps"], usual["update"]["steps"] = config.update.steps, UpdateSettings().steps
    return differing(decides, usual)


def start_settings(config: c.TrainingConfig) -> JSON:
    """What decides the cold start of a run: not what is paid, nor how RL goes about it."""
    plain = cell_settings(config)
    kept = {name: plain[name] for name in ("seed", "policy", "data", "executor", "canvas", "warmup") if name in plain}
    sampler = {
        name: value for name, value in plain.get("sampler", {}).items() if name in ("turn_tokens", "episode_tokens")
    }
    return {"command": "start"} | kept | {"sampler": sampler}


def _cells(study: StudyConfig, base: JSON, file: str) -> Iterator[StudyCell]:
    common = _changed(base, {"update.threads": 1}, study.set)  # runs that share the cores each keep to one
    for world, of_world in study.worlds.items():
        for seed in study.seeds:
            for arm, of_arm in study.arms.items():
                plain = _changed(common, of_world, of_arm, {"seed": seed})
                where = f"{file}, arm {arm} in world {world}"
                config = check(c.TrainingConfig, plain, where)
                _check_doable(config, where)
                swaps = {
                    name: check(c.TrainingConfig, _changed(plain, changes), f"{where}, swap {name}")
                    for name, changes in study.swaps.items()
                }
                yield StudyCell(world, arm, seed, config, swaps)


def _check_doable(config: c.TrainingConfig, where: str) -> None:
    """A study tests each cold start, and draws with the learner's own model.

    Raises:
        ConfigError: The run has no cold start to be tested, or draws with an engine apart.
    """
    if config.policy.lora_rank and not config.warmup.wanted:
        raise ConfigError(
            f"{where}: policy.lora_rank without a cold start leaves a study none to test",
            "set warmup.episodes, such as 1500, or policy.lora_rank = 0",
        )
    if config.sampler.engine != "transformers":
        raise ConfigError(
            f"{where}: a study draws with the learner's own model, not with {config.sampler.engine}",
            'set sampler.engine = "transformers"',
        )


def _changed(plain: JSON, *changes: JSON) -> JSON:
    """Settings with changes on top, each a tree whose names may be dotted.

    >>> _changed({"update": {"steps": 1, "kl": 0}}, {"update": {"steps": 2}}, {"seed": 3})
    {'update': {'steps': 2, 'kl': 0}, 'seed': 3}

    Raises:
        ConfigError: A change looks for settings within a value.
    """
    return changed(plain, chain.from_iterable(map(_leaves, changes)))


def _leaves(changes: JSON, above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in changes.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value
