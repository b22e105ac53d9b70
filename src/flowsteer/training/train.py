"""A training run from its configuration to its result: the one function behind `flowsteer train`."""

import asyncio
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from transformers.utils import logging as transformers_logging

from flowsteer.datasets.base import Sample
from flowsteer.errors import FlowSteerError, RunError
from flowsteer.evaluation.evaluate import open_grader
from flowsteer.runs.events import event_to_json
from flowsteer.runs.folder import RunFolder
from flowsteer.session import open_session
from flowsteer.training import config as c
from flowsteer.training.buffer import Limits
from flowsteer.training.coldstart import learn, play_scripts, read_recorded, to_buffer
from flowsteer.training.measure import accuracy_by_type, measure, summary, usual_workflows
from flowsteer.training.policy import TINY, Policy, load_policy, make_tiny, with_adapters
from flowsteer.training.rollout import Arena, Group, Rollout, play
from flowsteer.training.tasks import Schedule, Tasks, load_tasks
from flowsteer.training.trainer import Learner
from flowsteer.training.view import CompactView

JSON = dict[str, Any]
START, TRAINED, BEST = "start", "policy", "best"
"""Folders of the policy before RL, to which the KL penalty holds it, after, and at its best on the validation tasks."""

AT_ONCE = 100
"""Test or validation episodes played at once."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to.

    Attributes:
        steps: Updates.
        seconds: Wall time by stage of this start: `coldstart`, `test`, `training`.
        before: Figures of the cold start on the test tasks: those of `measure`, greedy, with `by_type` and `workflows`,
            and the same at temperature 1 under `sampled`.
        after: Those of the trained policy, on the same tasks.
    """

    steps: int
    seconds: dict[str, float]
    before: JSON
    after: JSON


def train(
    config: c.TrainingConfig,
    path: Path,
    resume: bool = False,
    on_stage: Callable[[str], None] = lambda stage: None,
    on_step: Callable[[JSON], None] = lambda metrics: None,
) -> Result:
    """Train a Director into a run folder.

    Args:
        config: The run.
        path: The run folder. It holds every episode, `metrics.jsonl`, the policy before (`start`) and after (`policy`).
        resume: Go on with a run that was broken off, from its last checkpoint.
        on_stage: Told what begins.
        on_step: Given each step's metrics.

    Raises:
        ConfigError: A setting, a name or a dataset does not fit.
        RunError: The folder holds a run already and `resume` was not asked for, or another run.
        BackendUnavailable: A backend cannot be reached, or is lost.
        SandboxError: The sandbox asked for is not there.
        BudgetExceeded: The budget is spent.
    """
    if path.exists() and any(path.iterdir()) and not resume:
        raise RunError(f"{path} holds a run already", "add --resume to go on with it, or name another with --run DIR")
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    if config.update.threads:
        torch.set_num_threads(config.update.threads)
    tasks = load_tasks(config.data, config.seed)
    with RunFolder.create(path, c.settings_of(config)) as folder, asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            arena = runner.run(_open(config, stack))
            run = _Run(config, folder, runner, arena, tasks, on_stage)
            return run.all(resume, on_step)
        except FlowSteerError:
            if not (path / START).exists():
                folder.discard_if_new()
            raise
        finally:
            runner.run(stack.aclose())


async def _open(config: c.TrainingConfig, stack: AsyncExitStack) -> Arena:
    session = await stack.enter_async_context(open_session(c.setup_of(config)))
    grade = await stack.enter_async_context(open_grader())
    return Arena(session, grade, c.canvas_of(config), c.rules_of(config, session.library), c.rewards_of(config))


class _Run:
    """A run under way."""

    def __init__(
        self,
        config: c.TrainingConfig,
        folder: RunFolder,
        runner: asyncio.Runner,
        arena: Arena,
        tasks: Tasks,
        on_stage: Callable[[str], None],
    ) -> None:
        self._config, self._folder, self._runner, self._arena = config, folder, runner, arena
        self._tasks, self._on_stage = tasks, on_stage
        self._schedule = Schedule(tasks.train, config.seed)
        self._seconds = dict.fromkeys(("coldstart", "test", "training"), 0.0)

    def all(self, resume: bool, on_step: Callable[[JSON], None]) -> Result:
        config, path = self._config, self._folder.path
        policy = self._start()
        before = self._tested("before", policy)
        with self._stage("training"):
            policy = self._adapted(policy)
            learner = Learner(config, policy, self._schedule, self._arena, self._runner, path, self._keep, on_step)
            learner.validate = lambda step: self._validated(policy, step)
            learner.learn(resume)
            policy.save(path / TRAINED)
        result = Result(config.update.steps, self._seconds, before, self._tested("after", policy))
        (path / "result.json").write_text(json.dumps(asdict(result), indent=2), encoding="utf-8")
        return result

    def _start(self) -> Policy:
        """The policy that RL begins with.

        Unless it gets adapters, whose base is the reference, it is saved and loaded: TRL reads the reference there.
        """
        asked, saved = self._config.policy, self._folder.path / START
        if asked.lora_rank and not self._config.warmup.wanted:
            return load_policy(asked.name, asked.task_chars, asked.dtype)
        if not saved.exists():
            with self._stage("coldstart"):
                policy = self._made()
                unfinished = saved.with_suffix(".unfinished")
                policy.save(unfinished)
                unfinished.rename(saved)
        return load_policy(str(saved), asked.task_chars, asked.dtype)

    def _made(self) -> Policy:
        """The policy asked for, after its cold start if there is to be one."""
        config, asked, warmup = self._config, self._config.policy, self._config.warmup
        policy = None if asked.name == TINY else load_policy(asked.name, asked.task_chars, asked.dtype)
        view = CompactView() if policy is None else policy.view
        scripts = play_scripts(self._arena, view, self._schedule, warmup.episodes, config.seed)
        dialogues = self._runner.run(scripts)
        if warmup.run is not None:
            dialogues += read_recorded(warmup.run, self._arena, view, self._tasks.train)
        if policy is None:
            policy = make_tiny((dialogue.text for dialogue in dialogues), config.seed)
        if dialogues:
            learn(policy, [to_buffer(dialogue, policy) for dialogue in dialogues], c.warmup_of(config), config.seed)
        return policy

    def _adapted(self, policy: Policy) -> Policy:
        """The policy with LoRA adapters on it, if they are asked for."""
        asked = self._config.policy
        if not asked.lora_rank:
            return policy
        return replace(policy, model=with_adapters(policy.model, asked.lora_rank, asked.lora_alpha))

    def _validated(self, policy: Policy, step: int) -> None:
        """Play the validation tasks; the policy is kept if it earned more than any before, the start included."""
        file = self._folder.path / "validation.json"
        known: dict[str, float | None] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        earlier = [value for at, value in known.items() if int(at) < step and value is not None]
        earned = measure(self._played(f"validation/{step}", policy, 0.0, self._tasks.validation))["reward"]
        if earned is not None and earned > max(earlier, default=-math.inf):
            policy.save(self._folder.path / BEST)
        file.write_text(json.dumps(known | {str(step): earned}), encoding="utf-8")

    def _tested(self, name: str, policy: Policy) -> JSON:
        """Figures on the test tasks, measured once."""
        file = self._folder.path / f"{name}.json"
        if not file.exists():
            with self._stage("test"):
                greedy = self._played(name, policy, 0.0, self._tasks.test)
                sampled = self._played(name, policy, 1.0, self._tasks.test)
            figures = _figures(greedy) | {"sampled": _figures(sampled)}
            file.write_text(json.dumps(figures, indent=2), encoding="utf-8")
        found: JSON = json.loads(file.read_text(encoding="utf-8"))
        return found

    def _played(self, name: str, policy: Policy, temperature: float, tasks: Sequence[Sample]) -> list[Rollout]:
        sampler = self._config.sampler
        limits = Limits(temperature, sampler.turn_tokens, sampler.episode_tokens)
        rollouts: list[Rollout] = []
        for first in range(0, len(tasks), AT_ONCE):
            some = tasks[first : first + AT_ONCE]
            groups = [Group(f"{name}/T{temperature:g}/{sample.task.id}", sample, 1) for sample in some]
            rollouts += self._runner.run(play(policy, groups, self._arena, limits, name, self._config.seed))
        self._keep(rollouts)
        return rollouts

    def _keep(self, rollouts: Sequence[Rollout]) -> None:
        """Write episodes down; those of steps that are taken again are there already."""
        for rollout in rollouts:
            if rollout.id not in self._folder.entries:
                lines = [json.dumps(event_to_json(event), ensure_ascii=False) for event in rollout.events]
                self._folder.append(rollout.id, summary(rollout), lines)

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        self._on_stage(name)
        started = perf_counter()
        yield
        self._seconds[name] += perf_counter() - started


def _figures(rollouts: Sequence[Rollout]) -> JSON:
    return measure(rollouts) | {"by_type": accuracy_by_type(rollouts), "workflows": usual_workflows(rollouts)}
