"""The figures of a run as Markdown and JSON: they are those of its episodes, whatever the names are."""

import json
import re

import pytest
from made_runs import entry, hostile_run, plain_events, summary, write

from evaluation.evaluation_cases import run as run_evaluation
from evaluation.evaluation_cases import small as settings
from flowsteer.errors import RunError
from flowsteer.evaluation.evaluate import write_plan
from flowsteer.reporting.markdown import to_markdown
from flowsteer.reporting.report import read_summary, write_figures
from flowsteer.reporting.summarise import summarise
from flowsteer.reporting.summary import to_json
from flowsteer.reporting.table import table_text
from flowsteer.runs.folder import RunFolder


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    run = hostile_run(path / "run")
    write_figures(run, path / "report")
    return run, path / "report"


@pytest.fixture
def small(tmp_path):
    """A run of two systems on four tasks; one answer is wrong, one unscorable."""
    with RunFolder.create(tmp_path / "run", {"executor": "openai:gpt"}) as run:
        for number in range(4):
            write(run, summary("cot", "gsm8k", f"t{number}", float(number != 1)), plain_events())
            score = None if number == 2 else 1.0
            failures = {"bad_reply": 1} if number == 3 else {}
            write(run, summary("sc:3", "gsm8k", f"t{number}", score, failures=failures, reason="odd"), plain_events())
    return RunFolder.read(tmp_path / "run")


def test_figures_need_no_events_at_all(small):
    (small.path / "episodes.jsonl").write_bytes(b"")
    assert read_summary(small).cell("gsm8k", "cot").score.mean == 0.75


def test_a_folder_that_cannot_be_written_is_named(small, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        write_figures(small, tmp_path / "file")


def test_an_empty_run_has_a_report(tmp_path):
    with RunFolder.create(tmp_path / "run", {}):
        pass
    run = RunFolder.read(tmp_path / "run")
    write_figures(run, tmp_path / "out")
    assert "system" in table_text(read_summary(run))


def reported(path):
    """The report of a run, as Markdown and as JSON."""
    write_figures(RunFolder.read(path), path / "report")
    return (path / "report" / "report.md").read_text("utf-8"), json.loads((path / "report" / "report.json").read_text())


def planned(path, tasks, command="eval", **plan):
    """A run that was made by hand: of the tasks of each system, with its plan."""
    with RunFolder.create(path, {"command": command}) as run:
        for system, number in tasks.items():
            for task in range(number):
                write(run, summary(system, "gsm8k", f"t{task}", 1.0), plain_events())
    write_plan(path, settings(datasets=["gsm8k"], systems=["cot", "direct"], **plan))
    return path


def test_what_a_run_that_stopped_early_has_not_done_is_said(tmp_path):
    path, plan = tmp_path / "run", {"datasets": ["simulated:math", "simulated:qa"], "systems": ["direct", "cot"]}
    run_evaluation(path, settings(**plan, limit=20, epochs=2, caps={"calls": 9}))
    text, found = reported(path)
    done = found["episodes"]
    assert 0 < done < 20
    assert (found["done"], found["asked"]) == (done, 160)
    assert f"**{done} of 160 episodes**" in text.partition("## Scores")[0]
    assert sum(cell["missing"] for cell in found["cells"]) == 160 - done
    assert all(cell["coverage"] == cell["scored"] / 40 for cell in found["cells"])
    run_evaluation(tmp_path / "whole", settings(**plan, limit=2))
    text, found = reported(tmp_path / "whole")
    assert (found["done"], found["asked"]) == (8, 8)
    assert "episodes**" not in text


def test_what_earlier_starts_asked_for_is_missed_too(tmp_path):
    run_evaluation(tmp_path, settings(systems=["direct"], limit=6, caps={"calls": 2}))
    run_evaluation(tmp_path, settings(systems=["cot"], datasets=["simulated:qa"], limit=2))
    _, found = reported(tmp_path)
    assert {(cell["dataset"], cell["system"]) for cell in found["cells"]} == {
        ("simulated:math", "direct"), ("simulated:qa", "cot"),
    }  # fmt: skip
    assert found["asked"] == 6 + 2
    assert found["done"] == found["episodes"] < 8


def test_a_system_without_an_episode_is_named(tmp_path):
    search = "search:rounds=1,tasks=2"
    run_evaluation(tmp_path / "run", settings(systems=["cot", search], limit=5, caps={"calls": 1}))
    text, found = reported(tmp_path / "run")
    assert (found["systems"], found["asked"]) == (["cot", search], 10)
    assert f"| simulated:math | {search} | 0 | 5 missing |" in text


def test_tasks_of_a_dataset_that_is_not_here_are_not_guessed(tmp_path):
    text, found = reported(planned(tmp_path / "few", {"cot": 3, "direct": 2}, limit=5))
    assert (found["uncounted"], found["asked"]) == (["gsm8k"], 6)
    assert "How many tasks gsm8k has is not known" in text
    text, found = reported(planned(tmp_path / "all", {"cot": 5, "direct": 2}, limit=5))
    assert (found["uncounted"], found["asked"]) == ([], 10)
    assert "not known" not in text


def test_a_dataset_smaller_than_the_limit_is_not_missed_and_other_files_are_no_error(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    rows = [{"id": f"t{n}", "type": "math", "question": f"1 + {n}?", "answer": str(n + 1)} for n in range(3)]
    (data / "gsm8k.jsonl").write_text("\n".join(map(json.dumps, rows)))
    path = planned(tmp_path / "run", {"cot": 3, "direct": 2}, limit=128, data=str(data))
    assert reported(path)[1]["asked"] == 6
    (data / "gsm8k.jsonl").unlink()
    assert reported(path)[1]["asked"] == 6
    assert reported(planned(tmp_path / "other", {"cot": 1}, "swap", limit=5))[1]["asked"] == 1


def test_a_mean_over_some_datasets_says_which(tmp_path):
    rows = [("a", "x"), ("b", "x"), ("a", "y"), ("b", "y"), ("a", "z")]
    found = summarise([entry(system, dataset, str(task), 1.0) for system, dataset in rows for task in range(2)])
    text = to_markdown(found)
    assert "| system | x | y | z | mean of x, y |" in text
    assert "| mean of x, y | a | b | 4 |" in text
    assert "| system | x | y | mean |" in to_markdown(summarise([entry("a", name, "1", 1.0) for name in "xy"]))


def test_json_is_the_summary(written):
    run, out = written
    stored = json.loads((out / "report.json").read_text("utf-8"))
    assert stored == json.loads(json.dumps(to_json(read_summary(run))))
    assert stored["cells"][0]["score"]["mean"] == 0.5
    assert stored["cells"][0]["coverage"] == 1.0


def test_markdown_keeps_its_columns_whatever_the_names_are(written):
    _, out = written
    lines = (out / "report.md").read_text("utf-8").split("\n")
    bare = [re.sub(r"\\\|", "", line).count("|") for line in lines]
    heads = [place for place, line in enumerate(lines) if line.startswith("|---")]
    assert len(heads) == 4
    assert lines[0].startswith("**Simulated executor** (simulated:typed)")
    for place in heads:
        row = place
        while row < len(lines) and lines[row].startswith("|"):
            assert bare[row] == bare[place]
            row += 1
    assert "<img" not in "\n".join(lines)


def test_the_tables_say_the_same():
    wins = {"good": 20, "bad": 2}
    found = summarise([entry(name, "d", str(task), float(task < n)) for name, n in wins.items() for task in range(20)])
    text, markdown = table_text(found), to_markdown(found)
    assert re.search(r"good +│ +20 │ +100\.0 \[83\.2, 100\.0\] \*", text)
    assert re.search(r"bad +│ +20 │ +10\.0 \[0\.0, 25\.0\] ▼", text)
    assert "| good | 100.0 [83.2, 100.0] \\* |" in markdown
    assert "| bad | 10.0 [0.0, 25.0] ▼ |" in markdown
    assert "−90.0 [−100.0, −75.0]" in markdown
    assert "<0.001 *" in text
