"""What a profile says a workflow is worth, beside what it was worth with the real LLM."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from flowsteer.backends.simulated import SimulatedBackend
from flowsteer.backends.simulated_profiles import Profile
from flowsteer.calibration.rates import Rate
from flowsteer.datasets.plain_tasks import plain_samples
from flowsteer.execution.executor import Executor
from flowsteer.execution.memo import Memo
from flowsteer.grading.connect import GradeAnswer
from flowsteer.operators.registry import Library
from flowsteer.sandbox.pair import PairSandbox
from flowsteer.task import TaskType
from flowsteer.workflow.dsl import parse_dsl

TASKS = 200
"""Simulated tasks of a type on which a workflow is run: an accuracy is then known to within 0.06."""

RIGHT = 0.5
"""From this score on an answer counts as right; only the token F1 of qa has scores between."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A workflow's accuracy on one type of task, measured and predicted.

    Attributes:
        workflow: In DSL.
        type: The type.
        measured: The share of right answers with the real LLM.
        predicted: The share in the simulated world.
        fitted: Whether the profile was fitted to runs of this workflow.
    """

    workflow: str
    type: TaskType
    measured: Rate
    predicted: float
    fitted: bool

    @property
    def missed(self) -> float:
        """Predicted minus measured."""
        return self.predicted - self.measured.hits / self.measured.count


async def predict(
    profile: Profile,
    workflows: Iterable[str],
    kinds: Iterable[TaskType],
    library: Library,
    sandbox: PairSandbox,
    grade: GradeAnswer,
) -> Mapping[tuple[str, TaskType], float]:
    """The accuracy of workflows in a profile's world, by workflow and type.

    Args:
        profile: The profile.
        workflows: In DSL.
        kinds: Types of tasks.
        library: The operators.
        sandbox: Where programs run.
        grade: The grader.
    """
    backend, found = SimulatedBackend(profile), dict[tuple[str, TaskType], float]()
    parsed = {text: parse_dsl(text) for text in workflows}
    for kind in kinds:
        hits = dict.fromkeys(parsed, 0)
        for sample in islice(plain_samples("test", types=(kind,)), TASKS):
            executor, scores = Executor(library, backend, sandbox, Memo(), {}), dict[str, float]()
            for text, workflow in parsed.items():
                answer = (await executor.run(workflow, sample.task)).draft.answer
                if answer not in scores:
                    scores[answer] = (await grade(sample, answer)).score or 0.0
                hits[text] += scores[answer] >= RIGHT
        found |= {(text, kind): count / TASKS for text, count in hits.items()}
    return found
