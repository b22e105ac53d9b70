"""Nothing is fetched, and one thread computes: the same figures on every machine of a kind."""

import os
import tempfile

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
os.environ["TRACKIO_DIR"] = tempfile.mkdtemp(prefix="trackio-")
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def warm():
    """A policy that has learned the language; it is shared, so nobody may train it further."""
    from training.small import warmed_up

    return warmed_up()[0]
