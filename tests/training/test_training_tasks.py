"""The tasks of a run are disjoint, in an order that its seed decides, and grouped as asked for."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from flowsteer.errors import ConfigError
from flowsteer.training.data import DataSettings, Schedule, load_tasks, name_of

pytest.importorskip("torch", reason="needs the extra: pip install 'flowsteer[train]'")

from training.small import samples


def test_kinds_take_turns_and_a_pass_meets_every_task_once():
    schedule = Schedule(samples(9), 0)
    first, second = [schedule[row] for row in range(9)], [schedule[row] for row in range(9, 18)]
    assert [sample.task.type for sample in first] == ["code", "math", "qa"] * 3
    assert len({sample.task.id for sample in first}) == 9
    assert Counter(s.task.id for s in first) == Counter(s.task.id for s in second)
    assert [s.task.id for s in first] != [s.task.id for s in second]


def test_the_order_is_the_seeds():
    ids = [[Schedule(samples(30), seed)[row].task.id for row in range(30)] for seed in (0, 0, 1)]
    assert ids[0] == ids[1] != ids[2]
    assert [Schedule(samples(30), 0)[row].task.id for row in (29, 3)] == [ids[0][29], ids[0][3]]


def test_peers_are_different_tasks_of_one_kind():
    schedule = Schedule(samples(36), 0)
    for row in range(6):
        peers = schedule.peers(row, 6)
        assert len({peer.task.id for peer in peers}) == 6
        assert {peer.task.type for peer in peers} == {("code", "math", "qa")[row % 3]}
    assert not {p.task.id for p in schedule.peers(0, 6)} & {p.task.id for p in schedule.peers(3, 6)}


def test_a_group_of_peers_never_spans_two_passes():
    schedule = Schedule(samples(24), 0)  # eight of a kind: one group of five a pass
    for row in range(30):
        assert len({peer.task.id for peer in schedule.peers(row, 5)}) == 5
    with pytest.raises(ConfigError, match="cannot be made of the 8 code tasks"):
        schedule.peers(0, 9)


def test_parts_are_disjoint():
    data = DataSettings(datasets=("simulated:qa",), tasks=20, validation_tasks=5, test_tasks=7)
    tasks = load_tasks(data, 0)
    assert (len(tasks.train), len(tasks.validation), len(tasks.test)) == (20, 5, 7)
    with pytest.raises(ConfigError, match="share"):
        load_tasks(DataSettings(datasets=("simulated:qa",), test="train"), 0)
    assert load_tasks(DataSettings(datasets=("simulated:qa",), tasks=3), 0).validation == ()


def test_the_papers_gsm8k_is_trained_on_and_tested_on_apart(monkeypatch):
    """The rows of one split have the numbers of the other's, and nothing else in common."""
    client, hub = pytest.importorskip("huggingface_hub"), pytest.importorskip("datasets")
    sizes, info = {"train": 7473, "test": 1319}, type("Info", (), {"sha": "ab" * 20})
    monkeypatch.setattr(client.HfApi, "dataset_info", lambda self, name, revision: info)
    monkeypatch.setattr(
        hub,
        "load_dataset",
        lambda *_, split, **__: ({"question": f"{split} {n}?", "answer": "#### 1"} for n in range(sizes[split])),
    )
    tasks = load_tasks(DataSettings(datasets=("gsm8k",), tasks=2560, test_tasks=128), 0)
    assert (len(tasks.train), len(tasks.test)) == (2560, 128)


def test_a_file_without_splits_is_cut(tmp_path):
    rows = [{"id": str(n), "question": f"{n}?", "type": "qa", "context": f"one two {n}"} for n in range(12)]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = DataSettings(datasets=("own",), data=tmp_path, cut=True, tasks=6, validation_tasks=2, test_tasks=3)
    found = load_tasks(data, 0)
    parts = [{sample.task.id for sample in part} for part in (found.train, found.validation, found.test)]
    assert [len(part) for part in parts] == [6, 2, 3]
    assert len(set.union(*parts)) == 11
    assert load_tasks(data, 0) == found != load_tasks(data, 1)
    shorter = load_tasks(replace(data, context_words=2), 0)
    assert {sample.task.context for part in (shorter.train, shorter.test) for sample in part} == {"one two"}
    with pytest.raises(ConfigError, match="own has 12 tasks; 8 to train") as refused:
        load_tasks(replace(data, tasks=8), 0)
    assert refused.value.hint == "--set data.tasks=7"


def two_files(folder, lengths=(8, 8), **of_rows):
    """Two datasets of one's own, both with the ids 1, 2, 3, …, as plain files have them."""
    for name, kind, length in zip("ab", ("math", "qa"), lengths, strict=True):
        rows = [{"id": str(n), "question": f"{n} {name}?", "type": kind} | of_rows for n in range(1, length + 1)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = tuple(str(folder / f"{name}.jsonl") for name in "ab")
    return DataSettings(datasets=files, cut=True, tasks=4, validation_tasks=2, test_tasks=2)


@pytest.mark.parametrize("lengths", [(8, 8), (8, 30), (30, 9)])
def test_ids_are_unique_within_a_dataset_only(tmp_path, lengths):
    found = load_tasks(two_files(tmp_path, lengths), 0)
    for part, size in ((found.train, 8), (found.validation, 4), (found.test, 4)):
        assert Counter(sample.task.type for sample in part) == {"math": size // 2, "qa": size // 2}
        assert {sample.task.dataset for sample in part} == {"a", "b"}
    names = [name_of(sample.task) for part in (found.train, found.validation, found.test) for sample in part]
    assert len(set(names)) == len(names) == 16


def test_a_dataset_whose_tasks_have_names_of_their_own_keeps_them(tmp_path):
    data = two_files(tmp_path)
    alone = load_tasks(replace(data, datasets=data.datasets[:1]), 0)
    assert {sample.task.dataset for sample in alone.test} == {""}


def test_two_tasks_to_test_on_have_two_names(tmp_path):
    with pytest.raises(ConfigError, match="two samples have the id 'same/"):
        load_tasks(replace(two_files(tmp_path, dataset="same"), tasks=3, validation_tasks=0, test_tasks=5), 0)
