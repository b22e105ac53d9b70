"""The paper's run, before it starts: its file says what the paper says, and a dry run says what it takes."""

import json
import shlex
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="needs the extra: pip install 'flowsteer[train]'")
pytest.importorskip("trl", reason="needs the extra: pip install 'flowsteer[train]'")

from accelerate.commands.config.config_args import load_config_from_file  # noqa: E402
from accelerate.commands.launch import launch_command_parser  # noqa: E402
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError  # noqa: E402
from transformers import AutoConfig, AutoTokenizer  # noqa: E402

from flowsteer.datasets import registry  # noqa: E402
from flowsteer.datasets.registry import Dataset  # noqa: E402
from flowsteer.errors import ConfigError  # noqa: E402
from flowsteer.runs.folder import RunFolder  # noqa: E402
from flowsteer.training import requirements  # noqa: E402
from flowsteer.training.config import load_training, setup_of  # noqa: E402
from flowsteer.training.plan.assets import KNOWN  # noqa: E402
from flowsteer.training.plan.launch import layouts  # noqa: E402
from flowsteer.training.plan.memory import Shape, memory  # noqa: E402
from flowsteer.training.plan.training_plan import dry_run  # noqa: E402
from training.small import samples, tiny  # noqa: E402
from training.test_train_command import run  # noqa: E402

ROOT = Path(__file__).parents[2]
FILE = ROOT / "examples" / "paper_qwen3_8b.toml"
TEMPLATE = (
    "{% for m in messages %}<start>{{ m['role'] }}\n{{ m['content'] }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<start>assistant\n{% endif %}"
)


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory):
    """A tokenizer that can chat, in a folder without a model."""
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer = tiny().tokenizer
    tokenizer.save_pretrained(folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"chat_template": TEMPLATE}))
    return str(folder)


@pytest.fixture(scope="module")
def plan(stand_in):
    return dry_run(load_training(FILE), str(FILE), "runs/paper", stand_in)


def test_the_file_says_what_the_paper_says():
    config = load_training(FILE)
    policy, update, sampler, canvas = config.policy, config.update, config.sampler, config.canvas
    assert (policy.name, policy.lora_rank, policy.lora_alpha, policy.dtype) == ("Qwen/Qwen3-8B", 64, 64, "bfloat16")
    assert (update.steps, update.batch, update.learning_rate, update.weight_decay) == (300, 36, 1e-5, 0.01)
    assert (update.max_grad_norm, update.warmup_steps, update.clip, update.kl) == (1.0, 10, 0.2, 0.005)
    assert (update.entropy, update.entropy_mean, update.std_floor, update.epochs) == (0.005, "trajectory", 1e-4, 1)
    assert (sampler.temperature, sampler.temperature_end) == (0.6, None)
    assert (sampler.temperature, sampler.turn_tokens, canvas.max_turns) == (0.6, 2048, 20)
    counts = [config.data.of(name).tasks for name in config.data.datasets]
    assert dict(zip(config.data.datasets, counts, strict=True)) == {
        "gsm8k": 2560, "math": 2560, "hotpotqa": 2560, "squad_v2": 2560, "mbpp": 374, "humaneval": 164,
    }  # fmt: skip
    assert config.data.overlapping == {"humaneval"}
    setup = setup_of(config)
    assert (setup.executor_sampling.temperature, setup.node_seconds) == (0.0, 600)
    assert "Departures from the paper" in FILE.read_text()


def test_no_other_file_keeps_the_overlap():
    for file in (ROOT / "examples").glob("*.toml"):
        assert ("overlap" in file.read_text()) == (file == FILE)


def test_a_dry_run_counts_and_lists_what_it_would_fetch(plan):
    assert plan.parameters == 8_190_735_360
    assert plan.trained == 36 * 64 * (2 * (4096 + 4096) + 2 * (4096 + 1024))
    assert (plan.steps, plan.rollouts, plan.train_tasks, plan.test_tasks) == (300, 10_800, 10_778, 6 * 128)
    policy, *datasets = plan.assets
    assert (policy.repository, policy.revision, policy.here) == ("Qwen/Qwen3-8B", "main", False)
    assert policy.files == KNOWN["Qwen/Qwen3-8B"].files
    found = {(asset.repository, file) for asset in datasets for file in asset.files}
    assert {("openai/gsm8k", "main/train"), ("openai/openai_humaneval", "default/test")} <= found
    assert ("google-research-datasets/mbpp", "full/train") in found
    assert len({asset.repository for asset in datasets}) == 7  # MATH is tested on another repository
    assert all(asset.revision == "main" and not asset.here for asset in datasets)


def test_the_plan_says_that_a_tokenizer_stands_in(plan, stand_in):
    assert plan.stand_in == stand_in
    assert plan.prompt.tokens == len(tiny().encode(plan.prompt.text))
    text = "\n".join(plan.lines())
    assert "STAND IN for its own" in text
    assert "TESTED ON WHAT IT LEARNED ON" in text
    assert "by the table of this package" in text


def test_layouts_share_a_step_evenly_and_their_commands_are_understood(plan):
    one, node, several = plan.layouts
    assert (one.learners, node.learners, node.servers, several.learners, several.servers) == (1, 6, 2, 12, 8)
    assert "--max-lora-rank 64" in node.commands[0]
    assert "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True" in node.commands[0]
    assert "--logprobs-mode processed_logprobs" in node.commands[0]
    for command in (node.commands[1], several.commands[1]):
        words = shlex.split(command.removeprefix("[NODE1] "))
        own = words[words.index("launch") + 1 :]
        launcher, train = own[: own.index("--")], own[own.index("--") + 1 :]
        arguments = launch_command_parser().parse_args([*launcher, "flowsteer"])
        assert arguments.no_python
        assert load_config_from_file(str(ROOT / arguments.config_file)).mixed_precision == "bf16"
        changes = [word for flag, word in pairwise(train) if flag == "--set"]
        assert len(load_training(FILE, changes).sampler.urls) == (2 if command is node.commands[1] else 8)


@pytest.mark.parametrize("file", sorted((ROOT / "examples" / "accelerate").glob("*.yaml")), ids=lambda file: file.name)
def test_accelerate_reads_each_of_the_files(file):
    found = load_config_from_file(str(file))
    assert found.num_processes in (6, 12)
    assert str(found.distributed_type) in {f"DistributedType.{kind}" for kind in ("MULTI_GPU", "DEEPSPEED", "FSDP")}


def test_memory_is_that_of_shapes():
    shape = Shape(8_000_000_000, 60_000_000, 36, 4096, 12288, 2048, 151936)
    lora = memory(shape, "bfloat16", True, 16384, 1, 0)
    assert lora.weights == 16_000_000_000 + 240_000_000
    assert (lora.gradients, lora.optimiser, lora.reference) == (240_000_000, 480_000_000, 240_000_000)
    assert lora.server_token == 36 * 2048 * 2
    assert 20e9 < lora.activations < 40e9
    whole = memory(Shape(10**9, 10**9, 36, 4096, 12288, 2048, 151936), "bfloat16", True, 16384, 1, 6)
    assert (whole.weights, whole.gradients, whole.optimiser, whole.reference) == (2e9, 2e9, 4e9, 2e9)
    assert whole.cache == 6 * 16384 * whole.server_token
    ahead = memory(shape, "bfloat16", True, 16384, 1, 0, copies=2)
    assert ahead.weights == 3 * lora.weights
    assert whole.learner == sum((2e9, 2e9, 4e9, 2e9, whole.activations, whole.cache))


def test_without_a_stand_in_what_is_missing_is_listed():
    done = run(FILE, "--dry-run")
    assert done.exit_code == 2
    for words in ("model-00001-of-00005.safetensors", "rajpurkar/squad_v2 @ main", "--stand-in smollm2"):
        assert words in done.stderr


def test_the_command_prints_one_object(stand_in):
    done = run(FILE, "--dry-run", "--stand-in", stand_in, "--json")
    assert done.exit_code == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["layouts"][1]["learners"] == 6
    assert plan["memory"][1]["weights"] > 16e9
    assert plan["assets"][0]["files"][0] == "config.json"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("sampler.episode_tokens=50000", "reads at most 40,960"),
        ("sampler={turn_tokens=50, episode_tokens=100}", "first prompt alone"),
        ("update.micro_batch=5", "micro_batch must divide 36"),
        ("data.train=training", "gsm8k has no split 'training'"),
        ("policy.lora_rank=0", "no adapters to serve"),
        ("executor.backend=nope:m", "'nope:m' names no backend"),
        ("executor.backend=http://127.0.0.1:9000/v1", "names no server and model"),
        ('sampler={engine="vllm_server", weights="transfer", urls=["http://a", "http://b"]}', "to one server"),
        ("sampler.grammar=true", "with sampler.grammar the loss must know what each token was drawn from"),
        ("sampler.top_p=0.95", r"sampler.top_p: unknown key"),
    ],
)
def test_what_would_fail_later_fails_now(stand_in, change, said):
    with pytest.raises(ConfigError, match=said):
        dry_run(load_training(FILE, [change]), "paper.toml", "runs/paper", stand_in)


def test_a_cold_start_without_its_executor_fails_now(stand_in):
    changes = ["warmup={episodes=1, learning_rate=1e-5, backend='simulated:nope'}", "sampler.weights=transfer"]
    changes.append("policy.dtype=float32")
    with pytest.raises(ConfigError, match="nope"):
        dry_run(load_training(FILE, changes), "paper.toml", "runs/paper", stand_in)


def answering(monkeypatch, *failures, gated=False):
    """Put a hub in place that tells the names of files, or fails when it is asked."""
    error = failures[0]("no", response=SimpleNamespace(headers={}, request=None)) if failures else None

    def model_info(self, repository, **_):
        if error and not gated:
            raise error
        files = ("config.json", "tokenizer_config.json", "tokenizer.json", "model.safetensors", "original/x.json")
        return SimpleNamespace(gated=gated, siblings=[SimpleNamespace(rfilename=file) for file in files])

    def auth_check(self, repository):
        if error:
            raise error

    monkeypatch.setattr("huggingface_hub.HfApi", type("Hub", (), {"model_info": model_info, "auth_check": auth_check}))


def test_nothing_is_fetched_although_the_hub_answers(stand_in, monkeypatch):
    answering(monkeypatch)
    loaded = []
    for kind in (AutoTokenizer, AutoConfig):
        load = kind.from_pretrained
        monkeypatch.setattr(
            kind, "from_pretrained", lambda *at, load=load, **asked: loaded.append((at, asked)) or load(*at, **asked)
        )
    found = dry_run(load_training(FILE), "p.toml", "r", stand_in)
    assert found.stand_in == stand_in
    assert found.shape == "by the table of this package"
    assert found.assets[0].files == ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
    assert {at for at, _ in loaded} == {(stand_in,)}
    assert all(asked["local_files_only"] for _, asked in loaded)


def test_a_stand_in_is_left_alone_where_the_policys_own_tokenizer_is_here(stand_in, tmp_path):
    tiny().save(tmp_path / "policy")
    (tmp_path / "policy" / "tokenizer_config.json").write_bytes((Path(stand_in) / "tokenizer_config.json").read_bytes())
    changes = [f"policy.name={tmp_path / 'policy'}", "sampler={turn_tokens=50, episode_tokens=2000}", "update.kl=0"]
    found = dry_run(load_training(FILE, changes), "p.toml", "r", "/no/such/tokenizer")
    assert (found.stand_in, found.shape) == ("", "by its config.json")
    assert [asset.kind for asset in found.assets] == ["dataset"] * len(found.assets)


def test_the_base_of_adapters_is_what_is_fetched(stand_in, tmp_path):
    for file in Path(stand_in).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    for named, revision in ({}, "main"), ({"revision": None}, "main"), ({"revision": "v2"}, "v2"):
        adapters = {"base_model_name_or_path": "Qwen/Qwen3-8B"} | named
        (tmp_path / "adapter_config.json").write_text(json.dumps(adapters))
        found = dry_run(load_training(FILE, [f"policy.name={tmp_path}"]), "p.toml", "r")
        assert (found.assets[0].repository, found.shape, found.stand_in) == (
            "Qwen/Qwen3-8B",
            "by the table of this package",
            "",
        )
        assert found.assets[0].revision == revision


@pytest.mark.parametrize(
    ("error", "gated", "said"),
    [
        (RepositoryNotFoundError, False, "the hub has no repository some/model, or none that you may see"),
        (RevisionNotFoundError, False, "some/model has no revision 'main' on the hub"),
        (GatedRepoError, False, "it is gated: accept its terms at https://huggingface.co/some/model"),
        (GatedRepoError, True, "it is gated: accept its terms at https://huggingface.co/some/model"),
    ],
)
def test_it_says_why_the_hub_gives_nothing(monkeypatch, error, gated, said):
    answering(monkeypatch, error, gated=gated)
    with pytest.raises(ConfigError) as refused:
        dry_run(load_training(FILE, ["policy.name=some/model"]), "p.toml", "r")
    assert said in refused.value.message
    assert "did not answer" not in refused.value.message


@pytest.mark.parametrize("given", [True, False])
def test_what_a_plan_needs_is_fetched_by_a_command_that_it_names(monkeypatch, stand_in, given):
    answering(monkeypatch)
    missing = "configuration" if given else "tokenizer"
    with pytest.raises(ConfigError, match=f"the {missing} of some/model is not here") as refused:
        dry_run(load_training(FILE, ["policy.name=some/model"]), "p.toml", "r", stand_in if given else "")
    command = "hf download some/model config.json tokenizer.json tokenizer_config.json --revision main"
    assert command in refused.value.hint


def test_a_tracker_that_is_not_installed_fails_now_and_vllm_does_not(stand_in, monkeypatch):
    monkeypatch.setattr(requirements, "find_spec", lambda module: None)
    with pytest.raises(ConfigError, match="report_to names wandb"):
        dry_run(load_training(FILE, ['report_to=["wandb"]']), "p.toml", "r", stand_in)
    changes = ["report_to=[]", "sampler.engine=vllm_colocate"]
    assert dry_run(load_training(FILE, changes), "p.toml", "r", stand_in).layouts


def test_a_dataset_of_another_package_is_loaded(stand_in, monkeypatch):
    def load(split, seed):
        return samples(6, split)

    mine = Dataset("mine", ("train", "test"), load)
    entry = SimpleNamespace(name="mine", load=lambda: mine)
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry])
    changes = ['data.datasets=["mine"]', "data.own={}", "data.tasks=3", "data.test_tasks=3"]
    found = dry_run(load_training(FILE, changes), "p.toml", "r", stand_in)
    assert found.prompt.own
    assert [asset.kind for asset in found.assets] == ["policy"]
    with pytest.raises(ConfigError, match="mine has no split 'dev'"):
        dry_run(load_training(FILE, [*changes, "data.test=dev"]), "p.toml", "r", stand_in)


def test_a_plan_says_where_a_cold_start_learns_from(stand_in, tmp_path):
    with RunFolder.create(tmp_path / "recorded", {}):
        pass
    changes = [f"warmup.run={tmp_path / 'recorded'}", "warmup.learning_rate=1e-5", "sampler.weights=transfer"]
    changes.append("policy.dtype=float32")
    found = dry_run(load_training(FILE, changes), "p.toml", "r", stand_in)
    assert f"cold start: from {tmp_path / 'recorded'}" in found.lines()
    both = dry_run(load_training(FILE, [*changes, "warmup.episodes=1500"]), "p.toml", "r", stand_in)
    assert f"cold start: 1,500 scripts, from {tmp_path / 'recorded'}" in both.lines()
    assert "no cold start" in dry_run(load_training(FILE), "p.toml", "r", stand_in).lines()


def test_no_command_has_vllm_load_what_it_cannot(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    for name in ("smollm2", str(tmp_path)):
        (only,) = layouts(load_training(FILE, [f"policy.name={name}"]), "p.toml", "r")
        assert (only.learners, only.servers, only.engine) == (1, 0, "transformers")
        assert only.commands == ("flowsteer train p.toml --run r --set sampler.engine=transformers",)


@pytest.mark.parametrize(
    ("changes", "engines"),
    [
        (["policy.lora_rank=0"], ["vllm_colocate"]),
        (["policy.lora_rank=0", "sampler.weights=transfer"], ["vllm_colocate", "vllm_server", "vllm_server"]),
        (["update.mask=false"], ["transformers"]),
        (["warmup={episodes=8, learning_rate=1e-5}"], ["vllm_colocate"]),
        ([], ["vllm_colocate", "vllm_server", "vllm_server"]),
    ],
)
def test_every_command_is_taken_by_the_configuration(changes, engines):
    changes = [*changes, "policy.dtype=float32", "sampler.engine=transformers"]
    found = layouts(load_training(FILE, changes), "p.toml", "r")
    assert [layout.engine for layout in found] == engines
    for layout in found:
        words = shlex.split(layout.commands[-1])
        config = load_training(FILE, [*changes, *(word for flag, word in pairwise(words) if flag == "--set")])
        assert config.sampler.engine == layout.engine
        if layout.servers:
            assert len(config.sampler.urls) == layout.servers


def test_whole_weights_go_to_one_server():
    _, node, several = layouts(load_training(FILE, ["sampler.weights=transfer"]), "p.toml", "r")
    for layout in (node, several):
        assert layout.servers == 1
        assert layout.commands[-1].count("http://") == 1
    assert "for gpu in 6; do" in node.commands[0]
    assert "for gpu in 0; do" in several.commands[0]


@pytest.mark.parametrize(("groups", "group"), [(6, 6), (9, 3), (3, 3), (11, 2), (13, 13), (8, 2), (5, 3), (15, 3)])
def test_learners_fit_on_nodes_of_eight(groups, group):
    changes = [f"update.groups={groups}", f"update.group={group}"]
    _, _, several = layouts(load_training(FILE, changes), "p.toml", "r")
    serving, *learning = several.commands
    assert several.name == f"{len(learning) + 1} nodes of 8 GPUs"
    assert serving.startswith(f"[NODE{len(learning) + 1}]")
    for number, command in enumerate(learning):
        gpus = command.split("CUDA_VISIBLE_DEVICES=")[1].split()[0].split(",")
        assert len(gpus) <= 8
        assert len(gpus) * len(learning) == several.learners
        assert f"--num_machines {len(learning)} --num_processes {several.learners}" in command
        assert f"--machine_rank {number} " in command


def test_datasets_in_a_folder_are_loaded_and_held_apart(stand_in, tmp_path):
    rows = [{"id": str(n), "question": f"{n} + 1?", "type": "math", "answer": str(n + 1)} for n in range(6)]
    (tmp_path / "gsm8k.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    changes = ['data.datasets=["gsm8k"]', "data.own={}", f"data.data={tmp_path}", "data.tasks=3", "data.test_tasks=3"]
    with pytest.raises(ConfigError, match="share"):
        dry_run(load_training(FILE, changes), "p.toml", "r", stand_in)
    allowed = [*changes, "data.own.gsm8k.overlap=true"]
    found = dry_run(load_training(FILE, allowed), "p.toml", "r", stand_in)
    assert found.prompt.own
    assert [asset.kind for asset in found.assets] == ["policy"]


def test_a_stand_in_is_for_dry_runs_only(stand_in, tmp_path):
    done = run(FILE, "--stand-in", stand_in, "--run", tmp_path / "run")
    assert done.exit_code == 2
    assert "--stand-in goes with --dry-run" in done.stderr
