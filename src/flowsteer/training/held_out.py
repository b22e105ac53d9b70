"""What a run comes to on the test tasks: its policy before and after, greedily and drawn, each measured once."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from flowsteer.runs.files import read_json
from flowsteer.training.policy.kept import best_of
from flowsteer.training.policy.policy import Policy
from flowsteer.training.policy_tests import figures
from flowsteer.training.resuming import AFTER, BEFORE
from flowsteer.training.rollout.rollout import Rollout

JSON = dict[str, Any]


class HeldOut:
    """The tests of a run, each kept in a file.

    Args:
        run: The run folder.
        play: Plays the test tasks: what the test is called, who is tested, at which temperature.
        temperature: At which policies are tested, besides greedily.
        write: Writes a file of JSON into the run folder.
    """

    def __init__(
        self,
        run: Path,
        play: Callable[[str, Policy, float], Sequence[Rollout]],
        temperature: float,
        write: Callable[[str, JSON], None],
    ) -> None:
        self._run, self._play, self._temperature, self._write = run, play, temperature, write

    def before(self, policy: Policy) -> JSON:
        """Figures of the policy that RL begins with."""
        found: JSON | None = read_json(self._run / BEFORE)
        if found is None:
            found = self._figures("before", policy)
            self._write(BEFORE, found)
        return found

    def after(self, policy: Policy, steps: int, best: int | None, restore: Callable[[Path, int], bool]) -> JSON:
        """Figures of the best policy, or without validation of the last.

        Args:
            policy: The last one; the best one's weights are put into it.
            steps: Updates that it has behind it.
            best: The step of the best one; None if none was chosen.
            restore: Puts the weights in a folder, those of a step, into the policy; False if that cannot be done.
        """
        found: JSON | None = read_json(self._run / AFTER)
        if found is None:
            tested, folder = f"policy@{steps}", best_of(self._run)
            if folder is not None and best is not None and (best == steps or restore(folder, best)):
                tested = f"best@{best}"
            found = self._figures("after", policy) | {"tested": tested, "steps": steps}
            self._write(AFTER, found)
        return found

    def _figures(self, name: str, policy: Policy) -> JSON:
        greedy, sampled = (self._play(name, policy, temperature) for temperature in (0.0, self._temperature))
        return figures(greedy) | {"sampled": {"temperature": self._temperature} | figures(sampled)}
