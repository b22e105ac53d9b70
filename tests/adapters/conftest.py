"""inspect_ai sets up the logging of the whole process; other tests of this process read what is logged."""

import logging

import pytest


@pytest.fixture(autouse=True)
def logging_as_it_was():
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    for handler in root.handlers[:]:
        if handler not in handlers:
            root.removeHandler(handler)
