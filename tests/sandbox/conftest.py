import os
import shutil

import pytest

from flowsteer.sandbox.bubblewrap import BubblewrapSandbox
from flowsteer.sandbox.monty import MontySandbox
from flowsteer.sandbox.shared import SharedBubblewrap


@pytest.fixture
async def monty():
    sandbox = MontySandbox()
    yield sandbox
    await sandbox.aclose()


@pytest.fixture(params=["superuser", "user"])
def bubblewrap(request, monkeypatch):
    """Bubblewrap as the superuser starts it, and as anybody else does (with a user namespace)."""
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    if request.param == "superuser" and os.geteuid() != 0:
        pytest.skip("not the superuser")
    if request.param == "user":
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return BubblewrapSandbox()


@pytest.fixture
async def shared(bubblewrap):
    """Sandboxes that serve many programs."""
    made = SharedBubblewrap(bubblewrap)
    yield made
    await made.aclose()


@pytest.fixture(params=["monty", "bubblewrap", "shared"])
async def sandbox(request):
    """Each tier that runs here, for what they have in common."""
    if request.param != "monty" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    makers = {
        "monty": MontySandbox,
        "bubblewrap": BubblewrapSandbox,
        "shared": lambda: SharedBubblewrap(BubblewrapSandbox()),
    }
    made = makers[request.param]()
    yield made
    await made.aclose()
