"""Several processes, as a launcher starts them: the run of one, shared; one of them keeps the record."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra: pip install 'flowsteer[train]'")
pytest.importorskip("trl", reason="needs the extra: pip install 'flowsteer[train]'")

from safetensors.torch import load_file  # noqa: E402

from flowsteer.errors import ConfigError  # noqa: E402
from flowsteer.runs.folder import RunFolder  # noqa: E402
from flowsteer.settings import check  # noqa: E402
from flowsteer.training.config import TrainingConfig  # noqa: E402
from flowsteer.training.inference.distributed import Ranks, join  # noqa: E402
from flowsteer.training.rl.cwrpo import share  # noqa: E402
from training.small import warmed_up  # noqa: E402
from training.test_training_run import curve  # noqa: E402

COMMAND = Path(sys.executable).parent
SETTINGS = """
report_to = []
[policy]
name = "{start}"
[data]
datasets = ["simulated:math", "simulated:qa"]
tasks = 10
validation_tasks = 1
test_tasks = 2
[executor]
backend = "simulated:typed"
[canvas]
max_turns = 3
max_rejected = 2
min_steps = 1
needs = []
needs_structure = false
[reward]
token_cost = 20.0
[sampler]
turn_tokens = 12
episode_tokens = 128
[update]
steps = 2
groups = 2
group = 3
learning_rate = 1e-3
warmup_steps = 0
entropy = 0.0
save_every = 1
validate_every = 2
threads = 1
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The run of one process, and the file that it was made by."""
    folder = tmp_path_factory.mktemp("processes")
    warmed_up()[0].save(folder / "policy")
    file = folder / "run.toml"
    file.write_text(SETTINGS.format(start=folder / "policy"))
    done = subprocess.run(
        [COMMAND / "flowsteer", "train", file, "--run", folder / "one"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder, file


def launch(file, run, *arguments):
    """Two processes on processors, where `accelerate launch` would start them on GPUs."""
    launcher = [COMMAND / "torchrun", "--standalone", "--nproc_per_node", "2", "--no-python", "--"]
    command = [*launcher, COMMAND / "flowsteer", "train", file, "--run", run, *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment)


def weights(run):
    return load_file(run / "policy" / "model.safetensors")


SAME = ("reward", "loss", "grad_norm", "kl", "frac_reward_zero_std", "num_tokens", "tokens/sampled", "learning_rate")


def test_two_processes_make_the_update_of_one(alone):
    folder, file = alone
    done = launch(file, folder / "two", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["steps"] == 2

    for one, two in zip(curve(folder / "one"), curve(folder / "two"), strict=True):
        for name in SAME:
            assert two[name] == pytest.approx(one[name], rel=1e-3, abs=1e-5), name
        episodes = {name: value for name, value in one.items() if name.startswith(("episodes/", "terms/"))}
        assert {name: two[name] for name in episodes} == pytest.approx(episodes, rel=1e-5)
    start = load_file(folder / "policy" / "model.safetensors")
    for name, weight in weights(folder / "one").items():
        assert not torch.equal(start[name], weight), name
        assert torch.allclose(weights(folder / "two")[name], weight, atol=1e-4), name

    one, two = (RunFolder.read(folder / name) for name in ("one", "two"))
    assert sorted(one.entries) == sorted(two.entries)
    assert len([name for name in two.entries if name.startswith("train/")]) == 2 * 6
    assert {name: e.summary.dsl for name, e in one.entries.items()} == {
        name: e.summary.dsl for name, e in two.entries.items()
    }
    for name in ("before.json", "after.json", "validation.json"):
        found, wanted = (json.loads((folder / run / name).read_text()) for run in ("two", "one"))
        assert found.get("reward") == pytest.approx(wanted.get("reward"), abs=1e-6)
        assert found.keys() == wanted.keys()

    checkpoints = folder / "two" / "checkpoints"
    for gone in ("policy/model.safetensors", "result.json", "after.json"):
        (folder / "two" / gone).unlink()
    for file_ in (checkpoints / "checkpoint-2").iterdir():
        file_.unlink()
    assert {"rng_state_0.pth", "rng_state_1.pth"} <= {f.name for f in (checkpoints / "checkpoint-1").iterdir()}
    again = launch(file, folder / "two", "--resume", "--json")
    assert again.returncode == 0, again.stderr
    assert [line["step"] for line in curve(folder / "two")] == [1, 2]
    for name, weight in weights(folder / "one").items():
        assert torch.allclose(weights(folder / "two")[name], weight, atol=1e-4), name


@pytest.mark.parametrize(
    ("processes", "micro", "expected"), [(1, None, (36, 1)), (6, None, (6, 1)), (6, 1, (1, 6)), (12, 3, (3, 1))]
)
def test_a_step_is_shared_evenly(processes, micro, expected):
    config = check(TrainingConfig, {"policy": {"name": "x"}, "update": {"micro_batch": micro}}, "here")
    assert share(config.update, Ranks(0, processes)) == expected


@pytest.mark.parametrize(("processes", "micro"), [(8, None), (8, 1), (5, 1), (6, 4), (72, None)])
def test_what_cannot_be_shared_evenly_is_refused(processes, micro):
    config = check(TrainingConfig, {"policy": {"name": "x"}, "update": {"micro_batch": micro}}, "here")
    with pytest.raises(ConfigError, match="cannot be shared"):
        share(config.update, Ranks(0, processes))


def test_several_processes_must_name_their_folder(alone, monkeypatch):
    from typer.testing import CliRunner

    from training.test_train_command import app

    monkeypatch.setenv("WORLD_SIZE", "2")
    done = CliRunner().invoke(app, [str(alone[1])])
    assert done.exit_code == 2
    assert "--run DIR" in done.stderr


def test_alone_nothing_is_connected():
    assert join() == Ranks(0, 1)
    assert Ranks().gather([1, 2]) == [1, 2]
    Ranks().wait()
