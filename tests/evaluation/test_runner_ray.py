"""The same evaluation on Ray: the same figures, one writer, resumed like any other run."""

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
