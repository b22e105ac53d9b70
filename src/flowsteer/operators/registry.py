"""Operator libraries: found by entry points, chosen by name, swapped whole."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points

from flowsteer.errors import ConfigError, FlowSteerError
from flowsteer.operators.base import Operator
from flowsteer.suggestions import did_you_mean
from flowsteer.workflow.laws import is_name
from flowsteer.workflow.nodes import Category

GROUP = "flowsteer.libraries"
"""Entry-point group: each entry point loads to a `Library`. The built-in libraries are registered in just this way."""


@dataclass(frozen=True, slots=True)
class Library:
    """A named set of operators: the O of the paper.

    Attributes:
        name: What users type, such as `paper` or `paper+tools`.
        operators: Operators by name, in the order the Director is shown them.
    """

    name: str
    operators: Mapping[str, Operator]

    @classmethod
    def of(cls, name: str, operators: Iterable[Operator]) -> "Library":
        """A library of these operators.

        Raises:
            ConfigError: If two operators share a name.
        """
        by_name: dict[str, Operator] = {}
        for item in operators:
            if not is_name(item.name):
                raise ConfigError(f"library {name}: {item.name!r} cannot be said in a workflow; use letters and digits")
            if item.name in by_name:
                raise ConfigError(f"library {name}: two operators are named {item.name}; rename one of them")
            by_name[item.name] = item
        return cls(name, by_name)

    @property
    def categories(self) -> Mapping[str, Category]:
        """The category of each operator."""
        return {name: item.category for name, item in self.operators.items()}


def library_names() -> list[str]:
    """Names of all installed libraries."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def load_library(name: str = "paper") -> Library:
    """Load a library by name; `a+b` joins several, `a:X,Y` takes only these of its operators.

    Args:
        name: A library, or several.

    Raises:
        ConfigError: If a name is unknown, or joined libraries share an operator name.

    >>> list(load_library("paper:Custom,Review,Format").operators)
    ['Custom', 'Review', 'Format']
    """
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    parts: list[Library] = []
    for part, _, chosen in (one.partition(":") for one in name.split("+")):
        if part not in found:
            raise ConfigError(
                f"unknown operator library {part!r}.{did_you_mean(part, found)}",
                f"installed libraries: {', '.join(sorted(found))}",
            )
        try:
            loaded = found[part].load()
        except FlowSteerError:
            raise
        except Exception as error:  # whatever code of others raises when it is imported
            raise ConfigError(
                f"the operator library {part!r} cannot be loaded: {type(error).__name__}: {error}",
                f"mend {found[part].value}, or leave the library out",
            ) from error
        if not isinstance(loaded, Library):
            raise ConfigError(f"entry point {part!r} of group {GROUP} is not a Library but {type(loaded).__name__}")
        parts.append(_only(loaded, chosen.split(",")) if chosen else loaded)
    if len(parts) == 1:
        return parts[0]
    return Library.of(name, (item for part in parts for item in part.operators.values()))


def _only(library: Library, names: Iterable[str]) -> Library:
    """The library with these of its operators alone, in its own order."""
    wanted = dict.fromkeys(name.strip() for name in names)
    if unknown := [name for name in wanted if name not in library.operators]:
        raise ConfigError(
            f"library {library.name} has no operator {', '.join(map(repr, unknown))}."
            f"{did_you_mean(unknown[0], library.operators)}",
            f"it has {', '.join(library.operators)}",
        )
    kept = [item for name, item in library.operators.items() if name in wanted]
    return Library.of(f"{library.name}:{','.join(item.name for item in kept)}", kept)
