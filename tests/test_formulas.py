"""Every letter in a displayed formula of the book stands on the notation page, in its part.

A letter is what remains when words, operators, indices and exponents are taken away: of
`\\hat z_{ij}^2` it is `\\hat z`. Letters that only count (i, j, k, t) or are integrated
over, Euler's e and the set of real numbers want no row.
"""

import re

import pytest

import prose
from test_reference import page, sections, table_rows

GREEK = "alpha|beta|gamma|delta|lambda|mu|sigma|theta|varphi|Phi"
ACCENT = re.compile(rf"\\(hat|tilde)\s*\{{?\s*(\\(?:{GREEK})(?![a-zA-Z])|[A-Za-z])\}}?")
WORDS = r"\\(?:text|mathrm|texttt|mathbb|operatorname\*?|begin|end)(?![a-zA-Z])\s*"
INDICES = r"[_^]\s*"
DIFFERENTIAL = re.compile(r"\\,\s*d([a-z])(?![a-zA-Z])")
EULER = re.compile(r"(?<![a-zA-Z])e(?=\s*\^)")
COUNTERS = set("ijkt")
# By part of the book, the parts of the notation page that hold its letters, first the nearest.
PARTS = {
    "mnist": ["The first paper: digits"],
    "coding": ["The coders"],
    "kodak": ["The second paper: photographs"],
    "ablations": [
        "Ablations and relatives",
        "The second paper: photographs",
        "The first paper: digits",
    ],
    "relatives": ["Ablations and relatives"],
    "index": ["The first paper: digits"],
}


def end_of_group(text: str, start: int) -> int:
    """Where `{...}`, a command or a single character that begins at `start` ends."""
    if text[start] != "{":
        return start + re.match(r"\\[a-zA-Z]+|.", text[start:], re.DOTALL).end()
    depth = 0
    for k in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[k], 0)
        if depth == 0:
            return k + 1
    raise ValueError(f"a brace is not closed in {text!r}")


def without(text: str, command: str) -> str:
    """The formula without every such command and the group behind it."""
    while (found := re.search(command, text)) and found.end() < len(text):
        text = text[: found.start()] + " " + text[end_of_group(text, found.end()) :]
    return text


def letters(formula: str) -> set[str]:
    """The letters of a formula: `z`, `\\sigma`, `\\hat x`."""
    integrated = set(DIFFERENTIAL.findall(formula))
    rest = EULER.sub(" ", DIFFERENTIAL.sub(" ", formula))
    rest = without(without(rest, WORDS), INDICES)
    found = {f"\\{accent} {letter}" for accent, letter in ACCENT.findall(rest)}
    rest = ACCENT.sub(" ", rest)
    found |= set(re.findall(rf"\\(?:{GREEK})(?![a-zA-Z])", rest))
    found |= set(re.findall(r"[A-Za-z]", re.sub(r"\\[a-zA-Z]+|\\.", " ", rest)))
    return found - integrated


def noted(part: str) -> set[str]:
    """The letters on the notation page for a part of the book, and those of its first lines."""
    parts = sections(page("notation"))
    cells = [row[0] for name in (*PARTS[part], "Measures") for row in table_rows(parts[name])]
    cells += [page("notation").split("\n## ")[0]]
    # what a row says of a shape names its sides
    cells += [row[1] for name in PARTS[part] for row in table_rows(parts[name])]
    maths = [formula for cell in cells for formula in re.findall(r"\$([^$]+)\$", cell)]
    return set().union(*map(letters, maths))


@pytest.mark.parametrize(
    "name",
    [n for n in prose.texts() if not n.startswith("reference") and "$$" in prose.texts()[n]],
)
def test_every_letter_of_a_displayed_formula_is_on_the_notation_page(name):
    formulas = re.findall(r"\$\$(.*?)\$\$", prose.texts()[name], re.DOTALL)
    used = set().union(*map(letters, formulas)) - COUNTERS
    missing = used - noted(name.partition("/")[0])
    assert not missing, f"book/reference/notation.md has no row for {sorted(missing)} of {name}"


@pytest.mark.parametrize(
    ("formula", "found"),
    [
        (r"\hat z_{ij}^2 = \lfloor 64\,z \rfloor", {r"\hat z", "z"}),
        (r"L = \text{MSE} + \lambda R", {"L", r"\lambda", "R"}),
        (r"\frac{1}{HW} \sum_{i} x_i", {"H", "W", "x"}),
        (r"\int_0^x e^{-t^2}\,dt", set()),
        (r"\Delta R \in \mathbb R^{N}", {"R"}),
        (r"\tilde{f}_n \xrightarrow{g_a} \Phi(\tfrac12)", {r"\tilde f", "g", r"\Phi"}),
    ],
)
def test_the_letters_of_a_formula(formula, found):
    assert letters(formula) == found


def test_a_letter_without_a_row_would_be_noticed():
    assert r"\theta" not in noted("coding") and "Z" not in noted("mnist")
