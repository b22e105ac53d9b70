"""Whether a run may be begun in a folder, or gone on with there, and what of its results stays if it takes more steps.

How many steps a run takes is no part of what it is: a run of 100 steps can be gone on with to 200. Learning rate and
temperature then follow the schedule of 200 steps from where the run is.
"""

from math import isclose
from pathlib import Path
from typing import Any

from flowsteer.errors import RunError
from flowsteer.runs.config import CONFIG, stored_config
from flowsteer.runs.files import read_json
from flowsteer.training.inference.distributed import launched
from flowsteer.training.rl.learner import CHECKPOINTS, last_checkpoint, step_of

JSON = dict[str, Any]

BEFORE, AFTER, RESULT = "before.json", "after.json", "result.json"
"""Tests of the policy that RL begins with, and of what came of it; and all that a run came to."""


def with_recorded_steps(run: Path, settings: JSON) -> JSON:
    """The settings, with the steps that a run recorded among its own when they were still a part of what it is.

    Args:
        run: The run folder.
        settings: What must be the same for the run to be gone on with.
    """
    steps = _recorded_steps(run)
    return settings if steps is None else settings | {"update": settings["update"] | {"steps": steps}}


def check_folder(run: Path, resume: bool, steps: int) -> None:
    """A run is begun in a new folder, gone on with where there is one, and takes no step back.

    Args:
        run: The run folder.
        resume: Whether a run is to be gone on with.
        steps: Steps that are asked for.

    Raises:
        RunError: The folder holds a run and `resume` was not asked for, or none to resume, or one that has more steps
            behind it.
    """
    if run.exists() and not run.is_dir():
        raise RunError(f"{run} is a file", "name a folder with --run DIR")
    run_there = (run / CONFIG).is_file()
    if resume and not run_there:
        raise RunError(f"{run} holds no run to go on with", "name the folder of one with --run DIR")
    if launched().first and run_there and not resume:
        raise RunError(f"{run} holds a run already", "add --resume to go on with it, or name another with --run DIR")
    _refuse_fewer(run, steps)


def set_aside(run: Path, steps: int, temperature: float) -> None:
    """Keep results of fewer steps than are asked for now under a name with their number: `after_100.json`.

    A test of the start that an older version made at another temperature than the test it stands beside is set aside
    with them, as `before_T1.json`. The oldest tests name no temperature; they had draws of their own.

    Args:
        run: The run folder.
        steps: Steps that are asked for.
        temperature: At which policies are tested now, besides greedily.
    """
    then = (read_json(run / RESULT) or {}).get("steps", _recorded_steps(run) or 0)
    for name in (AFTER, RESULT):
        found = read_json(run / name)
        if found is not None and (was := found.get("steps", then)) < steps:
            _rename(run / name, str(was))
    before, after = read_json(run / BEFORE), read_json(run / AFTER)
    if before is not None:
        drawn, beside = _drawn_at(before), temperature if after is None else _drawn_at(after)
        if drawn != beside and not isclose(drawn or 0.0, beside or 0.0):
            _rename(run / BEFORE, f"T{drawn or 1.0:g}")


def _drawn_at(test: JSON) -> float | None:
    temperature: float | None = test.get("sampled", {}).get("temperature")
    return temperature


def _refuse_fewer(run: Path, steps: int) -> None:
    last = last_checkpoint(run / CHECKPOINTS)
    done = max(0 if last is None else step_of(last), (read_json(run / RESULT) or {}).get("steps", 0))
    if steps < done:
        raise RunError(
            f"{run} has {done} steps behind it, and update.steps = {steps} asks for fewer",
            f"--set update.steps={done} or more goes on with it; fewer need a new folder: --run DIR",
        )


def _recorded_steps(run: Path) -> int | None:
    """Steps among the settings of a run, if it is there and of a version that had them there.

    Raises:
        RunError: What is there is no run.
    """
    update = stored_config(run).get("update") if (run / CONFIG).is_file() else None
    steps: int | None = update.get("steps") if isinstance(update, dict) else None
    return steps


def _rename(file: Path, mark: str) -> None:
    file.rename(file.with_stem(f"{file.stem}_{mark}"))
