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
ADAPTERS = {"inspect_ai": "inspect_ai", "inspect_backend": "inspect_ai", "openenv": "openenv", "verifiers": "verifiers"}
collect_ignore += [f"src/flowsteer/adapters/{file}.py" for file, name in ADAPTERS.items() if find_spec(name) is None]
if find_spec("verifiers") is None:
    collect_ignore.append("src/flowsteer_verifiers.py")
if find_spec("mcp") is None:
    collect_ignore.append("src/flowsteer/operators/mcp_servers.py")
# Its examples need packages that cannot all be here; tests/adapters/test_adapters_page.py runs those that can.
collect_ignore.append("docs/adapters.md")
