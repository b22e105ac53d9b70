"""A study: arms, worlds and seeds, each a training run; what is done is kept, and several processes may work at once.

    starts/KEY/           a cold start, shared by all cells it suits, with its tests in result.json
    cells/WORLD/ARM/SEED/ a run folder: metrics.jsonl, policy, the episodes of its tests, result.json
    locks/                held by who works on a start or a cell

Whoever finds a start or a cell neither done nor held does it; so the same command on the same folder resumes, and a
second one beside it helps. Draws of a test depend on seed, task and temperature only: arms share them.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from flowsteer.errors import BackendUnavailable, RunError
from flowsteer.runs.config import stored_config
from flowsteer.runs.differences import differences
from flowsteer.runs.files import read_json, write_json
from flowsteer.runs.folder import RunFolder
from flowsteer.study.study_config import Study, StudyCell, cell_settings, start_settings
from flowsteer.training.config import TrainingConfig

if TYPE_CHECKING:
    from flowsteer.training.rollout.rollout import Rollout

JSON = dict[str, Any]
RESULT, METRICS = "result.json", "metrics.jsonl"
PATIENCE = 1.0
"""Seconds between two looks for work while other processes do the rest."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A cold start or a cell, in its folder.

    Attributes:
        path: The folder.
        config: The training run.
        settings: What must be the same for the folder to be gone on with.
        swaps: The run as it is tested under each swap.
        temperatures: At which it is tested.
        start: The cold start that it begins with; None if it is one.
    """

    path: Path
    config: TrainingConfig
    settings: JSON
    swaps: Mapping[str, TrainingConfig]
    temperatures: tuple[float, ...]
    start: "Unit | None" = None

    @property
    def result(self) -> JSON:
        """What it came to so far.

        `executor`; wall `seconds` by stage, and `cpu` seconds in all, of the start that ended each stage; `tests`, the
        figures by temperature; `swaps`, the same by swap.

        Raises:
            RunError: It was made with other settings.
        """
        found: JSON = read_json(self.path / RESULT) or {}
        if not found:
            return {}
        stored, wanted = stored_config(self.path), json.loads(json.dumps(self.settings))
        if stored != wanted:
            raise RunError(
                f"{self.path} was made with other settings: {differences(stored, wanted)}",
                "undo the change of the study file, or start a new study: --run DIR",
            )
        return found

    @property
    def done(self) -> bool:
        """Whether nothing is left to do, in its cold start either."""
        return not any(True for _ in self.left(self.result)) and (self.start is None or self.start.done)

    def left(self, result: JSON) -> Iterator[tuple[str, float]]:
        """Tests that are still to be made: the swap, empty for none, and the temperature.

        One that lost episodes to infrastructure is made again: its figures are not of the tasks of the other arms.
        """
        for swap in ("", *self.swaps):
            found = result.get("swaps", {}).get(swap, {}) if swap else result.get("tests", {})
            made = {temperature for temperature, figures in found.items() if not figures.get("lost")}
            yield from ((swap, value) for value in self.temperatures if f"{value:g}" not in made)


class LostTests(BackendUnavailable):
    """Episodes of some tests of a unit were lost, so that these tests are still to be made; the others are kept."""


def unit_of(cell: StudyCell, study: Study, run: Path) -> Unit:
    """A cell as a folder under `run`; its cold start is another."""
    temperatures = study.config.temperatures
    start = Unit(run / "starts" / cell.start, cell.config, start_settings(cell.config), cell.swaps, temperatures)
    settings = {"command": "train"} | cell_settings(cell.config) | {"start": cell.start}
    return Unit(run / "cells" / cell.name, cell.config, settings, cell.swaps, temperatures, start)


def units_of(study: Study, run: Path) -> list[Unit]:
    """All cells of a study as folders under `run`."""
    return [unit_of(cell, study, run) for cell in study.cells]


def work(study: Study, run: Path, on_change: Callable[[], None] = lambda: None) -> None:
    """Do what is left of a study; come back when all is done, whoever did it.

    Args:
        study: The study.
        run: Its folder.
        on_change: Called after every update and every test.

    Raises:
        RunError: The folder holds a study with other settings, or cannot be written.
        BackendUnavailable: A backend cannot be reached, or is lost; the same call later goes on. If single episodes of
            a test were lost, that is told once all that can be done is done.
        SandboxError: The sandbox asked for is not there; likewise.
        BudgetExceeded: A run's budget is spent; likewise.
    """
    units, lost = units_of(study, run), dict[Path, LostTests]()
    left = units

    def attempt(unit: Unit) -> bool:
        try:
            return _attempt(unit, run, on_change)
        except LostTests as error:
            lost[unit.path] = error
            return True

    while left := [unit for unit in left if not (unit.done or unit.path in lost)]:
        moved = False
        for unit in left:
            if unit.start is not None and unit.start.path not in lost:
                moved |= attempt(unit.start)
            if unit.start is None or unit.start.done:
                moved |= attempt(unit)
            elif unit.start.path in lost:
                lost[unit.path] = lost[unit.start.path]
        if not moved:
            time.sleep(PATIENCE)
    for unit in units:
        if unit.path in lost and not unit.done:
            raise lost[unit.path]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a study is.

    Attributes:
        done: Cells that are done.
        cells: All cells.
        share: Share of the updates and tests that are made; cold starts come on top.
        running: Cells that are under way, by name.
    """

    done: int
    cells: int
    share: float
    running: tuple[str, ...]


def standing(cells: Sequence[Unit]) -> Standing:
    """How far these cells are; whoever works on them."""
    done, made, asked, running = 0, 0.0, 0, []
    for unit in cells:
        steps = unit.config.update.steps
        total = steps + 1
        metrics = unit.path / METRICS
        taken = min(steps, metrics.read_bytes().count(b"\n")) if metrics.exists() else 0
        if unit.done:
            done, taken = done + 1, total
        elif taken:
            running.append(f"{'/'.join(unit.path.parts[-3:])} {taken}/{steps}")
        made, asked = made + taken, asked + total
    return Standing(done, len(cells), made / asked, tuple(running))


def _attempt(unit: Unit, run: Path, on_change: Callable[[], None]) -> bool:
    """Do a unit unless it is done or held by another process.

    Returns:
        Whether something was done.
    """
    if unit.done:
        return False
    with _claimed(run / "locks" / "-".join(unit.path.relative_to(run).parts)) as mine:
        if not mine or unit.done:
            return False
        _do(unit, on_change)
        return True


@contextmanager
def _claimed(lock: Path) -> Iterator[bool]:
    """Hold a lock, if nobody else does; it is free again when the process ends, however it ends."""
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(lock, blocking=False).acquire()
    except Timeout:
        yield False
        return
    except OSError as error:
        raise RunError(f"cannot write {lock}: {error.strerror}", "name another folder with --run DIR") from error
    with held:
        yield True


def _do(unit: Unit, on_change: Callable[[], None]) -> None:
    """Make the policy, unless it is there, and the tests that are missing; each is kept as soon as it is made.

    Raises:
        LostTests: Episodes of a test were lost; it is not kept, and all others are made before.
    """
    result = unit.result
    if unit.start is not None and not unit.config.update.steps:
        _copy(unit, unit.start, on_change)
        return
    if not result:
        result = _made(unit, on_change)
        _keep(unit, result, on_change)
    lost = ""
    for swap in ("", *unit.swaps):
        temperatures = [temperature for place, temperature in unit.left(result) if place == swap]
        began = time.process_time()
        for temperature, figures, seconds, why in _tested(unit, swap, temperatures):
            if figures["lost"]:
                lost = f"{figures['lost']} of {figures['episodes']} test episodes of {unit.path} were lost: {why}"
                began = time.process_time()
                continue
            part = result["swaps"].setdefault(swap, {}) if swap else result["tests"]
            part[f"{temperature:g}"] = figures
            result["seconds"]["swaps" if swap else "test"] += seconds
            result["cpu"] += time.process_time() - began
            began = time.process_time()
            _keep(unit, result, on_change)
    if lost:
        raise LostTests(lost, "mend that, and run the same command again: it makes these tests anew")


def _copy(unit: Unit, start: Unit, on_change: Callable[[], None]) -> None:
    """Without RL a cell is its cold start."""
    with RunFolder.create(unit.path, unit.settings):
        nothing = dict.fromkeys(start.result["seconds"], 0.0)
        _keep(unit, start.result | {"seconds": nothing, "cpu": 0.0}, on_change)


def _made(unit: Unit, on_change: Callable[[], None]) -> JSON:
    """Make the policy of a unit; a run that was broken off goes on from its last checkpoint."""
    from flowsteer.training.policy.kept import START
    from flowsteer.training.rl.learner import CHECKPOINTS
    from flowsteer.training.run import open_run

    began = time.process_time()
    with open_run(unit.config, unit.path, unit.settings, record=False) as run:
        policy = run.start((unit.start or unit).path / START)
        if unit.start is not None:
            run.learned(policy, True, lambda metrics: on_change())
            shutil.rmtree(unit.path / CHECKPOINTS, ignore_errors=True)
        seconds = run.seconds | {"swaps": 0.0}
        cpu = time.process_time() - began
        return {"executor": run.executor, "seconds": seconds, "cpu": cpu, "tests": {}, "swaps": {}}


def _tested(unit: Unit, swap: str, temperatures: Sequence[float]) -> Iterator[tuple[float, JSON, float, str]]:
    """Test the policy of a unit, unchanged, in its own world or under a swap.

    Yields:
        For each temperature the figures, the seconds that took, and why the first lost episode was lost.
    """
    if not temperatures:
        return
    from flowsteer.training.policy.kept import START, TRAINED, taken
    from flowsteer.training.policy.policy import load_policy
    from flowsteer.training.policy_tests import TEST, figures
    from flowsteer.training.rollout.metrics import shapes
    from flowsteer.training.run import open_run

    asked = unit.config.policy
    made = (taken(unit.path) or unit.path / TRAINED) if unit.start else unit.path / START
    policy = load_policy(str(made), asked.task_chars, asked.dtype)
    config = unit.swaps[swap] if swap else unit.config
    path = unit.path / "swaps" / swap if swap else unit.path
    of_swap = cell_settings if unit.start else start_settings
    settings = unit.settings | {"swap": of_swap(config)} if swap else unit.settings
    with open_run(config, path, settings) as run:
        for temperature in temperatures:
            before = run.seconds["test"]
            rollouts = run.test(TEST, policy, temperature)
            found = figures(rollouts) | {"shapes": shapes(rollouts), "scores": _scores(rollouts)}
            why = next((one.lost.message for one in rollouts if one.lost is not None), "")
            yield temperature, {"executor": run.executor} | found, run.seconds["test"] - before, why


def _scores(rollouts: "Sequence[Rollout]") -> dict[str, tuple[float | None, float | None]]:
    """R_ans and the paper's R of every task, for paired comparisons."""
    return {
        f"{rollout.sample.task.dataset}/{rollout.sample.task.id}": (rollout.reward.answer, rollout.reward.paper)
        for rollout in rollouts
        if not rollout.lost
    }


def _keep(unit: Unit, result: JSON, on_change: Callable[[], None]) -> None:
    write_json(unit.path / RESULT, result)
    on_change()
