"""A second task of the cold start: know at each own token what the episode is about.

What a small policy computes before it names an operator is nearly the same for tasks of all types, as scripts choose
evenly. So what RL teaches it on one type it also does on the others, until it does one thing on all. Here each of its
own tokens must also tell the words of the opening, which are type and features of the task, through fixed random
directions that are thrown away later. Tasks of different types then stay apart inside the policy, and no operator is
preferred for any.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from flowsteer.training.inference.trajectory import Trajectory
from flowsteer.training.policy.policy import SPREAD, Policy


@dataclass(frozen=True, slots=True)
class Recall:
    """The second task.

    Attributes:
        directions: What of a state speaks for a token; shape (width of a state, vocabulary).
        weight: Of its loss beside that of what scripts said.
    """

    directions: Tensor
    weight: float

    @classmethod
    def of(cls, policy: Policy, weight: float) -> "Recall":
        """The task for a policy; the same one each time."""
        rows, width = policy.model.get_output_embeddings().weight.shape
        drawn = torch.randn(width, rows, generator=torch.Generator().manual_seed(0))
        return cls((SPREAD * drawn).to(policy.model.device), weight)

    def loss(self, states: Tensor, rows: Tensor, batch: Sequence[Trajectory]) -> Tensor:
        """Weighted cross-entropy between what states tell and the words of their openings.

        Args:
            states: States of the last layer at own tokens; shape (own tokens, width).
            rows: For each of them the place of its trajectory in the batch; shape (own tokens,).
            batch: The trajectories.
        """
        words = torch.zeros(len(batch), self.directions.shape[1])
        for row, trajectory in enumerate(batch):
            for token in trajectory.prompt:
                words[row, token] = 1 / len(trajectory.prompt)
        told = states.float() @ self.directions
        return self.weight * torch.nn.functional.cross_entropy(told, words.to(states.device)[rows])
