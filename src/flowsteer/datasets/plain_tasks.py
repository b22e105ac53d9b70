"""Tasks of the simulated world that look to a policy as real ones do.

They have the coarse features that real tasks have (a long question, a passage, public tests), drawn at random, and name
no difficulty. So a policy that learns on them sees nothing that real tasks would not show it, and learns what holds for
a type of task whatever such a task looks like. They go with profiles that are fitted to a real LLM.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

from flowsteer.backends.simulated_world import PROBE, draw, truth
from flowsteer.datasets.base import Reference, Sample
from flowsteer.datasets.simulated_tasks import ENTRY_POINT, HIDDEN_PROBES, TYPES, linear_tests
from flowsteer.task import Task, TaskType

NAME = "simulated-2"

_ASKED = {"math": "Find the number.", "qa": "Name the thing.", "code": f"Write {ENTRY_POINT}(n)."}
_PADDING = " More is said of it here than anybody needs." * 12
_PASSAGE = "It is told of in a short passage."
SHARE_LONG, SHARE_OF_FORM = 0.3, 0.3
SHARE_OF_CONTEXT, SHARE_OF_PASSAGES = 0.7, 0.4
SHARE_UNTESTED = 0.1


def plain_samples(split: str = "train", seed: int = 0, types: tuple[TaskType, ...] = TYPES) -> Iterator[Sample]:
    """Endless samples, the types in turn.

    Args:
        split: Samples of different splits are different tasks.
        seed: Another seed, other tasks.
        types: Which types occur.
    """
    for number in count():
        yield plain_sample(types[number % len(types)], split, seed, number // len(types))


def plain_sample(kind: TaskType, split: str, seed: int, number: int) -> Sample:
    """One sample.

    >>> plain_sample("math", "train", 0, 1).task.question
    'Find the number. Task train/0/1.'
    """
    name = f"{split}/{seed}/{number}"

    def has(feature: str, share: float) -> bool:
        return draw(kind, name, feature) < share

    question = f"{_ASKED[kind]} Task {name}.{_PADDING if has('long', SHARE_LONG) else ''}"
    task = Task(question, kind, id=f"{NAME}/{kind}/{name}", dataset=NAME)
    if kind == "math":
        form = "the number alone" if has("form", SHARE_OF_FORM) else ""
        task = replace(task, answer_form=form)
    if kind == "qa" and has("context", SHARE_OF_CONTEXT):
        passages = [_PASSAGE, f"Another passage.{_PADDING}"] if has("passages", SHARE_OF_PASSAGES) else [_PASSAGE]
        task = replace(task, context="\n\n".join(passages))
    if kind != "code":
        return Sample(task, Reference(answers=(truth(task),)))
    tests = None if has("untested", SHARE_UNTESTED) else linear_tests(question, (PROBE,))
    task = replace(task, entry_point=ENTRY_POINT, public_tests=tests)
    return Sample(task, Reference(solution=truth(task), tests=linear_tests(question, HIDDEN_PROBES)))
