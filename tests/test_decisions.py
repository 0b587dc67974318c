"""Decisions: boxes found in a hand-made notebook; and every box of the book has its decision."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from cwbook import decisions, ledger
from cwbook.effects import EFFECTS
from cwbook.ledger import Results
from cwlib.experiments import Experiment
from prose import toc_pages

BOOK = Path(__file__).resolve().parent.parent / "book"
FILE = BOOK / "results" / "decisions.json"

BOX = """:::{admonition} What the paper does not say
:class: paper-silent
- **Strides.** We.
- **The sum** is.

**Kernels.** No **bold** later.
:::

:::{admonition} Other
x
:::"""
CHAPTER = [
    ("a", "markdown", "# Title\n\n## First part, with 2 words\n\ntext"),
    ("b", "markdown", BOX),
    ("c", "code", "print(1)"),
    ("d", "markdown", ":::{admonition} What the papers do not say\nplain\n:::"),
]


@pytest.fixture
def book(tmp_path) -> Path:
    """A book of one chapter, whose code cell has printed a number."""
    outputs = [{"output_type": "stream", "text": ["costs 1,234.5 bytes\n", "or **-3** dB"]}]
    shown = {"data": {"text/markdown": ["| a | 7.25 |"], "text/plain": ["<Markdown>"]}}
    cells = [
        {"id": i, "cell_type": kind, "source": [text], "outputs": [*outputs, shown]}
        for i, kind, text in CHAPTER
    ]
    path = tmp_path / "part" / "01-one.ipynb"
    path.parent.mkdir()
    path.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    return tmp_path


def test_boxes_are_found_with_their_items_and_the_anchor_above(book):
    first, second = decisions.boxes(book)
    assert (first.chapter, first.cell) == ("part/01-one", "b")
    assert first.items == ["Strides.", "The sum", "Kernels."]
    assert (second.cell, second.items) == ("d", [])
    assert "Other" not in first.text
    assert decisions.anchor(book, "part/01-one", "b") == "first-part-with-2-words"
    with pytest.raises(ValueError, match="has no cell 'z'"):
        decisions.anchor(book, "part/01-one", "z")


def test_slugs_are_those_of_docutils():
    nodes = pytest.importorskip("docutils.nodes", reason="docutils comes with the book's tools")
    titles = {"Eq. 9, word by word", "The paper's numbers: 4", "A  b -- c", "24 × 8: naïve?"}
    for path in BOOK.glob("*/*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
        titles |= set(re.findall(r"^##+ ([^$`\n]+)$", text, re.MULTILINE))
    for title in titles:
        assert decisions.slug(title) == nodes.make_id(nodes.fully_normalize_name(title))


@pytest.mark.parametrize(
    "pattern, value", [("costs #", 1234.5), (r"\*\*#\*\* dB", -3), (r"a \| #", 7.25)]
)
def test_a_number_is_read_out_of_a_chapters_outputs(book, pattern, value):
    assert Results({}, book).printed("part/01-one", "c", pattern) == value
    with pytest.raises(ValueError, match=r"no 'gone #' in part/01-one, cell c"):
        Results({}, book).printed("part/01-one", "c", "gone #")


def test_the_effect_says_where_it_is_from(book, monkeypatch):
    monkeypatch.setitem(EFFECTS, "1", lambda r: f"{r.one('r', 'e')['psnr']:.1f} dB")
    monkeypatch.setitem(EFFECTS, "2", lambda r: f"{r.printed('part/01-one', 'c', 'costs #'):.0f} B")
    results = Results({"r": [{"experiment": "e", "image": "mean", "psnr": 30.0}]}, book)

    def renewed(id: str, effect: str = "", results: Results = results) -> tuple[str, str]:
        row = decisions.renewed({"id": id, "effect": effect}, results)
        return row["measured"], row["effect"]

    assert renewed("1") == ("results", "30.0 dB")
    assert renewed("2") == ("chapter", "1234 B")
    assert renewed("1", "31.0 dB", Results({})) == ("pending", "")
    assert renewed("3", "a quarter") == ("arithmetic", "a quarter")
    assert renewed("3") == ("not", "")


# --- the book's own ------------------------------------------------------------------------------

ROWS = ledger.read(FILE)
BOXES = decisions.boxes(BOOK)


def test_the_decisions_are_numbered_through_and_have_the_effects_that_results_tell():
    assert [r["id"] for r in ROWS] == [f"{k:02d}" for k in range(1, len(ROWS) + 1)]
    assert EFFECTS.keys() <= {r["id"] for r in ROWS}
    results = Results.of(FILE.parent)
    stale = [r["id"] for r in ROWS if decisions.renewed(r, results) != r]
    assert not stale, "run `python -m cwbook ledger`"


def test_every_box_of_every_chapter_has_its_decisions_and_every_decision_its_boxes():
    cited = {(b["chapter"], b["cell"], b.get("item")) for r in ROWS for b in r["boxes"]}
    known = {(b.chapter, b.cell, item) for b in BOXES for item in (b.items or [None])}
    read = {page.removeprefix("book/") for page in toc_pages()}  # a draft may have its own boxes
    missing = {box for box in known - cited if box[0] in read}
    assert not missing, "add to the `boxes` of a record in book/results/decisions.json"
    assert cited <= known, "the chapter has changed: mend the decision, or its box"


def test_every_decision_is_a_question_with_a_choice_and_names_fields_that_exist():
    fields = {f.name for f in dataclasses.fields(Experiment)}
    for r in ROWS:
        for field in ("topic", "question", "choice", "alternatives"):
            assert r[field].strip(), f"{field} of {r['id']} is empty"
        assert r["question"].endswith("?") and r["boxes"], r["id"]
        assert set(r.get("fields", [])) <= fields, r["id"]
