"""What the papers do not say: every decision that the chapters had to take, on one page.

The chapters' boxes of that name hold the reasons; book/results/decisions.json says in words what
was decided, with the field of the experiment that keeps the alternative in reach. What the choice
is worth, where that was measured, `cwbook.effects` computes and `python -m cwbook ledger` fills in.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from cwbook.effects import EFFECTS
from cwbook.ledger import NotMeasured, Results, Row, read, write
from cwlib import files

_BOX = re.compile(
    r"^:::\{admonition\} (What the papers? do(?:es)? not say)\n(.*?)^:::\s*$", re.M | re.S
)


@dataclass(frozen=True)
class Box:
    """A box of a chapter: `mnist/04-importance`, the id of its cell, and its text."""

    chapter: str
    cell: str
    text: str

    @property
    def items(self) -> list[str]:
        """The bold words that its paragraphs or points open with; none in a box of plain text."""
        return re.findall(r"^(?:- )?\*\*(.+?)\*\*", self.text, re.M)


def boxes(book: Path) -> list[Box]:
    """Every box 'What the paper does not say' in the notebooks below a folder, in their order."""
    found = []
    for path in sorted(Path(book).glob("*/*.ipynb")):
        for cell in _cells(path):
            if cell["cell_type"] == "markdown":
                chapter = path.relative_to(book).with_suffix("").as_posix()
                texts = _BOX.findall("".join(cell["source"]) + "\n")
                found += [Box(chapter, cell["id"], text) for _, text in texts]
    return found


def _cells(notebook: Path) -> list[dict]:
    return json.loads(notebook.read_text(encoding="utf-8"))["cells"]


def anchor(book: Path, chapter: str, cell: str) -> str:
    """The id that the built page has for the last heading above a cell. Raises ValueError."""
    heading = None
    for one in _cells(Path(book) / f"{chapter}.ipynb"):
        if one["id"] == cell:
            return slug(heading or "")
        if one["cell_type"] == "markdown":
            titles = re.findall(r"^#+ (.+)$", "".join(one["source"]), re.M)
            heading = titles[-1] if titles else heading
    raise ValueError(f"{chapter} has no cell {cell!r}")


def slug(heading: str) -> str:
    """What docutils makes of a heading: 'Eq. 9, word by word' -> 'eq-9-word-by-word'."""
    ascii_only = unicodedata.normalize("NFKD", heading.lower()).encode("ascii", "ignore").decode()
    return re.sub(r"^[0-9-]+|-+$", "", re.sub(r"[^a-z0-9]+", "-", ascii_only))


def renewed(row: Row, results: Results) -> Row:
    """The row with `effect` as it follows from results and chapters, and `measured`: where from.

    measured: `results`, `chapter`, `arithmetic` (words by hand), `pending` (a number is not there
    yet) or `not`.
    """
    if row["id"] not in EFFECTS:
        return {**row, "measured": "arithmetic" if row["effect"] else "not"}
    results = results.afresh()
    try:
        effect = EFFECTS[row["id"]](results)
    except (NotMeasured, KeyError):
        return {**row, "effect": "", "measured": "pending"}
    return {**row, "effect": effect, "measured": "chapter" if results.chapters else "results"}


def renew(path: Path) -> list[Row]:
    """Bring a file of decisions up to date with the results beside it and the chapters above."""
    folder = Path(path).parent
    with files.locked(folder.resolve()):
        results = Results.of(folder)
        rows = [renewed(row, results) for row in read(path)]
        write(path, rows)
    return rows
