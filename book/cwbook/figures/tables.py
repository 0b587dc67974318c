"""Probability tables: what a count saves, what rounding and a wrong scale cost, hints; ratios."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter
from numpy.typing import ArrayLike

from cwbook.figures.labels import label_ends, label_line
from cwbook.figures.look import COLOURS, SMALL, STYLE, TINY, WIDTH, new_axes

_CYCLE = tuple(COLOURS[name] for name in ("resnet", "cw", "cae", "cw1", "webp", "jpeg"))
_DASHES = ((), (5, 2), (2, 1.5), (6, 2, 1, 2))  # lines that cross are told apart without colour too


def count_savings(p: ArrayLike, f: ArrayLike, names: Sequence[str], *, most: int = 8) -> Axes:
    """What each further count of a symbol saves: filled dots were handed out, hollow ones not.

    p: (n,) probabilities > 0; f: (n,) counts >= 1 that they got; names: of the symbols, at most 4.
    The k-th dot of a symbol is p log2((k + 1) / k), up to `most` counts. The dashed line separates
    filled from hollow where the counts are the best.
    """
    p, f = np.asarray(p, dtype=float), np.asarray(f)
    ax = new_axes("counts that the symbol has already", "one more saves (bits)")
    k = np.arange(1, most + 1)
    ends = []
    for i, (share, count, name) in enumerate(zip(p, f, names, strict=True)):
        saving = share * np.log2((k + 1) / k)
        ax.plot(k, saving, color=_CYCLE[i], lw=1, zorder=1)
        for taken, face in ((k < count, _CYCLE[i]), (k >= count, "white")):
            ax.plot(k[taken], saving[taken], "o", color=_CYCLE[i], mfc=face, ms=6, zorder=2)
        ends.append((most, saving[-1], name, _CYCLE[i]))
    ax.set_yscale("log")
    last = [s * np.log2(c / (c - 1)) for s, c in zip(p, f, strict=True) if c > 1]
    following = max(s * np.log2((c + 1) / c) for s, c in zip(p, f, strict=True))
    if last and min(last) >= following:
        ax.axhline(np.sqrt(min(last) * following), color="#5a5a5a", lw=1, dashes=(4, 3), zorder=0)
    _plain(ax.yaxis)
    label_ends(ax, ends)
    return ax


def loss_plot(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    xlabel: str,
    ylabel: str,
    marks: Sequence[tuple[float, float]] = (),
    limit: tuple[float, str] | None = None,
    log: bool = False,
    xticks: Mapping[float, str] | None = None,
    ylim: tuple[float, float] | None = None,
) -> Axes:
    """Losses on a logarithmic axis, lines {name: (x, y)}, each named at its right end.

    Points with y <= 0 are left out. marks: points drawn as large dots; limit: (y, name) of a dashed
    horizontal line; log: the x axis is logarithmic, too.
    """
    ax = new_axes(xlabel, ylabel)
    ax.set_yscale("log")
    if log:
        ax.set_xscale("log")
    ends = []
    for i, (name, (x, y)) in enumerate(curves.items()):
        x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        colour, above = _CYCLE[i % len(_CYCLE)], y > 0
        ax.plot(x[above], y[above], color=colour, dashes=_DASHES[i % len(_DASHES)])
        shown = above & (y >= ylim[0]) & (y <= ylim[1]) if ylim else above
        last = np.flatnonzero(shown if shown.any() else above)[-1]
        ends.append((x[last], y[last], name, colour))
    for x, y in marks:
        ax.plot(x, y, "o", color=COLOURS["original"], ms=7, zorder=4)
    if xticks is not None:
        ax.set_xticks(list(xticks), list(xticks.values()))
        ax.xaxis.set_minor_formatter(NullFormatter())
    elif log:
        _plain(ax.xaxis)
    if ylim is not None:
        ax.set_ylim(ylim)
    _plain(ax.yaxis)
    label_ends(ax, ends)
    if limit is not None:
        ax.axhline(limit[0], color="#5a5a5a", lw=1.2, dashes=(4, 3), zorder=0.9)
        label_line(ax, ax.get_xlim()[0], limit[0], limit[1], "#404040", offset=(4, 7))
    if ylim is not None:
        ax.set_ylim(ylim)
    return ax


def wrong_scale(
    k: ArrayLike,
    occurs: ArrayLike,
    believed: ArrayLike,
    curve: tuple[ArrayLike, ArrayLike],
    at: tuple[float, float],
) -> np.ndarray:
    """What occurs (bars), what the table believes (line), and below what every belief would cost.

    k: (n,) values; occurs, believed: (n,) shares >= 0; curve: (scales, bits a value too much), both
    > 0, and at: this table's point (scale, bits) upon it. Returns both Axes.
    """
    k, occurs, believed = (np.asarray(a, dtype=float) for a in (k, occurs, believed))
    scales, bits = (np.asarray(a, dtype=float) for a in curve)
    with plt.rc_context(STYLE):
        _, (top, bottom) = plt.subplots(2, 1, figsize=(WIDTH, 4.1))
        top.bar(k, 100 * occurs, width=0.9, color="#cfe0f1", ec=COLOURS["resnet"], lw=0.6)
        top.step(k, 100 * believed, where="mid", color=COLOURS["cw"], lw=1.8)
        top.set(xlabel="value", ylabel="share (%)", ylim=(0, 250 * occurs.max()))
        top.xaxis.set_major_locator(MaxNLocator(integer=True))
        top.set_title("bars: what occurs, line: what the table believes", fontsize=SMALL)
        bottom.plot(scales, bits, color=COLOURS["resnet"])
        bottom.plot(*at, "o", color=COLOURS["cw"], ms=8, zorder=4)
        bottom.set_xscale("log")
        _plain(bottom.xaxis)
        ends = bits[[0, -1]].max()
        bottom.set(
            xlabel="scale of the table",
            ylabel="bits a value too much",
            ylim=(-0.04 * ends, 1.05 * ends),
        )
    return np.array([top, bottom])


def ratio_bars(
    rows: Mapping[str, Mapping[str, float]],
    *,
    xlabel: str,
    sides: tuple[str, str] = ("", ""),
    form: str = "{:.2g}",
) -> Axes:
    """Ratios as bars from the line at 1, to the right above it and to the left below it, log axis.

    rows: {name: {part: ratio > 0}}, first row on top; rows need not have the same parts, of which
    at most 4 occur. sides: what left and right of the line mean.
    """
    parts = list(dict.fromkeys(part for row in rows.values() for part in row))
    values = [ratio for row in rows.values() for ratio in row.values()]
    bars = sum(len(row) for row in rows.values())
    ax = new_axes(xlabel, height=0.235 * bars + 0.13 * len(rows) + 1.05)
    shades = dict(zip(parts, (COLOURS["resnet"], "#e08a4f", "#5b93c7", "#c9c9c9"), strict=False))
    y, ticks = 0.0, []
    for row in rows.values():
        first = y
        for part, ratio in row.items():
            ax.barh(y, ratio - 1, left=1, height=0.86, color=shades[part])
            note = label_line(ax, ratio, y, form.format(ratio), offset=(4 if ratio >= 1 else -4, 0),
                              ha="left" if ratio >= 1 else "right")  # fmt: skip
            note.set_fontsize(TINY)
            y += 1
        ticks.append((first + y - 1) / 2)
        y += 0.55
    low, high = min(1, *values), max(1, *values)
    room = (high / low) ** 0.2 * 1.15  # for the figures at the bars' ends
    ax.set_xscale("log")
    ax.set(xlim=(low / (room if low < 1 else 1.04), high * room), ylim=(y - 0.55 + 0.1, -0.7))
    _plain(ax.xaxis)
    ax.axvline(1, color=COLOURS["original"], lw=1.2)
    ax.set_yticks(ticks, list(rows))
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", visible=False)
    for side, text in zip(("right", "left"), sides, strict=True):
        if text:
            ax.annotate(text, (1, 1), xycoords=("data", "axes fraction"), va="bottom", ha=side,
                        xytext=(-5 if side == "right" else 5, 2), textcoords="offset points",
                        fontsize=TINY, color="#404040", annotation_clip=False)  # fmt: skip
    if len(parts) > 1:
        handles = [plt.Rectangle((0, 0), 1, 1, color=shades[part]) for part in parts]
        ax.figure.legend(handles, parts, loc="outside upper center", ncols=len(parts),
                         handlelength=1, columnspacing=1.2)  # fmt: skip
    return ax


def _plain(axis: plt.Axis) -> None:
    """Ticks of a logarithmic axis as plain numbers (0.01, 1, 20), not as powers of ten."""
    low, high = sorted(axis.get_view_interval())
    decades = np.log10(high / low) if low > 0 else 1
    steps = (1,) if decades > 2.5 else (1, 3) if decades > 1.7 else (1, 2, 5)
    tens = 10.0 ** np.arange(-9, 10)
    ticks = [step * ten for ten in tens for step in steps if low <= step * ten <= high]
    axis.set_ticks(ticks)
    axis.set_major_formatter(
        FuncFormatter(lambda value, _: np.format_float_positional(float(f"{value:.6g}"), trim="-"))
    )
    axis.set_minor_formatter(NullFormatter())


def hint_strip(cdf: ArrayLike, n_hints: int, slot: int) -> Axes:
    """The slots of a table as a strip of intervals, below it the buckets that have a hint each.

    cdf: (n + 1,) borders 0 ... total; n_hints: buckets, a divisor of the total. The bucket of
    `slot` is marked: its hint names the interval where it begins, and each interval that lies
    between that one and the slot's is one step to walk.
    """
    cdf = np.asarray(cdf)
    total = int(cdf[-1])
    width = total // n_hints
    bucket = slot // width
    here, start = np.searchsorted(cdf, [slot, bucket * width], side="right") - 1
    ax = new_axes(f"slots 0 to {total - 1:,}", height=1.75)
    for i, (a, b) in enumerate(zip(cdf[:-1], cdf[1:], strict=True)):
        walked = start <= i <= here
        face = (("#e08a4f", "#f7d9c8") if walked else ("#5b93c7", "#cfe0f1"))[i % 2]
        ax.add_patch(plt.Rectangle((a, 1), b - a, 1, fc=face, ec="none"))
    ax.add_patch(plt.Rectangle((bucket * width, 0), width, 0.8, fc="#e08a4f", ec="none"))
    if n_hints <= 512:
        ax.vlines(np.arange(n_hints + 1) * width, 0, 0.8, color="#707070", lw=0.5)
    ax.add_patch(plt.Rectangle((0, 0), total, 0.8, fc="none", ec="#707070", lw=0.8))
    ax.plot(slot, 2.12, "v", color=COLOURS["cw"], ms=8, clip_on=False)
    ax.annotate("the slot", (slot, 2.12), xytext=(8, 0), textcoords="offset points", fontsize=TINY,
                color=COLOURS["cw"], va="center", annotation_clip=False)  # fmt: skip
    for y, name in ((1.5, "intervals"), (0.4, "hints")):
        ax.text(-0.015 * total, y, name, ha="right", va="center", fontsize=SMALL)
    ax.set(xlim=(0, total), ylim=(-0.05, 2.3), yticks=[])
    ax.set_xticks([0, total // 2, total], ["0", f"{total // 2:,}", f"{total:,}"])
    ax.grid(visible=False)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    return ax
