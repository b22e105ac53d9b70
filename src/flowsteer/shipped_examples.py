"""The example files that come with FlowSteer: their names work in every folder, from a checkout and from the wheel."""

from pathlib import Path

NAME = "examples"
PACKED, CHECKOUT = Path(__file__).with_name(NAME), Path(__file__).parents[2] / NAME


def with_examples(path: Path) -> Path:
    """The file itself; for `examples/FILE` where there is none, the one that came with FlowSteer, if any did.

    >>> with_examples(Path("examples/demo.toml")).is_file(), with_examples(Path("examples/none.toml")).is_file()
    (True, False)

    Args:
        path: A file that somebody named.
    """
    if path.parts[:1] != (NAME,) or path.exists():
        return path
    shipped = (PACKED if PACKED.is_dir() else CHECKOUT).joinpath(*path.parts[1:])
    return shipped if shipped.is_file() else path
