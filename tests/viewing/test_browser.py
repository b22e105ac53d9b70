"""The viewer in a real browser: by mouse and by keyboard alone, live, with hostile content, for everybody."""

from pathlib import Path
from urllib.parse import quote

import pytest

from flowsteer.runs.folder import RunFolder
from viewing.browsing import browsing, visit
from viewing.hostile_run import make_hostile
from viewing.showing import evaluated, showing

AXE = Path(__file__).parents[2] / "viewer" / "node_modules" / "axe-core" / "axe.min.js"
DIRECTED = "director:dsl:Plan -> [Programmer, Custom] -> ScEnsemble -> (Verify -> Revise) * 3 -> Format"


async def test_an_episode_is_found_and_played_with_the_keyboard_alone(tmp_path):
    await evaluated(tmp_path / "run", (DIRECTED,), limit=2)
    async with showing(tmp_path, tmp_path / "cache") as address, browsing() as page:
        await page.goto(address)
        await page.get_by_role("link", name="run", exact=True).focus()
        await page.keyboard.press("Enter")
        await page.get_by_role("link", name="Episodes", exact=True).focus()
        await page.keyboard.press("Enter")
        await page.locator(".c-question a").first.focus()
        await page.keyboard.press("Enter")
        panel = page.locator(".panel h2").first
        assert "The end" in await panel.inner_text()
        await page.keyboard.press("Home")
        assert "Turn 1" in await panel.inner_text()
        assert await page.locator(".step").count() == 1
        await page.keyboard.press("ArrowRight")
        assert await page.locator(".mark-word", has_text="new").count() == 2
        await page.locator(".step", has_text="Programmer").focus()
        await page.keyboard.press("Enter")
        assert "Programmer" in await panel.inner_text()
        assert await page.get_by_text("Draft in").count() == 1
        await page.keyboard.press("Escape")
        assert "Turn 2" in await panel.inner_text()
        await page.keyboard.press("?")
        assert await page.get_by_role("dialog").is_visible()
        assert await page.evaluate("window.faults") == []


async def test_the_right_answer_is_shown_at_the_end_only(tmp_path):
    await evaluated(tmp_path / "run", (DIRECTED,), limit=1)
    async with showing(tmp_path / "run", tmp_path / "cache") as address, browsing() as page:
        await visit(page, address, "#/run/~/episodes")
        await page.locator(".c-question a").first.click()
        await page.get_by_text("Right answer").wait_for()
        await page.keyboard.press("ArrowLeft")
        assert await page.get_by_text("Right answer").count() == 0
        await page.locator(".step", has_text="ScEnsemble").click()
        assert await page.locator(".panel dt", has_text="candidates").count() == 2
        await page.locator(".group-head", has_text="loop").click()
        assert "loop" in await page.locator(".panel h2").inner_text()


async def test_an_episode_in_flight_grows_before_ones_eyes(tmp_path):
    await evaluated(tmp_path / "done", (DIRECTED,), limit=1)
    (done,) = RunFolder.read(tmp_path / "done").entries.values()
    events = RunFolder.read(tmp_path / "done").events(done.episode)
    with RunFolder.create(tmp_path / "run", {"command": "eval"}) as folder:
        writer = folder.begin("one")
        for event in events[:4]:
            writer.emit(event)
        async with showing(tmp_path / "run", tmp_path / "cache") as address, browsing() as page:
            await visit(page, address, "#/run/~/episode/one")
            await page.locator(".live-dot", has_text="live").wait_for()
            assert await page.locator(".tick").count() == 1
            for event in events[4:]:
                writer.emit(event)
            await page.locator(".tick", has_text="end").wait_for()
            writer.commit(done.summary)
            await page.locator(".live-dot").wait_for(state="detached")
            assert await page.locator(".tick").count() == done.summary.turns + 1
            assert await page.evaluate("window.faults") == []


async def test_hostile_texts_are_texts(tmp_path):
    await evaluated(tmp_path / "run", (DIRECTED,), limit=2)
    make_hostile(tmp_path / "run", tmp_path / "hostile")
    async with showing(tmp_path / "hostile", tmp_path / "cache") as address, browsing() as page:
        page.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
        for place in ("#/", "#/run/~", "#/run/~/episodes", "#/search?q=harmed"):
            await visit(page, address, place)
            await page.locator("main h1").first.wait_for()
            await all_harmless(page)
        for number in range(2):
            await visit(page, address, "#/run/~/episodes")
            await page.locator(".c-question a").nth(number).click()
            await page.locator(".tick").first.wait_for()
            for _ in range(await page.locator(".tick").count()):
                await open_all(page)
                await all_harmless(page)
                await page.keyboard.press("ArrowLeft")
            await page.keyboard.press("End")
            for step in range(await page.locator(".step").count()):
                await page.locator(".step").nth(step).dispatch_event("click")
                await open_all(page)
                await all_harmless(page)


async def open_all(page):
    """Everything in the panel that can be unfolded."""
    for what in (".panel summary", ".panel button.quiet"):
        for item in await page.locator(what).all():
            await item.dispatch_event("click")


async def all_harmless(page):
    assert await page.evaluate("[window.harmed ?? null, window.faults]") == [None, []]
    links = await page.evaluate("[...document.querySelectorAll('a')].map((link) => link.getAttribute('href'))")
    assert all(link.startswith("#/") for link in links if link != "#content")
    assert (
        await page.evaluate("document.querySelectorAll('main script, main iframe, main img, main style').length") == 0
    )
    assert (
        await page.evaluate("/[\\u202a-\\u202e\\u2066-\\u2069\\u0000\\u001b]/.test(document.body.innerText)") is False
    )
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_the_token_does_not_stay_in_the_address_and_the_page_can_be_loaded_again(tmp_path):
    await evaluated(tmp_path / "run", ("direct",), limit=1)
    async with showing(tmp_path / "run", tmp_path / "cache") as address, browsing() as page:
        await visit(page, address, "#/")
        for _ in range(2):
            await page.get_by_role("heading", name="Runs").wait_for()
            assert "token" not in page.url
            await page.reload()
        assert await page.evaluate("window.faults") == []


async def test_who_lacks_the_token_sees_nothing(tmp_path):
    await evaluated(tmp_path / "run", ("direct",), limit=1)
    async with showing(tmp_path / "run", tmp_path / "cache") as address, browsing() as page:
        answer = await page.goto(f"{address.partition('token=')[0]}token=wrong")
        assert answer.status == 401
        assert await page.locator("#root").count() == 0


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: make viewer")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
async def test_axe_finds_no_fault(tmp_path, scheme, width):
    await evaluated(tmp_path / "run", ("direct", DIRECTED), limit=3)
    episode = next(name for name in RunFolder.read(tmp_path / "run").entries if name.startswith("director"))
    async with (
        showing(tmp_path / "run", tmp_path / "cache") as address,
        browsing(width, color_scheme=scheme, bypass_csp=True) as page,
    ):
        at = quote(episode, safe="")
        here = f"#/run/~/episode/{at}"
        places = ("#/", "#/run/~", "#/run/~/episodes", here, f"{here}?turn=3", f"{here}?node=node_3", "#/nowhere")
        for place in (*places, f"#/run/~/compare?left={at}&right={at}"):
            await visit(page, address, place)
            await page.locator("main h1").first.wait_for()
            await page.wait_for_timeout(400)
            await page.evaluate(AXE.read_text("utf-8"))
            found = await page.evaluate("axe.run(document).then((result) => result.violations)")
            assert [(place, fault["id"], fault["nodes"][0]["html"][:200]) for fault in found] == []
