"""Tables of the chapters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.display import Markdown


def table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> Markdown:
    """Rows of cells as a Markdown table to display; the first column is text, the others figures.

    >>> print(table(["codec", "bpp"], [["jpeg", 0.25]]).data)
    | codec | bpp |
    | --- | ---: |
    | jpeg | 0.25 |
    """
    from IPython.display import Markdown

    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return Markdown("\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines))
