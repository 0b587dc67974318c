"""What a chapter owes to its reader: aims, a prediction that is answered, solutions, linked words.

The tests read the notebooks as they are stored; that the code in them runs is nbval's business.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import prose
from prose import cells, outputs, source
from test_reference import glossary, terms_in

CHAPTERS = [name for name in prose.chapters() if name in prose.written()]
LEVELS = ("easy", "medium", "open")
# These two chapters *are* about what the papers leave open.
WITHOUT_BOX = {"ledger/01-ledger", "ledger/02-decisions"}


def body(path: Path, title: str) -> str:
    """The text of the box whose title begins with these words."""
    found = re.search(
        rf"^:::+\{{admonition\}} {title}[^\n]*\n(.*?)^:::", prose.markdown(path), re.DOTALL | re.M
    )
    assert found, f"no box {title!r}"
    return found[1]


def place(path: Path, words: str) -> int:
    """The number of the first Markdown cell that has these words."""
    return next(
        k
        for k, cell in enumerate(cells(path))
        if cell["cell_type"] == "markdown" and words in source(cell)
    )


def shown(cell: dict[str, Any]) -> str:
    """What a reader sees of a cell as text: Markdown, or what its code has shown."""
    return source(cell) if cell["cell_type"] == "markdown" else "\n".join(outputs(cell))


# Exercises ---------------------------------------------------------------------------------------


class Exercise(NamedTuple):
    """An exercise as its first line says, with all cells from there to the next one."""

    number: int
    level: str
    time: str
    cells: list[dict[str, Any]]


EXERCISE = re.compile(r"^\*\*(\d+)\. [^*\n]+\*\* \((\w+), ([^)]+?)\.?\)\.?$", re.MULTILINE)


def exercises(path: Path) -> list[Exercise]:
    starts = [
        (k, match)
        for k, cell in enumerate(cells(path))
        if cell["cell_type"] == "markdown"
        for match in EXERCISE.finditer(source(cell))
    ]
    ends = [k for k, _ in starts[1:]] + [len(cells(path))]
    return [
        Exercise(int(m[1]), m[2], m[3], cells(path)[k : end + 1])
        for (k, m), end in zip(starts, ends, strict=True)
    ]


def is_solution(cell: dict[str, Any]) -> bool:
    """A code cell behind a button that was run and has shown something."""
    tags = cell["metadata"].get("tags", [])
    return (
        cell["cell_type"] == "code"
        and "hide-cell" in tags
        and cell["execution_count"] is not None
        and bool(cell["outputs"])
    )


def is_sketch(cell: dict[str, Any]) -> bool:
    return ":class: dropdown" in source(cell) and "{admonition} Solution" in source(cell)


@pytest.mark.parametrize("name", CHAPTERS)
class TestExercises:
    def test_come_at_all_three_levels_the_easy_ones_first(self, name):
        levels = [LEVELS.index(one.level) for one in exercises(prose.chapters()[name])]
        assert levels == sorted(levels) and set(levels) == {0, 1, 2}

    def test_are_numbered_from_one(self, name):
        found = [one.number for one in exercises(prose.chapters()[name])]
        assert found == list(range(1, len(found) + 1))

    def test_say_how_long_they_take(self, name):
        for one in exercises(prose.chapters()[name]):
            assert re.search(r"minute|hour|day|afternoon|as long as", one.time), one.number

    def test_have_a_solution_that_was_run_or_a_sketch_where_they_are_open(self, name):
        for one in exercises(prose.chapters()[name]):
            solved = any(is_solution(cell) for cell in one.cells)
            sketched = one.level == "open" and any(is_sketch(cell) for cell in one.cells)
            assert solved or sketched, f"exercise {one.number} ({one.level}) has no solution"


# The other parts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHAPTERS)
class TestChapter:
    def test_says_first_what_one_will_be_able_to_do(self, name):
        aims = re.findall(r"^- .+", body(prose.chapters()[name], "In this chapter"), re.MULTILINE)
        assert 2 <= len(aims) <= 5

    def test_says_how_long_it_takes_and_what_a_gpu_adds(self, name):
        text = body(prose.chapters()[name], "In this chapter")
        assert re.search(r"\d+ minutes", text), "how many minutes to read?"
        assert re.search(r"(minute|seconds).*(CPU|laptop)|Running: ", text), "how long to run?"
        assert "GPU" in text

    def test_asks_before_the_first_figure(self, name):
        path = prose.chapters()[name]
        assert "?" in body(path, "Predict")
        figures = [
            k
            for k, cell in enumerate(cells(path))
            if any("image/png" in o.get("data", {}) for o in cell.get("outputs", []))
        ]
        assert place(path, "{admonition} Predict") < figures[0]

    def test_comes_back_to_what_was_predicted(self, name):
        path = prose.chapters()[name]
        asked = place(path, "{admonition} Predict")
        later = "\n".join(shown(cell) for cell in cells(path)[asked + 1 :])
        assert re.search(
            r"(?i)\b(your|first|second|third) (half of your )?(prediction|guess|two numbers)"
            r"|\*predictions?\.\*|predictions can be checked",
            later,
        ), "the reader who has predicted wants to know where the answer is"

    def test_has_a_box_for_what_the_paper_leaves_open(self, name):
        text = prose.markdown(prose.chapters()[name])
        assert ":class: paper-silent" in text or name in WITHOUT_BOX

    def test_lets_one_try_something_that_answers_a_question(self, name):
        path = prose.chapters()[name]
        assert re.search(r"\?", body(path, "Try it"))
        start = place(path, "{admonition} Try it")
        assert any(cell["cell_type"] == "code" for cell in cells(path)[start + 1 : start + 4])

    def test_sums_up_in_a_few_points(self, name):
        path = prose.chapters()[name]
        start = place(path, "## Summary")
        seen = "\n".join(shown(cell) for cell in cells(path)[start : start + 2])
        points = re.findall(r"^- .+", seen.split("## Summary")[1].split("## Exercises")[0], re.M)
        assert 3 <= len(points) <= 7

    def test_ends_with_its_references(self, name):
        last = cells(prose.chapters()[name])[-1]
        assert "## References" in source(last) and "{footbibliography}" in source(last)


# Words -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHAPTERS)
class TestWords:
    """A glossary term that a chapter uses leads to the glossary once.

    Counted are running text and the plural; not headings, code, maths, other links, words that
    are everyday words too (`prose.EVERYDAY`), or what cells compute.
    """

    def test_of_the_glossary_lead_there(self, name):
        text = prose.markdown(prose.chapters()[name])
        linked = {glossary()[term] for term in terms_in(text)}
        used = prose.terms_of(text, glossary())
        missing = sorted(term for term in used if glossary()[term] not in linked)
        assert not missing, f"write {{term}}`...` where {name} first has {missing}"

    def test_lead_there_only_once(self, name):
        found = Counter(terms_in(prose.markdown(prose.chapters()[name])))
        assert [term for term, times in found.items() if times > 1] == []


@pytest.mark.parametrize(
    ("text", "found"),
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
def test_words_are_found_in_running_text_and_nowhere_else(text, found):
    terms = ["symbol", "entropy", "cross-entropy", "PSNR", "rate", "soft-to-hard", "word", "level"]
    assert prose.terms_of(text, terms) == found


def test_everyday_words_are_terms_of_the_glossary():
    assert set(glossary()) >= prose.EVERYDAY


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("**1. A table** (easy, 5 minutes)", "easy"),
        ("**2. What? Why?** (open, an hour).", "open"),
        ("**3. No level** (5 minutes)", None),
        ("**bold** (easy, 5 minutes)", None),
    ],
)
def test_an_exercise_is_known_by_its_first_line(line, level):
    found = EXERCISE.search(line)
    assert (found and found[2]) == level
