"""inspect_ai: our systems as solvers of its tasks, and tasks of our datasets. Needs `flowsteer[inspect]`."""

from pathlib import Path

from inspect_ai import Task as InspectTask
from inspect_ai import task
from inspect_ai.dataset import Sample as InspectSample
from inspect_ai.model import ChatMessageAssistant, ModelOutput, get_model
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.util import LimitExceededError

from flowsteer.adapters.inspect_backend import SPEC
from flowsteer.adapters.inspect_sessions import InspectSessions
from flowsteer.datasets.registry import load_samples
from flowsteer.errors import BackendUnavailable, ConfigError
from flowsteer.evaluation.specs import parse_system
from flowsteer.evaluation.systems import System, seeded
from flowsteer.grading.connect import open_grader
from flowsteer.runs.events import ignore
from flowsteer.session import seed_of
from flowsteer.task import Task, TaskType, task_from_json, task_to_json

KEPT = "flowsteer_task"  # where a sample of ours keeps its task


@solver
def system_solver(system: str = "cot", kind: TaskType = "qa", executor: str = SPEC, seed: int = 0) -> Solver:
    """Let a system of ours answer.

    Args:
        system: Its spec, such as `fixed:Plan -> Custom`, `director:inspect:model` or `director:runs/trained`.
        kind: Type of tasks that are not of our datasets.
        executor: Spec of the LLM that runs the operators; by default the model of the eval.
        seed: Seed of every draw of the first epoch; each further epoch draws anew.

    Raises:
        ConfigError: The spec names no system, or one that must see a whole dataset first.
    """
    chosen = parse_system(system)
    if not isinstance(chosen, System):
        raise ConfigError(f"{system} needs a whole dataset first, and a solver sees one sample", "-S system=fixed:DSL")

    sessions = InspectSessions(executor)

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        asked = _asked(state, kind)
        drawn = seed_of(seed, f"epoch {state.epoch}") if state.epoch > 1 else seed
        try:
            session = seeded(await sessions.of(get_model()), drawn)
            ended = await chosen.run(session, asked, ignore, asked.digest, drawn)
        except BackendUnavailable as error:
            if isinstance(error.__cause__, LimitExceededError):  # a limit of the eval is no outage
                raise error.__cause__ from None
            raise
        state.output = ModelOutput.from_content(str(state.model), ended.answer)
        state.messages.append(ChatMessageAssistant(content=ended.answer))
        state.store.set("flowsteer", {"workflow": ended.dsl, "ended": ended.reason, "turns": ended.turns})
        for number in range(len(state.choices)):
            state.choices.mark_choice(number, ended.answer.strip().strip("().").upper() == chr(65 + number))
        return state

    return solve


@scorer(metrics=[mean(), stderr()])
def reference_scorer(dataset: str, split: str = "test", n: int | None = None, data: str | None = None) -> Scorer:
    """Grade by our references, which no state and no log holds; what cannot be graded is left unscored."""
    samples = {sample.task.id: sample for sample in load_samples(dataset, split, n, data=Path(data) if data else None)}

    async def score(state: TaskState, target: Target) -> Score:
        async with open_grader() as grade:
            found = await grade(samples[str(state.sample_id)], state.output.completion)
        if found.score is None:
            return Score.unscored(reason="scoring_failed", answer=state.output.completion, explanation=found.reason)
        return Score(value=found.score, answer=state.output.completion, explanation=found.reason)

    return score


@task
def dataset_task(
    dataset: str = "gsm8k", split: str = "test", n: int | None = None, data: str | None = None
) -> InspectTask:
    """A dataset of ours as a task of inspect_ai; see `flowsteer.environment` for the arguments."""
    samples = load_samples(dataset, split, n, data=Path(data) if data else None)
    rows = [InspectSample(_text(row.task), id=row.task.id, metadata={KEPT: task_to_json(row.task)}) for row in samples]
    return InspectTask(rows, solver=system_solver(), scorer=reference_scorer(dataset, split, n, data), name=dataset)


def _text(asked: Task) -> str:
    return "\n\n".join(part for part in (asked.context, asked.question, asked.prompt_code, asked.answer_form) if part)


def _asked(state: TaskState, kind: TaskType) -> Task:
    """The question of a sample: one of ours as it was, any other from its chat and choices."""
    if KEPT in state.metadata:
        return task_from_json(state.metadata[KEPT])
    options = "\n".join(f"{chr(65 + number)}) {choice.value}" for number, choice in enumerate(state.choices))
    form = "one option letter" if options else ""
    context = "\n\n".join(message.text for message in state.messages if message is not state.user_prompt)
    return Task(f"{state.user_prompt.text}\n{options}".strip(), kind, context, answer_form=form)
