"""A trained policy directs episodes just as it played them in training."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="needs the extra: pip install 'flowsteer[train]'")

from flowsteer.canvas.canvas import Settings  # noqa: E402
from flowsteer.canvas.episode import run_episode  # noqa: E402
from flowsteer.director.layouts import messages  # noqa: E402
from flowsteer.director.spec_options import DirectorOptions  # noqa: E402
from flowsteer.errors import ActionError, ConfigError  # noqa: E402
from flowsteer.evaluation.systems import DirectorSystem  # noqa: E402
from flowsteer.execution.memo import Memo  # noqa: E402
from flowsteer.runs.events import FeedbackGiven, NodeRan, Voted, ignore  # noqa: E402
from flowsteer.session import Setup, open_session  # noqa: E402
from flowsteer.settings import check  # noqa: E402
from flowsteer.training.config import TrainingConfig, settings_of  # noqa: E402
from flowsteer.training.inference.sampling_engine import Drawn  # noqa: E402
from flowsteer.training.inference.trajectory import DrawSettings  # noqa: E402
from flowsteer.training.policy.policy import KIND  # noqa: E402
from flowsteer.training.policy_director import PolicyDirector, turn_of  # noqa: E402
from flowsteer.training.rollout.rollout import Group, play  # noqa: E402
from flowsteer.workflow.edits import AddStep, Finish  # noqa: E402
from training.small import arena, samples, tiny  # noqa: E402


def recorded(folder, policy, feedback="full"):
    """A run folder as `train` leaves it, as far as a Director reads it."""
    run = {"warmup": {"episodes": 1}, "canvas": {"feedback": feedback}}
    run["sampler"] = {"turn_tokens": 32, "episode_tokens": 512}
    settings = settings_of(check(TrainingConfig, run, "here"))
    (folder / "config.json").write_text(json.dumps({"config": settings}))
    policy.save(folder / "policy")


async def test_it_says_greedily_what_it_says_in_a_rollout(tmp_path, warm):
    limits = DrawSettings(0.0, 32, 512)
    recorded(tmp_path, warm)
    async with arena(max_turns=4) as place:
        director = PolicyDirector.load(tmp_path)
        said = set()
        for sample in samples(3):
            (rollout,) = await play(warm, [Group("g", sample, 1)], place, limits, "p")
            canvas = place.open(sample, ignore, 0, Memo())
            episode = await run_episode(canvas, director)
            assert episode.ended.dsl == rollout.ended.dsl
            assert episode.ended.turns == rollout.ended.turns
            assert episode.ended.director_usage.completion_tokens == rollout.trajectory.own
            said.add(episode.ended.turns)
            assert episode.ended.director_usage.prompt_tokens > len(rollout.trajectory.prompt)
        assert (director.spec, director.limits) == (str(tmp_path), limits)
        assert max(said) > 1


async def test_what_was_told_nothing_in_training_is_told_nothing(tmp_path, warm):
    recorded(tmp_path, warm, feedback="none")
    director = PolicyDirector.load(tmp_path)
    async with arena(max_turns=4) as place:
        place = replace(place, canvas=replace(place.canvas, feedback="none"))
        (rollout,) = await play(warm, [Group("g", samples(1)[0], 1)], place, director.limits, "p")
        episode = await run_episode(place.open(samples(1)[0], ignore, 0, Memo()), director)
    assert episode.ended.dsl == rollout.ended.dsl
    assert episode.ended.turns == rollout.ended.turns > 1


async def test_what_was_told_no_results_in_training_is_told_none(tmp_path, warm):
    """The canvas takes it from the Director: whoever solves or evaluates with the policy need not know."""
    recorded(tmp_path, warm, feedback="status")
    spec, evaluated = str(tmp_path), []
    async with open_session(Setup(director=spec, executor="simulated:typed")) as session:
        assert session.canvas(samples(1)[0].task).settings.feedback == "status"
        await DirectorSystem("it", spec).run(session, samples(1)[0].task, evaluated.append, "e", 0)
    answers = [event.feedback for event in evaluated if isinstance(event, FeedbackGiven)]
    assert answers
    assert not any(feedback.fresh for feedback in answers)
    assert {event.turn for event in evaluated if isinstance(event, NodeRan)} <= {len(answers)}


async def test_an_episode_longer_than_any_in_training_is_scored_as_it_stands(tmp_path, warm):
    recorded(tmp_path, warm)
    director = PolicyDirector.load(tmp_path)
    async with arena(max_turns=4) as place:
        whole = await run_episode(place.open(samples(1)[0], ignore, 0, Memo()), director)
        canvas = place.open(samples(1)[0], ignore, 0, Memo())
        most = len(warm.encode(warm.view.opening(canvas.observe()))) + 8
        episode = await run_episode(canvas, replace(director, limits=DrawSettings(0.0, 32, most)))
    assert 0 < episode.ended.turns < whole.ended.turns
    assert f"its limit of {most} tokens" in episode.ended.reason
    assert not episode.ended.finished


async def test_it_draws_at_the_temperature_named_and_for_votes_at_that_of_its_training(tmp_path, warm):
    recorded(tmp_path, warm)
    async with open_session(Setup(director=f"{tmp_path}?votes=4", executor="simulated:typed")) as session:
        assert session.director.limits.temperature == 1.0
        seen = []
        await session.episode(samples(1)[0].task, seen.append)
        assert (await session.connect_director(f"{tmp_path}?temperature=0.3")).limits.temperature == 0.3
    (vote,) = [event for event in seen if isinstance(event, Voted)]
    ends = [stream[-1] for stream in vote.others]
    assert len({end.dsl for end in [*ends, seen[-1]]}) > 1


@pytest.mark.parametrize("named", ["", "policy"])
def test_a_cell_of_a_study_directs_as_it_was_trained(tmp_path, warm, named):
    """A cell writes down only what differs from the defaults."""
    warm.save(tmp_path / "policy")
    config = {"command": "train", "canvas": {"feedback": "none"}, "sampler": {"turn_tokens": 64, "episode_tokens": 333}}
    (tmp_path / "config.json").write_text(json.dumps({"config": config}))
    director = PolicyDirector.load(tmp_path / named)
    assert (director.canvas.feedback, director.limits.episode_tokens) == ("none", 333)


def test_a_folder_without_a_policy_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="holds no trained policy"):
        PolicyDirector.load(tmp_path)


def test_of_a_training_that_is_not_over_the_start_can_direct(tmp_path, warm):
    warm.save(tmp_path / "start")
    with pytest.raises(ConfigError, match="holds no trained policy") as caught:
        PolicyDirector.load(tmp_path)
    assert f"--director {tmp_path}/start" in caught.value.hint
    assert PolicyDirector.load(tmp_path / "start").spec == f"{tmp_path}/start"


def test_a_cut_turn_is_no_action(warm):
    said = warm.encode("<action>finish</action>")
    asked = SimpleNamespace(asks_prompt=None)

    def action(ids):
        return turn_of(warm, Drawn(ids, [-1.0] * len(ids)), asked, 0, 0.0).action

    assert action([*said, warm.end]) == Finish()
    assert isinstance(action(said), ActionError)
    assert isinstance(action([*said[:-1], warm.end]), ActionError)


TEMPLATE = "{% for message in messages %}{{ message.role }} {{ message.content }}<end>{% endfor %}"


def chatting(folder, card=""):
    """The folder of a policy that reads a chat, as from the hub, with such a card."""
    tiny().save(folder)
    config = json.loads((folder / "config.json").read_text())
    del config[KIND]
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    if card:
        (folder / "README.md").write_text(f"---\n{card}\n---\n# A policy\n")
    return folder


async def test_a_policys_card_switches_its_dialect_and_the_record_says_so(tmp_path):
    folder, seen = chatting(tmp_path, "licence: mit\naction_dialect: lenient"), []
    setup = Setup(director=str(folder), executor="simulated:", canvas=Settings(max_turns=1))
    async with open_session(setup) as session:
        assert isinstance(session.director, PolicyDirector)
        assert session.director.lenient
        await session.episode(samples(1)[0].task, seen.append)
        strict = await session.connect_director(f"{folder}?layout=conversation")
    assert seen[0].director == f"{folder}?layout=lenient"
    assert (strict.lenient, strict.spec) == (False, str(folder))


async def test_without_a_card_a_flag_switches_it(tmp_path):
    folder = chatting(tmp_path)
    async with open_session(Setup(director=str(folder), executor="simulated:", layout="lenient")) as session:
        assert session.director.lenient
    assert not PolicyDirector.load(folder).lenient


@pytest.mark.parametrize(
    ("card", "says"), [("action_dialect: loose", "action_dialect: loose"), ("a: [", "cannot be read")]
)
def test_a_card_that_cannot_be_followed_is_refused(tmp_path, card, says):
    with pytest.raises(ConfigError, match=says):
        PolicyDirector.load(chatting(tmp_path, card))


def test_a_tiny_policy_reads_no_chat_in_any_layout(tmp_path):
    tiny().save(tmp_path)
    with pytest.raises(ConfigError, match="tiny policy"):
        PolicyDirector.load(tmp_path, DirectorOptions(layout="lenient"))


def test_in_the_lenient_dialect_a_turn_is_mended():
    policy, asked = tiny(), SimpleNamespace(asks_prompt=None)
    said = [*policy.encode("<action>add</action><operator>AnswerGenerate</operator><count>3</count>"), policy.end]
    drawn = Drawn(said, [-1.0] * len(said))
    assert isinstance(turn_of(policy, drawn, asked, 0, 0.0).action, ActionError)
    mended = turn_of(policy, drawn, asked, 0, 0.0, lenient=True)
    assert (mended.action, mended.repairs) == (AddStep("AnswerGenerate"), ("<count> was left out",))


async def test_a_policy_of_the_lenient_dialect_reads_one_message(tmp_path):
    view = PolicyDirector.load(chatting(tmp_path)).policy.view
    async with arena() as place:
        observation = place.open(samples(1)[0], ignore, 0, Memo()).observe()
    (message,) = messages(observation, "lenient")
    assert view.lenient(observation) == f"user {message.content}<end>"
