"""The front page: its tables name every chapter, with the minutes that the chapters give."""

import re

import pytest

from prose import FRONT_PAGE, ROOT, notebook, notebooks
from test_book import code_cells, markdown

RERUN = "run `make notebooks NOTEBOOKS=book/index.ipynb`"


def name_of(path) -> str:
    return path.relative_to(ROOT / "book").with_suffix("").as_posix()


def shown() -> str:
    """All Markdown that the page's cells have written."""
    outputs = [output for cell in code_cells(FRONT_PAGE) for output in cell["outputs"]]
    return "\n".join("".join(o.get("data", {}).get("text/markdown", "")) for o in outputs)


def rows() -> dict[str, tuple[str, str, int]]:
    """{chapter: (title, question, minutes)} of the tables."""
    found = re.findall(r"^\| \[(.+?)\]\((\S+?)\.ipynb\) \| (.*?) \| (\d+) \|$", shown(), re.M)
    return {chapter: (title, asked, int(n)) for title, chapter, asked, n in found}


def minutes_of(path) -> int:
    (found,) = re.findall(r"Reading: (\d+) minutes|(\d+) minutes to read", "".join(markdown(path)))
    return int("".join(found))


@pytest.mark.parametrize("path", notebooks(), ids=name_of)
def test_a_chapter_stands_in_a_table_with_its_title_question_and_minutes(path):
    title, question, minutes = rows()[name_of(path)]
    assert title == re.match(r"# (.+)", markdown(path)[0])[1].strip(), RERUN
    assert question.endswith("?"), f"no question for it in QUESTIONS of {FRONT_PAGE.name}"
    assert minutes == minutes_of(path), RERUN


def test_each_part_adds_up_its_own_minutes():
    tables = [text for text in shown().split("| chapter |") if "*together*" in text]
    assert len(tables) == 6
    for text in tables:
        (total,) = re.findall(r"\*together\* \| (\d+)", text)
        found = re.findall(r"^\| \[.+?\]\(\S+\) \| .*? \| (\d+) \|$", text, re.M)
        assert int(total) == sum(map(int, found)), RERUN


def test_every_reader_has_a_way_of_chapters_that_exist():
    ways = re.findall(r"^\| \*\*(.+?)\*\* \| (.+?) \| (.+?) \|$", shown(), re.M)
    assert len(ways) == 4
    for who, what, time in ways:
        links = re.findall(r"\]\((\S+?)\)", what)
        assert links or "all parts" in what, who
        assert all((FRONT_PAGE.parent / link).exists() for link in links), who
        assert re.fullmatch(r"\d+ minutes|\d*½? hours", time), who


def test_the_slider_is_light():
    (html,) = [
        "".join(output["data"]["text/html"])
        for cell in code_cells(FRONT_PAGE)
        for output in cell["outputs"]
        if "data-scrubber" in "".join(output.get("data", {}).get("text/html", ""))
    ]
    assert len(html) < 600_000


def test_title_and_one_sentence_come_before_the_slider():
    first, setup, slider = notebook(FRONT_PAGE)["cells"][:3]
    text = "".join(first["source"])
    assert text.startswith("# ") and text.count(".\n") + text.endswith(".") == 1
    assert {"remove-input"} == set(setup["metadata"]["tags"]) == set(slider["metadata"]["tags"])
    assert "Scrubber(" in "".join(slider["source"])
