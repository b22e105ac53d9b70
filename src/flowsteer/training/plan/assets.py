"""What a training run fetches from the hub: which files of which repository, at which revision, and what is here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from flowsteer.datasets import hotpot_short
from flowsteer.datasets.hub import SOURCES
from flowsteer.errors import BackendRejected, BackendUnavailable, ConfigError
from flowsteer.training.data import DataSettings
from flowsteer.training.policy.policy import EMBEDDED, TINY, PolicySettings

LOOK = 10.0
"""Seconds to wait for the hub's answer."""

CONFIG = "config.json"
TOKENIZER = ("tokenizer_config.json", "tokenizer.json")


@dataclass(frozen=True, slots=True)
class Asset:
    """Files of one repository.

    Attributes:
        kind: `policy` or `dataset`.
        repository: Its id on the hub.
        revision: Branch, tag or commit.
        files: Names of the files; of a dataset, its configuration and split, whose files the hub names.
        here: Whether all of them are in the local cache.
        named_by: Who names the files: the hub, the table below, or custom.
        doubt: What the hub did not say or will not give; empty for nothing.
    """

    kind: Literal["policy", "dataset"]
    repository: str
    revision: str
    files: tuple[str, ...]
    here: bool
    named_by: Literal["hub", "table", "custom"] = "table"
    doubt: str = ""

    def line(self) -> str:
        """The asset for people."""
        state = "here" if self.here else "to fetch"
        usual = "names as usual: " if self.named_by == "custom" else ""
        doubt = f" ({usual}{self.doubt})" if self.doubt else ""
        return f"{state}: {self.kind} {self.repository} @ {self.revision}: {', '.join(self.files)}{doubt}"

    def command(self) -> str:
        """What fetches a policy's files but its weights."""
        small = " ".join(file for file in self.files if not file.endswith(".safetensors"))
        return f"hf download {self.repository} {small} --revision {self.revision}"


@dataclass(frozen=True, slots=True)
class Known:
    """A policy whose shape is known without the hub.

    Attributes:
        files: What is fetched of it.
        shape: What decides its size, as in its config.json.
    """

    files: tuple[str, ...]
    shape: Mapping[str, Any]


KNOWN: Mapping[str, Known] = {
    # https://huggingface.co/Qwen/Qwen3-8B: its config.json and its list of files at b968826, 16.4 GB.
    "Qwen/Qwen3-8B": Known(
        (
            CONFIG,
            "generation_config.json",
            *TOKENIZER,
            "vocab.json",
            "merges.txt",
            "model.safetensors.index.json",
            *(f"model-0000{number}-of-00005.safetensors" for number in range(1, 6)),
        ),
        {
            "model_type": "qwen3",
            "num_hidden_layers": 36,
            "hidden_size": 4096,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "intermediate_size": 12288,
            "vocab_size": 151936,
            "max_position_embeddings": 40960,
            "tie_word_embeddings": False,
        },
    )
}
"""By repository."""


def policy_asset(policy: PolicySettings) -> Asset | None:
    """What is fetched for the policy; None if it is made here or is a folder.

    Raises:
        ConfigError: There is no such policy, here or on the hub.
    """
    name, revision = policy.name, policy.revision
    if name in (TINY, EMBEDDED) or Path(name).is_dir():
        return None
    _check_name(name)
    told, doubt = _told(name, revision)
    files = told or (KNOWN[name].files if name in KNOWN else (CONFIG, *TOKENIZER, "model.safetensors"))
    here = all(cached(name, file, revision) for file in files)
    named_by: Literal["hub", "table", "custom"] = "hub" if told else "table" if name in KNOWN else "custom"
    return Asset("policy", name, revision, files, here, named_by, doubt)


def _check_name(name: str) -> None:
    """A name that the hub could not have is that of a folder.

    Raises:
        ConfigError: It is not there.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise ConfigError(
            f"there is no policy in {name}", f"{TINY}, {EMBEDDED}, a folder, or a name on the hub"
        ) from error


def dataset_assets(name: str, data: DataSettings) -> list[Asset]:
    """What is fetched for a dataset that is neither made here nor in the folder of the run's data.

    Args:
        name: The dataset.
        data: Its settings, see `DataSettings.of`.
    """
    splits = SOURCES["hotpotqa" if name == hotpot_short.NAME else name]
    wanted = [data.train, *([data.validation] if data.validation_tasks else []), data.test]
    found = []
    for split in dict.fromkeys(wanted):
        source = splits[split]
        files = tuple(f"{config or 'default'}/{source.split}" for config in source.configs)
        found.append(Asset("dataset", source.repository, source.revision, files, here=False))
    return found


def cached(repository: str, file: str, revision: str) -> bool:
    """Whether a file of the hub is in the local cache."""
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(repository, file, revision=revision), str)


def _told(repository: str, revision: str) -> tuple[tuple[str, ...], str]:
    """The files that transformers would fetch, as the hub names them; or none, and why it does not say."""
    try:
        files = _listed(repository, revision)
    except (BackendRejected, BackendUnavailable) as error:
        return (), error.message
    wanted = (".json", ".safetensors", "merges.txt", ".jinja", ".model")
    return tuple(sorted(file for file in files if "/" not in file and file.endswith(wanted))), ""


def _listed(repository: str, revision: str) -> list[str]:
    """All files of a repository.

    Raises:
        ConfigError: The hub has no such repository or revision.
        BackendRejected: It gives the files only to those who accepted the terms.
        BackendUnavailable: It does not answer.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    hub = HfApi()
    try:
        found = hub.model_info(repository, revision=revision, timeout=LOOK)
        if found.gated:
            hub.auth_check(repository)
    except GatedRepoError as error:
        terms = f"accept its terms at https://huggingface.co/{repository}, then type: hf auth login"
        raise BackendRejected(f"it is gated: {terms}") from error
    except RepositoryNotFoundError as error:
        raise ConfigError(
            f"the hub has no repository {repository}, or none that you may see",
            f"policy.name is {TINY}, {EMBEDDED}, a folder, or a name on the hub; for a private one type: hf auth login",
        ) from error
    except RevisionNotFoundError as error:
        raise ConfigError(
            f"{repository} has no revision {revision!r} on the hub", "a branch, a tag or a commit: policy.revision=main"
        ) from error
    except Exception as error:  # Which errors there are is up to the HTTP client that the hub's library chose.
        raise BackendUnavailable("the hub did not answer") from error
    return [file.rfilename for file in found.siblings or ()]
