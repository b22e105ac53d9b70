"""Images of a study as SVG that needs nothing outside itself, on light pages and on dark ones."""

from collections.abc import Iterable
from html import escape

LIGHT = """.study{font:12px system-ui,sans-serif;background:#fff;max-width:100%;height:auto}
.study text{fill:#1c2128}.study .tick{fill:#57606a}.study .grid{stroke:#d8dee4}
.study .middle{text-anchor:middle}.study .end{text-anchor:end}"""
DARK = """.study{background:#0d1117}.study text{fill:#e6edf3}.study .tick{fill:#9198a1}.study .grid{stroke:#30363d}"""


def image(label: str, width: float, height: float, parts: Iterable[str], light: str, dark: str) -> str:
    """An image.

    Args:
        label: What it shows, for those who do not see it.
        width: In pixels.
        height: In pixels.
        parts: What stands in it.
        light: Styles of its own, of classes within `.study`.
        dark: What differs on a dark page.
    """
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="study" {size} role="img" aria-label="{escape(label)}">'
    style = f"{LIGHT}{light}@media (prefers-color-scheme:dark){{{DARK}{dark}}}"
    return f"{head}<style>{style}</style>{''.join(parts)}</svg>"


def text(x: float, y: float, said: str, kind: str) -> str:
    """A text at a point, of some classes."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(said)}</text>'


def signed(value: float, digits: int = 0) -> str:
    """A number with its sign; a nought has none.

    >>> signed(-10), signed(2.25, 1), signed(0)
    ('−10', '+2.2', '0')
    """
    return f"{value:+.{digits}f}".replace("-", "−") if value else "0"
