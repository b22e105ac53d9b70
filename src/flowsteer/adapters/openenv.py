"""OpenEnv: an environment of ours as a server that its clients reset and step. Needs `flowsteer[openenv]`."""

from dataclasses import asdict
from functools import partial
from typing import Any

from fastapi import FastAPI
from openenv.core.env_server import Action, State, create_app
from openenv.core.env_server import Environment as OpenEnvEnvironment
from openenv.core.env_server import Observation as OpenEnvObservation
from pydantic import Field

from flowsteer.environments.blocking import BlockingEpisode, Environment
from flowsteer.environments.played import EnvironmentStep
from flowsteer.errors import ConfigError


class DirectorAction(Action):
    """What a Director says: one action in text, thinking before it or not."""

    text: str


class DirectorObservation(OpenEnvObservation):
    """What a Director reads, and at the end what it is paid for.

    Attributes:
        messages: All that an LLM reads before its next turn, each with `role` and `content`.
        feedback: What the canvas answered last.
        terms: What the reward consists of; empty before the end.
        info: The rest, as in `EnvironmentStep.info`.
    """

    messages: list[dict[str, str]] = Field(default_factory=list)
    feedback: str = ""
    terms: dict[str, float] = Field(default_factory=dict)
    info: dict[str, Any] = Field(default_factory=dict)


class DirectorServerEnvironment(OpenEnvEnvironment[DirectorAction, DirectorObservation, State]):
    """One client's seat: it plays one episode after the other in an environment that all seats share."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self, env: Environment) -> None:
        super().__init__()
        self._env = env
        self._episode: BlockingEpisode | None = None
        self._state = State()

    def reset(
        self, seed: int | None = None, episode_id: str | None = None, index: int = 0, **_: Any
    ) -> DirectorObservation:
        """A new episode on the sample of that index."""
        self._episode = self._env.reset(index, seed or 0)
        self._state = State(episode_id=episode_id or self._episode.id)
        return self._seen(self._episode)

    def step(self, action: DirectorAction, timeout_s: float | None = None, **_: Any) -> DirectorObservation:
        """Take one turn; what is no action is answered by the canvas."""
        if self._episode is None:
            raise ConfigError("no episode is played", "reset first")
        step = self._episode.step(action.text)
        self._state.step_count = step.info["turn"]
        return self._seen(self._episode, step)

    @property
    def state(self) -> State:
        """Which episode, and how many turns it has taken."""
        return self._state

    def list_splits(self) -> list[str]:
        """The one split that is served."""
        return ["served"]

    def num_tasks(self, split: str) -> int:
        """How many samples there are; `reset` takes the index of one."""
        return len(self._env)

    def _seen(self, episode: BlockingEpisode, step: EnvironmentStep | None = None) -> DirectorObservation:
        messages = [{"role": message.role, "content": message.content} for message in episode.messages]
        if step is None:
            return DirectorObservation(reward=0.0, messages=messages)
        info = {**step.info, "usage": asdict(step.info["usage"])}
        told = {"feedback": step.feedback, "terms": dict(step.terms), "info": info}
        return DirectorObservation(done=step.done, reward=step.reward, messages=messages, **told)


def openenv_app(env: Environment, most_clients: int = 64) -> FastAPI:
    """The server of an open environment, for uvicorn.

    Args:
        env: The environment; it stays open as long as the server runs.
        most_clients: Most clients at once.
    """
    seat = partial(DirectorServerEnvironment, env)
    app: FastAPI = create_app(seat, DirectorAction, DirectorObservation, "flowsteer", max_concurrent_envs=most_clients)
    return app
