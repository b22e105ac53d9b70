"""The workflow canvas: checks an edit, applies it whole or not at all, runs what is new, and answers (spec §5)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Protocol, runtime_checkable

from annotated_types import Ge

from flowsteer.canvas.director import Director, Exchange, Observation, PromptText, Turn
from flowsteer.canvas.feedback import AMOUNTS, Budgets, Told, in_words, limited, render
from flowsteer.draft import EMPTY, Draft
from flowsteer.errors import ActionError
from flowsteer.execution.executor import Execution, Executor, Seen
from flowsteer.operators.registry import Library
from flowsteer.runs.events import (
    FINISHED,
    UNDIRECTED,
    EditApplied,
    EditRejected,
    Emit,
    Event,
    Feedback,
    FeedbackGiven,
    NodeRan,
    ignore,
)
from flowsteer.settings import check, part_of, to_json
from flowsteer.task import Task
from flowsteer.usage import NO_USAGE
from flowsteer.workflow.apply import Applied, Rejected, apply
from flowsteer.workflow.dsl import to_dsl
from flowsteer.workflow.edits import Edit, Finish, Modify, SetPrompt
from flowsteer.workflow.nodes import Category, NodeId, Step, Workflow, find
from flowsteer.workflow.rules import Condition, Rules, RuleSettings, unmet

LONG_ANSWER = 100
"""An answer of more characters than this needs a formatting operator before a finish (spec §5)."""

TURN_LIMIT, REJECTED_EDITS = "turn limit", "rejected edits"
"""Why a canvas ends an episode, besides an accepted finish."""

_OWN_ENDS = (FINISHED, UNDIRECTED, TURN_LIMIT, REJECTED_EDITS)


@dataclass(frozen=True, slots=True)
class Settings(RuleSettings):
    """What an episode allows, and what the Director is told.

    Attributes:
        max_turns: Turn limit; at it the workflow is scored as it stands.
        max_rejected: So many rejected turns in a row end the episode; None for no such limit.
        feedback: What the Director is told after an edit. Unless that is all, nothing runs before the end (an ablation
            of the paper).
        budgets: Budgets of the feedback's words.
    """

    max_turns: Annotated[int, Ge(1)] = 20
    max_rejected: Annotated[int, Ge(1)] | None = None
    feedback: Told = "full"
    budgets: Budgets = Budgets()

    def heard_by(self, director: Director | None) -> "Settings":
        """These settings for a Director: one that was trained on less than they tell is told no more than that."""
        if not isinstance(director, Trained):
            return self
        return replace(self, feedback=min(self.feedback, director.canvas.feedback, key=AMOUNTS.index))


@runtime_checkable
class Trained(Protocol):
    """A Director that learned on canvases, and so knows only what those told it."""

    @property
    def canvas(self) -> Settings:
        """What an episode allowed there, and what it was told."""
        ...


def changed_canvas(asked: Settings | Mapping[str, Any], **changes: Any) -> Settings | Mapping[str, Any]:
    """What is asked of a canvas (`settings_for`), with changes on top."""
    return replace(asked, **changes) if isinstance(asked, Settings) else {**asked, **changes}


def settings_for(asked: Settings | Mapping[str, Any], director: Director | None) -> Settings:
    """What an episode of a Director allows.

    Args:
        asked: All of it; or changes by name, of what the Director learned on, and of the paper's where it learned on
            none.
        director: Who edits; None for nobody who is known.

    Raises:
        ConfigError: There is no such setting, or a value does not fit.
    """
    if not isinstance(asked, Settings):
        learned = director.canvas if isinstance(director, Trained) else Settings()
        asked = check(Settings, to_json(learned) | dict(asked), "the canvas") if asked else learned
    return asked.heard_by(director)


@dataclass(frozen=True, slots=True)
class StepResult:
    """The canvas's answer to one turn.

    Attributes:
        feedback: What the Director is told; None for nothing.
        parsed: Whether what it said was one well-formed action.
        accepted: Whether that action was accepted.
    """

    feedback: Feedback | None
    parsed: bool
    accepted: bool


def rules_for(
    task: Task, library: Library, settings: RuleSettings | None = None, backends: tuple[str, ...] = ()
) -> Rules:
    """The rules of a canvas for one task: what is set, and a Test where a task has public tests.

    Args:
        task: The task.
        library: The operators.
        settings: What is set; the paper's by default.
        backends: Names of the backends that a step may be given.
    """
    tested = task.type == "code" and task.public_tests is not None and "Test" in library.operators
    needs = ("Test",) if tested else ()
    set_here = part_of(settings or RuleSettings(), RuleSettings)
    return Rules(library.categories, needs_operators=needs, backends=backends, **set_here)


class Canvas:
    """The environment of one episode: single-use, fed one turn at a time.

    Args:
        task: The task.
        executor: Runs the workflow.
        rules: What is allowed, and when a finish is.
        settings: How the canvas behaves.
        emit: Gets every event.
        seed: Seed of the Director's draws.

    Attributes:
        workflow: The workflow as it stands.
        execution: What running it came to; None before the first run.
        turn: Turns taken.
        done: Why the episode is over: `finished`, `turn limit`, `rejected edits`, or what `stop` was told; empty
            while it goes on.
        stated: The answer the Director wrote into its finish.
        spent: What the operators' calls have cost.
    """

    def __init__(
        self,
        task: Task,
        executor: Executor,
        rules: Rules,
        settings: Settings | None = None,
        emit: Emit = ignore,
        seed: int = 0,
    ) -> None:
        self.task = task
        self.rules = rules
        self.settings = settings or Settings()
        self.workflow = Workflow()
        self.execution: Execution | None = None
        self.turn = 0
        self.done = ""
        self.stated = ""
        self.spent = NO_USAGE
        self._executor = executor
        self._emit = emit
        self._seed = seed
        self._seen: Seen = set()
        self._history: list[Exchange] = []
        self._asked: list[NodeId] = []
        self._rejected = 0
        self._unmet: tuple[Workflow, tuple[Category, ...], tuple[Condition, ...]] | None = None

    @property
    def draft(self) -> Draft:
        """What the workflow has produced so far."""
        return EMPTY if self.execution is None else self.execution.draft

    @property
    def unmet(self) -> tuple[Condition, ...]:
        """Finish conditions still unmet."""
        rules = self.rules
        if self.task.type != "code" and len(self.draft.answer) > LONG_ANSWER and "formatting" not in rules.needs:
            rules = replace(rules, needs=(*rules.needs, "formatting"))
        known = self._unmet
        if known is None or known[0] is not self.workflow or known[1] != rules.needs:
            known = self._unmet = (self.workflow, rules.needs, unmet(self.workflow, rules))
        return known[2]

    @property
    def asks_prompt(self) -> NodeId | None:
        """In two-step mode, the step whose instruction is asked for now."""
        return self._asked[0] if self._asked else None

    def observe(self) -> Observation:
        """What the Director may look at before its next action."""
        return Observation(
            task=self.task,
            library=self._executor.library,
            rules=self.rules,
            workflow=self.workflow,
            turn=self.turn + 1,
            max_turns=self.settings.max_turns,
            unmet=self.unmet,
            asks_prompt=self.asks_prompt,
            history=tuple(self._history),
            seed=self._seed,
            budgets=self.settings.budgets,
        )

    async def step(self, turn: Turn) -> StepResult:
        """Take one turn of the Director.

        Args:
            turn: What it did.

        Returns:
            The canvas's answer.

        Raises:
            BackendUnavailable: An executor backend is gone: the episode ends here, and running it again resumes it.
            SandboxError: The sandbox broke; likewise.
            BudgetExceeded: The budget is spent; likewise.
        """
        self.turn += 1
        parsed = not isinstance(turn.action, ActionError)
        outcome = _with_repairs(self._decide(turn), turn.repairs)
        if isinstance(outcome, Applied):
            self._rejected = 0
            self.workflow = outcome.workflow
            new = tuple(map(str, outcome.new))
            self._emit(EditApplied(self.turn, outcome.echo, new, to_dsl(self.workflow), self.workflow))
        else:
            self._rejected += 1
            self._emit(EditRejected(self.turn, parsed, outcome.reason, outcome.choices))
        self._end_at_limits()
        fresh = await self._run() if self._must_run(outcome) else ()
        feedback = self._feedback(outcome, fresh)
        self._history.append(Exchange(turn.text, feedback))
        self._emit(FeedbackGiven(self.turn, render(feedback, self.settings.budgets), feedback))
        return StepResult(feedback, parsed, isinstance(outcome, Applied))

    async def stop(self, reason: str) -> None:
        """End the episode from outside; what has not run yet runs now, so that the workflow is scored as it stands.

        Args:
            reason: Why; it becomes `done`. Behind `stopped: ` if it is one of the canvas's own words, which would tell
                another end, and `stopped` if it is empty.
        """
        self.done = f"stopped: {reason}" if reason in _OWN_ENDS else reason or "stopped"
        self._asked = []
        await self._run()

    def _decide(self, turn: Turn) -> Applied | Rejected:
        """Accept or reject what the Director did; sets `done` on an accepted finish."""
        action = turn.action
        if isinstance(action, ActionError):
            return Rejected(action.message, (action.hint,) if action.hint else ())
        if self._asked:
            return self._take_prompt(action)
        if isinstance(action, PromptText):
            return Rejected("no instruction was asked for; emit one action", ())
        if isinstance(action, Finish):
            return self._finish(action)
        outcome = apply(self.workflow, action, self.rules)
        if isinstance(outcome, Applied) and self.rules.two_step:
            self._asked = _to_ask(outcome, action)
        return outcome

    def _take_prompt(self, action: object) -> Applied | Rejected:
        """The reply to a prompt request; any action instead of it is refused, and the request stands."""
        if not isinstance(action, PromptText):
            return Rejected(f"the instruction of {self._asked[0]} was asked for", ("<prompt>…</prompt>",))
        outcome = apply(self.workflow, SetPrompt(self._asked[0], action.text), self.rules)
        if isinstance(outcome, Applied):
            self._asked.pop(0)
        return outcome

    def _finish(self, action: Finish) -> Applied | Rejected:
        missing = self.unmet
        if missing:
            return Rejected(f"finish is not allowed yet: {in_words(missing)}", ())
        self.done = FINISHED
        self.stated = action.answer
        return Applied(self.workflow, (), "finish")

    def _end_at_limits(self) -> None:
        limit = self.settings.max_rejected
        if not self.done and limit is not None and self._rejected >= limit:
            self.done = REJECTED_EDITS
        elif not self.done and self.turn >= self.settings.max_turns:
            self.done = TURN_LIMIT
        if self.done:
            self._asked = []

    def _must_run(self, outcome: Applied | Rejected) -> bool:
        """At the end always, so that the workflow is scored as it stands; before, once no instruction is missing."""
        if self.done:
            return True
        return isinstance(outcome, Applied) and self.settings.feedback == "full" and not self._asked

    async def _run(self) -> tuple[NodeRan, ...]:
        self.execution = await self._executor.run(self.workflow, self.task, self._ran, self.turn, self._seen)
        return self.execution.fresh

    def _ran(self, event: Event) -> None:
        """Count what a call cost as soon as it has ended: it is spent even if a later one ends the episode."""
        if isinstance(event, NodeRan):
            self.spent += event.usage
        self._emit(event)

    def _feedback(self, outcome: Applied | Rejected, fresh: tuple[NodeRan, ...]) -> Feedback | None:
        feedback = Feedback(
            accepted=isinstance(outcome, Applied),
            status=outcome.echo if isinstance(outcome, Applied) else outcome.reason,
            choices=() if isinstance(outcome, Applied) else outcome.choices,
            workflow=self.workflow,
            fresh=fresh,
            asks=self.asks_prompt,
            unmet=self.unmet,
            turn=self.turn,
            max_turns=self.settings.max_turns,
        )
        return limited(feedback, self.settings.feedback)


def _with_repairs(outcome: Applied | Rejected, repairs: tuple[str, ...]) -> Applied | Rejected:
    """The outcome, which says what was repaired in the reply that it answers."""
    if not repairs:
        return outcome
    told = f" (repaired: {'; '.join(repairs)})"
    if isinstance(outcome, Applied):
        return replace(outcome, echo=outcome.echo + told)
    return replace(outcome, reason=outcome.reason + told)


def _to_ask(applied: Applied, edit: Edit) -> list[NodeId]:
    """Steps whose instruction is asked for after an edit: new ones that carry none, and a modified one."""
    if isinstance(edit, Modify):
        return [edit.target]
    new = (find(applied.workflow, node) for node in applied.new)
    return [node.id for node in new if isinstance(node, Step) and not node.prompt]
