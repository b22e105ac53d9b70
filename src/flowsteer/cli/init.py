"""`flowsteer init`: a small working package to begin with, and its test."""

import keyword
import re
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Annotated, Literal

import typer

from flowsteer.cli import options as o
from flowsteer.cli.console import guarded, print_json, say
from flowsteer.errors import ConfigError

Kind = Literal["operator", "dataset", "experiment", "env"]
MODULE, ENDING = "MODULE", ".txt"
"""In names of starters' files: what stands for the module's name, and an ending that keeps tools from reading them."""

NEXT = {
    "operator": "pip install -e . pytest && pytest",
    "dataset": "pip install -e . pytest && pytest",
    "experiment": "pip install pytest && pytest",
    "env": "pip install pytest && pytest",
}
"""What to type in the new folder."""


@guarded
def init(
    kind: Annotated[Kind, typer.Argument(help="What to begin.")],
    name: Annotated[str, typer.Argument(help="Name of the package; a folder of that name is made here.")],
    json: o.Json = False,
) -> None:
    """Write a small working package with a test: operators, a dataset, an experiment, or a training loop of your own.

    \b
    Examples:
      flowsteer init operator my-operators
      flowsteer init dataset my-questions
    """  # noqa: D301 - \b keeps the lines of the examples apart
    module, folder = _module(name), Path(name)
    if folder.exists():
        raise ConfigError(f"{folder} exists already", "name another")
    written = []
    try:
        folder.mkdir(parents=True)
        for starter in sorted(files("flowsteer.starters").joinpath(kind).iterdir(), key=lambda file: file.name.lower()):
            path = folder / starter.name.removesuffix(ENDING).replace(MODULE, module)
            text = Template(starter.read_text(encoding="utf-8"))
            path.write_text(text.substitute(name=folder.name, module=module), encoding="utf-8")
            written.append(str(path))
    except OSError as error:
        raise ConfigError(f"cannot write {folder}: {error.strerror}", "name another") from error
    if json:
        print_json({"kind": kind, "folder": str(folder), "files": written})
        return
    for file in written:
        say(file)
    say(f"next: cd {folder} && {NEXT[kind]}")


def _module(name: str) -> str:
    """The name of the Python module for a package.

    Raises:
        ConfigError: No module can be called that.
    """
    module = Path(name).name.replace("-", "_").lower()
    if not re.fullmatch(r"[a-z][a-z0-9_]*", module) or keyword.iskeyword(module) or module.startswith("flowsteer"):
        raise ConfigError(
            f"{name!r} is no name for a package of your own", "letters, digits and -, such as my-operators"
        )
    return module
