"""What a training run would do, found out without loading weights, asking an LLM or playing an episode.

What is here is loaded as the run will load it: configuration, datasets, tokenizer and chat template, the model on no
device, TRL's settings. What is not here is listed, and is not fetched; the hub is only asked for the names of files.
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from flowsteer.backends.connect import check_spec
from flowsteer.datasets.base import Sample
from flowsteer.datasets.registry import BUILT_IN, find_dataset, generated
from flowsteer.datasets.simulated_tasks import simulated_sample
from flowsteer.environments.arena import Arena
from flowsteer.errors import ConfigError
from flowsteer.execution.memo import Memo
from flowsteer.grading.base import Grade
from flowsteer.runs.events import Feedback, ignore
from flowsteer.runs.folder import RunFolder
from flowsteer.session import open_session
from flowsteer.training import config as c
from flowsteer.training.data import DataSettings, TaskSplits, load_tasks
from flowsteer.training.inference.distributed import Ranks
from flowsteer.training.inference.reach import check_reach
from flowsteer.training.plan.assets import CONFIG, KNOWN, TOKENIZER, Asset, cached, dataset_assets, policy_asset
from flowsteer.training.plan.launch import Layout, layouts
from flowsteer.training.plan.memory import GIGABYTE, Memory, Shape, memory, shape_of
from flowsteer.training.policy.policy import (
    ADAPTERS,
    EMBEDDED,
    KIND,
    TINY,
    PolicySettings,
    base_of,
    located,
    quiet,
    with_adapters,
)
from flowsteer.training.policy.view import ChatView, CompactView, View, compact_view
from flowsteer.training.requirements import check_trackers
from flowsteer.workflow.nodes import Workflow

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

JSON = dict[str, Any]
TINY_PARAMETERS = 617_344
"""With the largest vocabulary that its tokenizer may get."""

GPU = 80
"""Gigabytes of the GPU that the plan is held against."""

SERVED = 0.9
"""Share of a GPU that a vLLM server takes unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the policy reads first.

    Attributes:
        task: The task: the run's first, or one of the simulated world where none of the run's is here.
        own: Whether it is the run's.
        text: The rendered prompt.
        tokens: Its tokens; None for a tokenizer that is made in the run.
    """

    task: str
    own: bool
    text: str
    tokens: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """A training run before it starts.

    Attributes:
        policy: Who learns.
        parameters: Its weights, all of them.
        trained: Those that learn: all, or the adapters'.
        steps: Updates.
        rollouts: Episodes to train on.
        scripts: Scripts that the cold start plays.
        recorded: The run folder whose episodes the cold start learns from; empty for none.
        train_tasks: Tasks to learn on.
        validation_tasks: Tasks to choose the best policy by.
        test_tasks: Tasks held out; each is played twice before and twice after.
        most_tokens: Most tokens that the episodes to train on can have, prompts included.
        overlap: Datasets whose test tasks are trained on, too.
        prompt: The first prompt.
        stand_in: Whose tokenizer and chat template stand in for the policy's; empty if its own are here.
        shape: What its size is known by: its config.json, or a table of this package.
        assets: What it fetches from the hub, and what of it is here.
        memory: Bytes on a GPU, by layout, on one GPU first; empty for a policy that is made here.
        layouts: Commands, by layout.
        executor: Who runs the operators; it is not asked here.
    """

    policy: str
    parameters: int
    trained: int
    steps: int
    rollouts: int
    scripts: int
    recorded: str
    train_tasks: int
    validation_tasks: int
    test_tasks: int
    most_tokens: int
    overlap: tuple[str, ...]
    prompt: Prompt
    stand_in: str
    shape: str
    assets: tuple[Asset, ...]
    memory: tuple[Memory, ...]
    layouts: tuple[Layout, ...]
    executor: str

    def lines(self) -> Iterator[str]:
        """The plan for people."""
        yield f"policy: {self.policy}, {self.parameters:,} parameters, {self.trained:,} of them trained ({self.shape})"
        learned = [f"{self.scripts:,} scripts"] if self.scripts else []
        learned += [f"from {self.recorded}"] if self.recorded else []
        yield f"cold start: {', '.join(learned)}" if learned else "no cold start"
        yield f"{self.steps:,} steps, {self.rollouts:,} rollouts of at most {self.most_tokens:,} tokens in all"
        counts = (self.train_tasks, "learn"), (self.validation_tasks, "validate"), (self.test_tasks, "test")
        yield f"tasks: {', '.join(f'{count:,} to {what}' for count, what in counts)}"
        if self.overlap:
            yield f"TESTED ON WHAT IT LEARNED ON, as the file asks: {', '.join(self.overlap)}"
        yield f"executor: {self.executor} (not asked here)"
        whose = f"tokenizer and chat template of {self.stand_in} STAND IN for its own" if self.stand_in else "its own"
        if self.prompt.tokens is not None:
            of = "" if self.prompt.own else ", a task of the simulated world in place of the first of the run"
            yield f"first prompt: {self.prompt.tokens:,} tokens ({whose}), task {self.prompt.task}{of}"
        yield from (asset.line() for asset in self.assets)
        for layout, needs in zip(self.layouts, self.memory, strict=True):
            yield f"{layout.name}: {layout.learners} to learn, {layout.servers} to serve"
            yield f"  memory of a learner's GPU, estimated: {_learner(needs)}"
            if layout.servers:
                yield f"  memory of a server's GPU, estimated: {_server(needs)}"
            yield from (f"  $ {command}" for command in layout.commands)
        if not self.layouts:
            yield f"memory for weights, gradients, optimiser and reference: {self.trained * 20 / GIGABYTE:.2f} GB"

    def to_json(self) -> JSON:
        """The plan for programs."""
        found: JSON = json.loads(json.dumps(asdict(self)))
        return found


def dry_run(config: c.TrainingConfig, file: str, run: str, stand_in: str = "") -> Plan:
    """Load what is here, build everything but the weights, and count.

    Args:
        config: The run.
        file: Its file, for the commands.
        run: Its folder, for the commands.
        stand_in: `smollm2` or a folder whose tokenizer is used where the policy's is not here.

    Raises:
        RunError: What the cold start is to learn from is no run folder.
        ConfigError: What would fail later: a tracker that is not installed, the name of a backend, a dataset, a split,
            the policy's configuration, its chat template, a prompt without room for a turn, a step that cannot be
            shared; or an asset is not here that the plan needs.
    """
    quiet()
    check_trackers(config.report_to)
    for backend in filter(None, (config.executor.backend, *config.executor.roster.values(), config.warmup.backend)):
        check_spec(backend)
    if config.warmup.run is not None:
        RunFolder.read(config.warmup.run)
    assets, tasks = _datasets(config.data, config.seed)
    weights = _whole(config.policy)
    asset = policy_asset(weights)
    first = next(iter(tasks.train), None)
    sample = first or simulated_sample("math", "train", config.seed, 0)
    if config.policy.name == TINY:
        view: View = CompactView()
        tokenizer, instead, known = None, "", "made in the run"
        parameters = trained = TINY_PARAMETERS
        spread: tuple[Layout, ...] = ()
        needs: tuple[Memory, ...] = ()
    else:
        tokenizer, instead = _tokenizer(config.policy, asset, stand_in, assets)
        model, known = _model_config(weights, asset)
        view = compact_view(getattr(model, KIND, "")) or ChatView(tokenizer, config.policy.task_chars)
        shape = _shape(config, model)
        parameters, trained, spread = shape.parameters, shape.trained, layouts(config, file, run)
        needs = tuple(_memory(config, shape, layout) for layout in spread)
        _check_settings(config, spread)
    prompt = _prompt(config, sample, view, tokenizer, own=first is not None)
    return Plan(
        policy=config.policy.name,
        parameters=parameters,
        trained=trained,
        steps=config.update.steps,
        rollouts=config.update.steps * config.update.batch,
        scripts=config.warmup.episodes,
        recorded=str(config.warmup.run or ""),
        train_tasks=_count(config.data, "tasks"),
        validation_tasks=_count(config.data, "validation_tasks"),
        test_tasks=_count(config.data, "test_tasks"),
        most_tokens=config.update.steps * config.update.batch * config.sampler.episode_tokens,
        overlap=tuple(sorted(config.data.overlapping)),
        prompt=prompt,
        stand_in=instead,
        shape=known,
        assets=(*([asset] if asset else []), *assets),
        memory=needs,
        layouts=spread,
        executor=config.executor.backend,
    )


def _datasets(data: DataSettings, seed: int) -> tuple[list[Asset], TaskSplits]:
    """What is fetched of the datasets, and the tasks of those that are here, loaded and held apart."""
    assets, here = [], []
    for name in data.datasets:
        own = data.of(name)
        if name.endswith(".jsonl") or generated(name) or data.data is not None:
            here.append(name)
            continue
        dataset = find_dataset(name)
        if dataset is not BUILT_IN.get(name):  # another package's own, which knows where its tasks are
            here.append(name)
            continue
        splits = (own.train, own.test, *((own.validation,) if own.validation_tasks else ()))
        if missing := [split for split in splits if split not in dataset.splits]:
            raise ConfigError(f"{name} has no split {missing[0]!r}", f"splits: {', '.join(dataset.splits)}")
        assets += dataset_assets(name, own)
    own_data = {name: own for name, own in data.own.items() if name in here}
    return assets, load_tasks(replace(data, datasets=tuple(here), own=own_data), seed)


def _count(data: DataSettings, what: str) -> int:
    return sum(getattr(data.of(name), what) for name in data.datasets)


def _tokenizer(
    policy: PolicySettings, asset: Asset | None, stand_in: str, assets: list[Asset]
) -> tuple["PreTrainedTokenizerBase", str]:
    """The policy's tokenizer, or the one that stands in for it where its own is not here; and whose it is then."""
    from transformers import AutoTokenizer

    own = asset is None or Path(policy.name).is_dir() or cached(policy.name, TOKENIZER[0], policy.revision)
    if not own and not stand_in:
        listed = [one for one in (asset, *assets) if one is not None]
        lines = "\n".join(one.line() for one in listed)
        raise ConfigError(
            f"the tokenizer of {policy.name} is not here, and a plan fetches nothing.\n{lines}",
            f"type: {listed[0].command()}; or give a tokenizer that stands in for this plan: --stand-in {EMBEDDED}",
        )
    where, options = located(policy.name, policy.revision) if own else located(stand_in)
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(where, local_files_only=True, **options)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the tokenizer of {policy.name if own else stand_in} cannot be loaded: {str(error).splitlines()[0]}",
            "needed: tokenizer.json and tokenizer_config.json",
        ) from error
    return tokenizer, "" if own else stand_in


def _model_config(policy: PolicySettings, asset: Asset | None) -> tuple["PretrainedConfig", str]:
    """The configuration that the model is built from, and where it is from."""
    from transformers import AutoConfig

    name = policy.name
    if asset is not None and not cached(name, CONFIG, policy.revision):
        if name in KNOWN:
            return AutoConfig.for_model(**KNOWN[name].shape), "by the table of this package"
        raise ConfigError(
            f"the configuration of {name} is not here, and a plan fetches nothing.\n{asset.line()}",
            f"type: {asset.command()}",
        )
    where, options = located(name, policy.revision)
    try:
        return AutoConfig.from_pretrained(where, local_files_only=True, **options), f"by its {CONFIG}"
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the configuration of {name!r} cannot be loaded: {str(error).splitlines()[0]}",
            f"needed: config.json, tokenizer.json, tokenizer_config.json and the weights; or {TINY}, {EMBEDDED}",
        ) from error


def _whole(policy: PolicySettings) -> PolicySettings:
    """The policy whose weights are loaded; of a folder of adapters it is their base."""
    folder = Path(policy.name)
    if not (folder / ADAPTERS).is_file():
        return policy
    base, revision = base_of(folder)
    return _whole(replace(policy, name=base, revision=revision))


def _shape(config: c.TrainingConfig, model_config: "PretrainedConfig") -> Shape:
    """The shape of the policy with its adapters, built on no device, without weights."""
    import torch
    from transformers import AutoModelForCausalLM

    policy = config.policy
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(model_config)  # type: ignore[no-untyped-call]
        whole = trained = model.num_parameters()
        if policy.lora_rank:
            adapted = with_adapters(model, policy.lora_rank, policy.lora_alpha)
            trained = sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)
    check_reach(policy.name, model, config.sampler.episode_tokens, config.draws_here)
    return shape_of(model_config, whole, trained)


def _memory(config: c.TrainingConfig, shape: Shape, layout: Layout) -> Memory:
    update, sampler = config.update, config.sampler
    each = update.batch // layout.learners
    return memory(
        shape,
        config.policy.dtype,
        update.kl > 0,
        sampler.episode_tokens,
        update.micro_batch or max(1, each),
        each * (1 + update.staleness) if layout.engine == "transformers" else 0,
        int(sampler.gpu_memory * GPU * GIGABYTE) if layout.engine == "vllm_colocate" else 0,
        1 + update.staleness if update.staleness else 0,
    )


def _check_settings(config: c.TrainingConfig, spread: tuple[Layout, ...]) -> None:
    """TRL accepts the settings, and each layout can share a step."""
    from flowsteer.training.rl.cwrpo import grpo_settings, share

    for layout in spread:
        share(config.update, Ranks(0, layout.learners))
    plain = replace(config, policy=replace(config.policy, dtype="float32"))
    with TemporaryDirectory() as folder:
        grpo_settings(plain, Path(folder), Ranks(), ())  # in 32 bits, since TRL refuses 16 where there is no GPU


def _prompt(
    config: c.TrainingConfig, sample: Sample, view: View, tokenizer: "PreTrainedTokenizerBase | None", own: bool
) -> Prompt:
    """The first prompt, rendered on a real canvas, and what stands between two turns."""
    observation = asyncio.run(_observed(config, sample))
    least = Feedback(True, "", (), Workflow(), (), None, (), 1, 2)
    text, between = view.opening(observation), view.answer(least, sample.task)
    name = f"{sample.task.dataset or sample.task.type}/{sample.task.id}"
    if tokenizer is None:
        return Prompt(name, own, text, None)
    tokens, said = (len(tokenizer.encode(part, add_special_tokens=False)) for part in (text, between))
    most = config.sampler.episode_tokens
    if tokens + said + 2 >= most:
        raise ConfigError(
            f"the first prompt alone has {tokens:,} tokens; an episode may have {most:,}",
            f"--set sampler.episode_tokens={4 * tokens}",
        )
    return Prompt(name, own, text, tokens)


async def _observed(config: c.TrainingConfig, sample: Sample) -> Any:
    """What the policy sees first; simulated backends stand behind the canvas and are not asked."""
    setup, simulated = c.setup_of(config), "simulated:typed"
    roster = dict.fromkeys(setup.roster, simulated)
    setup = replace(setup, executor=simulated, roster=roster, cache=None, requests=None)
    async with open_session(setup) as session:
        arena = Arena(session, _ungraded, config.canvas, config.reward)
        return arena.open(sample, ignore, 0, Memo()).observe()


async def _ungraded(sample: Sample, answer: str) -> Grade:
    return Grade(None, {}, "nothing is played")


def _learner(needs: Memory) -> str:
    parts = ("weights", "gradients", "optimiser", "reference", "activations", "cache")
    sizes = ", ".join(f"{part} {getattr(needs, part) / GIGABYTE:.1f}" for part in parts)
    fits = "fits" if needs.learner < GPU * GIGABYTE else "DOES NOT FIT"
    return f"{needs.learner / GIGABYTE:.1f} GB ({sizes}); {fits} into {GPU} GB"


def _server(needs: Memory) -> str:
    tokens = max(0, int((SERVED * GPU * GIGABYTE - needs.server) / needs.server_token))
    return f"weights {needs.server / GIGABYTE:.1f} GB; the rest of {GPU} GB holds keys and values of {tokens:,} tokens"
