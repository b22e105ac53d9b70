"""verifiers runs its own environment loop over ours; the model behind its agent is a server on the loopback."""

import asyncio
from dataclasses import replace

import pytest

vf = pytest.importorskip("verifiers.v1", reason="pip install 'flowsteer[verifiers]'")

from fake_server import FakeServer, say  # noqa: E402
from verifiers.v1.utils.loaders import load_environment, resolve_env_config  # noqa: E402

import flowsteer  # noqa: E402
from flowsteer.environments.played import EnvironmentEpisode  # noqa: E402
from flowsteer.errors import SandboxError  # noqa: E402
from flowsteer.grading.base import Grade  # noqa: E402

ADD = "<action>add</action><operator>{}</operator>"
GATE = [
    "<action>add</action><structure>parallel</structure><operators>Programmer, AnswerGenerate, Custom</operators>",
    *map(ADD.format, ("ScEnsemble", "Verify", "Format")),
    "<action>finish</action>",
]


async def played(replies, n=2, **config):
    """The episodes of verifiers' own run over `n` samples, and the requests that the model got."""
    raw = {"taskset": {"id": "flowsteer_verifiers", "n": n}, "executor": "simulated:typed-2", **config}
    env = load_environment(resolve_env_config(raw))
    async with FakeServer(*(say(text) for text in replies)) as server, env.serving():
        client = vf.EvalClientConfig(base_url=server.url, api_key_var="NO_KEY")
        context = vf.ModelContext(model="tiny", client=client, sampling=vf.SamplingConfig(temperature=0.5))
        slots = [slot for task in env.taskset for slot in env.slots(task)]
        return [await env.run_slot(slot, context) for slot in slots], server.seen


async def test_an_episode_of_verifiers_is_paid_what_ours_is():
    episodes, seen = await played(GATE * 2)
    assert [episode.errors for episode in episodes] == [[], []]
    with flowsteer.Environment("simulated:math", executor="simulated:typed-2", n=2) as ours:
        for number, episode in enumerate(episodes):
            mine = ours.reset(number)
            for text in GATE:
                step = mine.step(text)
            (trace,) = episode.traces
            assert trace.reward == pytest.approx(step.reward)
            assert {name: reward.score for name, reward in trace.rewards.items()} == step.terms
            assert trace.num_turns == len(GATE)
            assert seen[0]["messages"][0]["content"] == mine.messages[0].content
    assert [message["role"] for message in seen[1]["messages"]] == ["system", "user", "assistant", "user"]
    assert "added" in seen[1]["messages"][-1]["content"]
    assert all(body["temperature"] == 0.5 for body in seen)


async def test_no_reference_goes_over_the_wire():
    (episode,), _ = await played(GATE, n=1)
    with flowsteer.Environment("simulated:math", executor="simulated:", n=1) as ours:
        gold = ours.samples[0].reference.gold
    assert episode.task.data.model_dump(exclude_defaults=True).keys() <= {"idx", "id", "sample", "system_prompt"}
    assert gold not in (episode.task.data.system_prompt or "")


async def test_an_agent_that_is_stopped_leaves_a_workflow_that_is_paid_as_it_stands():
    config = {"director": {"max_turns": 2}}
    (episode,), seen = await played(GATE, n=1, **config)
    (trace,) = episode.traces
    assert episode.errors == []
    assert len(seen) == 2
    assert trace.reward < 0
    assert trace.metrics["turns"] == 2


async def test_episodes_at_once_share_one_environment():
    raw = {"taskset": {"id": "flowsteer_verifiers", "n": 8}, "executor": "simulated:", "director": {"max_turns": 1}}
    env = load_environment(resolve_env_config(raw))
    async with FakeServer() as server, env.serving():
        context = vf.ModelContext(model="tiny", client=vf.EvalClientConfig(base_url=server.url, api_key_var="NO_KEY"))
        slots = [slot for task in env.taskset for slot in env.slots(task)]
        episodes = await asyncio.gather(*(env.run_slot(slot, context) for slot in slots))
    assert [episode.ok for episode in episodes] == [True] * 8


@pytest.mark.parametrize("turns", [2, 9])
@pytest.mark.parametrize("broken", [False, True])
async def test_what_cannot_be_graded_is_an_error_of_its_trace_too(monkeypatch, turns, broken):
    graded = EnvironmentEpisode._end

    async def grade(*_):
        if broken:
            raise SandboxError("the sandbox broke")
        return Grade(None, reason="it has no number")

    async def end(episode):
        episode._arena = replace(episode._arena, grade=grade)
        return await graded(episode)

    monkeypatch.setattr(EnvironmentEpisode, "_end", end)
    (episode,), _ = await played(GATE, n=1, director={"max_turns": turns})
    (trace,) = episode.traces
    assert not episode.ok
    assert "the sandbox broke" in str(trace.errors) if broken else "cannot be graded" in str(trace.errors)
    assert trace.rewards == {}
