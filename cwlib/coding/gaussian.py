"""Tables for a Gaussian scale hyperprior: 64 zero-mean normals, cut into unit bins.

A latent is rounded, so the value k stands for [k - 1/2, k + 1/2] and has the probability

    P(k) = Phi((k + 1/2) / sigma) - Phi((k - 1/2) / sigma).

The decoder predicts sigma, and sigma picks one of 64 tables made beforehand, evenly spaced in
log2(sigma). Tables are part of the format: every machine must make the same ones. So Phi and exp
are computed here from + - * / alone, elementwise, which IEEE 754 rounds in one way only.

References
    J. Balle et al., Variational image compression with a scale hyperprior, ICLR 2018.
    G. Marsaglia, Evaluating the normal distribution, Journal of Statistical Software 11(4), 2004.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from cwlib.coding.tables import TOTAL, Tables

# The grid of scales: log2(sigma) = LOG2_SCALE_MIN + i * LOG2_SCALE_STEP for i = 0 ... LEVELS - 1,
# from 0.11 (all but 1 value in 200,000 is 0) to 256, as is usual in the field.
LEVELS = 64
SCALE_MIN, SCALE_MAX = 0.11, 256.0
LOG2_SCALE_MIN, LOG2_SCALE_MAX = -3.184424571137427, 8.0
LOG2_SCALE_STEP = (LOG2_SCALE_MAX - LOG2_SCALE_MIN) / (LEVELS - 1)  # 0.1775 octaves

LN_2 = 0.6931471805599453
SQRT_TAU = 2.5066282746310002  # sqrt(2 pi)
REACH = 8.0  # beyond 8 sigma lies 1e-15 of a normal: as good as nothing

# A value is in its table where it is worth at least this share of one count of 65536. Each entry
# takes a whole count from the others: too many cost more than the rare escapes that they spare.
LEAST_COUNT = 1 / 16


@np.errstate(under="ignore")  # terms that vanish
def exp(x: np.ndarray) -> np.ndarray:
    """e^x to 13 digits for -32 <= x <= 32, the same bits on every machine."""
    # e^x = (e^(x / 64))^64, and the series of e^(x / 64) is short
    small = np.asarray(x, dtype=np.float64) / 64.0
    power, term = np.ones_like(small), np.ones_like(small)
    for k in range(1, 20):  # 0.5^20 / 20! < 1e-24
        term = term * small / k
        power = power + term
    for _ in range(6):
        power = power * power
    return power


@np.errstate(under="ignore")
def normal_cdf(x: np.ndarray) -> np.ndarray:
    """Phi(x) of the standard normal to 1e-13, the same bits on every machine; 0 or 1 beyond 8."""
    x = np.asarray(x, dtype=np.float64)
    inner = np.minimum(np.maximum(x, -REACH), REACH)
    # Phi(x) = 1/2 + phi(x) (x + x^3/3 + x^5/(3 5) + x^7/(3 5 7) + ...)
    term, series = inner, inner
    for k in range(3, 301, 2):
        term = term * (inner * inner) / k
        series = series + term
    phi = exp(-0.5 * (inner * inner)) / SQRT_TAU
    share = np.minimum(np.maximum(0.5 + phi * series, 0.0), 1.0)
    return np.where(x <= -REACH, 0.0, np.where(x >= REACH, 1.0, share))


#: sigma of each of the 64 tables, 2^(LOG2_SCALE_MIN + i * LOG2_SCALE_STEP)
SCALES = tuple(exp(LN_2 * (LOG2_SCALE_MIN + LOG2_SCALE_STEP * np.arange(LEVELS))).tolist())


@np.errstate(over="ignore")  # infinities have a nearest table too
def scale_index(log2_sigma: np.ndarray) -> np.ndarray:
    """The table whose scale is nearest, in log2, to each sigma: int64 in 0 ... 63, same shape.

    log2_sigma: floats, or whole numbers of some unit divided by it (exact for powers of two).
    Raises ValueError for NaN, which has no nearest table.
    """
    steps = (np.asarray(log2_sigma, dtype=np.float64) - LOG2_SCALE_MIN) / LOG2_SCALE_STEP
    if np.isnan(steps).any():
        raise ValueError("log2_sigma holds NaN: the network's output is damaged")
    return np.clip(np.floor(steps + 0.5), 0, LEVELS - 1).astype(np.int64)


@np.errstate(under="ignore")
def unit_bins(sigma: float) -> tuple[np.ndarray, float]:
    """P(-n) ... P(n) of a normal of this sigma, and the probability of all values beyond.

    n is the last value of a probability of at least 2^-20, a sixteenth of a count; at least 1.
    Raises ValueError for a sigma outside 1/1024 ... 4096.
    """
    sigma = float(sigma)
    if not 2.0**-10 <= sigma <= 2.0**12:
        raise ValueError(f"a scale lies between 1/1024 and 4096, got {sigma:g}")
    k = np.arange(int(REACH * sigma) + 2)
    # P(k) = Phi((1/2 - k) / sigma) - Phi((-1/2 - k) / sigma): the lower tail, which keeps digits
    p = normal_cdf((0.5 - k) / sigma) - normal_cdf((-0.5 - k) / sigma)  # k = 0, 1, 2 ...
    n = max(1, int(np.count_nonzero(p * TOTAL >= LEAST_COUNT)) - 1)
    beyond = 2.0 * normal_cdf((-0.5 - n) / sigma)
    return np.concatenate([p[n:0:-1], p[: n + 1]]), float(beyond)


@cache
def gaussian_tables(scales: tuple[float, ...] = SCALES) -> Tables:
    """One table for each scale, by default the 64 that `scale_index` points to.

    Table i covers -n ... n around 0; its escape has the probability of the tails beyond. On
    values that follow the model they cost 0.02 % over the entropy on average, escapes included.
    Made once per process, in about 0.1 s. Raises ValueError for a scale outside 1/1024 ... 4096.
    """
    bins = [unit_bins(sigma) for sigma in scales]
    offsets = [-(len(p) // 2) for p, _ in bins]
    return Tables.from_probabilities([p for p, _ in bins], offsets, [beyond for _, beyond in bins])
