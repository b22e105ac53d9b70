"""A Director whose instructions never reach the workflow: the ablation "without prompts"."""

from dataclasses import dataclass, replace

from flowsteer.canvas.director import Director, Observation, Turn
from flowsteer.errors import ActionError
from flowsteer.workflow.edits import AddStep, AddStructure, SetPrompt
from flowsteer.workflow.tree import bare


@dataclass(frozen=True, slots=True)
class WithoutPrompts:
    """A Director whose instructions never reach the workflow. Its text is recorded, and shown to it, as it was said.

    Attributes:
        inner: The Director.
    """

    inner: Director

    @property
    def spec(self) -> str:
        """The inner Director's spec."""
        return self.inner.spec

    async def act(self, observation: Observation) -> Turn:
        """The inner Director's turn with its instruction left out; a turn that only gives one is rejected.

        Raises:
            BackendUnavailable: Its LLM is gone.
        """
        turn = await self.inner.act(observation)
        match turn.action:
            case AddStep() as edit:
                return replace(turn, action=replace(edit, prompt=""))
            case AddStructure() as edit:
                return replace(turn, action=replace(edit, structure=bare(edit.structure)))
            case SetPrompt():
                return replace(turn, action=ActionError("there are no instructions here: every operator has its own"))
            case _:
                return turn
