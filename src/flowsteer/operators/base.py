"""What an operator is: one async function on drafts, declared with its category, what it reads and what it writes."""

import inspect
import sys
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from flowsteer.backends.base import NO_USAGE, Backend, Message, Origin, Reply, Request, Sampling, Usage
from flowsteer.backends.other_draws import sampling_of
from flowsteer.draft import FIELDS, Draft
from flowsteer.errors import ConfigError
from flowsteer.sandbox.base import Outcome, Program, SandboxLimits
from flowsteer.sandbox.pair import Caller, PairOutcome
from flowsteer.task import Task
from flowsteer.workflow.nodes import CATEGORIES, Category


class CodeRunner(Protocol):
    """Runs untrusted code in the run's sandbox tier."""

    async def run(self, program: Program, limits: SandboxLimits = ...) -> Outcome:
        """Run a program; see `flowsteer.sandbox.base.Sandbox.run`."""
        ...

    async def run_pair(self, caller: Caller, callee: Program, limits: SandboxLimits = ...) -> PairOutcome:
        """Run tests and what they test apart; see `flowsteer.sandbox.pair.PairSandbox.run_pair`."""
        ...


@dataclass(slots=True)
class OperatorCall:
    """Everything one execution of an operator gets.

    Attributes:
        task: The task.
        draft: The incoming draft, holding only the fields the operator declared to read.
        prompt: The Director's instruction for this step; empty when it gave none. Every operator passes it on.
        backend: The LLM of this node.
        sandbox: Where code may run; nowhere else.
        sampling: How the LLM is to draw; `seed` differs between draws of an otherwise equal call.
        sample: Which draw of an otherwise equal call this is.
        operator: The operator being called.
        usage: What the call has cost so far; `ask` adds to it.
        retries: Replies that had to be asked for again because they did not parse.
    """

    task: Task
    draft: Draft
    prompt: str
    backend: Backend
    sandbox: CodeRunner
    sampling: Sampling
    operator: "Operator"
    sample: str = ""
    usage: Usage = NO_USAGE
    retries: int = 0

    async def ask(self, messages: Iterable[Message], json_schema: dict[str, object] | None = None) -> Reply:
        """Send one request to this node's backend, and account for it.

        Args:
            messages: The conversation.
            json_schema: Enforced while decoding where the backend can.

        Raises:
            BackendUnavailable: The backend is gone; ends the episode.
            BackendRejected: The request was refused; fails the node.
        """
        origin = Origin(
            "executor", self.task, self.operator.name, self.operator.category, self.draft, self.prompt, self.sample
        )
        schema = json_schema if self.backend.features.json_schema else None
        reply = await self.backend.complete(Request(tuple(messages), self.sampling, schema, None, origin))
        self.usage += reply.usage
        return reply

    def draw_again(self) -> None:
        """Let `ask` draw anew from here on, where it would otherwise give an answer again that it has given."""
        self.sample += "+"
        self.sampling = sampling_of(self.sampling, self.sample, again=True)


OperatorFunction = Callable[[OperatorCall], Awaitable[Draft]]


@dataclass(frozen=True, slots=True)
class Operator:
    """A registered operator.

    Attributes:
        name: The word used in the DSL and in actions.
        category: What rules and rewards speak of.
        reads: Draft fields it may see; together with task, instruction, backend and sample they are its memo key.
        writes: Draft fields taken from its result; all others pass through unchanged.
        summary: One line, from the docstring; it becomes the operator's line in the Director's prompt.
        run: The function.
        version: Raise it when the behaviour changes.
    """

    name: str
    category: Category
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    summary: str
    run: OperatorFunction
    version: int = 1


def operator(
    *, category: Category, reads: Iterable[str], writes: Iterable[str], name: str = "", version: int = 1
) -> Callable[[OperatorFunction], Operator]:
    """Turn an async function into an operator, checking the declaration.

    Args:
        category: One of the six categories.
        reads: Draft fields it sees.
        writes: Draft fields it sets.
        name: Its name; by default the function's name in CamelCase (`sc_ensemble` becomes `ScEnsemble`).
        version: Raise it when the behaviour changes.

    Raises:
        ConfigError: If the category or a field is unknown, the function is not async, or the docstring is missing.
    """

    def declare(function: OperatorFunction) -> Operator:
        label = name or "".join(part.capitalize() for part in function.__name__.split("_"))
        fields_read, fields_written = tuple(reads), tuple(writes)
        if category not in CATEGORIES:
            raise ConfigError(
                f"operator {label}: unknown category {category!r}; expected one of {', '.join(CATEGORIES)}"
            )
        for draft_field in (*fields_read, *fields_written):
            if draft_field not in FIELDS:
                raise ConfigError(
                    f"operator {label}: the draft has no field {draft_field!r}; it has {', '.join(FIELDS)}"
                )
        if not fields_written:
            raise ConfigError(f"operator {label} writes nothing; name the draft fields it sets in writes=(…)")
        if category == "verification" and "verdict" not in fields_written:
            raise ConfigError(f"operator {label} is a verification operator and must write 'verdict'")
        if not inspect.iscoroutinefunction(function):
            raise ConfigError(f"operator {label} must be an async function: async def {function.__name__}(call)")
        summary = (inspect.getdoc(function) or "").partition("\n\n")[0].replace("\n", " ")
        if not summary and sys.flags.optimize >= 2:
            raise ConfigError(
                f"Python runs without docstrings, and operator {label} describes itself by its own",
                "unset PYTHONOPTIMIZE, or start Python without -OO",
            )
        if not summary:
            raise ConfigError(f"operator {label} needs a docstring: its first paragraph is shown to the Director")
        return Operator(label, category, fields_read, fields_written, summary, function, version)

    return declare
