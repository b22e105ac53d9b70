"""The pages' templates; every value is escaped unless it is marked as finished HTML."""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING

from flowsteer.reporting import words

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


def render(template: str, **values: object) -> str:
    """Fill a template of this folder.

    Raises:
        jinja2.UndefinedError: If the template names a value that is not given.
    """
    return _environment().get_template(template).render(values)


@cache
def edition() -> str:
    """Digest of all templates: what another edition drew is out of date."""
    loader = _environment().loader
    assert loader is not None  # noqa: S101 - set below
    names = _environment().list_templates(extensions=["jinja", "css", "js"])
    sources = (loader.get_source(_environment(), name)[0] for name in names)
    return sha256("".join(sources).encode()).hexdigest()


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("flowsteer.reporting", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(words=words)
    environment.filters.update(digest=_digest, unbroken=_unbroken)
    return environment


def _unbroken(name: str) -> "Markup":
    """A name whose arrows are not broken at the end of a line."""
    from markupsafe import Markup, escape

    return escape(name).replace("-&gt;", Markup('<span class="nb">-&gt;</span>'))


def _digest(script: str) -> str:
    """The hash by which a page's policy allows this one script and no other (Content Security Policy, level 2)."""
    return f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}"
