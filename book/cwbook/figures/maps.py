"""Importance maps: as colours, over their picture, below it; and cells on the grid of the code."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from cwbook.figures.images import as_picture, draw_picture, empty_grid
from cwbook.figures.look import STYLE, WIDTH, new_axes

_CMAP = "viridis"  # dark is little, yellow is much; lightness grows evenly


def _mean_map(cells: ArrayLike) -> np.ndarray:
    """A map (h, w), or the mean over the channels of (C, h, w), as float."""
    values = np.asarray(cells, dtype=float)
    if values.ndim == 3:
        values = values.mean(axis=0)
    return values


def colour_map(cells: ArrayLike, height: int, width: int, vmax: float = 6) -> np.ndarray:
    """A map (h, w) or (C, h, w) of numbers 0 to vmax as a picture: uint8 (height, width, 3).

    Channels are averaged; every cell becomes an area of one colour; dark is 0, yellow is vmax.
    """
    values = _mean_map(cells)
    rows = np.arange(height) * values.shape[0] // height
    columns = np.arange(width) * values.shape[1] // width
    colours = plt.get_cmap(_CMAP)(values[rows][:, columns] / vmax)
    return np.round(255 * colours[..., :3]).astype(np.uint8)


def importance_overlay(
    image: ArrayLike,
    importance: ArrayLike,
    *,
    label: str = "bits kept per symbol",
    vmin: float = 0,
    vmax: float | None = None,
    alpha: float = 0.55,
    ax: Axes | None = None,
) -> Axes:
    """An image (H, W[, 3]) beneath its importance map (h, w) in colour, with a scale beside it.

    A map (C, h, w) is averaged over its channels. Every map cell covers its H/h x W/w pixels.
    vmax: the end of the scale, by default the map's largest value.
    """
    picture, cells = as_picture(image), _mean_map(importance)
    height, width = picture.shape[:2]
    with plt.rc_context(STYLE):
        if ax is None:
            ax = new_axes(width=3.4, height=2.8)
        extent = (0, width, height, 0)
        ax.imshow(picture, cmap="gray", vmin=0, vmax=255, extent=extent)
        overlay = ax.imshow(
            cells,
            cmap=_CMAP,
            alpha=alpha,
            vmin=vmin,
            vmax=cells.max() if vmax is None else vmax,
            extent=extent,
        )
        ax.axis("off")
        scale = ax.figure.colorbar(overlay, ax=ax, label=label, fraction=0.046, pad=0.03)
        scale.solids.set_alpha(1)
        scale.outline.set_visible(False)
    return ax


def importance_grid(
    images: Sequence[ArrayLike],
    maps: Sequence[ArrayLike],
    *,
    titles: Sequence[str] | None = None,
    label: str = "bits kept per symbol",
    vmax: float = 6,
    width: float = WIDTH,
) -> np.ndarray:
    """Images in a row, and below each its importance map on one scale for all.

    Returns the flat Axes: n images, then n maps. images: (H, W) or (H, W, 3), 0 to 255; maps:
    (h, w) or (C, h, w), 0 to vmax.
    """
    n = len(images)
    pictures = [as_picture(image) for image in images]
    coloured = [
        colour_map(cells, *picture.shape[:2], vmax)
        for cells, picture in zip(maps, pictures, strict=True)
    ]
    with plt.rc_context(STYLE):
        figure, axes = empty_grid(2, n, (width, 2 * width / n + 0.75))
        for k in range(n):
            draw_picture(axes[0, k], pictures[k], None if titles is None else titles[k])
            draw_picture(axes[1, k], coloured[k])
        colours = plt.cm.ScalarMappable(plt.Normalize(0, vmax), _CMAP)
        scale = figure.colorbar(
            colours, ax=axes, label=label, location="bottom", fraction=0.05, aspect=30, pad=0.03
        )
        scale.outline.set_visible(False)
    return axes.ravel()


def cells_with_ink(image: ArrayLike, ink: ArrayLike, *, width: float = 2.8) -> Axes:
    """An image under the grid of its code; cells without ink are shaded.

    image: (H, W) or (H, W, 3); ink: (h, w) booleans. width: of the figure, in inches.
    """
    picture, ink = as_picture(image), np.asarray(ink, dtype=bool)
    height, across = picture.shape[:2]
    rows, columns = ink.shape
    ax = new_axes(width=width, height=width)
    extent = (0, across, height, 0)
    ax.imshow(picture, cmap="gray", vmin=0, vmax=255, extent=extent)
    shade = np.zeros((*ink.shape, 4))  # RGBA
    shade[~ink] = (0.55, 0.75, 0.95, 0.5)
    ax.imshow(shade, extent=extent)
    for k in range(rows + 1):
        ax.axhline(k * height / rows, color="#8fb0d0", lw=0.5)
    for k in range(columns + 1):
        ax.axvline(k * across / columns, color="#8fb0d0", lw=0.5)
    ax.axis("off")
    return ax
