"""What a command's exit code says. Errors carry theirs (`flowsteer.errors`); the others are named here."""

from collections.abc import Mapping

NO_ANSWER, INCOMPLETE, FAULT, CHECK_FAILED = 3, 4, 5, 6

MEANINGS: Mapping[int, str] = {
    0: "done",
    1: "something outside failed: a server, a sandbox, a file; or a bug",
    2: "wrong input: an option, a name, a file",
    NO_ANSWER: "no answer, or not finished (solve, run); nothing could be graded (grade)",
    INCOMPLETE: "stopped early, by errors or by a spent budget: it can go on",
    FAULT: "code of an operator or a grader failed",
    CHECK_FAILED: "a check failed (validate, doctor)",
    130: "interrupted; 128 and the signal's number: 129, 130, 141, 143",
}
"""All exit codes."""


def help_text() -> str:
    """The codes for the end of `flowsteer --help`."""
    # \b: click keeps the lines of the paragraph apart
    return "\b\nExit codes:\n" + "\n".join(f"  {code:<3}  {meaning}" for code, meaning in MEANINGS.items())
