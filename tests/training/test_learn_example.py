"""`examples/learn.py`, the second half of `make demo`, on a run that takes seconds."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("trl", reason="needs the extra: pip install 'flowsteer[train]'")

from flowsteer.cli.learned import COLUMNS, MARKS, curve
from flowsteer.datasets.simulated_tasks import TYPES

EXAMPLES = Path(__file__).parents[2] / "examples"
SHORT = [
    "warmup.episodes=8",
    "warmup.least_valid=0",
    "data.validation_tasks=1",
    "canvas.max_turns=3",
    "update.steps=1",
    "update.groups=1",
    "update.group=2",
    "data.test_tasks=1",
]


@pytest.fixture
def learn():
    spec = importlib.util.spec_from_file_location("learn", EXAMPLES / "learn.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_trains_and_compares_with_fixed_workflows_and_the_same_folder_goes_on(learn, tmp_path, monkeypatch, capsys):
    load = learn.load_training
    monkeypatch.setattr(learn, "load_training", lambda file: load(file, SHORT))
    monkeypatch.setattr(sys, "argv", ["learn.py", "--run", str(tmp_path / "run")])
    learn.main()
    first = capsys.readouterr().out
    for words in ("simulated:typed-2#", "while training", "held-out tasks, greedy", "best single operator"):
        assert words in first
    for kind in TYPES:
        assert re.search(rf"{kind} +│ [01]\.\d\d +│ [01]\.\d\d +│ [01]\.\d\d \(\w+\)", first)
    learn.main()
    assert figures(capsys.readouterr().out) == figures(first)


def figures(text):
    """What stands in the tables; the seconds differ."""
    return [line for line in text.splitlines() if "│" in line]


def test_a_workflow_by_hand_beats_every_single_operator_of_its_type(learn):
    import asyncio

    config = learn.load_training(EXAMPLES / "demo.toml", ["data.test_tasks=40"])
    single, by_hand = asyncio.run(learn.fixed_scores(config))
    for kind, score in by_hand.items():
        assert score > max(scores[kind] for scores in single.values())


def test_a_curve_fits_its_columns_and_keeps_its_order():
    drawn = curve([step / 199 for step in range(200)], 0.0, 1.0)
    assert len(drawn) == COLUMNS
    assert list(drawn) == sorted(drawn, key=MARKS.index)
    assert curve([-5.0, 5.0], 0.0, 1.0) == MARKS[0] + MARKS[-1]
