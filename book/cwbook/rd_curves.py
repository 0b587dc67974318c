"""Curves of quality over rate with few points: read at one rate, or compared over a range.

Everything is on straight lines over the logarithm of the rate. Nothing is extrapolated: outside
its points a curve has no value.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

Points = Sequence[tuple[float, float]]  # (bits per pixel, quality), in any order


def at_rate(points: Points, rate: float) -> float:
    """The quality of a curve at a rate that lies between its points, or on one.

    Raises ValueError outside them, and for curves without two different rates above 0.

    >>> at_rate([(0.1, 28.0), (0.4, 32.0)], 0.2)
    30.0
    """
    log_rate, quality = _curve(points)
    low, high = np.exp(log_rate[[0, -1]])
    if not low * (1 - 1e-9) <= rate <= high * (1 + 1e-9):
        raise ValueError(f"{rate:g} bpp is not between {low:.4f} and {high:.4f}, the curve's ends")
    return float(np.interp(np.log(rate), log_rate, quality))


def common_rates(curves: Iterable[Points]) -> tuple[float, float]:
    """The lowest and the highest rate that lie inside all curves. ValueError where none does."""
    logs = [_curve(points)[0] for points in curves]
    if not logs:
        raise ValueError("common_rates needs at least one curve")
    low, high = (float(np.exp(e)) for e in (max(c[0] for c in logs), min(c[-1] for c in logs)))
    if not low < high:
        raise ValueError(f"the curves share no rates: {low:.4f} bpp is not below {high:.4f}")
    return low, high


def mean_gain(points: Points, over: Points) -> float:
    """Mean quality of a curve minus that of another, over the rates that both have.

    What Bjontegaard 2001 calls the average PSNR difference, with straight lines in place of his
    cubics, which want four points. Raises ValueError as `common_rates` does.
    """
    low, high = common_rates([points, over])
    curves = _curve(points), _curve(over)
    ends = np.log([low, high])
    x = np.unique(np.concatenate([ends, *(c[0] for c in curves)]))
    x = x[(x >= ends[0]) & (x <= ends[1])]
    # both are straight between neighbours of x, so trapezia are exact
    gap = np.interp(x, *curves[0]) - np.interp(x, *curves[1])
    area = ((gap[1:] + gap[:-1]) / 2 * np.diff(x)).sum()
    return float(area / (ends[1] - ends[0]))


def _curve(points: Points) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of the rates, rising, and the qualities."""
    table = np.array(sorted(map(tuple, points)), dtype=float).reshape(-1, 2)
    rate, quality = table.T
    if not np.isfinite(table).all() or not (rate > 0).all() or len(rate) < 2:
        raise ValueError(f"expected at least two points (rate > 0, quality), got {table.tolist()}")
    if not (np.diff(rate) > 0).all():
        raise ValueError(f"a curve has one quality at a rate, got the rates {rate.tolist()}")
    return np.log(rate), quality
