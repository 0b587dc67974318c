"""The relatives of content-weighted codecs: rates far apart, codecs over data sets, a lattice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from cwbook.figures.images import empty_grid
from cwbook.figures.labels import label_line
from cwbook.figures.look import COLOURS, SMALL, STYLE, TINY, WIDTH, new_axes

# who a figure is from: the toy of the chapter, learnt codecs of others, codecs without learning
KINDS = {"toy": COLOURS["cw"], "learnt": COLOURS["resnet"], "classical": "#5a5a5a"}
_MARKERS = {"toy": "D", "learnt": "o", "classical": "s"}
# lines of one kind: colours and dashes in turn
_COLOURS = {
    "toy": (COLOURS["cw"],),
    "learnt": (COLOURS["resnet"], COLOURS["cw1"], COLOURS["cae"]),
    "classical": ("#8a8a8a", "#6a6a6a", "#505050", "#333333"),
}
_DASHES = ((5, 2), (3, 2), (1.5, 1.5), (6, 2, 1, 2))  # of the classical ones
_SLANT = 55  # degrees of the names above
_NAME_WIDTH = 14  # points between two of them

# of a lattice, light enough for black letters: the pixels that stay, then the finest level first
_STAY, _LEVELS = "#d9d9d9", ("#ffffff", "#cfe0f1", "#f7d9c8", "#cdeae3")


def rate_ladder(
    rungs: Sequence[tuple[str, float, str]], *, xlabel: str, form: str = "{:,.0f}"
) -> Axes:
    """Rates far apart on a logarithmic axis: a row each, named at the left.

    rungs: (name, rate, kind: toy, learnt or classical), the first on top; form: how a rate is
    written.
    """
    _check_kinds(kind for _, _, kind in rungs)
    rates = [rate for _, rate, _ in rungs]
    ax = new_axes(xlabel, height=0.27 * len(rungs) + 0.75)
    ax.set_xscale("log")
    for row, (_, rate, kind) in enumerate(rungs):
        ax.plot([rate], [row], marker=_MARKERS[kind], ms=7, color=KINDS[kind])
        label_line(ax, rate, row, form.format(rate), KINDS[kind], offset=(8, 0))
    ax.set_yticks(range(len(rungs)), [name for name, _, _ in rungs])
    ax.set_ylim(len(rungs) - 0.4, -0.6)
    ax.grid(axis="y", visible=False)
    ax.minorticks_off()
    ax.xaxis.set_major_formatter("{x:,g}")
    spread = max(rates) / min(rates)
    ax.set_xlim(min(rates) / 1.4, max(rates) * max(1.6, spread**0.2))  # room for the last number
    return ax


def codec_lines(
    rows: Mapping[str, Mapping[str, float]], kinds: Mapping[str, str], *, xlabel: str
) -> Axes:
    """Codecs as lines through rows, which are data sets or pictures; their names stand above.

    rows: {row: {codec: value}}, a codec may be missing in some; kinds: {codec: toy, learnt or
    classical}. ValueError where a codec has no kind, or nothing is given.
    """
    _check_kinds(kinds.values())
    codecs = dict.fromkeys(codec for values in rows.values() for codec in values)
    if not codecs:
        raise ValueError("codec_lines needs at least one row with at least one codec")
    if strange := sorted(set(codecs) - set(kinds)):
        raise ValueError(f"{', '.join(strange)}: say in `kinds` of which kind they are")
    ax = new_axes(xlabel, height=0.36 * len(rows) + 1.45)
    looks = {kind: cycle(zip(_COLOURS[kind], _dashes(kind), strict=True)) for kind in _COLOURS}
    names = []
    for codec in codecs:
        kind = kinds[codec]
        colour, dashes = next(looks[kind])
        places = [(values[codec], k) for k, values in enumerate(rows.values()) if codec in values]
        settings: dict[str, Any] = {"lw": 2.4 if kind == "toy" else 1.5, "zorder": 2}
        if kind == "toy":
            settings |= {"ms": 7, "zorder": 4}
        x, y = zip(*places, strict=True)
        ax.plot(x, y, marker=_MARKERS[kind], color=colour, dashes=dashes, **settings)
        names.append((*places[0], codec, colour))
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set_ylim(len(rows) - 0.6, -0.35)
    ax.margins(x=0.06)
    ax.grid(axis="y", visible=False)
    _slanted_names(ax, names)
    return ax


def _dashes(kind: str) -> tuple[Any, ...]:
    return _DASHES if kind == "classical" else ((),) * len(_COLOURS[kind])


def _slanted_names(ax: Axes, names: Iterable[tuple[float, float, str, str]]) -> None:
    """(x, y, text, colour) of each line's first point: names above the frame, moved apart."""
    names = sorted(names)
    ax.figure.draw_without_rendering()
    point = 72 / ax.figure.dpi
    there = [ax.transData.transform((x, 0))[0] * point for x, _, _, _ in names]
    place = list(there)
    for _ in range(200):  # neighbours push each other apart until every pair has its distance
        for i in range(1, len(place)):
            overlap = _NAME_WIDTH - (place[i] - place[i - 1])
            if overlap > 0.05:
                place[i] += overlap / 2
                place[i - 1] -= overlap / 2
    top = ax.get_ylim()[1]
    for (x, _, text, colour), at, wanted in zip(names, place, there, strict=True):
        ax.annotate(
            text,
            (x, top),
            xytext=(at - wanted, 9),
            textcoords="offset points",
            rotation=_SLANT,
            rotation_mode="anchor",
            ha="left",
            va="center",
            fontsize=SMALL,
            color=colour,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.8, "shrinkA": 0, "shrinkB": 0},
        )


def _check_kinds(kinds: Iterable[str]) -> None:
    if unknown := sorted(set(kinds) - set(KINDS)):
        raise ValueError(f"unknown kinds {unknown}: choose of {', '.join(KINDS)}")


def lattice(side: int = 9, levels: int = 3) -> Axes:
    """Pixels of a square by the pass that codes them: D, then H and V, of each level in its colour.

    K are the pixels that the coarsest level of these begins with. ValueError for levels not 1 to 4.
    """
    if not 1 <= levels <= len(_LEVELS):
        raise ValueError(f"lattice draws 1 to {len(_LEVELS)} levels, got {levels}")
    ax = new_axes(width=3.6, height=3.6)
    for i in range(side):
        for j in range(side):
            level, letter = _turn(i, j, levels)
            face = _STAY if level is None else _LEVELS[level]
            ax.add_patch(plt.Rectangle((j, i), 1, 1, fc=face, ec="#5a5a5a", lw=0.6))
            ax.text(j + 0.5, i + 0.54, letter, ha="center", va="center", fontsize=TINY,
                    weight="bold" if level is None else "normal")  # fmt: skip
    ax.set(xlim=(-0.1, side + 0.1), ylim=(side + 0.1, -0.1), aspect="equal")
    ax.axis("off")
    return ax


def _turn(i: int, j: int, levels: int) -> tuple[int | None, str]:
    """The level that codes pixel (i, j), 0 for the finest, and its phase; None for those that stay.

    A level halves the coordinates, and what has an odd one is left behind.
    """
    for level in range(levels):
        if i % 2 or j % 2:
            return level, {(1, 1): "D", (0, 1): "H", (1, 0): "V"}[i % 2, j % 2]
        i, j = i // 2, j // 2
    return None, "K"


def turn_grids(grids: Mapping[str, ArrayLike]) -> np.ndarray:
    """Small grids side by side, in every cell the turn (from 1) in which it is decoded.

    grids: {title: (h, w) whole numbers}. The earlier, the darker; returns the flat Axes.
    """
    cells = {title: np.asarray(turns) for title, turns in grids.items()}
    with plt.rc_context(STYLE):
        each = WIDTH / len(cells)
        _, axes = empty_grid(1, len(cells), (WIDTH, each + 0.3))
        for ax, (title, turns) in zip(axes[0], cells.items(), strict=True):
            # the same share of the way through the turns has the same blue in every grid
            shade = (turns - 1) / max(1, turns.max() - 1)
            ax.imshow(shade, cmap="Blues_r", vmin=-0.25, vmax=1.1)
            for (i, j), turn in np.ndenumerate(turns):
                ink = "white" if shade[i, j] < 0.2 else COLOURS["original"]
                size = min(TINY, 100 * each / turns.shape[1] / 2.4)  # points: fits into its cell
                ax.text(j, i, str(turn), ha="center", va="center", fontsize=size, color=ink)
            ax.set_title(title, fontsize=SMALL, pad=3)
    return axes[0]
