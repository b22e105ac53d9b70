"""Directors without an LLM: scripts, fixed workflows, people, chance; and how a spec names one."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from director_cases import LIBRARY, TASK, observe
from hypothesis import given

from flowsteer.backends.connect import Backends
from flowsteer.backends.simulated import SimulatedBackend
from flowsteer.canvas.canvas import Canvas, Settings
from flowsteer.canvas.director import Director, Exchange, PromptText, Turn
from flowsteer.canvas.episode import Episode, run_episode
from flowsteer.director.chat import ChatDirector
from flowsteer.director.commands import parse_command
from flowsteer.director.connect import connect_director
from flowsteer.director.human import HumanDirector
from flowsteer.director.parse import parse_action
from flowsteer.director.random import RandomDirector
from flowsteer.director.script import script_for
from flowsteer.director.scripted import FixedDirector, ScriptedDirector
from flowsteer.errors import ActionError, ConfigError, DSLError
from flowsteer.execution.executor import Executor
from flowsteer.execution.memo import Memo
from flowsteer.sandbox.monty import MontySandbox
from flowsteer.workflow.apply import Applied, apply
from flowsteer.workflow.dsl import parse_dsl, parse_structure, to_dsl
from flowsteer.workflow.edits import AddStep, AddStructure, Delete, Finish, Modify, SetPrompt
from flowsteer.workflow.nodes import NodeId, Step, Workflow, steps
from flowsteer.workflow.rules import Rules
from strategies import workflows, written_steps

N1, N2, N3 = (NodeId(f"node_{number}") for number in (1, 2, 3))
GOOD = "Plan -> [Programmer, Custom] -> ScEnsemble -> Verify ? Revise : done -> Format"


async def play(director: Director, **rules: object) -> tuple[Episode, Canvas]:
    """An episode on a real canvas with the simulated executor."""
    sandbox = MontySandbox(1)
    try:
        executor = Executor(LIBRARY, SimulatedBackend(), sandbox, Memo(), {})
        canvas = Canvas(TASK, executor, Rules(LIBRARY.categories, **rules), Settings(feedback="status"))
        return await run_episode(canvas, director), canvas
    finally:
        await sandbox.aclose()


async def test_a_fixed_workflow_is_built_as_it_is() -> None:
    episode, canvas = await play(FixedDirector.from_dsl(GOOD))
    assert to_dsl(canvas.workflow) == GOOD
    assert episode.ended.finished
    assert episode.accepted == episode.ended.turns == 6


async def test_a_script_of_commands_and_xml_plays_to_its_end() -> None:
    lines = [
        "add Plan",
        "this is no action",
        "<action>add</action><structure>parallel</structure><operators>Programmer, Custom</operators>",
        "add ScEnsemble",
        "add (Review -> Revise) * 2 at 3",
        "prompt node_1 Think first.",
        "finish",
    ]
    episode, canvas = await play(ScriptedDirector(lines))
    assert to_dsl(canvas.workflow) == "Plan -> [Programmer, Custom] -> ScEnsemble -> (Review -> Revise) * 2"
    assert (episode.parsed, episode.accepted, episode.ended.finished) == (6, 6, True)


async def test_a_script_answers_prompt_requests_with_its_lines() -> None:
    lines = ["add Plan", "Think first.", PromptText("never said"), "add Custom"]
    director = ScriptedDirector(lines)
    _, canvas = await play(
        ScriptedDirector([*lines[:2], "finish"]), two_step=True, min_steps=1, needs=(), needs_structure=False
    )
    assert canvas.workflow.nodes == (Step(N1, "Plan", "Think first."),)
    asked = observe(parse_dsl("Plan"), two_step=True, asks_prompt=N1, history=(Exchange("a", "b"),) * 2)
    assert await director.act(asked) == Turn("<prompt>never said</prompt>", PromptText("never said"))


async def test_a_script_that_ends_too_early_is_the_users_mistake() -> None:
    with pytest.raises(ConfigError, match="ended after 1 lines without an accepted finish") as caught:
        await play(ScriptedDirector(["add Plan"]))
    assert "at least 5 operators" in caught.value.hint


def rebuilt(workflow: Workflow, rules: Rules, two_step: bool = False) -> Workflow:
    built, asked = Workflow(), []
    *script, last = script_for(workflow, two_step)
    assert last == Finish()
    for action in script:
        edit = SetPrompt(asked.pop(0), action.text) if isinstance(action, PromptText) else action
        outcome = apply(built, edit, rules)
        assert isinstance(outcome, Applied), outcome
        built = outcome.workflow
        asked += [node for node in outcome.new if two_step and node in {step.id for step in _silent(built)}]
    return built


def _silent(workflow: Workflow) -> Iterator[Step]:
    return (step for step in steps(workflow.nodes) if not step.prompt)


@given(workflows(written_steps).filter(lambda workflow: "done : done" not in to_dsl(workflow)))
def test_a_script_builds_any_workflow(workflow: Workflow) -> None:
    backends = tuple({step.backend for step in steps(workflow.nodes)})
    names = dict.fromkeys(_names(workflow), "verification")
    rules = Rules(names, max_steps=10_000, max_runs=10**40, backends=backends)
    assert to_dsl(rebuilt(workflow, rules)) == to_dsl(workflow)


def _names(workflow: Workflow) -> set[str]:
    return {step.operator for step in _silent(workflow)}


@pytest.mark.parametrize("two_step", [False, True])
def test_a_script_gives_every_instruction(two_step: bool) -> None:
    loop = parse_structure("(Review -> Revise) * 2")
    inner = tuple(Step(step.id, step.operator, f"do {step.operator}") for step in loop.body)
    workflow = Workflow((Step(N1, "Plan", "think"), type(loop)(N2, inner, 2)), 5)
    built = rebuilt(workflow, Rules(LIBRARY.categories), two_step)
    assert [(step.operator, step.prompt) for step in built.nodes[1].body] == [
        ("Review", "do Review"),
        ("Revise", "do Revise"),
    ]
    assert built.nodes[0] == Step(N1, "Plan", "think")


def test_a_script_says_what_no_action_can_say() -> None:
    with pytest.raises(ConfigError, match="node_2 has two empty branches"):
        script_for(parse_dsl("(Verify ? done : done) * 2"))
    with pytest.raises(ConfigError, match="has no instruction"):
        script_for(parse_dsl("Plan"), two_step=True)


@pytest.mark.parametrize(
    ("line", "action"),
    [
        ("add Plan", AddStep("Plan")),
        ("  add Plan at 2 ", AddStep("Plan", position=2)),
        ("add Custom in node_3.true at 0", AddStep("Custom", position=0, container="node_3.true")),
        ("add [A, B]", AddStructure(parse_structure("[A, B]"))),
        ("add (Review -> Revise) * 2", AddStructure(parse_structure("(Review -> Revise) * 2"))),
        (
            "add Verify ? Revise : done in node_1",
            AddStructure(parse_structure("Verify ? Revise : done"), None, "node_1"),
        ),
        ("delete node_3", Delete(N3)),
        ("modify node_2 Custom", Modify(N2, "Custom")),
        ("prompt node_2 add it up, then check", SetPrompt(N2, "add it up, then check")),
        ("finish", Finish()),
        ("finish 42", Finish("42")),
        ("<action>delete</action><target>node_3</target>", Delete(N3)),
    ],
)
def test_commands(line: str, action: object) -> None:
    assert parse_command(line) == action


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "nothing was typed"),
        ("jump", "unknown command 'jump'"),
        ("add", "found 0"),
        ("add Plan -> Custom", "found 2"),
        ("add Plan Custom", "expected '->'"),
        ("delete", "delete does not read"),
        ("delete node_1 node_2", "delete does not read"),
        ("modify node_1", "modify does not read"),
        ("prompt node_1 ", "prompt does not read"),
        ("<action>jump</action>", "unknown action"),
    ],
)
def test_command_errors(line: str, reason: str) -> None:
    with pytest.raises(ActionError) as caught:
        parse_command(line)
    assert reason in caught.value.message
    assert caught.value.hint


class Terminal:
    """Types lines, then presses Ctrl-D; keeps what was shown."""

    def __init__(self, *lines: str) -> None:
        self.lines, self.shown = list(lines), []

    def read(self, prompt: str) -> str:
        self.shown.append(prompt)
        if not self.lines:
            raise EOFError
        return self.lines.pop(0)

    def director(self) -> HumanDirector:
        return HumanDirector(self.read, self.shown.append)

    @property
    def text(self) -> str:
        return "\n".join(self.shown)


async def test_a_line_that_is_no_text_costs_a_person_no_turn() -> None:
    terminal = Terminal("prompt node_1 caf\udce9", "add Plan")
    assert (await terminal.director().act(observe(parse_dsl("Plan")))).text == "add Plan"
    assert "that line is not clean UTF-8" in terminal.text
    terminal.text.encode()


async def test_a_person_sees_the_task_the_drawing_and_the_answer() -> None:
    terminal = Terminal("help", "add Plan")
    turn = await terminal.director().act(observe())
    assert (turn.text, turn.action) == ("add Plan", AddStep("Plan"))
    for part in (TASK.question, "Verify (verification):", "add [Plan -> Custom, Plan]", "turn 1 of 20> "):
        assert part in terminal.text
    terminal = Terminal("delete node_2")
    await terminal.director().act(observe(parse_dsl("Plan -> [A, B]"), history=(Exchange("x", "accepted: y"),)))
    assert "accepted: y" in terminal.text
    assert "└─ node_2 parallel" in terminal.text


async def test_a_slip_of_a_person_costs_no_turn() -> None:
    terminal = Terminal("ad Plan", "add Paln", "delete node_9", "finish", "", "add Custom")
    turn = await terminal.director().act(observe(parse_dsl("Plan")))
    assert turn.action == AddStep("Custom")
    for part in (
        "unknown command 'ad'",
        "there is no operator 'Paln'",
        "there is no node 'node_9'",
        "finish is not allowed yet",
    ):
        assert part in terminal.text


async def test_a_person_answers_a_prompt_request() -> None:
    terminal = Terminal("", "help me count")
    seen = observe(parse_dsl("Plan"), two_step=True, asks_prompt=N1, history=(Exchange("x", "now: write"),))
    assert (await terminal.director().act(seen)).action == PromptText("help me count")


def test_leaving_the_terminal_ends_the_episode_and_not_the_program() -> None:
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(Terminal().director().act(observe()))


async def test_random_episodes_are_legal_repeatable_and_sometimes_finish() -> None:
    ended = []
    for seed in range(6):
        first, _ = await play(RandomDirector(seed))
        again, _ = await play(RandomDirector(seed))
        assert first.accepted == first.ended.turns
        assert first.ended.dsl == again.ended.dsl
        ended.append(first.ended)
    assert len({end.dsl for end in ended}) == len(ended)
    assert any(end.finished for end in ended)


async def test_a_random_turn_is_what_its_text_says() -> None:
    turn = await RandomDirector(3).act(observe(parse_dsl("Plan -> Verify")))
    assert parse_action(turn.text) == turn.action
    asked = observe(parse_dsl("Plan"), two_step=True, asks_prompt=N1)
    assert isinstance((await RandomDirector().act(asked)).action, PromptText)


async def test_every_episode_has_its_own_chances() -> None:
    turns = [await RandomDirector().act(observe(seed=seed)) for seed in range(8)]
    assert len({turn.text for turn in turns}) > 4


async def test_a_spec_names_a_director(tmp_path: Path) -> None:
    script = tmp_path / "play.txt"
    script.write_text("# a comment\n\nadd Plan\nfinish\n", encoding="utf-8")
    async with Backends(extra={"openai:some": SimulatedBackend()}) as backends:
        assert await connect_director("simulated:", backends.get) == RandomDirector(0)
        assert await connect_director("simulated:typed?seed=7", backends.get) == RandomDirector(7)
        assert isinstance(await connect_director("human", backends.get), HumanDirector)
        scripted = await connect_director(f"script:{script}", backends.get)
        assert isinstance(scripted, ScriptedDirector)
        assert list(scripted.lines) == ["add Plan", "finish"]
        fixed = await connect_director("dsl:Plan->Custom", backends.get)
        assert fixed.spec == "dsl:Plan -> Custom"
        chat = await connect_director("openai:some", backends.get, layout="rebuilt")
        assert isinstance(chat, ChatDirector)
        assert chat.layout == "rebuilt"
        for director in (scripted, RandomDirector(7)):
            assert await connect_director(director.spec, backends.get) == director


@pytest.mark.parametrize(
    "spec", ["simulated:nobody", "simulated:?seed=x", "script:missing.txt", "script:", "nobody", "dsl:"]
)
async def test_a_wrong_spec_says_what_to_type(spec: str) -> None:
    async with Backends() as backends:
        with pytest.raises(ConfigError) as caught:
            await connect_director(spec, backends.get)
    assert caught.value.hint


@pytest.mark.parametrize("spec", ["runs/missing", "./missing", ".missing"])
async def test_a_folder_that_is_not_there_is_named(spec: str) -> None:
    async with Backends() as backends:
        with pytest.raises(ConfigError, match="there is no folder") as caught:
            await connect_director(spec, backends.get)
    assert "flowsteer train" in caught.value.hint


async def test_a_wrong_workflow_says_where(tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_text("# nothing\n", encoding="utf-8")
    async with Backends() as backends:
        with pytest.raises(DSLError):
            await connect_director("dsl:Plan ->", backends.get)
        with pytest.raises(ConfigError, match="holds no line"):
            await connect_director(f"script:{empty}", backends.get)


async def test_a_fixed_director_whose_finish_is_refused_ends_there_and_says_what_is_missing() -> None:
    director = FixedDirector.from_dsl("Plan -> Custom")
    executor = Executor(LIBRARY, SimulatedBackend.from_spec("simulated:"), MontySandbox(), Memo(), {})
    canvas = Canvas(TASK, executor, Rules(LIBRARY.categories), Settings(max_turns=9))
    episode = await run_episode(canvas, director)
    assert (episode.ended.turns, episode.accepted, episode.ended.finished) == (3, 2, False)
    assert "may not finish here, it needs at least 5 operators (there are 2)" in episode.ended.reason
    assert episode.ended.answer


async def test_a_fixed_director_says_at_once_what_cannot_be_built() -> None:
    director = FixedDirector.from_dsl("Plan -> Nope")
    with pytest.raises(ConfigError, match="no operator 'Nope'"):
        await director.act(observe())


async def test_a_folder_without_a_trained_policy_says_how_to_make_one(tmp_path: Path) -> None:
    pytest.importorskip("trl", reason="training is an extra")
    with pytest.raises(ConfigError, match="holds no trained policy"):
        await connect_director(str(tmp_path), Backends().get)
