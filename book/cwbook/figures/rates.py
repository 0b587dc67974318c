"""Rate-distortion figures: curves of quality over bits per pixel, and marks upon them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from cwbook.figures.labels import label_ends, label_line, label_where_free, mark_above
from cwbook.figures.look import COLOURS, DASHES, LABELS, MARKERS, WIDTH, method_style, new_axes

Points = Sequence[tuple[float, float]]  # (bpp, quality)

_LOOKS = ("line", "dashed", "dotted", "points")
_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)  # bits per pixel


def rd_plot(
    curves: Mapping[str, Points],
    *,
    ylabel: str = "PSNR (dB)",
    xlabel: str = "bits per pixel",
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Rate-distortion curves, each named at its right end; a single point is one marker.

    curves: {method: [(bpp, quality), ...]}; methods in COLOURS keep their colour in every figure,
    their points are joined by rate. labels: what to write instead of LABELS.
    ValueError where there is no curve, or a curve without points.
    """
    if not curves:
        raise ValueError("rd_plot needs at least one curve")
    lines = {name: _by_rate(name, points) for name, points in curves.items()}
    ax = new_axes(xlabel, ylabel) if ax is None else ax
    names = {**LABELS, **(labels or {})}
    ends = []
    for name, line in lines.items():
        settings = method_style(name)
        if len(line) == 1:
            settings = {"color": settings["color"], "marker": MARKERS.get(name, "o"), "ms": 7}
        ax.plot(*line.T, **settings)
        ends.append((*line[-1], names.get(name, name), settings["color"]))
    label_ends(ax, ends)
    return ax


def rd_overview(
    curves: Sequence[tuple[str, str, str, Points]],
    marks: Mapping[str, float] | None = None,
    *,
    xlim: tuple[float, float],
    ylim: tuple[float, float],
    height: float = 4.6,
    width: float = WIDTH,
    ylabel: str = "PSNR (dB)",
) -> Axes:
    """Everything on one page: rate on a logarithmic axis, names beside the lines, no legend.

    curves: (name, colour name, look, [(bpp, quality), ...]); look is 'line', 'dashed', 'dotted' or
    'points'; 'dotted' joins the points as they are given, the others by rate. An empty name is not
    written. marks: {name: bpp} of lossless files, vertical lines. Sizes in inches.
    ValueError where there is no curve, a curve without points, or an unknown look.
    """
    if not curves:
        raise ValueError("rd_overview needs at least one curve")
    for name, _, look, _ in curves:
        if look not in _LOOKS:
            raise ValueError(f"curve {name!r}: look {look!r} is none of {', '.join(_LOOKS)}")
    lines = [_by_rate(name, points, ordered=look != "dotted") for name, _, look, points in curves]
    ax = new_axes("bits per pixel (logarithmic)", ylabel, width=width, height=height)
    ax.set_xscale("log")
    ax.set(xlim=xlim, ylim=ylim)
    names = []
    for (name, method, look, _), line in zip(curves, lines, strict=True):
        settings = _look(method, look, single=len(line) == 1)
        ax.plot(*line.T, **settings)
        inside = line[((line >= (xlim[0], ylim[0])) & (line <= (xlim[1], ylim[1]))).all(1)]
        if name and len(inside):
            names.append((name, settings["color"], inside))
    for name, bpp in (marks or {}).items():
        slant = {"rotation": 50, "rotation_mode": "anchor", "color": COLOURS["png"]}
        mark_above(ax, bpp, name, lw=1, zorder=1, xytext=(0, 4), **slant)
    ticks = [t for t in _TICKS if xlim[0] <= t <= xlim[1]]
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.set_xticks([], minor=True)
    label_where_free(ax, names)
    return ax


def _by_rate(name: str, points: Points, *, ordered: bool = True) -> np.ndarray:
    """The points (n, 2) of a curve, ordered by rate or as they are given."""
    if len(points) == 0:
        raise ValueError(f"curve {name!r} has no points")
    return np.array(sorted(map(tuple, points)) if ordered else points, dtype=float)


def _look(method: str, look: str, *, single: bool) -> dict[str, Any]:
    """Settings of a line in rd_overview."""
    settings: dict[str, Any] = {
        "color": COLOURS.get(method, COLOURS["original"]),
        "marker": MARKERS.get(method, "."),
    }
    if look == "points":
        settings |= {"ls": "none", "marker": "x", "ms": 8, "mew": 2}
    elif look == "line" and method in DASHES:
        settings |= {"dashes": DASHES[method]}
    elif look in ("dashed", "dotted"):
        settings |= {"ls": "--" if look == "dashed" else ":", "lw": 1.5, "mfc": "white"}
    if single:
        settings |= {"ms": 9, "zorder": 5}
    return settings


def mark_rates(ax: Axes, rates: Mapping[str, float]) -> Axes:
    """Upright dotted lines at some rates of an rd_plot, named below the curves: {name: bpp}.

    For codecs without loss, which have a rate and no PSNR.
    """
    low, high = ax.get_ylim()
    row = 0.07 * (high - low)
    for k, (name, rate) in enumerate(sorted(rates.items(), key=lambda item: item[1])):
        ax.axvline(rate, color=COLOURS["png"], linewidth=1.2, linestyle=":")
        label_line(ax, rate, low - (k + 0.3) * row, name, COLOURS["png"], offset=(4, 0))
    ax.set_ylim(low - (len(rates) + 0.2) * row, high)
    return ax


def mark_points(ax: Axes, points: Mapping[str, tuple[float, float]]) -> Axes:
    """Hollow points {name: (bpp, quality)} in an rd_plot, named above them: others' figures."""
    for name, (x, y) in points.items():
        ax.plot(x, y, "o", ms=7, mfc="white", mec=COLOURS["original"], mew=1.6)
        label_line(ax, x, y, name, offset=(0, 8), ha="center", va="bottom")
    return ax
