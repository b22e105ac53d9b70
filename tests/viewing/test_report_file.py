"""A run as a file to share: it holds what the run holds, and no text of a run breaks out of it."""

import base64
import hashlib
import json
from html.parser import HTMLParser

import jsonschema
import pytest
from made_runs import HOSTILE, hostile_run, plain_events, summary, write

from flowsteer.errors import RunError
from flowsteer.runs.folder import RunFolder
from flowsteer.viewing import report_file, schema
from flowsteer.viewing.report_file import write_episode_page, write_report_page


class Page(HTMLParser):
    """What a browser would make of a page: its elements, and what stands in its scripts."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.inside, self._open = [], {}, None
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.elements.append((tag, values))
        if tag in ("script", "style"):
            self._open = values.get("id", tag)

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self._open = None

    def handle_data(self, data):
        if self._open is not None:
            self.inside[self._open] = self.inside.get(self._open, "") + data

    @property
    def data(self):
        return json.loads(self.inside["flowsteer-data"])


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    return hostile_run(path / "run"), write_report_page(path / "run", path / "report")


def conforms(plain, record):
    check = jsonschema.Draft202012Validator({"$ref": f"#/$defs/{record}", "$defs": schema.schema()["$defs"]})
    assert [f"{error.json_path}: {error.message}" for error in check.iter_errors(plain)] == []


def test_the_file_holds_the_whole_run_as_the_server_would_tell_it(hostile):
    run, path = hostile
    data = Page(path).data
    assert set(data["episode"]) == {row["episode"] for row in data["episodes"]} == set(run.entries)
    conforms(data["runs"], "RunsPage")
    conforms(data["run"], "RunPage")
    conforms(data["training"], "TrainingPage")
    assert data["run"]["indexed"] == 1
    assert len(data["run"]["systems"]) == 6
    for row in data["episodes"]:
        conforms(row, "EpisodeRow")
        conforms(data["episode"][row["episode"]], "EpisodePage")
    assert HOSTILE in json.dumps(data, ensure_ascii=False).replace('\\"', '"')


def test_nothing_is_loaded_and_no_script_runs_but_the_viewers_own(hostile):
    page = Page(hostile[1])
    assert [values.get("id") for tag, values in page.elements if tag == "script"] == ["flowsteer-data", None]
    assert not [values for _, values in page.elements if "src" in values]
    assert [values["href"] for _, values in page.elements if "href" in values] == ["data:,"]
    policy = next(v["content"] for _, v in page.elements if v.get("http-equiv") == "Content-Security-Policy")
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(page.inside[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")


def test_a_page_of_one_episode_holds_that_one(hostile, tmp_path):
    run, _ = hostile
    wanted = list(run.entries)[3]
    data = Page(write_episode_page(run.path, tmp_path, wanted)).data
    assert list(data["episode"]) == [row["episode"] for row in data["episodes"]] == [wanted]
    with pytest.raises(RunError, match="no episode 'nobody'"):
        write_episode_page(run.path, tmp_path, "nobody")


def test_a_large_run_is_a_page_and_a_folder_of_episodes(tmp_path, monkeypatch):
    monkeypatch.setattr(report_file, "MOST_INSIDE", 3)
    monkeypatch.setattr(report_file, "PART", 2)
    with RunFolder.create(tmp_path / "run", {}) as run:
        for number in range(5):
            write(run, summary("cot", "d", f"t{number} </script>", 1.0), plain_events())
    path = write_report_page(tmp_path / "run", tmp_path / "out")
    data = Page(path).data
    assert (len(data["episodes"]), data["episode"]) == (5, {})
    found = {}
    for name in sorted(set(data["parts"].values())):
        text = (path.parent / name).read_text("utf-8")
        found |= json.loads(text.removeprefix("window.flowsteerPart(").removesuffix(");\n"))
    assert set(found) == set(data["parts"]) == set(run.entries)


def test_an_empty_run_has_a_report_and_a_folder_that_cannot_be_written_is_named(tmp_path):
    with RunFolder.create(tmp_path / "run", {}):
        pass
    assert Page(write_report_page(tmp_path / "run", tmp_path / "out")).data["episodes"] == []
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        write_report_page(tmp_path / "run", tmp_path / "file")
