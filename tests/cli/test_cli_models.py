"""`flowsteer models`: what is listed, and how a download is shown."""

import time
from pathlib import Path

import pytest
from fake_hub import FILE, REPOSITORY, FakeHub, serving
from flowsteer_cli import flowsteer

from flowsteer.cli.pull_display import PullDisplay

NAME = f"hf:{REPOSITORY}/{FILE}"
CONTENT = b"GGUF" + bytes(100_000)


def test_the_list_names_what_can_be_pulled(tmp_path: Path):
    outcome = flowsteer("models", "list", "--json", cwd=tmp_path, FLOWSTEER_HOME=str(tmp_path / "home"))
    rows = {row["name"]: row for row in outcome.json["models"]}
    assert list(rows) == ["qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b", "smollm2"]
    assert rows["qwen2.5-coder-1.5b"]["bytes"] == 1_117_320_768
    assert not any(row["here"] or row["tokens_per_second"] for row in rows.values())
    assert all(row["licence"] and row["about"] for row in rows.values())
    told = flowsteer("models", "list", cwd=tmp_path, FLOWSTEER_HOME=str(tmp_path / "home"))
    assert "qwen2.5-coder-0.5b  491 MB  Apache-2.0  not here" in told.out
    assert "flowsteer models pull NAME" in told.err


def test_a_file_of_the_hub_is_pulled_and_listed(tmp_path: Path):
    home = str(tmp_path / "home")
    with serving(FakeHub(CONTENT, tmp_path)) as hub:
        pulled = flowsteer(
            "models", "pull", NAME, "--json", cwd=tmp_path, FLOWSTEER_HOME=home, HF_ENDPOINT=hub.url, HF_HUB_OFFLINE="0"
        )
    assert pulled.code == 0, pulled.err
    assert Path(pulled.json["path"]).read_bytes() == CONTENT
    row = flowsteer("models", "list", "--json", cwd=tmp_path, FLOWSTEER_HOME=home).json["models"][-1]
    assert (row["name"], row["here"], row["bytes"], row["licence"]) == (NAME, True, len(CONTENT), None)


def test_an_unknown_model_ends_with_the_names(tmp_path: Path):
    outcome = flowsteer("models", "pull", "qwen2.5-coder", cwd=tmp_path)
    assert outcome.code == 2
    assert "smollm2" in outcome.err
    assert "Did you mean qwen2.5-coder-" in outcome.err


def test_off_a_terminal_a_line_tells_the_rate_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    clock = iter([0.0, 1.0, 6.0, 6.0, 7.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with PullDisplay("toy") as display:
        for done in (100, 110, 160, 170):
            display.moved(done * 1_000_000, 400_000_000)
    assert capsys.readouterr().err == "160 of 400 MB, 10.0 MB/s\n"


def test_on_a_terminal_a_bar_shows_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "100")
    with PullDisplay("toy") as display:
        for done in (100, 200, 400):
            display.moved(done * 1_000_000, 400_000_000)
    shown = capsys.readouterr().err
    assert "toy" in shown
    assert "400.0/400.0 MB" in shown
