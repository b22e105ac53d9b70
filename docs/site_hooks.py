"""How the pages of this repository become the pages of the site, for mkdocs (`make site`)."""

import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
ROOT_PAGES = ("PAPER.md", "INVARIANTS.md", "CHANGELOG.md", "CONTRIBUTING.md")
"""Pages of the repository's root that the site has, too."""


def on_files(files, config):
    """Add the pages of the root, beside those of `docs/`."""
    for name in ROOT_PAGES:
        files.append(File.generated(config, name, content=(ROOT / name).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown, page, config, files):
    """Make links lead to where the pages stand in the site, and the copy button leave out the prompts of Python."""
    markdown = re.sub(r"\]\((?:\.\./|docs/)(?=[\w/]+\.md)", "](", markdown)
    return re.sub(r"^```python\n(?=>>>)", "```pycon\n", markdown, flags=re.MULTILINE)
