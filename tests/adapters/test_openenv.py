"""OpenEnv's own WebSocket client plays an episode on our server, over the loopback."""

import socket
import threading
from contextlib import contextmanager

import pytest

pytest.importorskip("openenv.core", reason="pip install 'flowsteer[openenv]'")

import uvicorn
from openenv.core import GenericEnvClient

import flowsteer
from flowsteer.adapters.openenv import openenv_app

ADD = "<action>add</action><operator>{}</operator>"
GATE = [
    "<action>add</action><structure>parallel</structure><operators>Programmer, AnswerGenerate, Custom</operators>",
    *map(ADD.format, ("ScEnsemble", "Verify", "Format")),
    "<action>finish</action>",
]


@contextmanager
def serving(env):
    server = uvicorn.Server(uvicorn.Config(openenv_app(env), log_level="warning", lifespan="on"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def env():
    with flowsteer.Environment("simulated:math", executor="simulated:typed-2", n=4) as opened:
        yield opened


@pytest.fixture(scope="module")
def address(env):
    with serving(env) as url:
        yield url


def test_a_client_plays_an_episode_and_is_paid_what_ours_is(env, address):
    mine = env.reset(2, seed=5)
    with GenericEnvClient(base_url=address).sync() as client:
        first = client.reset(index=2, seed=5)
        assert [message["role"] for message in first.observation["messages"]] == ["system", "user"]
        assert env.samples[2].task.question in first.observation["messages"][1]["content"]
        for text in GATE:
            step, there = mine.step(text), client.step({"text": text})
            assert there.observation["feedback"] == step.feedback
            assert there.done == step.done
        assert there.reward == pytest.approx(step.reward)
        assert there.observation["terms"] == pytest.approx(step.terms)
        assert there.observation["info"]["workflow"] == step.info["workflow"]
        assert client.state()["step_count"] == len(GATE)


def test_no_reference_is_sent(env, address):
    with GenericEnvClient(base_url=address).sync() as client:
        sent = client.reset(index=0).observation
        end = [client.step({"text": "<action>finish</action>"}).observation for _ in range(20)][-1]
    gold = env.samples[0].reference.gold
    assert gold not in sent["messages"][0]["content"]
    assert gold not in str(end["messages"])
    assert end["info"]["ended"] == "turn limit"


def test_clients_at_once_play_episodes_of_their_own(address):
    clients = [GenericEnvClient(base_url=address).sync() for _ in range(5)]
    for number, client in enumerate(clients):
        client.connect()
        client.reset(index=number % 4)
    for _ in range(2):
        for client in clients:
            assert client.step({"text": ADD.format("Custom")}).observation["info"]["accepted"] in (True, False)
    assert {client.state()["step_count"] for client in clients} == {2}
    for client in clients:
        client.close()


def test_a_mistake_is_feedback_and_a_step_too_many_says_what_to_do(address):
    with GenericEnvClient(base_url=address).sync() as client:
        client.reset(index=1)
        step = client.step({"text": "hello"})
        assert not step.observation["info"]["parsed"]
        assert not step.done
        for _ in range(19):
            step = client.step({"text": "hello"})
        assert step.done
        assert step.reward < 0
        with pytest.raises(RuntimeError, match="the episode is over"):
            client.step({"text": "hello"})


def test_the_tasks_can_be_listed(address):
    import httpx

    assert httpx.get(f"{address}/schema", timeout=10).json()["action"]["required"] == ["text"]
