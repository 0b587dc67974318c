"""The look of every figure in the book. Knows arrays, not models.

Figures are small and their letters large, so that they can be read on a phone; their background is
white in dark mode too. A cell that draws ends with `plt.show()`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from numpy.typing import ArrayLike

# One colour, marker and dash per method, the same in every figure. Learnt methods are coloured and
# solid, classical ones grey and dashed; the colours differ in lightness, for greyscale and for
# every common colour blindness, and each has a contrast of 3:1 or more on white.
COLOURS = {
    "original": "#1b1b1b",
    "cae": "#1f9e86",
    "resnet": "#14599c",
    "cw": "#c8450b",
    "cw1": "#6d1550",
    "jpeg": "#8a8a8a",
    "jpeg2000": "#6a6a6a",
    "webp": "#505050",
    "png": "#333333",
}
LABELS = {
    "original": "original",
    "cae": "CAE",
    "resnet": "ResNet AE",
    "cw": "content-weighted AE",
    "cw1": "content-weighted, ours",
    "jpeg": "JPEG",
    "jpeg2000": "JPEG 2000",
    "webp": "WebP",
    "png": "PNG",
}
_MARKERS = {"cae": "o", "resnet": "s", "cw": "D", "cw1": "^"}
_DASHES = {"jpeg": (5, 2), "jpeg2000": (3, 2), "webp": (1.5, 1.5), "png": (6, 2, 1, 2)}

WIDTH = 4.6  # inches: 662 pixels, one text column on a laptop

STYLE: dict[str, Any] = {
    "figure.figsize": (WIDTH, 3.0),
    "figure.dpi": 144,
    "savefig.dpi": 144,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.constrained_layout.use": True,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib: the same figure everywhere
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#5a5a5a",
    "axes.labelcolor": "#1b1b1b",
    "xtick.color": "#404040",
    "ytick.color": "#404040",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.8,
    "lines.linewidth": 2.0,
    "lines.markersize": 5.5,
    "image.cmap": "gray",
    "image.interpolation": "nearest",
    "axes.prop_cycle": plt.cycler(color=[COLOURS[name] for name in ("resnet", "cw", "cae", "cw1")]),
}


def style() -> None:
    """Make every figure of this session look like the book's; the setup cell calls it once."""
    plt.rcParams.update(STYLE)


def new_axes(
    xlabel: str = "", ylabel: str = "", *, width: float = WIDTH, height: float = 3.0
) -> Axes:
    """Axes of a new figure in the book's look; sizes in inches, units belong in the labels."""
    with plt.rc_context(STYLE):
        _, ax = plt.subplots(figsize=(width, height))
        ax.set(xlabel=xlabel, ylabel=ylabel)
    return ax


def method_style(name: str) -> dict[str, Any]:
    """Line settings of a method, for `ax.plot`; a name that is not in COLOURS gets black."""
    settings: dict[str, Any] = {"color": COLOURS.get(name, COLOURS["original"])}
    if name in _DASHES:
        settings["dashes"] = _DASHES[name]
    else:
        settings["marker"] = _MARKERS.get(name, ".")
    return settings


def label_line(
    ax: Axes, x: float, y: float, text: str, colour: str = COLOURS["original"], *,
    offset: tuple[float, float] = (6, 0), ha: str = "left", va: str = "center",
) -> Annotation:  # fmt: skip
    """Write text beside the point (x, y) of a line, instead of a legend; offset in points."""
    return ax.annotate(
        text, (x, y), xytext=offset, textcoords="offset points", ha=ha, va=va, color=colour,
        fontsize=STYLE["legend.fontsize"], annotation_clip=False,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )  # fmt: skip


def show_images(
    images: Sequence[ArrayLike],
    titles: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    width: float = WIDTH,
    cmap: str = "gray",
    vmin: float = 0,
    vmax: float = 255,
) -> np.ndarray:
    """A grid of images, each with a title below the picture's top edge; returns its flat Axes.

    images: (H, W) or (H, W, 3) arrays, by default on the scale 0 to 255; no axes, no smoothing.
    """
    if len(images) == 0:
        raise ValueError("show_images needs at least one image")
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"{len(images)} images, but {len(titles)} titles")
    arrays = [np.asarray(image) for image in images]
    columns = min(columns or 4, len(arrays))
    rows = -(-len(arrays) // columns)
    height, across = arrays[0].shape[:2]
    title_lines = max((title.count("\n") + 1 for title in titles), default=0) if titles else 0
    cell = width / columns
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(
            rows,
            columns,
            figsize=(width, rows * (cell * height / across + 0.19 * title_lines + 0.08)),
            squeeze=False,
        )
        figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)
        axes = grid.ravel()
        for ax in axes:
            ax.axis("off")
        for i, (ax, array) in enumerate(zip(axes, arrays, strict=False)):
            ax.imshow(array, cmap=cmap, vmin=vmin, vmax=vmax)
            if titles is not None:
                ax.set_title(titles[i], fontsize=STYLE["legend.fontsize"], pad=3)
    return axes[: len(arrays)]


def rd_plot(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    *,
    ylabel: str = "PSNR (dB)",
    xlabel: str = "bits per pixel",
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Rate-distortion curves, each named at its right end; a single point is one marker.

    curves: {method: [(bpp, quality), ...]}; methods in COLOURS keep their colour in every figure.
    labels: what to write instead of LABELS.
    """
    ax = new_axes(xlabel, ylabel) if ax is None else ax
    names = {**LABELS, **(labels or {})}
    ends = []
    for name, points in curves.items():
        if not points:
            raise ValueError(f"curve {name!r} has no points")
        bpp, quality = np.array(sorted(points), dtype=float).T
        settings = method_style(name)
        if len(bpp) == 1:
            settings = {"color": settings["color"], "marker": _MARKERS.get(name, "o"), "ms": 7}
        ax.plot(bpp, quality, **settings)
        ends.append((bpp[-1], quality[-1], names.get(name, name), settings["color"]))
    _label_ends(ax, ends)
    return ax


def _label_ends(ax: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Names at the lines' ends; names that would overlap are moved apart."""
    ax.margins(x=0.04, y=0.08)
    ends = sorted(ends, key=lambda end: end[1])
    names = [label_line(ax, *end, offset=(7, 0)) for end in ends]
    ax.figure.draw_without_rendering()  # the layout makes room for the names
    point = 72 / ax.figure.dpi
    x, y = ax.transData.transform([end[:2] for end in ends]).T * point
    place = y.copy()
    for _ in range(200):  # neighbours push each other apart until every pair has its distance
        for i in range(1, len(place)):
            for j in range(i):
                overlap = 12.0 - (place[i] - place[j])
                if overlap > 0.1 and abs(x[i] - x[j]) < 100:
                    place[[i, j]] += (overlap / 2, -overlap / 2)
    for name, shift in zip(names, place - y, strict=True):
        name.xyann = (7, shift)


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
    """
    picture, cells = np.asarray(image), np.asarray(importance, dtype=float)
    if cells.ndim == 3:
        cells = cells.mean(axis=0)
    if cells.ndim != 2:
        raise ValueError(f"expected a map (h, w) or (C, h, w), got {np.shape(importance)}")
    height, width = picture.shape[:2]
    with plt.rc_context(STYLE):
        if ax is None:
            ax = new_axes(width=3.4, height=2.8)
        extent = (0, width, height, 0)
        ax.imshow(picture, cmap="gray", vmin=0, vmax=255, extent=extent)
        overlay = ax.imshow(
            cells, cmap="viridis", alpha=alpha, vmin=vmin,
            vmax=cells.max() if vmax is None else vmax, extent=extent,
        )  # fmt: skip
        ax.axis("off")
        scale = ax.figure.colorbar(overlay, ax=ax, label=label, fraction=0.046, pad=0.03)
        scale.solids.set_alpha(1)
        scale.outline.set_visible(False)
    return ax
