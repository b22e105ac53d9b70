"""Tasks of the simulated world: any number, by seed, with coarse features and the world's own truth as gold.

They go with the simulated executor. A question says its type and features in words; its truth is a hash of that
text (see `flowsteer.backends.simulated_world`), so nothing can be learned about it except by using operators.
"""

from collections.abc import Iterator
from itertools import count

from flowsteer.backends.simulated_world import HARD, PROBE, draw, line, truth
from flowsteer.datasets.base import Reference, Sample
from flowsteer.task import AssertTests, Task, TaskType

TYPES: tuple[TaskType, ...] = ("math", "qa", "code")
HIDDEN_PROBES = (0, 11, 29)
"""Arguments of the hidden tests of code tasks; none is that of the public one."""

SHARE_OF_HARD = 0.5
ENTRY_POINT = "solve"

_ASKED = {"math": "Find the number", "qa": "Name the thing", "code": f"Write {ENTRY_POINT}(n)"}
_TOPICS = {"math": ("algebra", "geometry", "counting"), "qa": ("people", "places", "works"), "code": ("numbers",)}


def simulated_samples(split: str = "train", seed: int = 0, types: tuple[TaskType, ...] = TYPES) -> Iterator[Sample]:
    """Endless samples, the types in turn.

    Args:
        split: Samples of different splits are different tasks.
        seed: Another seed, other tasks.
        types: Which types occur.
    """
    for number in count():
        yield simulated_sample(types[number % len(types)], split, seed, number // len(types))


def simulated_sample(kind: TaskType, split: str, seed: int, number: int) -> Sample:
    """One sample of the simulated world.

    >>> simulated_sample("math", "train", 0, 1).task.question
    'Find the number. type: math; topic: geometry; difficulty: easy; task: train/0/1'
    """
    name = f"{split}/{seed}/{number}"
    hard = draw(kind, name, "difficulty") < SHARE_OF_HARD
    topic = _TOPICS[kind][int(draw(kind, name, "topic") * len(_TOPICS[kind]))]
    features = f"type: {kind}; topic: {topic}; {HARD if hard else 'difficulty: easy'}; task: {name}"
    question = f"{_ASKED[kind]}. {features}"
    ident = f"simulated/{kind}/{name}"
    meta = {"difficulty": "hard" if hard else "easy", "topic": topic}
    if kind != "code":
        task = Task(question, kind, id=ident, dataset="simulated")
        return Sample(task, Reference(answers=(truth(task),), meta=meta))
    public, hidden = linear_tests(question, (PROBE,)), linear_tests(question, HIDDEN_PROBES)
    task = Task(question, kind, id=ident, dataset="simulated", entry_point=ENTRY_POINT, public_tests=public)
    return Sample(task, Reference(solution=truth(task), tests=hidden, meta=meta))


def linear_tests(question: str, arguments: tuple[int, ...]) -> AssertTests:
    """Tests of a code task's true function at some arguments."""
    true = line(question)
    return AssertTests("\n".join(f"assert {ENTRY_POINT}({n}) == {true.at(n)}" for n in arguments))
