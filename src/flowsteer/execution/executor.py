"""The interpreter: walks the tree of a workflow, runs what is not known yet, and records every node (spec §2, §5)."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from time import perf_counter

from flowsteer.backends.base import Backend, Sampling
from flowsteer.backends.budget import Budget
from flowsteer.backends.keeping import sent
from flowsteer.backends.other_draws import sampling_of
from flowsteer.draft import EMPTY, Candidate, Draft
from flowsteer.errors import BackendRejected, FlowSteerError, OperatorError, WorkflowError
from flowsteer.execution.draws import numbers, repeated, sample_name
from flowsteer.execution.memo import Memo, NodeResult
from flowsteer.execution.watchdog import Watchdog
from flowsteer.operators.base import CodeRunner, Operator, OperatorCall
from flowsteer.operators.registry import Library
from flowsteer.runs.events import Emit, NodeRan, ignore
from flowsteer.runs.failure import Failure, unexpected
from flowsteer.task import Task
from flowsteer.usage import NO_USAGE, Usage
from flowsteer.workflow.dsl import to_dsl
from flowsteer.workflow.nodes import Conditional, Loop, NodeId, Parallel, Sequence, Step, Workflow, steps

Iteration = tuple[int, ...]
WORK = frozenset(("solution", "code", "output", "answer"))
"""The fields of a draft that are a result."""

Seen = set[tuple[object, ...]]
"""Node runs an episode already knows of, so that it tells of each once."""


@dataclass(frozen=True, slots=True)
class Execution:
    """What running a workflow came to.

    Attributes:
        draft: The draft that left the last node.
        ran: Every node run in reading order of the tree, loops by iteration; memo hits included.
        fresh: Those that were new to the episode.
        made: For each node run, what its call cost when it was made, whoever made it.
    """

    draft: Draft
    ran: tuple[NodeRan, ...]
    fresh: tuple[NodeRan, ...]
    made: Mapping[tuple[str, Iteration], Usage]

    @property
    def succeeded(self) -> frozenset[str]:
        """Ids of the steps that ran successfully at least once: what the reward may count (spec §6)."""
        return frozenset(run.node for run in self.ran if run.failure is None)

    @property
    def usage(self) -> Usage:
        """What the new calls cost."""
        return sum((run.usage for run in self.ran), NO_USAGE)

    @property
    def whole_usage(self) -> Usage:
        """What all its calls cost, those that the memo answered like the others: no matter who asked first."""
        return sum((self.made[run.node, run.iteration] for run in self.ran), NO_USAGE)


@dataclass(frozen=True, slots=True)
class Executor:
    """Runs workflows with one operator library on named backends.

    Attributes:
        library: The operators.
        backend: The LLM of every step that names none.
        sandbox: Where code runs.
        memo: Known results; shared by all executors that are given the same one.
        roster: Backends that a step may name, by the name it uses.
        sampling: How operators draw; its seed, if any, is the seed of the run.
        node_seconds: Longest time one node may take.
        budget: Limit of the run, if any.
    """

    library: Library
    backend: Backend
    sandbox: CodeRunner
    memo: Memo
    roster: Mapping[str, Backend]
    sampling: Sampling = Sampling()
    node_seconds: float = 600.0
    budget: Budget | None = None

    async def run(
        self, workflow: Workflow, task: Task, emit: Emit = ignore, turn: int = 0, seen: Seen | None = None
    ) -> Execution:
        """Run a workflow on a task; what the memo knows is not run again.

        Args:
            workflow: The workflow.
            task: The task.
            emit: Gets a `NodeRan` for each run that `seen` does not hold.
            turn: The turn to record.
            seen: Runs already told of; extended in place. None tells of all.

        Raises:
            WorkflowError: A step names an operator or a backend that is not there.
            BackendUnavailable: A backend is gone; what has run is in the memo.
            SandboxError: The sandbox broke.
            BudgetExceeded: The budget is spent.
        """
        run = Walk(self, workflow, task, emit, turn, set() if seen is None else seen)
        try:
            draft, _ = await run.sequence(workflow.nodes, EMPTY, (), in_loop=False)
        finally:
            run.watchdog.stop()
        ran = run.in_order(run.ran)
        fresh = ran if len(ran) == len(run.fresh) else run.in_order(run.fresh)
        return Execution(draft, ran, fresh, run.made)


class Walk:
    """One walk over one tree; a step of the interpreter per kind of node.

    Attributes:
        ran: Every node run so far, in the order in which they ended.
    """

    def __init__(self, executor: Executor, workflow: Workflow, task: Task, emit: Emit, turn: int, seen: Seen) -> None:
        self._executor = executor
        self._task = task
        self._emit = emit
        self._turn = turn
        self._seen = seen
        self._draws = numbers(workflow)
        self._repeated = repeated(workflow)
        self._sampling = _named(executor.sampling)
        self.watchdog = Watchdog(executor.node_seconds)
        self.ran: list[NodeRan] = []
        self.fresh: list[NodeRan] = []
        self.made: dict[tuple[str, Iteration], Usage] = {}

    def in_order(self, records: list[NodeRan]) -> tuple[NodeRan, ...]:
        """Records in reading order of the tree, by iteration first: branches end in any order."""
        order = {node: place for place, node in enumerate(self._draws)}
        return tuple(sorted(records, key=lambda record: (record.iteration, order[NodeId(record.node)])))

    async def sequence(self, nodes: Sequence, draft: Draft, at: Iteration, in_loop: bool) -> tuple[Draft, bool]:
        """Run nodes one after another.

        Returns:
            The draft, and whether a check passed that ends the loop around (the rest is then skipped).
        """
        for node in nodes:
            if isinstance(node, Step):
                draft, verdict = await self.step(node, draft, at)
                passed = verdict is True
            elif isinstance(node, Conditional):
                draft, passed = await self._conditional(node, draft, at, in_loop)
            else:
                passed = False
                if isinstance(node, Loop):
                    draft = await self._loop(node, draft, at)
                else:
                    draft = await self._parallel(node, draft, at)
            if passed and in_loop:
                return draft, True
        return draft, False

    async def _conditional(self, node: Conditional, draft: Draft, at: Iteration, in_loop: bool) -> tuple[Draft, bool]:
        """Spec §2: the first branch runs if the check FAILS, else the second; after an error neither."""
        draft, verdict = await self.step(node.check, draft, at)
        if verdict is None:
            return draft, False
        if verdict:
            draft, _ = await self.sequence(node.if_pass, draft, at, in_loop)
            return draft, True
        return await self.sequence(node.if_fail, draft, at, in_loop)

    async def _loop(self, node: Loop, draft: Draft, at: Iteration) -> Draft:
        """The body repeats until a check in it passes; checks in a loop or branch further in speak only for those."""
        for turn in range(node.count):
            draft, passed = await self.sequence(node.body, draft, (*at, turn), in_loop=True)
            if passed:
                break
        return draft

    async def _parallel(self, node: Parallel, draft: Draft, at: Iteration) -> Draft:
        start = branch_start(draft)
        tasks = [asyncio.create_task(self.sequence(branch, start, at, in_loop=False)) for branch in node.branches]
        try:
            ends = [end for end, _ in await asyncio.gather(*tasks)]
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise
        return self.joined(draft, node, ends, at)

    def joined(self, before: Draft, node: Parallel, ends: list[Draft], at: Iteration) -> Draft:
        """Join parallel branches that have run in an iteration: the results of those that worked become candidates."""
        done = {run.node for run in self.ran if run.failure is None and run.iteration[: len(at)] == at}
        operators = self._executor.library.operators
        ran = [[operators[step.operator] for step in steps(branch) if step.id in done] for branch in node.branches]
        return joined(before, node, ends, ran)

    async def step(self, step: Step, draft: Draft, at: Iteration) -> tuple[Draft, bool | None]:
        """Run one step.

        Args:
            step: The step.
            draft: What comes in.
            at: Which iteration of each loop around it.

        Returns:
            The draft after it (unchanged if it failed), and for a check that ran whether it passed, else None.
        """
        executor = self._executor
        operator = executor.library.operators.get(step.operator)
        if operator is None:
            known = ", ".join(executor.library.operators)
            raise WorkflowError(f"{step.id} names the unknown operator {step.operator!r}", f"operators: {known}")
        backend = executor.roster.get(step.backend) if step.backend else executor.backend
        if backend is None:
            known = ", ".join(executor.roster) or "none"
            raise WorkflowError(f"{step.id} names the unknown backend {step.backend!r}", f"backends: {known}")
        if executor.budget is not None:
            executor.budget.check()
        sample = sample_name(self._draws[step.id], at)
        again = step.id in self._repeated and not backend.features.own_draws
        reads = draft.only(operator.reads)
        spec = backend.spec
        call = (operator.name, operator.version, step.prompt, spec, self._sampling)
        key = (*call, self._task.digest, sample, again, reads)

        result, memo = await executor.memo.get(key, self._call, operator, step, reads, backend, sample, again)
        self._record(step, at, result, memo, spec)
        if result.failure is not None:
            return draft, None
        draft = draft.merge(result.wrote, operator.writes)
        if operator.category != "verification":
            return draft, None
        return draft, draft.verdict is not None and draft.verdict.passed

    async def _call(
        self, operator: Operator, step: Step, reads: Draft, backend: Backend, sample: str, again: bool
    ) -> NodeResult:
        executor = self._executor
        sampling = sampling_of(executor.sampling, sample, again)
        call = OperatorCall(self._task, reads, step.prompt, backend, executor.sandbox, sampling, operator, sample)
        wrote, failure, started = EMPTY, None, perf_counter()
        try:
            with self.watchdog, sent() as requests:
                wrote = (await operator.run(call)).only(operator.writes)
            if operator.category == "verification" and wrote.verdict is None:
                wrote, failure = EMPTY, Failure("no_verdict", f"{operator.name} gave no verdict")
        except TimeoutError as error:
            if perf_counter() - started >= executor.node_seconds:
                failure = Failure("timeout", f"took longer than {executor.node_seconds:g} s")
            else:  # the operator's own
                failure = unexpected(error, f"operator {operator.name}")
        except OperatorError as error:
            failure = Failure(error.kind, error.message)
        except BackendRejected as error:
            failure = Failure("backend_rejected", error.message)
        except FlowSteerError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the one boundary of an operator's code: the node fails
            failure = unexpected(error, f"operator {operator.name}")
        return NodeResult(wrote, failure, call.usage, call.retries, perf_counter() - started, tuple(requests))

    def _record(self, step: Step, at: Iteration, result: NodeResult, memo: bool, backend: str) -> None:
        record = NodeRan(
            self._turn,
            step.id,
            step.operator,
            at,
            memo,
            result.wrote,
            result.failure,
            backend,
            NO_USAGE if memo else result.usage,
            result.retries,
            result.seconds,
            result.requests,
        )
        self.ran.append(record)
        self.made[step.id, at] = result.usage
        mark = (step.id, at, id(result))  # the memo keeps the result alive, so its id names it
        if mark not in self._seen:
            self._seen.add(mark)
            self.fresh.append(record)
            self._emit(record)


@lru_cache
def _named(sampling: Sampling) -> str:
    """The sampling as a part of memo keys: a text, whose hash Python keeps."""
    return repr(sampling)


def branch_start(draft: Draft) -> Draft:
    """What each branch of a parallel starts from: no candidates of an earlier one."""
    return replace(draft, candidates=())


def joined(before: Draft, node: Parallel, ends: list[Draft], ran: list[list[Operator]]) -> Draft:
    """Join parallel branches: their results become candidates, in the order of the branches.

    A branch that comes to the work it was given votes for it, as does one whose check passes that work beside branches
    that do it anew. Until an ensemble step chooses, the first branch with a new result speaks for all; plans,
    sub-problems and verdicts come from the first branch that made one, a failing verdict before a passing one.

    Args:
        before: The draft that all of them were given.
        node: The parallel.
        ends: The draft that left each branch.
        ran: Operators that ran successfully, by branch.
    """
    start = branch_start(before)
    new = [end for end in ends if _work(end) != _work(start)]
    worked = [_work(end) != _work(start) or any(map(_writes_work, names)) for end, names in zip(ends, ran, strict=True)]
    candidates = tuple(
        Candidate(to_dsl(branch), end.answer, end.solution, end.code)
        for branch, end, names, did in zip(node.branches, ends, ran, worked, strict=True)
        if did or _confirms(end, names)
    )
    plan = next((end.plan for end in ends if end.plan != start.plan), before.plan)
    parts = next((end.subproblems for end in ends if end.subproblems != start.subproblems), before.subproblems)
    if new:
        first = new[0]
        return Draft(plan, parts, first.solution, first.code, first.output, candidates, first.verdict, first.answer)
    checks = [end.verdict for end in ends if end.verdict is not None and end.verdict != start.verdict]
    verdict = next((check for check in checks if not check.passed), checks[0]) if checks else before.verdict
    kept = candidates if any(worked) else before.candidates
    return replace(before, plan=plan, subproblems=parts, verdict=verdict, candidates=kept)


def _writes_work(operator: Operator) -> bool:
    """Whether what an operator gives is work: a check may repair it, but mostly judges."""
    return operator.category != "verification" and not WORK.isdisjoint(operator.writes)


def _confirms(end: Draft, ran: list[Operator]) -> bool:
    """Whether a check in a branch has passed the work that left it."""
    passed = end.verdict is not None and end.verdict.passed
    return passed and any(operator.category == "verification" for operator in ran)


def _work(draft: Draft) -> tuple[str, str, str, str]:
    return draft.solution, draft.code, draft.output, draft.answer
