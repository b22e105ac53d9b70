"""A study file says everything, and nothing that is not understood is accepted."""

from dataclasses import replace
from pathlib import Path

import pytest

from flowsteer.errors import ConfigError
from flowsteer.reward.settings import RewardSettings
from flowsteer.study.study_config import load_study

EXAMPLES = Path(__file__).parents[2] / "examples"
BASE = """
[warmup]
episodes = 8
[update]
steps = 7
threads = 2
"""
STUDY = """
base = "base.toml"
seeds = [3, 4]
reference = "plain"
[set]
"reward.finish" = 0.5
[worlds.flat]
"executor.backend" = "simulated:flat"
[worlds.null]
executor.backend = "simulated:null"
[arms.plain]
[arms.short]
"update.steps" = 0
[arms.silent]
"canvas.feedback" = "none"
[swaps.tools]
"executor.library" = "tools"
"""


@pytest.fixture
def write(tmp_path):
    def written(text):
        (tmp_path / "base.toml").write_text(BASE)
        path = tmp_path / "study.toml"
        path.write_text(text)
        return path

    return written


def test_cells_are_the_base_with_all_changes_on_top(write):
    study = load_study(write(STUDY))
    assert len(study.cells) == 2 * 2 * 3
    found = {cell.name: cell for cell in study.cells}
    cell = found["null/short/4"]
    assert (cell.config.seed, cell.config.update.steps, cell.config.reward.finish) == (4, 0, 0.5)
    assert (cell.config.executor.backend, cell.config.executor.library) == ("simulated:null", "paper")
    assert (cell.swaps["tools"].executor.backend, cell.swaps["tools"].executor.library) == ("simulated:null", "tools")
    assert found["flat/plain/3"].config.update.steps == 7
    assert found["flat/plain/3"].config.update.threads == 1


def test_arms_share_a_cold_start_unless_they_change_what_makes_it(write):
    starts = {cell.name: cell.start for cell in load_study(write(STUDY)).cells}
    assert starts["flat/plain/3"] == starts["flat/short/3"]
    assert len({starts[name] for name in ("flat/plain/3", "flat/silent/3", "flat/plain/4", "null/plain/3")}) == 4


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('reference = "plain"', 'reference = "best"', "reference must be one of the arms: plain, short, silent"),
        ("seeds = [3, 4]", "seeds = [3, 3]", "seeds holds a value twice"),
        ("seeds = [3, 4]", "seeds = []", "seeds: "),
        ("seeds = [3, 4]", "seeds = [3]\nsteps = 2", "steps: unknown key"),
        ('"update.steps" = 0', '"update.stepps" = 0', r"arm short in world flat: update\.stepps: unknown key"),
        ('"update.steps" = 0', '"update.steps.more" = 0', "steps holds no settings of its own"),
        ('"executor.library" = "tools"', '"update.steps" = 1', r"swaps\.tools may change executor, data, canvas only"),
        ("[arms.short]", '[arms."a/b"]', "arms.a/b"),
        ('base = "base.toml"', 'base = "none.toml"', "none.toml cannot be read"),
        ("[arms.short]", "[arms.short", "is not TOML"),
        (
            '"update.steps" = 0',
            '"policy.name" = "smollm2"\n"policy.lora_rank" = 4\n"warmup.episodes" = 0',
            r"arm short in world flat: policy\.lora_rank without a cold start",
        ),
        (
            '"update.steps" = 0',
            '"sampler.engine" = "vllm_server"\n"sampler.weights" = "transfer"',
            "arm short in world flat: .* not with vllm_server",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_its_name(write, old, new, said):
    assert old in STUDY
    with pytest.raises(ConfigError, match=said):
        load_study(write(STUDY.replace(old, new)))


@pytest.mark.parametrize(
    ("name", "cells", "starts"), [("study_rewards", 60, 15), ("study_gate", 96, 24), ("study_ablations", 30, 15)]
)
def test_shipped_studies_read_and_pin_their_simulators(name, cells, starts):
    study = load_study(EXAMPLES / f"{name}.toml")
    assert (len(study.cells), len({cell.start for cell in study.cells})) == (cells, starts)
    assert all("#" in cell.config.executor.backend for cell in study.cells)


def test_the_study_of_additions_takes_them_away_and_adds_them_one_at_a_time():
    cells = load_study(EXAMPLES / "study_additions.toml").cells
    assert len(cells) == 13 * 8
    assert all("#" in cell.config.executor.backend for cell in cells)
    first = {cell.arm: cell for cell in cells if cell.seed == 0}
    assert len({cell.start for cell in first.values()}) == 2
    assert len({cell.start for arm, cell in first.items() if arm != "no_recall"}) == 1
    full, plain = first["full"].config, first["plain"].config
    assert plain.reward == RewardSettings()
    assert (plain.update.std_floor, plain.update.kl, plain.update.epochs, plain.update.dynamic) == (1e-4, 0.005, 1, 0)
    assert plain.temperature_at(1) == plain.temperature_at(plain.update.steps) == 0.6
    alone = {
        "no_grammar": ("sampler", "grammar"),
        "no_rejected": ("reward", "rejected"),
        "no_gated_finish": ("reward", "gated_finish"),
        "no_std_floor": ("update", "std_floor"),
        "no_epochs": ("update", "epochs"),
        "no_temperature_schedule": ("sampler", "temperature_end"),
        "no_kl_schedule": ("update", "kl"),
        "no_entropy": ("update", "entropy"),
        "no_recall": ("warmup", "recall"),
        "operator_cost": ("reward", "operator_cost"),
        "dynamic": ("update", "dynamic"),
    }
    assert first.keys() == {"full", "plain", *alone}
    for arm, (table, name) in alone.items():
        asked = first[arm].config
        changed = replace(getattr(full, table), **{name: getattr(getattr(asked, table), name)})
        assert asked == replace(full, **{table: changed}) != full, arm


def test_reading_a_study_needs_no_tensor_library():
    import subprocess
    import sys

    code = "import sys, flowsteer.study.study_config; assert not {'torch', 'transformers', 'trl'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
