"""TRL: an `environment_factory` for GRPOTrainer; the model directs by calling a tool. Needs `flowsteer[train]`."""

from collections.abc import Callable
from functools import partial
from typing import Any

from flowsteer.environments.blocking import BlockingEpisode, Environment
from flowsteer.environments.played import EnvironmentStep

TOOL = "\n\nSend each action as the argument of the tool `edit`; its result is what the canvas answers."


class DirectorTool:
    """One rollout at a time: TRL resets it with a row, offers `edit` to the model, and asks what the rollout earned.

    Args:
        env: An open environment, shared by all rollouts.
    """

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._episode: BlockingEpisode | None = None
        self._step: EnvironmentStep | None = None

    def reset(self, sample: int = 0, seed: int = 0, **_: Any) -> None:
        """Begin an episode.

        Args:
            sample: The number of its sample.
            seed: Seed of the draws of its operators.
        """
        self._episode, self._step = self._env.reset(sample, seed), None

    def edit(self, action: str) -> str:
        """Edit the workflow, or finish it.

        Args:
            action: One action, such as <action>add</action><operator>Plan</operator>

        Returns:
            What the canvas answers.
        """
        if self._episode is None or self._episode.done:
            return "The episode is over; no further action is taken."
        self._step = None  # what is lost, or cannot be graded, has no reward
        self._step = self._episode.step(action)
        return self._step.feedback

    def get_reward(self) -> float | None:
        """The reward of what stands, also where the model stopped calling; None where it cannot be graded."""
        if self._episode is not None and not self._episode.done:
            self._step = None
            self._step = self._episode.stop("no further action")
        return None if self._step is None else self._step.reward


def trl_factory(env: Environment) -> Callable[[], DirectorTool]:
    """What GRPOTrainer takes as `environment_factory`.

    Args:
        env: An open environment; it stays open as long as the trainer runs.
    """
    return partial(DirectorTool, env)


def trl_rows(env: Environment) -> list[dict[str, Any]]:
    """A row for each sample: the prompt, and the number by which `reset` finds it again.

    Args:
        env: An open environment.

    >>> with Environment("simulated:math", executor="simulated:", n=2) as env:
    ...     [row["sample"] for row in trl_rows(env)]
    [0, 1]
    """
    rows = []
    for number in range(len(env)):
        system, question = env.reset(number).messages
        prompt = [{"role": "system", "content": system.content + TOOL}, {"role": "user", "content": question.content}]
        rows.append({"prompt": prompt, "sample": number})
    return rows
