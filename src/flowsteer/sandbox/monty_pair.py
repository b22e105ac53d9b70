"""A pair of programs in two Monty sessions, driven by one thread: a call in the one runs in the other meanwhile."""

from typing import TYPE_CHECKING, Any

from flowsteer.sandbox.base import Program, SandboxLimits, Status
from flowsteer.sandbox.monty_prelude import ENCODER, STANDARD_INPUT, spell_for_monty
from flowsteer.sandbox.monty_session import LEFT, MontyRun, RunEnded
from flowsteer.sandbox.pair import ENDED_EARLY, Caller, PairOutcome, exception, is_answer, raised
from flowsteer.sandbox.plain import decode
from flowsteer.sandbox.process import CHANNEL_BYTES
from flowsteer.sandbox.protocol import INTERFERENCE

if TYPE_CHECKING:
    from pydantic_monty import Monty, MontySession


HAVE_MORE_THAN_CALLS = frozenset(
    ("bool", "bytes", "dict", "float", "frozenset", "int", "list", "module", "set", "str", "tuple", "type")
)
"""Types of which a caller may use more than a call, which is all that a stub has."""


class MontyPair:
    """Two runs at once. `on` runs in a worker thread; `kill` may come from any other."""

    def __init__(self, caller: Caller, callee: Program, limits: SandboxLimits) -> None:
        self._callee = _Callee(callee, limits, caller.names)
        self._caller = _Caller(caller.program(), limits, self._callee)
        self._callee.caller = self._caller

    def on(self, pool: "Monty") -> PairOutcome:
        """Run on two workers of this pool."""
        status, error = self._callee.on(pool)
        answered = self._callee.answered
        if self._callee.failure is not None:
            ended = self._callee.failure
            return PairOutcome(ended.status, "callee", ended.error, answered)
        if status != "ok":
            return PairOutcome(status, "callee", error, answered)
        status, error = self._caller.outcome
        return PairOutcome(status, "caller", error, answered)

    def kill(self, status: Status, error: str) -> None:
        """Kill both worker processes; the pair ends with this status."""
        self._callee.kill(status, error)
        self._caller.kill(status, error)


class _Callee(MontyRun):
    """Loads its program, then answers calls for as long as the caller runs."""

    caller: "_Caller"
    answered = 0
    failure: RunEnded | None = None

    def __init__(self, program: Program, limits: SandboxLimits, names: tuple[str, ...]) -> None:
        super().__init__(program, limits)
        self._names = names

    def _drive(self, session: "MontySession") -> None:
        self._session = session
        self._feed(session, STANDARD_INPUT, {"__stdin_text": self._program.stdin})
        try:
            self._feed(session, spell_for_monty(self._program.code))
        except RunEnded as ended:
            raise RunEnded("error", ENDED_EARLY) if ended.error in LEFT else ended from None
        self._feed(session, ENCODER)
        self._check_names(session)
        self.caller.outcome = self.caller.on(self._pool)

    def on(self, pool: "Monty") -> tuple[Status, str]:
        """Run on a worker of this pool, the caller on another."""
        self._pool = pool
        return super().on(pool)

    def _check_names(self, session: "MontySession") -> None:
        """Whether the caller's names are there what they can be for it: functions, or not there at all.

        Raises:
            RunEnded: One is a class, a module or a constant.
        """
        look = "try:\n    __kinds += [type({0}).__name__]\nexcept NameError:\n    pass\n"
        code = "".join(look.format(name) for name in self._names)
        found = self._feed(session, f"__kinds = []\n{code}f'{{__kinds}}'[:{CHANNEL_BYTES}]")
        if more := sorted(kind for kind in HAVE_MORE_THAN_CALLS if repr(kind) in found):
            raise RunEnded("unsupported", f"only functions cross from one program in Monty to another, not {more[0]}")

    def refuse(self, reason: str) -> None:
        """End: an argument of the caller's cannot cross."""
        self.failure = RunEnded("unsupported", reason)
        raise Exception(reason)

    def answer(self, name: str, text: str) -> Any:
        """Make a call; raises in the caller what the function raised."""
        if self.failure is not None:
            raise Exception("the other program has ended")  # passes into the caller, whose fate is sealed
        args, kwargs = decode(text)
        inputs = {"__args": args, "__kwargs": kwargs}
        expression = f"('value', ({name})(*__args, **__kwargs), __args, __kwargs)"
        try:
            value = self._evaluate(self._session, expression, inputs)
        except RunEnded as ended:
            if ended.status != "error" or "cannot cross" in ended.error:
                self.failure = RunEnded("unsupported", ended.error) if ended.status == "error" else ended
                raise Exception(ended.error) from None
            self.answered += 1
            raise exception(raised(ended.error)) from None
        if not is_answer(value, args, kwargs):
            self.failure = RunEnded("error", INTERFERENCE)
            raise Exception(INTERFERENCE)
        self.answered += 1
        return value


class _Caller(MontyRun):
    """Runs a program in which `__ask` makes a call of the callee."""

    def __init__(self, program: Program, limits: SandboxLimits, callee: _Callee) -> None:
        super().__init__(program, limits)
        self._target = callee
        self.outcome: tuple[Status, str] = ("error", "it was not run")

    def _drive(self, session: "MontySession") -> None:
        self._feed(session, ENCODER)
        lookup = {"__ask": self._target.answer, "__refuse": self._target.refuse}
        self._feed(session, self._program.code, lookup=lookup)
        if self._feed(session, self._program.result) is not True:
            raise RunEnded("error", "it did not run to its end")
