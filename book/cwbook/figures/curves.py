"""Photographs' results: many rate-distortion curves, gains by image, learning curves, maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from cwbook.figures.images import as_picture, draw_picture, empty_grid
from cwbook.figures.labels import label_ends, label_line, label_where_free
from cwbook.figures.look import COLOURS, SMALL, STYLE, TINY, WIDTH, new_axes

# who a curve is from: ours measured, ours with a scaled map, others measured here, others' figures
GROUPS = {
    "ours": {"color": COLOURS["cw"], "marker": "D", "lw": 2.6, "ms": 6.5, "zorder": 6},
    "scaled": {"color": COLOURS["cw"], "ls": ":", "lw": 1.8, "marker": ".", "zorder": 5},
    "other": {"color": COLOURS["cw1"], "marker": "s", "lw": 2.0, "zorder": 5},
    "measured": {"color": "#5a5a5a", "ls": "--", "lw": 1.7},
    "published": {"color": COLOURS["resnet"], "lw": 1.3, "marker": ".", "ms": 4},
    "paper": {"color": COLOURS["original"], "ls": "none", "marker": "x", "ms": 8, "mew": 2.2},
}

Points = Sequence[tuple[float, float]]


def rd_groups(
    curves: Sequence[tuple[str, str, Points]],
    *,
    ylabel: str,
    xlim: tuple[float, float],
    ylim: tuple[float, float],
    height: float = 4.6,
) -> Axes:
    """Rate-distortion curves (name, group, [(bpp, quality), ...]); an empty name is not written.

    group: one of GROUPS, which decides colour and line; others' curves are named at their ends,
    ours where there is room. A curve without a point in view is left out.
    ValueError for an unknown group, or where nothing is left.
    """
    unknown = {group for _, group, _ in curves} - set(GROUPS)
    if unknown:
        raise ValueError(f"unknown groups {sorted(unknown)}: choose of {', '.join(GROUPS)}")
    ax = new_axes("bits per pixel", ylabel, height=height)
    ax.set(xlim=xlim, ylim=ylim)
    names, ends = [], []
    for name, group, points in curves:
        line = np.array(sorted(map(tuple, points)), dtype=float).reshape(-1, 2)
        inside = line[((line >= (xlim[0], ylim[0])) & (line <= (xlim[1], ylim[1]))).all(1)]
        if not len(inside):
            continue
        ax.plot(*line.T, **GROUPS[group])
        colour = GROUPS[group]["color"]
        if name and group in ("measured", "published"):
            x = min(line[-1, 0], xlim[1])
            ends.append((x, float(np.interp(x, *line.T)), name, colour))
        elif name:
            names.append((name, colour, inside))
    if not ax.lines:
        raise ValueError("no curve has a point in view")
    if ends:
        label_ends(ax, ends)
    label_where_free(ax, names)
    return ax


def gains_by_image(
    rate: ArrayLike, gain: ArrayLike, numbers: Sequence[int], *, xlabel: str, ylabel: str
) -> Axes:
    """One number a picture: what is gained (above the line of 0) or lost, over its rate.

    rate, gain: (n,).
    """
    rate, gain = np.asarray(rate, dtype=float), np.asarray(gain, dtype=float)
    ax = new_axes(xlabel, ylabel, height=3.4)
    names = []
    for x, y, number in zip(rate, gain, numbers, strict=True):
        colour = COLOURS["cw"] if y > 0 else COLOURS["resnet"]
        ax.plot([x], [y], "o", ms=4, color=colour, mec="none")
        names.append((f"{number}", colour, np.array([[x, y]])))
    room = 0.08 * (max(gain.max(), 0) - min(gain.min(), 0)) or 1
    ax.set_ylim(min(gain.min(), 0) - room, max(gain.max(), 0) + room)
    ax.margins(x=0.08)
    label_where_free(ax, names)
    ax.axhline(0, color="#5a5a5a", lw=1.2)  # last: the labels would take it for an upright line
    return ax


def learning_curves(
    panels: Mapping[str, tuple[ArrayLike, ArrayLike]], *, xlabel: str, log: Sequence[str] = ()
) -> np.ndarray:
    """Panels {what: (x, y)} below each other on one x axis, their last values written.

    log: the panels whose y axis is logarithmic. Returns the Axes, top to bottom.
    """
    n = len(panels)
    with plt.rc_context(STYLE):
        _, axes = plt.subplots(n, 1, figsize=(WIDTH, 1.25 * n + 0.5), sharex=True, squeeze=False)
        for ax, (what, (x, y)) in zip(axes[:, 0], panels.items(), strict=True):
            x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
            ax.plot(x, y, color=COLOURS["resnet"], lw=1.5)
            ax.set_title(what, fontsize=SMALL)
            if what in log:
                ax.set_yscale("log")
                ax.minorticks_off()
            label_line(ax, x[-1], y[-1], f"{y[-1]:.3g}", COLOURS["resnet"])
        axes[-1, 0].set_xlabel(xlabel)
    return axes[:, 0]


def photo_and_maps(
    image: ArrayLike, maps: Sequence[tuple[str, ArrayLike]], *, cmap: str = "viridis"
) -> np.ndarray:
    """A photograph and maps (title with its unit, (h, w)), two in a row, each on its own scale.

    Returns the flat Axes: the photograph, then the maps.
    """
    picture = as_picture(image)
    cells = [np.asarray(values, dtype=float) for _, values in maps]
    height, across = picture.shape[:2]
    rows = -(-(1 + len(maps)) // 2)
    each = WIDTH / 2 * 0.83 * height / across + 0.26
    with plt.rc_context(STYLE):
        figure, axes = empty_grid(rows, 2, (WIDTH, rows * each))
        flat = axes.ravel()[: 1 + len(maps)]
        draw_picture(flat[0], picture, "photograph")
        for ax, (title, _), values in zip(flat[1:], maps, cells, strict=True):
            drawn = ax.imshow(values, cmap=cmap, extent=(0, across, height, 0))
            ax.set_title(title, fontsize=SMALL, pad=3)
            scale = figure.colorbar(drawn, cax=ax.inset_axes((1.02, 0, 0.04, 1)))
            scale.ax.tick_params(labelsize=TINY)
            scale.outline.set_visible(False)
    return flat


def sorted_bars(values: ArrayLike, *, xlabel: str, ylabel: str, named: Mapping[int, str]) -> Axes:
    """Bars of values (n,), largest first; named: {index: name}, in colour with their names."""
    values = np.asarray(values, dtype=float)
    order = np.argsort(-values, kind="stable")
    ax = new_axes(xlabel, ylabel)
    colours = [COLOURS["cw" if k in named else "resnet"] for k in order]
    ax.bar(np.arange(len(values)), values[order], width=0.85, color=colours)
    for place, k in enumerate(order):
        if k in named:
            label_line(ax, place, values[k], named[k], COLOURS["cw"], offset=(4, 6))
    ax.grid(axis="x", visible=False)
    ax.margins(x=0.02, y=0.12)
    return ax


def histograms(
    parts: Mapping[str, ArrayLike], *, bins: ArrayLike, xlabel: str, ylabel: str = "share (%)"
) -> Axes:
    """Shares of {name: values} in the same bins as outlines, named at their highest places."""
    ax, edges = new_axes(xlabel, ylabel), np.asarray(bins, dtype=float)
    cycle = [COLOURS[name] for name in ("resnet", "cw", "cae", "cw1")]
    for k, (name, values) in enumerate(parts.items()):
        values = np.ravel(values)
        shares = 100 * np.histogram(values, edges)[0] / len(values)
        colour = cycle[k % len(cycle)]
        ax.stairs(shares, edges, color=colour, lw=1.8)
        top = int(shares.argmax())
        middle = (edges[top] + edges[top + 1]) / 2
        label_line(ax, middle, shares[top], name, colour, offset=(0, 7), ha="center")
    ax.margins(y=0.12)
    return ax
