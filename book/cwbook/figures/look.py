"""The look of every figure: one colour, marker, dash and name per method, sizes and letters."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

# The same in every figure. Learnt methods are coloured and solid, classical ones grey and dashed;
# the colours differ in lightness, for greyscale and for every common colour blindness, and each has
# a contrast of 3:1 or more on white.
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
MARKERS = {"cae": "o", "resnet": "s", "cw": "D", "cw1": "^"}
DASHES = {"jpeg": (5, 2), "jpeg2000": (3, 2), "webp": (1.5, 1.5), "png": (6, 2, 1, 2)}

WIDTH = 4.6  # inches: 662 pixels, one text column on a laptop
SMALL, TINY = 9.5, 8.5  # points: names and titles; captions

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
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
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
    if name in DASHES:
        settings["dashes"] = DASHES[name]
    else:
        settings["marker"] = MARKERS.get(name, ".")
    return settings
