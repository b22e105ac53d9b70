"""What rollouts came to, in the figures that every report of training speaks of."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import log2
from typing import Any

from flowsteer.runs.summary import EpisodeSummary, tally
from flowsteer.training.rollout.rollout import Rollout
from flowsteer.workflow.facts import facts
from flowsteer.workflow.nodes import Sequence as Nodes
from flowsteer.workflow.nodes import Step, walk

JSON = dict[str, Any]

BY_TYPE = ("reward", "accuracy", "gate_open", "valid")
"""What is measured at every step for each type of task."""


def measure(rollouts: Sequence[Rollout]) -> JSON:
    """Means over rollouts; those that infrastructure broke off are counted, and belong to no other figure.

    Returns:
        `reward` (what was paid) and `cwrpo` (the paper's R, whatever was paid: what arms are compared by), `accuracy`
        (each None if nothing could be graded), `diversity`, `gate_open`, `valid` (accepted turns of
        all turns), `parsed`, `finished` (by the Director itself), `turns`, `operators` (that ran), `tokens` (sampled),
        `operator_types` (distinct operators among those that ran), `one_step`, `padded`, `repeated`, `distinct`
        (workflows of all), `shape_bits` (entropy of their shape classes), and counts: `episodes`, `unscorable`, `lost`.
    """
    played = [rollout for rollout in rollouts if not rollout.lost]
    turns = sum(rollout.ended.turns for rollout in played)
    scores = [rollout.reward.answer for rollout in played if rollout.reward.answer is not None]
    return {
        "reward": _mean([rollout.reward.value for rollout in played if rollout.reward.value is not None]),
        "cwrpo": _mean([paper for rollout in played if (paper := rollout.reward.paper) is not None]),
        "accuracy": _mean(scores),
        "diversity": _mean([rollout.reward.diversity for rollout in played]),
        "gate_open": _mean([rollout.reward.gate_open for rollout in played]),
        "valid": sum(rollout.accepted for rollout in played) / turns if turns else None,
        "parsed": sum(rollout.parsed for rollout in played) / turns if turns else None,
        "finished": _mean([rollout.ended.finished is True for rollout in played]),
        "turns": _mean([rollout.ended.turns for rollout in played]),
        "operators": _mean([rollout.operators for rollout in played]),
        "tokens": _mean([rollout.trajectory.own for rollout in played]),
        "operator_types": _mean([rollout.operator_types for rollout in played]),
        "one_step": _mean([rollout.shortcuts.one_step for rollout in played]),
        "padded": _mean([rollout.shortcuts.padded for rollout in played]),
        "repeated": _mean([rollout.shortcuts.repeated for rollout in played]),
        "distinct": len({rollout.ended.dsl for rollout in played}) / len(played) if played else None,
        "shape_bits": bits(shapes(rollouts)),
        "episodes": len(rollouts),
        "unscorable": len(played) - len(scores),
        "lost": len(rollouts) - len(played),
    }


def stages(rollouts: Sequence[Rollout]) -> dict[str, float]:
    """What a step's reward and tokens are made of; rollouts that infrastructure broke off count among the tokens only.

    Returns:
        `terms/NAME`: mean of each term of the reward; `structures/KIND`: share of workflows with a parallel, a
        conditional or a loop, whether or not it ran; and `tokens/KIND`, sums: `prompt` (read before the first turn),
        `sampled`, `canvas` (its feedback), `executor_read` and `executor_written`.
    """
    played = [rollout for rollout in rollouts if not rollout.lost]
    terms: dict[str, list[float]] = {}
    for rollout in played:
        for term in rollout.reward.terms:
            terms.setdefault(f"terms/{term.name}", []).append(term.value)
    found = {name: sum(values) / len(played) for name, values in terms.items()}
    counted = [facts(rollout.ended.workflow, {}) for rollout in played]
    for kind in ("parallels", "conditionals", "loops") if played else ():
        found[f"structures/{kind}"] = sum(getattr(one, kind) > 0 for one in counted) / len(played)
    trajectories, usages = (
        [rollout.trajectory for rollout in rollouts],
        [rollout.ended.executor_usage for rollout in rollouts],
    )
    own = sum(one.own for one in trajectories)
    return found | {
        "tokens/prompt": sum(len(one.prompt) for one in trajectories),
        "tokens/sampled": own,
        "tokens/canvas": sum(len(one.ids) for one in trajectories) - own,
        "tokens/executor_read": sum(usage.prompt_tokens for usage in usages),
        "tokens/executor_written": sum(usage.completion_tokens for usage in usages),
    }


def measure_by_type(rollouts: Sequence[Rollout]) -> dict[str, JSON]:
    """The figures of `measure` for each type of task."""
    types = sorted({rollout.sample.task.type for rollout in rollouts})
    return {kind: measure([one for one in rollouts if one.sample.task.type == kind]) for kind in types}


def type_figures(rollouts: Sequence[Rollout]) -> dict[str, float]:
    """`types/TYPE/NAME`: `reward`, `accuracy`, `gate_open` and `valid` of each type of task; see `measure`."""
    return {
        f"types/{kind}/{name}": figures[name]
        for kind, figures in measure_by_type(rollouts).items()
        for name in BY_TYPE
        if figures[name] is not None
    }


def accuracy_by_type(rollouts: Sequence[Rollout]) -> dict[str, float]:
    """Mean R_ans of each type of task."""
    found = {kind: figures["accuracy"] for kind, figures in measure_by_type(rollouts).items()}
    return {kind: value for kind, value in found.items() if value is not None}


def usual_workflows(rollouts: Sequence[Rollout]) -> dict[str, str]:
    """The most frequent workflow of each type of task, as DSL."""
    by_type: dict[str, Counter[str]] = {}
    for rollout in rollouts:
        by_type.setdefault(rollout.sample.task.type, Counter())[rollout.ended.dsl] += 1
    return {kind: found.most_common(1)[0][0] for kind, found in sorted(by_type.items())}


def shapes(rollouts: Sequence[Rollout]) -> Counter[str]:
    """How often each shape class was built; see `shape`."""
    return Counter(shape(rollout.ended.workflow.nodes) for rollout in rollouts if not rollout.lost)


def shape(nodes: Nodes) -> str:
    """The shape class of a workflow: how many structures of each kind it has, whatever they hold.

    Finer classes, which tell how structures nest and follow each other, are nearly all different at T = 0.5.

    >>> from flowsteer.workflow.dsl import parse_dsl
    >>> shape(parse_dsl("Custom -> (Review -> Revise) * 3 -> Verify ? ([Custom, (Plan) * 2]) : done").nodes)
    '1 conditional, 2 loop, 1 parallel'
    >>> shape(parse_dsl("Plan -> Custom").nodes), shape(())
    ('steps', '')
    """
    kinds = Counter(type(node).__name__.lower() for node in walk(nodes) if not isinstance(node, Step))
    return ", ".join(f"{kinds[kind]} {kind}" for kind in sorted(kinds)) or ("steps" if nodes else "")


def bits(counts: Counter[str]) -> float | None:
    """The entropy of a distribution that is known by counts, in bits; None if nothing was counted.

    >>> bits(Counter(a=2, b=1, c=1))
    1.5
    """
    total = counts.total()
    return sum(n / total * log2(total / n) for n in counts.values()) if total else None


def summary(rollout: Rollout, system: str, epoch: int, seed: int) -> EpisodeSummary:
    """The summary of a rollout: that of any episode, and what it was paid.

    Args:
        rollout: The rollout.
        system: What to call the policy as it played.
        epoch: Which of the episodes on this task by this policy, from 0.
        seed: Seed of the run.
    """
    return replace(
        tally(rollout.events).summary(system, epoch=epoch, seed=seed),
        score=rollout.reward.answer,
        reward=rollout.reward.value,
        terms={term.name: term.value for term in rollout.reward.terms},
        lost=rollout.lost,
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
