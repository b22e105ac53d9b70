"""The extras that this installation offers, by its own metadata, and what of each is installed."""

import re
from collections import defaultdict
from importlib.metadata import PackageNotFoundError, requires, version

FOR_CONTRIBUTORS = {"dev", "docs"}
_REQUIREMENT = re.compile(r"([\w.-]+).*extra == ['\"]([\w-]+)['\"]")


def missing_of_extras() -> dict[str, tuple[str, ...]]:
    """The packages that each extra lacks here; none if it is whole. Those for contributors are left out."""
    needed: defaultdict[str, list[str]] = defaultdict(list)
    for line in requires("flowsteer") or ():
        if (found := _REQUIREMENT.match(line)) and found[2] not in FOR_CONTRIBUTORS:
            needed[found[2]].append(found[1])
    return {extra: tuple(name for name in names if not _installed(name)) for extra, names in needed.items()}


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
