"""The environment for code that is not async; it works where an event loop runs already, such as in a notebook."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from anyio.from_thread import BlockingPortal, start_blocking_portal

from flowsteer.backends.base import Backend, Message
from flowsteer.datasets.base import Sample
from flowsteer.environments.environment import AsyncEnvironment, environment
from flowsteer.environments.played import EnvironmentEpisode, EnvironmentStep
from flowsteer.errors import ConfigError
from flowsteer.reward.settings import RewardSettings
from flowsteer.runs.events import Event
from flowsteer.session import Setup


class BlockingEpisode:
    """One episode, for code that is not async. Threads may each play episodes of their own at once."""

    def __init__(self, portal: BlockingPortal, episode: EnvironmentEpisode) -> None:
        self._portal = portal
        self._episode = episode

    @property
    def id(self) -> str:
        """Its id: the task's and the seed."""
        return self._episode.id

    @property
    def sample(self) -> Sample:
        """Its task and reference; show a Director `messages`, never the reference."""
        return self._episode.sample

    @property
    def messages(self) -> tuple[Message, ...]:
        """What an LLM reads before its next turn."""
        return self._episode.messages

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return self._episode.done

    @property
    def events(self) -> tuple[Event, ...]:
        """Everything that happened so far."""
        return self._episode.events

    def step(self, text: str) -> EnvironmentStep:
        """Take one turn.

        Args:
            text: What the policy wrote. A mistake in it is answered with feedback; it raises nothing.
        """
        return self._portal.call(self._episode.step, text)

    def stop(self, reason: str = "stopped") -> EnvironmentStep:
        """End the episode early. The workflow that stands is run, graded and rewarded.

        Args:
            reason: Why, for the record.
        """
        return self._portal.call(self._episode.stop, reason)


class Environment:
    """Episodes for a training loop of your own, in code that is not async.

    The policy of this example writes the same actions every time:

    >>> import flowsteer
    >>> actions = ["<action>add</action><operator>Plan</operator>", "<action>finish</action>"]
    >>> with flowsteer.Environment("simulated:math", executor="simulated:typed", n=2) as env:
    ...     for number in range(len(env)):
    ...         episode, turns = env.reset(number, seed=0), iter(actions * 20)
    ...         while not episode.done:
    ...             prompt = episode.messages                  # system and user messages for your policy
    ...             step = episode.step(next(turns))           # its text goes in as it is
    ...         print(step.info["ended"], step.reward, step.terms["operators"])
    turn limit -0.8 0.2
    turn limit -0.8 0.2

    Args:
        dataset: Name of a dataset, a path to a `.jsonl` file, or samples.
        data: Folder of `NAME.jsonl` files to read instead of downloading.
        executor: Spec of the LLM that runs the operators; the setup's without it.
        split: Split of the dataset; files have none.
        n: How many samples; all, of endless datasets 128, for None.
        order_seed: Which samples, and their order.
        reward: Which reward is paid; the paper's by default.
        setup: Everything else: what an episode allows (`Setup.canvas`), layout, operators, budget, response cache. Its
            Director and its seed are not used.
        extra: Backends made elsewhere, by the spec that names them.

    Raises:
        ConfigError: A name is unknown, a split or every sample is missing, a value does not fit, or an episode of this
            setup could not be played; also for a reset outside the `with` block.
        BackendUnavailable: A server cannot be reached.
        SandboxError: The sandbox asked for is not there.
    """

    def __init__(
        self,
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
    ) -> None:
        self._opened: tuple[BlockingPortal, AsyncEnvironment] | None = None
        self._stack = ExitStack()
        self._connect: Callable[[], AbstractAsyncContextManager[AsyncEnvironment]] = partial(
            environment,
            dataset,
            data,
            executor,
            split=split,
            n=n,
            order_seed=order_seed,
            reward=reward,
            setup=setup,
            extra=extra,
        )

    def __enter__(self) -> Self:
        """Connect."""
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal())
            env = stack.enter_context(portal.wrap_async_context_manager(self._connect()))
            self._opened = portal, env
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close everything."""
        self._opened = None
        self._stack.__exit__(kind, error, trace)

    def __len__(self) -> int:
        """How many tasks there are."""
        return len(self.samples)

    @property
    def samples(self) -> Sequence[Sample]:
        """The tasks, with their references."""
        return self._open()[1].samples

    def reset(self, sample: Sample | int = 0, seed: int = 0) -> BlockingEpisode:
        """Begin an episode.

        Args:
            sample: A task of your own with its reference, or the number of one of `samples`.
            seed: Seed of the draws of its operators: the same turns with the same seed come to the same end, as far as
                the executor's server keeps to seeds.

        Raises:
            ConfigError: There is no such sample, the seed is none, or the environment is not open.
        """
        portal, env = self._open()
        return BlockingEpisode(portal, env.reset(sample, seed))

    def _open(self) -> tuple[BlockingPortal, AsyncEnvironment]:
        if self._opened is None:
            raise ConfigError("the environment is not open", "with flowsteer.Environment(…) as env: …")
        return self._opened
