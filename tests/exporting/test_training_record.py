"""An episode of a training run as a program: tried before and after, drawn in training, of several models."""

from types import SimpleNamespace

import pytest
from flowsteer_cli import flowsteer

pytest.importorskip("torch", reason="needs the extra: pip install 'flowsteer[train]'")
pytest.importorskip("trl", reason="needs the extra: pip install 'flowsteer[train]'")

from flowsteer.runs.events import EpisodeEnded, NodeRan
from flowsteer.runs.folder import RunFolder
from flowsteer.workflow.dsl import parse_dsl
from flowsteer.workflow.nodes import steps

TRAINING = """
seed = 7
report_to = []
[policy]
name = "tiny"
[data]
datasets = ["simulated:math", "simulated:code"]
tasks = 4
validation_tasks = 1
test_tasks = 1
[executor]
backend = "simulated:typed-2"
library = "paper:Plan,Custom,Programmer,Review,Verify,Revise,Test,Format+tools"
node_seconds = 50.0
[executor.sampling]
temperature = 0.7
max_tokens = 77
[executor.roster]
cheap = "simulated:typed-2-small"
[canvas]
max_turns = 5
min_steps = 2
[warmup]
episodes = 16
epochs = 1
batch = 4
learning_rate = 3e-3
[sampler]
grammar = true
turn_tokens = 32
episode_tokens = 200
[update]
steps = 1
groups = 1
group = 2
save_every = 1
validate_every = 1
threads = 1
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("trained")
    (path / "t.toml").write_text(TRAINING)
    done = flowsteer("train", "t.toml", "--run", "r", cwd=path)
    assert done.code == 0, done.err
    return path


def exported(folder, episode, to):
    done = flowsteer("export", "r", "--episode", episode, "--to", to, "--json", cwd=folder)
    assert done.code == 0, done.err
    names = {"__name__": "exported"}
    exec(compile(done.json["text"], episode, "exec"), names)
    return SimpleNamespace(**names)


def test_each_kind_of_episode_runs_again_node_by_node(trained):
    record, named = RunFolder.read(trained / "r"), set()
    for episode, entry in record.entries.items():
        events = record.events(episode)
        (end,) = (event for event in events if isinstance(event, EpisodeEnded))
        wrote = [(event.node, event.iteration, event.wrote) for event in events if isinstance(event, NodeRan)]
        module = exported(trained, episode, "python")
        ran, sampling = module.run(), module.SETUP.executor_sampling
        assert ran.answer == end.answer
        assert all((node.node, node.iteration, node.wrote) in wrote for node in ran.nodes)
        assert exported(trained, episode, "langgraph").answer() == end.answer
        assert (module.DSL, module.SETUP.seed) == (entry.summary.dsl, entry.summary.seed)
        assert (sampling.temperature, sampling.max_tokens, module.SETUP.node_seconds) == (0.7, 77, 50.0)
        named |= {step.backend for step in steps(parse_dsl(module.DSL).nodes)}
    assert {episode.partition("/")[0] for episode in record.entries} == {"before", "train", "validation", "after"}
    assert "cheap" in named, "some step has a model of its own"
