"""Made-up handwriting: what tests use in place of digits, so that they run without any data set."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


def page(height: int, width: int, seed: int = 0) -> np.ndarray:
    """White curves on black, soft at their edges: uint8 (height, width)."""
    rng = np.random.default_rng([seed, height, width])
    picture = Image.new("L", (width, height))
    draw = ImageDraw.Draw(picture)
    t = np.linspace(0, 1, 12)[:, None]
    for _ in range(2):
        a, b, c = rng.uniform(0.15, 0.85, (3, 2)) * (width, height)
        # a quadratic Bezier curve
        points = (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c
        draw.line([tuple(p) for p in points], fill=255, width=max(1, min(height, width) // 10))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(0.7))).copy()


def digits(n: int, size: int = 28, seed: int = 0) -> np.ndarray:
    """n such pages of size x size: uint8 (n, size, size)."""
    return np.stack([page(size, size, 1000 * seed + k) for k in range(n)])
