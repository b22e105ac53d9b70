"""What is wrong with a training run, in words: each verdict says what was seen and which setting to try.

A verdict is a rule of thumb with a named limit. Several can hold, and one that does not hold proves nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

from flowsteer.training.autopsy.evidence import Evidence
from flowsteer.training.autopsy.frequent_workflows import FrequentWorkflow
from flowsteer.training.autopsy.rejections import summed
from flowsteer.training.autopsy.windows import WindowMeans
from flowsteer.training.sft.speech import TRIES

FLAT = 0.9
"""Entropy that kept so much of its first value has hardly moved: in runs that learned it fell to half or less."""

ROSE = 0.1
"""A mean reward that rose by less shows no learning: a window's mean over a few hundred episodes is known to 0.05."""

ONE_CHOICE = 0.69
"""Nats an episode, ln 2: with less, not even one choice between two is left, and a group is one episode."""

FELL = 0.1
"""A share that fell by so much: a window of a hundred episodes knows one to about 5 points, so less may be chance."""

ACCEPTED = 0.8
"""A kind of action of which less is accepted cannot be written: each try costs a turn, and RL unlearns the kind."""

OPEN = 0.5
"""A type whose gate opens less often is paid for its answers in fewer than half of its episodes."""

SILENT = 0.5
"""With more groups of equal rewards, half of what was played taught nothing."""

SAME = 0.5
"""A workflow is a type's own usual one if it is built on at least so many of its tasks."""

BELOW = 0.05
"""A type that lost so much is below its start: on a hundred tasks two policies that are equal differ by about this."""

UPDATED = ("loss", "grad_norm", "entropy", "kl")
"""Figures that each update gives; once one of them is no number, the weights are none either."""

DONE = 0.95
"""Where so many answers are right, little entropy and equal rewards are what was wanted."""


@dataclass(frozen=True, slots=True)
class RunVerdict:
    """One thing that is wrong, or that nothing is.

    Attributes:
        name: What it is, such as `collapsed`; the same words whenever it holds.
        about: The kind of action or the type of task that it is about; empty if it is about the whole run.
        seen: What was seen, in words.
        figures: What was seen, in figures.
        advice: What to try, with the names of settings; empty if there is nothing to mend.
    """

    name: str
    about: str
    seen: str
    figures: Mapping[str, float] = field(default_factory=dict)
    advice: str = ""

    def __str__(self) -> str:
        """One line.

        >>> print(RunVerdict("gate closed", "qa", "open in 10 % of its episodes", advice="raise warmup.checks"))
        gate closed for qa: open in 10 % of its episodes; raise warmup.checks
        """
        link = " " if self.name == CANNOT_WRITE else " for "
        about = f"{link}{self.about}" if self.about else ""
        return f"{self.name}{about}: {self.seen}{f'; {self.advice}' if self.advice else ''}"


CANNOT_WRITE = "cannot write"


def judge(evidence: Evidence) -> tuple[RunVerdict, ...]:
    """All verdicts that hold; one that says so if none does, and none at all if nothing was measured.

    Args:
        evidence: What the run shows.
    """
    found = tuple(verdict for check in _CHECKS for verdict in check(evidence))
    if found or not (evidence.course or evidence.accuracy):
        return found
    seen = f"{evidence.steps} steps, and none of the known signs of trouble"
    return (RunVerdict("nothing to complain of", "", seen if evidence.finished else f"{seen} so far"),)


def _diverged(evidence: Evidence) -> Iterator[RunVerdict]:
    """Figures of the updates are no numbers any more."""
    last = evidence.course[-1].figures if evidence.course else {}
    if broken := [name for name in UPDATED if not isfinite(last.get(name, 0.0))]:
        since = next(one.window.first for one in evidence.course if not _finite(one, broken))
        yield RunVerdict(
            "diverged",
            "",
            f"{', '.join(broken)} are not finite in the steps from {since} on",
            {"since": since},
            "try a lower update.learning_rate, or a smaller update.max_grad_norm, from the start",
        )


def _finite(part: WindowMeans, names: Sequence[str]) -> bool:
    return all(isfinite(part.figures.get(name, 0.0)) for name in names)


def _undertrained(evidence: Evidence) -> Iterator[RunVerdict]:
    """Neither the entropy nor the reward has moved."""
    entropy, reward = _ends(evidence, "entropy"), _ends(evidence, "episodes/reward")
    if entropy is None or reward is None or len(evidence.course) < 2:
        return
    if entropy[1] >= FLAT * entropy[0] and _fall(reward[1], reward[0]) < ROSE:
        kl = evidence.course[-1].figures.get("kl")
        yield RunVerdict(
            "undertrained",
            "",
            f"entropy went from {entropy[0]:.3f} to {entropy[1]:.3f}, the reward from {reward[0]:.2f} to "
            f"{reward[1]:.2f}{'' if kl is None else f', KL to the start is {kl:.3g}'}",
            {"entropy_first": entropy[0], "entropy_last": entropy[1], "reward_rise": reward[1] - reward[0]},
            "try a higher update.learning_rate, or more update.steps",
        )


def _collapsed(evidence: Evidence) -> Iterator[RunVerdict]:
    """No choice is left, or valid edits got rarer."""
    if not evidence.course:
        return
    last = evidence.course[-1].figures
    entropy, tokens = last.get("entropy"), last.get("episodes/tokens")
    if entropy is not None and tokens and entropy * tokens < ONE_CHOICE and not _done(evidence):
        right = last.get("episodes/accuracy")
        yield RunVerdict(
            "collapsed",
            "",
            f"{entropy * tokens:.2f} nats an episode are left (entropy {entropy:.4f} on {tokens:.0f} tokens), "
            f"with accuracy {'unknown' if right is None else f'{right:.2f}'}",
            {"nats": entropy * tokens, "entropy": entropy},
            "try a lower update.learning_rate, a higher sampler.temperature, or more update.entropy",
        )
    shares = [one.figures["episodes/valid"] for one in evidence.course if "episodes/valid" in one.figures]
    if shares and _fall(max(shares), shares[-1]) >= FELL:
        yield RunVerdict(
            "collapsed",
            "",
            f"valid edits fell from {_percent(max(shares))} to {_percent(shares[-1])}",
            {"valid_best": max(shares), "valid_last": shares[-1]},
            "try a lower update.learning_rate, more update.kl, or reward.rejected",
        )


def _cannot_write(evidence: Evidence) -> Iterator[RunVerdict]:
    """A kind of action is rejected too often, in the last windows that together hold enough tries of it."""
    at_end = summed(evidence.turns[-1:])
    for kind in summed(evidence.turns):
        first = len(evidence.turns) - 1
        while first and _tries(evidence, first, kind) < TRIES:
            first -= 1
        one = summed(evidence.turns[first:])[kind]
        if one.tries >= TRIES and one.tries - one.rejected < ACCEPTED * one.tries:
            given_up = "" if kind in at_end else "; at the end it is not tried any more"
            yield RunVerdict(
                CANNOT_WRITE,
                kind,
                f"{one.rejected} of {one.tries} tries from step {evidence.turns[first].window.first} on were rejected, "
                f"{one.unread} of them unread{given_up}",
                {"tries": one.tries, "rejected": one.rejected, "unread": one.unread},
                "try sampler.grammar=true, which holds turns to the legal actions, or more warmup.epochs",
            )


def _tries(evidence: Evidence, first: int, kind: str) -> int:
    """Tries of a kind from a window on."""
    return sum(one.tries for part in evidence.turns[first:] for one in part.kinds if one.kind == kind)


def _gate_closed(evidence: Evidence) -> Iterator[RunVerdict]:
    """The gate stays closed for a type, where the reward has one."""
    if not evidence.course or evidence.variant not in ("cwrpo", "structure"):
        return
    for kind, name in _by_type(evidence, "gate_open"):
        share = evidence.course[-1].figures.get(name, 1.0)
        if share < OPEN:
            yield RunVerdict(
                "gate closed",
                kind,
                f"open in {_percent(share)} of its episodes at the end",
                {"gate_open": share},
                "try reward.gated_finish=0.3, more warmup.checks, or the gate's parts as canvas.needs",
            )


def _no_signal(evidence: Evidence) -> Iterator[RunVerdict]:
    """Too many groups in which all rewards are equal."""
    last = evidence.course[-1].figures if evidence.course else {}
    share = last.get("signal/none", last.get("frac_reward_zero_std"))
    if share is not None and share > SILENT and not _done(evidence):
        yield RunVerdict(
            "no signal",
            "",
            f"in {_percent(share)} of the groups at the end all rewards were equal",
            {"none": share},
            "try a larger update.group, a higher sampler.temperature, or tasks that are neither sure nor hopeless",
        )


def _one_workflow(evidence: Evidence) -> Iterator[RunVerdict]:
    """After training several types get the same workflow."""
    usual: dict[str, FrequentWorkflow] = {}
    for one in evidence.workflows:
        if one.test == "after":
            usual.setdefault(one.type, one)
    by_workflow: dict[str, list[FrequentWorkflow]] = {}
    for one in usual.values():
        if one.share >= SAME:
            by_workflow.setdefault(one.dsl, []).append(one)
    for dsl, alike in by_workflow.items():
        if len(alike) > 1:
            least = min(one.share for one in alike)
            right = (f"{one.type} {'unknown' if one.accuracy is None else _percent(one.accuracy)}" for one in alike)
            yield RunVerdict(
                "same workflow",
                "all types" if len(alike) == len(usual) else " and ".join(one.type for one in alike),
                f"{dsl or '(empty)'} on at least {_percent(least)} of the test tasks of each; "
                f"right: {', '.join(right)}",
                {"share": least},
                "try warmup.recall=0.2, so that the start heeds types, and a lower update.learning_rate",
            )


def _below_start(evidence: Evidence) -> Iterator[RunVerdict]:
    """A type of task is solved less often than before training, on the test tasks or while training."""
    advice = "try update.validate_every, which keeps the best policy, or a lower update.learning_rate"
    told = set()
    for one in evidence.accuracy:
        if one.before is not None and one.after is not None and _fall(one.before, one.after) >= BELOW:
            told.add(one.type)
            tasks = f" of {one.tasks} test tasks" if one.tasks else ""
            seen = f"greedy accuracy went from {_percent(one.before)} to {_percent(one.after)}{tasks}"
            yield RunVerdict("below its start", one.type, seen, {"before": one.before, "after": one.after}, advice)
    for kind, name in _by_type(evidence, "accuracy"):
        first, last = _ends(evidence, name) or (0.0, 0.0)
        if _fall(first, last) >= FELL and kind not in told:
            seen = f"accuracy while training went from {_percent(first)} in its first window to {_percent(last)}"
            yield RunVerdict("below its start", kind, seen, {"before": first, "after": last}, advice)


def _no_gain(evidence: Evidence) -> Iterator[RunVerdict]:
    """Of a type as many test tasks are solved as before training, and some are left to solve."""
    for one in evidence.accuracy:
        if one.before is None or one.after is None or one.after >= DONE:
            continue
        if abs(_fall(one.before, one.after)) < BELOW:
            yield RunVerdict(
                "no gain",
                one.type,
                f"greedy accuracy was {_percent(one.before)} before training and is {_percent(one.after)}",
                {"before": one.before, "after": one.after},
                "see which features its right workflows have, and try more update.steps, update.kl or another seed",
            )


_CHECKS: tuple[Callable[[Evidence], Iterator[RunVerdict]], ...] = (
    _diverged, _undertrained, _collapsed, _cannot_write, _gate_closed, _no_signal, _one_workflow, _below_start,
    _no_gain,
)  # fmt: skip


def _fall(before: float, after: float) -> float:
    """How much a figure fell, without what binary fractions leave over.

    >>> _fall(0.85, 0.8), _fall(0.9, 0.85)
    (0.05, 0.05)
    """
    return round(before - after, 9)


def _ends(evidence: Evidence, name: str) -> tuple[float, float] | None:
    """A figure in the first and in the last window that have it."""
    found = [one.figures[name] for one in evidence.course if name in one.figures]
    return (found[0], found[-1]) if found else None


def _by_type(evidence: Evidence, figure: str) -> list[tuple[str, str]]:
    """The types that a figure is measured for, each with its name in the metrics."""
    names = sorted({name for part in evidence.course for name in part.figures})
    head, tail = "types/", f"/{figure}"
    return [
        (name.removeprefix(head).removesuffix(tail), name)
        for name in names
        if name.startswith(head) and name.endswith(tail)
    ]


def _done(evidence: Evidence) -> bool:
    return evidence.course[-1].figures.get("episodes/accuracy", 0.0) >= DONE


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
