"""Several models in one workflow: a step names its backend, also inside structures, and what each costs is counted."""

import json
from contextlib import nullcontext

import pytest
from typer.testing import CliRunner

from flowsteer.backends.base import Features, Message, Origin, Reply, Request, Usage
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


class Untold:
    """A model whose server does not tell what its first replies read and wrote."""

    features = Features()

    def __init__(self, spec: str, untold: int):
        self.spec, self.untold, self.calls = spec, untold, 0

    async def complete(self, request):
        self.calls += 1
        told = Usage(1, 19, 1024, cost=0.0103)
        return Reply("so", told if self.calls > self.untold else Usage(1, cost=None), "m")


@pytest.mark.parametrize(
    ("caps", "stated", "untold", "passed"),
    [
        (Caps(cost=0.02), None, 1, 1),
        (Caps(cost=0.02), None, 200, 1),
        (Caps(cost=0.02), Price(1.25, 10), 200, 1),
        (Caps(cost=0.05), Price(1.25, 10), 200, 4),
        (Caps(tokens=3000), None, 200, 2),
        (Caps(tokens=3000), Price(1.25, 10), 1, 2),
    ],
)
async def test_what_is_not_told_of_a_call_counts_as_what_was_set_aside_for_it(caps, stated, untold, passed):
    model = Untold("openai:gpt-5", untold)
    backend = BudgetedBackend(model, Budget(caps), stated)
    request = Request((Message("user", "Hello?"),))
    costs = [(await backend.complete(request)).usage.cost for _ in range(passed)]
    with pytest.raises(BudgetExceeded):
        await backend.complete(request)
    assert model.calls == passed
    assert [cost is None for cost in costs] == [number < untold for number in range(passed)]


@pytest.mark.parametrize(("caps", "passed"), [(Caps(), 2), (Caps(tokens=10**6), 2), (Caps(cost=1000.0), 0)])
async def test_a_prompt_that_no_price_holds_for_is_not_asked_under_a_budget_in_dollars(caps, passed):
    model, budget = Untold("openai:gpt-5", 2), Budget(caps)
    backend = BudgetedBackend(model, budget, Price(3.0, 15.0, longest=200_000))
    with pytest.raises(BudgetExceeded) if not passed else nullcontext():
        for _ in range(2):
            await backend.complete(Request((Message("user", "x" * 500_000),)))
    assert model.calls == passed
    assert budget.spent.cost == 0


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
