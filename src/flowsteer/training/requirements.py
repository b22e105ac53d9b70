"""What a training run needs beside the extra `train`: trackers, and vLLM where the learner itself uses it."""

from collections.abc import Iterable, Mapping
from importlib.util import find_spec

from flowsteer.errors import ConfigError
from flowsteer.training.inference.settings import SamplerSettings

MODULES: Mapping[str, tuple[str, ...]] = {
    "azure_ml": ("azureml",),
    "dagshub": ("dagshub", "mlflow"),
    "flyte": ("flytekit",),
}
"""Modules of a tracker; one that is not here has a single module of its own name."""

PACKAGES: Mapping[str, str] = {"azureml": "azureml-sdk", "comet_ml": "comet-ml"}
"""Packages that are not called like their module."""

INSTEAD: Mapping[str, str] = {"tensorboard": "tensorboardX"}
"""Modules that do for another one."""


def check_trackers(report_to: Iterable[str]) -> None:
    """Metrics can go where they are to go.

    Raises:
        ConfigError: A tracker of `report_to` is not installed.
    """
    for tracker in report_to:
        modules = MODULES.get(tracker, (tracker,))
        if missing := [module for module in modules if not _found(module)]:
            packages = " ".join(PACKAGES.get(module, module) for module in missing)
            raise ConfigError(
                f"report_to names {tracker}, and {', '.join(missing)} is not installed",
                f"pip install {packages}, or report nowhere: --set report_to=[]",
            )


def check_engine(sampler: SamplerSettings) -> None:
    """The learner has what its sampler needs in its own process.

    Raises:
        ConfigError: It needs vLLM, which is not installed.
    """
    transfers = sampler.engine == "vllm_server" and sampler.weights == "transfer"
    if (transfers or sampler.engine == "vllm_colocate") and not _found("vllm"):
        asked = 'sampler.weights="transfer"' if transfers else f"sampler.engine={sampler.engine}"
        raise ConfigError(f"{asked} needs vLLM in the learner, and vllm is not installed", "pip install vllm")


def _found(module: str) -> bool:
    return any(find_spec(name) is not None for name in (module, INSTEAD.get(module)) if name)
