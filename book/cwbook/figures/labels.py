"""Text beside lines and points, where a legend would send the eye to and fro."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation

from cwbook.figures.look import COLOURS, DASHES, SMALL, TINY

# (dx, dy) in points: where a name may stand beside its point
_PLACES = ((7, 0), (-7, 0), (0, 9), (0, -9), (7, 9), (7, -9), (-7, 9), (-7, -9))


def label_line(
    ax: Axes,
    x: float,
    y: float,
    text: str,
    colour: str = COLOURS["original"],
    *,
    offset: tuple[float, float] = (6, 0),
    ha: str = "left",
    va: str = "center",
) -> Annotation:
    """Write text beside the point (x, y) of a line, instead of a legend; offset in points."""
    return ax.annotate(
        text,
        (x, y),
        xytext=offset,
        textcoords="offset points",
        ha=ha,
        va=va,
        color=colour,
        fontsize=SMALL,
        annotation_clip=False,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )


def label_ends(ax: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Names at the lines' ends; names that would overlap are moved apart.

    ends: (x, y, text, colour) of each line's last point.
    """
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


def label_where_free(ax: Axes, names: Sequence[tuple[str, str, np.ndarray]]) -> None:
    """Write each name beside one of its own points, where it hides the least of everything else.

    names: (text, colour, points (n, 2) in view).
    """
    ax.figure.draw_without_rendering()
    ink = _ink(ax)
    for text, colour, points in names:
        best: tuple[float, Annotation] | None = None
        for x, y in points:
            for dx, dy in _PLACES:
                ha = "center" if dx == 0 else "left" if dx > 0 else "right"
                note = label_line(ax, x, y, text, colour, offset=(dx, dy), ha=ha)
                harm = _harm(note, ink, ax)
                if best is None or harm < best[0]:
                    if best is not None:
                        best[1].remove()
                    best = (harm, note)
                else:
                    note.remove()
        assert best is not None, f"{text!r} has no point in view"
        (x0, y0), (x1, y1) = best[1].get_window_extent().get_points()
        grid = np.stack(np.meshgrid(np.linspace(x0, x1, 20), np.linspace(y0, y1, 8)), -1)
        ink = np.concatenate([ink, np.repeat(grid.reshape(-1, 2), 5, axis=0)])


def _ink(ax: Axes) -> np.ndarray:
    """Places (n, 2) in pixels along every line that is drawn, close to each other."""
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
    return np.concatenate(drawn)


def _harm(note: Annotation, ink: np.ndarray, ax: Axes) -> float:
    """How much ink the text hides, and 50 for every pixel that it sticks out of the frame."""
    box, frame = note.get_window_extent(), ax.bbox
    hidden = ((ink >= box.min) & (ink <= box.max)).all(1).sum()
    out = [frame.x0 - box.x0, box.x1 - frame.x1, frame.y0 - box.y0, box.y1 - frame.y1]
    return hidden + 50 * sum(np.clip(out, 0, None))


def mark_above(ax: Axes, x: float, text: str, *, lw: float, zorder: float, **settings: Any) -> None:
    """A vertical dashed line at x, with its name above the frame; settings: of `ax.annotate`."""
    ax.axvline(x, color=COLOURS["png"], lw=lw, dashes=DASHES["png"], zorder=zorder)
    ax.annotate(
        text,
        (x, 1),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        fontsize=TINY,
        **settings,
    )
