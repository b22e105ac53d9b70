"""An engine apart draws with the learner's weights, by a name for each version, or the run stops (invariant 7)."""

import asyncio
import json
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra: pip install 'flowsteer[train]'")
pytest.importorskip("trl", reason="needs the extra: pip install 'flowsteer[train]'")

from safetensors.torch import load_file, save_file  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402
from trl.generation.vllm_client import VLLMClient  # noqa: E402
from trl.generation.vllm_generation import VLLMGeneration  # noqa: E402
from trl.trainer import grpo_trainer  # noqa: E402

from flowsteer.errors import BackendUnavailable, ConfigError, PolicySyncError  # noqa: E402
from flowsteer.runs.folder import RunFolder  # noqa: E402
from flowsteer.settings import check  # noqa: E402
from flowsteer.training.config import TrainingConfig  # noqa: E402
from flowsteer.training.inference.distributed import Ranks  # noqa: E402
from flowsteer.training.inference.vllm import Served  # noqa: E402
from flowsteer.training.inference.weight_sync import PROBE, Adapters, Versions, gap, score  # noqa: E402
from flowsteer.training.policy.policy import load_policy, with_adapters  # noqa: E402
from flowsteer.training.policy_director import PolicyDirector  # noqa: E402
from flowsteer.training.run import train  # noqa: E402
from flowsteer.training.sft.settings import WarmupSettings  # noqa: E402
from training.loopback_vllm import serving  # noqa: E402
from training.small import warmed_up  # noqa: E402


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """The policy that learns, as the server has it, too."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("start") / "policy"
    warmed_up()[0].save(folder)
    return folder


def config(start, url="", steps=2, rank=4, **sampler):
    engine = {"engine": "vllm_server", "urls": [url]} if url else {}
    return check(TrainingConfig,
        {
            "report_to": [],
            "policy": {"name": str(start), "lora_rank": rank},
            "data": {"datasets": ["simulated:math"], "tasks": 10, "test_tasks": 1},
            "executor": {"backend": "simulated:typed"},
            "canvas": {"max_turns": 3, "max_rejected": 2, "min_steps": 1, "needs": [], "needs_structure": False},
            "reward": {"token_cost": 20.0},
            "sampler": {"turn_tokens": 12, "episode_tokens": 128, "tolerance": 1e-3, **engine, **sampler},
            "update": {
                "steps": steps, "groups": 1, "group": 3, "learning_rate": 1e-2, "warmup_steps": 0,
                "entropy": 0.0, "save_every": 2, "threads": 1,
            },
        }, "here")  # fmt: skip


@contextmanager
def server_of(start):
    with serving(load_policy(str(start)).model) as server:
        yield server


def curve(path):
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def test_a_run_serves_each_version_under_a_name_of_its_own(start, tmp_path):
    with server_of(start) as server:
        train(config(start, server.url), tmp_path / "run")
        assert [name.rpartition(".")[2] for name in server.names] == [f"policy@{step}" for step in range(3)]
        assert len(set(server.names)) == 3
        assert all(name.startswith("run.") for name in server.names)
        asked = Counter(body["model"].rpartition(".")[2] for body in server.requests)
        assert set(asked) == {f"policy@{step}" for step in range(3)}
        assert [name.rpartition(".")[2] for name in server.adapters] == ["policy@2"]
        assert [folder.name for folder in (tmp_path / "run" / "adapters").iterdir()] == ["policy@2"]
    record = RunFolder.read(tmp_path / "run")
    specs = {name.split("/")[1]: record.events(name)[0].director for name in record.entries if name[:5] == "train"}
    assert specs == {"1": "policy@0", "2": "policy@1"}
    for line in curve(tmp_path / "run"):
        assert line["sampling/importance_sampling_ratio/mean"] == pytest.approx(1.0, abs=1e-3)
        assert line["sampling/sampling_logp_difference/max"] < 1e-3
        assert line["seconds/step"] > line["seconds/sync"] + line["seconds/update"] > 0
        assert line["seconds/rollout"] == pytest.approx(line["seconds/sampling"] + line["seconds/canvas"])
    learned = load_file(tmp_path / "run" / "policy" / "adapter_model.safetensors")
    assert any(weight.abs().sum() > 0 for name, weight in learned.items() if "lora_B" in name)


def test_what_was_trained_directs(start, tmp_path):
    train(config(start, steps=1), tmp_path / "run")
    director = PolicyDirector.load(tmp_path / "run")
    assert type(director.policy.view).__name__ == "CompactView"
    base = load_policy(str(start))
    adapters = load_file(tmp_path / "run" / "policy" / "adapter_model.safetensors")
    name = "model.layers.0.self_attn.q_proj"
    one, other = (adapters[f"base_model.model.{name}.lora_{part}.weight"] for part in "BA")
    learned = director.policy.model.get_parameter(f"{name}.weight") - base.model.get_parameter(f"{name}.weight")
    assert torch.allclose(learned, 16 * one @ other, atol=1e-6)
    assert learned.abs().sum() > 0
    assert base.encode("x") == director.policy.encode("x")


def test_adapters_are_put_on_the_revision_of_their_base_that_they_learned_on(start, tmp_path, monkeypatch):
    run = config(start, steps=1)
    train(replace(run, policy=replace(run.policy, revision="v2")), tmp_path / "run")
    saved = tmp_path / "run" / "policy" / "adapter_config.json"
    saved.write_text(json.dumps(json.loads(saved.read_text()) | {"base_model_name_or_path": "org/model"}))
    asked = []

    def fetched(where, **options):
        asked.append((where, options["revision"]))
        raise OSError("nothing is fetched here")

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", fetched)
    with pytest.raises(ConfigError, match="org/model"):
        PolicyDirector.load(tmp_path / "run")
    assert asked == [("org/model", "v2")]


def test_a_run_that_made_its_base_itself_can_be_moved(start, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    warmup = WarmupSettings(episodes=4, epochs=1, learning_rate=3e-3)
    train(replace(config(start, steps=1), warmup=warmup), Path("run"))
    Path("run").rename(tmp_path / "moved")
    monkeypatch.chdir("/")
    director = PolicyDirector.load(tmp_path / "moved")
    base = load_policy(str(tmp_path / "moved" / "start"))
    assert any(
        not torch.equal(learned, base.model.get_parameter(name))
        for name, learned in director.policy.model.named_parameters()
    )


def test_a_server_that_keeps_old_weights_stops_the_run(start, tmp_path):
    with server_of(start) as server:
        server.stale = True
        with pytest.raises(PolicySyncError, match=r"policy@[01]"):
            train(config(start, server.url, tolerance=10.0), tmp_path / "run")
        assert not any(name.endswith("policy@2") for name in server.names)
    record = RunFolder.read(tmp_path / "run")
    assert {name.split("/")[1] for name in record.entries if name.startswith("train/")} == {"1"}


def test_a_server_of_another_model_stops_the_run_before_an_episode_is_played(start, tmp_path):
    other = load_policy(str(start))
    with torch.no_grad():
        next(other.model.parameters()).mul_(1.5)
    with serving(other.model) as server:
        with pytest.raises(PolicySyncError, match="does not serve policy@0"):
            train(config(start, server.url), tmp_path / "run")
        assert len(server.requests) == 1


def test_log_probs_of_an_untempered_distribution_stop_the_run(start, tmp_path):
    with server_of(start) as server:
        server.raw = True
        with pytest.raises(PolicySyncError, match=r"at temperature 0\.6") as told:
            train(config(start, server.url, temperature=0.6), tmp_path / "run")
        assert "--logprobs-mode processed_logprobs" in told.value.hint


def test_a_server_that_loads_no_adapters_or_is_not_there(start, tmp_path, monkeypatch):
    monkeypatch.setattr("flowsteer.training.inference.vllm.RETRIES", 0)
    with pytest.raises(BackendUnavailable, match="did not answer"):
        train(config(start, "http://127.0.0.1:9"), tmp_path / "gone")
    with server_of(start) as server:
        monkeypatch.setattr(server, "load", lambda name, folder: (404, "Not Found"))
        with pytest.raises(PolicySyncError, match="could not load") as told:
            train(config(start, server.url), tmp_path / "none")
        assert "--enable-lora" in told.value.hint


class Loopback(VLLMClient):
    """TRL's client, with a file where NCCL is."""

    def __init__(self, url, folder):
        self.base_url, self.folder, self.sent = url, folder, 0
        import requests

        self.session = requests.Session()

    def update_named_params(self, metadata, named_params):
        file = self.folder / "weights.safetensors"
        found = {name: weight.detach().clone().contiguous() for name, weight in named_params}
        assert [(name, list(weight.shape)) for name, weight in found.items()] == [(n, s) for n, _, s in metadata]
        save_file(found, file)
        self.session.post(f"{self.base_url}/update_weights", json={"file": str(file)}).raise_for_status()
        self.sent += 1


@pytest.mark.parametrize("rank", [0, 4])
@pytest.mark.parametrize("stale", [False, True])
def test_whole_weights_go_through_trl(start, tmp_path, monkeypatch, rank, stale):
    """TRL's own walk over the parameters and its merging of adapters; only NCCL is replaced."""

    class Generation(VLLMGeneration):
        def _init_vllm(self):
            assert self.mode == "server"
            self.vllm_client = Loopback(self.server_base_url, tmp_path)

    monkeypatch.setattr("flowsteer.training.run.check_engine", lambda config: None)
    monkeypatch.setattr(grpo_trainer, "VLLMGeneration", Generation)
    monkeypatch.setattr("trl.generation.vllm_client._HAS_RESET_PREFIX_CACHE_SUCCESS", True)
    monkeypatch.setattr(
        Loopback, "get_server_info", lambda self: {"model_config": {"logprobs_mode": "processed_logprobs"}}
    )
    with server_of(start) as server:
        server.stale = stale
        settings = config(start, server.url, steps=2, rank=rank, weights="transfer", tolerance=10.0 if stale else 1e-3)
        if stale:
            with pytest.raises(PolicySyncError, match="still serves policy@0"):
                train(settings, tmp_path / "run")
            return
        train(settings, tmp_path / "run")
        learned = load_policy(str(tmp_path / "run" / "policy"))
        probe = learned.encode(PROBE)
        assert gap(score(server.model, probe), score(learned.model, probe)) < 1e-5
        assert gap(score(server.model, probe), score(load_policy(str(start)).model, probe)) > 1e-3


def test_adapters_are_saved_with_the_optimiser_and_a_killed_run_goes_on(start, tmp_path):
    class Kill(Exception):
        pass

    def kill(metrics):
        if metrics["step"] == 3:
            raise Kill

    train(config(start, steps=4), tmp_path / "whole")
    with pytest.raises(Kill):
        train(config(start, steps=4), tmp_path / "again", on_step=kill)
    train(config(start, steps=4), tmp_path / "again", resume=True)
    one, other = (load_file(tmp_path / name / "policy" / "adapter_model.safetensors") for name in ("whole", "again"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    checkpoint = tmp_path / "again" / "checkpoints" / "checkpoint-4"
    assert {"adapter_model.safetensors", "optimizer.pt", "rng_state.pth"} <= {
        file.name for file in checkpoint.iterdir()
    }


def test_a_version_is_checked_once(start):
    policy = load_policy(str(start))
    pushed = []
    with server_of(start) as server, asyncio.Runner() as runner:
        client = Served(server.url)
        versions = Versions(policy, lambda: policy.model, client, pushed.append, 1.0, 1e-3, runner)
        versions.serve(4)
        versions.serve(4)
        asked = len(server.requests)
        versions.serve(5)
        runner.run(client.aclose())
    assert pushed == [4, 5]
    assert (asked, len(server.requests)) == (2, 4)


def test_a_step_that_is_served_again_gets_a_name_of_its_own(start, tmp_path):
    model = with_adapters(load_policy(str(start)).model, 4, 8)
    with server_of(start) as server, asyncio.Runner() as runner:
        client = Served(server.url)
        adapters = Adapters(model, [client], client, tmp_path, "run", runner, Ranks())
        for step in (80, 100, 80, 81, 80):
            adapters(step)
        runner.run(client.aclose())
    assert len(set(server.names)) == 5
    assert [name.partition(".policy@")[2] for name in server.names] == ["80", "100", "80.2", "81", "80.3"]
    assert [folder.name for folder in tmp_path.iterdir()] == ["policy@80.3"]


def test_fresh_adapters_change_nothing(start):
    policy = load_policy(str(start))
    before = score(policy.model, policy.encode(PROBE))
    assert gap(before, score(with_adapters(policy.model, 4, 8), policy.encode(PROBE))) < 1e-6
