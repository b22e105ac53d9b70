"""One episode of an environment, as whoever trains or tests a Director sees it: text in, feedback and reward out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

from flowsteer.backends.base import Message
from flowsteer.canvas.director import Turn
from flowsteer.canvas.episode import Play
from flowsteer.canvas.feedback import render
from flowsteer.datasets.base import Sample
from flowsteer.director.layouts import TASK_CHARS, Layout, messages
from flowsteer.director.parse import understood_in
from flowsteer.environments.arena import Arena
from flowsteer.errors import ConfigError
from flowsteer.grading.base import Grade
from flowsteer.reward.reward import Reward
from flowsteer.reward.term import Term
from flowsteer.runs.events import EditRejected, Event, Graded
from flowsteer.usage import Usage
from flowsteer.workflow.dsl import to_dsl


class StepInfo(TypedDict):
    """What else is known after a turn.

    Attributes:
        turn: Turns taken.
        parsed: Whether the text was one well-formed action.
        accepted: Whether the canvas accepted it.
        workflow: The workflow as DSL.
        usage: What the operators' calls have cost so far.
        answer: What the workflow produces so far.
        ended: Why the episode is over, such as `finished` or `turn limit`; empty while it goes on.
        score: The grade of the answer; None while it goes on, and where the grader cannot decide.
        grade: The grader's reason, in words that give no gold answer away.
        gate_open: Whether the workflow has the whole skeleton, so that `cwrpo` pays the answer; False while it goes on.
    """

    turn: int
    parsed: bool
    accepted: bool
    workflow: str
    usage: Usage
    answer: str
    ended: str
    score: float | None
    grade: str
    gate_open: bool


@dataclass(frozen=True, slots=True)
class EnvironmentStep:
    """What one turn came to.

    Attributes:
        feedback: What the canvas answers, as the Director reads it.
        done: Whether the episode is over.
        reward: 0 before the end; then the reward of the whole episode, or None where its answer cannot be graded.
        terms: What the reward consists of: value by name; empty before the end.
        reasons: Why each term has its value, by name.
        info: What else is known.
    """

    feedback: str
    done: bool
    reward: float | None
    terms: Mapping[str, float]
    reasons: Mapping[str, str]
    info: StepInfo


class EnvironmentEpisode:
    """One episode: it is played once. Any number of them may be played at the same time.

    Attributes:
        id: Its id: the task's and the seed.
        sample: Its task and reference; show a Director `messages`, never the reference.
    """

    def __init__(self, arena: Arena, sample: Sample, play: Play, events: list[Event], layout: Layout) -> None:
        self.id = play.id
        self.sample = sample
        self._arena = arena
        self._play = play
        self._events = events
        self._layout = layout

    @property
    def messages(self) -> tuple[Message, ...]:
        """What an LLM reads before its next turn: system, task, and what was said since (spec §3)."""
        return messages(self._play.canvas.observe(), self._layout, TASK_CHARS)

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return bool(self._play.canvas.done)

    @property
    def events(self) -> tuple[Event, ...]:
        """Everything that happened so far, as runs record it."""
        return tuple(self._events)

    async def step(self, text: str) -> EnvironmentStep:
        """Take one turn. What is no action is answered by the canvas, as every other mistake of a Director.

        Args:
            text: What the Director said, unchanged: one action, thinking before it or not; in two-step mode, where an
                instruction was asked for, that instruction.

        Raises:
            ConfigError: The episode is over, or what is given is no text.
            BackendUnavailable: The executor is gone; this turn may be lost, the episode is not graded.
            SandboxError: The sandbox broke; likewise.
            BudgetExceeded: The budget is spent; likewise.
        """
        self._refuse(text, 'episode.step("<action>finish</action>")')
        canvas = self._play.canvas
        action, repairs = understood_in(self._layout == "lenient", text, canvas.asks_prompt is not None)
        step = await self._play.take(Turn(text, action, repairs=repairs))
        return await self._told(render(step.feedback, canvas.settings.budgets), step.parsed, step.accepted)

    async def stop(self, reason: str = "stopped") -> EnvironmentStep:
        """End it from outside, such as where the policy says nothing more; what stands is run, graded and rewarded.

        Args:
            reason: Why; it becomes `info["ended"]`, marked as a stop where it is empty or the canvas's own word.

        Raises:
            ConfigError: The episode is over, or what is given is no text.
            BackendUnavailable: The executor is gone; the episode is not graded.
            SandboxError: The sandbox broke; likewise.
            BudgetExceeded: The budget is spent; likewise.
        """
        self._refuse(reason, 'episode.stop("no more tokens")')
        await self._play.canvas.stop(reason)
        return await self._told("", parsed=False, accepted=False)

    def _refuse(self, said: str, hint: str) -> None:
        """Refuse a call that the episode cannot take.

        Raises:
            ConfigError: It is over, or what was said is no text.
        """
        if self.done:
            raise ConfigError("the episode is over", "play another one: env.reset(…)")
        if not isinstance(said, str):
            raise ConfigError(f"a {type(said).__name__} was given, expected text", hint)

    async def _told(self, feedback: str, parsed: bool, accepted: bool) -> EnvironmentStep:
        canvas = self._play.canvas
        grade, paid = await self._end() if canvas.done else (Grade(None), None)
        terms: tuple[Term, ...] = paid.terms if paid else ()
        return EnvironmentStep(
            feedback=feedback,
            done=self.done,
            reward=paid.value if paid else 0.0,
            terms={term.name: term.value for term in terms},
            reasons={term.name: term.reason for term in terms},
            info=StepInfo(
                turn=canvas.turn,
                parsed=parsed,
                accepted=accepted,
                workflow=to_dsl(canvas.workflow),
                usage=canvas.spent,
                answer=canvas.draft.answer,
                ended=canvas.done,
                score=grade.score,
                grade=grade.reason,
                gate_open=paid is not None and paid.gate_open,
            ),
        )

    async def _end(self) -> tuple[Grade, Reward]:
        """Grade and reward what stands."""
        ended, canvas = self._play.end().ended, self._play.canvas
        grade = await self._arena.grade(self.sample, canvas.draft.answer)
        self._events.append(Graded(grade.score, dict(grade.metrics), grade.reason, grade.failure))
        rejected = sum(isinstance(event, EditRejected) for event in self._events)
        return grade, self._arena.pay(canvas, ended, grade, rejected)
