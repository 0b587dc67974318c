"""Judge how the chapters are written: their parts, exercises, and words that the glossary has.

    python scripts/lint_book.py                            # every chapter, and the glossary
    python scripts/lint_book.py book/mnist/01-task.ipynb   # some

Exit status 1, and `file:line: message` for each fault. The notebooks are read as they are stored.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import prose
from prose import cells, source

Cell = dict[str, Any]
Fault = tuple[Cell | None, str]  # where in the notebook, and what

PARTS = ("In this chapter", "Predict", "Try it", "Summary", "Exercises", "References")
LEVELS = ("easy", "medium", "open")
EXERCISE = re.compile(r"^\*\*(\d+)\. [^*\n]+\*\* \((\w+), ([^)]+?)\.?\)\.?$", re.MULTILINE)
ANSWER = re.compile(
    r"(?i)\b(your|first|second|third) (half of your )?(prediction|guess|two numbers)"
    r"|\*predictions?\.\*|predictions can be checked"
)
# These two chapters *are* about what the papers leave open.
WITHOUT_BOX = {"ledger/01-ledger", "ledger/02-decisions"}


class Exercise(NamedTuple):
    """An exercise as its first line says, with all cells from there to the next one."""

    number: int
    level: str
    time: str
    cells: list[Cell]


def exercises(path: Path) -> list[Exercise]:
    """The exercises of a chapter in their order."""
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


def is_solution(cell: Cell) -> bool:
    """A code cell behind a button that was run and has shown something."""
    hidden = cell["cell_type"] == "code" and "hide-cell" in cell["metadata"].get("tags", [])
    return hidden and cell["execution_count"] is not None and bool(cell["outputs"])


def is_sketch(cell: Cell) -> bool:
    """A solution in words, behind a button."""
    return ":class: dropdown" in source(cell) and "{admonition} Solution" in source(cell)


def of_exercises(path: Path) -> Iterator[Fault]:
    """Exercises at three levels, the easy ones first, numbered, with times and solutions."""
    found = exercises(path)
    where = found[0].cells[0] if found else None
    levels = [one.level for one in found]
    if set(levels) != set(LEVELS) or levels != sorted(levels, key=LEVELS.index):
        yield where, f"exercises are {levels}: have easy, medium and open ones, in this order"
    if [one.number for one in found] != list(range(1, len(found) + 1)):
        yield where, f"exercises are numbered {[one.number for one in found]}"
    for one in found:
        if not re.search(r"minute|hour|day|afternoon|as long as", one.time):
            yield one.cells[0], f"exercise {one.number} does not say how long it takes"
        solved = any(map(is_solution, one.cells))
        if not solved and not (one.level == "open" and any(map(is_sketch, one.cells))):
            yield one.cells[0], f"exercise {one.number} has no solution that was run"


def parts_of(path: Path) -> dict[str, tuple[Cell, str]]:
    """By the titles of headings and boxes (of `Predict: what?` until the colon): cell and text."""
    found = {}
    for cell in cells(path):
        if cell["cell_type"] == "markdown":
            for m in re.finditer(
                r"^(?:#+ |:{3,}\{admonition\} )(.+?)\s*$\n?(.*?)(?=^:::|^#|\Z)",
                source(cell),
                re.MULTILINE | re.DOTALL,
            ):
                found.setdefault(re.split(r"[:.?(]", m[1])[0].strip(), (cell, f"{m[1]}\n{m[2]}"))
    return found


def shown(cell: Cell) -> str:
    """What a reader sees of a cell as text: Markdown, or what its code has shown."""
    return source(cell) if cell["cell_type"] == "markdown" else "\n".join(prose.outputs(cell))


def of_parts(path: Path) -> Iterator[Fault]:
    """Every part of a chapter, each with what it is there for."""
    parts, all_cells = parts_of(path), cells(path)
    missing = [part for part in PARTS if part not in parts]
    if missing:
        yield None, f"has no heading or box called {missing}"
        return

    cell, aims = parts["In this chapter"]
    if not 2 <= len(re.findall(r"^- ", aims, re.MULTILINE)) <= 5:
        yield cell, "says in other than two to five points what one will be able to do"
    if not re.search(r"\d+ minutes", aims):
        yield cell, "does not say how many minutes it takes to read"
    if not re.search(r"(minute|seconds).*(CPU|laptop)|Running: ", aims) or "GPU" not in aims:
        yield cell, "does not say how long it runs, and what a GPU adds"

    cell, question = parts["Predict"]
    asked = all_cells.index(cell)
    figures = [
        k
        for k, one in enumerate(all_cells)
        if any("image/png" in output.get("data", {}) for output in one.get("outputs", []))
    ]
    if "?" not in question or (figures and asked > figures[0]):
        yield cell, "asks nothing to predict before the first figure"
    if not ANSWER.search("\n".join(shown(one) for one in all_cells[asked + 1 :])):
        yield cell, "never comes back to what was predicted"

    cell, question = parts["Try it"]
    start = all_cells.index(cell)
    if "?" not in question:
        yield cell, "has something to try that answers no question"
    if not any(one["cell_type"] == "code" for one in all_cells[start + 1 : start + 4]):
        yield cell, "has nothing to try behind `Try it`"

    cell, _ = parts["Summary"]
    start = all_cells.index(cell)
    text = "\n".join(shown(one) for one in all_cells[start : start + 2])
    points = re.findall(r"^- ", text.split("## Summary")[1].split("## Exercises")[0], re.MULTILINE)
    if not 3 <= len(points) <= 7:
        yield cell, f"sums up in {len(points)} points, not in three to seven"

    apart = f"{path.parent.name}/{path.stem}" in WITHOUT_BOX
    if ":class: paper-silent" not in prose.markdown(path) and not apart:
        yield None, "has no box for what the paper leaves open"
    last = source(all_cells[-1])
    if "## References" not in last or "{footbibliography}" not in last:
        yield all_cells[-1], "does not end with its references"


def of_words(path: Path) -> Iterator[Fault]:
    """A glossary term that a chapter uses leads to the glossary, once.

    Counted are running text and the plural; not headings, code, maths, other links, words that
    are everyday words too (`prose.EVERYDAY`), or what cells compute.
    """
    glossary, text = prose.glossary(), prose.markdown(path)
    linked = prose.terms_in(text)
    where = {glossary.get(term) for term in linked}
    for term in sorted(prose.terms_of(text, glossary)):
        if glossary[term] not in where:
            yield None, f"has {term!r} without a link: write {{term}}`{term}` where it is first"
    for term, times in Counter(linked).items():
        if times > 1:
            yield None, f"links {term!r} {times} times: once will do"


def of_glossary() -> Iterator[str]:
    """Entries in alphabetical order, one to three sentences each, as many as one can browse."""
    entries = prose.glossary()
    terms, texts = list(entries), list(entries.values())
    if not 80 <= len(set(texts)) <= 120:
        yield f"has {len(set(texts))} entries, not 80 to 120"
    # a synonym stands with its first term
    firsts = [term for k, term in enumerate(terms) if k == 0 or texts[k] != texts[k - 1]]
    bare = [re.sub(r"[^a-z0-9]", "", term.lower()) for term in firsts]
    for (a, before), (b, after) in zip(
        zip(firsts, bare, strict=True), zip(firsts[1:], bare[1:], strict=True), strict=False
    ):
        if before > after:
            yield f"has {b!r} behind {a!r}"
    for term in firsts:
        text = re.sub(r"\$[^$]*\$|\{\w+\}`[^`]*`", "it", entries[term])
        if not text.endswith(".") or not 1 <= len(re.findall(r"[.?!](?: |$)", text)) <= 3:
            yield f"{term!r} is not one to three sentences"


def line_of(path: Path, cell: Cell | None) -> int:
    """The line of a notebook's file at which a cell says its id; 1 for the whole of it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    mark = f'"id": "{cell["id"]}"' if cell else None
    return next((k for k, line in enumerate(lines, 1) if mark and mark in line), 1)


def faults(path: Path) -> list[str]:
    """`file:line: message` for everything that is wrong with how a chapter is written."""
    try:
        name = path.relative_to(prose.ROOT)
    except ValueError:
        name = path
    found = [fault for rule in (of_parts, of_exercises, of_words) for fault in rule(path)]
    return [f"{name}:{line_of(path, cell)}: {message}" for cell, message in found]


def main(arguments: list[str] | None = None) -> int:
    """Print the faults; 1 where there are any."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: every chapter")
    chosen = [path.resolve() for path in parser.parse_args(arguments).notebooks]
    found = [fault for path in chosen or prose.notebooks() for fault in faults(path)]
    if not chosen:
        found += [f"book/reference/glossary.md:1: {message}" for message in of_glossary()]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
