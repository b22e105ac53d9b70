"""A Director's LLM that is asked once, for the whole workflow: the ablation "without multi-turn"."""

import re
from dataclasses import dataclass, replace
from time import perf_counter

from flowsteer.backends.base import Message, Origin, Reply, Request
from flowsteer.backends.keeping import sent
from flowsteer.canvas.canvas import rules_for, settings_for
from flowsteer.canvas.feedback import in_words
from flowsteer.director.chat import ChatDirector
from flowsteer.director.layouts import task_prompt
from flowsteer.errors import ActionError, BackendRejected, ConfigError, DSLError
from flowsteer.operators.registry import Library
from flowsteer.runs.events import (
    FINISHED,
    EditApplied,
    EditRejected,
    Emit,
    EpisodeEnded,
    EpisodeSettings,
    EpisodeStarted,
    TurnTaken,
)
from flowsteer.session import Session, seed_of
from flowsteer.task import Task
from flowsteer.usage import NO_USAGE
from flowsteer.workflow.dsl import SYNTAX, parse_dsl, to_dsl
from flowsteer.workflow.nodes import Workflow, steps
from flowsteer.workflow.rules import Rules, unmet, violations

_WORKFLOW = re.compile(r"<workflow>(.*?)</workflow>", re.DOTALL)

_GRAMMAR = r"""root ::= "<workflow>" term (" -> " term){0,7} "</workflow>"
term ::= op | "[" chain (", " chain){1,3} "]" | "(" chain ") * " [2-5] | check " ? " op " : " ("done" | op)
chain ::= op (" -> " op){0,2}
"""


@dataclass(frozen=True, slots=True)
class OneTurnSystem:
    """Asks a Director's LLM once for the whole workflow as DSL, which carries no instructions, and runs it.

    A reply that holds no workflow, or one that no canvas could have built, is a rejected edit: nothing runs, and the
    answer is empty. A workflow that misses finish conditions is scored as it stands, unfinished.

    Attributes:
        name: Its spec.
        director: Spec of the LLM.
    """

    name: str
    director: str

    async def check(self, session: Session) -> None:
        """See `System.check`."""
        await self._director(session)

    async def run(self, session: Session, task: Task, emit: Emit, episode: str, seed: int) -> EpisodeEnded:
        """See `System.run`."""
        director, started = await self._director(session), perf_counter()
        asked = settings_for(session.setup.canvas, director)
        rules = rules_for(task, session.library, asked, tuple(session.roster))
        settings = EpisodeSettings(1, None, "none", rules)
        emit(EpisodeStarted(episode, task, director.spec, session.executor_backend.spec, settings))
        workflow, spent, reason = Workflow(), NO_USAGE, "rejected edits"
        refused: tuple[str, ...] = ()
        try:
            with sent() as requests:
                reply, took = await _ask(director, task, session.library, rules, seed_of(seed, episode))
            emit(TurnTaken(1, reply.text, reply.reasoning, reply.usage, took, requests=tuple(requests)))
            spent = reply.usage
            workflow = read_workflow("" if reply.finish == "length" else reply.text, rules)
        except BackendRejected as error:
            refused = tuple(requests)
            reason = f"the Director's LLM refused: {error.message}"
        except ActionError as error:
            emit(EditRejected(1, False, error.message, (error.hint,) if error.hint else ()))
        else:
            reason = "turn limit" if unmet(workflow, rules) else FINISHED
            new = tuple(str(step.id) for step in steps(workflow.nodes))
            emit(EditApplied(1, "whole workflow", new, to_dsl(workflow), workflow))
        own = replace(session, setup=replace(session.setup, seed=seed))
        execution = await own.execute(workflow, task, emit)
        answer, seconds = execution.draft.answer, perf_counter() - started
        ended = EpisodeEnded.of(
            workflow, answer, reason, execution.usage, seconds, turns=1, director_usage=spent, requests=refused
        )
        emit(ended)
        return ended

    async def _director(self, session: Session) -> ChatDirector:
        director = await session.connect_director(self.director)
        if not isinstance(director, ChatDirector):
            raise ConfigError(f"{self.name}: {director.spec} is no LLM that could be asked for a whole workflow")
        return director


def read_workflow(text: str, rules: Rules) -> Workflow:
    """The workflow in a reply: what stands between the last `<workflow>` and `</workflow>`.

    Args:
        text: The reply; thinking may come before.
        rules: What a canvas would allow.

    Raises:
        ActionError: There is none, it does not parse, or no canvas could have built it.

    >>> to_dsl(read_workflow("<workflow>Plan</workflow>", Rules({"Plan": "planning"})))
    'Plan'
    """
    found = _WORKFLOW.findall(text)
    if not found:
        raise ActionError("the reply holds no workflow", "<workflow>Plan -> Custom</workflow>")
    try:
        workflow = parse_dsl(found[-1])
    except DSLError as error:
        raise ActionError(error.message, error.hint) from error
    broken = violations(workflow, rules)
    if broken or not workflow.nodes:
        raise ActionError("; ".join(broken) or "the workflow is empty")
    return workflow


async def _ask(director: ChatDirector, task: Task, library: Library, rules: Rules, seed: int) -> tuple[Reply, float]:
    """The LLM's reply, and the seconds it took."""
    held = director.backend.features.grammar if director.constrained is None else director.constrained
    sampling = director.sampling.seeded(None if director.sampling.temperature == 0 else seed)
    messages = (
        Message("system", _system(library, rules)),
        Message("user", f"{task_prompt(task, director.task_chars)}\n\nReply with the workflow."),
    )
    started = perf_counter()
    request = Request(messages, sampling, grammar=_grammar(rules) if held else None, origin=Origin("director", task))
    return await director.backend.complete(request), perf_counter() - started


def _system(library: Library, rules: Rules) -> str:
    operators = "\n".join(f"{item.name} ({item.category}): {item.summary}" for item in library.operators.values())
    conditions = in_words(unmet(Workflow(), rules)) or "nothing"
    return (
        f"Design a workflow of operators that solves the task.\n\nOperators:\n{operators}\n\n"
        f"Syntax: {SYNTAX}\n"
        "`->` is a sequence, [ ] branches run at once, ( ) * n a loop that ends when a check passes. "
        "Check ? A : B runs A if the check fails and B if it passes; done is nothing.\n"
        f"It needs: {conditions}. At most {rules.max_steps} operators.\n\n"
        "Reply with one line: <workflow>…</workflow>"
    )


def _grammar(rules: Rules) -> str:
    """GBNF of flat workflows, for LLMs that are held to a grammar; it admits less than the DSL does."""
    names = {"op": tuple(rules.categories), "check": rules.of("verification") or tuple(rules.categories)}
    words = {rule: " | ".join([f'"{name}"' for name in found]) for rule, found in names.items()}
    return _GRAMMAR + "".join(f"{rule} ::= {found}\n" for rule, found in words.items())
