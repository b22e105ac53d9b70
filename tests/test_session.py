"""The Python API and what a session shares: budget, cache, seeds."""

import asyncio
import time

import pytest

import flowsteer
from canvas.instant import InstantLLM
from flowsteer.backends.base import Message, Origin, Request, Sampling
from flowsteer.backends.budget import Caps
from flowsteer.canvas.canvas import Settings
from flowsteer.errors import BudgetExceeded, ConfigError
from flowsteer.runs.events import EpisodeEnded, NodeRan
from flowsteer.session import Setup, open_session
from flowsteer.task import Task
from flowsteer.workflow.nodes import Step, Workflow

DSL = "Plan -> [Programmer, Custom] -> ScEnsemble -> Verify ? Revise : done -> Format"


def test_five_lines_solve_a_question():
    result = flowsteer.solve("What is 6 times 7?", "math", director=f"dsl:{DSL}", executor="simulated:")
    assert result.finished
    assert flowsteer.to_dsl(result.workflow) == DSL
    assert result.turns == 6
    assert result.answer


def test_a_fixed_workflow_runs():
    result = flowsteer.run("Custom -> Format", "What is 6 times 7?", "math", executor="simulated:")
    assert [node.operator for node in result.nodes] == ["Custom", "Format"]
    assert result.usage.calls == 1  # Format passes on what has the form


def test_every_public_name_is_there():
    for name in flowsteer.__all__:
        assert getattr(flowsteer, name) is not None
    assert set(dir(flowsteer)) == set(flowsteer.__all__)
    with pytest.raises(AttributeError, match="no attribute 'sovle'"):
        _ = flowsteer.sovle


async def test_the_same_episode_comes_out_again_and_another_seed_gives_another():
    async def workflow(seed):
        setup = Setup(director="simulated:", executor="simulated:", canvas=Settings(max_turns=8), seed=seed)
        async with open_session(setup) as session:
            return (await session.episode(Task("What is 6 times 7?", "math"), episode="one")).ended.workflow

    assert await workflow(1) == await workflow(1)
    assert await workflow(1) != await workflow(2)


async def test_a_budget_of_calls_is_never_exceeded():
    backend = InstantLLM()
    setup = Setup(director=f"dsl:{DSL}", executor="instant:", caps=Caps(calls=3))
    async with open_session(setup, {"instant:": backend}) as session:
        with pytest.raises(BudgetExceeded, match="budget of 3 calls"):
            await session.episode(Task("What is 6 times 7?", "math"))
    assert len(backend.calls) == 3


async def test_a_budget_of_tokens_holds_back_a_call_that_might_exceed_it():
    backend = InstantLLM()
    sampling = Sampling(max_tokens=100)
    setup = Setup(
        director="dsl:Custom -> Format", executor="instant:", caps=Caps(tokens=90), executor_sampling=sampling
    )
    async with open_session(setup, {"instant:": backend}) as session:
        with pytest.raises(BudgetExceeded, match="budget of 90 tokens"):
            await session.episode(Task("What is 6 times 7?", "math"))
    assert backend.calls == []


async def test_a_budget_in_dollars_needs_a_price():
    setup = Setup(director="", executor="instant:", caps=Caps(cost=1.0))
    with pytest.raises(ConfigError, match="price of instant: is unknown"):
        async with open_session(setup, {"instant:": InstantLLM()}):
            pass


async def test_what_was_answered_is_not_asked_again_and_counts_the_same(tmp_path):
    async def episode(backend):
        setup = Setup(director=f"dsl:{DSL}", executor="instant:", cache=tmp_path / "replies.sqlite")
        async with open_session(setup, {"instant:": backend}) as session:
            return (await session.episode(Task("What is 6 times 7?", "math"))).ended

    first, second = InstantLLM(), InstantLLM()
    once, again = await episode(first), await episode(second)
    assert len(first.calls) > 0
    assert second.calls == []
    assert again.executor_usage == once.executor_usage
    assert again.answer == once.answer


async def test_a_spec_is_connected_once_so_equal_requests_in_flight_are_made_once(tmp_path):
    class Waiting(InstantLLM):
        async def complete(self, request):
            await asyncio.sleep(0.01)
            return await super().complete(request)

    backend, asked = (
        Waiting(),
        Request((Message("user", "?"),), Sampling(0.0), origin=Origin("executor", Task("?"), "Custom")),
    )
    setup = Setup(director="", executor="slow:", roster={"big": "slow:"}, cache=tmp_path / "replies.sqlite")
    async with open_session(setup, {"slow:": backend}) as session:
        directors = await asyncio.gather(*(session.connect_director("slow:") for _ in range(3)))
        other = await session.connect_director("slow:?temperature=0.5")
        backends = [session.executor_backend, session.roster["big"], *(one.backend for one in (*directors, other))]
        await asyncio.gather(*(one.complete(asked) for one in backends))
    assert len(backend.calls) == 1
    assert directors[0] is directors[1] is directors[2]
    assert other.sampling.temperature == 0.5


async def test_what_could_not_be_connected_is_tried_again(tmp_path):
    script = tmp_path / "script"
    async with open_session(Setup(director="", executor="instant:"), {"instant:": InstantLLM()}) as session:
        with pytest.raises(ConfigError, match="cannot be read"):
            await session.connect_director(f"script:{script}")
        script.write_text("add Custom")
        assert (await session.connect_director(f"script:{script}")).lines == ["add Custom"]


async def test_episodes_at_once_that_share_a_director_go_as_they_would_alone(tmp_path):
    script = tmp_path / "script"
    script.write_text("add Programmer\nadd Format\nfinish")
    canvas = Settings(max_turns=8, min_steps=1, needs=(), needs_structure=False)
    for spec in ("simulated:", "simulated:?seed=3", f"script:{script}", f"dsl:{DSL}", "pretrained"):
        alone, tasks = [], [Task(f"What is 6 times {number}?", "math") for number in range(4)]
        for task in tasks:
            async with open_session(Setup(director=spec, executor="simulated:", canvas=canvas)) as session:
                alone.append((await session.episode(task)).ended.workflow)
        async with open_session(Setup(director=spec, executor="simulated:", canvas=canvas)) as session:
            together = await asyncio.gather(*(session.episode(task) for task in tasks))
        assert [one.ended.workflow for one in together] == alone


async def test_nodes_run_on_the_backends_of_the_roster():
    big = InstantLLM()
    workflow = Workflow((Step("node_1", "Plan", backend="big"), Step("node_2", "Custom")), 3)
    events = []
    async with open_session(
        Setup(director="", executor="instant:", roster={"big": "big:"}), {"instant:": InstantLLM(), "big:": big}
    ) as session:
        await session.execute(workflow, Task("What is 6 times 7?", "math"), events.append)
    assert big.calls == ["Plan"]
    assert [type(event) for event in events] == [NodeRan, NodeRan]


async def test_a_workflow_that_cannot_run_is_refused_before_anything_runs():
    backend = InstantLLM()
    async with open_session(Setup(director="", executor="instant:"), {"instant:": backend}) as session:
        with pytest.raises(ConfigError, match="no operator 'Nope'"):
            await session.execute(flowsteer.parse_dsl("Custom -> Nope"), Task("?"))
        with pytest.raises(ConfigError, match="cannot be a check"):
            await session.execute(flowsteer.parse_dsl("Custom -> Plan ? Revise : done"), Task("?"))
    assert backend.calls == []


async def test_a_director_whose_request_is_refused_ends_the_episode_as_it_stands():
    from flowsteer.errors import BackendRejected

    class Forgetful(InstantLLM):
        async def complete(self, request):
            if request.origin.role == "director" and len(request.messages) > 4:
                raise BackendRejected("the conversation is too long")
            if request.origin.role == "director":
                text = "<action>add</action><operator>Custom</operator>"
                return flowsteer.backends.base.Reply(text, flowsteer.usage.Usage(calls=1), "forgetful")
            return await super().complete(request)

    events = []
    async with open_session(Setup(director="f:", executor="f:"), {"f:": Forgetful()}) as session:
        episode = await session.episode(Task("What is 6 times 7?", "math"), events.append)
    assert episode.ended.turns == 2
    assert not episode.ended.finished
    assert "too long" in episode.ended.reason
    assert episode.ended.answer == "42"
    assert isinstance(events[-1], EpisodeEnded)


async def test_a_budget_of_seconds_ends_a_call_that_hangs():
    class Slow(InstantLLM):
        async def complete(self, request):
            await asyncio.sleep(30)

    started = time.perf_counter()
    async with open_session(Setup(director="", executor="slow:", caps=Caps(seconds=0.2)), {"slow:": Slow()}) as session:
        with pytest.raises(BudgetExceeded, match=r"budget of 0\.2 s"):
            await session.execute(flowsteer.parse_dsl("Custom"), Task("?"))
    assert time.perf_counter() - started < 5
