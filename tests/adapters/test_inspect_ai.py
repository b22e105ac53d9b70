"""inspect_ai evaluates systems of ours as solvers; the model is its own mock provider, which needs no server."""

from contextlib import asynccontextmanager

import pytest

pytest.importorskip("inspect_ai", reason="pip install 'flowsteer[inspect]'")

import inspect_ai
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import choice, includes, match

from flowsteer.adapters import inspect_sessions
from flowsteer.adapters.inspect_ai import dataset_task, system_solver
from flowsteer.datasets.registry import load_samples
from flowsteer.errors import ConfigError

FIXED = "fixed:Plan -> Custom -> Format"


def evaluated(task, tmp_path, model, **options):
    (log,) = inspect_ai.eval(task, model=model, log_dir=str(tmp_path), display="none", log_level="error", **options)
    return log


def saying(*texts, read=None):
    """A model that says this, the last for ever; what it is asked goes into `read`."""
    replies = iter(texts)
    said = [texts[-1]]

    def reply(messages, tools, tool_choice, config):
        said[0] = next(replies, said[0])
        if read is not None:
            read.append(messages[-1].text)
        output = ModelOutput.from_content("mockllm/model", said[0])
        output.usage = ModelUsage(input_tokens=20, output_tokens=5, total_tokens=25)  # else it counts with a download
        return output

    return get_model("mockllm/model", custom_outputs=reply, memoize=False)


def test_a_fixed_workflow_solves_a_task_of_inspect_on_its_model(tmp_path):
    task = inspect_ai.Task(
        [Sample("What is 6 times 7?", target="42")],
        solver=system_solver(FIXED, kind="math"),
        scorer=match(numeric=True),
    )
    log = evaluated(task, tmp_path, saying("1. Multiply 6 by 7.", r"So it is \boxed{42}.", r"\boxed{42}"))
    (sample,) = log.samples
    assert log.status == "success"
    assert log.results.scores[0].metrics["accuracy"].value == 1
    assert sample.store["flowsteer"]["workflow"] == "Plan -> Custom -> Format"
    asked = [event for event in sample.events if event.event == "model"]
    assert len(asked) >= 2
    assert log.stats.model_usage["mockllm/model"].total_tokens == 25 * len(asked)


def test_a_director_on_the_model_of_the_eval(tmp_path):
    turns = [
        "<action>add</action><operator>Custom</operator>",
        r"\boxed{42}",
        *["<action>finish</action>"] * 19,
    ]
    task = inspect_ai.Task(
        [Sample("What is 6 times 7?", target="42")],
        solver=system_solver("director:inspect:model", kind="math"),
        scorer=match(numeric=True),
    )
    (sample,) = evaluated(task, tmp_path, saying(*turns)).samples
    assert sample.store["flowsteer"] == {"workflow": "Custom", "ended": "turn limit", "turns": 20}
    assert sample.output.completion == "42"


def test_each_epoch_draws_anew_and_the_same_again(tmp_path):
    def drawn():
        seeds = []

        def reply(messages, tools, tool_choice, config):
            seeds.append(config.seed)
            output = ModelOutput.from_content("mockllm/model", "42")
            output.usage = ModelUsage(
                input_tokens=20, output_tokens=5, total_tokens=25
            )  # else it counts with a download
            return output

        task = inspect_ai.Task([Sample("What is 6 times 7?", target="42")], solver=system_solver("sc:2", kind="math"))
        model = get_model("mockllm/model", custom_outputs=reply, memoize=False)
        assert evaluated(task, tmp_path, model, epochs=3, max_samples=1).status == "success"
        return seeds

    seeds = drawn()
    assert len(seeds) == len(set(seeds)) == 6
    assert sorted(seeds) == sorted(drawn())


def test_all_samples_of_an_eval_share_one_session_which_its_end_closes(tmp_path, monkeypatch):
    seen, real = [], inspect_sessions.open_session

    @asynccontextmanager
    async def counted(*given):
        try:
            async with real(*given) as session:
                seen.append("opened")
                yield session
        finally:
            seen.append("closed")

    monkeypatch.setattr(inspect_sessions, "open_session", counted)
    rows = [Sample(f"What is 6 times {number}?", target="42") for number in range(5)]
    solver = system_solver("cot", kind="math", executor="simulated:typed-2")
    task = inspect_ai.Task(rows, solver=solver, scorer=match(numeric=True))
    for most in (1, 3):
        assert evaluated(task, tmp_path, "mockllm/model", epochs=2, max_samples=most).status == "success"
    assert seen == ["opened", "closed"] * 2


def test_an_executor_that_cannot_be_connected_fails_each_sample(tmp_path):
    rows = [Sample("?", target="x"), Sample("??", target="x")]
    task = inspect_ai.Task(rows, solver=system_solver("cot", executor="nope"), scorer=includes())
    log = evaluated(task, tmp_path, "mockllm/model", fail_on_error=False, max_samples=1)
    assert ["'nope' names no backend" in sample.error.message for sample in log.samples] == [True, True]


def test_our_datasets_are_tasks_whose_references_no_log_holds(tmp_path):
    samples = load_samples("simulated:math", "test", 3)
    golds = [sample.reference.gold for sample in samples]
    task = dataset_task("simulated:math", n=3)
    log = evaluated(task, tmp_path, saying(*(rf"\boxed{{{gold}}}" for gold in golds)), max_samples=1)
    assert log.results.scores[0].metrics["mean"].value == 1
    assert [sample.id for sample in log.samples] == [sample.task.id for sample in samples]
    assert {str(sample.target) for sample in log.samples} == {""}
    fixed = evaluated(task, tmp_path, "mockllm/model", solver=system_solver("cot", executor="simulated:typed-2"))
    assert fixed.status == "success"
    assert log.stats.model_usage.keys() == {"mockllm/model"}
    assert not fixed.stats.model_usage


def test_a_multiple_choice_is_marked_by_the_letter(tmp_path):
    read = []
    row = Sample("Which is a prime?", choices=["4", "7", "9"], target="B")
    log = evaluated(
        inspect_ai.Task([row], solver=system_solver("direct"), scorer=choice()),
        tmp_path,
        saying("<answer>B</answer>", "B", read=read),
    )
    assert log.results.scores[0].metrics["accuracy"].value == 1
    assert "B) 7" in read[0]


def test_a_model_that_fails_fails_the_sample_and_is_never_an_answer(tmp_path):
    def fail(messages, tools, tool_choice, config):
        raise ValueError("the provider is on fire")

    model = get_model("mockllm/model", custom_outputs=fail, memoize=False)
    log = evaluated(
        inspect_ai.Task([Sample("?", target="x")], solver=system_solver("cot"), scorer=includes()), tmp_path, model
    )
    assert log.status == "error"
    assert "on fire" in log.error.message


def test_a_limit_of_the_eval_is_a_limit(tmp_path):
    task = inspect_ai.Task([Sample("?", target="x")], solver=system_solver(FIXED), scorer=includes(), message_limit=1)
    log = evaluated(task, tmp_path, saying("x"))
    assert log.samples[0].limit.type == "message"


def test_a_system_that_needs_a_dataset_is_refused():
    with pytest.raises(ConfigError, match="whole dataset"):
        system_solver("fixed:best")
