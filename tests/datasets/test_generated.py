"""Simulated and procedural tasks, and the laws of splits."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsteer.backends.simulated_world import HARD, PROBE, line, truth, world
from flowsteer.datasets.procedural import FAMILIES, procedural_samples, verify
from flowsteer.datasets.registry import load_samples
from flowsteer.datasets.rows import sample_from_row
from flowsteer.datasets.simulated_tasks import HIDDEN_PROBES, TYPES, simulated_samples
from flowsteer.datasets.splits import check_disjoint, overlap, shuffled, split, take
from flowsteer.errors import ConfigError
from flowsteer.sandbox.base import Program
from flowsteer.sandbox.monty import MontySandbox


def test_simulated_tasks_by_seed_and_split():
    first = load_samples("simulated", "train", 90, seed=1)
    assert first == load_samples("simulated", "train", 90, seed=1)
    assert [one.task.type for one in first[:6]] == [*TYPES, *TYPES]
    assert len(load_samples("simulated")) == 128
    parts = {part: load_samples("simulated", part, 90, seed=1) for part in ("train", "validation", "test")}
    check_disjoint(parts | {"another seed": load_samples("simulated", "train", 90, seed=2)})


def test_simulated_golds_are_the_worlds_truth_and_stand_in_no_task():
    hard = 0
    for one in load_samples("simulated", "test", 300):
        assert one.reference.gold == truth(one.task)
        shown = one.task.question + one.task.context + one.task.prompt_code + one.task.answer_form
        assert one.reference.gold not in shown
        hard += HARD in one.task.question
        assert (one.reference.meta["difficulty"] == "hard") == (HARD in one.task.question)
    assert 100 < hard < 200


async def test_simulated_code_tests_tell_right_from_wrong():
    sandbox = MontySandbox()
    for one in islice(simulated_samples("train", 0, ("code",)), 10):
        here, public, hidden = world(one.task), one.task.public_tests.code, one.reference.tests.code
        assert str(PROBE) not in map(str, HIDDEN_PROBES)
        assert line(one.task.question).program("solve") == one.reference.solution
        for code, passes in [
            (here.answers[0], (True, True)),
            (here.answers[1], (False, False)),
            (here.sly[1], (True, False)),
        ]:
            ran = [await sandbox.run(Program(f"{code}\n{tests}")) for tests in (public, hidden)]
            assert tuple(one.status == "ok" for one in ran) == passes
    await sandbox.aclose()


def test_procedural_families_verify_their_own_answers_and_no_others():
    pytest.importorskip("reasoning_gym")
    assert len(FAMILIES) >= 12
    for one in islice(procedural_samples("train"), 3 * len(FAMILIES)):
        assert verify(one.reference, one.reference.answers[0]) == 1.0
        assert one.reference.answers[0].strip()
        assert FAMILIES[one.reference.meta["family"]] == one.task.type


def test_procedural_splits_share_nothing_whatever_the_seed():
    pytest.importorskip("reasoning_gym")
    train = [one for seed in (0, 1) for one in load_samples("procedural:calendar_arithmetic", "train", 80, seed)]
    test = [one for seed in (0, 1) for one in load_samples("procedural:calendar_arithmetic", "test", 20, seed)]
    assert overlap(train, test) == []
    assert load_samples("procedural:gcd", "test", 5, 7) == load_samples("procedural:gcd", "test", 5, 7)


def test_procedural_names_are_checked():
    for wrong in (("test", ("sudoku9",)), ("dev", ("gcd",))):
        with pytest.raises(ConfigError):
            next(procedural_samples(wrong[0], 0, wrong[1]))


def samples(n, kind="math", start=0):
    return [
        sample_from_row({"id": f"own/{k}", "type": kind, "question": f"{k}?", "answer": "1"})
        for k in range(start, start + n)
    ]


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 5))
def test_splits_are_disjoint_whole_and_repeatable(validation, test, seed):
    rows = samples(80)
    parts = split(rows, validation, test, seed)
    assert (len(parts.validation), len(parts.test)) == (validation, test)
    named = {"train": parts.train, "validation": parts.validation, "test": parts.test}
    check_disjoint(named)
    assert sorted(one.task.id for part in named.values() for one in part) == sorted(one.task.id for one in rows)
    assert parts == split(rows[::-1], validation, test, seed)


@given(st.sets(st.integers(0, 79)), st.integers(0, 5))
def test_a_row_more_or_less_moves_no_other(left_out, seed):
    rows = samples(80)
    kept = [one for number, one in enumerate(rows) if number not in left_out]
    assert [one for one in shuffled(rows, seed) if one in kept] == shuffled(kept, seed)


def test_take_draws_by_seed_and_counts():
    rows = samples(50)
    assert take(rows, 10, 1) == take(rows[::-1], 10, 1) != take(rows, 10, 2)
    assert take(rows, 10, 1) == take(rows, 20, 1)[:10]
    assert take(rows, None) == rows
    with pytest.raises(ConfigError, match="only 50"):
        take(rows, 51)
    with pytest.raises(ConfigError, match="own/0"):
        take([*rows, rows[0]], 1)
    with pytest.raises(ConfigError, match="need more than the 50"):
        split(rows, 30, 30)


def test_overlaps_are_found_by_id_and_by_content():
    one, other = samples(5), samples(5, start=4)
    assert overlap(one, other) == ["own/4"]
    copied = [sample_from_row({"id": "copy", "type": "math", "question": "0?", "answer": "1"})]
    assert overlap(one, copied) == ["copy"]
    with pytest.raises(ConfigError, match="train and test share 1 tasks, such as own/4"):
        check_disjoint({"train": one, "test": other})
