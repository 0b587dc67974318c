"""One net for all rates: boxes and arrows, steps over quality, what is coded when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from cwbook.figures.labels import label_ends, label_line
from cwbook.figures.look import COLOURS, SMALL, STYLE, TINY, WIDTH, new_axes

INK, ACCENT = COLOURS["original"], COLOURS["cw"]
_HALF = (0.74, 0.27)  # of a box: width, height
_FACES = {"plain": "#e4edf6", "sent": "#f9e3d8"}

Box = tuple[float, float, str, str, str]  # x, y, name, shape, one of _FACES


def flow(
    boxes: Mapping[str, Box],
    arrows: Sequence[tuple[str, str, str]],
    detours: Sequence[tuple[str, str, str, float]] = (),
    *,
    height: float = 4.6,
) -> Axes:
    """Boxes with two lines of text, and arrows between them; y grows downwards.

    boxes: {key: (x, y, name, shape, face)}, 'sent' or 'plain'. arrows: (from, to, text), straight
    along a row or a column. detours: the same along the upright line at x, in colour.
    """
    ax = new_axes(height=height)
    for x, y, name, shape, face in boxes.values():
        corner = (x - _HALF[0], y - _HALF[1])
        size = (2 * _HALF[0], 2 * _HALF[1])
        ax.add_patch(plt.Rectangle(corner, *size, fc=_FACES[face], ec=INK, lw=0.9, zorder=2))
        ax.text(x, y - 0.11, name, ha="center", va="center", fontsize=SMALL, weight="bold")
        ax.text(x, y + 0.13, shape, ha="center", va="center", fontsize=TINY)
    for start, end, text in arrows:
        _straight(ax, boxes[start][:2], boxes[end][:2], text)
    for start, end, text, lane in detours:
        _detour(ax, boxes[start][:2], boxes[end][:2], text, lane)
    xs, ys = (np.array([box[k] for box in boxes.values()]) for k in (0, 1))
    lanes = [lane for *_, lane in detours]
    left, right = min([*(xs - _HALF[0]), *lanes]), max([*(xs + _HALF[0]), *lanes])
    ax.set(xlim=(left - 0.22, right + 0.22), ylim=(ys.max() + 0.34, ys.min() - 0.34))
    ax.axis("off")
    return ax


def _head(ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    style = {"arrowstyle": "-|>", "color": colour, "shrinkA": 0, "shrinkB": 0, "lw": 1.3}
    ax.annotate("", end, start, arrowprops=style)


def _straight(ax: Axes, a: tuple[float, float], b: tuple[float, float], text: str) -> None:
    if a[0] == b[0]:
        shift = np.sign(b[1] - a[1]) * _HALF[1]
        _head(ax, (a[0], a[1] + shift), (b[0], b[1] - shift), "#404040")
        ax.text(a[0] + 0.07, (a[1] + b[1]) / 2, text, va="center", fontsize=TINY)
    elif a[1] == b[1]:
        shift = np.sign(b[0] - a[0]) * _HALF[0]
        _head(ax, (a[0] + shift, a[1]), (b[0] - shift, b[1]), "#404040")
        middle = (a[0] + b[0]) / 2
        ax.text(middle, a[1] - 0.06, text, ha="center", va="bottom", fontsize=TINY)
    else:
        raise ValueError(f"an arrow from {a} to {b} is aslant: give it a detour")


def _detour(
    ax: Axes, a: tuple[float, float], b: tuple[float, float], text: str, lane: float
) -> None:
    side = [np.sign(lane - x) * _HALF[0] for x in (a[0], b[0])]
    ax.plot([a[0] + side[0], lane, lane], [a[1], a[1], b[1]], color=ACCENT, lw=1.8)
    _head(ax, (lane, b[1]), (b[0] + side[1], b[1]), ACCENT)
    ax.text(
        lane, (a[1] + b[1]) / 2, text, rotation=90, ha="center", va="center", fontsize=TINY,
        color=ACCENT, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
    )  # fmt: skip


def dial_curves(
    quality: ArrayLike,
    steps: ArrayLike,
    named: Mapping[int, str],
    start: ArrayLike,
    *,
    ylabel: str,
    start_name: str,
) -> Axes:
    """The step of every channel over the quality, some of them named; and where all had started.

    quality: (Q,); steps: (C, Q), on an axis of doublings; start: (Q,), drawn dashed.
    """
    x, lines, before = (np.asarray(a, dtype=float) for a in (quality, steps, start))
    ax = new_axes("quality", ylabel, height=3.6)
    ax.set_yscale("log", base=2)
    ax.plot(x, lines.T, color="#c9c9c9", lw=0.5)
    cycle = [COLOURS[name] for name in ("resnet", "cw", "cae", "cw1")]
    ends = []
    for colour, (k, name) in zip(cycle, named.items(), strict=False):
        ax.plot(x, lines[k], color=colour)
        ends.append((x[-1], lines[k, -1], name, colour))
    ax.plot(x, before, "--", color=INK)
    label_line(ax, x[0], before[0], start_name, INK, offset=(4, 9))
    ax.yaxis.set_major_formatter("{x:g}")
    label_ends(ax, ends)
    return ax


def checkerboards(first: ArrayLike, titles: Sequence[str], *, width: float = WIDTH) -> np.ndarray:
    """Which places are coded in pass 1 (dark, with a 1) and in pass 2: a panel for each channel.

    first: bool (C, h, w); titles: C. Returns the flat Axes.
    """
    first = np.asarray(first, dtype=bool)
    n, h, w = first.shape
    with plt.rc_context({**STYLE, "axes.grid": False}):
        size = (width, width / n * h / w + 0.3)
        _, axes = plt.subplots(1, n, figsize=size, squeeze=False)
        for ax, early, title in zip(axes[0], first, titles, strict=True):
            ax.imshow(np.where(early, 0.25, 0.93), cmap="gray", vmin=0, vmax=1)
            for (i, j), one in np.ndenumerate(early):
                colour = "white" if one else INK
                ax.text(j, i, "1" if one else "2", ha="center", va="center", color=colour)
            ax.set_title(title, fontsize=SMALL)
            ax.axis("off")
    return axes.ravel()
