"""The same evaluation on Ray: the same figures, one writer, resumed like any other run."""

import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from evaluation.evaluation_cases import SYSTEMS, figures, run, small
from flowsteer.backends.ledger import Ledger
from flowsteer.backends.models import locate
from flowsteer.errors import ConfigError
from flowsteer.runs.events import EpisodeStarted
from flowsteer.runs.folder import RunFolder

pytest.importorskip("ray", reason="the optional extra `scale` is not installed")


def test_ray_gives_the_figures_of_a_local_run_and_resumes_it(tmp_path):
    config = {"systems": [*SYSTEMS, "fixed:best"], "limit": 2}
    run(tmp_path / "local", small(**config))
    run(tmp_path / "ray", small(systems=["direct"], limit=2))
    progress = run(tmp_path / "ray", small(**config, engine="ray", caps={"calls": 5000}))
    assert (progress.resumed, progress.done) == (2, 10)
    paid = [Ledger(tmp_path / name).read() for name in ("ray", "local")]
    assert paid[0].calls == paid[1].calls > 0
    assert figures(tmp_path / "ray") == figures(tmp_path / "local")


def test_a_worker_that_is_killed_costs_time_and_no_episode(tmp_path):
    config = {"systems": SYSTEMS, "epochs": 4}
    killed = []

    def kill_one(progress):
        if progress.done == 2 and not killed:
            killed.extend(worker_processes()[:1])
            for process in killed:
                os.kill(process, signal.SIGKILL)

    progress = run(tmp_path / "ray", small(**config, engine="ray", concurrency=4), on_progress=kill_one)
    run(tmp_path / "local", small(**config))
    assert killed
    assert (progress.done, progress.errors) == (progress.total, 0)
    assert figures(tmp_path / "ray") == figures(tmp_path / "local")


def worker_processes():
    """Processes of Ray's workers on this machine."""
    return [process for process, command in commands().items() if command.startswith(b"ray::Worker")]


def commands():
    """Commands of all processes of this machine, by their id."""
    found = {}
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended since
            found[int(file.parent.name)] = file.read_bytes()
    return found


@pytest.mark.local
def test_the_workers_of_a_node_share_one_embedded_server_that_ends_with_the_run(tmp_path):
    pytest.importorskip("xllamacpp")
    try:
        locate("smollm2")
    except ConfigError:
        pytest.skip("SmolLM2's file is not here")
    model, at_work, keys = "smollm2?threads=1&context=1024", [], set()

    def servers():
        return [process for process, command in commands().items() if model_server(command)]

    def model_server(command):
        return b"flowsteer.backends.llamacpp\0smollm2\0--child" in command and b"--context\x001024" in command

    def look(progress):
        if progress.done == 1:
            until(lambda: len(worker_processes()) == 2)
        at_work.append((len(worker_processes()), servers()))
        for process in servers():
            keys.update(re.findall(rb"FLOWSTEER_API_KEY=([^\0]+)", Path(f"/proc/{process}/environ").read_bytes()))

    config = {"executor": f"llamacpp:{model}", "executor_sampling": {"max_tokens": 4}, "systems": ["direct"]}
    progress = run(tmp_path / "run", small(**config, engine="ray", limit=4, concurrency=2), on_progress=look)
    assert (progress.done, progress.errors) == (4, 0)
    assert max(workers for workers, _ in at_work) == 2
    assert len({process for _, found in at_work for process in found}) == 1
    until(lambda: not servers())
    assert servers() == []
    written = b"".join(file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file())
    assert [key in written for key in keys] == [False]
    record = RunFolder.read(tmp_path / "run")
    told = [event for name in record.entries for event in record.events(name) if isinstance(event, EpisodeStarted)]
    assert {event.executor for event in told} == {f"llamacpp:{model}"}
    assert {tuple(entry.summary.served.items()) for entry in record.entries.values()} == {
        ((f"llamacpp:{model}", "smollm2"),)
    }


def test_a_node_that_joins_gets_a_worker_and_one_that_goes_costs_time_and_no_episode(tmp_path, monkeypatch):
    """At first there is room for one of three workers only; then for two, until one node goes."""
    from ray.cluster_utils import Cluster

    config = {"systems": SYSTEMS, "epochs": 4}
    cluster, at_work, second = Cluster(initialize_head=True, head_node_args={"num_cpus": 1}), [], []

    def join_and_go(progress):
        if progress.done >= 2 and not second:
            at_work.append(len(worker_processes()))
            second.append(cluster.add_node(num_cpus=1))
            until(lambda: len(worker_processes()) == 2)
            at_work.append(len(worker_processes()))
        if progress.done >= 20 and second[0] in cluster.worker_nodes:
            cluster.remove_node(second[0], allow_graceful=False)

    try:
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        asked = small(**config, engine="ray", concurrency=6, workers=3)
        progress = run(tmp_path / "ray", asked, on_progress=join_and_go)
        assert cluster.worker_nodes == set()
    finally:
        cluster.shutdown()
    run(tmp_path / "local", small(**config))
    assert at_work == [1, 2]
    assert (progress.done, progress.errors) == (progress.total, 0)
    assert figures(tmp_path / "ray") == figures(tmp_path / "local")


def until(holds, seconds=60):
    """Wait for something, and no longer than that."""
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)


def test_under_a_budget_no_worker_takes_the_place_of_a_dead_one(tmp_path):
    def kill_all(progress):
        """Also one that is there only later: it was asked for at the start, and is no replacement."""
        if progress.done >= 2:
            for process in worker_processes():
                os.kill(process, signal.SIGKILL)

    config = small(epochs=4, engine="ray", concurrency=4, caps={"calls": 100_000})
    progress = run(tmp_path / "ray", config, on_progress=kill_all)
    assert progress.errors > 0
    assert "no Ray worker is there" in progress.stopped
