"""Evaluation files: what they mean, what is refused, and what a dry run says without doing any of it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.evaluation_cases import SaysLLM, run, small
from flowsteer.datasets import registry
from flowsteer.datasets.registry import Dataset
from flowsteer.datasets.rows import sample_from_row
from flowsteer.datasets.splits import overlap
from flowsteer.errors import ConfigError
from flowsteer.evaluation.evaluation_config import make_config, read_evaluation, settings_of, setup_of
from flowsteer.evaluation.evaluation_plan import dry_run
from flowsteer.evaluation.specs import parse_systems
from flowsteer.evaluation.task_sets import load_tasks
from flowsteer.runs.folder import RunFolder

PAPER = Path(__file__).parents[2] / "examples" / "paper_eval.toml"
DATA = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the samples of the twelve datasets are not there")


def test_the_papers_table_is_twelve_datasets_by_all_systems():
    config = make_config(read_evaluation(PAPER))
    assert len(config.datasets) == 12
    assert config.limit == 128
    names = [system.name for system in parse_systems(config.systems, config.without)]
    assert [name.partition(":")[0] for name in names[:4]] == ["direct", "cot", "sc", "refine"]
    assert sum("--without" in name for name in names) == 4
    setup = setup_of(config)
    sampling = setup.director_sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.max_tokens) == (0.6, 0.95, 20, 2048)
    assert (setup.canvas["max_turns"], setup.executor_sampling.temperature) == (20, 0.0)


def test_a_dry_run_connects_and_fetches_nothing():
    planned = dry_run(make_config(read_evaluation(PAPER)))
    assert planned.episodes == 12 * 128 * 12
    assert all(row.fetched for row in planned.datasets)
    assert planned.cap == 500_000
    text = "\n".join(planned.lines())
    assert "gsm8k: 128 tasks + 8 to choose by, would be fetched from the hub, openai/gsm8k (test)" in text
    assert "sc:5: at most 12 calls an episode" in text


@needs_data
def test_a_dry_run_on_the_samples_counts_what_is_there():
    overrides = [f"data={DATA}", "limit=20", 'systems=["direct", "fixed:best"]', "without=[]"]
    planned = dry_run(make_config(read_evaluation(PAPER), overrides=overrides))
    sizes = {row.name: row.tasks for row in planned.datasets}
    assert sizes.pop("aime2025") == 7  # 15 rows, eight of them to choose by
    assert set(sizes.values()) == {20}
    assert planned.episodes == (11 * 20 + 7) * 2
    assert (
        planned.calls == (11 * 20 + 7) * (2 + planned.systems[1].episode_calls) + 12 * planned.systems[1].choice_calls
    )


@needs_data
def test_validation_tasks_are_never_tested_on():
    config = small(datasets=["gsm8k", "hotpotqa", "simulated:qa"], data=str(DATA), limit=30)
    tasks = load_tasks(config, parse_systems(["fixed:best", "search:tasks=12"]))
    for name, samples in tasks.validation.items():
        assert len(samples) == 12
        assert len(tasks.test[name]) == 30
        assert overlap(samples, tasks.test[name]) == []
    alone = load_tasks(config)
    assert [sample.task.id for sample in alone.test["gsm8k"]] == [sample.task.id for sample in tasks.test["gsm8k"]]


@needs_data
def test_real_tasks_run_through_every_kind_of_system(tmp_path):
    """References reach graders only, and every dataset's tasks go through the one engine."""
    systems = ["direct", "sc:3", "director:simulated:"]
    config = small(
        datasets=["squad_v2", "gsm8k", "mathqa"], data=str(DATA), limit=4, systems=systems, executor="says:it"
    )
    llm = SaysLLM("A golden mean.\nAnswer: none at all", "says:it")
    progress = run(tmp_path, config, extra={"says:it": llm})
    assert progress.done == 36
    metrics = {entry.summary.dataset: set(entry.summary.metrics) for entry in RunFolder.read(tmp_path).entries.values()}
    assert metrics["squad_v2"] >= {"em", "f1"}
    assert metrics["gsm8k"] == {"accuracy"}
    (sample, *_) = load_tasks(config).test["gsm8k"]
    (started, *_) = RunFolder.read(tmp_path).events(f"direct/gsm8k/{sample.task.id}/0")
    assert sample.reference.answers[0] not in repr(replace(started.task, question="", id=""))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sistems": ["direct"]}, "sistems: unknown key"),
        ({"caps": {"call": 3}}, "caps.call: unknown key"),
        ({"limit": 0}, "limit:"),
        ({"systems": []}, "systems:"),
        ({"engine": "spark"}, "engine:"),
        ({"executor_sampling": {"top_p": 2}}, "executor_sampling.top_p:"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(change, told):
    with pytest.raises(ConfigError, match=told):
        make_config({"datasets": ["gsm8k"], "systems": ["direct"]} | change)


def test_overrides_are_dotted_and_typed(tmp_path):
    file = tmp_path / "eval.toml"
    file.write_text('datasets = ["gsm8k"]\nsystems = ["direct"]\n[executor_sampling]\nmax_tokens = 8\n')
    plain = read_evaluation(file)
    config = make_config(
        plain,
        "eval.toml",
        ["limit=20", "executor_sampling.temperature=0.5", "executor=llamacpp:smollm2", 'systems=["cot", "sc:3"]'],
    )
    assert (config.limit, config.executor, config.systems) == (20, "llamacpp:smollm2", ("cot", "sc:3"))
    assert (config.executor_sampling.temperature, config.executor_sampling.max_tokens) == (0.5, 8)
    for wrong in ("limit", "=3", "limit.x=3"):
        with pytest.raises(ConfigError):
            make_config(plain, "eval.toml", ["limit=1", wrong])
    with pytest.raises(ConfigError, match="cannot be read"):
        read_evaluation(tmp_path / "none.toml")
    for torn in (b"datasets = [", b'datasets = "\xe9"', b"datasets = " + b"[" * 10_000):
        file.write_bytes(torn)
        with pytest.raises(ConfigError, match="not TOML"):
            read_evaluation(file)


@pytest.mark.parametrize(
    ("plain", "overrides", "tokens"),
    [
        ({"executor": "llamacpp:smollm2"}, [], 192),
        ({"executor": "simulated:"}, ["executor=llamacpp:qwen2.5-coder-0.5b?slots=4"], 400),
        ({"executor": "llamacpp:smollm2", "executor_sampling": {"temperature": 0.5}}, [], 192),
        ({"executor": "llamacpp:smollm2", "executor_sampling": {"max_tokens": 64}}, [], 64),
        ({"executor": "llamacpp:smollm2"}, ["executor_sampling.max_tokens=1024"], 1024),
        ({"executor": "llamacpp:smollm2"}, ["executor=simulated:"], 1024),
    ],
)
def test_replies_are_as_long_as_fits_the_executor_that_is_taken_in_the_end(plain, overrides, tokens):
    config = make_config({"datasets": ["gsm8k"], "systems": ["direct"]} | plain, overrides=overrides)
    assert config.executor_sampling.max_tokens == tokens


def test_only_what_decides_an_episode_binds_a_run():
    base = settings_of(small())
    for free in ({"limit": 9}, {"systems": ["cot"]}, {"epochs": 4}, {"concurrency": 1}, {"caps": {"calls": 5}}):
        assert settings_of(small(**free)) == base
    for binding in ({"seed": 1}, {"executor": "simulated:flat"}, {"max_turns": 3}, {"executor_sampling": {"top_k": 3}}):
        assert settings_of(small(**binding)) != base


def test_two_datasets_of_one_name_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="two datasets"):
        load_tasks(small(datasets=["simulated:qa", "simulated:qa"]))


def test_too_few_rows_to_choose_by_are_refused(tmp_path):
    file = tmp_path / "few.jsonl"
    file.write_text('{"id": "1", "type": "math", "question": "1 + 1?", "answer": "2"}')
    with pytest.raises(ConfigError, match="too few"):
        load_tasks(small(datasets=[str(file)]), parse_systems(["fixed:best"]))


def numbered(folder, count=30):
    rows = [{"id": str(n), "type": "math", "question": f"{n}?", "answer": "1"} for n in range(count)]
    (folder / "own.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return {"datasets": ["own"], "systems": ["fixed:best"], "data": folder}


def test_the_tasks_to_choose_by_are_the_same_for_every_limit(tmp_path):
    plain = numbered(tmp_path)
    several = [{"limit": 5}, {"limit": 13}, {"limit": None}, {"limit": 128}, {"limit": 3, "skip": 4}]
    found = [load_tasks(make_config(plain | one), parse_systems(["fixed:best"])) for one in several]
    assert len({tuple(sample.task.id for sample in tasks.validation["own"]) for tasks in found}) == 1
    assert [len(tasks.test["own"]) for tasks in found] == [5, 13, 22, 22, 3]
    assert not any(overlap(tasks.validation["own"], tasks.test["own"]) for tasks in found)


def test_tasks_of_another_split_to_choose_by_are_the_same_for_every_limit(monkeypatch):
    """A question that both splits hold is not chosen by, whether it is among those tested on or not."""

    def load(split, seed):
        questions = [*range(8), *range(100, 200)] if split == "train" else range(40)
        return [
            sample_from_row({"id": f"{split}/{n}", "type": "math", "question": f"{n}?", "answer": "1"})
            for n in questions
        ]

    mine = Dataset("mine", ("train", "test"), load)
    entry = type("Entry", (), {"name": "mine", "load": lambda self: mine})()
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry])
    plain = {"datasets": ["mine"], "systems": ["search:tasks=60"]}
    found = [load_tasks(make_config(plain | {"limit": n}), parse_systems(["search:tasks=60"])) for n in (1, 9, 40)]
    assert len({tuple(sample.task.id for sample in tasks.validation["mine"]) for tasks in found}) == 1


def test_tasks_that_something_was_fitted_to_are_left_out(tmp_path):
    plain = numbered(tmp_path, 10) | {"systems": ["direct"]}

    def ids(**more):
        return [sample.task.id for sample in load_tasks(make_config(plain | more)).test["own"]]

    fitted, rest = ids(limit=4), ids(limit=None, skip=4)
    assert len(fitted) == 4
    assert len(rest) == 6
    assert not set(fitted) & set(rest)
    assert ids(limit=2, skip=4) == rest[:2]
    with pytest.raises(ConfigError, match="too few to leave out 10"):
        ids(skip=10)


def test_generated_tasks_are_left_out_too():
    plain = {"datasets": ["simulated-2:math"], "systems": ["direct"], "limit": 3}
    first = load_tasks(make_config(plain | {"limit": 5})).test["simulated-2:math"]
    assert load_tasks(make_config(plain | {"skip": 2})).test["simulated-2:math"] == first[2:]


@pytest.mark.parametrize("director", ["pretrained", "mine=director:pretrained?temperature=0.5"])
def test_a_limit_that_is_asked_for_of_a_director_with_its_own_is_another_run(director):
    system = director if ":" in director else f"director:{director}"
    plain = {"datasets": ["simulated:math"], "systems": [system], "executor": "simulated:"}
    assert settings_of(make_config(plain)) != settings_of(make_config(plain | {"max_turns": 20}))
    others = plain | {"systems": ["director:simulated:"]}
    assert settings_of(make_config(others)) == settings_of(make_config(others | {"max_turns": 20}))
