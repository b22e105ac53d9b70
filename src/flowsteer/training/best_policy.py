"""Which policy of a run is the best: each is played on the validation tasks, and the best so far is kept in `best`.

What counts is the paper's R, whatever was paid, by type of task: half of a score is the mean over the types, half the
lowest of them, so that a policy that gives one type up loses against an even one. It is taken greedily and at the
temperature that training ends with, half each: a policy that is good only as a mode, or only by luck, is not the best.
Draws are the same for all policies. Of equals the earlier stays.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from flowsteer.datasets.base import Sample
from flowsteer.runs.files import read_json, write_json
from flowsteer.training.inference.distributed import Ranks
from flowsteer.training.policy.kept import best_of, replace_best
from flowsteer.training.policy.policy import Policy
from flowsteer.training.policy_tests import PolicyTests
from flowsteer.training.rollout.metrics import measure
from flowsteer.training.rollout.rollout import Rollout

JSON = dict[str, Any]

VALIDATION, CHOSEN = "validation.json", "chosen.json"
"""What the validation tasks said of each policy, by step; and in `best`, of the one that lies there."""

FIGURES = ("reward", "cwrpo", "accuracy", "gate_open", "valid", "finished")
OF_TYPES = ("cwrpo", "accuracy", "gate_open")


class BestPolicy:
    """Chooses among the policies of a run.

    Args:
        run: The run folder.
        tests: What plays the validation tasks.
        tasks: The validation tasks.
        temperature: At which they are played, besides greedily.
        ranks: The processes that share the run.
        save: Writes the policy as it is now into a folder.
    """

    def __init__(
        self,
        run: Path,
        tests: PolicyTests,
        tasks: Sequence[Sample],
        temperature: float,
        ranks: Ranks,
        save: Callable[[Path], None],
    ) -> None:
        self._run, self._tests, self._tasks, self._temperature = run, tests, tasks, temperature
        self._ranks, self._save = ranks, save

    def validate(self, step: int, policy: Policy) -> bool:
        """Play the validation tasks, write down what came of it, and keep the policy if it is the best so far.

        Args:
            step: Updates that the policy has behind it.
            policy: The policy.

        Returns:
            Whether it is.
        """
        known, standing = self._known(), self.chosen
        greedy, sampled = (
            self._tests.play(f"validation/{step}", policy, temperature, self._tasks, "validation")
            for temperature in (0.0, self._temperature)
        )
        entry = validation(greedy, sampled, self._temperature)
        by_reward = any(not isinstance(one, dict) for one in known.values())
        if better := _worth(entry, by_reward) > _worth(standing, by_reward):
            replace_best(self._run, lambda folder: self._write(folder, step, entry), self._ranks.first)
        if self._ranks.first:
            write_json(self._run / VALIDATION, known | {str(step): entry})
        self._ranks.wait()
        return better

    def knows(self, step: int) -> bool:
        """Whether the policy after a step was played on the validation tasks."""
        return str(step) in self._known()

    def forget_after(self, step: int) -> None:
        """Drop what was said of steps that will be taken again; the best policy stays until a better one comes."""
        if self._ranks.first and (known := self._known()):
            write_json(self._run / VALIDATION, {at: entry for at, entry in known.items() if int(at) <= step})

    @property
    def chosen(self) -> JSON | None:
        """What is told of the best policy: its `step`, and what `validation` said of it; None where there is none.

        Of one that an older version chose there is only the mean reward, greedily.
        """
        best = best_of(self._run)
        if best is None:
            return None
        found: JSON | None = read_json(best / CHOSEN)
        if found is None:
            rewards = [(entry, -int(at)) for at, entry in self._known().items() if isinstance(entry, int | float)]
            reward, at = max(rewards, default=(None, None))
            found = None if at is None else {"step": -at, "greedy": {"reward": reward}}
        return found

    def _known(self) -> JSON:
        found: JSON = read_json(self._run / VALIDATION) or {}
        return found

    def _write(self, folder: Path, step: int, entry: JSON) -> None:
        self._save(folder)
        if self._ranks.first:
            write_json(folder / CHOSEN, {"step": step} | entry)


def validation(greedy: Sequence[Rollout], sampled: Sequence[Rollout], temperature: float) -> JSON:
    """What the validation tasks say of a policy.

    Args:
        greedy: Its greedy episodes, one a task.
        sampled: Those at a temperature.
        temperature: The temperature.

    Returns:
        `score`, by which policies are compared (None if nothing could be graded), and under `greedy` and `sampled` the
        figures, with those of each type of task under `by_type`.
    """
    told = {"greedy": _figures(greedy), "sampled": {"temperature": temperature} | _figures(sampled)}
    scores = [score({kind: part["cwrpo"] for kind, part in one["by_type"].items()}) for one in told.values()]
    known = [value for value in scores if value is not None]
    return {"score": sum(known) / len(known) if known else None} | told


def score(by_type: dict[str, float | None]) -> float | None:
    """Half the mean over types of task, half the lowest of them; types of which nothing is known are left out.

    >>> score({"math": 0.9, "qa": 0.9, "code": 0.3}), score({"math": 0.65, "qa": 0.65, "code": 0.65})
    (0.5, 0.65)
    """
    values = [value for value in by_type.values() if value is not None]
    return (sum(values) / len(values) + min(values)) / 2 if values else None


def _figures(rollouts: Sequence[Rollout]) -> JSON:
    types = sorted({rollout.sample.task.type for rollout in rollouts})
    parts = {kind: measure([one for one in rollouts if one.sample.task.type == kind]) for kind in types}
    by_type = {kind: {name: part[name] for name in OF_TYPES} for kind, part in parts.items()}
    whole = measure(rollouts)
    return {name: whole[name] for name in FIGURES} | {"by_type": by_type}


def _worth(entry: JSON | None, by_reward: bool) -> float:
    """What a policy is compared by: its score; in a run that an older version began, its mean reward, greedily."""
    if entry is None:
        return -math.inf
    value = entry["greedy"]["reward"] if by_reward else entry.get("score")
    return -math.inf if value is None else float(value)
