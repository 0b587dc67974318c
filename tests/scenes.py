"""Made-up photographs: what tests use in place of real ones, so that they run without any data."""

from __future__ import annotations

import numpy as np


def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Soft colours, a few hard edges and some grain: uint8 (height, width, 3)."""
    rng = np.random.default_rng([seed, height, width])
    y, x = np.mgrid[:height, :width] / max(height, width, 8)
    picture = np.zeros((height, width, 3))
    for c in range(3):
        fx, fy, phase = rng.uniform(1, 9, 3)
        picture[..., c] = 128 + 50 * np.sin(fx * x + fy * y + phase)
    for _ in range(6):
        cx, cy, r = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.03, 0.2)
        picture[np.hypot(x - cx, y - cy) < r] = rng.uniform(20, 235, 3)
    picture += rng.normal(0, 4, picture.shape)
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)
