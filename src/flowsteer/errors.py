"""Errors, named after the boundary they cross.

Every error says what was found, what was expected and, in `hint`, what to type next. The command line
prints `message` and `hint` and exits with the error's `exit_code` (`flowsteer.cli.exit_codes` has them all); anything
else but an `OSError` is a bug and keeps its traceback.
"""


class FlowSteerError(Exception):
    """Base of all errors this package raises on purpose.

    Args:
        message: What was found and what was expected, in one or two sentences.
        hint: What to do next, ideally a command or value to type.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(FlowSteerError):
    """A setting, an argument, a name or a file given by the user does not fit."""

    exit_code = 2


class WorkflowError(FlowSteerError):
    """A workflow is malformed (DSL text, JSON, or an impossible tree)."""

    exit_code = 2


class DSLError(WorkflowError):
    """DSL text that does not parse.

    Args:
        message: What was found and what was expected.
        position: 0-based offset of the fault in the text.
    """

    def __init__(self, message: str, position: int, hint: str = "") -> None:
        super().__init__(message, hint)
        self.position = position


class ActionError(FlowSteerError):
    """A Director's reply that is not one well-formed action; data for the feedback, never a crash."""


class NoTurn(FlowSteerError):
    """A Director can take no further turn, such as at its token limit: the workflow is scored as it stands."""


class OperatorError(FlowSteerError):
    """An operator could not produce its result; the node fails, the workflow goes on.

    Args:
        kind: A short stable word for statistics, such as `no_code` or `bad_reply`.
    """

    def __init__(self, message: str, kind: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.kind = kind


class BackendError(FlowSteerError):
    """An LLM backend did not answer as asked."""


class BackendRejected(BackendError):
    """The backend refused this very request (too long, filtered, malformed): the node fails, others go on."""


class ContextExceeded(BackendRejected):
    """The request is longer than the model's context: a shorter one may be answered."""


class BackendUnavailable(BackendError):
    """The backend cannot be reached, timed out or kept failing: an infrastructure failure.

    It ends the episode, leaves it resumable and is never turned into an action, an answer or a reward.
    """


class SandboxError(FlowSteerError):
    """A sandbox is missing, broke, or cannot run what it was given. Never a reason to run on the host."""


class BudgetExceeded(FlowSteerError):
    """A limit on calls, tokens, seconds or money was reached."""

    exit_code = 4


class RunError(FlowSteerError):
    """A run folder cannot be read, written or resumed."""


class RunWriteError(RunError):
    """What a run does cannot be written down, as on a full disk: it ends, and can be gone on with."""


class GraderError(FlowSteerError):
    """A grader could not decide; the outcome is "unscorable", neither right nor wrong."""


class FaultError(FlowSteerError):
    """Code of an operator or a grader raised what it should not, and the run was asked to stop at that."""

    exit_code = 5


class PolicySyncError(FlowSteerError):
    """The sampler does not serve the weights that the learner has. Never a reason to go on with others."""
