"""The policies that can be trained: a tiny one made here, the embedded model, any causal language model."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge

from flowsteer.director.layouts import TASK_CHARS
from flowsteer.errors import ConfigError
from flowsteer.training.policy.tokenizer import train_tokenizer
from flowsteer.training.policy.view import ChatView, CompactView, View, compact_view

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TINY, EMBEDDED = "tiny", "smollm2"
"""Names of the policies that are no path and no hub name."""

POSITIONS = 2048
"""Most tokens of an episode of the tiny policy, unless its run allows more."""

SPREAD = 0.06
"""Standard deviation of the tiny policy's first weights: about half of 1/sqrt(width). With the usual 0.02, meant for
widths of thousands, it takes twice the updates to learn which tags belong together."""

ADAPTERS = "adapter_config.json"
"""The file by which peft knows a folder of adapters."""

KIND = "flowsteer_view"
"""The key in a model's configuration that says which view its policy reads."""


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """Who learns.

    Attributes:
        name: `tiny`, `smollm2`, a folder, or a name on the hub.
        revision: Branch, tag or commit on the hub.
        dtype: Type of the weights. Those of 16 bits do not learn, which adapters on them do.
        task_chars: Most characters of question, context and code an LLM is shown, each.
        lora_rank: Rank of the adapters on q, k, v and o; 0 trains every weight.
        lora_alpha: Their scale.
    """

    name: str = TINY
    revision: str = "main"
    dtype: Literal["float32", "bfloat16"] = "float32"
    task_chars: Annotated[int, Ge(1)] = TASK_CHARS
    lora_rank: Annotated[int, Ge(0)] = 0
    lora_alpha: Annotated[int, Ge(1)] = 64


SHORT, KNOWN = 400, 4096
"""Of texts of so many characters or ids both are kept, of so many texts: a tiny policy says and hears the same few
words again and again."""


def _encode(tokenizer: "PreTrainedTokenizerBase", text: str) -> tuple[int, ...]:
    return tuple(map(int, tokenizer.encode(text, add_special_tokens=False)))


def _decode(tokenizer: "PreTrainedTokenizerBase", ids: tuple[int, ...]) -> str:
    return str(tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))


_encoded, _decoded = lru_cache(maxsize=KNOWN)(_encode), lru_cache(maxsize=KNOWN)(_decode)


@lru_cache(maxsize=8)
def _end(tokenizer: "PreTrainedTokenizerBase") -> int:
    return int(tokenizer.eos_token_id)


@dataclass(frozen=True, slots=True)
class Policy:
    """A causal language model with what it needs to read and write an episode.

    Attributes:
        model: The model.
        tokenizer: Its tokenizer; the end-of-sequence token ends a turn.
        view: What it reads of an episode.
    """

    model: "PreTrainedModel | PeftModel"
    tokenizer: "PreTrainedTokenizerBase"
    view: View

    @property
    def end(self) -> int:
        """Id of the token that ends a turn."""
        return _end(self.tokenizer)

    def encode(self, text: str) -> list[int]:
        """Ids of a text that the canvas says; what the policy says is never encoded."""
        return list(_encoded(self.tokenizer, text) if len(text) <= SHORT else _encode(self.tokenizer, text))

    def decode(self, ids: Iterable[int]) -> str:
        """The text of one sampled turn, word for word."""
        said = tuple(ids)
        return _decoded(self.tokenizer, said) if len(said) <= SHORT else _decode(self.tokenizer, said)

    def mark(self) -> None:
        """Write into the model's configuration what it reads, so that it is saved with it."""
        setattr(self.model.config, KIND, self.view.name)

    def save(self, folder: Path) -> None:
        """Write model and tokenizer; `load_policy` reads them."""
        self.mark()
        self.model.save_pretrained(str(folder))
        self.tokenizer.save_pretrained(folder)

    def restore(self, folder: Path) -> None:
        """Take the weights, or the adapters, that `save` wrote into a folder; the model is changed in place."""
        if (folder / ADAPTERS).is_file():
            from peft import set_peft_model_state_dict
            from peft.utils import load_peft_weights

            set_peft_model_state_dict(self.model, load_peft_weights(str(folder), device="cpu"))
        else:
            saved = load_policy(str(folder), dtype=str(self.model.dtype).removeprefix("torch."))
            self.model.load_state_dict(saved.model.state_dict())


def quiet() -> None:
    """Keep transformers from drawing bars, and from warning of names that TRL uses and nobody here could mend."""
    import warnings

    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"transformers\.")
    warnings.filterwarnings("ignore", category=FutureWarning, message="`past_key_values` is deprecated")  # TRL's, too


def make_tiny(corpus: Iterable[str], seed: int = 0, positions: int = POSITIONS) -> Policy:
    """The tiny policy before any training: a Llama of 0.62 million parameters with a vocabulary of its own.

    It sees the type and coarse features of a task, never its question (`CompactView`): what it can learn is which
    workflow suits which kind of task.

    Args:
        corpus: Texts its tokenizer is trained on: episodes as it will read and write them.
        seed: Seed of the weights.
        positions: Most tokens of an episode; no weight depends on it.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = train_tokenizer(corpus)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=336,
        max_position_embeddings=positions,
        initializer_range=SPREAD,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
    return Policy(model, tokenizer, CompactView())


def load_policy(name: str, task_chars: int = TASK_CHARS, dtype: str = "float32", revision: str = "main") -> Policy:
    """Load a policy that exists.

    Args:
        name: `smollm2`, a folder that `Policy.save` or transformers wrote, or a name on the hub.
        task_chars: Most characters of question, context and code that an LLM is shown, each.
        dtype: Type of its weights.
        revision: Branch, tag or commit on the hub.

    Raises:
        ConfigError: There is no such model, or it cannot chat.
    """
    if name == TINY:
        raise ConfigError(
            "a tiny policy is made, not loaded", "give it a cold start, or name the folder of a trained one"
        )
    if (Path(name) / ADAPTERS).is_file():
        return _with_trained(Path(name), task_chars, dtype)
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where, options = located(name, revision)
    try:
        tokenizer = AutoTokenizer.from_pretrained(where, **options)
        model = AutoModelForCausalLM.from_pretrained(where, dtype=dtype, **options)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the policy {name!r} cannot be loaded: {str(error).splitlines()[0]}",
            f"{TINY}, {EMBEDDED}, a folder with config.json, or a name on the hub",
        ) from error
    if name == EMBEDDED:
        _forget_quantisation(model)
    view = compact_view(getattr(model.config, KIND, "chat"))
    return Policy(model, tokenizer, view or ChatView(tokenizer, task_chars))


def _with_trained(folder: Path, task_chars: int, dtype: str) -> Policy:
    """A policy that learned by adapters: its base with them, merged into its weights.

    A base that the run made itself is looked for beside the adapters first: run folders are moved.
    """
    from peft import PeftModel

    base, revision = base_of(folder)
    beside = folder.parent / Path(base).name
    if (beside / "config.json").is_file():
        base = str(beside)
    from flowsteer.backends.models import MODELS

    name = EMBEDDED if base == str(MODELS[EMBEDDED].path.parent) else base
    policy = load_policy(name, task_chars, dtype, revision)
    model = PeftModel.from_pretrained(policy.model, str(folder)).merge_and_unload()
    model.name_or_path = model.config._name_or_path = str(folder)  # whoever adapts it further names this as the base
    return replace(policy, model=model)


def base_of(folder: Path) -> tuple[str, str]:
    """What adapters in a folder were trained on: its name, and the revision of it."""
    found = json.loads((folder / ADAPTERS).read_text(encoding="utf-8"))
    return str(found["base_model_name_or_path"]), str(found.get("revision") or "main")


def located(name: str, revision: str = "main") -> tuple[str, dict[str, Any]]:
    """Where transformers finds a policy, and how it loads it: code that comes with one is never run.

    The embedded model's weights are taken, dequantised, out of its file.
    """
    if name != EMBEDDED:
        return name, {"revision": revision, "trust_remote_code": False}
    from flowsteer.backends.models import MODELS

    file = MODELS[EMBEDDED].path
    if not file.is_file():
        raise ConfigError(f"the embedded model is not here: {file}", f"flowsteer models pull {EMBEDDED}")
    return str(file.parent), {"gguf_file": file.name, "trust_remote_code": False}


def _forget_quantisation(model: "PreTrainedModel") -> None:
    """The weights out of a GGUF file are plain numbers once loaded; left marked as quantised they could not learn."""
    vars(model).update(hf_quantizer=None, is_quantized=False)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config


def placed(policy: Policy) -> Policy:
    """The policy on this process's GPU, if there is one."""
    import torch

    if torch.cuda.is_available():
        torch.nn.Module.to(policy.model, torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))))
    return policy


def with_adapters(
    model: "PreTrainedModel | PeftModel", rank: int, alpha: int, seed: int = 0, revision: str = "main"
) -> "PeftModel":
    """The model with fresh LoRA adapters on q, k, v and o (spec §6), without dropout: what is trained is what sampled.

    Args:
        model: The model; its own weights are frozen.
        rank: Rank of the adapters.
        alpha: Their scale.
        seed: Seed of their weights.
        revision: That of the model, which is saved with them.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    targets = ["q_proj", "k_proj", "v_proj", "o_proj"]
    adapters = LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=targets, task_type="CAUSAL_LM", revision=revision
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return get_peft_model(model, adapters)
