"""The finished episodes of a run that is being written: memory holds where each stands, the disk what is told of it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from flowsteer.errors import RunError
from flowsteer.runs.files import parsed
from flowsteer.runs.index import INDEX, Entry, indexed_line


class StoredEntries(Mapping[str, Entry]):
    """Entries by episode, in the order in which they were added; each look at one reads its line of the index.

    Args:
        run: The run folder.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._at: dict[str, int] = {}

    def add(self, episode: str, at: int) -> None:
        """Take in an episode whose line begins at this byte of the index."""
        self._at[episode] = at

    def __getitem__(self, episode: str) -> Entry:
        """The entry of an episode.

        Raises:
            KeyError: It has not finished.
            RunError: The index was changed by something else.
        """
        at = self._at[episode]
        try:
            with (self._run / INDEX).open("rb") as lines:
                lines.seek(at)
                plain = parsed(lines.readline())
        except OSError as error:
            raise RunError(f"{self._run / INDEX} cannot be read: {error.strerror}", "run it again to go on") from error
        line = None if plain is None else indexed_line(self._run, plain)
        if line is None or line.entry is None or line.episode != episode:
            raise RunError(f"{self._run / INDEX} was changed while the run was written", "run it again to go on")
        return line.entry

    def __contains__(self, episode: object) -> bool:
        """Whether an episode has finished; nothing is read."""
        return episode in self._at

    def __iter__(self) -> Iterator[str]:
        """The episodes' ids."""
        return iter(self._at)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._at)
