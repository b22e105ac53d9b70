"""Episodes drawn by a vLLM server are those that the batcher in this process draws; ids and log-probs are kept."""

import asyncio
import sys
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="needs the extra: pip install 'flowsteer[train]'")
pytest.importorskip("peft", reason="needs the extra: pip install 'flowsteer[train]'")

from flowsteer.errors import BackendUnavailable, ConfigError, PolicySyncError  # noqa: E402
from flowsteer.training.inference import vllm  # noqa: E402
from flowsteer.training.inference.remote_engine import Ask, RemoteEngine  # noqa: E402
from flowsteer.training.inference.sampling_engine import Drawn  # noqa: E402
from flowsteer.training.inference.trajectory import DrawSettings  # noqa: E402
from flowsteer.training.inference.vllm import Colocated, Served  # noqa: E402
from flowsteer.training.rollout.rollout import Group, play  # noqa: E402
from training.loopback_vllm import BASE, serving  # noqa: E402
from training.seats import Seat, drawn  # noqa: E402
from training.small import arena, samples, tiny  # noqa: E402
from training.test_batcher import table  # noqa: E402


@pytest.fixture
def server():
    with serving(tiny().model) as found:
        yield found


async def served(url, seats, limits, **settings):
    client = Served(url, **settings)
    try:
        return await drawn(seats, limits, RemoteEngine(client, tiny().end))
    finally:
        await client.aclose()


def seats(count=4, **settings):
    return [Seat(number, turns=1 + number, **settings) for number in range(count)]


async def test_greedy_trajectories_equal_those_of_the_sampler_in_this_process(server):
    limits = DrawSettings(0.0, 8, 200)
    here, there = seats(), seats()
    assert [b.ids for b in await drawn(here, limits)] == [b.ids for b in await served(server.url, there, limits)]
    assert [seat.heard for seat in here] == [seat.heard for seat in there]


@pytest.mark.parametrize("temperature", [1.0, 0.6])
async def test_log_probs_are_those_of_the_tempered_distribution(server, temperature):
    for trajectory in await served(server.url, seats(), DrawSettings(temperature, 8, 200)):
        expected = table(tiny().model, trajectory, temperature)
        for mask, logprob, right in zip(trajectory.mask, trajectory.logprobs, expected, strict=True):
            assert logprob == (pytest.approx(right, abs=1e-4) if mask else 0.0)


async def test_each_turn_is_asked_for_by_all_its_tokens_and_nothing_else_shapes_it(server):
    (trajectory,) = await served(server.url, [Seat(1, turns=3)], DrawSettings(1.0, 6, 200))
    whole = [*trajectory.prompt, *trajectory.ids]
    asked = [body["prompt"] for body in server.requests]
    assert len(asked) == 3
    for body in server.requests:
        assert body["prompt"] == whole[: len(body["prompt"])]
        assert {name: body[name] for name in vllm.PLAIN} == vllm.PLAIN
        assert not {"structured_outputs", "guided_grammar", "logit_bias"} & set(body)
    assert [len(one) for one in asked] == sorted({len(one) for one in asked})


async def test_the_same_seeds_draw_the_same_whatever_the_canvases_do(server):
    limits = DrawSettings(1.0, 6, 200)
    quick, slow = await served(server.url, seats(), limits), await served(server.url, seats(delay=0.02), limits)
    assert [b.ids for b in quick] == [b.ids for b in slow]
    assert len({tuple(b.ids) for b in quick}) == 4


async def test_canvases_work_while_others_draw(server):
    class Slow(Seat):
        async def answer(self, text, cut, tokens):
            seen = len(server.requests)
            while len(server.requests) < seen + 2:  # noqa: ASYNC110 - for ever, if nobody draws
                await asyncio.sleep(0.01)
            return await super().answer(text, cut, tokens)

    both = [Slow(0, turns=1), Seat(1, turns=8)]
    await asyncio.wait_for(served(server.url, both, DrawSettings(1.0, 4, 400)), 60)
    assert len(both[0].heard) == 1


async def test_episodes_end_as_they_do_in_this_process(server):
    cut, full = Seat(1, turns=2), Seat(1, turns=100)
    await served(server.url, [cut], DrawSettings(1.0, 3, 256))
    assert [tokens for _, _, tokens in cut.heard] == [3, 3]
    (trajectory,) = await served(server.url, [full], DrawSettings(1.0, 6, 60))
    assert full.was_full
    assert len(trajectory) <= 60
    with pytest.raises(ConfigError, match="prompt alone"):
        await served(server.url, [Seat(50)], DrawSettings(1.0, 4, 16))


async def test_groups_are_played_on_canvases_by_the_same_code(server):
    groups, limits = [Group(f"g/{n}", sample, 2) for n, sample in enumerate(samples(2))], DrawSettings(0.0, 8, 200)
    client = Served(server.url, BASE)
    async with arena(max_turns=3) as place:
        here = await play(tiny(), groups, place, limits, "policy@0")
        there = await play(tiny(), groups, place, limits, "policy@0", engine=RemoteEngine(client, tiny().end))
    await client.aclose()
    assert [r.trajectory.ids for r in here] == [r.trajectory.ids for r in there]
    assert [r.reward for r in here] == [r.reward for r in there]


async def test_a_server_without_the_weights_asked_for_ends_all(server):
    with pytest.raises(PolicySyncError, match="does not serve the weights 'policy@7'"):
        await served(server.url, seats(2), DrawSettings(1.0, 4, 64), model="policy@7")


async def test_a_server_that_is_gone_or_answers_something_else(server, monkeypatch):
    monkeypatch.setattr(vllm, "RETRIES", 0)
    with pytest.raises(BackendUnavailable, match="did not answer"):
        await served("http://127.0.0.1:9", [Seat(0)], DrawSettings(1.0, 4, 64), model=BASE)
    monkeypatch.setattr(server, "drawn", lambda model, body: {"text": "no ids"})
    with pytest.raises(BackendUnavailable, match="no token ids"):
        await served(server.url, [Seat(0)], DrawSettings(1.0, 4, 64))


async def test_more_tokens_than_asked_for_are_refused():
    class Chatty:
        place = "here"

        async def draw(self, ask):
            return Drawn([1] * (ask.most + 1), [-1.0] * (ask.most + 1))

    with pytest.raises(BackendUnavailable, match="asked for at most 4 tokens and gave 5"):
        await drawn([Seat(0)], DrawSettings(1.0, 4, 64), RemoteEngine(Chatty(), tiny().end))


class FakeEngine:
    """`LLMEngine` as far as it is used: requests join and leave while it steps, one token a step."""

    def __init__(self, server):
        self.server, self.running, self.most = server, {}, 0

    def add_request(self, request_id, prompt, params):
        self.running[request_id] = (prompt["prompt_token_ids"], params, [], [])

    def step(self):
        self.most = max(self.most, len(self.running))
        return [output for name in list(self.running) if (output := self.advanced(name))]

    def advanced(self, name):
        prompt, params, ids, logprobs = self.running[name]
        body = {"prompt": prompt + ids, "max_tokens": 1, "temperature": params.temperature, "seed": len(prompt + ids)}
        made = self.server.drawn(self.server.model, body | {"logprobs": 0})
        ids += made["token_ids"]
        logprobs.append({ids[-1]: SimpleNamespace(logprob=made["logprobs"]["token_logprobs"][0])})
        if ids[-1] not in getattr(params, "stop_token_ids", ()) and len(ids) < params.max_tokens:
            return None
        del self.running[name]
        scored = self.server.scored(self.server.model, prompt)
        told = [one and {int(t): SimpleNamespace(**v) for t, v in one.items()} for one in scored]
        turn = SimpleNamespace(token_ids=ids, logprobs=logprobs)
        return SimpleNamespace(request_id=name, finished=True, outputs=[turn], prompt_logprobs=told)


async def test_in_the_learners_process_the_engine_is_stepped_between_canvases(server, monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(SamplingParams=SimpleNamespace))
    engine, limits = FakeEngine(server), DrawSettings(0.0, 8, 200)
    client, here, there = Colocated(engine), seats(), seats()
    with torch.inference_mode():
        trajectories = await drawn(there, limits, RemoteEngine(client, tiny().end))
        scores = await client.score(trajectories[0].prompt)
    assert [b.ids for b in trajectories] == [b.ids for b in await drawn(here, limits)]
    assert engine.most == 4
    assert len(scores) == len(trajectories[0].prompt) - 1


async def test_what_the_engine_raises_reaches_whoever_waits(server, monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(SamplingParams=SimpleNamespace))
    engine = FakeEngine(server)
    engine.step = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(Colocated(engine).draw(Ask([1, 2], 4, 0, 1.0, 0)), 2)
