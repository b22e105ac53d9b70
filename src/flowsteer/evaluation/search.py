"""`search`: a workflow for a dataset by edits that are kept if they score better, in the way of AFlow.

From AFlow (Zhang et al. 2025, arXiv 2410.10762) it has the loop: edit the best so far, run it on validation tasks, tell
the editor how past edits scored. It departs from it in keeping one best instead of a tree that is sampled, in editing
data by the canvas's own actions instead of code, and in scoring a workflow once.
"""

import re
from dataclasses import dataclass, fields

from flowsteer.backends.keeping import sent
from flowsteer.canvas.director import Director, Exchange, Observation, PromptText
from flowsteer.director.spec_options import refuse_votes
from flowsteer.errors import ActionError, BackendRejected, ConfigError
from flowsteer.evaluation.design import JSON, Bench, Trial, best_hand_made, hand_made
from flowsteer.session import Session, seed_of
from flowsteer.task import Task
from flowsteer.workflow.apply import Rejected, apply
from flowsteer.workflow.dsl import to_dsl
from flowsteer.workflow.edits import Finish
from flowsteer.workflow.nodes import Workflow
from flowsteer.workflow.rules import Condition, Rules
from flowsteer.workflow.serial import workflow_from_json, workflow_to_json

SHOWN = 3
"""Validation questions that the editor is shown."""

RANDOM = "simulated:"
"""The editor that draws legal edits at random."""

LLM = "llm"
"""The editor that is the run's executor."""


@dataclass(frozen=True, slots=True)
class Search:
    """Starts from the best hand-made workflow; each round an editor makes one edit of the best so far.

    The editor is a Director: `simulated:` draws legal edits at random, `llm` is the run's executor, any other spec is
    the Director of that spec. A round whose edit is refused, or whose reply is none, is a round without gain.

    Attributes:
        rounds: Edits tried.
        tasks: Validation tasks on which a workflow is scored.
        calls: No round begins once so many calls were made for the dataset; None for no such limit.
        by: Spec of the editor.
        name: Its spec, `search:…`.
    """

    rounds: int = 8
    tasks: int = 8
    calls: int | None = None
    by: str = RANDOM
    name: str = "search"

    @classmethod
    def from_spec(cls, spec: str) -> "Search":
        """The search of a spec such as `search`, `search:rounds=4,tasks=8,calls=500` or `search:by=llm`.

        Args:
            spec: The options after the colon, in any order; `by` is the last one, since specs may hold commas.

        Raises:
            ConfigError: An option is unknown, given twice, or not a positive number.
        """
        given: dict[str, str] = {}
        numbers, marker, editor = re.sub("^search:?", "", spec).partition("by=")
        for part in filter(None, numbers.split(",")):
            name, _, value = part.partition("=")
            if name not in ("rounds", "tasks", "calls") or name in given or not value.isdecimal() or int(value) < 1:
                options = ", ".join(f"{field.name}=…" for field in fields(cls) if field.name != "name")
                raise ConfigError(f"{spec!r}: {part!r} is no option of search", f"options: {options}")
            given[name] = value
        if marker and not editor:
            raise ConfigError(f"{spec!r} names no editor", "search:by=llm or search:by=simulated:")
        refuse_votes(editor, "the editor of a search")
        found = {name: int(value) for name, value in given.items()}
        return cls(**found, by=editor or RANDOM, name=spec)

    async def check(self, session: Session) -> None:
        """See `Designer.check`."""
        hand_made(session)
        await self._editor(session)

    async def design(self, bench: Bench) -> Workflow:
        """See `Designer.design`."""
        best = await best_hand_made(bench)
        director = await self._editor(bench.session)
        rules = Rules(bench.session.library.categories, backends=tuple(bench.session.roster))
        told: list[Exchange] = []
        calls = 0
        for number in range(self.rounds):
            if self.calls is not None and calls >= self.calls:
                break
            note = f"{self.name}/{bench.dataset}/round/{number}"
            proposal = bench.recall(note)
            if proposal is None:
                proposal = await _propose(director, self._observe(bench, best, rules, told, number), best.workflow)
                bench.keep(note, proposal)
            calls += proposal["calls"]
            trial = None
            if proposal["workflow"] is not None:
                trial = await bench.score(workflow_from_json(proposal["workflow"]))
                calls += trial.calls
            told.append(Exchange(proposal["text"], _verdict(proposal, trial, best)))
            if trial is not None and trial.score > best.score:
                best = trial
        return best.workflow

    async def _editor(self, session: Session) -> Director:
        return await session.connect_director(session.setup.executor if self.by == LLM else self.by)

    def _observe(self, bench: Bench, best: Trial, rules: Rules, told: list[Exchange], number: int) -> Observation:
        return Observation(
            task=_assignment(bench, best),
            library=bench.session.library,
            rules=rules,
            workflow=best.workflow,
            turn=number + 1,
            max_turns=self.rounds,
            unmet=(Condition("never"),),
            asks_prompt=None,
            history=tuple(told),
            seed=seed_of(bench.session.setup.seed, f"{self.name}/{bench.dataset}/{number}"),
        )


def _assignment(bench: Bench, best: Trial) -> Task:
    """What the editor is told: the job, where it stands, and some questions, never an answer."""
    first = bench.tasks[0]
    questions = "\n\n".join(f"- {task.question}" for task in bench.tasks[:SHOWN])
    return Task(
        "Improve one workflow that is used for every task of a kind. Each turn, make one edit of the best workflow so "
        f"far.\nThe best so far: {to_dsl(best.workflow)}\nIts score: {best.score:.3f} of 1\n\nSome tasks:\n{questions}",
        first.type,
        answer_form=first.answer_form,
    )


async def _propose(director: Director, observation: Observation, best: Workflow) -> JSON:
    """One edit of the best workflow: what was said, the workflow it makes, or why it makes none."""
    with sent() as requests:
        try:
            turn = await director.act(observation)
        except BackendRejected as refusal:
            return {"text": "", "workflow": None, "refused": refusal.message, "calls": 1, "requests": requests}
    proposal: JSON = {"text": turn.text, "workflow": None, "refused": "", "calls": turn.usage.calls}
    proposal["requests"] = requests
    match turn.action:
        case ActionError() as error:
            return proposal | {"refused": error.message}
        case Finish() | PromptText():
            return proposal | {"refused": "one edit was asked for"}
        case edit:
            outcome = apply(best, edit, observation.rules)
    if isinstance(outcome, Rejected):
        return proposal | {"refused": outcome.reason}
    return proposal | {"workflow": workflow_to_json(outcome.workflow)}


def _verdict(proposal: JSON, trial: Trial | None, best: Trial) -> str:
    """What the editor is told of its edit."""
    if trial is None:
        return f"Refused: {proposal['refused']}. The best stays: {to_dsl(best.workflow)}"
    kept = trial.score > best.score
    return (
        f"{to_dsl(trial.workflow)} scores {trial.score:.3f}, the best before {best.score:.3f}: "
        f"{'kept as the best' if kept else f'dropped; the best stays: {to_dsl(best.workflow)}'}"
    )
