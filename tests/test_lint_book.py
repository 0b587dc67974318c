"""`make lint-book`: the chapters pass, and a chapter that does not keep to the rules is noticed."""

import json
import re
from copy import deepcopy

import pytest

import lint_book
import prose

CHAPTER = prose.chapters()["mnist/01-task"]


def test_the_book_passes_its_lint(capsys):
    assert lint_book.main([]) == 0, capsys.readouterr().out


def rewritten(tmp_path, change) -> list[str]:
    """The faults of a chapter after a change of its cells."""
    notebook = deepcopy(prose.notebook(CHAPTER))
    change(notebook["cells"])
    path = tmp_path / "chapter.ipynb"
    path.write_text(json.dumps(notebook, indent=1), encoding="utf-8")
    return lint_book.faults(path)


def replace(old: str, new: str):
    """A change of every Markdown cell: a regular expression, and what comes in its place."""

    def change(cells: list[dict]) -> None:
        for cell in cells:
            if cell["cell_type"] == "markdown":
                cell["source"] = [re.sub(old, new, "".join(cell["source"]), flags=re.MULTILINE)]

    return change


def drop(condition):
    def change(cells: list[dict]) -> None:
        cells[:] = [cell for cell in cells if not condition(cell)]

    return change


def figures_first(cells: list[dict]) -> None:
    cells.insert(0, next(c for c in cells if "image/png" in str(c.get("outputs"))))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replace("^## Summary", "## Coda"), "no heading or box called ['Summary']"),
        (replace(r"admonition\} Try it", "admonition} Play"), "called ['Try it']"),
        (replace(r"\(easy, ", "(hard, "), "have easy, medium and open ones"),
        (replace(r"^\*\*2\. ", "**7. "), "exercises are numbered"),
        (replace(r"\((easy), [^)]+\)", r"(\1, soon)"), "does not say how long it takes"),
        (drop(lambda c: "hide-cell" in str(c["metadata"])), "has no solution that was run"),
        (replace(r"\d+ minutes", "some minutes"), "how many minutes it takes to read"),
        (replace("GPU", "toaster"), "what a GPU adds"),
        (replace("^- ", "+ "), "in other than two to five points"),
        (figures_first, "asks nothing to predict before the first figure"),
        (replace("paper-silent", "note"), "no box for what the paper leaves open"),
        (replace("footbibliography", "bibliography"), "does not end with its references"),
        (drop(lambda c: "rediction" in str(c) or "guess" in str(c)), "called ['Predict']"),
        (replace(r"\{term\}`([^`<]*)[^`]*`", r"\1"), "without a link: write {term}`"),
        (replace(r"^## Summary", "{term}`entropy` {term}`entropy`\n\n## Summary"), "once will do"),
    ],
)
def test_a_chapter_that_lacks_something_is_noticed(tmp_path, change, message):
    assert any(message in fault for fault in rewritten(tmp_path, change))


def test_a_fault_says_in_which_line_of_the_file_it_is(tmp_path):
    (fault,) = rewritten(tmp_path, replace(r"^\*\*2\. ", "**7. "))
    line = int(fault.split(":")[1])
    text = (tmp_path / "chapter.ipynb").read_text(encoding="utf-8").splitlines()
    assert '"id": "' in text[line - 1]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"b": "It is.", "a": "It was."}, "has 'a' behind 'b'"),
        ({"a": "It is"}, "'a' is not one to three sentences"),
        ({"a": "One. Two. Three. Four."}, "'a' is not one to three sentences"),
        ({"a": "It is."}, "has 1 entries"),
    ],
)
def test_a_glossary_out_of_order_is_noticed(monkeypatch, entries, message):
    monkeypatch.setattr(prose, "glossary", lambda: entries)
    assert any(message in fault for fault in lint_book.of_glossary())


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Symbols of the entropy coder.", {"symbol", "entropy"}),
        ("The cross-entropy, and two entropies", {"cross-entropy", "entropy"}),
        ("`entropy` of $entropy$ in [entropy](x.md), {term}`entropy`", set()),
        ("# Entropy\n:::{admonition} Entropy\n**1. Entropy** (easy)", set()),
        ("PSNR but not psnr", {"PSNR"}),
        ("psnr, symbolic, a learning rate", set()),
        ("soft to hard", {"soft-to-hard"}),
        ("in other words, at this level", set()),
    ],
)
def test_words_are_found_in_running_text_and_nowhere_else(text, terms):
    known = ["symbol", "entropy", "cross-entropy", "PSNR", "rate", "soft-to-hard", "word", "level"]
    assert prose.terms_of(text, known) == terms
    assert set(prose.glossary()) >= prose.EVERYDAY
