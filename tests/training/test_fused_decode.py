"""What the fused reader says of a row is what transformers says, whatever other rows read at the same time."""

import random

import pytest

torch = pytest.importorskip("torch", reason="needs the extra: pip install 'flowsteer[train]'")

from transformers import LlamaConfig, LlamaForCausalLM  # noqa: E402

from flowsteer.training.inference.fused_decode import FusedReader, fusable  # noqa: E402
from flowsteer.training.inference.kv_cache import RowsReader  # noqa: E402
from flowsteer.training.inference.reader import Chunk  # noqa: E402
from flowsteer.training.policy.policy import quiet  # noqa: E402

WORDS = 50

SMALL = {
    "vocab_size": WORDS,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


def llama(**shape):
    """A Llama whose weights are all random, those of its norms, too."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = LlamaForCausalLM(LlamaConfig(**SMALL | shape)).eval()
    for weights in model.parameters():
        torch.nn.init.uniform_(weights, 0.5, 1.5) if weights.dim() == 1 else weights.data.mul_(5)
    return model


def played(reader, rows, seed, forwards=30, equal=False):
    """What each row read, with the logits at its draws: chunks of random widths for random rows."""
    rng, read, drawn = random.Random(seed), [[] for _ in range(rows)], [[] for _ in range(rows)]
    places = list(range(rows))
    for number in range(forwards):
        if number == forwards // 2:
            places = sorted(rng.sample(places, max(1, rows // 2)))
            reader.keep(places)
        some = rng.sample(range(len(places)), rng.randint(1, len(places)))
        width = rng.choice([1, 1, 3])
        widths = [width if equal else rng.choice([1, 1, 1, 2, 7]) for _ in some]
        chunks = []
        for row, wide in zip(some, widths, strict=True):
            known = read[places[row]]
            chunks.append(Chunk(row, len(known), [rng.randrange(WORDS) for _ in range(wide)], rng.random() < 0.8))
            known += chunks[-1].tokens
        with torch.inference_mode():
            found = iter(reader.read(chunks))
        for chunk in chunks:
            if chunk.last:
                row = places[chunk.row]
                drawn[row].append((tuple(read[row]), next(found)))
        assert next(found, None) is None
    return drawn


def furthest(model, drawn):
    """How far the logits are from those of a plain forward over all a row had read."""
    seen = [at for row in drawn for at in row]
    assert len(seen) > 10
    with torch.inference_mode():
        return max(
            float((model(input_ids=torch.tensor([ids])).logits[0, -1] - found).abs().max()) for ids, found in seen
        )


SHAPES = [
    {},
    {"num_key_value_heads": 4},
    {"num_attention_heads": 6, "num_key_value_heads": 1, "hidden_size": 48},
    {"head_dim": 16},
    {"num_hidden_layers": 3, "tie_word_embeddings": True},
    {"rms_norm_eps": 0.5, "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}},
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("rows", [1, 7])
def test_logits_are_those_of_transformers(shape, rows):
    model = llama(**shape)
    assert fusable(model)
    assert furthest(model, played(FusedReader(model, rows, 250), rows, rows)) < 1e-5


def test_logits_of_any_model_are_its_own():
    quiet()
    model = llama()
    assert furthest(model, played(RowsReader(model, 5, 250), 5, 0, equal=True)) < 1e-5


def test_what_a_row_gets_does_not_depend_on_the_others_to_the_last_bit():
    model, rng = llama(hidden_size=128, intermediate_size=336), random.Random(0)
    texts = [[rng.randrange(WORDS) for _ in range(90)] for _ in range(6)]
    alone, together = FusedReader(model, 6, 100), FusedReader(model, 6, 100)
    with torch.inference_mode():
        for at in range(90):
            every = [Chunk(row, at, [texts[row][at]], True) for row in range(6)]
            found = together.read(every)
            for chunk in rng.sample(every, 6):
                assert torch.equal(alone.read([chunk])[0], found[chunk.row])


def test_other_models_are_left_to_transformers():
    assert fusable(llama())
    assert not fusable(llama(attention_bias=True))
    assert not fusable(llama(mlp_bias=True))
    assert not fusable(llama(hidden_act="gelu"))
    assert not fusable(llama(rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}))
    assert not fusable(llama().bfloat16())
    from transformers import Qwen2Config, Qwen2ForCausalLM

    assert not fusable(Qwen2ForCausalLM(Qwen2Config(**SMALL)))
