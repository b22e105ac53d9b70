"""The viewer in a real browser: many episodes filtered, a branch by click, files to share; nothing in them runs."""

from urllib.parse import quote

import pytest
from made_runs import summary, write

from flowsteer.runs.event_json import event_to_json
from flowsteer.runs.folder import RunFolder
from flowsteer.viewing import report_file
from flowsteer.viewing.report_file import write_report_page
from viewing.browsing import browsing, visit
from viewing.hostile_run import HOSTILE, make_hostile
from viewing.showing import evaluated, reader, showing
from viewing.test_browser import DIRECTED, all_harmless, open_all

MANY = 3000


async def many(tmp_path):
    """A run of many episodes; every thousandth is about a needle."""
    await evaluated(tmp_path / "one", ("direct",), limit=1)
    (one,) = RunFolder.read(tmp_path / "one").entries.values()
    events = RunFolder.read(tmp_path / "one").events(one.episode)
    with RunFolder.create(tmp_path / "run", {"command": "eval"}) as run:
        for number in range(MANY):
            answer = f"needle {number}" if number % 1000 == 7 else str(number)
            write(run, summary("cot", "d", f"t{number}", float(number % 3 > 0), answer=answer), events)


async def test_many_episodes_are_filtered_and_scrolled(tmp_path):
    await many(tmp_path)
    async with showing(tmp_path / "run", tmp_path / "cache") as address, browsing() as page:
        async with reader(address):
            pass
        await visit(page, address, "#/run/~/episodes")
        await page.get_by_text(f"{MANY:,} episodes").wait_for()
        assert await page.get_by_role("row").count() < 100
        await page.get_by_role("searchbox").first.wait_for()
        await page.get_by_label("Filter by question").fill("needle")
        await page.get_by_text("3 of 3,000").wait_for()
        await page.get_by_label("Filter by question").fill("")
        await page.get_by_label("outcome").select_option("wrong")
        await page.get_by_text("1,000 of 3,000").wait_for()
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
        await page.get_by_text("The episode is over.").wait_for()
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
