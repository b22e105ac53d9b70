"""Makes the pictures in docs/viewer: real runs of the simulated world, in a real browser, at two widths.

Run it from the root of the repository: python docs/screenshots.py [RUN OF A TRAINING]
"""

import asyncio
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from playwright.sync_api import Page, sync_playwright

from flowsteer.evaluation.evaluate import evaluate
from flowsteer.evaluation.evaluation_config import make_config
from flowsteer.runs.folder import RunFolder
from flowsteer.viewing.viewer_server import viewer_beside

WORKFLOW = "Plan -> [Programmer, Custom] -> ScEnsemble -> (Verify -> Revise) * 3 -> Verify ? Revise : done -> Format"
SYSTEMS = [
    "direct",
    "cot",
    "fixed:Plan -> [Programmer, Custom] -> ScEnsemble -> Verify ? Revise : done",
    f"director:dsl:{WORKFLOW}",
]
OUT = Path(__file__).parent / "viewer"
WIDTHS = {"wide": (1440, 900), "narrow": (390, 844)}


def main(training: str | None) -> None:
    """Make all pictures; those of a training only if one is named."""
    with TemporaryDirectory() as folder:
        root = Path(folder) / "runs"
        plain = {
            "datasets": ["simulated:math", "simulated:qa"],
            "systems": SYSTEMS,
            "executor": "simulated:",
            "limit": 20,
        }
        asyncio.run(evaluate(make_config(plain), root / "evaluated"))
        if training is not None:
            shutil.copytree(
                training, root / "trained", ignore=shutil.ignore_patterns("checkpoints", "policy", "best", "start")
            )
        episodes = list(RunFolder.read(root / "evaluated").entries)
        directed = quote(next(name for name in episodes if name.startswith("director")), safe="")
        fixed = quote(next(name for name in episodes if name.startswith("fixed")), safe="")
        places = {
            "run": "#/run/evaluated",
            "episodes": "#/run/evaluated/episodes",
            "turn": f"#/run/evaluated/episode/{directed}?turn=4",
            "node": f"#/run/evaluated/episode/{directed}?turn=4&node=node_5",
            "compare": f"#/run/evaluated/compare?left={directed}&right={fixed}",
        }
        if training is not None:
            places |= {"training": "#/run/trained/training", "groups": "#/run/trained/groups?step=40"}
        with viewer_beside(root, Path(folder) / "cache") as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            wait_until_listed(browser.new_page(), address)
            for size, (width, height) in WIDTHS.items():
                for scheme in ("light", "dark"):
                    page = browser.new_page(
                        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
                    )
                    for name, place in places.items():
                        if scheme == "light" or name == "turn":
                            shoot(page, f"{address}{place}", OUT / f"{name}-{size}-{scheme}.png")
            browser.close()


def wait_until_listed(page: Page, address: str) -> None:
    """Runs that are shown for the first time are read first."""
    page.goto(address)
    listed = "fetch('/api/runs').then((got) => got.json()).then(({ runs }) => runs.every((run) => run.indexed >= 1))"
    while not page.evaluate(listed):
        page.wait_for_timeout(500)


def shoot(page: Page, address: str, file: Path) -> None:
    """One picture, once the page has come to rest."""
    page.goto("about:blank")
    page.goto(address)
    page.locator("main h1").first.wait_for()
    page.wait_for_timeout(2500)
    page.get_by_text("is read for the first time").wait_for(state="detached")
    file.parent.mkdir(exist_ok=True)
    page.screenshot(path=file)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
