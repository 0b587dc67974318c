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


def colour_map(cells: ArrayLike, height: int, width: int, vmax: float = 6) -> np.ndarray:
    """A map (h, w) or (C, h, w) of numbers 0 .. vmax as a picture: uint8 (height, width, 3).

    Channels are averaged; every cell becomes an area of one colour; dark is 0, yellow is vmax.
    """
    values = np.asarray(cells, dtype=float)
    if values.ndim == 3:
        values = values.mean(axis=0)
    rows = np.arange(height) * values.shape[0] // height
    columns = np.arange(width) * values.shape[1] // width
    colours = plt.get_cmap("viridis")(values[rows][:, columns] / vmax)
    return np.round(255 * colours[..., :3]).astype(np.uint8)


def side_by_side(images: Sequence[ArrayLike], gap: int = 6) -> np.ndarray:
    """uint8 pictures of one height as one (H, W, 3), white between them: a frame for a Scrubber."""
    parts = []
    for image in images:
        part = np.asarray(image)
        if part.dtype != np.uint8:
            raise ValueError(f"expected uint8 pictures, got {part.dtype}")
        part = np.repeat(part[..., None], 3, axis=2) if part.ndim == 2 else part
        parts += [part, np.full((part.shape[0], gap, 3), 255, dtype=np.uint8)]
    return np.concatenate(parts[:-1], axis=1)


def importance_grid(
    images: Sequence[ArrayLike],
    maps: Sequence[ArrayLike],
    *,
    titles: Sequence[str] | None = None,
    label: str = "bits kept per symbol",
    vmax: float = 6,
    width: float = WIDTH,
) -> np.ndarray:
    """Images in a row, and below each its importance map on one scale for all; returns the Axes."""
    n = len(images)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(2, n, figsize=(width, 2 * width / n + 0.75), squeeze=False)
        figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)
        for k, (image, cells) in enumerate(zip(images, maps, strict=True)):
            height, across = np.shape(image)[:2]
            axes[0, k].imshow(image, cmap="gray", vmin=0, vmax=255)
            axes[1, k].imshow(colour_map(cells, height, across, vmax))
            if titles is not None:
                axes[0, k].set_title(titles[k], fontsize=STYLE["legend.fontsize"], pad=3)
        for ax in axes.ravel():
            ax.axis("off")
        colours = plt.cm.ScalarMappable(plt.Normalize(0, vmax), "viridis")
        scale = figure.colorbar(
            colours, ax=axes, label=label, location="bottom", fraction=0.05, aspect=30, pad=0.03
        )
        scale.outline.set_visible(False)
    return axes.ravel()


def kept_bits(q: ArrayLike, kept: ArrayLike, bits: int = 6, *, width: float = WIDTH) -> Axes:
    """A grid of numbers as rows of bits: black is 1, white is 0, crossed out is what is cut off.

    q, kept: (h, w) whole numbers. Below each row of bits: the number before -> after.
    """
    q, kept = np.asarray(q, dtype=int), np.asarray(kept, dtype=int)
    rows, columns = q.shape
    ax = new_axes(width=width, height=width * rows / columns * 0.46)
    for (r, c), value in np.ndenumerate(q):
        left, top = c * (bits + 1), 2.6 * r
        for k in range(bits):
            one, drop = value >> (bits - 1 - k) & 1, k >= kept[r, c]
            face = "#f4d9cc" if drop else ("#1b1b1b" if one else "white")
            edge = COLOURS["cw"] if drop else "#1b1b1b"
            ax.add_patch(plt.Rectangle((left + k, top), 0.9, 0.9, fc=face, ec=edge, lw=0.9))
            if drop:
                ends = ([left + k, left + k + 0.9], [top + 0.9, top])
                ax.plot(*ends, color=edge, lw=0.9)
        after = value >> (bits - kept[r, c]) << (bits - kept[r, c])
        ax.text(left + bits / 2, top + 1.5, f"{value} → {after}", ha="center", va="center",
                fontsize=STYLE["legend.fontsize"])  # fmt: skip
    ax.set(xlim=(-0.2, columns * (bits + 1) - 0.9), ylim=(2.6 * rows - 0.5, -0.2), aspect="equal")
    ax.axis("off")
    return ax


def slope_plot(
    x: ArrayLike, y: ArrayLike, at: Sequence[tuple[float, float, float]], *,
    xlabel: str, ylabel: str, reach: float = 0.09, note: str = "stand-in slope",
) -> Axes:  # fmt: skip
    """A function with steps, and at each (x, y, slope) of `at` the slope that training uses."""
    ax = new_axes(xlabel, ylabel)
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    jumps = np.flatnonzero(np.abs(np.diff(y)) > 1e-9) + 1
    for part_x, part_y in zip(np.split(x, jumps), np.split(y, jumps), strict=True):
        ax.plot(part_x, part_y, color=COLOURS["resnet"], lw=2.6, solid_capstyle="butt")
    for x0, y0, slope in at:
        dx = np.array([-reach, reach])
        ax.plot(x0 + dx, y0 + slope * dx, color=COLOURS["cw"], lw=1.6)
        ax.plot(x0, y0, "o", color=COLOURS["cw"])
    x0, y0, slope = at[0]
    label_line(ax, x0 + reach, y0 + slope * reach, note, COLOURS["cw"], offset=(5, 0))
    return ax


def line_plot(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]], *,
    xlabel: str, ylabel: str, colours: Mapping[str, str] | None = None, log: bool = False,
    labels: Mapping[str, str] | None = None, markers: bool = False, ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Lines {name: (x, y)}, each named at its right end; log: the x axis is logarithmic.

    Names in COLOURS have the colour and LABELS the text that they have in every figure.
    """
    ax = new_axes(xlabel, ylabel) if ax is None else ax
    if log:
        ax.set_xscale("log")
    cycle = [COLOURS[name] for name in ("resnet", "cw", "cae", "cw1", "webp", "jpeg")]
    names, ends = {**LABELS, **(labels or {})}, []
    for k, (name, (x, y)) in enumerate(curves.items()):
        colour = (colours or {}).get(name, COLOURS.get(name, cycle[k % len(cycle)]))
        x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        ax.plot(x, y, color=colour, marker=_MARKERS.get(name, "o") if markers else None)
        ends.append((x[-1], y[-1], names.get(name, name), colour))
    _label_ends(ax, ends)
    return ax


def scatter(
    x: ArrayLike, y: ArrayLike, *, xlabel: str, ylabel: str, zero: bool = False,
    colour: str = COLOURS["resnet"],
) -> Axes:  # fmt: skip
    """Points, half transparent; zero: with the lines x = 0 and y = 0."""
    ax = new_axes(xlabel, ylabel)
    if zero:
        ax.axhline(0, color="#5a5a5a", lw=0.8)
        ax.axvline(0, color="#5a5a5a", lw=0.8)
    ax.plot(np.ravel(x), np.ravel(y), "o", color=colour, alpha=0.55, mec="none")
    return ax


def cells_with_ink(image: ArrayLike, ink: ArrayLike, *, width: float = 2.8) -> Axes:
    """An image under the grid of its code; cells without ink are shaded. ink: (h, w) booleans."""
    picture, ink = np.asarray(image), np.asarray(ink, dtype=bool)
    height, across = picture.shape[:2]
    rows, columns = ink.shape
    ax = new_axes(width=width, height=width)
    extent = (0, across, height, 0)
    ax.imshow(picture, cmap="gray", vmin=0, vmax=255, extent=extent)
    shade = np.zeros((*ink.shape, 4))
    shade[~ink] = (0.55, 0.75, 0.95, 0.5)
    ax.imshow(shade, extent=extent)
    for k in range(rows + 1):
        ax.axhline(k * height / rows, color="#8fb0d0", lw=0.5)
    for k in range(columns + 1):
        ax.axvline(k * across / columns, color="#8fb0d0", lw=0.5)
    ax.axis("off")
    return ax


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
    """Hollow points with their names above them: somebody else's figures in an rd_plot."""
    for name, (x, y) in points.items():
        ax.plot(x, y, "o", ms=7, mfc="white", mec=COLOURS["original"], mew=1.6)
        label_line(ax, x, y, name, offset=(0, 8), ha="center", va="bottom")
    return ax


def tile(code: ArrayLike, factor: int = 4, *, columns: int = 2) -> np.ndarray:
    """The channels of a code (C, h, w) in [0, 1] as one grey picture, each pixel enlarged: uint8.

    The last row and column of every channel are white, to part it from its neighbours.
    """
    grey = np.round(255 * np.clip(code, 0, 1)).astype(np.uint8)
    cells = grey.repeat(factor, 1).repeat(factor, 2)
    cells[:, -1:] = cells[:, :, -1:] = 255
    rows = [np.hstack(cells[k : k + columns]) for k in range(0, len(cells), columns)]
    return np.vstack(rows)


def word_lengths(counts: ArrayLike, lengths: ArrayLike) -> np.ndarray:
    """How often each symbol occurs (bars) above the length of its word (steps); returns the Axes.

    counts: (n,) occurrences; lengths: (n,) bits. Dots: -log2 of the share, the ideal length.
    """
    counts, lengths = np.asarray(counts, float), np.asarray(lengths)
    share = counts / counts.sum()
    symbols = np.arange(len(counts))
    with plt.rc_context(STYLE):
        _, (top, bottom) = plt.subplots(2, 1, figsize=(WIDTH, 3.8), sharex=True)
        top.bar(symbols, 100 * share, width=0.9, color=COLOURS["cae"])
        top.set_ylabel("occurs (%)")
        bottom.step(symbols, lengths, where="mid", color=COLOURS["cw"])
        seen = share > 0
        bottom.plot(symbols[seen], -np.log2(share[seen]), ".", color=COLOURS["original"])
        bottom.set(xlabel="level of the code", ylabel="bits", ylim=(0, None))
        bottom.set_title("line: length of the word, dots: ideal length", fontsize=9.5)
    return np.array([top, bottom])


def digit_scatter(
    x: ArrayLike, y: ArrayLike, digits: ArrayLike, *, xlabel: str, ylabel: str
) -> Axes:
    """One point per picture, drawn as its digit 0 to 9; digits that lie apart get a darker ink."""
    ax = new_axes(xlabel, ylabel, height=3.4)
    inks = plt.get_cmap("viridis")(np.linspace(0, 0.82, 10))
    for digit in range(10):
        mine = np.asarray(digits) == digit
        ax.plot(
            np.asarray(x)[mine], np.asarray(y)[mine], linestyle="", marker=f"${digit}$",
            markersize=6, color=inks[digit], markeredgewidth=0.3,
        )  # fmt: skip
    return ax


def residual_diagram(units: int = 3) -> np.ndarray:
    """The residual unit, and below it the trunk with its long skip; returns the two Axes."""
    with plt.rc_context({**STYLE, "axes.grid": False}):
        _, axes = plt.subplots(2, 1, figsize=(WIDTH, 3.6))
        unit = ["conv 3", "BN, ReLU", "conv 3", "BN, ReLU"]
        group = f"group:\n{units} units"
        _chain(axes[0], "a unit", unit, "x", "ReLU", COLOURS["resnet"], "the input itself")
        _chain(
            axes[1], "the trunk", [group, group, "1 unit"], "32 x 32", "out", COLOURS["cw"],
            "long skip: 1x1 convolution",
        )  # fmt: skip
    return axes


def _chain(
    ax: Axes, title: str, boxes: Sequence[str], first: str, last: str, colour: str, skip: str
) -> None:
    """Boxes in a row with an arrow over all of them that is added at the end."""
    ax.axis("off")
    ax.set(xlim=(-0.75, len(boxes) + 0.8), ylim=(-0.55, 1.45))
    ax.set_title(title)
    arrow = {"arrowstyle": "-|>", "color": "#404040", "shrinkA": 0, "shrinkB": 0}
    ink = COLOURS["original"]
    ax.text(-0.5, 0, first, ha="center", va="center", fontsize=9.5, color=ink)
    for k, text in enumerate(boxes):
        ax.annotate("", (k + 0.07, 0), (k - 0.12 if k else -0.22, 0), arrowprops=arrow)
        frame = plt.Rectangle((k + 0.08, -0.36), 0.8, 0.72, facecolor="white", edgecolor=ink)
        ax.add_patch(frame)
        ax.text(k + 0.48, 0, text, ha="center", va="center", fontsize=8.5, color=ink)
    plus = len(boxes) + 0.12
    ax.annotate("", (plus - 0.09, 0), (plus - 0.24, 0), arrowprops=arrow)
    ax.text(plus, 0, "+", ha="center", va="center", fontsize=14, color=colour, weight="bold")
    ax.annotate("", (plus + 0.3, 0), (plus + 0.1, 0), arrowprops=arrow)
    ax.text(plus + 0.33, 0, last, ha="left", va="center", fontsize=9.5, color=ink)
    ax.plot([-0.18, -0.18, plus, plus], [0, 0.85, 0.85, 0.42], color=colour)
    ax.annotate(
        "", (plus, 0.2), (plus, 0.5),
        arrowprops={**arrow, "color": colour, "linewidth": 2},
    )  # fmt: skip
    ax.text(plus / 2, 0.95, skip, ha="center", va="bottom", fontsize=9.5, color=colour)


def fields_of_view(
    heats: Sequence[ArrayLike], centres: Sequence[float], sides: Sequence[int],
    titles: Sequence[str],
) -> np.ndarray:  # fmt: skip
    """Where one code value looks: brightness is influence, the frame what it could reach at most.

    heats: (H, W) influences >= 0; centres (on the diagonal) and sides of the frames, in pixels.
    """
    scaled = [np.sqrt(np.asarray(heat) / np.max(heat)) for heat in heats]
    axes = show_images(scaled, titles, columns=len(scaled), cmap="magma", vmax=1)
    for ax, heat, centre, side in zip(axes, scaled, centres, sides, strict=True):
        low, high = np.clip([centre - side / 2, centre + side / 2], 0, len(heat) - 2)
        frame = plt.Rectangle((low, low), high - low, high - low, fill=False, ec="white", ls="--")
        ax.add_patch(frame)
    return axes


def captioned_grid(
    rows: Sequence[Sequence[ArrayLike]],
    captions: Sequence[Sequence[str]],
    heads: Sequence[str] | None = None,
    *,
    width: float = WIDTH,
) -> np.ndarray:
    """A table of pictures: a caption under each, a head over each column; returns the 2-D Axes."""
    if [len(row) for row in rows] != [len(texts) for texts in captions]:
        raise ValueError("captions: expected one for each picture")
    columns = max(len(row) for row in rows)
    lines = max(text.count("\n") + 1 for texts in captions for text in texts)
    height, across = np.shape(rows[0][0])[:2]
    cell = width / columns
    top = 0 if heads is None else 0.17 * max(head.count("\n") + 1 for head in heads) + 0.08
    size = (width, len(rows) * (cell * height / across + 0.145 * lines + 0.07) + top)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(len(rows), columns, figsize=size, squeeze=False)
        figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)
        for ax in axes.ravel():
            ax.axis("off")
        for line, row, texts in zip(axes, rows, captions, strict=True):
            for ax, picture, text in zip(line, row, texts, strict=False):
                ax.imshow(picture, cmap="gray", vmin=0, vmax=255)
                ax.text(
                    0.5, -0.03, text, transform=ax.transAxes, ha="center", va="top",
                    fontsize=8.5, linespacing=1.15,
                )  # fmt: skip
        for ax, head in zip(axes[0], heads or [], strict=False):
            ax.set_title(head, fontsize=STYLE["legend.fontsize"], loc="center", pad=4)
    return axes


def rd_overview(
    curves: Sequence[tuple[str, str, str, Sequence[tuple[float, float]]]],
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
    written. marks: {name: bpp} of lossless files, vertical lines.
    """
    ax = new_axes("bits per pixel (logarithmic)", ylabel, width=width, height=height)
    ax.set_xscale("log")
    ax.set(xlim=xlim, ylim=ylim)
    names = []
    for name, colour, look, points in curves:
        line = np.array(points if look == "dotted" else sorted(points), dtype=float)
        tint = COLOURS.get(colour, COLOURS["original"])
        settings = {"color": tint, "marker": _MARKERS.get(colour, ".")}
        if look == "points":
            settings |= {"ls": "none", "marker": "x", "ms": 8, "mew": 2}
        elif look == "line" and colour in _DASHES:
            settings |= {"dashes": _DASHES[colour]}
        elif look in ("dashed", "dotted"):
            settings |= {"ls": "--" if look == "dashed" else ":", "lw": 1.5, "mfc": "white"}
        if len(line) == 1:
            settings |= {"ms": 9, "zorder": 5}
        ax.plot(*line.T, **settings)
        inside = line[((line >= (xlim[0], ylim[0])) & (line <= (xlim[1], ylim[1]))).all(1)]
        if name and len(inside):
            names.append((name, tint, inside))
    for name, bpp in (marks or {}).items():
        ax.axvline(bpp, color=COLOURS["png"], lw=1, dashes=_DASHES["png"], zorder=1)
        ax.annotate(
            name, (bpp, 1), xycoords=("data", "axes fraction"), xytext=(0, 4),
            textcoords="offset points", rotation=50, rotation_mode="anchor", fontsize=8.5,
            color=COLOURS["png"],
        )  # fmt: skip
    ticks = [t for t in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0) if xlim[0] <= t <= xlim[1]]
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.set_xticks([], minor=True)
    _name_lines(ax, names)
    return ax


def _name_lines(ax: Axes, names: Sequence[tuple[str, str, np.ndarray]]) -> None:
    """Write each name beside one of its own points, where it hides the least of everything else.

    names: (text, colour, points (n, 2) in view).
    """
    ax.figure.draw_without_rendering()
    frame, drawn = ax.bbox, []
    for line in ax.lines:
        if line.get_transform() is ax.transData:
            corners = ax.transData.transform(np.column_stack(line.get_data()).astype(float))
            steps = np.linspace(0, 1, 60)[:, None]
            drawn += [a + steps * (b - a) for a, b in zip(corners, corners[1:], strict=False)]
            drawn += [corners] * 30  # a hidden marker is worse than a hidden piece of line
        else:  # a vertical line
            x = ax.transData.transform((line.get_xdata()[0], ax.get_ylim()[0]))[0]
            drawn.append(np.column_stack([np.full(200, x), np.linspace(frame.y0, frame.y1, 200)]))
    ink = np.concatenate(drawn)
    for text, colour, points in names:
        best = None
        for x, y in points:
            for dx, dy in [(7, 0), (-7, 0), (0, 9), (0, -9), (7, 9), (7, -9), (-7, 9), (-7, -9)]:
                ha = "center" if dx == 0 else "left" if dx > 0 else "right"
                note = label_line(ax, x, y, text, colour, offset=(dx, dy), ha=ha)
                box = note.get_window_extent()
                hidden = ((ink >= box.min) & (ink <= box.max)).all(1).sum()
                outside = sum(np.clip([frame.x0 - box.x0, box.x1 - frame.x1,
                                       frame.y0 - box.y0, box.y1 - frame.y1], 0, None))  # fmt: skip
                if best is None or hidden + 50 * outside < best[0]:
                    if best is not None:
                        best[1].remove()
                    best = (hidden + 50 * outside, note, box)
                else:
                    note.remove()
        assert best is not None
        (x0, y0), (x1, y1) = best[2].min, best[2].max
        grid = np.stack(np.meshgrid(np.linspace(x0, x1, 20), np.linspace(y0, y1, 8)), -1)
        ink = np.concatenate([ink, np.repeat(grid.reshape(-1, 2), 5, axis=0)])


PARTS = ("#3f3f3f", "#e08a4f", "#5b93c7", "#c9c9c9")  # dark, orange, blue, light: ordered by need


def stacked_bars(
    rows: Mapping[str, Sequence[float]],
    parts: Sequence[str],
    *,
    xlabel: str,
    marks: Mapping[str, float] | None = None,
    form: str = "{:.2f}",
    width: float = WIDTH,
    colours: Sequence[str] = PARTS,
) -> Axes:
    """Horizontal bars cut into parts, the total at the end; the parts are named above the bars.

    rows: {name: one value per part}, first row on top. marks: {name: value}, vertical lines.
    """
    height = 0.28 * len(rows) + 0.7 + (0.25 if marks else 0) + (0.3 if len(parts) > 1 else 0)
    ax = new_axes(xlabel, width=width, height=height)
    names, values = list(rows), np.array(list(rows.values()), dtype=float)
    places, left = np.arange(len(names)), np.zeros(len(names))
    for k, part in enumerate(parts):
        ax.barh(places, values[:, k], left=left, height=0.66, color=colours[k], label=part)
        left = left + values[:, k]
    for place, total in zip(places, left, strict=True):
        label = label_line(ax, total, place, form.format(total), offset=(4, 0))
        label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
    ax.set_yticks(places, names)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set_xlim(0, 1.13 * max([*left, *(marks or {}).values()]))
    for name, value in (marks or {}).items():
        ax.axvline(value, color=COLOURS["png"], lw=1.2, dashes=_DASHES["png"], zorder=0.9)
        ax.annotate(
            name, (value, 1), xycoords=("data", "axes fraction"), xytext=(0, 1),
            textcoords="offset points", ha="center", va="bottom", fontsize=8.5,
        )  # fmt: skip
    if len(parts) > 1:
        ax.figure.legend(
            loc="outside upper center", ncols=len(parts), handlelength=1, columnspacing=1.2
        )
    return ax
