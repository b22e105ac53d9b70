"""What a policy's card (the head of its README.md, as on the hub) says of how it directs."""

from pathlib import Path
from typing import Literal, get_args

from flowsteer.errors import ConfigError

KEY = "action_dialect"
Dialect = Literal["strict", "lenient"]


def action_dialect(folder: Path) -> Dialect | None:
    """How the policy writes actions by its card; None if that does not say.

    Args:
        folder: The policy's folder.

    Raises:
        ConfigError: The card cannot be read, or names a dialect that does not exist.
    """
    from huggingface_hub.repocard import metadata_load
    from yaml import YAMLError

    file = folder / "README.md"
    if not file.is_file():
        return None
    try:
        said = (metadata_load(file) or {}).get(KEY)
    except (OSError, UnicodeDecodeError, ValueError, YAMLError) as error:
        raise ConfigError(
            f"the card {file} cannot be read: {error}", "mend what stands between its --- lines"
        ) from error
    if said is not None and said not in get_args(Dialect):
        raise ConfigError(f"{file} has {KEY}: {said}", f"one of: {', '.join(get_args(Dialect))}")
    dialect: Dialect | None = said
    return dialect
