"""What reads the packed weights says what transformers says of them."""

import random
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra: pip install 'flowsteer[train]'")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from flowsteer.canvas.episode import run_episode  # noqa: E402
from flowsteer.errors import ConfigError  # noqa: E402
from flowsteer.execution.memo import Memo  # noqa: E402
from flowsteer.pretrained.byte_pairs import BytePairs  # noqa: E402
from flowsteer.pretrained.llama import Llama, Reading, tensors_of  # noqa: E402
from flowsteer.pretrained.pack import pack  # noqa: E402
from flowsteer.pretrained.pretrained_director import FORCED, load, packed_policy  # noqa: E402
from flowsteer.pretrained.weights_card import packed, packed_card  # noqa: E402
from flowsteer.runs.events import TurnTaken  # noqa: E402
from flowsteer.session import Setup, open_session  # noqa: E402
from flowsteer.settings import check  # noqa: E402
from flowsteer.training.config import TrainingConfig  # noqa: E402
from flowsteer.training.inference.trajectory import DrawSettings  # noqa: E402
from flowsteer.training.policy.policy import load_policy  # noqa: E402
from flowsteer.training.policy.tokenizer import TAGS  # noqa: E402
from flowsteer.training.policy_director import PolicyDirector  # noqa: E402
from flowsteer.training.run import train  # noqa: E402
from training.small import SHORT, samples  # noqa: E402

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def whole():
    """The packed policy, as transformers loads it."""
    return load_policy(str(packed()))


def test_logits_are_those_of_transformers_however_a_text_is_cut(whole):
    rng, width = random.Random(0), whole.model.config.vocab_size
    for length in (1, 2, 17, 150):
        ids = [rng.randrange(width) for _ in range(length)]
        with torch.no_grad():
            expected = whole.model(torch.tensor([ids])).logits[0]
        at_once, one_by_one = Reading(packed_policy().model), Reading(packed_policy().model)
        assert abs(at_once.read(ids) - expected[-1].numpy()).max() < TOLERANCE
        for place, number in enumerate(ids):
            assert abs(one_by_one.read([number]) - expected[place].numpy()).max() < TOLERANCE


@given(st.lists(st.one_of(st.text(max_size=20), st.sampled_from([*TAGS, "<end>", "<pad>", "node_1", " Verify"]))))
def test_texts_are_cut_as_the_tokenizer_cuts_them(parts):
    text, policy = "".join(parts), load_policy_once()
    ids = packed_policy().tokens.encode(text)
    assert ids == policy.encode(text)
    assert packed_policy().tokens.decode(ids) == policy.decode(ids) == text


def load_policy_once(kept=[]):  # noqa: B006 - hypothesis takes no fixture of a module
    kept or kept.append(load_policy(str(packed())))
    return kept[0]


async def test_it_plays_as_the_same_policy_does_with_a_tensor_library(whole):
    card = packed_card()
    twin = PolicyDirector(whole, "twin", DrawSettings(0.0, card.turn_tokens, card.episode_tokens, True), card.canvas)
    compared = 0
    async with open_session(Setup(director="", executor="simulated:typed-2", canvas=card.canvas)) as session:
        for sample in samples(6):
            told = []
            for director in (load("pretrained"), twin):
                events = []
                canvas = replace(session, director=director).canvas(sample.task, events.append, "e", Memo())
                await run_episode(canvas, director, events.append)
                told.append([event for event in events if isinstance(event, TurnTaken)])
            free = [turn.text for turn in takewhile(lambda turn: turn.reasoning != FORCED, told[0])]
            assert free == [turn.text for turn in told[1]][: len(free)]
            compared += len(free)
    assert compared >= 12


def test_other_models_and_tokenizers_are_refused():
    with pytest.raises(ConfigError, match="no plain Llama"):
        Llama.of({"model_type": "qwen2", "hidden_act": "silu", "tie_word_embeddings": True}, {})
    with pytest.raises(ConfigError, match="no tokenizer of a tiny policy"):
        BytePairs({"pre_tokenizer": {}, "normalizer": None, "model": {"type": "Unigram"}})
    header = b'{"w":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}'
    with pytest.raises(ConfigError, match="BF16, not F32"):
        tensors_of(len(header).to_bytes(8, "little") + header + b"\0\0")


def test_a_run_is_packed_with_its_card(tmp_path: Path):
    import tomllib

    plain = tomllib.loads(SHORT)
    config = check(TrainingConfig, plain | {"report_to": []}, "here", ["sampler.grammar=true"])
    with pytest.raises(ConfigError, match="holds no training that is over"):
        pack(tmp_path / "run", tmp_path / "packed")
    train(config, tmp_path / "run")
    card = pack(tmp_path / "run", tmp_path / "packed")
    text = (tmp_path / "packed" / "CARD.md").read_text()
    assert card.name in text
    assert "simulated:typed#" in text
    assert card.canvas.max_turns == 2
    assert set(card.figures["after"]["by_type"]) == {"math", "qa"}
    whole = load_policy(str(tmp_path / "packed"))
    model = Llama.of(whole.model.config.to_dict(), tensors_of((tmp_path / "packed" / "model.safetensors").read_bytes()))
    with torch.no_grad():
        expected = whole.model(torch.tensor([[3, 1, 2]])).logits[0, -1].numpy()
    assert abs(Reading(model).read([3, 1, 2]) - expected).max() < TOLERANCE


def test_a_run_without_a_grammar_is_not_packed(tmp_path: Path):
    import tomllib

    train(check(TrainingConfig, tomllib.loads(SHORT) | {"report_to": []}, "here"), tmp_path / "run")
    with pytest.raises(ConfigError, match=r"sampler\.grammar=False"):
        pack(tmp_path / "run", tmp_path / "packed")
