"""What the batcher says it sampled is what the model says of those tokens; canvases' speed changes nothing."""

import asyncio

import pytest

torch = pytest.importorskip("torch", reason="needs the extra: pip install 'flowsteer[train]'")

from dataclasses import replace  # noqa: E402

from transformers import AutoConfig, AutoModelForCausalLM  # noqa: E402

from flowsteer.errors import BackendUnavailable, ConfigError  # noqa: E402
from flowsteer.training.inference.batcher import Batcher  # noqa: E402
from flowsteer.training.inference.fused_decode import FusedReader  # noqa: E402
from flowsteer.training.inference.trajectory import DrawSettings  # noqa: E402
from training.seats import Plain, Seat, drawn  # noqa: E402
from training.small import tiny  # noqa: E402


def table(logits_of, trajectory, temperature=1.0):
    """Log-probs of the trajectory's own tokens by a plain forward over the whole sequence."""
    ids = torch.tensor([[*trajectory.prompt, *trajectory.ids]])
    with torch.inference_mode():
        logits = logits_of(input_ids=ids).logits[0, :-1] / temperature
    every = torch.log_softmax(logits.float(), -1).gather(1, ids[0, 1:, None])[:, 0]
    return every[len(trajectory.prompt) - 1 :].tolist()


@pytest.mark.parametrize("temperature", [1.0, 0.7])
async def test_log_probs_are_those_of_a_plain_forward(temperature):
    seats = [Seat(number, turns=1 + number) for number in range(4)]
    trajectories = await drawn(seats, DrawSettings(temperature, 12, 256))
    for trajectory in trajectories:
        assert 0 in trajectory.mask or len(set(trajectory.mask)) == 1
        expected = table(tiny().model, trajectory, temperature)
        for mask, logprob, right in zip(trajectory.mask, trajectory.logprobs, expected, strict=True):
            assert logprob == (pytest.approx(right, abs=1e-4) if mask else 0.0)


SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 48,
    "head_dim": 16,
    "num_local_experts": 2,
    "num_experts_per_tok": 1,
    "initializer_range": 0.2,
}


def batcher(name, **special):
    """What draws with a small model of a kind; the words are those of the tiny policy."""
    torch.manual_seed(0)
    words, attention = len(tiny().tokenizer), special.pop("attention", None)
    config = AutoConfig.for_model(name, vocab_size=words, pad_token_id=0, **SHAPE, **special)
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval()
    return model, Batcher(replace(tiny(), view=Plain(), model=model))


@pytest.mark.parametrize(
    ("name", "special"),
    [
        ("qwen3", {"attention": "sdpa"}),
        ("qwen3", {"attention": "eager"}),
        ("gemma2", {"attention": "eager"}),
        ("gpt_oss", {"attention": "eager"}),
        ("mistral", {"sliding_window": 128}),
        ("gemma3_text", {"sliding_window": 128}),
    ],
)
async def test_whatever_attention_a_model_has_nothing_that_is_to_come_is_seen(name, special):
    model, engine = batcher(name, **special)
    seats = [Seat(number, turns=1 + number) for number in range(3)]
    for trajectory in await drawn(seats, DrawSettings(1.0, 12, 128), engine):
        expected = table(model, trajectory)
        found = [(mask, logprob) for mask, logprob in zip(trajectory.mask, trajectory.logprobs, strict=True)]
        assert [logprob for mask, logprob in found if mask] == pytest.approx(
            [right for (mask, _), right in zip(found, expected, strict=True) if mask], abs=1e-4
        )


@pytest.mark.parametrize(
    ("name", "special", "said", "hint"),
    [
        ("mistral", {"sliding_window": 8}, "at most 8,", "sampler.episode_tokens=8, or sampler.engine"),
        ("gemma2", {"sliding_window": 32}, "at most 32,", "sampler.episode_tokens=32,"),
        ("llama4_text", {"attention_chunk_size": 16}, "at most 16,", "sampler.episode_tokens=16,"),
        ("lfm2", {"layer_types": ["conv", "full_attention"]}, "layers of the kind conv", "sampler.engine="),
        ("jamba", {}, "layers of the kind linear_attention", "sampler.engine="),
    ],
)
async def test_a_model_that_looks_back_less_far_is_not_drawn_with(name, special, said, hint):
    _, engine = batcher(name, **special)
    with pytest.raises(ConfigError, match=said) as refused:
        await drawn([Seat(1)], DrawSettings(1.0, 4, 64), engine)
    assert f"set {hint}" in refused.value.hint


async def test_tokens_do_not_depend_on_how_quick_canvases_are():
    quick = await drawn([Seat(n) for n in range(5)], DrawSettings(1.0, 10, 256))
    slow = await drawn([Seat(n, delay=0.02) for n in range(5)], DrawSettings(1.0, 10, 256))
    alone = [(await drawn([Seat(n)], DrawSettings(1.0, 10, 256)))[0] for n in range(5)]
    assert [b.ids for b in quick] == [b.ids for b in slow] == [b.ids for b in alone]
    assert len({tuple(b.ids) for b in quick}) == 5


class Thoughtful(Seat):
    """An episode whose canvas waits for nobody, yet takes a few turns of the event loop."""

    async def answer(self, text, cut, tokens):
        for _ in range(5):
            await asyncio.sleep(0)
        return await super().answer(text, cut, tokens)


@pytest.fixture
def forwards(monkeypatch):
    """For each time that the model reads: with how many threads."""
    seen, read = [], FusedReader.read

    def counted(self, chunks):
        seen.append(torch.get_num_threads())
        return read(self, chunks)

    monkeypatch.setattr(FusedReader, "read", counted)
    return seen


async def test_the_model_reads_on_only_once_canvases_that_wait_for_nobody_have_answered(forwards):
    await drawn([Seat(n) for n in range(6)], DrawSettings(1.0, 10, 256))
    quick = len(forwards)
    await drawn([Thoughtful(n) for n in range(6)], DrawSettings(1.0, 10, 256))
    assert len(forwards) == 2 * quick > 0


async def test_what_the_canvas_says_is_read_in_one_forward(forwards):
    (trajectory,) = await drawn([Seat(1)], DrawSettings(1.0, 10, 256))
    assert len(forwards) == trajectory.own < len(trajectory)


async def test_a_small_model_draws_with_one_thread(forwards):
    torch.set_num_threads(2)
    try:
        await drawn([Seat(1)], DrawSettings(1.0, 10, 256))
        assert set(forwards) == {1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


async def test_text_and_tokens_of_a_turn_agree():
    seats = [Seat(number) for number in range(3)]
    trajectories = await drawn(seats, DrawSettings(1.0, 10, 256))
    for seat, trajectory in zip(seats, trajectories, strict=True):
        assert sum(tokens for _, _, tokens in seat.heard) == trajectory.own
        own = [token for token, mask in zip(trajectory.ids, trajectory.mask, strict=True) if mask]
        said = tiny().decode(own)
        assert said.replace("<end>", "") == "".join(text for text, _, _ in seat.heard)
        canvas = [token for token, mask in zip(trajectory.ids, trajectory.mask, strict=True) if not mask]
        ends = ["<end>" if cut else "" for _, cut, _ in seat.heard[:-1]]
        assert tiny().decode(canvas) == "".join(f"{end}ok node_1 | left 3\n" for end in ends)
        assert [bool(end) for end in ends] == [tokens == 10 for _, _, tokens in seat.heard[:-1]]


async def test_greedy_is_the_most_probable_token():
    (trajectory,) = await drawn([Seat(2, turns=1)], DrawSettings(0.0, 8, 256))
    with torch.inference_mode():
        for place in range(len(trajectory.ids)):
            ids = torch.tensor([[*trajectory.prompt, *trajectory.ids[:place]]])
            assert int(tiny().model(input_ids=ids).logits[0, -1].argmax()) == trajectory.ids[place]


async def test_a_long_turn_is_cut_and_a_full_episode_ends():
    cut, full = Seat(1, turns=2), Seat(1, turns=100)
    await drawn([cut], DrawSettings(1.0, 3, 256))
    assert [tokens for _, _, tokens in cut.heard] == [3, 3]
    assert all(was_cut for _, was_cut, _ in cut.heard)
    (trajectory,) = await drawn([full], DrawSettings(1.0, 6, 60))
    assert full.was_full
    assert len(trajectory) <= 60


async def test_a_prompt_longer_than_an_episode_is_refused():
    with pytest.raises(ConfigError, match="prompt alone"):
        await drawn([Seat(50)], DrawSettings(1.0, 4, 16))


async def test_what_a_canvas_raises_ends_the_sampling():
    class Broken(Seat):
        async def answer(self, text, cut, tokens):
            raise BackendUnavailable("gone")

    slow = Seat(1, delay=5.0)
    with pytest.raises(BackendUnavailable):
        await asyncio.wait_for(drawn([Broken(1), slow], DrawSettings(1.0, 4, 64)), 3)
