"""The words of the book without what is not prose: code, maths, links, roles; and its numbers."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"
FRONT_PAGE = BOOK / "index.ipynb"

# Roles that stand for something else; of {term}`shown <wanted>` the shown words stay.
ROLES = re.compile(r"\{(?!term)\w[\w:-]*\}`[^`]*`")
TERM = re.compile(r"\{term\}`([^`<]*?)(?:\s*<[^`]*>)?`")
MATHS = re.compile(r"\$\$.*?\$\$(?: *\(eq-[\w-]+\))?|\$(?:[^$\n]|\n(?!\n))+\$", re.DOTALL)
LINK = re.compile(r"\[([^\]]*)\]\([^)\s]*\)")
# Headings, titles of boxes, bold beginnings of paragraphs and items, and what others said.
TITLE = re.compile(r"^(?:#+ |[:`]{3,}\{\w+\}|> ).*$|^(?:- )?\*\*.+?\*\*", re.MULTILINE)
# 4.1 behind the word "section" names a place, and 1.2.8 or Python 3.10 a program.
PLACE = re.compile(
    r"\b(?:[Ss]ections?|Eqs?\.|Equations?|Figs?\.|Figures?|Tables?|Python|[Vv]ersions?)"
    r"\s+\d+(?:\.\d+)*(?:(?:, | and | to )\d+(?:\.\d+)*)*|\b\d+\.\d+\.\d+\b"
)
UNIT = r"%|per cent|dB|bpp|times|ms|MB|GB"
NUMBER = re.compile(
    r"(?<![\w.,])(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d+"
    rf"|(?P<whole>\d+)[  ]?(?P<unit>{UNIT})(?!\w))(?![,.]?\d)"
)


@cache
def toc_pages() -> list[str]:
    """Every page of the table of contents, without suffix, in reading order."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    chapters = [chapter for part in toc["parts"] for chapter in part["chapters"]]
    pages = [page for chapter in chapters for page in [chapter, *chapter.get("sections", [])]]
    return [toc["root"], *(page["file"] for page in pages)]


def notebooks() -> list[Path]:
    """The chapters. The front page is a notebook too, for its slider, but not a chapter."""
    return [path for page in toc_pages()[1:] if (path := ROOT / f"{page}.ipynb").exists()]


@cache
def notebook(path: Path) -> dict[str, Any]:
    """A notebook as it is stored."""
    return json.loads(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    """book/mnist/01-task.ipynb -> mnist/01-task"""
    return path.relative_to(BOOK).with_suffix("").as_posix()


@cache
def chapters() -> dict[str, Path]:
    """Every notebook of the table of contents by its name."""
    return {name_of(path): path for path in notebooks()}


def cells(path: Path) -> list[dict[str, Any]]:
    """The cells of a notebook."""
    return notebook(path)["cells"]


def source(cell: dict[str, Any]) -> str:
    """The text of a cell."""
    return "".join(cell["source"])


def markdown(path: Path) -> str:
    """All Markdown of a chapter, its cells in one text, or the text of a page."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    return "\n\n".join(source(c) for c in cells(path) if c["cell_type"] == "markdown")


def outputs(cell: dict[str, Any]) -> list[str]:
    """What a code cell shows as text: its streams, plain text and Markdown."""
    found = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        parts = (output.get("text"), data.get("text/markdown") or data.get("text/plain"))
        found += ["".join(part) for part in parts if part]
    return found


def said(cell: dict[str, Any]) -> Iterator[str]:
    """The words that a code cell puts around what it computes: what `Markdown(...)` is given."""
    lines = source(cell).splitlines()
    tree = ast.parse("\n".join("pass" if line.lstrip().startswith("%") else line for line in lines))
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Markdown":
            strings = (n.value for n in ast.walk(call) if isinstance(n, ast.Constant))
            yield from (text for text in strings if isinstance(text, str))


@cache
def pages() -> dict[str, Path]:
    """Every page of the book by its name: chapters, the front page, and Markdown files."""
    others = [path for path in sorted(BOOK.rglob("*.md")) if "_build" not in path.parts]
    return chapters() | {name_of(path): path for path in [FRONT_PAGE, *others]}


@cache
def texts() -> dict[str, str]:
    """The Markdown of every page by its name."""
    return {name: markdown(path) for name, path in pages().items()}


@cache
def typed(page: str) -> list[str]:
    """Every number that was typed on a page: in its Markdown, and around what its cells compute."""
    path = pages()[page]
    code = [] if path.suffix == ".md" else [c for c in cells(path) if c["cell_type"] == "code"]
    around = [number for cell in code for text in said(cell) for number in numbers(text)]
    return numbers(texts()[page]) + around


def without_code(text: str) -> str:
    """Without fenced code, options of directives, inline code, roles and addresses."""
    text = re.sub(r"^```(?!\{)\S*\n.*?^```$", " ", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^:\w+:.*$", " ", text, flags=re.MULTILINE)
    text = TERM.sub(r"\1", ROLES.sub(" ", text))
    text = re.sub(r"`[^`\n]*`", " ", text)
    return re.sub(r"https?://\S+", " ", LINK.sub(r"\1", text))


def running(text: str) -> str:
    """Running text alone: without titles, quotations, maths, code, and without links' words."""
    text = without_code(TERM.sub(" ", LINK.sub(" ", TITLE.sub(" ", text))))
    return re.sub(r"\s+", " ", MATHS.sub(" ", text))


def numbers(text: str) -> list[str]:
    """Numbers that look measured, in order: '0.36', '16,384', and with its unit '20 %' or '4 dB'.

    In maths these count too (`\\lambda = 0.003` is a value); whole numbers without a unit never do.
    """
    found = NUMBER.finditer(PLACE.sub(" ", without_code(text)))
    return [f"{m['whole']} {m['unit']}" if m["whole"] else m[0] for m in found]


@cache
def glossary() -> dict[str, str]:
    """Every term with its definition; synonyms share one."""
    page = (BOOK / "reference" / "glossary.md").read_text(encoding="utf-8")
    (body,) = re.findall(r"^```\{glossary\}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    entries = {}
    for entry in body.strip().split("\n\n"):
        terms = [line for line in entry.splitlines() if not line.startswith(" ")]
        text = " ".join(line.strip() for line in entry.splitlines() if line.startswith(" "))
        entries |= dict.fromkeys(terms, text)
    return entries


def terms_in(text: str) -> list[str]:
    """What {term}`...` in a text leads to: {term}`shown <wanted>` to `wanted`."""
    roles = re.findall(r"\{term\}`([^`]+)`", text)
    return [re.sub(r".*<(.+)>$", r"\1", role, flags=re.DOTALL) for role in roles]


# Terms of the glossary that are everyday words too: no test can tell in which sense they are meant,
# so that their links are left to the author's eye.
EVERYDAY = frozenset(
    "card carry claim code escape gain level scale section strength study verdict word".split()
)
# Where `rate` has nothing to do with bits.
ELSEWHERE = re.compile(r"\b(?:learning|exchange|constant)\s+rates?\b")


def pattern(term: str) -> re.Pattern[str]:
    """A term as it occurs in text: also in the plural, with a space or a hyphen, in capitals.

    Abbreviations and names (PSNR, rANS, WebP) have to be written as they are; other inflections
    (rounded, quantiser) do not count.
    """
    body = re.escape(term).replace(r"\ ", r"[\s-]+").replace(r"\-", r"[\s-]?")
    plural = rf"(?:{body}|{body[:-1]}ie)s" if term.endswith("y") else rf"{body}(?:s|es)?"
    flags = re.NOFLAG if re.search(r"[A-Z]{2}|[a-z][A-Z]", term) else re.IGNORECASE
    return re.compile(rf"(?<![\w-])(?:{body}|{plural})(?![\w-])", flags)


def terms_of(text: str, terms: Iterable[str]) -> set[str]:
    """The terms that occur in running text; `entropy` is not looked for in `cross-entropy`."""
    rest, found = ELSEWHERE.sub(" ", running(text)), set()
    for term in sorted(terms, key=len, reverse=True):
        rest, times = pattern(term).subn("·", rest)
        found |= {term} if times else set()
    return found - EVERYDAY
