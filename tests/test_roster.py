"""Several models in one workflow: a step names its backend, also inside structures, and what each costs is counted."""

import json

import pytest
from typer.testing import CliRunner

from flowsteer.backends.base import Message, Origin, Request
from flowsteer.backends.budget import Budget, Caps
from flowsteer.backends.budgeted import BudgetedBackend
from flowsteer.backends.prices import Price
from flowsteer.backends.simulated import SimulatedBackend
from flowsteer.cli.main import app
from flowsteer.errors import BudgetExceeded
from flowsteer.session import Setup, open_session
from flowsteer.task import Task
from flowsteer.training.sft.scripts import Script
from flowsteer.workflow.dsl import parse_dsl
from flowsteer.workflow.nodes import steps

ROSTER = {"cheap": "simulated:typed-2-small"}
PRICES = {"simulated:typed-2": (2.0, 8.0), "simulated:typed-2-small": (0.1, 0.4)}
TASK = Task("Find the number. type: math; task: 1", "math")
SETUP = Setup(director="", executor="simulated:typed-2", roster=ROSTER, prices=PRICES)


async def ran(dsl):
    async with open_session(SETUP) as session:
        return await session.execute(parse_dsl(dsl), TASK)


async def test_every_step_runs_on_the_backend_it_names_also_inside_a_structure():
    done = await ran("[Custom@cheap, Programmer] -> ScEnsemble -> Verify@cheap ? Revise@cheap : done")
    by_operator = {run.operator: run.backend for run in done.ran}
    small = SimulatedBackend.from_spec("simulated:typed-2-small").spec
    assert by_operator["Custom"] == by_operator["Verify"] == small
    assert by_operator["Programmer"] != small


async def test_a_stated_price_is_what_a_call_costs():
    (one,) = (await ran("Custom")).ran
    used = one.usage
    assert used.cost == pytest.approx((2.0 * used.prompt_tokens + 8.0 * used.completion_tokens) / 1e6)
    (cheap,) = (await ran("Custom@cheap")).ran
    assert 0 < cheap.usage.cost < used.cost / 10


async def test_a_budget_in_dollars_counts_the_stated_price():
    request = Request((Message("user", "x" * 400),), origin=Origin("executor", TASK, "Custom", "solving"))
    stated = Price(1e6, 1e6)
    with pytest.raises(BudgetExceeded):
        await BudgetedBackend(SimulatedBackend(), Budget(Caps(cost=5.0)), stated).complete(request)
    assert (await BudgetedBackend(SimulatedBackend(), Budget(Caps(cost=5.0))).complete(request)).usage.cost == 0


async def test_scripts_name_backends_where_there_is_a_roster_and_only_there():
    named = set()
    async with open_session(SETUP) as session:
        for seed in range(30):
            canvas = session.canvas(TASK)
            script = Script.draw(seed, 9)
            while not canvas.done and canvas.turn < 9:
                await canvas.step(await script.act(canvas.observe()))
            named |= {step.backend for step in steps(canvas.workflow.nodes)}
    assert named == {"", "cheap"}


def test_a_workflow_with_two_models_is_compared_by_accuracy_and_money(tmp_path):
    prices = "prices={'simulated:typed-2'=[2.0,8.0],'simulated:typed-2-small'=[0.1,0.4]}"
    words = ["eval", "simulated:math", "--executor", "simulated:typed-2", "--limit", "6", "--run", str(tmp_path / "r")]
    words += ["--backend", "cheap=simulated:typed-2-small", "--set", prices, "--json"]
    words += ["--system", "strong=fixed:Programmer", "--system", "weak=fixed:Programmer@cheap"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    costs = {cell["system"]: cell["use"]["cost"] for cell in json.loads(done.stdout)["cells"]}
    assert 0 < costs["weak"] < costs["strong"] / 10


def test_a_backend_that_is_not_on_the_roster_is_refused_before_anything_runs():
    words = ["run", "Custom@bgi", "How many?", "--executor", "simulated:", "--backend", "big=simulated:"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code != 0
    assert "bgi" in done.output
