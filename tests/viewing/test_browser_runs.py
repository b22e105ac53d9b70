"""The viewer in a real browser: many episodes filtered, a branch by click, files to share; nothing in them runs."""

import json
import re
from urllib.parse import quote

import pytest
from made_runs import plain_events, summary, write

from flowsteer.runs.event_json import event_to_json
from flowsteer.runs.folder import RunFolder
from flowsteer.runs.index import EPISODES, INDEX
from flowsteer.viewing import report_file
from flowsteer.viewing.report_file import write_report_page
from viewing.browsing import browsing, visit
from viewing.hostile_run import HOSTILE, make_hostile
from viewing.showing import evaluated, showing
from viewing.test_browser import DIRECTED, all_harmless, open_all

MANY = 20_000


def many(run):
    """A run of many episodes; one in 2,000 is about a needle. It is written as its writer would have, at once."""
    with RunFolder.create(run, {"command": "eval"}) as folder:
        write(folder, summary("cot", "d", "task", 1.0, answer="thing"), plain_events())
    whole, entry = (json.loads((run / name).read_text()) for name in (EPISODES, INDEX))
    offset = entry["length"] = 0
    with (run / EPISODES).open("w") as episodes, (run / INDEX).open("w") as index:
        for number in range(MANY):
            told = {
                "answer": f"needle {number}" if number % 2000 == 7 else f"{number}",
                "score": float(number % 4 > 0),
            }
            episode = {"episode": f"cot/d/{number}/0", "summary": entry["summary"] | told | {"task": f"{number}"}}
            offset += entry["length"]
            entry["length"] = episodes.write(f"{json.dumps(whole | episode)}\n")
            index.write(f"{json.dumps(entry | episode | {'offset': offset, 'length': entry['length']})}\n")


async def test_many_episodes_are_filtered_and_scrolled(tmp_path):
    many(tmp_path / "run")
    async with showing(tmp_path / "run", tmp_path / "cache") as address, browsing() as page:
        await visit(page, address, "#/run/~/episodes")
        await page.get_by_text(re.compile(f"^{MANY:,} episodes$")).wait_for(timeout=90_000)  # it is read meanwhile
        assert await page.get_by_role("row").count() < 100
        await page.get_by_label("Filter by question").fill("needle")
        await page.get_by_text(f"{MANY // 2000} of {MANY:,}").wait_for()
        await page.get_by_label("Filter by question").fill("")
        await page.get_by_label("outcome").select_option("wrong")
        await page.get_by_text(f"{MANY // 4:,} of {MANY:,}").wait_for()
        await page.get_by_role("table").hover()
        await page.mouse.wheel(0, 10_000_000)
        await page.get_by_role("row").filter(has_text=f"{MANY - 3:,}").wait_for()
        assert await page.get_by_role("row").count() < 100
        assert await page.evaluate("window.faults") == []


async def test_a_branch_is_begun_and_directed_by_click(tmp_path):
    await evaluated(tmp_path / "run", (DIRECTED,), limit=1)
    async with showing(tmp_path / "run", tmp_path / "cache") as address, browsing() as page:
        await visit(page, address, "#/run/~/episodes")
        await page.locator(".c-question a").first.click()
        await page.locator(".tick").first.wait_for()
        await page.keyboard.press("Home")
        await page.get_by_role("button", name="Branch here").click()
        seat = page.get_by_label("The Director's seat")
        await seat.get_by_role("button", name="Add a step to the workflow").click()
        await page.locator(".tick").nth(1).wait_for()
        await seat.get_by_role("button", name="Undo").click()
        await page.locator(".tick").nth(2).wait_for()
        assert await page.evaluate("window.faults") == []
    (entry,) = RunFolder.read(tmp_path / "run").entries.values()
    assert entry.summary.finished


async def test_the_seat_is_given_to_a_director_by_click(tmp_path):
    await evaluated(tmp_path / "run", (DIRECTED,), limit=1)
    (parent,) = RunFolder.read(tmp_path / "run").entries
    async with showing(tmp_path / "run", tmp_path / "cache") as address, browsing() as page:
        await visit(page, address, f"#/run/~/episode/{quote(parent, safe='')}?turn=1")
        await page.get_by_role("button", name="Branch here").click()
        seat = page.get_by_label("The Director's seat")
        spec = seat.get_by_label("Director to give the seat to")
        await spec.fill("nobody:at all")
        await seat.get_by_role("button", name="Give the seat").click()
        assert "nobody" in await seat.get_by_role("alert").inner_text()
        assert await seat.get_by_role("button", name="Add a step to the workflow").is_enabled()
        await spec.fill(DIRECTED.removeprefix("director:"))
        await seat.get_by_role("button", name="Give the seat").click()
        await page.locator(".tick", has_text="end").wait_for()
        assert await page.evaluate("window.faults") == []
    (branch,) = RunFolder.read(tmp_path / "run/branches").entries.values()
    assert (branch.summary.finished, branch.summary.answer != "") == (True, True)


@pytest.mark.parametrize("inside", [1000, 0])
async def test_a_file_to_share_is_the_viewer_without_a_server_and_its_texts_are_texts(tmp_path, monkeypatch, inside):
    monkeypatch.setattr(report_file, "MOST_INSIDE", inside)
    await evaluated(tmp_path / "run", (DIRECTED,), limit=2)
    make_hostile(tmp_path / "run", tmp_path / "hostile")
    page_file = write_report_page(tmp_path / "hostile", tmp_path / "report")
    assert (tmp_path / "report/episodes").is_dir() == (inside == 0)
    async with browsing() as page:
        page.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
        await visit(page, page_file.as_uri(), "#/")
        await page.locator("main h1").first.wait_for()
        await all_harmless(page)
        await visit(page, page_file.as_uri(), "#/run/~/episodes")
        await page.locator(".c-question a").first.click()
        await page.locator(".tick").first.wait_for()
        await open_all(page)
        await all_harmless(page)
        assert await page.get_by_role("button", name="Branch here").count() == 0


async def test_every_hostile_text_is_in_what_is_looked_at(tmp_path):
    """Guards the tests with hostile texts: they read what they are meant to read."""
    await evaluated(tmp_path / "run", (DIRECTED,), limit=2)
    make_hostile(tmp_path / "run", tmp_path / "hostile")
    told = RunFolder.read(tmp_path / "hostile")
    seen = str([[event_to_json(event) for event in told.events(name)] for name in told.entries])
    assert len(HOSTILE) >= 40
    missing = [text[:60] for text in HOSTILE if repr(text)[1:-1] not in seen and text not in seen]
    assert missing == []
