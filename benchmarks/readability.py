"""How easy the pages are to read: words a sentence, and two formulas of Flesch.

    python benchmarks/readability.py                     # the pages in docs/, and README.md
    python benchmarks/readability.py PAGE PAGE …         # these, in Markdown

Only prose counts: code blocks, tables, headings and attributes are left out, and a name in code counts as one word of
two syllables. Syllables are counted by groups of vowels, so a figure is right to about a point. Compare pages only if
both were measured by this program. Reading ease: 60 to 70 is plain English, below 50 is hard (Flesch 1948). Grade:
years of school (Kincaid 1975).
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
NO_PROSE = re.compile(
    r"""^---\n.*?^---\n            # front matter
    | ^(?P<fence>[ \t]*`{3,})[^\n]*\n.*?^(?P=fence)[ \t]*$        # blocks of code
    | <!--.*?-->""",
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
NO_SENTENCE = re.compile(r"^\s*(?:\||\#|:::|!\[|\{\{|<|\[\^)|^\s*$")
LIST_ITEM = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+")


@dataclass(frozen=True, slots=True)
class Ease:
    """What one page came to.

    Attributes:
        words: Words of prose.
        sentences: Sentences of prose.
        syllables: Their syllables.
    """

    words: int
    sentences: int
    syllables: int

    @property
    def reading_ease(self) -> float:
        """Flesch's reading ease; more is easier."""
        return 206.835 - 1.015 * self.words / self.sentences - 84.6 * self.syllables / self.words

    @property
    def grade(self) -> float:
        """Years of school, by Flesch and Kincaid."""
        return 0.39 * self.words / self.sentences + 11.8 * self.syllables / self.words - 15.59


def paragraphs(text: str) -> list[str]:
    """The prose of a page: its paragraphs and list items, without markup."""
    found, current = [], ""
    for line in [*NO_PROSE.sub("\n", text).split("\n"), ""]:
        begins = LIST_ITEM.match(line)
        if begins or NO_SENTENCE.match(line):
            found.append(current)
            current = ""
        if not NO_SENTENCE.match(line):
            current += " " + (line[begins.end() :] if begins else line)
    return [plain(paragraph) for paragraph in found if paragraph.strip()]


def plain(text: str) -> str:
    """Text without links, emphasis and attributes; a name in code is one word."""
    text = re.sub(r"`+[^`]+`+", "option", text)
    text = re.sub(r"!?\[([^\]]*)\](?:\([^)]*\)|\{[^}]*\})", r"\1", text)
    return re.sub(r"\{[^}]*\}|<[^>]+>|[*_\[\]]", "", text)


def syllables(word: str) -> int:
    """Syllables of a word, by groups of vowels; a silent e at the end is none.

    >>> [syllables(word) for word in ("Director", "made", "workflow", "table", "the")]
    [3, 1, 2, 2, 1]
    """
    bare = re.sub(r"(?<![aeiouyl])e$|(?<=[^aeiouy])ed$(?<![dt]ed)|(?<![sxzh])es$", "", word.lower())
    return max(1, len(re.findall(r"[aeiouy]+", bare)))


def ease(page: Path) -> Ease:
    """Count the prose of a page."""
    sentences = [
        sentence
        for paragraph in paragraphs(page.read_text(encoding="utf-8"))
        for sentence in re.split(r"(?<=[.!?:])\s+(?=[\"“(]?[A-Z\d])", paragraph)
        if re.search("[a-zA-Z]", sentence)
    ]
    words = [word for sentence in sentences for word in re.findall(r"[a-zA-Z][a-zA-Z'’-]*", sentence)]
    return Ease(len(words), len(sentences), sum(syllables(word) for word in words))


def main() -> None:
    """Print a line for each page."""
    named = [Path(name) for name in sys.argv[1:]]
    pages = named or [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    print(f"{'page':34}{'words':>7}{'a sentence':>12}{'ease':>7}{'grade':>7}")
    for page in pages:
        found = ease(page)
        if found.words:
            average = found.words / found.sentences
            print(f"{page.name:34}{found.words:>7}{average:>12.1f}{found.reading_ease:>7.1f}{found.grade:>7.1f}")


if __name__ == "__main__":
    main()
