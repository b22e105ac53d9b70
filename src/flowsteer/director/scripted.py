"""Directors that know beforehand what they will do: a script, or a workflow to be built as it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flowsteer.canvas.director import Observation, PromptText, Turn
from flowsteer.canvas.feedback import in_words
from flowsteer.director.commands import parse_command
from flowsteer.director.parse import parse_prompt_reply
from flowsteer.director.render import render_action
from flowsteer.director.script import script_for
from flowsteer.errors import ActionError, ConfigError, NoTurn
from flowsteer.workflow.dsl import parse_dsl, to_dsl
from flowsteer.workflow.edits import Action
from flowsteer.workflow.nodes import Workflow
from flowsteer.workflow.rules import Rules, violations

Line = str | Action | PromptText


@dataclass(frozen=True, slots=True)
class ScriptedDirector:
    """Says one line of a script a turn.

    A line of text is an action in XML or a short command, and in answer to a prompt request an instruction; text that
    is neither becomes an `ActionError` in the turn, as with any Director.

    Attributes:
        lines: What it says, turn by turn.
        spec: The string that names it.
    """

    lines: Sequence[Line]
    spec: str = "script"

    @classmethod
    def from_file(cls, path: Path) -> "ScriptedDirector":
        """A script from a file: one line a turn; empty lines and lines that start with `#` are left out.

        Raises:
            ConfigError: If the file cannot be read or holds no line.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the script {path} cannot be read: {error}", "check the path") from error
        lines = [line.strip() for line in text.splitlines()]
        said = [line for line in lines if line and not line.startswith("#")]
        if not said:
            raise ConfigError(f"the script {path} holds no line", "write one action a line, such as: add Plan")
        return cls(said, f"script:{path}")

    async def act(self, observation: Observation) -> Turn:
        """Say the line of this turn.

        Raises:
            ConfigError: If the script is over and the episode is not.
            ActionError: If an action in the script is one that the action language cannot say.
        """
        if observation.turn > len(self.lines):
            left = in_words(observation.unmet)
            raise ConfigError(
                f"{self.spec} ended after {len(self.lines)} lines without an accepted finish",
                f"before finish: {left}" if left else "end it with: finish",
            )
        return _said(self.lines[observation.turn - 1], observation)


@dataclass(frozen=True, slots=True)
class FixedDirector:
    """Builds one workflow, whatever the task: the "without agent" ablation of the paper.

    Attributes:
        workflow: What it builds.
    """

    workflow: Workflow

    @classmethod
    def from_dsl(cls, text: str) -> "FixedDirector":
        """A Director that builds the workflow of a DSL text.

        Raises:
            DSLError: If the text does not parse.
        """
        return cls(parse_dsl(text))

    @property
    def spec(self) -> str:
        """`dsl:` and the workflow."""
        return f"dsl:{to_dsl(self.workflow)}"

    def refuse_broken(self, rules: Rules) -> None:
        """Refuse rules under which it cannot be built.

        Raises:
            ConfigError: It breaks one, such as by an operator that does not exist.
        """
        if broken := violations(self.workflow, rules):
            raise ConfigError(
                f"{self.spec} cannot be built here: {'; '.join(broken)}", "flowsteer operators lists what exists"
            )

    async def act(self, observation: Observation) -> Turn:
        """Take the next step of building it; once it is built, finish.

        Raises:
            ConfigError: If the rules do not allow it, or no action can build it.
            NoTurn: The canvas did not accept the finish: the workflow is scored as it stands.
        """
        self.refuse_broken(observation.rules)
        script = script_for(self.workflow, observation.rules.two_step)
        if observation.turn > len(script):
            raise NoTurn(f"{self.spec} may not finish here, it needs {in_words(observation.unmet)}")
        return _said(script[observation.turn - 1], observation)


def _said(line: Line, observation: Observation) -> Turn:
    if isinstance(line, PromptText):
        return Turn(f"<prompt>{line.text}</prompt>", line)
    if not isinstance(line, str):
        return Turn(render_action(line), line)
    try:
        return Turn(line, parse_prompt_reply(line) if observation.asks_prompt else parse_command(line))
    except ActionError as error:
        return Turn(line, error)
