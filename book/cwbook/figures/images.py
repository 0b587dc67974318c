"""Pictures: grids of them in a figure, and arrays put together to one picture."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from cwbook.figures.look import SMALL, STYLE, TINY, WIDTH


def as_picture(image: ArrayLike) -> np.ndarray:
    """The image as an array; ValueError where it is neither (H, W) nor (H, W, 3)."""
    picture = np.asarray(image)
    if picture.ndim != 2 and not (picture.ndim == 3 and picture.shape[2] == 3):
        raise ValueError(f"expected a picture (H, W) or (H, W, 3), got {picture.shape}")
    return picture


def empty_grid(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, np.ndarray]:
    """A figure of so many inches, and its (rows, columns) Axes without frames, close together."""
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)
    for ax in axes.ravel():
        ax.axis("off")
    return figure, axes


def draw_picture(
    ax: Axes,
    picture: np.ndarray,
    title: str | None = None,
    *,
    cmap: str = "gray",
    vmin: float = 0,
    vmax: float = 255,
) -> None:
    """One picture with its title above it; grey values vmin to vmax go from black to white."""
    ax.imshow(picture, cmap=cmap, vmin=vmin, vmax=vmax)
    if title is not None:
        ax.set_title(title, fontsize=SMALL, pad=3)


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
    """A grid of images, each with a title above it; returns its flat Axes, one per image.

    images: (H, W) or (H, W, 3) arrays, by default on the scale 0 to 255; no axes, no smoothing.
    titles: one per image. width: of the figure, in inches. ValueError where these do not fit.
    """
    if len(images) == 0:
        raise ValueError("show_images needs at least one image")
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"{len(images)} images, but {len(titles)} titles")
    pictures = [as_picture(image) for image in images]
    columns = min(columns or 4, len(pictures))
    rows = -(-len(pictures) // columns)
    height, across = pictures[0].shape[:2]
    size = (width, rows * (width / columns * height / across + 0.19 * _lines(titles) + 0.08))
    with plt.rc_context(STYLE):
        axes = empty_grid(rows, columns, size)[1].ravel()[: len(pictures)]
        for ax, picture, title in zip(axes, pictures, titles or [None] * len(axes), strict=True):
            draw_picture(ax, picture, title, cmap=cmap, vmin=vmin, vmax=vmax)
    return axes


def captioned_grid(
    rows: Sequence[Sequence[ArrayLike]],
    captions: Sequence[Sequence[str]],
    heads: Sequence[str] | None = None,
    *,
    width: float = WIDTH,
) -> np.ndarray:
    """A table of pictures: a caption under each, a head over each column; returns the 2-D Axes.

    rows: of uint8 pictures (H, W) or (H, W, 3). width: of the figure, in inches.
    """
    pictures = [[as_picture(image) for image in row] for row in rows]
    columns = max(len(row) for row in pictures)
    height, across = next(row for row in pictures if row)[0].shape[:2]
    lines = max(_lines(texts) for texts in captions)
    top = 0 if heads is None else 0.17 * _lines(heads) + 0.08
    each = width / columns * height / across + 0.145 * lines + 0.07
    with plt.rc_context(STYLE):
        _, axes = empty_grid(len(rows), columns, (width, len(rows) * each + top))
        for line, row, texts in zip(axes, pictures, captions, strict=True):
            for ax, picture, text in zip(line, row, texts, strict=False):
                draw_picture(ax, picture)
                ax.text(
                    0.5,
                    -0.03,
                    text,
                    transform=ax.transAxes,
                    ha="center",
                    va="top",
                    fontsize=TINY,
                    linespacing=1.15,
                )
        for ax, head in zip(axes[0], heads or [], strict=False):
            ax.set_title(head, fontsize=SMALL, loc="center", pad=4)
    return axes


def _lines(texts: Sequence[str] | None) -> int:
    """Lines of the text that has most of them."""
    return max((text.count("\n") + 1 for text in texts or []), default=0)


def side_by_side(images: Sequence[ArrayLike], gap: int = 6) -> np.ndarray:
    """uint8 pictures of one height as one (H, W, 3), white between them: a frame for a Scrubber.

    images: (H, W) or (H, W, 3). gap: pixels of white. ValueError for another dtype or height.
    """
    if len(images) == 0:
        raise ValueError("side_by_side needs at least one picture")
    parts = []
    for image in images:
        part = as_picture(image)
        if part.dtype != np.uint8:
            raise ValueError(f"expected uint8 pictures, got {part.dtype}")
        if parts and len(part) != len(parts[0]):
            raise ValueError(f"a picture {len(part)} high beside one {len(parts[0])} high")
        part = np.repeat(part[..., None], 3, axis=2) if part.ndim == 2 else part
        parts += [part, np.full((len(part), gap, 3), 255, dtype=np.uint8)]
    return np.concatenate(parts[:-1], axis=1)


def tile(code: ArrayLike, factor: int = 4, *, columns: int = 2) -> np.ndarray:
    """The channels of a code (C, h, w) in [0, 1] as one grey picture, each pixel enlarged: uint8.

    The last row and column of every channel are white, to part it from its neighbours.
    """
    code = np.asarray(code)
    grey = np.round(255 * np.clip(code, 0, 1)).astype(np.uint8)
    cells = grey.repeat(factor, 1).repeat(factor, 2)
    cells[:, -1:] = cells[:, :, -1:] = 255
    rows = [np.hstack(cells[k : k + columns]) for k in range(0, len(cells), columns)]
    return np.vstack(rows)
