"""Operator libraries: built in, joined, and brought by another package through its entry point."""

import sys
import textwrap

import pytest

from flowsteer.errors import ConfigError
from flowsteer.operators.registry import Library, library_names, load_library


@pytest.fixture
def third_party(tmp_path, monkeypatch):
    """Install a distribution with libraries of its own, as pip would leave it on the path."""
    info = tmp_path / "acme_operators-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-operators\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[flowsteer.libraries]\nacme = acme_operators:LIBRARY\nclash = acme_operators:CLASH\nodd = acme_operators:ODD\n"
    )
    (tmp_path / "acme_operators.py").write_text(
        textwrap.dedent(
            '''
            from flowsteer.draft import Draft, Verdict
            from flowsteer.operators.base import operator
            from flowsteer.operators.registry import Library

            @operator(category="verification", reads=("answer",), writes=("verdict",))
            async def parity_check(call):
                """Check that the answer is an even number."""
                return Draft(verdict=Verdict(int(call.draft.answer) % 2 == 0, by="ParityCheck"))

            @operator(category="planning", reads=(), writes=("plan",), name="Plan")
            async def another(call):
                """Plan otherwise."""
                return Draft(plan="otherwise")

            LIBRARY = Library.of("acme", (parity_check,))
            CLASH = Library.of("clash", (another,))
            ODD = 42
            '''
        )
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("acme_operators", None)


def test_the_built_in_libraries_are_found_by_their_entry_points():
    assert {"paper", "tools"} <= set(library_names())
    assert load_library().name == "paper"
    assert len(load_library("paper").operators) == 12


def test_libraries_join_in_the_order_named():
    joined = load_library("paper+tools")
    assert joined.name == "paper+tools"
    assert list(joined.operators) == [*load_library("paper").operators, *load_library("tools").operators]


@pytest.mark.usefixtures("third_party")
async def test_another_packages_checker_is_a_checker():
    library = load_library("paper+acme")
    assert "acme" in library_names()
    assert library.categories["ParityCheck"] == "verification"
    assert library.operators["ParityCheck"].summary == "Check that the answer is an even number."


@pytest.mark.usefixtures("third_party")
def test_two_operators_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="two operators are named Plan"):
        load_library("paper+clash")


@pytest.mark.usefixtures("third_party")
def test_an_entry_point_that_is_no_library_is_refused():
    with pytest.raises(ConfigError, match="not a Library but int"):
        load_library("odd")


def test_an_unknown_library_names_those_there_are():
    with pytest.raises(ConfigError) as failure:
        load_library("papre")
    assert "paper, tools" in failure.value.hint


def test_a_library_of_nothing_but_its_name():
    assert Library.of("empty", ()).operators == {}


def test_a_part_of_a_library_is_a_library():
    part = load_library("paper:Format, Custom")
    assert (part.name, list(part.operators)) == ("paper:Custom,Format", ["Custom", "Format"])
    assert load_library(part.name) == part
    joined = load_library("paper:Custom+tools:Calculator")
    assert list(joined.operators) == ["Custom", "Calculator"]
    with pytest.raises(ConfigError, match="has no operator 'Solve'") as refused:
        load_library("paper:Custom,Solve")
    assert "Review" in refused.value.hint


def test_a_library_that_cannot_be_imported_is_told(third_party, tmp_path):
    (tmp_path / "acme_operators.py").write_text("import a_module_that_is_not_there\n")
    with pytest.raises(ConfigError, match="'acme' cannot be loaded: ModuleNotFoundError"):
        load_library("acme")
