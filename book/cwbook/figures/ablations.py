"""Runs of several seeds: curves, courses, rows with their spread; labelled channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from cwbook.figures.labels import label_ends, label_line, label_where_free
from cwbook.figures.look import COLOURS, STYLE, TINY, WIDTH, new_axes

_LOOKS = (("resnet", "s"), ("cw", "D"), ("cae", "o"), ("cw1", "^"), ("webp", "v"), ("jpeg", "P"))


def seed_curves(
    curves: Mapping[str, Sequence[ArrayLike]],
    *,
    xlabel: str,
    ylabel: str,
    context: Mapping[str, ArrayLike] | None = None,
    log: bool = False,
    height: float = 3.6,
) -> Axes:
    """Every run as a small dot; means of the runs that differ in their seed alone, joined.

    curves: {name: one (n, 2) of (x, y) per experiment}, joined by mean x; a cross of one standard
    deviation to each side where there are two runs or more. context: {name: (n, 2)}, thin grey
    lines. log: the x axis is logarithmic.
    """
    ax = new_axes(xlabel, ylabel, height=height)
    if log:
        ax.set_xscale("log")
    names = []
    for name, line in (context or {}).items():
        line = np.array(sorted(map(tuple, line)), dtype=float)
        ax.plot(*line.T, color="#8a8a8a", lw=1.2, marker=".", dashes=(5, 2), zorder=2)
        names.append((name, "#5a5a5a", line))
    for k, (name, experiments) in enumerate(curves.items()):
        look, marker = _LOOKS[k % len(_LOOKS)]
        colour = COLOURS[look]
        runs = [np.asarray(r, dtype=float).reshape(-1, 2) for r in experiments]
        runs.sort(key=lambda r: r[:, 0].mean())
        means = np.array([r.mean(0) for r in runs])
        for r, mean in zip(runs, means, strict=True):
            ax.plot(*r.T, ls="none", marker=marker, ms=4.5, color=colour, alpha=0.7, mec="none")
            if len(r) > 1:
                sd = r.std(0, ddof=1)
                ax.errorbar(*mean, yerr=sd[1], xerr=sd[0], fmt="none", ecolor=colour, lw=1.4)
        ax.plot(*means.T, color=colour, zorder=4)
        names.append((name, colour, means))
    ax.margins(0.08)
    if log:
        _plain_ticks(ax)
    label_where_free(ax, names)
    return ax


def _plain_ticks(ax: Axes) -> None:
    """Marks at 1, 2, 3, 5 and 7 of each decade in view, written as plain numbers."""
    low, high = ax.get_xlim()
    steps = (1, 2, 5) if high / low > 8 else (1, 1.5, 2, 3, 4, 5, 7)
    ticks = [s * 10.0**e for e in range(-4, 6) for s in steps if low <= s * 10.0**e <= high]
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.set_xticks([], minor=True)


def seed_lines(
    lines: Mapping[str, tuple[ArrayLike, ArrayLike]], *, xlabel: str, ylabel: str, log: bool = False
) -> Axes:
    """Courses {name: (x (n,), y (seeds, n))}: the mean, and from the lowest to the highest seed.

    log: the x axis is logarithmic.
    """
    ax, ends = new_axes(xlabel, ylabel, height=3.4), []
    for k, (name, (x, y)) in enumerate(lines.items()):
        x, y = np.asarray(x, dtype=float), np.atleast_2d(np.asarray(y, dtype=float))
        colour = COLOURS[_LOOKS[k % len(_LOOKS)][0]]
        ax.fill_between(x, y.min(0), y.max(0), color=colour, alpha=0.18, lw=0)
        ax.plot(x, y.mean(0), color=colour)
        ends.append((x[-1], y.mean(0)[-1], name, colour))
    if log:
        ax.set_xscale("log")
        _plain_ticks(ax)
    label_ends(ax, ends)
    return ax


def seed_differences(
    x: ArrayLike,
    each: ArrayLike,
    margin: ArrayLike | None = None,
    *,
    xlabel: str,
    ylabel: str,
    sides: tuple[str, str] = ("", ""),
) -> Axes:
    """A difference over x for each seed (thin), its mean (thick), and the line of no difference.

    each: (seeds, n); margin: (n,), half the width of the band around the mean. sides: what it
    means to be above and below the line.
    """
    x, each = np.asarray(x, dtype=float), np.atleast_2d(np.asarray(each, dtype=float))
    ax, mean, colour = new_axes(xlabel, ylabel), each.mean(0), COLOURS["cw"]
    if margin is not None:
        band = np.asarray(margin, dtype=float)
        ax.fill_between(x, mean - band, mean + band, color=colour, alpha=0.15, lw=0)
    ax.plot(x, each.T, color=colour, lw=0.9, alpha=0.7)
    ax.plot(x, mean, color=colour, lw=2.6, marker="o")
    ax.axhline(0, color="#5a5a5a", lw=1.4)
    low, high = ax.get_ylim()
    room = 0.12 * (high - low)
    ax.set_ylim(min(low, -room), max(high, room))
    for text, offset, va in zip(sides, ((4, 5), (4, -5)), ("bottom", "top"), strict=True):
        if text:
            label_line(ax, ax.get_xlim()[0], 0, text, "#404040", offset=offset, va=va)
    return ax


def seed_rows(rows: Mapping[str, Sequence[float]], *, xlabel: str) -> Axes:
    """One row a name: a dot for each seed's value, an upright stroke at their mean."""
    ax = _row_axes(list(rows), xlabel)
    for y, values in enumerate(rows.values()):
        colour = COLOURS[_LOOKS[y % len(_LOOKS)][0]]
        ax.plot(values, [y] * len(values), "o", color=colour, ms=6.5, alpha=0.75, mec="white")
        ax.plot([np.mean(values)], [y], "|", color=colour, ms=19, mew=2.4)
    ax.margins(x=0.08)
    return ax


Difference = tuple[Sequence[float], tuple[float, float] | None, float | None]


def difference_rows(rows: Mapping[str, Difference], *, xlabel: str) -> Axes:
    """Differences around 0: what each seed gave, the interval of their mean, a paper's figure.

    rows: {name: (values, interval or None, the paper's or None)}; a row without values shows the
    paper's alone.
    """
    ax, colour = _row_axes(list(rows), xlabel), COLOURS["resnet"]
    ax.axvline(0, color="#5a5a5a", lw=1.2, zorder=1)
    for y, (values, interval, paper) in enumerate(rows.values()):
        if interval is not None:
            ax.plot(interval, [y, y], color=colour, lw=5, alpha=0.3, solid_capstyle="butt")
        if len(values):
            ax.plot(values, [y] * len(values), "o", color=colour, ms=5, alpha=0.75, mec="white")
            ax.plot([np.mean(values)], [y], "|", color=colour, ms=17, mew=2.4)
        if paper is not None:
            ax.plot([paper], [y], "x", color=COLOURS["original"], ms=8, mew=2.2, zorder=4)
    ax.margins(x=0.08)
    return ax


def _row_axes(names: Sequence[str], xlabel: str) -> Axes:
    ax = new_axes(xlabel, height=0.42 * len(names) + 0.85)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.45, -0.55)
    ax.grid(axis="y", visible=False)
    return ax


def labelled_mosaic(
    channels: ArrayLike,
    labels: Sequence[str],
    framed: Sequence[int] = (),
    *,
    columns: int = 8,
    width: float = WIDTH,
) -> np.ndarray:
    """All channels (C, h, w) of a code in rows, each with its label above it; some are framed.

    Grey is 0, brighter above, darker below, on one scale for all: the root of the size with its
    sign, so that weak channels show. Returns the flat Axes.
    """
    z = np.asarray(channels, dtype=float)
    value = np.sign(z) * np.sqrt(abs(z))
    limit = np.quantile(abs(value), 0.998) or 1.0
    rows = -(-len(z) // columns)
    each = width / columns * z.shape[1] / z.shape[2] + 0.15
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            rows, columns, figsize=(width, rows * each + 0.05), squeeze=False
        )
        figure.get_layout_engine().set(w_pad=0.015, h_pad=0.008, wspace=0.0, hspace=0.0)
        for ax in axes.ravel():
            ax.axis("off")
        for k, (ax, channel) in enumerate(zip(axes.ravel(), value, strict=False)):
            ax.imshow(channel, cmap="gray", vmin=-limit, vmax=limit, interpolation="antialiased")
            colour = COLOURS["cw"] if k in framed else COLOURS["original"]
            ax.set_title(labels[k], fontsize=TINY - 1.5, pad=1.5, color=colour)
            if k in framed:
                box = {"transform": ax.transAxes, "fill": False, "ec": COLOURS["cw"], "lw": 2.2}
                ax.add_patch(plt.Rectangle((0, 0), 1, 1, clip_on=False, **box))
    return axes.ravel()[: len(z)]
