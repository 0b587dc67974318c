"""No number that was measured is typed: every typed one in the book's text has a source, checked.

The text is all Markdown, and the words that a cell puts around what it computes: `Markdown(f"..")`.
What counts as a number is in `prose.numbers`: with a decimal point (also in maths), with a comma
for thousands, or whole with a unit such as % or dB. Not looked at are code, addresses, links'
targets, and the numbers of sections, figures, equations and programs. What a cell computes is not
typed and not looked at either. The sources are in `typed_numbers.yml`, which says how to write one.
"""

import math
import re
from collections import Counter
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

import prose

SOURCES = Path(__file__).with_name("typed_numbers.yml")
KINDS = ("cited", "arithmetic", "code", "printed", "definition", "example")
# Where a `code:` source may look.
MODULES = {
    name.rpartition(".")[2]: name
    for name in (
        *("cwlib.experiments", "cwlib.coding.gaussian", "cwlib.coding.tables"),
        *("cwbook.studies", "cwbook.relatives.interpolator"),
    )
}


@cache
def listed() -> dict[str, dict[str, str]]:
    """By page, or `everywhere`, the source of each number."""
    return yaml.safe_load(SOURCES.read_text(encoding="utf-8"))


def sources_of(page: str) -> dict[str, str]:
    return listed()["everywhere"] | listed().get(page, {})


def half_a_unit(number: str) -> float:
    """How far a value may be from a number as typed: '0.36' 0.005, '45,000' 500, '20 %' 0.5."""
    digits = number.split()[0].replace(",", "")
    if "." in digits:
        return 0.5 * 10.0 ** -len(digits.partition(".")[2])
    zeros = len(digits) - len(digits.rstrip("0")) if "," in number else 0
    return 0.5 * 10.0**zeros


def agrees(value: float, number: str) -> bool:
    """Whether a value, rounded as the number is, is that number."""
    typed = float(number.split()[0].replace(",", ""))
    return abs(value - typed) <= half_a_unit(number) * (1 + 1e-9)


def evaluated(expression: str) -> float:
    names: dict[str, Any] = {k: getattr(math, k) for k in ("log", "log2", "log10", "exp", "sqrt")}
    names |= {k: import_module(name) for k, name in MODULES.items() if k in expression}
    return float(eval(expression, {"__builtins__": {"sum": sum}} | names))


def printed_by(page: str, cell_id: str) -> list[float]:
    """Every number in the stored output of a cell whose output nbval compares."""
    for cell in prose.cells(prose.pages()[page]):
        if cell["id"] == cell_id and "nbval-check-output" in cell["metadata"].get("tags", []):
            text = " ".join(prose.outputs(cell)).replace(",", "")
            return [float(found) for found in re.findall(r"\d+(?:\.\d+)?", text)]
    return []


def fault(page: str, number: str, source: str) -> str | None:
    """What is wrong with the source of a number, or None."""
    if re.match(r"paper [12], (Table|Fig\.|Eq\.|section) \S+$", source):
        return None
    kind, _, rest = source.partition(": ")
    if kind not in KINDS or not rest:
        return f"{source!r} is no source: see the top of {SOURCES.name}"
    if kind in ("arithmetic", "code") and not agrees(value := evaluated(rest), number):
        return f"{rest} is {value:.6g}"
    if kind == "printed" and not any(agrees(v, number) for v in printed_by(page, rest)):
        return f"no cell {rest!r} with the tag nbval-check-output prints it"
    if kind == "cited" and not re.search(rf"[`,]{rest}[`,]", prose.texts()[page]):
        return f"the page does not cite {rest!r}"
    return None


@pytest.mark.parametrize("page", prose.pages())
def test_every_number_that_is_typed_has_a_source_that_gives_it(page):
    typed, sources = list(dict.fromkeys(prose.typed(page))), sources_of(page)
    missing = [number for number in typed if number not in sources]
    assert not missing, (
        f"{page} has {missing}: compute what depends on weights or results in a cell, "
        f"and give the source of what does not in {SOURCES.name}"
    )
    faults = {number: fault(page, number, sources[number]) for number in typed}
    assert {number: wrong for number, wrong in faults.items() if wrong} == {}
    left = listed().get(page, {}).keys() - set(typed)
    assert not left, f"no longer in the text: take {left} out of {SOURCES.name}"


def test_what_holds_everywhere_is_used_on_several_pages_and_listed_once():
    pages = listed().keys() - {"everywhere"}
    assert pages <= prose.pages().keys()
    typed = Counter(n for page in prose.pages() for n in set(prose.typed(page)))
    common = listed()["everywhere"].keys()
    assert [n for n in common if typed[n] < 2] == []
    assert [page for page in pages if common & listed()[page].keys()] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It takes 0.36 bits, 16,384 of them.", ["0.36", "16,384"]),
        ("With $\\lambda = 0.003$, or 1.5.", ["0.003", "1.5"]),
        ("It is 20 % of 4 dB, 3 times.", ["20 %", "4 dB", "3 times"]),
        ("7 layers of 5 × 5, $2^{16}$, in 1992.", []),
        ("`x = 0.5` and [words](a-0.5.ipynb), see section 4.1 and Table 1.2.", []),
        ("{cite}`a0.5` but {term}`0.5 bit <bit>`", ["0.5"]),
        ("```\n0.25\n```\n```{note}\n0.75\n```", ["0.75"]),
        ("version 1.2.8 of 3.11.7", []),
    ],
)
def test_numbers_are_found_in_prose_and_nowhere_else(text, found):
    assert prose.numbers(text) == found


def test_numbers_around_computed_ones_are_found_in_cells():
    lines = ["x = 0.5", 'display(Markdown(f"{x:.3f} dB of 0.75, " "and 20 %"))', 'print("0.25")']
    cell = {"source": "\n".join(lines)}
    found = [number for text in prose.said(cell) for number in prose.numbers(text)]
    assert found == ["0.75", "20 %"]


@pytest.mark.parametrize(
    ("number", "source"),
    [
        ("0.37", "arithmetic: 0.3566"),
        ("5.7", "printed: nowhere"),
        ("5.8", "printed: predictions"),
        ("5.7", "cited: nobody2000"),
        ("5.7", "measured once"),
        ("5.7", "definition: "),
    ],
)
def test_a_source_that_does_not_hold_would_be_noticed(number, source):
    assert fault("mnist/01-task", number, source)


@pytest.mark.parametrize(("value", "number"), [(5.71, "5.7"), (45_425, "45,000"), (6.34, "6 %")])
def test_a_value_agrees_with_a_number_that_it_rounds_to(value, number):
    assert agrees(value, number) and not agrees(1.02 * value + 1, number)
