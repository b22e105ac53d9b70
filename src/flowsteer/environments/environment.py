"""An environment: a dataset's tasks, an executor, a canvas, a grader and a reward, connected once.

```python
async with flowsteer.environment("gsm8k", executor="llamacpp:smollm2") as env:
    episode = env.reset(0, seed=0)
    step = await episode.step("<action>add</action><operator>Programmer</operator>")
```
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from flowsteer.backends.base import Backend
from flowsteer.canvas.canvas import settings_for
from flowsteer.canvas.episode import Play
from flowsteer.datasets.base import Sample
from flowsteer.datasets.registry import load_samples
from flowsteer.environments.arena import Arena
from flowsteer.environments.played import EnvironmentEpisode
from flowsteer.errors import ConfigError
from flowsteer.execution.memo import Memo
from flowsteer.grading.connect import open_grader
from flowsteer.reward.settings import RewardSettings
from flowsteer.runs.events import Event
from flowsteer.session import Setup, checked_setup, open_session, seed_of
from flowsteer.settings import check, part_of, whole_number


@dataclass(frozen=True, slots=True)
class AsyncEnvironment:
    """What is connected; `environment` makes one, and `Environment` is its twin for code that is not async.

    Attributes:
        samples: The tasks, with their references.
    """

    samples: Sequence[Sample]
    _arena: Arena

    def __len__(self) -> int:
        """How many tasks there are."""
        return len(self.samples)

    def reset(self, sample: Sample | int = 0, seed: int = 0) -> EnvironmentEpisode:
        """A new episode. Those that are played already go on.

        Args:
            sample: A task of one's own with its reference, or the number of one of `samples`.
            seed: Seed of the draws of its operators: the same turns with the same seed come to the same end, as far as
                the executor's server keeps to seeds.

        Raises:
            ConfigError: There is no such sample, or the seed is none.
        """
        chosen, seed = self._chosen(sample), whole_number(seed, "the seed", "env.reset(0, seed=1)")
        name, setup = f"{chosen.task.id or chosen.task.digest}/{seed}", self._arena.session.setup
        seat = replace(self._arena, session=replace(self._arena.session, setup=replace(setup, seed=seed)))
        events: list[Event] = []
        canvas = seat.open(chosen, events.append, seed_of(seed, name), Memo())
        play = Play(canvas, "", events.append, name, setup.executor)
        return EnvironmentEpisode(seat, chosen, play, events, setup.layout)

    def _chosen(self, sample: Sample | int) -> Sample:
        if isinstance(sample, Sample):
            return sample
        hint = f"there are {len(self.samples)}, numbered from 0"
        number = whole_number(sample, "the number of a sample", hint, least=None)
        if not 0 <= number < len(self.samples):
            raise ConfigError(f"there is no sample {number}", hint)
        return self.samples[number]


@asynccontextmanager
async def environment(
    dataset: str | Sequence[Sample],
    data: Path | str | None = None,
    executor: str | None = None,
    *,
    split: str = "train",
    n: int | None = None,
    order_seed: int = 0,
    reward: RewardSettings = RewardSettings(),
    setup: Setup | None = None,
    extra: Mapping[str, Backend] | None = None,
) -> AsyncIterator[AsyncEnvironment]:
    """Connect an environment; leaving the block closes it all.

    Args:
        dataset: Name of a dataset, a path to a `.jsonl` file, or samples.
        data: Folder of `NAME.jsonl` files to read instead of downloading.
        executor: Spec of the LLM that runs the operators; the setup's without it.
        split: Split of the dataset; files have none.
        n: How many samples; all, of endless datasets 128, for None.
        order_seed: Which samples, and their order.
        reward: Which reward is paid; the paper's by default.
        setup: Everything else: what an episode allows (`Setup.canvas`), layout, operators, budget, response cache. Its
            Director and its seed are not used: the Director is whoever calls `step`, the seed is that of `reset`.
        extra: Backends made elsewhere, by the spec that names them.

    Raises:
        ConfigError: A name is unknown, a split or every sample is missing, a value does not fit, or an episode of this
            setup could not be played.
        BackendUnavailable: A server cannot be reached.
        SandboxError: The sandbox asked for is not there.
    """
    chosen, paid = checked_setup(setup, director="", executor=executor), _checked_reward(reward)
    samples = _samples(dataset, data, split, n, order_seed)
    async with open_session(chosen, extra) as session, open_grader() as grade:
        yield AsyncEnvironment(samples, Arena(session, grade, settings_for(chosen.canvas, None), paid))


def _samples(
    dataset: str | Sequence[Sample], data: Path | str | None, split: str, n: int | None, order_seed: int
) -> Sequence[Sample]:
    """The samples that are named, or given.

    Raises:
        ConfigError: There are none, or what is given is something else.
    """
    samples: object = dataset
    if isinstance(dataset, str):
        if not isinstance(data, str | Path | None):
            raise ConfigError(f"data is a {type(data).__name__}, no folder", 'data="samples"')
        samples = load_samples(dataset, split, n, order_seed, None if data is None else Path(data))
    if not isinstance(samples, Sequence) or not all(isinstance(sample, Sample) for sample in samples):
        raise ConfigError(
            f"the dataset is a {type(dataset).__name__}, no name and no samples",
            'name one: flowsteer.Environment("gsm8k"); or give a list of flowsteer.Sample',
        )
    if not samples:
        raise ConfigError("there are no samples to play", "n=8, or a list with at least one flowsteer.Sample")
    return samples


def _checked_reward(reward: RewardSettings) -> RewardSettings:
    """The reward, if it is one.

    Raises:
        ConfigError: It is something else, or a value does not fit.
    """
    if not isinstance(reward, RewardSettings):
        hint = "reward=flowsteer.RewardSettings(gated_finish=0.3)"
        raise ConfigError(f"the reward is a {type(reward).__name__}, no RewardSettings", hint)
    return check(RewardSettings, part_of(reward, RewardSettings), "the reward")
