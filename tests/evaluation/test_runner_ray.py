"""The same evaluation on Ray: the same figures, one writer, resumed like any other run."""

import os
import signal
import time
from pathlib import Path

import pytest

from evaluation.evaluation_cases import SYSTEMS, figures, run, small

pytest.importorskip("ray", reason="the optional extra `scale` is not installed")


def test_ray_gives_the_figures_of_a_local_run_and_resumes_it(tmp_path):
    config = {"systems": [*SYSTEMS, "fixed:best"], "limit": 2}
    run(tmp_path / "local", small(**config))
    run(tmp_path / "ray", small(systems=["direct"], limit=2))
    progress = run(tmp_path / "ray", small(**config, engine="ray", caps={"calls": 5000}))
    assert (progress.resumed, progress.done) == (2, 10)
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
    """Processes of Ray's actors that this process has begun."""
    commands = {int(file.parent.name): file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline")}
    return [process for process, command in commands.items() if command.startswith(b"ray::Worker")]


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
        if progress.done == 2:
            for process in worker_processes():
                os.kill(process, signal.SIGKILL)

    config = small(epochs=4, engine="ray", concurrency=4, caps={"calls": 100_000})
    progress = run(tmp_path / "ray", config, on_progress=kill_all)
    assert progress.errors > 0
    assert "no Ray worker is there" in progress.stopped
