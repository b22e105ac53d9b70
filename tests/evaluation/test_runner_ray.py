"""The same evaluation on Ray: the same figures, one writer, resumed like any other run."""

import os
import signal
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


def test_a_node_that_is_missing_or_killed_costs_time_and_no_episode(tmp_path, monkeypatch):
    """At first there is room for one of two workers only; then for both, until one node goes."""
    from ray.cluster_utils import Cluster

    config = {"systems": SYSTEMS, "epochs": 4}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        narrow = run(tmp_path / "narrow", small(engine="ray", concurrency=4))
        lost = cluster.add_node(num_cpus=1)

        def kill_one(progress):
            if progress.done == 2 and lost in cluster.worker_nodes:
                cluster.remove_node(lost, allow_graceful=False)

        progress = run(tmp_path / "ray", small(**config, engine="ray", concurrency=4), on_progress=kill_one)
        assert cluster.worker_nodes == set()
    finally:
        cluster.shutdown()
    run(tmp_path / "local", small(**config))
    assert (narrow.done, narrow.errors) == (narrow.total, 0)
    assert (progress.done, progress.errors) == (progress.total, 0)
    assert figures(tmp_path / "ray") == figures(tmp_path / "local")


def test_under_a_budget_no_worker_takes_the_place_of_a_dead_one(tmp_path):
    def kill_all(progress):
        if progress.done == 2:
            for process in worker_processes():
                os.kill(process, signal.SIGKILL)

    config = small(epochs=4, engine="ray", concurrency=4, caps={"calls": 100_000})
    progress = run(tmp_path / "ray", config, on_progress=kill_all)
    assert progress.errors > 0
    assert "no Ray worker is there" in progress.stopped
