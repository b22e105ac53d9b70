"""An arena: what episodes are played, graded and rewarded in, in training as in a loop of one's own."""

from dataclasses import dataclass

from flowsteer.canvas.canvas import Canvas, Settings, rules_for
from flowsteer.datasets.base import Sample
from flowsteer.execution.memo import Memo
from flowsteer.grading.base import Grade
from flowsteer.grading.connect import GradeAnswer
from flowsteer.reward.additions import Course
from flowsteer.reward.reward import Reward, reward
from flowsteer.reward.settings import RewardSettings
from flowsteer.runs.events import Emit, EpisodeEnded
from flowsteer.session import Session
from flowsteer.usage import NO_USAGE


@dataclass(frozen=True, slots=True)
class Arena:
    """What episodes are played in; one for any number of them at once.

    Attributes:
        session: What is connected.
        grade: The grader.
        canvas: What an episode allows, and what the Director is told.
        rewards: Which reward is paid.
    """

    session: Session
    grade: GradeAnswer
    canvas: Settings
    rewards: RewardSettings

    def open(self, sample: Sample, emit: Emit, seed: int, memo: Memo) -> Canvas:
        """A fresh canvas."""
        rules = rules_for(sample.task, self.session.library, self.canvas, tuple(self.session.roster))
        return Canvas(sample.task, self.session.executor(memo), rules, self.canvas, emit, seed)

    def pay(self, canvas: Canvas, ended: EpisodeEnded, grade: Grade, rejected: int, sampled_tokens: int = 0) -> Reward:
        """The reward of an episode (spec §6).

        Args:
            canvas: Its canvas, done.
            ended: Its last event.
            grade: The grade of its answer.
            rejected: Turns that were rejected.
            sampled_tokens: Tokens that the Director sampled.
        """
        execution = canvas.execution
        course = Course(
            finished=ended.finished is True,
            turns=ended.turns,
            rejected=rejected,
            sampled_tokens=sampled_tokens,
            runs=0 if execution is None else len(execution.ran),
            usage=NO_USAGE if execution is None else execution.whole_usage,
        )
        succeeded = frozenset() if execution is None else execution.succeeded
        return reward(canvas.workflow, succeeded, self.session.library.categories, grade, course, self.rewards)
