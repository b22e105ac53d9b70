"""An exported program runs a workflow as it was run; one with LangGraph runs it alike in a graph of its own."""

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from flowsteer_cli import flowsteer
from hypothesis import given, settings

import flowsteer as fs
from flowsteer.adapters.langgraph import LIMITS, START_STATE, graph_nodes
from flowsteer.cli.export import _read
from flowsteer.errors import RunError
from flowsteer.exporting.langgraph_program import langgraph_program
from flowsteer.exporting.python_program import python_program
from flowsteer.exporting.reproduction import Reproduction, reproduction
from flowsteer.runs.events import EpisodeEnded, NodeRan
from flowsteer.runs.folder import RunFolder
from flowsteer.session import open_session
from flowsteer.task import AssertTests, Task
from flowsteer.workflow.dsl import parse_dsl
from strategies import workflows

DSL = "Plan -> [Programmer, Custom -> Format] -> ScEnsemble -> (Review -> Revise) * 3 -> Verify ? Revise : done"
WORLD = "simulated:typed-2"


def loaded(text, name="exported"):
    """The program as a module."""
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader=None))
    exec(compile(text, name, "exec"), module.__dict__)
    return module


def recorded(folder, episode):
    """What nodes wrote in the record, and the answer. A node that comes back to an earlier result is told of once."""
    events = folder.events(episode)
    ended = next(event for event in events if isinstance(event, EpisodeEnded))
    wrote = [(event.node, event.iteration, event.wrote) for event in events if isinstance(event, NodeRan)]
    return wrote, ended.answer


SCRIPT = (
    f"add {DSL.split(' -> ')[0]}\nprompt node_1 Two steps at most.\nadd [Custom, Custom]\nadd ScEnsemble\nadd Custom"
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Records of several kinds, drawn at a temperature and with a seed, so that either would be missed."""
    path = tmp_path_factory.mktemp("runs")
    (path / "script.txt").write_text(f"{SCRIPT}\n")
    draw = ("--executor-tokens", "77", "--seed", "5")
    solve = ("solve", "What is 6 times 7?", "--type", "math", "--executor", f"{WORLD}?seed=3", *draw)
    free = "--allow-unfinished"
    done = [
        flowsteer(*solve, "--director", f"dsl:{DSL}", "--run", "solved", "--library", "paper+tools", cwd=path),
        flowsteer(*solve, "--director", "script:script.txt", "--run", "scripted", "--max-turns", "5", free, cwd=path),
        flowsteer(*solve, "--director", "simulated:?votes=3", "--run", "voted", "--max-turns", "6", free, cwd=path),
        flowsteer(
            *(
                "eval",
                "simulated",
                "--limit",
                "3",
                "--epochs",
                "2",
                "--executor",
                WORLD,
                "--run",
                "evaluated",
                "--seed",
                "5",
            ),
            *("--set", "executor_sampling.max_tokens=77"),
            *("--system", "sc:3", "--system", f"fixed:{DSL}", "--system", "director:simulated:", "--system", "direct"),
            *("--system", "vote=sc:2", "--system", f"sc.mine=fixed:{DSL}"),
            cwd=path,
        ),
    ]
    for one in done:
        assert one.code == 0, one.err
    return path


@pytest.mark.parametrize("run", ["solved", "scripted", "voted", "evaluated"])
def test_a_program_reproduces_every_node_of_its_record(runs, run):
    folder = RunFolder.read(runs / run)
    checked = 0
    for episode, entry in folder.entries.items():
        if entry.summary.system == "direct":
            continue
        module = loaded(python_program(reproduction(folder, episode)))
        ran, (wrote, answer) = module.run(), recorded(folder, episode)
        assert ran.answer == answer == module.answer()
        assert all((node.node, node.iteration, node.wrote) in wrote for node in ran.nodes)
        assert fs.to_dsl(module.WORKFLOW) == module.DSL == entry.summary.dsl
        assert module.SETUP.seed != 0
        assert module.SETUP.executor_sampling.max_tokens == 77
        checked += 1
    assert checked == (30 if run == "evaluated" else 1)


def test_a_program_keeps_temperature_library_and_the_whole_task(runs):
    folder = RunFolder.read(runs / "evaluated")
    systems = {entry.summary.system: episode for episode, entry in folder.entries.items()}
    for system, temperature in (("sc:3", 0.7), ("vote", 0.7), (f"fixed:{DSL}", 0), ("sc.mine", 0)):
        assert reproduction(folder, systems[system]).setup.executor_sampling.temperature == temperature, system
    (solved,) = RunFolder.read(runs / "solved").entries
    assert reproduction(RunFolder.read(runs / "solved"), solved).setup.library == "paper+tools"
    with pytest.raises(RunError, match="DirectAnswer is no operator of the library paper"):
        python_program(reproduction(folder, systems["direct"]))
    assert flowsteer("export", "evaluated", "--episode", systems["direct"], cwd=runs).out == "DirectAnswer\n"
    code = next(
        e for e, entry in folder.entries.items() if entry.summary.type == "code" and entry.summary.system == "sc:3"
    )
    reproduced = reproduction(folder, code)
    assert isinstance(reproduced.task.public_tests, AssertTests)
    assert reproduced.task == loaded(python_program(reproduced)).TASK


def test_question_and_executor_come_from_arguments_or_the_environment(runs, monkeypatch):
    flowsteer("export", "solved", "--to", "python", "--out", "program.py", cwd=runs)
    spec = importlib.util.spec_from_file_location("program", runs / "program.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    own = module.run("What is 2 times 4?", executor="simulated:flat")
    assert {node.backend.partition("#")[0] for node in own.nodes} == {"simulated:flat"}
    monkeypatch.setenv("FLOWSTEER_EXECUTOR", "simulated:null")
    assert {node.backend.partition("#")[0] for node in module.run().nodes} == {"simulated:null"}
    monkeypatch.delenv("FLOWSTEER_EXECUTOR")
    assert module.asked(None, None).id == module.TASK.id
    assert module.asked("another", None).id == ""
    assert module.asked(None, "a passage").context == "a passage"


@pytest.mark.parametrize("to", ["python", "langgraph"])
def test_a_program_runs_on_its_own(runs, to):
    flowsteer("export", "solved", "--to", to, "--out", f"as_{to}.py", cwd=runs)
    env = {name: value for name, value in os.environ.items() if name != "FLOWSTEER_EXECUTOR"}
    done = subprocess.run(
        [sys.executable, f"as_{to}.py"], cwd=runs, env=env, capture_output=True, text=True, check=True
    )
    folder = RunFolder.read(runs / "solved")
    (episode,) = folder.entries
    assert done.stdout.strip() == recorded(folder, episode)[1]


def test_a_record_that_does_not_say_which_vote_it_is_gives_no_program(runs):
    folder = RunFolder.read(runs / "voted")
    (episode,) = folder.entries
    reproduced = reproduction(folder, episode)
    unsaid = replace(reproduced, flaw="its record does not say which of its votes was taken")
    with pytest.raises(RunError, match="which of its votes"):
        langgraph_program(unsaid)


def test_text_of_a_user_is_text_in_a_program():
    task = Task('"""{question}"""\n\\', "qa", context="{0} {{}}")
    text = python_program(Reproduction(parse_dsl("Custom"), task, fs.Setup(executor=WORLD)))
    assert task == loaded(text).TASK


@pytest.mark.parametrize("program", [python_program, langgraph_program])
def test_a_time_without_limit_is_kept(program):
    setup = fs.Setup(executor=WORLD, node_seconds=float("inf"))
    reproduced = Reproduction(parse_dsl("Custom"), Task("?", "qa"), setup)
    assert loaded(program(reproduced)).SETUP.node_seconds == float("inf")


TASK = Task("What is 6 times 7?", "math")


def both(tree, task=TASK, seed=0):
    """What FlowSteer's interpreter makes of a workflow, and what the exported graph does: node runs, and the draft."""
    setup = fs.Setup(director="", executor=WORLD, seed=seed)
    module = loaded(langgraph_program(Reproduction(tree, task, setup)))

    async def run():
        async with open_session(setup) as session:
            ours = await session.execute(tree, task)
        theirs = []
        async with graph_nodes(tree, task, setup, WORLD, theirs.append) as nodes:
            state = await module.build(nodes).ainvoke(START_STATE, LIMITS)
        return ours, theirs, state["draft"]

    ours, theirs, draft = asyncio.run(run())
    return (
        ({(r.node, r.iteration): (r.wrote, r.failure) for r in ours.ran}, ours.draft),
        ({(r.node, r.iteration): (r.wrote, r.failure) for r in theirs}, draft),
    )


@given(workflows())
@settings(max_examples=25)
def test_a_graph_runs_the_same_nodes_to_the_same_draft(tree):
    if not tree.nodes or sum(1 for _ in fs.workflow_to_json(tree)["nodes"]) > 12:
        return
    ours, theirs = both(tree)
    assert theirs == ours


@pytest.mark.parametrize(
    "dsl",
    [
        DSL,
        "(Custom -> (Review -> Revise) * 3 -> Verify ? Programmer : (Test -> Plan)) * 4 -> Format",
        "([Custom -> (Review -> Revise) * 2, [Plan, Programmer] -> ScEnsemble] -> ScEnsemble -> Verify) * 3",
        "Verify ? (Review ? Custom : Programmer) : Format -> Custom",
        "(Custom -> ([Review ? Revise : done, Verify -> Revise, Programmer] -> ScEnsemble) * 2) * 2",
        "(Verify ? Revise : done -> Custom) * 10",
    ],
)
@pytest.mark.parametrize("kind", ["math", "qa"])
def test_loops_branches_and_checks_within_each_other(dsl, kind):
    for seed in range(4):
        ours, theirs = both(parse_dsl(dsl), Task(f"What is {seed} times 7?", kind), seed)
        assert theirs == ours


def test_own_workflows_can_be_exported_too(tmp_path):
    (tmp_path / "w.json").write_text(json.dumps(fs.workflow_to_json(parse_dsl(DSL))))
    assert _read(str(tmp_path / "w.json"), "").workflow == parse_dsl(DSL)
    text = flowsteer("export", DSL, "--to", "langgraph", cwd=tmp_path).out
    assert "graph.add_conditional_edges(" in text
