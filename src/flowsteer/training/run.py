"""A training run from its configuration to its result: the one function behind `flowsteer train`."""

import asyncio
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from flowsteer.backends.budget import Caps
from flowsteer.errors import FlowSteerError, RunError
from flowsteer.grading.connect import open_grader
from flowsteer.runs.event_json import event_line
from flowsteer.runs.files import read_json, write_json
from flowsteer.runs.folder import RunFolder
from flowsteer.session import open_session
from flowsteer.task import Task
from flowsteer.training import config as c
from flowsteer.training.autopsy.examination import verdicts_of
from flowsteer.training.data import Schedule, TaskSplits, load_tasks
from flowsteer.training.inference.batcher import Batcher
from flowsteer.training.inference.distributed import Ranks, join, launched
from flowsteer.training.inference.sampling_engine import SamplingEngine
from flowsteer.training.policy.policy import TINY, Policy, load_policy, make_tiny, quiet, with_adapters
from flowsteer.training.policy.view import CompactView, View
from flowsteer.training.policy_tests import PolicyTests, figures
from flowsteer.training.requirements import check_engine, check_trackers
from flowsteer.training.rl.learner import METRICS, Learner
from flowsteer.training.rollout.metrics import measure, summary
from flowsteer.training.rollout.rollout import Arena, Group, Rollout, play
from flowsteer.training.sft.coldstart import Dialogue, learn, play_scripts, read_recorded, to_trajectory
from flowsteer.training.sft.speech import EPISODES, ROUNDS, check_speech, rare, speech, speech_json, speech_line, taught

JSON = dict[str, Any]
SPOKEN = "coldstart.json"
"""How well the policy says what it was taught, by kind of action."""

START, TRAINED, BEST = "start", "policy", "best"
"""Folders of the policy before RL, to which the KL penalty holds it, after, and at its best on the validation tasks."""


@dataclass(frozen=True, slots=True)
class TrainingResult:
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
) -> TrainingResult:
    """Train a Director into a run folder.

    Started by a launcher, each process calls this; the first one keeps the folder, which all of them must see.

    Args:
        config: The run.
        path: The run folder. It holds every episode, `metrics.jsonl`, the policy before (`start`) and after (`policy`).
        resume: Go on with a run that was broken off, from its last checkpoint.
        on_stage: Told what begins: `coldstart`, `test` or `training`; then how far a cold start is: `coldstart 7/375`.
        on_step: Given each step's metrics.

    Raises:
        ConfigError: A setting, a name or a dataset does not fit, or a package that is asked for is not installed.
        RunError: The folder holds a run already and `resume` was not asked for, or another run, or none to resume.
        BackendUnavailable: A backend cannot be reached, or is lost.
        SandboxError: The sandbox asked for is not there.
        BudgetExceeded: The budget is spent.
    """
    if path.exists() and not path.is_dir():
        raise RunError(f"{path} is a file", "name a folder with --run DIR")
    check_trackers(config.report_to)
    check_engine(config.sampler)
    used, run_there = path.exists() and any(path.iterdir()), (path / "config.json").is_file()
    if resume and not run_there:
        raise RunError(f"{path} holds no run to go on with", "name the folder of one with --run DIR")
    if launched().first and run_there and not resume:
        raise RunError(f"{path} holds a run already", "add --resume to go on with it, or name another with --run DIR")
    if launched().first and used and not run_there:
        raise RunError(f"{path} is not empty and holds no run", "name another folder with --run DIR")
    with open_run(config, path, c.settings_of(config), on_stage) as run:
        policy = run.start(path / START)
        if config.sampler.engine != "transformers":
            policy = run.served(policy)
        before = run.tested("before", policy)
        policy = run.learned(policy, resume, on_step)
        result = TrainingResult(config.update.steps, run.seconds, before, run.tested("after", policy))
        run.write("result.json", asdict(result) | {"verdicts": verdicts_of(path) if launched().first else []})
        return result


@contextmanager
def open_run(
    config: c.TrainingConfig,
    path: Path,
    settings: JSON,
    on_stage: Callable[[str], None] = lambda stage: None,
    record: bool = True,
) -> Iterator["TrainingRun"]:
    """Connect all that a run needs, and open its folder; one that did nothing before it failed is removed again.

    Args:
        config: The run.
        path: The run folder.
        settings: What must be the same for the folder to be gone on with.
        on_stage: Told what begins: `coldstart`, `test` or `training`; then how far a cold start is: `coldstart 7/375`.
        record: Whether the episodes that are trained on are written down, and metrics reported elsewhere; episodes of
            tests always are, and metrics always go to the folder.

    Raises:
        ConfigError: A setting, a name or a dataset does not fit.
        RunError: The folder holds another run.
        BackendUnavailable: A backend cannot be reached.
        SandboxError: The sandbox asked for is not there.
    """
    quiet()
    if config.update.threads:
        torch.set_num_threads(config.update.threads)
    tasks, ranks = load_tasks(config.data, config.seed), join()
    opened = RunFolder.create(path, settings) if ranks.first else nullcontext()
    with opened as folder, asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            arena = runner.run(_open(config, stack))
            with closing(TrainingRun(config, path, folder, runner, arena, tasks, on_stage, record, ranks)) as run:
                yield run
        except FlowSteerError:
            if folder is not None and not any((path / name).exists() for name in (START, METRICS)):
                folder.discard_if_new()
            raise
        finally:
            runner.run(stack.aclose())


async def _open(config: c.TrainingConfig, stack: AsyncExitStack) -> Arena:
    session = await stack.enter_async_context(open_session(c.setup_of(config)))
    return Arena(session, await stack.enter_async_context(open_grader()), config.canvas, config.reward)


class TrainingRun:
    """A run under way; see `open_run`.

    Attributes:
        config: What it was asked to do.
        tasks: Its tasks.
        seconds: Wall time so far by stage: `coldstart`, `test`, `training`.
    """

    def __init__(
        self,
        config: c.TrainingConfig,
        path: Path,
        folder: RunFolder | None,
        runner: asyncio.Runner,
        arena: Arena,
        tasks: TaskSplits,
        on_stage: Callable[[str], None],
        record: bool,
        ranks: Ranks,
    ) -> None:
        self.config, self.tasks = config, tasks
        self.seconds = dict.fromkeys(("coldstart", "test", "training"), 0.0)
        self._path, self._folder, self._runner, self._arena = path, folder, runner, arena
        self._on_stage, self._record, self._ranks = on_stage, record, ranks
        self._schedule = Schedule(tasks.train, config.seed)
        self._learner: Learner | None = None
        self._tests = PolicyTests(config, arena, runner, ranks, self._draws, self._keep)

    @property
    def executor(self) -> str:
        """Spec of the executor; a simulated one's carries the hash of its table."""
        return self._arena.session.executor_backend.spec

    def start(self, saved: Path) -> Policy:
        """The policy that RL begins with; made at the first time.

        Unless it gets adapters, whose base is the reference, it is saved and loaded: TRL reads the reference there.

        Args:
            saved: Where it is kept.
        """
        asked = self.config.policy
        if asked.lora_rank and not self.config.warmup.wanted:
            return _placed(load_policy(asked.name, asked.task_chars, asked.dtype, asked.revision), self.config)
        if self._ranks.first and not saved.exists():
            with self._stage("coldstart"):
                policy, kinds = self._made()
                unfinished = saved.with_suffix(".unfinished")
                policy.save(unfinished)
                self._listen(policy, kinds)
                unfinished.rename(saved)
        self._ranks.wait()
        self._check_speech()
        return _placed(load_policy(str(saved), asked.task_chars, asked.dtype), self.config)

    def served(self, policy: Policy) -> Policy:
        """The policy, with the adapters that it is to learn, as an engine apart draws with it from now on.

        Args:
            policy: The policy that RL begins with.

        Raises:
            PolicySyncError: The engine does not have its weights.
            BackendUnavailable: The engine cannot be reached.
        """
        learner = self._learns(policy)
        learner.engine.serve(0)
        return learner.policy

    def learned(self, policy: Policy, resume: bool, on_step: Callable[[JSON], None]) -> Policy:
        """The policy after RL, which is saved; without a step it is the one that was given.

        Args:
            policy: The policy that RL begins with.
            resume: Whether to go on from the last checkpoint.
            on_step: Given each step's metrics.
        """
        with self._stage("training"):
            learner = self._learns(policy)
            if self.config.update.steps:
                learner.learn(resume, on_step)
                learner.engine.serve(self.config.update.steps)
            learner.save(self._path / TRAINED)
        return learner.policy

    def write(self, name: str, content: JSON) -> None:
        """Write a file of JSON into the run folder; the first process does."""
        if self._ranks.first:
            write_json(self._path / name, content)

    def close(self) -> None:
        """Close the connections of an engine apart."""
        if self._learner is not None:
            self._learner.close()

    def _learns(self, policy: Policy) -> Learner:
        """The learner of this run, made at the first time around the policy that RL begins with."""
        if self._learner is None:
            keep, report_to = (self._keep, self.config.report_to) if self._record else (_forget, ())
            self._learner = Learner(
                self.config,
                self._adapted(policy),
                self._schedule,
                self._arena,
                self._runner,
                self._path,
                self._ranks,
                keep,
                self._validated,
                report_to,
            )
        return self._learner

    def _made(self) -> tuple[Policy, list[str]]:
        """The policy asked for, after its cold start if there is to be one, and the kinds of action it was taught."""
        config, asked, warmup = self.config, self.config.policy, self.config.warmup
        policy = None if asked.name == TINY else load_policy(asked.name, asked.task_chars, asked.dtype, asked.revision)
        view = CompactView() if policy is None else policy.view
        dialogues = self._runner.run(self._scripts(view))
        if warmup.run is not None:
            dialogues += read_recorded(warmup.run, self._arena, view, self.tasks.train)
        if policy is None:
            policy = make_tiny((dialogue.text for dialogue in dialogues), config.seed)
        if dialogues:
            trajectories = [to_trajectory(dialogue, policy) for dialogue in dialogues]
            learn(_placed(policy, config), trajectories, config.warmup, config.seed, self._warming)
        return policy, taught(said for dialogue in dialogues for said, _ in dialogue.turns)

    def _listen(self, policy: Policy, kinds: list[str]) -> None:
        """Write down how well the policy says what it was taught, if a share is asked for."""
        played: list[Rollout] = []
        limits = replace(self.config.sampler, temperature=1.0)
        spoken: dict[str, tuple[int, int]] = {}
        while self.config.warmup.least_valid and len(played) < ROUNDS * EPISODES and rare(kinds, spoken):
            numbers = range(len(played), len(played) + EPISODES)
            groups = [Group(f"speech/{number}", self._schedule[number], 1) for number in numbers]
            played += self._runner.run(play(policy, groups, self._arena, limits, "start", self.config.seed))
            spoken = speech(rollout.events for rollout in played)
        if played:
            self.write(SPOKEN, speech_json(kinds, spoken, len(played)))

    def _check_speech(self) -> None:
        """The policy can say what it was taught, as far as that was asked for.

        Raises:
            ConfigError: It cannot.
        """
        found = read_json(self._path / SPOKEN)
        if found is not None and self.config.warmup.least_valid:
            self._on_stage(speech_line(found))
            check_speech(found, self.config.warmup.least_valid)

    def _warming(self, update: int, updates: int, loss: float) -> None:
        self._on_stage(f"coldstart {update}/{updates}")

    async def _scripts(self, view: View) -> list[Dialogue]:
        """The scripts of the cold start, played on the run's executor or on the one named for them."""
        config, warmup, arena = self.config, self.config.warmup, self._arena
        async with AsyncExitStack() as stack:
            if warmup.episodes and warmup.backend:
                setup = replace(c.setup_of(config), executor=warmup.backend, caps=Caps(), cache=None)
                arena = replace(arena, session=await stack.enter_async_context(open_session(setup)))
            return await play_scripts(arena, view, self._schedule, warmup.episodes, config.seed, warmup)

    def _adapted(self, policy: Policy) -> Policy:
        """The policy with LoRA adapters on it, if they are asked for."""
        asked = self.config.policy
        if not asked.lora_rank:
            return policy
        return replace(policy, model=with_adapters(policy.model, asked.lora_rank, asked.lora_alpha, self.config.seed))

    def _validated(self, step: int) -> None:
        """Play the validation tasks; the policy is kept if it earned more than any after an earlier update."""
        learner = self._learner
        assert learner is not None  # noqa: S101 - it is the learner who calls
        known: dict[str, float | None] = read_json(self._path / "validation.json") or {}
        earlier = [value for at, value in known.items() if int(at) < step and value is not None]
        learner.engine.serve(step)
        earned = measure(self._tests.play(f"validation/{step}", learner.policy, 0.0, self.tasks.validation))["reward"]
        if earned is not None and earned > max(earlier, default=-math.inf):
            learner.save(self._path / BEST)
        self.write("validation.json", known | {str(step): earned})

    def tested(self, name: str, policy: Policy) -> JSON:
        """Figures on the test tasks, greedily and at temperature 1; measured once.

        Args:
            name: What the test is called.
            policy: Who is tested.
        """
        found: JSON | None = read_json(self._path / f"{name}.json")
        if found is None:
            greedy, sampled = (self.test(name, policy, temperature) for temperature in (0.0, 1.0))
            found = figures(greedy) | {"sampled": figures(sampled)}
            self.write(f"{name}.json", found)
        return found

    def test(self, name: str, policy: Policy, temperature: float) -> list[Rollout]:
        """Play the test tasks, one episode each.

        Args:
            name: What the test is called; draws depend on it, so that policies tested under one name share them.
            policy: Who is tested.
            temperature: At which it draws; 0 for the most probable token.
        """
        with self._stage("test"):
            return self._tests.play(name, policy, temperature, self.tasks.test)

    def _draws(self, policy: Policy) -> SamplingEngine:
        """What draws a policy's tokens: its own model, until the run has an engine."""
        return Batcher(policy) if self._learner is None else self._learner.draws

    def _keep(self, rollouts: Sequence[Rollout], policy: str) -> None:
        """Write the episodes of a policy down; of one that is played again after a stop, the later record counts."""
        if self._folder is None:
            return
        played: Counter[Task] = Counter()
        for rollout in rollouts:
            told = summary(rollout, policy, played[rollout.sample.task], self.config.seed)
            played[rollout.sample.task] += 1
            self._folder.append(rollout.id, told, map(event_line, rollout.events))

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        self._on_stage(name)
        started = perf_counter()
        yield
        self.seconds[name] += perf_counter() - started


def _forget(rollouts: Sequence[Rollout], policy: str) -> None:
    """Keep no record."""


def _placed(policy: Policy, config: c.TrainingConfig) -> Policy:
    """The policy where it will draw: on this process's GPU, if there is one and no engine apart draws."""
    if config.sampler.engine == "transformers" and torch.cuda.is_available():
        torch.nn.Module.to(policy.model, torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))))
    return policy
