"""From probabilities to whole-number frequencies that every machine gets alike.

A coder splits its interval by whole numbers f_i >= 1 that sum to a fixed total T. A symbol of
probability p_i then costs -log2(f_i / T) bits instead of -log2(p_i). Rounding p_i * T is not the
best that can be done, and need not sum to T; the best is

    minimise  sum_i p_i * -log2(f_i / T)    subject to    f_i >= 1,  sum_i f_i = T.

One more count for symbol i saves p_i * log2((f_i + 1) / f_i) bits a symbol. Each such saving is
smaller than the one before it, so handing out the counts one by one, each to whoever saves most
by it, ends at the optimum.

Encoder and decoder must agree on every bit of a table, so this file uses + - * / and comparisons
alone, which IEEE 754 rounds in one way only. Neither np.log (its last bit is the library's choice)
nor np.sum (its order of adding is the processor's) may come near a table.
"""

from __future__ import annotations

import heapq
import math
from functools import cache
from operator import index

import numpy as np

LARGEST = 1e300  # the sum of 65536 weights must stay finite


def from_probabilities(p: np.ndarray, total: int = 1 << 16, escape: float = 0.0) -> np.ndarray:
    """The cumulative frequencies that code symbols of probabilities `p` in the fewest bits.

    p: (n,) floats >= 0, scaled to sum to 1 together with `escape`, the probability of all other
    values. Returns (n + 2,) int64 from 0 to `total`; the last interval is the escape, and no
    interval is empty, whatever its probability. Raises ValueError. Source: greedy allocation,
    exact for a separable convex cost (Fox, Discrete optimization via marginal analysis, 1966).

    >>> from_probabilities(np.array([0.5, 0.25, 0.25]), total=16)  # 7, 4, 4, and 1 to escape
    array([ 0,  7, 11, 15, 16])
    """
    total, escape = index(total), float(escape)
    if not 0 <= escape < LARGEST:  # NaN compares false
        raise ValueError(f"the escape's probability is {escape:g}: finite and at least 0 wanted")
    p = np.append(_probabilities(p), escape)
    if p.size > total:
        raise ValueError(
            f"{p.size - 1} symbols and the escape do not fit into {total} counts, one each: "
            "leave the rare ones to the escape"
        )
    mass = math.fsum(p)  # exactly rounded, so in no order of its own
    if mass == 0:
        raise ValueError("the probabilities sum to 0: at least one of them must be above")
    return np.append(0, np.cumsum(_allocate(p / mass, total)))


def mean_bits(p: np.ndarray, cdf: np.ndarray, escape: float = 0.0) -> float:
    """Bits that a symbol of probabilities `p` takes on average when it is coded with `cdf`.

    An escaped value counts with the bits of the escape alone. For reports, not for tables.
    """
    p = np.append(_probabilities(p), escape)
    return float(-(p * np.log2(np.diff(cdf) / cdf[-1])).sum() / p.sum())


def entropy(p: np.ndarray, escape: float = 0.0) -> float:
    """The least that `mean_bits` can be, in bits per symbol: sum of p * -log2(p).

    >>> entropy(np.array([0.5, 0.25, 0.25]))
    1.5
    """
    p = np.append(_probabilities(p), escape)
    p = p[p > 0] / p.sum()
    return float(-(p * np.log2(p)).sum())


def _probabilities(p: np.ndarray) -> np.ndarray:
    """`p` as a float64 vector; raises ValueError that says which entry is no probability."""
    p = np.asarray(p)
    if p.ndim != 1 or p.dtype.kind not in "fiu":
        raise ValueError(f"probabilities: expected a 1-D float array, got {p.ndim}-D {p.dtype}")
    p = p.astype(np.float64)
    bad = np.flatnonzero(~((p >= 0) & (p < LARGEST)))
    if bad.size:
        raise ValueError(f"probability {bad[0]} is {p[bad[0]]:g}: finite and at least 0 wanted")
    return p


def _allocate(p: np.ndarray, total: int) -> np.ndarray:
    """(n,) whole frequencies of at least 1 that sum to `total`; p sums to 1."""
    gain = _log_ratios(total)
    # The optimum has f_i >= p_i (T - n) - 1/2: begin safely below it, not with a count of 1 each.
    f = np.maximum(np.floor(p * (total - p.size) - 0.75), 1).astype(np.int64).tolist()
    weight = p.tolist()
    # A heap gives the largest saving first, and of equal ones that of the lowest index.
    heap = [(-weight[i] * gain[f[i]], i) for i in range(len(f))]
    heapq.heapify(heap)
    for _ in range(total - sum(f)):
        i = heap[0][1]
        f[i] += 1
        heapq.heapreplace(heap, (-weight[i] * gain[f[i]], i))
    return np.array(f, dtype=np.int64)


@cache
def _log_ratios(total: int) -> list[float]:
    """log((f + 1) / f) for f = 0 ... total: what one more count saves (entry 0 is not used)."""
    # log((f + 1) / f) = 2 artanh(y) = 2 (y + y^3/3 + y^5/5 + ...)    with y = 1 / (2 f + 1)
    y = 1.0 / (2.0 * np.arange(1, total + 1) + 1.0)
    series, y_power = np.zeros_like(y), y
    for k in range(1, 37, 2):  # y <= 1/3: the next term is below 1e-18
        series = series + y_power / k
        y_power = y_power * (y * y)
    return [math.inf, *(2.0 * series).tolist()]
