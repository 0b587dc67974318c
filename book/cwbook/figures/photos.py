"""Photographs in paper 2's codec: its network with shapes, what its channels see, hold and cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from cwbook.figures.images import as_picture, draw_picture, empty_grid
from cwbook.figures.labels import label_line
from cwbook.figures.look import COLOURS, SMALL, STYLE, TINY, WIDTH, new_axes

INK, ACCENT = COLOURS["original"], COLOURS["cw"]
_ARROW = {"arrowstyle": "-|>", "color": "#404040", "shrinkA": 0, "shrinkB": 0, "lw": 1.2}
# The network's boxes: columns, half their widths, half their height; a row is 1 high
_LEFT, _MIDDLE, _RIGHT, _WIDE, _NARROW, _HALF = 0.7, 2.64, 4.58, 0.68, 0.55, 0.26
_STUB = 1 - _HALF

Node = tuple[str, Sequence[int]]  # name, shape


def hierarchy(
    encoder: Sequence[Node],
    sent: Sequence[Node],
    decoder: Sequence[Node],
    *,
    down: Sequence[str],
    up: Sequence[str],
    sideways: Sequence[tuple[str, str]],
    total: Node,
    hyper: Node,
) -> Axes:
    """Paper 2's network: encoder down the left, decoder up the right, what is sent between them.

    encoder, decoder: n (name, shape) each, top to bottom; sent: n, one beside each but the picture,
    and the last below. down, up: n layers each, top to bottom; sideways: (in, out), n - 1 pairs.
    total: all that is sent; hyper: what tells its scales.
    """
    n = len(encoder)
    ax = new_axes(height=0.98 * (n + 2.1))
    for k in range(n):
        _node(ax, _LEFT, k, *encoder[k])
        _node(ax, _RIGHT, k, *decoder[k])
        _node(ax, _MIDDLE, k + 1, *sent[k])
    for k in range(n - 1):
        _arrow(ax, [(_LEFT, k + _HALF), (_LEFT, k + 1 - _HALF)], down[k])
        _arrow(ax, [(_RIGHT, k + 1 - _HALF), (_RIGHT, k + _HALF)], up[k])
        edges = _LEFT + _WIDE, _MIDDLE - _NARROW, _MIDDLE + _NARROW, _RIGHT - _WIDE
        _arrow(ax, [(edges[0], k + 1), (edges[1], k + 1)], sideways[k][0])
        _arrow(ax, [(edges[2], k + 1), (edges[3], k + 1)], sideways[k][1])
    _arrow(ax, [(_LEFT, n - _STUB), (_LEFT, n), (edges[1], n)], down[-1])
    _arrow(ax, [(edges[2], n), (_RIGHT, n), (_RIGHT, n - _STUB)], up[-1])
    corner, size = (_MIDDLE - _NARROW - 0.07, 0.62), (2 * _NARROW + 0.14, n + 0.22)
    ax.add_patch(plt.Rectangle(corner, *size, fill=False, ec=ACCENT, ls="--", lw=1.4))
    text = f"{total[0]}\n{_shape(total[1])}"
    ax.text(_MIDDLE, n + 0.55, text, ha="center", va="center", fontsize=TINY, color=ACCENT)
    _arrow(ax, [(_MIDDLE, n + 0.84), (_MIDDLE, n + 1.4 - _HALF)], "")
    _node(ax, _MIDDLE, n + 1.4, *hyper)
    ax.set(xlim=(-0.02, 5.3), ylim=(n + 1.4 + 1.2 * _HALF, -1.2 * _HALF))
    ax.axis("off")
    return ax


def _shape(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))


def _node(ax: Axes, x: float, row: float, name: str, shape: Sequence[int]) -> None:
    """A tensor: its name and its shape in a box."""
    half, face = (_NARROW, "#f9e3d8") if x == _MIDDLE else (_WIDE, "#e4edf6")
    corner = (x - half, row - _HALF)
    ax.add_patch(plt.Rectangle(corner, 2 * half, 2 * _HALF, fc=face, ec=INK, lw=0.9, zorder=2))
    ax.text(x, row - 0.11, name, ha="center", va="center", fontsize=SMALL, weight="bold")
    ax.text(x, row + 0.13, _shape(shape), ha="center", va="center", fontsize=TINY)


def _arrow(ax: Axes, places: Sequence[tuple[float, float]], text: str) -> None:
    """Along these places; the layer beside an upright arrow, or above and below a level one."""
    xs, ys = zip(*places[:-1], strict=True)
    ax.plot(xs, ys, color="#404040", lw=1.2)
    ax.annotate("", places[-1], places[-2], arrowprops=_ARROW)
    if len(places) == 2 and places[0][1] == places[1][1]:
        x = (places[0][0] + places[1][0]) / 2
        for line, y, va in zip(text.split("\n"), (ys[0] - 0.04, ys[0] + 0.05), ("bottom", "top"),
                               strict=False):  # fmt: skip
            ax.text(x, y, line, ha="center", va=va, fontsize=7.5)
        return
    x = places[1][0]  # of the upright part
    ends = [y for other, y in places if other == x]
    ax.text(x + 0.06, sum(ends) / len(ends), text, va="center", fontsize=TINY)


def nested_fields(
    image: ArrayLike, centre: tuple[float, float], sides: Mapping[str, int], *, width: float = WIDTH
) -> Axes:
    """A picture with squares around one place: how many pixels each layer sees of it.

    centre: (row, column); sides: {name: pixels}, named at their upper edges.
    """
    picture = as_picture(image)
    ax = new_axes(width=width, height=width * picture.shape[0] / picture.shape[1])
    ax.imshow(picture, cmap="gray", vmin=0, vmax=255)
    for name, side in sides.items():
        corner = (centre[1] - side / 2, centre[0] - side / 2)
        for colour, lw in (("white", 2.6), (INK, 1.0)):
            ax.add_patch(plt.Rectangle(corner, side, side, fill=False, ec=colour, lw=lw))
        label_line(ax, corner[0] + side, corner[1], name, INK, offset=(3, 0), va="top")
    ax.axis("off")
    return ax


def channel_mosaic(
    channels: ArrayLike,
    marks: Mapping[int, str] | None = None,
    *,
    columns: int = 8,
    width: float = WIDTH,
) -> Axes:
    """All channels (C, h, w) of a code side by side; grey is 0, brighter is above, darker below.

    One scale for all, the root of the size with its sign, so that weak channels show. marks:
    {channel: name}, framed.
    """
    z = np.asarray(channels, dtype=float)
    value = np.sign(z) * np.sqrt(abs(z))
    limit = np.quantile(abs(value), 0.998) or 1.0
    h, w = z.shape[1] + 3, z.shape[2] + 3  # three white pixels between channels
    rows = -(-len(z) // columns)
    sheet = np.full((rows * h, columns * w), np.nan)
    for k, channel in enumerate(value):
        top, left = k // columns * h, k % columns * w
        sheet[top : top + h - 3, left : left + w - 3] = channel
    ax = new_axes(width=width, height=width * sheet.shape[0] / sheet.shape[1])
    ax.imshow(sheet, cmap="gray", vmin=-limit, vmax=limit, interpolation="antialiased")
    for k, name in (marks or {}).items():
        corner = (k % columns * w - 2, k // columns * h - 2)
        ax.add_patch(plt.Rectangle(corner, w, h, fill=False, ec=ACCENT, lw=2.2))
        label_line(ax, corner[0] + 3, corner[1] + 3, name, ACCENT, offset=(0, 0), va="top")
    ax.axis("off")
    return ax


def mask_profile(strip: ArrayLike, mask: ArrayLike, *, ylabel: str = "channel k") -> np.ndarray:
    """A strip of a picture, and below each of its places which channels the mask keeps.

    strip: (H, W) or (H, W, 3); mask: (C, w), 0 (white) to 1 (dark). Returns both Axes.
    """
    picture, m = as_picture(strip), np.asarray(mask, dtype=float)
    across = picture.shape[1]
    heights = (WIDTH * picture.shape[0] / across, 2.0)
    with plt.rc_context({**STYLE, "axes.grid": False}):
        _, axes = plt.subplots(
            2, 1, figsize=(WIDTH, sum(heights) + 0.5), height_ratios=heights, sharex=True
        )
        axes[0].imshow(picture, cmap="gray", vmin=0, vmax=255, aspect="auto")
        axes[0].axis("off")
        extent = (-0.5, across - 0.5, len(m) - 0.5, -0.5)
        axes[1].imshow(m, cmap="Blues", vmin=0, vmax=1.25, extent=extent, aspect="auto")
        axes[1].set(xlabel="column of pixels", ylabel=ylabel)
    return axes


def _density(points: np.ndarray, limit: float, bins: int) -> np.ndarray:
    """Log10 of the counts in the cells of [-limit, limit]^2 over the largest: (bins, bins)."""
    edges = np.linspace(-limit, limit, bins + 1)
    counts = np.histogram2d(points[:, 1], points[:, 0], bins=(edges, edges))[0]
    with np.errstate(divide="ignore"):
        return np.log10(counts / max(1.0, counts.max()))


def joint_densities(
    points: Sequence[ArrayLike],
    titles: Sequence[str],
    *,
    xlabel: str,
    ylabel: str,
    limits: Sequence[float],
    conditional: bool = False,
    bins: int = 61,
    decades: float = 3.5,
) -> np.ndarray:
    """Where pairs of numbers fall: dark is often, on a logarithmic scale. Returns the flat Axes.

    points: (n, 2) arrays, one panel each; limits: half the width of each panel. conditional: every
    column is scaled to its own largest value (as a root), which shows how y spreads at a given x.
    """
    n = len(points)
    with plt.rc_context({**STYLE, "axes.grid": False}):
        _, axes = plt.subplots(
            1, n, figsize=(WIDTH, 0.8 * WIDTH / max(n, 1.5) + 0.75), squeeze=False
        )
        for ax, pairs, title, limit in zip(axes[0], points, titles, limits, strict=True):
            density = _density(np.asarray(pairs, dtype=float), limit, bins)
            if conditional:
                share = 10**density
                density = np.sqrt(share / np.maximum(share.max(axis=0), 1e-12))
            low, high = (0.0, 1.0) if conditional else (-decades, 0.0)
            ax.imshow(density, origin="lower", extent=(-limit, limit, -limit, limit),
                      cmap="Blues", vmin=low, vmax=high)  # fmt: skip
            ax.set_title(title, fontsize=SMALL)
            ax.set(xlabel=xlabel, ylabel=ylabel if ax is axes[0, 0] else "")
    return axes.ravel()


def matrices(
    values: Sequence[ArrayLike],
    titles: Sequence[str],
    *,
    label: str,
    xlabel: str,
    ylabel: str,
    vmin: float = 0.0,
    vmax: float = 1.0,
) -> np.ndarray:
    """Square matrices side by side on one scale; dark is large. Returns the flat Axes."""
    n = len(values)
    with plt.rc_context({**STYLE, "axes.grid": False}):
        figure, axes = plt.subplots(1, n, figsize=(WIDTH, WIDTH / n + 0.95), squeeze=False)
        for ax, matrix, title in zip(axes[0], values, titles, strict=True):
            drawn = ax.imshow(np.asarray(matrix), cmap="magma_r", vmin=vmin, vmax=vmax)
            ax.set_title(title, fontsize=SMALL)
            ax.set(xlabel=xlabel, ylabel=ylabel if ax is axes[0, 0] else "")
        scale = figure.colorbar(
            drawn, ax=axes, label=label, location="bottom", fraction=0.06, aspect=30, pad=0.04
        )
        scale.outline.set_visible(False)
    return axes.ravel()


def channel_prices(
    kilobits: ArrayLike, loss: ArrayLike, named: Mapping[int, str], *, ylabel: str
) -> Axes:
    """One point a channel: the bits that it takes, and what the picture loses without it.

    kilobits, loss: (C,); named: {channel: name}, drawn as coloured squares with their names.
    """
    bits, loss = np.asarray(kilobits, dtype=float), np.asarray(loss, dtype=float)
    ax = new_axes("kilobits that the channel takes", ylabel, height=3.4)
    others = np.setdiff1d(np.arange(len(bits)), list(named))
    ax.plot(bits[others], loss[others], "o", color=COLOURS["resnet"], alpha=0.7, mec="none")
    for k, name in named.items():
        ax.plot(bits[k], loss[k], "s", color=ACCENT, ms=7)
        label_line(ax, bits[k], loss[k], name, ACCENT, offset=(8, 0))
    ax.margins(x=0.1)
    return ax


def photo_and_map(
    image: ArrayLike,
    cells: ArrayLike,
    *,
    label: str,
    titles: tuple[str, str],
    cmap: str = "viridis",
) -> np.ndarray:
    """A photograph beside a map (h, w) of numbers, on the map's own scale. Returns the two Axes."""
    picture, values = as_picture(image), np.asarray(cells, dtype=float)
    height, across = picture.shape[:2]
    with plt.rc_context(STYLE):
        size = (WIDTH, WIDTH / 2 * height / across + 0.75)
        figure, axes = empty_grid(1, 2, size)
        draw_picture(axes[0, 0], picture, titles[0])
        drawn = axes[0, 1].imshow(values, cmap=cmap, extent=(0, across, height, 0))
        axes[0, 1].set_title(titles[1], fontsize=SMALL, pad=3)
        scale = figure.colorbar(
            drawn, ax=axes, label=label, location="bottom", fraction=0.06, aspect=40, pad=0.03
        )
        scale.outline.set_visible(False)
    return axes.ravel()
