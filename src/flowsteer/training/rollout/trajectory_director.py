"""The policy in training as Director of one episode: what it samples is kept token for token (invariant 3)."""

from time import perf_counter

from flowsteer.canvas.director import Observation, Turn
from flowsteer.errors import ConfigError
from flowsteer.training.inference.sampling_engine import Row
from flowsteer.training.inference.trajectory import DrawSettings, Trajectory
from flowsteer.training.policy.policy import Policy
from flowsteer.training.policy_director import grammar_for, room_for_turn, turn_of


class TrajectoryDirector:
    """Directs one episode; another one needs another object.

    Args:
        policy: Who speaks.
        row: The episode's place in the engine that draws the policy's tokens.
        limits: How long a turn and an episode may be.
        spec: What to call the policy in the record: the weights it has now.

    Attributes:
        spec: That name.
        trajectory: The episode's tokens so far.
    """

    def __init__(self, policy: Policy, row: Row, limits: DrawSettings, spec: str) -> None:
        self._policy, self._row, self._limits = policy, row, limits
        self.spec = spec
        self.trajectory = Trajectory()

    async def act(self, observation: Observation) -> Turn:
        """Read what the canvas said, and sample the next turn.

        Raises:
            NoTurn: The episode has no room for another turn.
            ConfigError: Its prompt alone leaves no room for one.
            BackendUnavailable: The engine cannot be reached.
            PolicySyncError: The engine does not have the policy's weights.
        """
        trajectory, first = self.trajectory, not observation.history
        new = self._prompt(observation) if first else self._heard(observation)
        room = room_for_turn(len(trajectory) + len(new), self._limits)
        if first:
            trajectory.prompt = tuple(new)
        else:
            trajectory.said(new)
        read, started = len(trajectory), perf_counter()
        drawn = await self._row.draw(new, room, grammar_for(observation, self._limits))
        for token, logprob in zip(drawn.ids, drawn.logprobs, strict=True):
            trajectory.sampled(token, logprob)
        trajectory.allowed += drawn.allowed
        return turn_of(self._policy, drawn, observation, read, perf_counter() - started)

    def _prompt(self, observation: Observation) -> list[int]:
        """What stands before the first turn."""
        prompt = self._policy.encode(self._policy.view.opening(observation))
        if len(prompt) >= self._limits.episode_tokens:
            raise ConfigError(
                f"the prompt alone has {len(prompt)} tokens; an episode may have {self._limits.episode_tokens}",
                f"--set sampler.episode_tokens={4 * len(prompt)}",
            )
        return prompt

    def _heard(self, observation: Observation) -> list[int]:
        """What stands between the last turn and the next; the canvas ends a turn that was cut."""
        cut = self.trajectory.ids[-1] != self._policy.end
        heard = self._policy.encode(self._policy.view.answer(observation.history[-1].feedback, observation.task))
        return [*([self._policy.end] if cut else []), *heard]
