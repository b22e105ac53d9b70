"""What a shell completes after Tab, besides commands and options."""

from pathlib import Path


def backend_names(incomplete: str) -> list[str]:
    """Specs of backends, as far as they are known: presets, and the embedded models."""
    from flowsteer.backends.models import list_models
    from flowsteer.backends.presets import PRESETS

    models = [f"llamacpp:{model.name}" for model in list_models()]
    others = ["pretrained", "simulated:", "human", "dsl:", "fixed:", "script:", "recorded:"]
    names = [*(f"{name}:" for name in PRESETS if name != "llamacpp"), *models, *others]
    return [name for name in names if name.startswith(incomplete)]


def dataset_names(incomplete: str) -> list[str]:
    """Datasets that can be named, and files of tasks here."""
    from flowsteer.datasets.registry import dataset_names as known

    files = [path.as_posix() for path in sorted(Path().glob("*.jsonl"))]
    return [name for name in [*known(), *files] if name.startswith(incomplete)]


def run_folders(incomplete: str) -> list[str]:
    """Run folders here and below `runs`."""
    found = [path.parent.as_posix() for place in (Path(), Path("runs")) for path in sorted(place.glob("*/config.json"))]
    return [name for name in found if name.startswith(incomplete)]
