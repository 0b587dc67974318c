"""Decisions: boxes found in hand-made notebooks; and every box of the book has its decision."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from cwbook import decisions, ledger
from cwbook.decisions import Box
from cwlib.experiments import Experiment
from test_book import toc_pages

BOOK = Path(__file__).resolve().parent.parent / "book"
FILE = BOOK / "results" / "decisions.json"
ROWS = ledger.read(FILE)
BOXES = decisions.boxes(BOOK)
READ = {page.removeprefix("book/") for page in toc_pages()}  # a draft may have boxes to itself

CHAPTER = [
    ("a", "markdown", "# Title\n\n## First part, with 2 words\n\ntext"),
    (
        "b",
        "markdown",
        ":::{admonition} What the paper does not say\n:class: paper-silent\n- **Strides.** We.\n"
        "- **The sum** is.\n\n**Kernels.** No **bold** later.\n:::\n\n"
        ":::{admonition} Other\nx\n:::",
    ),
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


def test_boxes_are_found_with_their_items(book):
    first, second = decisions.boxes(book)
    assert (first.chapter, first.cell) == ("part/01-one", "b")
    assert first.items == ["Strides.", "The sum", "Kernels."]
    assert (second.cell, second.items) == ("d", [])
    assert "Other" not in first.text


def test_an_anchor_is_that_of_the_heading_above(book):
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
    "find, value",
    [(r"costs ([\d.,]+)", 1234.5), (r"\*\*(-?\d+)\*\* dB", -3), (r"a \| ([\d.]+)", 7.25)],
)
def test_a_number_is_read_out_of_a_chapters_outputs(book, find, value):
    cite = {"chapter": "part/01-one", "cell": "c", "find": find}
    assert decisions.from_chapter(book, cite) == value


def test_a_number_that_left_its_chapter_is_missed(book):
    with pytest.raises(ValueError, match="no 'gone .*' in part/01-one, cell c"):
        decisions.from_chapter(book, {"chapter": "part/01-one", "cell": "c", "find": r"gone (\d)"})


def test_the_effect_says_where_it_is_from(book):
    records = {"r": [{"experiment": "e", "psnr": 30.0}]}
    on_file = {"results": "r", "where": {"experiment": "e"}, "field": "psnr"}
    chapter = {"chapter": "part/01-one", "cell": "c", "find": r"costs ([\d.,]+)"}

    def told(**row) -> tuple[str, str]:
        found = decisions.renewed(row, records, book)
        return found["measured"], found["effect"]

    assert told(form="{0:.1f} dB", cites=[on_file]) == ("results", "30.0 dB")
    assert told(form="{0:.0f} B, {1:.0f} dB", cites=[chapter, on_file]) == (
        "chapter",
        "1234 B, 30 dB",
    )
    assert told(form="a quarter") == ("arithmetic", "a quarter")
    assert told() == ("not", "")
    missing = {**on_file, "where": {"experiment": "f"}}
    assert told(form="{0}", cites=[missing]) == ("pending", "")


def test_renewing_twice_changes_nothing(book):
    (book / "results").mkdir()
    path = book / "results" / "decisions.json"
    cite = {"chapter": "part/01-one", "cell": "c", "find": r"costs ([\d.,]+)"}
    ledger.write(path, [{"id": "01", "form": "{0:,.1f} bytes", "cites": [cite]}])
    assert decisions.renew(path)[0]["effect"] == "1,234.5 bytes"
    text = path.read_text(encoding="utf-8")
    decisions.renew(path)
    assert path.read_text(encoding="utf-8") == text


# --- the book's own ------------------------------------------------------------------------------


def cited_items(box: Box) -> set[str | None]:
    return {
        one.get("item")
        for r in ROWS
        for one in r["boxes"]
        if (one["chapter"], one["cell"]) == (box.chapter, box.cell)
    }


@pytest.mark.parametrize(
    "box", [b for b in BOXES if b.chapter in READ], ids=lambda b: f"{b.chapter}-{b.cell}"
)
def test_every_box_of_every_chapter_has_its_decisions(box):
    missing = set(box.items or [None]) - cited_items(box)
    assert not missing, (
        f"book/results/decisions.json lacks what {box.chapter}, cell {box.cell!r}, decides: "
        f"{sorted(map(str, missing))}; add a record with "
        f'"boxes": [{{"chapter": "{box.chapter}", "cell": "{box.cell}", "item": ...}}]'
    )


@pytest.mark.parametrize("r", ROWS, ids=lambda r: r["id"])
class TestDecision:
    def test_is_complete(self, r):
        for field in ("topic", "question", "choice", "alternatives"):
            assert r[field].strip(), f"{field} is empty"
        assert r["question"].endswith("?") and r["boxes"]

    def test_points_at_boxes_that_are_there(self, r):
        known = {(b.chapter, b.cell, item) for b in BOXES for item in (b.items or [None])}
        cited = {(one["chapter"], one["cell"], one.get("item")) for one in r["boxes"]}
        assert cited <= known, "the chapter has changed: mend the decision, or its box"

    def test_names_fields_that_an_experiment_has(self, r):
        fields = {f.name for f in dataclasses.fields(Experiment)}
        assert set(r.get("fields", [])) <= fields

    def test_has_the_effect_that_results_and_chapters_tell(self, r):
        fresh = decisions.renewed(r, ledger.read_results(FILE.parent), BOOK)
        assert (fresh["effect"], fresh["measured"]) == (r["effect"], r["measured"]), (
            "stale: run `python -m cwbook ledger --out book/results/ledger.json`"
        )


def test_the_decisions_are_numbered_through():
    assert [r["id"] for r in ROWS] == [f"{k:02d}" for k in range(1, len(ROWS) + 1)]
