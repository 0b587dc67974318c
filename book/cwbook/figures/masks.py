"""Masks and quantisers side by side: what each keeps, where, and what stands for it in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import ArrayLike

from cwbook.figures.images import as_picture, draw_picture, empty_grid
from cwbook.figures.look import COLOURS, SMALL, STYLE, TINY, WIDTH
from cwbook.figures.maps import colour_map

_SHADES = ("resnet", "cw", "cae", "cw1")


def mask_maps(
    images: Sequence[ArrayLike],
    maps: Mapping[str, Sequence[ArrayLike]],
    *,
    label: str,
    vmax: float,
    captions: Mapping[str, Sequence[str]] | None = None,
    width: float = WIDTH,
) -> np.ndarray:
    """Images in the first column, beside each its maps {name: one (h, w) per image}, one scale.

    captions: {name: one line under each map}. Returns the 2-D Axes.
    """
    pictures = [as_picture(image) for image in images]
    columns, side = 1 + len(maps), width / (1 + len(maps))
    height = len(pictures) * (side + (0.13 if captions else 0.03)) + 0.92
    with plt.rc_context(STYLE):
        figure, axes = empty_grid(len(pictures), columns, (width, height))
        for k, picture in enumerate(pictures):
            draw_picture(axes[k, 0], picture, "original" if k == 0 else None)
            for ax, (name, cells) in zip(axes[k, 1:], maps.items(), strict=True):
                coloured = colour_map(cells[k], *picture.shape[:2], vmax)
                draw_picture(ax, coloured, name if k == 0 else None)
                if captions:
                    ax.text(0.5, -0.03, captions[name][k], transform=ax.transAxes, ha="center",
                            va="top", fontsize=TINY)  # fmt: skip
        colours = plt.cm.ScalarMappable(plt.Normalize(0, vmax), "viridis")
        scale = figure.colorbar(
            colours, ax=axes, label=label, location="bottom", fraction=0.05, aspect=30, pad=0.04
        )
        scale.outline.set_visible(False)
    return axes


def bit_grids(
    grids: Mapping[str, Sequence[ArrayLike]], rows: Sequence[str], *, width: float = WIDTH
) -> np.ndarray:
    """What masks keep of the bits at a place: channels downwards, bits across, the leading first.

    grids: {name: one (C, B) per row, of shares 0 to 1 that are kept}, a column each; rows: names.
    Returns the 2-D Axes.
    """
    cells = {name: [np.asarray(g, dtype=float) for g in column] for name, column in grids.items()}
    first = next(iter(cells.values()))[0]
    shape = first.shape
    each = width / len(grids) * 0.8 * shape[0] / shape[1]
    with plt.rc_context(STYLE):
        _, axes = plt.subplots(
            len(rows), len(grids), figsize=(width, len(rows) * each + 0.75), squeeze=False
        )
        for j, (name, column) in enumerate(cells.items()):
            for i, grid in enumerate(column):
                ax = axes[i, j]
                ax.imshow(grid, cmap="Blues", vmin=-0.12, vmax=1.25, aspect="auto")
                ax.set_xticks(np.arange(shape[1] + 1) - 0.5, [])
                ax.set_yticks(np.arange(shape[0] + 1) - 0.5, [])
                ax.grid(color="white", lw=1.2)
                ax.tick_params(length=0)
                for side in ax.spines.values():
                    side.set_visible(False)
                if i == 0:
                    ax.set_title(name, fontsize=SMALL, loc="center", pad=3)
                if j == 0:
                    ax.set_ylabel(f"{rows[i]}\nchannels", fontsize=SMALL)
                if i == len(rows) - 1:
                    ax.set_xlabel("bits", fontsize=SMALL, labelpad=2)
    return axes


def stand_in(
    z: ArrayLike,
    hard: ArrayLike,
    soft: ArrayLike,
    slope: ArrayLike,
    *,
    slopes: tuple[float, float] = (0.01, 100.0),
    title: str = "",
) -> np.ndarray:
    """A quantiser's stair (grey) under what stands for it in training, and below the slope of that.

    z: (n,), rising; hard, soft, slope: (n,), or soft and slope (k, n) for k draws. slopes: the ends
    of the logarithmic axis, the same for all frames of a film.
    """
    z, hard = np.asarray(z, dtype=float), np.asarray(hard, dtype=float)
    soft, slope = (np.atleast_2d(np.asarray(a, dtype=float)) for a in (soft, slope))
    jumps = np.flatnonzero(np.abs(np.diff(hard)) > 1e-9) + 1
    with plt.rc_context(STYLE):
        _, (top, bottom) = plt.subplots(
            2, 1, figsize=(WIDTH, 4.2), sharex=True, height_ratios=(1.6, 1)
        )
        draws = len(soft) > 1
        for x, y in zip(np.split(z, jumps), np.split(hard, jumps), strict=True):
            top.plot(x, y, color="#a8a8a8", lw=4.5, solid_capstyle="butt")
        for row in soft:
            look = {"ls": "none", "marker": ".", "ms": 2} if draws else {"lw": 1.8}
            top.plot(z, row, color=COLOURS["cw"], **look)
        bottom.plot(z, np.clip(slope, slopes[0] / 10, None).T, color=COLOURS["cw"], lw=1.8)
        top.set(ylabel="decoder gets", xlim=(z[0], z[-1]), ylim=(-0.16, 1.16))
        bottom.set(xlabel="code value z", ylabel="slope", yscale="log", ylim=slopes)
        marks = [10.0**e for e in range(-6, 7) if slopes[0] <= 10.0**e <= slopes[1]]
        bottom.set_yticks(marks, [f"{mark:g}" for mark in marks])
        bottom.minorticks_off()
        bottom.axhline(1, color="#5a5a5a", lw=1, dashes=(4, 3), zorder=0.9)
        if title:
            top.set_title(title)
    return np.array([top, bottom])


def level_histograms(
    parts: Mapping[str, tuple[ArrayLike, ArrayLike]], *, xlabel: str, bins: int = 96
) -> np.ndarray:
    """Where code values in [0, 1] lie, one panel for each {name: (values, levels)}.

    Ticks below mark the levels that they are rounded to. Returns the Axes, top to bottom.
    """
    n, edges = len(parts), np.linspace(0, 1, bins + 1)
    with plt.rc_context(STYLE):
        _, axes = plt.subplots(n, 1, figsize=(WIDTH, 1.05 * n + 0.6), sharex=True, squeeze=False)
        for k, (ax, (name, (values, levels))) in enumerate(
            zip(axes[:, 0], parts.items(), strict=True)
        ):
            values = np.ravel(np.asarray(values, dtype=float))
            shares = 100 * np.histogram(values, edges)[0] / values.size
            colour = COLOURS[_SHADES[k % len(_SHADES)]]
            ax.stairs(shares, edges, fill=True, color=colour)
            ax.set_yscale("log")
            ax.set(ylim=(0.02, 100), xlim=(0, 1))
            ax.set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
            ax.minorticks_off()
            ax.plot(levels, np.full(np.shape(levels), 0.02), "^", ms=8, color=COLOURS["original"],
                    clip_on=False, zorder=5)  # fmt: skip
            ax.set_title(name, fontsize=SMALL)
        axes[n // 2, 0].set_ylabel("share of values (%)")
        axes[-1, 0].set_xlabel(xlabel)
    return axes[:, 0]
