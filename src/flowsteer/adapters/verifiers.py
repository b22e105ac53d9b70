"""verifiers: a taskset and an environment whose agent is a Director; the module `flowsteer_verifiers` exports them."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import verifiers.v1 as vf
from openai import AsyncOpenAI
from pydantic import Field

from flowsteer.backends.models import default_executor
from flowsteer.datasets.base import Sample
from flowsteer.datasets.registry import load_samples
from flowsteer.environments.environment import environment
from flowsteer.errors import GraderError


class DirectorTaskData(vf.TaskData):
    """What of a task goes over the wire: the number of its sample, and nothing of its reference."""

    sample: int


class DirectorTask(vf.Task[DirectorTaskData]):
    """One sample; its environment asks and pays."""


class DirectorTasksetConfig(vf.TasksetConfig):
    """Which samples there are; see `flowsteer.environment`."""

    dataset: str = "simulated:math"
    data: Path | None = None
    split: str = "train"
    n: int | None = None


def _samples(asked: DirectorTasksetConfig) -> list[Sample]:
    return load_samples(asked.dataset, asked.split, asked.n, data=asked.data)


class DirectorTaskset(vf.Taskset[DirectorTask, DirectorTasksetConfig]):
    """The samples of a dataset."""

    def load(self) -> list[DirectorTask]:
        """Every sample as a task."""
        rows = enumerate(_samples(self.config))
        return [DirectorTask(DirectorTaskData(id=row.task.id, sample=n), self.config.task) for n, row in rows]


class DirectorHarness(vf.Harness[vf.HarnessConfig]):
    """Asks for one reply a turn, in this process; it starts no program and offers no tools."""

    APPENDS_SYSTEM_PROMPT, SUPPORTS_RESUME, EXECUTES_CODE, NEEDS_CONTAINER = True, True, False, False

    async def launch(
        self, ctx: Any, trace: Any, runtime: Any, endpoint: str, secret: str, mcp_urls: Any, data: vf.TaskData
    ) -> vf.ProgramResult:
        """Send the conversation so far; the trace keeps the reply."""
        told = [{"role": "system", "content": data.system_prompt}, *(turn.model_dump() for turn in data.prompt)]
        async with AsyncOpenAI(base_url=endpoint, api_key=secret) as client:
            await client.post("/chat/completions", cast_to=object, body={"model": ctx.model, "messages": told})
        return vf.ProgramResult(exit_code=0, stdout="", stderr="")


class DirectorEnvConfig(vf.EnvConfig):
    """Who directs, and what episodes are played with."""

    director: vf.AgentConfig = vf.AgentConfig(runtime=vf.SubprocessConfig())
    executor: str = Field(default_factory=default_executor)
    seed: int = 0


class DirectorEnv(vf.Env[DirectorEnvConfig]):
    """Plays an episode: the canvas is the user of the conversation; the terms of the reward are the trace's rewards."""

    async def start(self) -> None:
        """Connect the environment that all episodes share."""
        self._stack = AsyncExitStack()
        opened = environment(_samples(self.taskset.config), executor=self.config.executor)
        self._environment = await self._stack.enter_async_context(opened)

    async def stop(self) -> None:
        """Close it."""
        await self._stack.aclose()

    async def run(self, task: DirectorTask, agents: vf.Agents) -> None:
        """Play one episode; what cannot be graded is a failed episode, never a reward of 0."""
        episode = self._environment.reset(task.data.sample, self.config.seed)
        system, question = episode.messages
        asked = task.with_system_prompt(task.data.system_prompt or system.content)
        async with agents.director.interaction(asked) as run:
            segment = await run.turn(question.content)
            while not segment.terminated and not (step := await episode.step(segment.last_reply)).done:
                segment = await run.turn(step.feedback)
            if not episode.done:
                step = await episode.stop("the agent was stopped")
            if step.reward is None:  # raised within, so that the trace has the error, too
                raise GraderError(f"the answer cannot be graded: {step.info['grade']}", "leave this sample out")
        for name, value in step.terms.items():
            run.trace.record_reward(name, value)
        run.trace.record_metrics({"turns": float(step.info["turn"]), "calls": float(step.info["usage"].calls)})
