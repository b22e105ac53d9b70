"""What a cold start is asked to do."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Gt, Le

TINY_RATE = 3e-3
"""Learning rate of a tiny policy, which learns every weight from nothing."""


@dataclass(frozen=True, slots=True)
class ScriptSettings:
    """How scripts are drawn (`flowsteer.training.sft.scripts`); each is a chance.

    Attributes:
        heed: That a turn of a role-ordered script adds what the canvas says a finish still needs, before the script's
            length is reached.
        free: That a script is legal edits drawn uniformly, without an order of roles.
        detour: That a turn of a role-ordered script is such an edit: what shows modify, delete, wraps and instructions.
        solvers: That a solver is put into a parallel with others.
        checks: That a check is put into a conditional or a loop with a repair.
    """

    heed: Annotated[float, Ge(0), Le(1)] = 0.0
    free: Annotated[float, Ge(0), Le(1)] = 0.1
    detour: Annotated[float, Ge(0), Le(1)] = 0.05
    solvers: Annotated[float, Ge(0), Le(1)] = 1 / 3
    checks: Annotated[float, Ge(0), Le(1)] = 1 / 3


DEFAULT = ScriptSettings()


@dataclass(frozen=True, slots=True)
class WarmupSettings(ScriptSettings):
    """The cold start: on scripts, on recorded episodes, or on both; on neither there is none.

    Attributes:
        run: A run folder with episodes of any Director to learn from.
        episodes: Scripts to play.
        backend: Who runs the operators of scripts; empty for the run's own executor. Scripts teach the action language
            and no choice, so a simulated one does where calls are slow or cost money.
        epochs: Times each episode is learned from.
        batch: Episodes an update.
        learning_rate: Its peak: a short rise, then a cosine to zero. None for that of a tiny policy; any other policy
            is given one of its own.
        recall: Weight of a second task for a tiny policy, to know at each own token type and features of the task
            (`flowsteer.training.sft.recall`); 0 for none.
        least_valid: Of each kind of action that was taught, so large a share must be accepted when the policy draws at
            temperature 1, or the run ends before RL; 0 for any. It is played until each kind was tried 30 times and is
            above that share or surely below it, for at most 400 episodes. What it tried more seldom than that, or
            never, is judged with all actions only.
    """

    run: Path | None = None
    episodes: Annotated[int, Ge(0)] = 0
    backend: str = ""
    epochs: Annotated[int, Ge(1)] = 1
    batch: Annotated[int, Ge(1)] = 16
    learning_rate: Annotated[float, Gt(0)] | None = None
    recall: Annotated[float, Ge(0)] = 0.0
    least_valid: Annotated[float, Ge(0), Le(1)] = 0.0

    @property
    def wanted(self) -> bool:
        """Whether there is a cold start."""
        return bool(self.episodes or self.run)

    @property
    def peak(self) -> float:
        """The peak of the learning rate."""
        return TINY_RATE if self.learning_rate is None else self.learning_rate
