import os
import shutil

import pytest

from flowsteer.sandbox.bubblewrap import BubblewrapSandbox
from flowsteer.sandbox.monty import MontySandbox


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


@pytest.fixture(params=["monty", "bubblewrap"])
async def sandbox(request):
    """Each tier that runs here, for what they have in common."""
    if request.param == "bubblewrap" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    made = {"monty": MontySandbox, "bubblewrap": BubblewrapSandbox}[request.param]()
    yield made
    await made.aclose()
