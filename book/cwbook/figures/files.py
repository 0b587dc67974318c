"""A figure or a picture as a file in memory: a Scrubber's frame, or a lighter output of a cell."""

from __future__ import annotations

import io

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from cwbook.figures.images import as_picture


def as_png(ax: Axes) -> bytes:
    """The figure that `ax` belongs to as a PNG file, and the figure closed: a Scrubber's frame."""
    buffer = io.BytesIO()
    ax.figure.savefig(buffer, format="png", metadata={"Software": None})
    plt.close(ax.figure)
    return buffer.getvalue()


def as_jpeg(ax: Axes, quality: int = 92) -> bytes:
    """The same as a JPEG file: for figures full of photographs, a fifth of the PNG."""
    buffer = io.BytesIO()
    settings = {"quality": quality, "subsampling": 0, "optimize": True}
    ax.figure.savefig(buffer, format="jpeg", pil_kwargs=settings)
    plt.close(ax.figure)
    return buffer.getvalue()


def as_webp(image: ArrayLike, quality: int = 88) -> bytes:
    """A uint8 picture as a WebP file: a Scrubber's frame of a photograph, a fifth of its PNG."""
    buffer = io.BytesIO()
    picture = as_picture(image)
    colour = np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture
    plt.imsave(buffer, colour, format="webp", pil_kwargs={"quality": quality, "method": 6})
    return buffer.getvalue()
