"""The policy that RL begins with: made or loaded, taught by its cold start, and heard before it goes on."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from flowsteer.backends.budget import Caps
from flowsteer.datasets.base import Sample
from flowsteer.environments.arena import Arena
from flowsteer.errors import ConfigError
from flowsteer.runs.files import read_json, write_json
from flowsteer.session import open_session
from flowsteer.training.config import TrainingConfig, setup_of
from flowsteer.training.data import Schedule
from flowsteer.training.inference.reach import check_reach
from flowsteer.training.policy.policy import POSITIONS, TINY, Policy, load_policy, make_tiny, placed
from flowsteer.training.policy.view import CompactView, View
from flowsteer.training.rollout.rollout import Group, Rollout, check_not_all_lost, play
from flowsteer.training.sft.coldstart import Dialogue, learn, play_scripts, read_recorded, to_trajectory
from flowsteer.training.sft.speech import (
    EPISODES,
    ROUNDS,
    check_speech,
    open_kinds,
    speech,
    speech_json,
    speech_line,
    taught,
)

JSON = dict[str, Any]
SPOKEN = "coldstart.json"
"""How well the policy says what it was taught, by kind of action."""


def loaded(config: TrainingConfig) -> Policy:
    """The policy that a run is asked to begin with.

    Raises:
        ConfigError: There is no such policy, or it cannot read as long episodes as the run may play.
    """
    asked = config.policy
    policy = load_policy(asked.name, asked.task_chars, asked.dtype, asked.revision)
    check_reach(asked.name, policy.model, config.sampler.episode_tokens, config.draws_here)
    return policy


class FirstPolicy:
    """Makes a run's first policy.

    Args:
        config: The run.
        run: The run folder.
        runner: The event loop that the arena lives on.
        arena: Where episodes are played.
        schedule: Training tasks, in order.
        train: The same, each once.
        on_stage: Told how far the cold start is.
    """

    def __init__(
        self,
        config: TrainingConfig,
        run: Path,
        runner: asyncio.Runner,
        arena: Arena,
        schedule: Schedule,
        train: Sequence[Sample],
        on_stage: Callable[[str], None],
    ) -> None:
        self._config, self._run, self._runner, self._arena = config, run, runner, arena
        self._schedule, self._train, self._on_stage = schedule, train, on_stage

    def made(self) -> Policy:
        """The policy asked for, after its cold start if there is to be one; how well it speaks is written down."""
        config, asked, warmup = self._config, self._config.policy, self._config.warmup
        policy = None if asked.name == TINY else loaded(config)
        view = CompactView() if policy is None else policy.view
        recorded = [] if warmup.run is None else read_recorded(warmup.run, self._arena, view, self._train)
        dialogues = [*self._runner.run(self._scripts(view)), *recorded]
        if policy is None:
            positions = max(POSITIONS, config.sampler.episode_tokens)
            policy = make_tiny((dialogue.text for dialogue in dialogues), config.seed, positions)
        if dialogues:
            trajectories = [to_trajectory(dialogue, policy) for dialogue in dialogues]
            policy = placed(policy) if config.sampler.engine == "transformers" else policy
            learn(policy, trajectories, warmup, config.seed, self._taught)
        if warmup.least_valid:
            self._listen(policy, taught(said for dialogue in dialogues for said, _ in dialogue.turns))
        return policy

    def check(self, made: Path) -> None:
        """The policy can say what it was taught, as far as that is asked for.

        Args:
            made: The run folder in which it was taught: a cell of a study begins with that of another.

        Raises:
            ConfigError: It cannot, or the run was begun without asking for it.
        """
        found, least = read_json(made / SPOKEN), self._config.warmup.least_valid
        if not least:
            return
        if found is None:
            raise ConfigError(
                "how well the policy says what it was taught is not known: the run was begun with "
                f"warmup.least_valid=0, and {least:g} is asked for",
                "go on with warmup.least_valid=0, or begin another run",
            )
        self._on_stage(speech_line(found))
        check_speech(found, least)

    def _listen(self, policy: Policy, kinds: Sequence[str]) -> None:
        """Let it play, held to no grammar, until enough of every kind of action was heard, and count."""
        played, limits = list[Rollout](), replace(self._config.sampler, temperature=1.0, grammar=False)
        spoken, least = dict[str, tuple[int, int]](), self._config.warmup.least_valid
        while len(played) < ROUNDS * EPISODES and open_kinds(kinds, spoken, least):
            numbers = range(len(played), len(played) + EPISODES)
            groups = [Group(f"speech/{number}", self._schedule[number], 1) for number in numbers]
            played += self._runner.run(play(policy, groups, self._arena, limits, "start", self._config.seed))
            check_not_all_lost(played)
            spoken = speech(rollout.events for rollout in played)
        write_json(self._run / SPOKEN, speech_json(kinds, spoken, len(played)))

    def _taught(self, update: int, updates: int, loss: float) -> None:
        self._on_stage(f"coldstart {update}/{updates}")

    async def _scripts(self, view: View) -> list[Dialogue]:
        """The scripts of the cold start, played on the run's executor or on the one named for them."""
        config, warmup, arena = self._config, self._config.warmup, self._arena
        async with AsyncExitStack() as stack:
            if warmup.episodes and warmup.backend:
                setup = replace(setup_of(config), executor=warmup.backend, caps=Caps(), cache=None, requests=None)
                arena = replace(arena, session=await stack.enter_async_context(open_session(setup)))
            return await play_scripts(arena, view, self._schedule, warmup.episodes, config.seed, warmup)
