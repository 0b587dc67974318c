"""How many of each kind: bars of counts that are written into their parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.ticker import MaxNLocator

from cwbook.figures.look import SMALL, STYLE, WIDTH, new_axes

# from good to bad and then to the unknown; their order in lightness survives greyscale
VERDICT_COLOURS = ("#14599c", "#8ab4dc", "#c8450b", "#c9c9c9", "#ececec")


def count_bars(
    rows: Mapping[str, Sequence[int]],
    parts: Sequence[str],
    *,
    xlabel: str,
    colours: Sequence[str] = VERDICT_COLOURS,
    width: float = WIDTH,
) -> Axes:
    """A bar for each row, cut into counts; each count stands in its part, the names above.

    rows: {name: one whole number per part}, first row on top; a part that is 0 in all of them is
    not named. width: in inches.
    """
    counts = np.array(list(rows.values()))  # (rows, parts)
    named = int(counts.any(0).sum())
    columns = min(3, max(named, 1))
    height = 0.34 * len(rows) + 0.55 + 0.25 * -(-named // columns)
    ax = new_axes(xlabel, width=width, height=height)
    most = counts.sum(1).max()
    for k, part in enumerate(parts):
        left, name = counts[:, :k].sum(1), part if counts[:, k].any() else None
        ax.barh(range(len(rows)), counts[:, k], left=left, height=0.72, color=colours[k],
                edgecolor="#707070", linewidth=0.5, label=name)  # fmt: skip
        for place, (start, n) in enumerate(zip(left, counts[:, k], strict=True)):
            if n >= 0.035 * most:  # else the figure would not fit
                ax.text(start + n / 2, place, str(n), ha="center", va="center", fontsize=SMALL,
                        color=_ink(colours[k]))  # fmt: skip
    ax.set_yticks(range(len(rows)), list(rows))
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    ax.grid(visible=False)
    ax.set_xlim(0, 1.02 * most)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    with plt.rc_context(STYLE):
        ax.figure.legend(loc="outside upper left", ncols=columns, handlelength=1, columnspacing=1.2)
    return ax


def _ink(colour: str) -> str:
    """White on dark, black on light."""
    r, g, b = to_rgb(colour)
    return "white" if 0.299 * r + 0.587 * g + 0.114 * b < 0.55 else "#1b1b1b"
