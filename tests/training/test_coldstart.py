"""The cold start teaches the language and no choice; the tiny policy's tokenizer loses nothing."""

import asyncio
import re
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs the extra: pip install 'flowsteer[train]'")

from transformers import AutoConfig, AutoModelForCausalLM  # noqa: E402

from flowsteer.canvas.episode import run_episode  # noqa: E402
from flowsteer.director.kinds import kind_of  # noqa: E402
from flowsteer.director.parse import parse_action  # noqa: E402
from flowsteer.director.random import RandomDirector  # noqa: E402
from flowsteer.errors import ConfigError  # noqa: E402
from flowsteer.execution.memo import Memo  # noqa: E402
from flowsteer.operators.registry import load_library  # noqa: E402
from flowsteer.runs.folder import RunFolder  # noqa: E402
from flowsteer.runs.summary import EpisodeSummary  # noqa: E402
from flowsteer.training.data import Schedule  # noqa: E402
from flowsteer.training.inference.trajectory import DrawSettings  # noqa: E402
from flowsteer.training.policy.policy import load_policy, make_tiny  # noqa: E402
from flowsteer.training.policy.tokenizer import TAGS, train_tokenizer  # noqa: E402
from flowsteer.training.policy.view import CompactView  # noqa: E402
from flowsteer.training.rollout.metrics import measure  # noqa: E402
from flowsteer.training.rollout.rollout import Group, play  # noqa: E402
from flowsteer.training.sft.coldstart import learn, play_scripts, read_recorded, to_trajectory  # noqa: E402
from flowsteer.training.sft.scripts import READERS, Script  # noqa: E402
from flowsteer.training.sft.settings import DEFAULT, ScriptSettings, WarmupSettings  # noqa: E402
from flowsteer.workflow.edits import Finish  # noqa: E402
from training.small import CORPUS, arena, samples, tiny, warmed_up  # noqa: E402

COUNT = 150


def likeness(policy):
    """How alike the policy's states are, for tasks of different types, right before it names an operator."""
    states = []
    for opening in ("math algebra easy", "qa people easy", "code numbers easy"):
        ids = torch.tensor([policy.encode(f"{opening}\n<action>add</action><operator>")])
        with torch.no_grad():
            states.append(policy.model(input_ids=ids, output_hidden_states=True).hidden_states[-1][0, -1])
    pairs = ((states[0], states[1]), (states[0], states[2]), (states[1], states[2]))
    return sum(float(torch.cosine_similarity(one, other, dim=0)) for one, other in pairs) / 3


async def scripts(count=COUNT, seed=0, max_turns=6, kinds=None, settings=DEFAULT):
    async with arena(max_turns=max_turns) as place:
        return await play_scripts(place, CompactView(), Schedule(kinds or samples(9), 0), count, seed, settings)


async def test_scripts_are_legal_reproducible_and_of_all_lengths():
    played = await scripts()
    assert played == await scripts()
    assert played != await scripts(seed=1)
    for dialogue in played:
        for said, answer in dialogue.turns:
            parse_action(said)
            assert answer.startswith("ok") or not answer
        assert not dialogue.turns[-1][1]
    lengths = Counter(len(dialogue.turns) for dialogue in played)
    assert set(lengths) >= {2, 3, 4, 5, 6}
    assert min(lengths[length] for length in (2, 3, 4, 5, 6)) >= 5


async def test_scripts_show_every_action_and_structure():
    said = "".join(text for dialogue in await scripts() for text, _ in dialogue.turns)
    for word in ("add", "delete", "modify", "set_prompt", "set_structure", "finish"):
        assert f"<action>{word}</action>" in said, word
    for word in ("parallel", "conditional", "loop"):
        assert f"<structure>{word}</structure>" in said, word


async def test_scripts_do_not_look_at_the_task():
    """Where the canvas allows and says the same, the same seed says the same, whatever the task."""
    maths, qas = samples(6)[::3], samples(6)[1::3]
    one, other = await scripts(60, kinds=maths), await scripts(60, kinds=qas)
    assert [d.turns[0][0] for d in one] == [d.turns[0][0] for d in other]
    assert [len(d.turns) for d in one] == [len(d.turns) for d in other]


@pytest.mark.parametrize("asked", [0.0, 0.1, 0.4])
def test_so_many_are_fully_random(asked):
    free = sum(Script.draw(seed, 9, ScriptSettings(free=asked)).free for seed in range(2000)) / 2000
    assert free == pytest.approx(asked, abs=0.03)


async def test_scripts_without_detours_show_ordered_edits_only():
    """On code tasks, a workflow that is full without Test can only be modified."""
    asked, tasks = ScriptSettings(free=0, detour=0), [each for each in samples(9) if each.task.type != "code"]
    said = [text for dialogue in await scripts(kinds=tasks, settings=asked) for text, _ in dialogue.turns]
    assert {kind_of(text) for text in said} == {"add step", "add parallel", "add conditional", "add loop", "finish"}


async def test_more_checks_and_solvers_stand_in_structures_if_asked_for():
    counts = []
    for chance in (0.0, 1.0):
        asked = ScriptSettings(free=0, detour=0, solvers=chance, checks=chance)
        kinds = Counter(kind_of(text) for dialogue in await scripts(settings=asked) for text, _ in dialogue.turns)
        counts.append(kinds["add parallel"] + kinds["add conditional"] + kinds["add loop"])
    assert counts[0] == 0 < counts[1]


async def test_what_reads_a_solution_stands_behind_a_solver():
    """So that a policy that copies scripts starts with workflows that can run."""
    asked, roles_of = (
        ScriptSettings(free=0, detour=0, heed=0.4, solvers=0.3, checks=0.8),
        load_library("paper").categories,
    )
    for dialogue in await scripts(settings=asked):
        named = [name for text, _ in dialogue.turns for name in re.findall(r"<operator>(\w+)|([A-Z]\w+)", text)]
        roles = [roles_of[first or other] for first, other in named]
        readers = [place for place, role in enumerate(roles) if role in READERS]
        assert not readers or "solving" in roles[: readers[0]], dialogue


async def test_recall_keeps_types_apart_where_operators_are_named():
    """Before an operator is named, states of different types are less alike than without it."""
    dialogues = await scripts(count=60)
    alike = []
    for weight in (0.0, 0.5):
        policy = make_tiny(CORPUS)
        trajectories = [to_trajectory(dialogue, policy) for dialogue in dialogues]
        learn(policy, trajectories, WarmupSettings(episodes=60, epochs=4, batch=4, recall=weight))
        alike.append(likeness(policy))
    assert alike[1] < alike[0] - 0.1


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_survives_the_tokenizer(text):
    assert tiny().decode(tiny().encode(text)) == text


def test_tags_are_single_tokens_and_training_is_deterministic():
    first, second = train_tokenizer(CORPUS), train_tokenizer(reversed(CORPUS))
    assert first.get_vocab() == second.get_vocab()
    assert "<thinking>" not in TAGS, "what the parser also hears must not change what a seed comes to"
    for tag in TAGS:
        assert len(first.encode(tag, add_special_tokens=False)) == 1
    assert len(first) <= 640


def test_a_dialogue_is_the_same_as_tokens():
    policy, dialogues, _ = warmed_up()
    for dialogue in dialogues:
        trajectory = to_trajectory(dialogue, policy)
        assert policy.decode([*trajectory.prompt, *trajectory.ids]) == dialogue.text
        own = policy.decode(token for token, mask in zip(trajectory.ids, trajectory.mask, strict=True) if mask)
        assert own == "".join(f"{said}<end>" for said, _ in dialogue.turns)


async def test_recorded_episodes_teach_as_scripts_do(tmp_path):
    """Of a recorded run the whole, finished, faultless episodes on training tasks are taken, and nothing else."""
    director, train = RandomDirector(), samples(6)
    async with arena(max_turns=12) as place:
        with RunFolder.create(tmp_path / "run", {}) as folder:
            for sample in [*train, *samples(2, "test")]:
                writer = folder.begin(sample.task.id)
                canvas = place.open(sample, writer.emit, 0, Memo())
                await run_episode(canvas, director, writer.emit, sample.task.id)
                writer.commit(EpisodeSummary(system="director:human", dataset="", type="qa", task=""))
        whole = [e for e in folder.entries if e in {s.task.id for s in train} and folder.events(e)[-1].finished]
        dialogues = read_recorded(tmp_path / "run", place, CompactView(), train)
        assert len(dialogues) == len(whole) > 0
        for dialogue in dialogues:
            assert parse_action(dialogue.turns[-1][0]) == Finish()
            assert all(answer.startswith("ok") for _, answer in dialogue.turns[:-1])
        with pytest.raises(ConfigError, match="no episode to learn from"):
            read_recorded(tmp_path / "run", place, CompactView(), samples(3, "validation"))


def test_a_cold_start_teaches_the_language():
    policy, _, losses = warmed_up()
    assert 0.5e6 < policy.model.num_parameters() < 0.7e6
    assert losses[-1] < losses[0] / 4


@pytest.mark.parametrize(
    ("name", "special"),
    [
        ("llama", {}),
        ("gemma2", {"final_logit_softcapping": 2.0}),
        ("granite", {"logits_scaling": 7.0}),
        ("cohere", {"logit_scale": 3.0}),
    ],
)
def test_it_is_taught_in_the_distribution_that_the_policy_speaks_from(name, special):
    """Also where a model does something to its logits behind the output layer."""
    policy, dialogues, _ = warmed_up()
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
    words = {"vocab_size": len(policy.tokenizer), "pad_token_id": 0, "intermediate_size": 48, "head_dim": 16}
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(
        AutoConfig.for_model(name, initializer_range=0.2, **shape, **words, **special)
    )
    batch, losses = [to_trajectory(dialogue, policy) for dialogue in dialogues[:4]], []
    wanted = []
    for one in batch:
        ids = torch.tensor([*one.prompt, *one.ids])
        with torch.no_grad():
            logprobs = torch.log_softmax(model(input_ids=ids[None]).logits[0, :-1], -1)
        said = logprobs.gather(1, ids[1:, None])[len(one.prompt) - 1 :, 0]
        wanted += said[torch.tensor(one.mask, dtype=torch.bool)].tolist()
    settings = WarmupSettings(batch=4, learning_rate=1e-4)
    learn(replace(policy, model=model), batch, settings, 0, lambda update, updates, loss: losses.append(loss))
    assert losses[0] == pytest.approx(-sum(wanted) / len(wanted), abs=1e-4)


async def test_a_warmed_up_policy_says_legal_actions_and_survives_saving(tmp_path, warm):
    policy = warm
    policy.save(tmp_path / "p")
    loaded = load_policy(str(tmp_path / "p"))
    async with arena(max_turns=4) as place:
        groups = [Group(f"g{n}", sample, 6) for n, sample in enumerate(samples(6))]
        figures = [measure(await play(p, groups, place, DrawSettings(1.0, 32, 512), "p")) for p in (policy, loaded)]
    assert figures[0] == figures[1]
    assert figures[0]["valid"] > 0.3


def test_a_script_that_heeds_the_canvas_adds_what_a_finish_needs():
    def needed(heed):
        async def played():
            async with arena(max_turns=9) as place:
                canvas = replace(place.canvas, min_steps=6, needs=("verification", "formatting"), needs_structure=True)
                strict = replace(place, canvas=canvas)
                asked = ScriptSettings(heed=heed)
                return await play_scripts(strict, CompactView(), Schedule(samples(9), 0), 60, 0, asked)

        dialogues = asyncio.run(played())
        return sum("finish" in dialogue.turns[-1][0] for dialogue in dialogues)

    assert needed(0.5) > needed(0.0)
