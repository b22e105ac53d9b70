"""How what episodes that broke off have left in a run folder is forgotten."""

from flowsteer.runs.files import JSON, read_lines, write_lines, writing
from flowsteer.runs.folder import ERRORS, OPEN, RunFolder
from flowsteer.runs.lock import take_lock


def forget_unfinished(record: RunFolder) -> None:
    """Remove the events of episodes that broke off, and what is told of them; why finished ones had, stays told.

    Args:
        record: The run, opened to look into.

    Raises:
        RunError: Another process is writing to it, or the system refuses it.
    """
    errors = record.path / ERRORS

    def is_kept(line: JSON) -> bool:
        return not isinstance(episode := line.get("episode"), str) or episode in record.entries

    with writing(record.path):
        lock = take_lock(record.path)
        try:
            for file in (record.path / OPEN).glob("*.jsonl"):
                file.unlink()
            told = list(read_lines(errors))
            kept = list(filter(is_kept, told))
            if len(kept) < len(told):
                write_lines(errors, kept)
        finally:
            lock.release()
