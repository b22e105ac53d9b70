"""What pytest must not import when it looks for examples."""

from importlib.util import find_spec

# Programs that run inside sandboxes: they change the interpreter they are in.
collect_ignore = [
    "src/flowsteer/grading/science_callee.py",
    "src/flowsteer/grading/science_caller.py",
    "src/flowsteer/sandbox/guest",
]
if find_spec("trl") is None:
    collect_ignore_glob = ["src/flowsteer/training/*.py"]
if any(find_spec(name) is None for name in ("fastapi", "uvicorn", "prometheus_client")):
    collect_ignore.append("src/flowsteer/serving")
