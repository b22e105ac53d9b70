"""A trained policy directs episodes just as it played them in training."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra: pip install 'flowsteer[train]'")

from flowsteer.canvas.episode import run_episode  # noqa: E402
from flowsteer.errors import ActionError, ConfigError  # noqa: E402
from flowsteer.execution.memo import Memo  # noqa: E402
from flowsteer.runs.events import ignore  # noqa: E402
from flowsteer.training.buffer import Limits  # noqa: E402
from flowsteer.training.director import PolicyDirector, understood  # noqa: E402
from flowsteer.training.rollout import Group, play  # noqa: E402
from flowsteer.workflow.edits import Finish  # noqa: E402
from training.small import arena, samples  # noqa: E402


async def test_it_says_greedily_what_it_says_in_a_rollout(tmp_path, warm):
    limits = Limits(0.0, 32, 512)
    warm.save(tmp_path / "policy")
    async with arena(max_turns=4) as place:
        director = PolicyDirector.load(tmp_path, limits)
        said = set()
        for sample in samples(3):
            (rollout,) = await play(warm, [Group("g", sample, 1)], place, limits, "p")
            canvas = place.open(sample, ignore, 0, Memo())
            episode = await run_episode(canvas, director)
            assert episode.ended.dsl == rollout.ended.dsl
            assert episode.ended.turns == rollout.ended.turns
            assert episode.ended.director_usage.completion_tokens == rollout.buffer.own
            said.add(episode.ended.turns)
        assert director.spec == str(tmp_path)
        assert max(said) > 1


def test_a_folder_without_a_policy_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="holds no trained policy"):
        PolicyDirector.load(tmp_path)


def test_a_cut_turn_is_no_action():
    whole = "<action>finish</action>"
    assert understood(whole, cut=False, asked=False) == Finish()
    assert isinstance(understood(whole, cut=True, asked=False), ActionError)
    assert isinstance(understood("<action>fin", cut=False, asked=False), ActionError)
