"""Fixtures of the operators' tests: the embedded sandbox, really running."""

import pytest

from flowsteer.sandbox.monty import MontySandbox


@pytest.fixture
async def sandbox():
    monty = MontySandbox(workers=1)
    yield monty
    await monty.aclose()
