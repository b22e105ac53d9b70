"""The built front end inside the package."""

from importlib.resources import files

INDEX, SCRIPT, STYLE = "index.html", "app.js", "app.css"

_BUNDLE = files("flowsteer.viewing") / "bundle"


def bundle_file(name: str) -> bytes | None:
    """A file of the front end by its name; None if it has no such file.

    >>> bundle_file("../records.py") is None
    True
    """
    folder = _BUNDLE if name == INDEX else _BUNDLE / "assets"
    found = next((file for file in folder.iterdir() if file.name == name and file.is_file()), None)
    return None if found is None else found.read_bytes()
