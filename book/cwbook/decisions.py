"""What the papers do not say: every decision that the chapters had to take, on one page.

The chapters' boxes of that name hold the reasons; book/results/decisions.json collects what was
decided, with the field of the experiment that keeps the alternative in reach and the effect of the
choice where it was measured. Effects are cited as in the ledger, or read from a chapter's outputs
(`from_chapter`), and written anew by the same `python -m cwbook ledger`.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cwbook.ledger import Records, Row, read, read_results, resolve, write
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


def from_chapter(book: Path, cite: Mapping) -> float:
    """A number out of a chapter's stored outputs: {"chapter", "cell", "find"}.

    `find` is a regular expression whose group is the number. Raises ValueError where it is not.
    """
    cells = _cells(Path(book) / f"{cite['chapter']}.ipynb")
    outputs = [o for c in cells if c["id"] == cite["cell"] for o in c.get("outputs", ())]
    text = "\n".join("".join(_readable(output)) for output in outputs)
    found = re.search(cite["find"], text)
    if found is None:
        raise ValueError(f"no {cite['find']!r} in {cite['chapter']}, cell {cite['cell']}: {text!r}")
    return float(found[1].replace(",", ""))


def _readable(output: Mapping) -> Sequence[str]:
    data = output.get("data", {})
    return output.get("text") or data.get("text/markdown") or data.get("text/plain") or ()


def renewed(row: Row, records: Records, book: Path) -> Row:
    """The row with `effect` as it follows from results and chapters, and `measured`: where from.

    measured: `results`, `chapter`, `arithmetic`, `pending` (a number is not there yet) or `not`.
    """
    cites = row.get("cites", [])
    values = [from_chapter(book, c) if "chapter" in c else resolve(c, records) for c in cites]
    if None in values:
        return {**row, "effect": "", "measured": "pending"}
    effect = str(row.get("form", "")).format(*values)
    if not effect:
        where = "not"
    elif not cites:
        where = "arithmetic"
    else:
        where = "chapter" if any("chapter" in c for c in cites) else "results"
    return {**row, "effect": effect, "measured": where}


def renew(path: Path) -> list[Row]:
    """Bring a file of decisions up to date with the results beside it and the chapters above."""
    folder = Path(path).parent
    with files.locked(folder.resolve()):
        records = read_results(folder)
        rows = [renewed(row, records, folder.parent) for row in read(path)]
        write(path, rows)
    return rows
