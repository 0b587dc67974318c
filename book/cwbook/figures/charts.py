"""Charts of numbers: lines, steps with slopes, points, digits as points, bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from cwbook.figures.labels import label_ends, label_line, mark_above
from cwbook.figures.look import COLOURS, LABELS, MARKERS, SMALL, STYLE, WIDTH, new_axes

PARTS = ("#3f3f3f", "#e08a4f", "#5b93c7", "#c9c9c9")  # dark, orange, blue, light: ordered by need

# for lines that are no method's
_CYCLE = tuple(COLOURS[name] for name in ("resnet", "cw", "cae", "cw1", "webp", "jpeg"))


def line_plot(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    xlabel: str,
    ylabel: str,
    colours: Mapping[str, str] | None = None,
    log: bool = False,
    labels: Mapping[str, str] | None = None,
    markers: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Lines {name: (x, y)}, each named at its right end; log: the x axis is logarithmic.

    Names in COLOURS have the colour and LABELS the text that they have in every figure, unless
    `colours` and `labels` say otherwise. ValueError where a line has no points or x and y differ
    in length.
    """
    if not curves:
        raise ValueError("line_plot needs at least one curve")
    lines = {name: _xy(name, x, y) for name, (x, y) in curves.items()}
    ax = new_axes(xlabel, ylabel) if ax is None else ax
    if log:
        ax.set_xscale("log")
    names, ends = {**LABELS, **(labels or {})}, []
    for k, (name, (x, y)) in enumerate(lines.items()):
        colour = (colours or {}).get(name, COLOURS.get(name, _CYCLE[k % len(_CYCLE)]))
        ax.plot(x, y, color=colour, marker=MARKERS.get(name, "o") if markers else None)
        ends.append((x[-1], y[-1], names.get(name, name), colour))
    label_ends(ax, ends)
    return ax


def _xy(name: str, x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.ndim != 1 or x.shape != y.shape or x.size == 0:
        raise ValueError(f"{name!r}: expected x and y of one length > 0, got {x.shape}, {y.shape}")
    return x, y


def slope_plot(
    x: ArrayLike,
    y: ArrayLike,
    at: Sequence[tuple[float, float, float]],
    *,
    xlabel: str,
    ylabel: str,
    reach: float = 0.09,
    note: str = "stand-in slope",
) -> Axes:
    """A function with steps, and at each (x, y, slope) of `at` the slope that training uses.

    x, y: (n,). reach: how far the slope is drawn to either side, in units of x; note: its name,
    written once.
    """
    x, y = _xy("the function", x, y)
    ax = new_axes(xlabel, ylabel)
    jumps = np.flatnonzero(np.abs(np.diff(y)) > 1e-9) + 1
    for part_x, part_y in zip(np.split(x, jumps), np.split(y, jumps), strict=True):
        ax.plot(part_x, part_y, color=COLOURS["resnet"], lw=2.6, solid_capstyle="butt")
    for x0, y0, slope in at:
        dx = np.array([-reach, reach])
        ax.plot(x0 + dx, y0 + slope * dx, color=COLOURS["cw"], lw=1.6)
        ax.plot(x0, y0, "o", color=COLOURS["cw"])
    x0, y0, slope = at[0]
    label_line(ax, x0 + reach, y0 + slope * reach, note, COLOURS["cw"], offset=(5, 0))
    return ax


def scatter(
    x: ArrayLike,
    y: ArrayLike,
    *,
    xlabel: str,
    ylabel: str,
    zero: bool = False,
    colour: str = COLOURS["resnet"],
) -> Axes:
    """Points, half transparent; zero: with the lines x = 0 and y = 0.

    x, y: numbers of any one shape.
    """
    x, y = _xy("points", np.ravel(x), np.ravel(y))
    ax = new_axes(xlabel, ylabel)
    if zero:
        ax.axhline(0, color="#5a5a5a", lw=0.8)
        ax.axvline(0, color="#5a5a5a", lw=0.8)
    ax.plot(x, y, "o", color=colour, alpha=0.55, mec="none")
    return ax


def digit_scatter(
    x: ArrayLike, y: ArrayLike, digits: ArrayLike, *, xlabel: str, ylabel: str
) -> Axes:
    """One point per picture, drawn as its digit 0 to 9; a larger digit has a lighter ink.

    x, y, digits: (n,).
    """
    (x, y), digits = _xy("points", x, y), np.asarray(digits)
    ax = new_axes(xlabel, ylabel, height=3.4)
    inks = plt.get_cmap("viridis")(np.linspace(0, 0.82, 10))
    for digit in range(10):
        mine = digits == digit
        ax.plot(
            x[mine],
            y[mine],
            linestyle="",
            marker=f"${digit}$",
            markersize=6,
            color=inks[digit],
            markeredgewidth=0.3,
        )
    return ax


def word_lengths(counts: ArrayLike, lengths: ArrayLike) -> np.ndarray:
    """How often each symbol occurs (bars) above the length of its word (steps); returns both Axes.

    counts: (n,) occurrences; lengths: (n,) bits. Dots: -log2 of the share, the ideal length.
    """
    counts, lengths = _xy("symbols", counts, lengths)
    share = counts / counts.sum()
    symbols = np.arange(len(counts))
    with plt.rc_context(STYLE):
        _, (top, bottom) = plt.subplots(2, 1, figsize=(WIDTH, 3.8), sharex=True)
        top.bar(symbols, 100 * share, width=0.9, color=COLOURS["cae"])
        top.set_ylabel("occurs (%)")
        bottom.step(symbols, lengths, where="mid", color=COLOURS["cw"])
        seen = share > 0
        bottom.plot(symbols[seen], -np.log2(share[seen]), ".", color=COLOURS["original"])
        bottom.set(xlabel="level of the code", ylabel="bits", ylim=(0, None))
        bottom.set_title("line: length of the word, dots: ideal length", fontsize=SMALL)
    return np.array([top, bottom])


def stacked_bars(
    rows: Mapping[str, Sequence[float]],
    parts: Sequence[str],
    *,
    xlabel: str,
    marks: Mapping[str, float] | None = None,
    form: str = "{:.2f}",
    width: float = WIDTH,
    colours: Sequence[str] = PARTS,
) -> Axes:
    """Horizontal bars cut into parts, the total at the end; the parts are named above the bars.

    rows: {name: one value per part}, first row on top. marks: {name: value}, vertical lines.
    form: how a total is written. width: in inches. ValueError where values, parts and colours do
    not fit together.
    """
    if not rows:
        raise ValueError("stacked_bars needs at least one row")
    for name, row in rows.items():
        if len(row) != len(parts):
            raise ValueError(
                f"row {name!r} has {len(row)} values, but there are {len(parts)} parts"
            )
    if len(parts) > len(colours):
        raise ValueError(f"{len(parts)} parts, but {len(colours)} colours")
    height = 0.28 * len(rows) + 0.7 + (0.25 if marks else 0) + (0.3 if len(parts) > 1 else 0)
    ax = new_axes(xlabel, width=width, height=height)
    values = np.array(list(rows.values()), dtype=float)  # (rows, parts)
    places, left = np.arange(len(rows)), np.zeros(len(rows))
    for k, part in enumerate(parts):
        ax.barh(places, values[:, k], left=left, height=0.66, color=colours[k], label=part)
        left = left + values[:, k]
    for place, total in zip(places, left, strict=True):
        label = label_line(ax, total, place, form.format(total), offset=(4, 0))
        label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
    ax.set_yticks(places, list(rows))
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set_xlim(0, 1.13 * max([*left, *(marks or {}).values()]))
    for name, value in (marks or {}).items():
        mark_above(ax, value, name, lw=1.2, zorder=0.9, xytext=(0, 1), ha="center", va="bottom")
    if len(parts) > 1:
        ax.figure.legend(
            loc="outside upper center", ncols=len(parts), handlelength=1, columnspacing=1.2
        )
    return ax
