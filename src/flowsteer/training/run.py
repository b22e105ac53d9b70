"""A training run from its configuration to its result: the one function behind `flowsteer train`."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from flowsteer.backends.ledger import Ledger, resume_account
from flowsteer.environments.arena import Arena
from flowsteer.errors import FlowSteerError
from flowsteer.grading.connect import open_grader
from flowsteer.runs.event_json import event_line
from flowsteer.runs.files import write_json
from flowsteer.runs.folder import Listener, RunFolder, unheard
from flowsteer.session import open_session
from flowsteer.task import Task
from flowsteer.training import config as c
from flowsteer.training import resuming
from flowsteer.training.autopsy.examination import verdicts_of
from flowsteer.training.best_policy import BestPolicy
from flowsteer.training.data import Schedule, TaskSplits, load_tasks
from flowsteer.training.first_policy import FirstPolicy, loaded
from flowsteer.training.held_out import HeldOut
from flowsteer.training.inference.batcher import Batcher
from flowsteer.training.inference.distributed import Ranks, join, launched
from flowsteer.training.inference.sampling_engine import SamplingEngine
from flowsteer.training.policy.kept import START, TRAINED
from flowsteer.training.policy.policy import Policy, load_policy, placed, quiet, with_adapters
from flowsteer.training.policy_tests import PolicyTests
from flowsteer.training.requirements import check_engine, check_trackers
from flowsteer.training.resting_loop import RestingLoop
from flowsteer.training.rl.learner import CHECKPOINTS, METRICS, Learner, last_checkpoint, step_of
from flowsteer.training.rollout.metrics import summary
from flowsteer.training.rollout.rollout import Rollout
from flowsteer.usage import NO_USAGE

JSON = dict[str, Any]
STAGES = ("coldstart", "test", "training", "validation")


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a run came to.

    Attributes:
        steps: Updates.
        seconds: Wall time by stage of this start: `coldstart`, `test`, `training`, `validation`.
        before: Figures of the cold start on the test tasks: those of `measure`, greedy, with `by_type` and `workflows`,
            and under `sampled` the same at the temperature that training ends with, and this `temperature`.
        after: Those of the trained policy, on the same tasks with the same draws.
        tested: Which policy that is: `best@80`, chosen on the validation tasks, or without them the last, `policy@100`.
        best: What the validation tasks say of the best policy, and its `step`; None without them.
    """

    steps: int
    seconds: dict[str, float]
    before: JSON
    after: JSON
    tested: str
    best: JSON | None


def train(
    config: c.TrainingConfig,
    path: Path,
    resume: bool = False,
    on_stage: Callable[[str], None] = lambda stage: None,
    on_step: Callable[[JSON], None] = lambda metrics: None,
    listener: Listener = unheard,
) -> TrainingResult:
    """Train a Director into a run folder.

    Started by a launcher, each process calls this; the first one keeps the folder, which all of them must see.

    Args:
        config: The run.
        path: The run folder. It holds every episode, `metrics.jsonl`, the policy before (`start`) and after (`policy`).
        resume: Go on with a run, from its last checkpoint; one that is done takes more steps if they are asked for.
        on_stage: Told what begins, one of `STAGES`; then how far a cold start is: `coldstart 7/375`.
        on_step: Given each step's metrics.
        listener: Gets every event that is written down: those of an episode when its step, or its test, is over.

    Raises:
        ConfigError: A setting, a name or a dataset does not fit, or a package that is asked for is not installed.
        RunError: The folder holds a run already and `resume` was not asked for, or another run, or none to resume, or
            one with more steps behind it than are asked for.
        BackendUnavailable: A backend cannot be reached, or is lost.
        SandboxError: The sandbox asked for is not there.
        BudgetExceeded: The budget is spent.
    """
    resuming.check_folder(path, resume, config.update.steps)
    check_trackers(config.report_to)
    check_engine(config.sampler)
    settings = resuming.with_recorded_steps(path, c.settings_of(config))
    with open_run(config, path, settings, on_stage, listener=listener) as run:
        run.set_aside()
        policy = run.start(path / START)
        if config.sampler.engine != "transformers":
            policy = run.served(policy)
        before = run.tested_before(policy)
        after = run.tested_after(run.learned(policy, resume, on_step))
        steps = config.update.steps
        tested = after.get("tested", f"policy@{steps}")
        result = TrainingResult(steps, run.seconds, before, after, tested, run.best)
        run.write(resuming.RESULT, asdict(result) | {"verdicts": verdicts_of(path) if launched().first else []})
        return result


@contextmanager
def open_run(
    config: c.TrainingConfig,
    path: Path,
    settings: JSON,
    on_stage: Callable[[str], None] = lambda stage: None,
    record: bool = True,
    listener: Listener = unheard,
) -> Iterator["TrainingRun"]:
    """Connect all that a run needs, and open its folder; one that did nothing before it failed is removed again.

    Args:
        config: The run.
        path: The run folder.
        settings: What must be the same for the folder to be gone on with.
        on_stage: Told what begins, one of `STAGES`; then how far a cold start is: `coldstart 7/375`.
        record: Whether the episodes that are trained on are written down, and metrics reported elsewhere; episodes of
            tests always are, and metrics always go to the folder.
        listener: Gets every event that is written down.

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
    opened = RunFolder.create(path, settings, listener) if ranks.first else nullcontext()
    with opened as folder, asyncio.Runner(loop_factory=RestingLoop) as runner:
        stack = AsyncExitStack()
        try:
            arena = runner.run(_open(config, stack))
            resume_account(arena.session.budget, path, keep=ranks.first)
            with closing(TrainingRun(config, path, folder, runner, arena, tasks, on_stage, record, ranks)) as run:
                yield run
        except FlowSteerError:
            made = any((path / name).exists() for name in (START, METRICS))
            if folder is not None and not made and not (Ledger(path).read() or NO_USAGE).calls:
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
        seconds: Wall time so far by stage; what a stage within another takes is counted there alone.
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
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._path, self._folder, self._runner, self._arena = path, folder, runner, arena
        self._on_stage, self._record, self._ranks = on_stage, record, ranks
        self._schedule = Schedule(tasks.train, config.seed)
        self._first = FirstPolicy(config, path, runner, arena, self._schedule, tasks.train, on_stage)
        self._learner: Learner | None = None
        self._tests = PolicyTests(config, arena, runner, ranks, self._draws, self._keep)
        last = config.sampler.last_temperature
        self._held_out = HeldOut(path, self.test, last, self.write)
        self._best = BestPolicy(path, self._tests, tasks.validation, last, ranks, self._save)

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
            return self._placed(loaded(self.config))
        if self._ranks.first and not saved.exists():
            with self._stage("coldstart"):
                unfinished = saved.with_suffix(".unfinished")
                self._first.made().save(unfinished)
                unfinished.rename(saved)
        self._ranks.wait()
        self._first.check(saved.parent)
        return self._placed(load_policy(str(saved), asked.task_chars, asked.dtype))

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
            learner, steps = self._learns(policy), self.config.update.steps
            if steps:
                last = last_checkpoint(self._path / CHECKPOINTS) if resume else None
                self._best.forget_after(0 if last is None else step_of(last))
                learner.learn(resume, on_step)
                learner.engine.serve(steps)
                if self.config.update.validate_every and not self._best.knows(steps):
                    self._validated(steps)
            learner.save(self._path / TRAINED)
        return learner.policy

    @property
    def best(self) -> JSON | None:
        """What the validation tasks say of the best policy so far, and its `step`; None without them."""
        return self._best.chosen

    def set_aside(self) -> None:
        """Keep results that what comes now is not compared with under other names; see `resuming.set_aside`."""
        if self._ranks.first:
            resuming.set_aside(self._path, self.config.update.steps, self.config.sampler.last_temperature)
        self._ranks.wait()

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

    def _placed(self, policy: Policy) -> Policy:
        """The policy where it will draw: on this process's GPU, unless an engine apart draws."""
        return placed(policy) if self.config.sampler.engine == "transformers" else policy

    def _adapted(self, policy: Policy) -> Policy:
        """The policy with LoRA adapters on it, if they are asked for."""
        asked = self.config.policy
        if not asked.lora_rank:
            return policy
        rank, alpha, seed = asked.lora_rank, asked.lora_alpha, self.config.seed
        return replace(policy, model=with_adapters(policy.model, rank, alpha, seed, asked.revision))

    def _validated(self, step: int) -> bool:
        """Play the validation tasks; the policy is kept if it is the best so far, which is told."""
        learner = self._learner
        assert learner is not None  # noqa: S101 - it is the learner who calls
        with self._stage("validation"):
            learner.engine.serve(step)
            better = self._best.validate(step, learner.policy)
        self._on_stage("training")
        return better

    def _save(self, folder: Path) -> None:
        """Write the policy as it is now."""
        assert self._learner is not None  # noqa: S101 - what is chosen among was learned
        self._learner.save(folder)

    def tested_before(self, policy: Policy) -> JSON:
        """Figures of the policy that RL begins with on the test tasks; measured once."""
        return self._held_out.before(policy)

    def tested_after(self, policy: Policy) -> JSON:
        """Figures of the best policy, or without validation of the last, on the test tasks; measured once.

        Args:
            policy: The last one; it takes the weights of the best.
        """
        step = (self.best or {}).get("step")
        return self._held_out.after(policy, self.config.update.steps, step, self._learns(policy).restore)

    def test(self, name: str, policy: Policy, temperature: float) -> list[Rollout]:
        """Play the test tasks, one episode each.

        Args:
            name: What the test is called in the record; whatever it is, all policies share the draws.
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
        started, counted = perf_counter(), sum(self.seconds.values())
        yield
        within = sum(self.seconds.values()) - counted
        self.seconds[name] += perf_counter() - started - within


def _forget(rollouts: Sequence[Rollout], policy: str) -> None:
    """Keep no record."""
