"""book/_ext/local_api.py: docstrings of ours become pages, nothing lost and nothing misread."""

import ast
import sys

import pytest

import test_architecture
from prose import ROOT


@pytest.fixture(scope="module")
def local_api():
    pytest.importorskip("sphinx", reason="the book's pages are made with Sphinx")
    sys.path.insert(0, str(ROOT / "book" / "_ext"))
    try:
        import local_api
    finally:
        sys.path.pop(0)
    return local_api


def test_marks_of_restructured_text_are_only_text(local_api):
    assert local_api.to_rst(["2**31, M_I^*, x_ and |y|."])[0] == (
        r"2\*\*31, M_I^\*, x\_ and \|y\|."
    )


def test_names_of_cwlib_become_links_and_other_code_stays_code(local_api):
    import cwlib.codec

    got = local_api.inline("`compress`es with `zoo.load`, `x = 1` and `nope`.", cwlib.codec)
    assert local_api.inline("`plot_...`") == "``plot_...``\\ "  # dots, but no name
    assert got == (
        ":py:obj:`compress <cwlib.codec.compress>`\\ es with "
        ":py:obj:`zoo.load <cwlib.zoo.load>`\\ , ``x = 1``\\  and ``nope``\\ ."
    )


def test_drawings_examples_and_tables_keep_their_form(local_api):
    drawing = ["    x --g_a--> z", "      |"]
    kept = [f"    {line}" for line in drawing]
    assert local_api.to_rst(drawing) == [".. code-block:: text", "", *kept, ""]
    assert local_api.to_rst([">>> f(2**3)", "8"]) == [">>> f(2**3)", "8", ""]
    table = local_api.to_rst(["| a | b |", "|---|---|", "| 1 | 2*3 |"])
    assert table[:2] == [".. list-table::", "   :header-rows: 1"]
    assert [line.strip() for line in table[3:-1]] == ["* - a", "- b", "* - 1", r"- 2\*3"]


def test_a_package_is_shown_with_all_modules_in_it(local_api):
    below = {name for name in test_architecture.NAMES if name.startswith("cwlib.coding")}
    assert set(local_api.modules("coding")) == below


def test_public_constants_and_fields_are_found_and_nothing_else(local_api):
    body = ast.parse("A = 1\n_B = 2\nclass C:\n    x: int = 3\n    def f(self): y = 4").body
    found = [(scope, name) for scope, name, _ in local_api.assignments(body)]
    assert found == [("", "A"), ("C", "x")]


def test_a_constant_is_told_by_the_comment_behind_it(local_api):
    from sphinx.pycode import ModuleAnalyzer

    local_api.note_comments("cwlib.coding.arithmetic")
    docs = ModuleAnalyzer.for_module("cwlib.coding.arithmetic").attr_docs
    assert docs["", "FULL"][0] == "the interval of the empty message"
    assert ("Step", "carry") not in docs, "a field without a comment is in the signature already"


def test_a_folder_of_this_machine_is_not_on_the_page(local_api):
    from sphinx.pycode import ModuleAnalyzer

    for module, name in (("cwlib.zoo", "WEIGHTS"), ("cwlib.codec.photos", "HALO")):
        local_api.note_comments(module)
        told = ModuleAnalyzer.for_module(module).attr_docs["", name]
        assert (":meta hide-value:" in told) == (name == "WEIGHTS")
