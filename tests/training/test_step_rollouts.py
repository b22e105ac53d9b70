"""Groups that teach nothing give way to fresh ones, the same ones whoever plays and however often a run was stopped."""

from threading import Barrier, Thread
from types import SimpleNamespace

import pytest

pytest.importorskip("torch", reason="needs the extra: pip install 'flowsteer[train]'")
pytest.importorskip("trl", reason="needs the extra: pip install 'flowsteer[train]'")

from flowsteer.errors import BackendUnavailable
from flowsteer.training.data import Schedule
from flowsteer.training.inference.distributed import Ranks
from flowsteer.training.rl.cwrpo import fresh_row, groups_of
from flowsteer.training.rl.settings import UpdateSettings
from flowsteer.training.rl.step_rollouts import rolled_out
from training.small import samples

TASKS = Schedule(samples(900), 0)
GROUPS, GROUP, STEP = 4, 3, 5
OWN = [(STEP - 1) * GROUPS + place // GROUP for place in range(GROUPS * GROUP)]


def settings(dynamic):
    return UpdateSettings(groups=GROUPS, group=GROUP, dynamic=dynamic)


def playing(teaches, gone=lambda row: False):
    """Plays: in a row that teaches, rollouts earn different rewards; each is named after the seat it had."""
    asked = []

    def play(rows):
        asked.append(dict(rows))
        found = []
        for group in groups_of(STEP, rows, TASKS, settings(2)):
            row = int(group.name.split("/")[2])
            for number in range(group.first, group.first + group.size):
                value = float(number) if teaches(row) else 0.5
                lost = SimpleNamespace(message="a container died") if gone(row) else None
                reward = SimpleNamespace(value=None if lost else value)
                found.append(SimpleNamespace(id=f"{row}/{number}", reward=reward, lost=lost))
        return found

    return play, asked


def names(rollouts):
    return [one.id for one in rollouts]


def own(row):
    return [f"{row}/{number}" for number in range(GROUP)]


def test_silent_groups_are_replaced_round_by_round():
    """The second group is replaced once, the last twice, and then stays as it is."""
    first = OWN[0]
    late = {fresh_row(first + 1, STEP, 1, TASKS, settings(2)): True}
    play, asked = playing(lambda row: row in (first, first + 2) or row in late)
    mine, told = rolled_out(STEP, dict(enumerate(OWN)), play, TASKS, settings(2), Ranks())
    second, last = ([fresh_row(first + slot, STEP, extra, TASKS, settings(2)) for extra in (1, 2)] for slot in (1, 3))
    assert names(told.first) == [*own(first), *own(first + 1), *own(first + 2), *own(first + 3)]
    assert names(mine) == names(told.trained) == [*own(first), *own(second[0]), *own(first + 2), *own(last[1])]
    assert names(told.played) == [*names(told.first), *own(second[0]), *own(last[0]), *own(last[1])]
    assert told.replaced == 3
    assert len(asked) == 3


def test_without_extra_rounds_or_silent_groups_a_step_is_what_was_drawn_first():
    for dynamic, teaches in ((0, False), (2, True)):
        play, asked = playing(lambda row, teaches=teaches: teaches)
        mine, told = rolled_out(STEP, dict(enumerate(OWN)), play, TASKS, settings(dynamic), Ranks())
        assert names(mine) == names(told.first) == names(told.played)
        assert (told.replaced, len(asked)) == (0, 1)


def test_a_step_ends_the_run_only_where_all_of_its_own_groups_were_lost():
    play, asked = playing(lambda row: row == OWN[0], lambda row: row not in OWN)
    mine, told = rolled_out(STEP, dict(enumerate(OWN)), play, TASKS, settings(2), Ranks())
    assert len(asked) == 3
    assert [one.lost is None for one in mine] == [True] * GROUP + [False] * (GROUPS - 1) * GROUP
    assert told.replaced == 2 * (GROUPS - 1)
    play, asked = playing(lambda row: True, lambda row: True)
    with pytest.raises(BackendUnavailable, match="all 12 episodes were lost: a container died"):
        rolled_out(STEP, dict(enumerate(OWN)), play, TASKS, settings(2), Ranks())
    assert len(asked) == 1


def test_fresh_tasks_are_of_the_same_kind_and_no_two_of_a_step_are_one():
    rows = [
        fresh_row(row, step, extra, TASKS, settings(3))
        for step in (1, 2, 9)
        for row in range((step - 1) * GROUPS, step * GROUPS)
        for extra in (1, 2, 3)
    ]
    for place, row in enumerate(rows):
        step, slot = (1, 2, 9)[place // 12], place % 12 // 3
        was = (step - 1) * GROUPS + slot
        assert TASKS[row].task.type == TASKS[was].task.type
        assert TASKS[row].task.id != TASKS[was].task.id
    for first in range(0, len(rows), 12):
        assert len(set(rows[first : first + 12])) == 12
        assert not set(rows[first : first + 12]) & set(range(first // 12 * GROUPS, (first // 12 + 1) * GROUPS))


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_agree_on_what_is_played_again(processes):
    """A group begins in one and ends in the next; some have nothing to play in an extra round."""
    together, results = Barrier(processes), {}
    shared = [None] * processes

    class Shared:
        def __init__(self, number):
            self.number = number

        def gather(self, items):
            shared[self.number] = list(items)
            together.wait(10)
            found = [one for part in shared for one in part]
            together.wait(10)
            return found

    def teaches(row):
        return row in (OWN[0], OWN[0] + 2)

    def process(number):
        size = len(OWN) // processes
        seats = {place: OWN[place] for place in range(number * size, (number + 1) * size)}
        results[number] = rolled_out(STEP, seats, playing(teaches)[0], TASKS, settings(2), Shared(number))

    threads = [Thread(target=process, args=(number,)) for number in range(processes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    alone, told = rolled_out(STEP, dict(enumerate(OWN)), playing(teaches)[0], TASKS, settings(2), Ranks())
    assert [name for number in range(processes) for name in names(results[number][0])] == names(alone)
    for number in range(processes):
        assert names(results[number][1].trained) == names(told.trained)
        assert sorted(names(results[number][1].played)) == sorted(names(told.played))
        assert results[number][1].replaced == told.replaced == 4
