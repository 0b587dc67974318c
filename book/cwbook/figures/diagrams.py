"""What is explained by drawing it: bits kept and cut off, residual units, fields of view."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from cwbook.figures.images import show_images
from cwbook.figures.look import COLOURS, SMALL, STYLE, TINY, WIDTH, new_axes

INK = COLOURS["original"]


def kept_bits(q: ArrayLike, kept: ArrayLike, bits: int = 6, *, width: float = WIDTH) -> Axes:
    """A grid of numbers as rows of bits: black is 1, white is 0, crossed out is what is cut off.

    q, kept: (h, w) whole numbers, 0 to 2^bits - 1 and 0 to bits. Below each row of bits: the
    number before -> after. width: in inches.
    """
    q, kept = np.asarray(q, dtype=int), np.asarray(kept, dtype=int)
    rows, columns = q.shape
    ax = new_axes(width=width, height=width * rows / columns * 0.46)
    for (r, c), value in np.ndenumerate(q):
        left, top = c * (bits + 1), 2.6 * r
        for k in range(bits):
            _bit(ax, left + k, top, one=value >> (bits - 1 - k) & 1, drop=k >= kept[r, c])
        cut = bits - kept[r, c]
        text = f"{value} → {value >> cut << cut}"
        ax.text(left + bits / 2, top + 1.5, text, ha="center", va="center", fontsize=SMALL)
    ax.set(xlim=(-0.2, columns * (bits + 1) - 0.9), ylim=(2.6 * rows - 0.5, -0.2), aspect="equal")
    ax.axis("off")
    return ax


def _bit(ax: Axes, left: float, top: float, *, one: bool, drop: bool) -> None:
    """A square, black for one; a dropped bit is pale and crossed out."""
    face = "#f4d9cc" if drop else (INK if one else "white")
    edge = COLOURS["cw"] if drop else INK
    ax.add_patch(plt.Rectangle((left, top), 0.9, 0.9, fc=face, ec=edge, lw=0.9))
    if drop:
        ax.plot([left, left + 0.9], [top + 0.9, top], color=edge, lw=0.9)


def residual_diagram(units: int = 3) -> np.ndarray:
    """The residual unit, and below it the trunk with its long skip; returns the two Axes.

    units: in each group of the trunk.
    """
    with plt.rc_context({**STYLE, "axes.grid": False}):
        _, axes = plt.subplots(2, 1, figsize=(WIDTH, 3.6))
        _chain(
            axes[0],
            "a unit",
            boxes=["conv 3", "BN, ReLU", "conv 3", "BN, ReLU"],
            ends=("x", "ReLU"),
            skip="the input itself",
            colour=COLOURS["resnet"],
        )
        group = f"group:\n{units} units"
        _chain(
            axes[1],
            "the trunk",
            boxes=[group, group, "1 unit"],
            ends=("32 x 32", "out"),
            skip="long skip: 1x1 convolution",
            colour=COLOURS["cw"],
        )
    return axes


def _chain(
    ax: Axes, title: str, *, boxes: Sequence[str], ends: tuple[str, str], skip: str, colour: str
) -> None:
    """Boxes in a row between two words, and a skip over all of them that is added at the end."""
    ax.axis("off")
    ax.set(xlim=(-0.75, len(boxes) + 0.8), ylim=(-0.55, 1.45))
    ax.set_title(title)
    arrow = {"arrowstyle": "-|>", "color": "#404040", "shrinkA": 0, "shrinkB": 0}
    ax.text(-0.5, 0, ends[0], ha="center", va="center", fontsize=SMALL, color=INK)
    for k, text in enumerate(boxes):
        ax.annotate("", (k + 0.07, 0), (k - 0.12 if k else -0.22, 0), arrowprops=arrow)
        frame = plt.Rectangle((k + 0.08, -0.36), 0.8, 0.72, facecolor="white", edgecolor=INK)
        ax.add_patch(frame)
        ax.text(k + 0.48, 0, text, ha="center", va="center", fontsize=TINY, color=INK)
    plus = len(boxes) + 0.12
    ax.annotate("", (plus - 0.09, 0), (plus - 0.24, 0), arrowprops=arrow)
    ax.text(plus, 0, "+", ha="center", va="center", fontsize=14, color=colour, weight="bold")
    ax.annotate("", (plus + 0.3, 0), (plus + 0.1, 0), arrowprops=arrow)
    ax.text(plus + 0.33, 0, ends[1], ha="left", va="center", fontsize=SMALL, color=INK)
    ax.plot([-0.18, -0.18, plus, plus], [0, 0.85, 0.85, 0.42], color=colour)
    down = {**arrow, "color": colour, "linewidth": 2}
    ax.annotate("", (plus, 0.2), (plus, 0.5), arrowprops=down)
    ax.text(plus / 2, 0.95, skip, ha="center", va="bottom", fontsize=SMALL, color=colour)


def fields_of_view(
    heats: Sequence[ArrayLike],
    centres: Sequence[float],
    sides: Sequence[int],
    titles: Sequence[str],
) -> np.ndarray:
    """Where one code value looks: brightness is influence, the frame what it could reach at most.

    heats: (H, W) influences >= 0, shown as square roots of their share of the largest; centres (on
    the diagonal) and sides of the frames, in pixels; titles: one each. Returns the flat Axes.
    """
    arrays = [np.asarray(heat, dtype=float) for heat in heats]
    scaled = [np.sqrt(heat / heat.max()) for heat in arrays]
    axes = show_images(scaled, titles, columns=len(scaled), cmap="magma", vmax=1)
    for ax, heat, centre, side in zip(axes, scaled, centres, sides, strict=True):
        low, high = np.clip([centre - side / 2, centre + side / 2], 0, len(heat) - 2)
        frame = plt.Rectangle((low, low), high - low, high - low, fill=False, ec="white", ls="--")
        ax.add_patch(frame)
    return axes
