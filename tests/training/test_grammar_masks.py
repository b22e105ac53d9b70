"""Under a grammar every turn is legal, and what is trained on is the distribution that was drawn from."""

from dataclasses import replace
from random import Random

import pytest

torch = pytest.importorskip("torch", reason="needs the extra: pip install 'flowsteer[train]'")

from director_cases import observe  # noqa: E402
from gbnf_sampler import read  # noqa: E402

from flowsteer.director.grammar import action_grammar  # noqa: E402
from flowsteer.errors import ConfigError  # noqa: E402
from flowsteer.runs.events import EditApplied, EditRejected  # noqa: E402
from flowsteer.settings import check  # noqa: E402
from flowsteer.training.config import TrainingConfig, settings_of  # noqa: E402
from flowsteer.training.inference.grammar_masks import GrammarMasks  # noqa: E402
from flowsteer.training.inference.only_allowed import only  # noqa: E402
from flowsteer.training.inference.trajectory import DrawSettings  # noqa: E402
from flowsteer.training.policy.policy import EMBEDDED, Policy, located  # noqa: E402
from flowsteer.training.policy.view import ChatView  # noqa: E402
from flowsteer.training.rl import trainer as trainer_side  # noqa: E402
from flowsteer.training.rl.own_tokens import Scorable, own_logprobs  # noqa: E402
from flowsteer.training.rollout.rollout import Group, play  # noqa: E402
from flowsteer.training.run import train  # noqa: E402
from flowsteer.workflow.dsl import parse_dsl  # noqa: E402
from training.small import arena, samples, tiny  # noqa: E402

HELD = DrawSettings(0.7, 48, 1500, grammar=True)
BUILT = ("", "Plan -> Custom -> Verify", "Plan -> Custom -> Programmer -> (Verify -> Revise) * 2 -> Format")


def chatting():
    """A tiny random model that reads and writes the tokens of the embedded one."""
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    try:
        where, options = located(EMBEDDED, "main")
    except ConfigError:
        pytest.skip("the embedded model is not here: flowsteer models pull smollm2")
    tokenizer = AutoTokenizer.from_pretrained(where, gguf_file=options["gguf_file"])
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer) + 7, tie_word_embeddings=True, **small))
    model.config.eos_token_id = tokenizer.eos_token_id
    return Policy(model, tokenizer, ChatView(tokenizer, 200))


@pytest.fixture(scope="module", params=["tags are tokens", "tags are pieces"])
def policy(request):
    return tiny() if request.param == "tags are tokens" else chatting()


def follows(masks, grammar, ids):
    """How many of these tokens a grammar allows one after another."""
    turn = masks.turn(grammar)
    for place, token in enumerate(ids):
        if not turn.allowed()[token // 8] >> token % 8 & 1:
            return place
        turn.take(token)
    return len(ids)


@pytest.mark.parametrize("dsl", BUILT)
def test_what_the_grammar_admits_is_allowed_and_nothing_else(policy, dsl):
    grammar, masks, rng = action_grammar(observe(parse_dsl(dsl)), prompt_chars=9), GrammarMasks.of(policy), Random(5)
    sentences = read(grammar)
    for _ in range(60):
        text = sentences.sample(rng)
        ids = [*policy.encode(text), policy.end]
        assert follows(masks, grammar, ids) == len(ids), text
        for wrong in (
            [policy.end],
            policy.encode(f"{text}<action>"),
            policy.encode(text.replace("<action>", "<axtion>")),
        ):
            assert follows(masks, grammar, [*wrong, policy.end]) < len(wrong)


async def test_every_whole_turn_is_taken(policy):
    async with arena(max_turns=6) as place:
        groups = [Group(f"g{number}", sample, 4) for number, sample in enumerate(samples(3))]
        played = await play(policy, groups, place, replace(HELD, episode_tokens=4000), "p")
    events = [event for rollout in played for event in rollout.events]
    refused = {event.reason for event in events if isinstance(event, EditRejected)}
    refused -= {reason for reason in refused if reason.startswith("loops and branches would make up to")}
    assert refused <= {"the reply was cut at the token limit before its end"}
    assert sum(isinstance(event, EditApplied) for event in events) > 20
    assert all(len(rollout.trajectory.allowed) == rollout.trajectory.own for rollout in played)


async def test_the_sampler_and_the_learner_agree(policy):
    async with arena(max_turns=4) as place:
        played = await play(policy, [Group("g", sample, 2) for sample in samples(3)], place, HELD, "p")
    rows, free = [], []
    for one in (rollout.trajectory for rollout in played):
        ids, own = torch.tensor([*one.prompt, *one.ids]), torch.tensor([*[0] * len(one.prompt), *one.mask]).bool()
        sampled = torch.tensor([value for value, mine in zip(one.logprobs, one.mask, strict=True) if mine])
        rows.append(Scorable(ids, own, sampled, 1.0, one.allowed))
        free.append(Scorable(ids, own, sampled, 1.0))
    head = policy.model.get_output_embeddings()
    found, entropy = own_logprobs(policy.model, head, rows, HELD.temperature, True, True)
    wanted = torch.cat([row.sampled for row in rows])
    assert len(wanted) > 200
    assert (found - wanted).abs().max() < 1e-4
    without, _ = own_logprobs(policy.model, head, free, HELD.temperature, False, True)
    assert (without - wanted).abs().max() > 1
    alone = torch.tensor([sum(byte.bit_count() for byte in one) == 1 for row in rows for one in row.allowed])
    assert alone.any()
    assert (found[alone].abs().max(), entropy[alone].abs().max()) == (0, 0), "a forced token teaches nothing"
    (found.sum() + entropy.sum()).backward()
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in policy.model.parameters())
    policy.model.zero_grad()


def test_what_is_not_allowed_has_no_share():
    logits = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]]).repeat(2, 1)
    chances = torch.softmax(only(logits, [bytes([0b101, 0]), bytes([0, 1])]), -1)
    assert [row.nonzero().flatten().tolist() for row in chances] == [[0, 2], [8]]
    assert chances[0, 2] == torch.softmax(torch.tensor([1.0, 3.0]), -1)[1]


def test_a_run_is_trained_on_what_was_drawn(tmp_path, monkeypatch):
    apart, score = [], trainer_side.own_logprobs

    def scored(model, head, rows, *how):
        found = score(model, head, rows, *how)
        if not apart:  # the first pass: the model is still the one that drew
            assert all(row.allowed for row in rows)
            apart.append((found[0] - torch.cat([row.sampled for row in rows])).abs().max().item())
        return found

    monkeypatch.setattr(trainer_side, "own_logprobs", scored)
    result = train(held(steps=2), tmp_path)
    assert apart[0] < 1e-4
    assert result.before["valid"] > 0.5


def held(steps=1, **sampler):
    return check(TrainingConfig, {
        "data": {"datasets": ["simulated:math"], "tasks": 6, "test_tasks": 2},
        "canvas": {"max_turns": 3, "min_steps": 1, "needs": [], "needs_structure": False},
        "warmup": {"episodes": 16, "batch": 8},
        "sampler": {"turn_tokens": 48, "episode_tokens": 512, "grammar": True, **sampler},
        "update": {"steps": steps, "groups": 1, "group": 4, "threads": 1, "save_every": 0, "kl": 0.01, "entropy": 0.01},
    }, "here")  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["sampler.engine=vllm_colocate"], 'set sampler.engine="transformers"'),
        (["update.mask=false"], "set update.mask=true, or sampler.grammar=false"),
    ],
)
def test_what_no_grammar_can_hold_is_refused(changes, said):
    plain = {"warmup": {"episodes": 1}, "sampler": {"grammar": True}}
    with pytest.raises(ConfigError, match=said):
        check(TrainingConfig, plain, "here", changes)
    recorded = settings_of(check(TrainingConfig, plain, "here"))["sampler"]
    off = settings_of(check(TrainingConfig, plain, "here", ["sampler.grammar=false"]))["sampler"]
    assert recorded == off | {"grammar": True}


def test_a_grammar_that_cannot_be_followed_is_told(policy):
    with pytest.raises(ConfigError, match=r"grammar of the legal actions cannot be followed"):
        GrammarMasks.of(policy).turn('root ::= "a" missing\n')
