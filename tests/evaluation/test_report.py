"""The figures of a run as Markdown and JSON: they are those of its episodes, whatever the names are."""

import json
import re

import pytest
from made_runs import entry, hostile_run, plain_events, summary, write

from flowsteer.errors import RunError
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
