"""The figures of a study, as far as it is: curves, tests, differences from the reference arm, collapses, seconds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from flowsteer.reporting.statistics import Comparison, Estimate, holm
from flowsteer.runs.files import read_lines
from flowsteer.study.cells import METRICS, unit_of
from flowsteer.study.seed_statistics import over_seeds, paired
from flowsteer.study.study_config import Study, StudyCell

JSON = dict[str, Any]
START = "cold start"
"""What the policy before RL is called among the arms."""

FIGURES = (
    "accuracy", "cwrpo", "gate_open", "valid", "finished", "turns", "operators", "operator_types", "shape_bits",
    "one_step", "padded", "repeated", "unscorable",
)  # fmt: skip
"""Figures of a test that are reported; see `flowsteer.training.rollout.metrics.measure`."""

SHARES = frozenset({"accuracy", "gate_open", "valid", "finished", "one_step", "padded", "repeated"})
"""Those between 0 and 1, which reports give in percent."""

CURVES = ("cwrpo", "accuracy", "gate_open", "valid")
"""Figures that are followed along training."""

Measure = Literal["accuracy", "cwrpo"]
COMPARED: tuple[Measure, ...] = ("accuracy", "cwrpo")
"""Figures that are compared task by task, in the order in which results keep them."""

SMOOTH = 5
"""A point of a curve is the mean of so many steps of one seed."""

COLLAPSED = 0.5
"""A policy has collapsed if fewer of its turns are accepted, or if it earns less of the paper's R than its start."""


@dataclass(frozen=True, slots=True)
class ArmRow:
    """One arm under one test.

    Attributes:
        world: The world.
        swap: The swap; empty for none.
        temperature: Of the test.
        arm: The arm, or `START`.
        figures: Means over seeds; None where there is nothing to measure.
        by_type: Accuracy by type of task.
        collapsed: Seeds whose policy collapsed.
        seeds: Seeds that are done.
    """

    world: str
    swap: str
    temperature: float
    arm: str
    figures: dict[str, Estimate | None]
    by_type: dict[str, Estimate | None]
    collapsed: int
    seeds: int


@dataclass(frozen=True, slots=True)
class ArmDifference:
    """Two arms, or one with and without a swap, on the same tasks with the same seeds.

    Attributes:
        world: The world.
        swap: The swap; empty for none.
        temperature: Of the test.
        measure: What is compared.
        arm: The arm.
        minus: What it is compared with.
        comparison: The difference.
        p_holm: Its p-value, corrected for the other arms of the same world, temperature and measure.
    """

    world: str
    swap: str
    temperature: float
    measure: Measure
    arm: str
    minus: str
    comparison: Comparison
    p_holm: float


@dataclass(frozen=True, slots=True)
class Curve:
    """A figure along training.

    Attributes:
        world: The world.
        arm: The arm.
        figure: One of `CURVES`.
        steps: The steps behind which it is known.
        points: After each of them, the mean over seeds.
    """

    world: str
    arm: str
    figure: str
    steps: tuple[int, ...]
    points: tuple[Estimate, ...]


@dataclass(frozen=True, slots=True)
class Seconds:
    """Wall time of a cell or a start.

    Attributes:
        what: The arm, or `START`.
        world: The world.
        stages: Mean over seeds, by stage.
        cpu: Mean over seeds of the processor's seconds in all; None if they were not recorded.
        most: Of all stages together, the longest.
    """

    what: str
    world: str
    stages: dict[str, float]
    cpu: float | None
    most: float


@dataclass(frozen=True, slots=True)
class StudySummary:
    """All figures of a study.

    Attributes:
        done: Cells that are done.
        cells: All cells.
        executors: Specs of the executors by world, and by world and swap.
        rows: Tests.
        differences: Of the arms from the reference, and of each arm under a swap from the same arm without.
        curves: Along training.
        seconds: Wall time.
    """

    done: int
    cells: int
    executors: dict[str, tuple[str, ...]]
    rows: tuple[ArmRow, ...]
    differences: tuple[ArmDifference, ...]
    curves: tuple[Curve, ...]
    seconds: tuple[Seconds, ...]


@dataclass(frozen=True, slots=True)
class _Done:
    """A cell that is done, with its cold start.

    Attributes:
        cell: The cell.
        path: Its folder.
        result: Its result.
        start: The result of its cold start.
    """

    cell: StudyCell
    path: Path
    result: JSON
    start: JSON

    def test(self, arm: str, swap: str, temperature: float) -> JSON:
        """The figures of a test of the trained policy, or of its cold start."""
        result = self.start if arm == START else self.result
        found: JSON = (result["swaps"][swap] if swap else result["tests"])[f"{temperature:g}"]
        return found


def named(temperature: float) -> str:
    """What tests at a temperature are called."""
    return "greedy" if temperature == 0 else f"T = {temperature:g}"


def summarise(study: Study, run: Path) -> StudySummary:
    """The figures of all cells that are done.

    Raises:
        RunError: The folder holds a study with other settings.
    """
    found = list(_finished(study, run))
    conditions = [
        (world, swap, temperature)
        for world in study.config.worlds
        for swap in ("", *study.config.swaps)
        for temperature in study.config.temperatures
    ]
    return StudySummary(
        done=len(found),
        cells=len(study.cells),
        executors=_executors(found),
        rows=tuple(row for condition in conditions for row in _rows(study, found, *condition)),
        differences=tuple(one for condition in conditions for one in _differences(study, found, *condition)),
        curves=tuple(_curves(study, found)),
        seconds=tuple(_seconds(study, found)),
    )


def _finished(study: Study, run: Path) -> Iterator[_Done]:
    for cell in study.cells:
        unit = unit_of(cell, study, run)
        if unit.done and unit.start is not None:
            yield _Done(cell, unit.path, unit.result, unit.start.result)


def _of(found: Sequence[_Done], world: str, arm: str) -> list[_Done]:
    return [one for one in found if (one.cell.world, one.cell.arm) == (world, arm)]


def _executors(found: Sequence[_Done]) -> dict[str, tuple[str, ...]]:
    specs: dict[str, set[str]] = {}
    for one in found:
        specs.setdefault(one.cell.world, set()).add(one.result["executor"])
        for swap, tests in one.result["swaps"].items():
            specs.setdefault(f"{one.cell.world}, {swap}", set()).update(test["executor"] for test in tests.values())
    return {name: tuple(sorted(given)) for name, given in specs.items()}


def _rows(study: Study, found: Sequence[_Done], world: str, swap: str, temperature: float) -> Iterator[ArmRow]:
    for arm in (START, *study.config.arms):
        of_arm = _of(found, world, study.config.reference if arm == START else arm)
        if not of_arm:
            continue
        tests = [one.test(arm, swap, temperature) for one in of_arm]
        starts = [one.test(START, swap, temperature) for one in of_arm]
        types = sorted({kind for test in tests for kind in test["by_type"]})
        yield ArmRow(
            world,
            swap,
            temperature,
            arm,
            {name: over_seeds(_known(tests, name), name in SHARES) for name in FIGURES},
            {kind: over_seeds(_known([test["by_type"] for test in tests], kind), True) for kind in types},
            sum(collapsed(test, start) for test, start in zip(tests, starts, strict=True)),
            len(tests),
        )


def _known(tests: Sequence[JSON], name: str) -> list[float]:
    return [test[name] for test in tests if test.get(name) is not None]


def collapsed(test: JSON, start: JSON) -> bool:
    """Whether a policy is worse off than it began: fewer than half its turns are valid, or R is under its start's.

    >>> collapsed({"valid": 0.9, "cwrpo": 0.1}, {"valid": 0.9, "cwrpo": 0.2})
    True
    """
    valid, earned, before = test["valid"], test["cwrpo"], start["cwrpo"]
    return (valid is not None and valid < COLLAPSED) or (earned is not None and before is not None and earned < before)


def _differences(
    study: Study, found: Sequence[_Done], world: str, swap: str, temperature: float
) -> Iterator[ArmDifference]:
    """Each arm's differences from the reference arm, or under a swap from the same arm without."""
    reference = study.config.reference
    base = {one.cell.seed: one for one in _of(found, world, reference)}
    for place, measure in enumerate(COMPARED):
        family: list[tuple[str, Comparison]] = []
        for arm in study.config.arms:
            of_arm = _of(found, world, arm)
            if swap:
                pairs = [(one, one) for one in of_arm]
            else:
                pairs = [(one, base[one.cell.seed]) for one in of_arm if arm != reference and one.cell.seed in base]
            by_seed = (_over_tasks(one, other, swap, temperature, place) for one, other in pairs)
            compared = paired([difference for difference in by_seed if difference is not None])
            if compared is not None:
                family.append((arm, compared))
        corrected = holm([compared.p for _, compared in family])
        for (arm, compared), p in zip(family, corrected, strict=True):
            yield ArmDifference(world, swap, temperature, measure, arm, arm if swap else reference, compared, p)


def _over_tasks(one: _Done, other: _Done, swap: str, temperature: float, place: int) -> float | None:
    """The mean difference, of one under a swap from the other without, over the tasks that have a score in both."""
    first = one.test(one.cell.arm, swap, temperature)["scores"]
    second = other.test(other.cell.arm, "", temperature)["scores"]
    pairs = [(first[task][place], second[task][place]) for task in first if task in second]
    differences = [a - b for a, b in pairs if a is not None and b is not None]
    return fmean(differences) if differences else None


def _curves(study: Study, found: Sequence[_Done]) -> Iterator[Curve]:
    for world in study.config.worlds:
        for arm in study.config.arms:
            runs = [list(read_lines(one.path / METRICS)) for one in _of(found, world, arm)]
            for figure in CURVES:
                smooth = [_smoothed([step.get(f"episodes/{figure}") for step in steps]) for steps in runs]
                known = [[value for value in at if value is not None] for at in zip(*smooth, strict=False)]
                points = {step: over_seeds(values, figure in SHARES) for step, values in enumerate(known, 1)}
                drawn = {step: point for step, point in points.items() if point is not None}
                if drawn:
                    yield Curve(world, arm, figure, tuple(drawn), tuple(drawn.values()))


def _smoothed(values: Sequence[float | None]) -> list[float | None]:
    """Each value's mean with those just before it.

    >>> _smoothed([1.0, None, 2.0])
    [1.0, 1.0, 1.5]
    """
    windows = ([v for v in values[max(0, end - SMOOTH) : end] if v is not None] for end in range(1, len(values) + 1))
    return [fmean(window) if window else None for window in windows]


def _seconds(study: Study, found: Sequence[_Done]) -> Iterator[Seconds]:
    for world in study.config.worlds:
        for arm in (START, *study.config.arms):
            of_arm = _of(found, world, study.config.reference if arm == START else arm)
            results = [one.start if arm == START else one.result for one in of_arm]
            spent = [result["seconds"] for result in results]
            if spent:
                stages = {stage: fmean(one[stage] for one in spent) for stage in spent[0]}
                cpu = fmean(result["cpu"] for result in results) if all("cpu" in result for result in results) else None
                yield Seconds(arm, world, stages, cpu, max(sum(one.values()) for one in spent))
