"""What runs where a DS-1000 solution runs: executes code on an input, and gives back the variables asked for.

This file is handed to a sandbox as text; the package never imports it. The solution shares its process and may change
anything in it: all that leaves is a claim, read with care on the other side (`science_caller.py`).
"""

import sys


class _NoArrow:
    """Keeps pyarrow away, so that pandas holds texts as Python's own."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Refuse one module, leave others to others."""
        if name.partition(".")[0] == "pyarrow":
            raise ModuleNotFoundError("No module named 'pyarrow'", name=name)


sys.meta_path.insert(0, _NoArrow())


def execute_here(request: bytes) -> bytes:
    """Execute code in an environment, with the random state that it would have had in the tests' own process."""
    import pickle
    import random

    import numpy

    code, environment, wanted, state, numpy_state = pickle.loads(request)  # noqa: S301  # written by the tests
    random.setstate(state)
    numpy.random.set_state(numpy_state)
    exec(code, environment)  # noqa: S102  # this process is the sandbox
    return pickle.dumps({name: environment[name] for name in wanted if name in environment}, 5)
