"""A report shows what the run holds, leads from every figure to its episodes, and lets no text of a run break out."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from made_runs import (
    HOSTILE,
    directed_events,
    entry,
    hostile_run,
    nothing_happened,
    plain_events,
    summary,
    write,
)

from flowsteer.errors import RunError
from flowsteer.reporting.markdown import to_markdown
from flowsteer.reporting.plots import decades, span
from flowsteer.reporting.report import read_summary, write_page, write_report
from flowsteer.reporting.statistics import Estimate
from flowsteer.reporting.summarise import summarise
from flowsteer.reporting.summary import to_json
from flowsteer.reporting.table import table_text
from flowsteer.runs.failure import Failure
from flowsteer.runs.folder import RunFolder


class Page(HTMLParser):
    """What a browser would make of a page: its elements, its text, its scripts."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.links, self.text, self.scripts = [], [], "", {}
        self._script = None
        self.feed(Path(path).read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.elements.append((tag, values))
        if tag == "a":
            self.links.append(values["href"])
        if tag == "script":
            self._script = values.get("id", "code")

    def handle_endtag(self, tag):
        if tag == "script":
            self._script = None

    def handle_data(self, data):
        if self._script is None:
            self.text += data
        else:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data

    @property
    def index(self):
        """The rows of the index of episodes, by column."""
        data = json.loads(self.scripts["index"])
        return [dict(zip(data["columns"], row, strict=True)) for row in data["rows"]]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    run = hostile_run(path / "run")
    return run, write_report(run, path / "report")


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


def test_no_text_of_a_run_becomes_markup(written):
    _, paths = written
    for path in (paths.html, *paths.episodes.glob("*.html")):
        page = Page(path)
        tags = [tag for tag, _ in page.elements]
        assert "img" not in tags
        assert tags.count("script") == (2 if path == paths.html else 0)
        assert all(not name.startswith("on") for _, values in page.elements for name in values)


def test_a_page_loads_nothing_and_runs_no_script_but_its_own(written):
    _, paths = written
    for path in (paths.html, *list(paths.episodes.glob("*.html"))[:5]):
        page = Page(path)
        assert not {tag for tag, _ in page.elements} & {"link", "iframe", "object", "base", "form"}
        assert not [values for _, values in page.elements if "src" in values]
        assert all(not re.match(r"(\w+:)?//|javascript:|data:", link) for link in page.links)
        policy = next(v["content"] for tag, v in page.elements if v.get("http-equiv") == "Content-Security-Policy")
        assert "default-src 'none'" in policy
        code = page.scripts.get("code")
        if code is not None:
            assert base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() in policy


def selected(index, link):
    """The rows that a figure's link selects: the page's filters, said once more."""
    filters = {name: values[0] for name, values in parse_qs(link.partition("?")[2]).items()}
    system, versus = filters.get("system"), filters.get("versus")
    lists = {"failure": "failures", "operator": "operators", "structure": "structures"}
    rows = [
        row
        for row in index
        if filters.get("dataset") in (None, row["dataset"])
        and (system is None or row["system"] in (system, versus))
        and filters.get("outcome") in (None, row["outcome"])
        and filters.get("reason", row["why"]) == row["why"]
        and all(filters[name] in row[column] for name, column in lists.items() if name in filters)
    ]
    assert set(filters) <= {"dataset", "system", "versus", "outcome", "reason", "error", *lists}
    return rows


def test_every_figure_leads_to_its_episodes_and_each_to_its_page(written):
    run, paths = written
    page = Page(paths.html)
    index = page.index
    assert {row["id"] for row in index} == set(run.entries)
    assert len(index) == len(run.entries) == 36
    for row in index:
        assert Page(paths.episodes / row["page"]).text
    links = [link for link in page.links if link.startswith("#episodes?")]
    assert len(links) > 60
    assert all(selected(index, link) for link in links)
    anchors = {values["id"] for _, values in page.elements if "id" in values}
    assert {link[1:] for link in page.links if "?" not in link} <= anchors


def test_the_number_of_a_failure_is_that_of_the_episodes_behind_it(written):
    _, paths = written
    page = Page(paths.html)
    link = next(link for link in page.links if "failure=" in link)
    rows = selected(page.index, link)
    assert {row["outcome"] for row in rows} == {"wrong"}
    assert len(rows) == 2


def test_the_report_says_what_is_simulated_and_what_was_left_out(written):
    text = " ".join(Page(written[1].html).text.split())
    assert "Simulated executor (simulated:typed)" in text
    assert "2 unscorable" in text
    assert "Not complete" not in text


def test_a_run_of_a_real_model_is_not_called_simulated(small, tmp_path):
    assert "Simulated" not in Page(write_report(small, tmp_path / "out").html).text


def test_a_page_tells_the_episode_turn_by_turn(written):
    run, paths = written
    name = next(name for name in run.entries if name.startswith("director:"))
    row = next(row for row in Page(paths.html).index if row["id"] == name)
    page = Page(paths.episodes / row["page"])
    told = ("question", "context", "thinking", "first reply", "reason", "choice", "first feedback", "stated")
    for words in (*told, "second reply", "echo", "why", "second feedback"):
        assert f"{words} {HOSTILE}" in page.text
    order = [page.text.index(words) for words in ("Turn 1", "no action understood", "Turn 2", "✓ accepted", "Turn 3")]
    assert order == sorted(order)
    drawn = [values for tag, values in page.elements if tag == "svg" and values.get("class") == "flow"]
    assert len(drawn) == 2


def test_episodes_without_turns_have_pages_too(tmp_path):
    with RunFolder.create(tmp_path / "run", {}) as run:
        write(run, summary("direct", "d", "fixed", 1.0), plain_events())
        write(run, summary("director:x", "d", "lost", 0.0, finished=False, answer=""), nothing_happened())
    paths = write_report(RunFolder.read(tmp_path / "run"), tmp_path / "out")
    texts = {row["task"]: Page(paths.episodes / row["page"]).text for row in Page(paths.html).index}
    assert "Custom" in texts["fixed"]
    assert "no, turn limit" in texts["lost"]
    assert "The workflow produced no answer" in texts["lost"]


def test_opening_one_episode_reads_only_its_own_bytes(small, tmp_path):
    wanted = small.entries["sc:3/gsm8k/t1/0"]
    record = small.path / "episodes.jsonl"
    text = record.read_bytes()
    end = wanted.offset + wanted.length
    record.write_bytes(b"x" * wanted.offset + text[wanted.offset : end] + b"x" * (len(text) - end))
    assert "42" in Page(write_page(small, tmp_path / "out", "sc:3/gsm8k/t1/0")).text


def test_figures_need_no_events_at_all(small):
    (small.path / "episodes.jsonl").write_bytes(b"")
    assert read_summary(small).cell("gsm8k", "cot").score.mean == 0.75


def test_with_few_pages_the_failures_come_first_and_the_rest_can_be_drawn_later(small, tmp_path):
    out = tmp_path / "out"
    seen = []
    paths = write_report(small, out, pages=2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
    drawn = {row["id"] for row in Page(paths.html).index if row["page"]}
    assert drawn == {"sc:3/gsm8k/t2/0", "sc:3/gsm8k/t3/0"}
    page = write_page(small, out, "cot/gsm8k/t0/0")
    again = write_report(small, out, pages=2)
    assert {row["page"] for row in Page(again.html).index} >= {page.name}


def test_a_report_is_brought_up_to_date(small, tmp_path):
    first = write_report(small, tmp_path / "out")
    pages = {row["id"]: row["page"] for row in Page(first.html).index}
    times = {name: (first.episodes / name).stat().st_mtime_ns for name in pages.values()}
    with RunFolder.create(small.path, small.config) as run:
        write(run, summary("cot", "gsm8k", "t1", 1.0), plain_events())
        write(run, summary("cot", "gsm8k", "t9", 1.0), plain_events())
    second = write_report(RunFolder.read(small.path), tmp_path / "out")
    now = {row["id"]: row["page"] for row in Page(second.html).index}
    kept = set(pages.values()) & set(now.values())
    assert len(kept) == 7
    assert {(second.episodes / name).stat().st_mtime_ns for name in kept} <= set(times.values())
    assert {path.name for path in second.episodes.iterdir()} == set(now.values())
    assert now["cot/gsm8k/t1/0"] != pages["cot/gsm8k/t1/0"]


def test_an_interrupted_run_is_called_incomplete(small, tmp_path):
    with RunFolder.create(small.path, small.config) as run:
        torn = run.begin("cot/gsm8k/t7/0")
        torn.emit(plain_events()[0])
        torn.abandon()
        write(run, summary("cot", "gsm8k", "t8", 1.0), plain_events())
        lost = summary("sc:3", "gsm8k", "t5", None, lost=Failure("BackendUnavailable", "gone"), cost=None)
        run.lose("sc:3/gsm8k/t5/0", lost)
    paths = write_report(RunFolder.read(small.path), tmp_path / "out")
    page = Page(paths.html)
    text = " ".join(page.text.split())
    assert "Not complete. Begun and not finished: 1." in text
    assert "Missing where another system has them: 2." in text
    assert "Broken off for want of infrastructure, in no mean: 1." in text
    row = next(row for row in page.index if row["outcome"] == "error")
    assert (row["page"], row["why"]) == ("", "BackendUnavailable")
    assert next(rows for link in page.links if "error=" in link and (rows := selected(page.index, link)))


def test_an_episode_that_is_not_there_is_named(small, tmp_path):
    with pytest.raises(RunError, match="no finished episode 'nobody'"):
        write_page(small, tmp_path, "nobody")


def test_a_folder_that_cannot_be_written_is_named(small, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        write_report(small, tmp_path / "file")


def test_an_empty_run_has_a_report(tmp_path):
    with RunFolder.create(tmp_path / "run", {}):
        pass
    run = RunFolder.read(tmp_path / "run")
    paths = write_report(run, tmp_path / "out")
    assert Page(paths.html).index == []
    assert "system" in table_text(read_summary(run))


def test_json_is_the_summary(written):
    run, paths = written
    stored = json.loads(paths.json.read_text("utf-8"))
    assert stored == json.loads(json.dumps(to_json(read_summary(run))))
    assert stored["cells"][0]["score"]["mean"] == 0.5
    assert stored["cells"][0]["coverage"] == 1.0


def test_markdown_keeps_its_columns_whatever_the_names_are(written):
    _, paths = written
    lines = paths.markdown.read_text("utf-8").split("\n")
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


def test_axes_hold_their_values():
    for values in ([1.0], [100, 1000], [0.00031, 0.0021], [3, 90000], [5, 5.0001]):
        low, high, ticks = decades(values)
        assert low <= min(values) <= max(values) < high
        assert 2 <= len(ticks) <= 8
    for mean, low, high in ((0.5, 0.4, 0.6), (0.0, 0.0, 0.0), (1.0, 0.9, 1.0), (0.31, 0.3, 0.32), (0.5, 0.0, 1.0)):
        bottom, top, levels = span([Estimate(mean, low, high, 9)])
        assert bottom <= low + 1e-9
        assert high - 1e-9 <= top
        assert 2 <= len(levels) <= 7


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the chromium browser")
def test_a_browser_filters_the_index_by_the_address(written, tmp_path):
    _, paths = written
    page = Page(paths.html)
    link = next(link for link in page.links if "versus=" in link)
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += [f"--user-data-dir={tmp_path}", "--dump-dom", f"{paths.html.as_uri()}{link}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    count = re.search(r'<span id="count"[^>]*>1–(\d+) of', done.stdout)
    scored = [row for row in selected(page.index, link) if row["score"] is not None]
    assert count is not None
    assert int(count[1]) <= len(scored)
    listed = re.findall(r'href="episodes/([0-9a-f]{16}\.html)"', done.stdout)
    assert len(listed) == int(count[1])
    assert set(listed) <= {row["page"] for row in scored}


def test_the_events_of_the_made_episodes_are_hostile():
    """Guards the tests above: what they look for is really in what they read."""
    assert sum(HOSTILE in repr(event) or "<script>" in repr(event) for event in directed_events()) > 8
