"""What a run has paid over all its starts: `spent.json` of a run folder, written over after each call.

The episodes do not tell it. What came from the cache stands in each of them as if it had been paid for there, and what
an episode paid before it broke off stands in none.
"""

import json
import logging
import os
from dataclasses import asdict
from pathlib import Path

from flowsteer.backends.budget import Budget
from flowsteer.backends.codec import read_usage
from flowsteer.errors import RunError
from flowsteer.runs.files import is_there, read_json, writing
from flowsteer.usage import NO_USAGE, Usage

FILE = "spent.json"

_WIDTH = 200  # longer than any account, so that a new one hides all of the old
_log = logging.getLogger(__name__)


class Ledger:
    """The account of a run.

    It is written by one short write in place, which a kill does not tear, and which costs little after however many
    calls.

    Args:
        run: The run folder.
    """

    def __init__(self, run: Path) -> None:
        self._path = run / FILE

    def read(self) -> Usage | None:
        """What was paid; None where no account was kept, or it is lost.

        Raises:
            RunError: Something that is no file is in its place.
        """
        if not is_there(self._path):
            return None
        try:
            return read_usage(read_json(self._path))
        except (RunError, ValueError) as error:
            _log.warning("%s is damaged and is not counted: %s", self._path, error)
            return None

    def write(self, spent: Usage) -> None:
        """Write down what was paid.

        Args:
            spent: Over all starts.

        Raises:
            RunWriteError: It cannot be written.
        """
        line = json.dumps(asdict(spent)).ljust(_WIDTH) + "\n"
        with writing(self._path):
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o666)
            try:
                os.write(file, line.encode())
            finally:
                os.close(file)


def resume_account(budget: Budget, run: Path, before: Usage = NO_USAGE, *, keep: bool = True) -> None:
    """Count what the earlier starts of a run have paid, and keep account of what is paid from now on.

    Args:
        budget: That of this start.
        run: The run folder.
        before: What earlier starts have paid, if no account was kept.
        keep: Whether this process keeps the account; of several that share the work of a run, one does.

    Raises:
        RunError: The account cannot be kept.
    """
    ledger = Ledger(run)
    paid = ledger.read()
    budget.resume(before if paid is None else paid, ledger.write if keep else None)
