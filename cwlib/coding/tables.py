"""Integer probability tables: what every coder here is told about its symbols.

A table is a cumulative integer array 0 = c_0 < c_1 < ... < c_k = 65536. Interval j has probability
(c_{j+1} - c_j) / 65536. The last interval is the escape: it announces a value outside the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

TOTAL = 1 << 16


@dataclass(frozen=True)
class Tables:
    """Several tables of different lengths in one padded array.

    cdfs: (T, longest) int64, rows padded with 65536; sizes: (T,) number of intervals, escape
    included; offsets: (T,) value of each table's first symbol.
    """

    cdfs: np.ndarray
    sizes: np.ndarray
    offsets: np.ndarray

    @classmethod
    def from_cdfs(cls, cdfs: Sequence[np.ndarray], offsets: Sequence[int]) -> Tables:
        """Check and pack cumulative arrays; raises ValueError that names the faulty table."""
        if len(cdfs) != len(offsets):
            raise ValueError(f"{len(cdfs)} tables but {len(offsets)} offsets: give one for each")
        if not len(cdfs):
            raise ValueError("no tables: give at least one")
        for t, cdf in enumerate(cdfs):
            cdf = np.asarray(cdf)
            if cdf.ndim != 1 or len(cdf) < 2 or not np.issubdtype(cdf.dtype, np.integer):
                raise ValueError(f"table {t}: expected a 1-D integer array of at least 2 entries")
            if cdf[0] != 0 or cdf[-1] != TOTAL:
                raise ValueError(
                    f"table {t}: must run from 0 to {TOTAL}, not {cdf[0]} to {cdf[-1]}"
                )
            if (np.diff(cdf.astype(np.int64)) <= 0).any():  # unsigned differences would wrap
                raise ValueError(f"table {t}: an interval is empty; every symbol needs at least 1")
        longest = max(len(c) for c in cdfs)
        packed = np.full((len(cdfs), longest), TOTAL, dtype=np.int64)
        for t, cdf in enumerate(cdfs):
            packed[t, : len(cdf)] = cdf
        sizes = np.array([len(c) - 1 for c in cdfs], dtype=np.int64)
        return cls(packed, sizes, np.asarray(offsets, dtype=np.int64))


def check(
    symbols: np.ndarray, indices: np.ndarray, tables: Tables
) -> tuple[np.ndarray, np.ndarray]:
    """Symbols and table indices as int64 vectors of equal length; raises ValueError otherwise."""
    symbols, indices = np.asarray(symbols), np.asarray(indices)
    for name, a in (("symbols", symbols), ("indices", indices)):
        if a.ndim != 1 or (a.size and not np.issubdtype(a.dtype, np.integer)):
            raise ValueError(f"{name}: expected a 1-D integer array, got {a.ndim}-D {a.dtype}")
    if len(symbols) != len(indices):
        raise ValueError(f"{len(symbols)} symbols but {len(indices)} table indices")
    if indices.size and not (0 <= indices.min() and indices.max() < len(tables.sizes)):
        raise ValueError(f"table indices must lie in 0..{len(tables.sizes) - 1}")
    if symbols.size and symbols.max() > np.iinfo(np.int64).max:
        raise ValueError(f"symbols lie below 2**63, got {symbols.max()}")
    return symbols.astype(np.int64), indices.astype(np.int64)
