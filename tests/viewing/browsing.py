"""A browser that looks at the viewer: Debian's Chromium, driven by Playwright."""

import shutil
from contextlib import asynccontextmanager

import pytest

pytest.importorskip("playwright", reason="playwright drives the browser")
from playwright.async_api import async_playwright

CHROMIUM = shutil.which("chromium")
OFFLINE = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync")

WATCH = """
window.faults = [];
document.addEventListener("securitypolicyviolation", (event) => window.faults.push(event.violatedDirective));
window.addEventListener("error", ({message}) => message.startsWith("ResizeObserver") || window.faults.push(message));
"""
"""Counts what a page tried and was not let, and errors of its own."""


@asynccontextmanager
async def browsing(width=1440, height=900, **more):
    """A page of a browser; its faults are in `window.faults`."""
    if CHROMIUM is None:
        pytest.skip("needs the chromium browser")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*OFFLINE])
        context = await browser.new_context(
            viewport={"width": width, "height": height}, **{"reduced_motion": "reduce"} | more
        )
        await context.add_init_script(WATCH)
        page = await context.new_page()
        page.set_default_timeout(20_000)
        _wait_for_what_keys_change(page)
        try:
            yield page
        finally:
            await browser.close()


def _wait_for_what_keys_change(page):
    """Have each key that is pressed wait until the page is drawn again, as a reader would."""
    press = page.keyboard.press

    async def press_and_see(key, **more):
        await press(key, **more)
        await page.evaluate("new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")

    page.keyboard.press = press_and_see


async def visit(page, address, place):
    """Go to a place of the viewer, as with an address that was typed anew."""
    await page.goto("about:blank")
    await page.goto(f"{address}{place}")
