"""Integer probability tables: what every coder here is told about its symbols.

A table is a cumulative integer array 0 = c_0 < c_1 < ... < c_k = 65536. Interval j has probability
(c_{j+1} - c_j) / 65536. The last interval is the escape: it announces a value outside the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cwlib.coding import intervals
from cwlib.coding.frequencies import from_probabilities

TOTAL = 1 << 16


@dataclass(frozen=True, eq=False)
class Tables:
    """Several tables of different lengths in one padded array.

    cdfs: (T, longest) int64, rows padded with 65536; sizes: (T,) number of intervals, escape
    included; offsets: (T,) value of each table's first symbol.
    """

    cdfs: np.ndarray
    sizes: np.ndarray
    offsets: np.ndarray

    @cached_property
    def for_encoding(self) -> intervals.ForEncoding:
        """What the rANS encoder looks up, worked out when it is first asked for."""
        return intervals.for_encoding(self.cdfs, self.sizes, self.offsets)

    @cached_property
    def for_decoding(self) -> intervals.ForDecoding:
        """What the rANS decoder looks up, worked out when it is first asked for."""
        return intervals.for_decoding(self.cdfs, self.sizes, self.offsets)

    @classmethod
    def from_cdfs(cls, cdfs: Sequence[np.ndarray], offsets: Sequence[int]) -> Tables:
        """Check and pack cumulative arrays; raises ValueError that names the faulty table."""
        if len(cdfs) != len(offsets):
            raise ValueError(f"{len(cdfs)} tables but {len(offsets)} offsets: give one for each")
        if not len(cdfs):
            raise ValueError("no tables: give at least one")
        if np.asarray(offsets).dtype.kind not in "iu" or np.ndim(offsets) != 1:
            raise ValueError("offsets: expected a 1-D array of whole numbers, one for each table")
        if max(abs(int(v)) for v in offsets) > 1 << 31:
            raise ValueError("offsets: expected values within -2**31 ... 2**31")
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

    @classmethod
    def from_padded(
        cls, cdfs: np.ndarray, sizes: np.ndarray, offsets: np.ndarray, n: int
    ) -> Tables:
        """The n tables of which a file holds these three arrays, checked as by `from_cdfs`."""
        if sizes.shape != (n,) or sizes.dtype.kind not in "iu" or cdfs.shape[:-1] != (n,):
            raise ValueError(f"expected {n} tables, got {cdfs.shape} with sizes {sizes.shape}")
        if not (1 <= sizes.min() and sizes.max() < cdfs.shape[1]):
            raise ValueError(f"sizes: expected 1 to {cdfs.shape[1] - 1} intervals in each table")
        return cls.from_cdfs(
            [cdf[: size + 1] for cdf, size in zip(cdfs, sizes, strict=True)], offsets
        )

    @classmethod
    def from_probabilities(
        cls,
        probabilities: Sequence[np.ndarray],
        offsets: Sequence[int],
        escapes: Sequence[float] | None = None,
    ) -> Tables:
        """One table for each array of probabilities; escapes: those of the values outside (0).

        Raises ValueError that names the faulty table. See `frequencies.from_probabilities`.
        """
        escapes = [0.0] * len(probabilities) if escapes is None else escapes
        if len(escapes) != len(probabilities):
            raise ValueError(f"{len(probabilities)} tables but {len(escapes)} escapes")
        cdfs = []
        for t, (p, escape) in enumerate(zip(probabilities, escapes, strict=True)):
            try:
                cdfs.append(from_probabilities(p, TOTAL, escape))
            except ValueError as error:
                raise ValueError(f"table {t}: {error}") from None
        return cls.from_cdfs(cdfs, offsets)


def check(
    symbols: np.ndarray, indices: np.ndarray, tables: Tables
) -> tuple[np.ndarray, np.ndarray]:
    """`vectors`, and every index names a table; raises ValueError otherwise."""
    symbols, indices = vectors(symbols, indices, tables)
    if indices.size and not (0 <= indices.min() and indices.max() < len(tables.sizes)):
        raise ValueError(f"table indices must lie in 0..{len(tables.sizes) - 1}")
    return symbols, indices


def vectors(
    symbols: np.ndarray, indices: np.ndarray, tables: Tables
) -> tuple[np.ndarray, np.ndarray]:
    """Symbols and table indices as int64 vectors of equal length; raises ValueError otherwise, and
    TypeError for tables that are none.

    Both are contiguous and writable, copied only if they were not: one type, compiled once.
    """
    if not isinstance(tables, Tables):
        kind = type(tables).__name__
        raise TypeError(f"expected Tables, got {kind}: make them with Tables.from_cdfs")
    symbols, indices = np.asarray(symbols), np.asarray(indices)
    for name, a in (("indices", indices), ("symbols", symbols)):
        if a.ndim != 1 or (a.size and not np.issubdtype(a.dtype, np.integer)):
            raise ValueError(f"{name}: expected a 1-D integer array, got {a.ndim}-D {a.dtype}")
    if len(symbols) != len(indices):
        raise ValueError(f"{len(symbols)} symbols but {len(indices)} table indices")
    for name, a in (("symbols", symbols), ("indices", indices)):
        if a.dtype == np.uint64 and a.size and a.max() > np.iinfo(np.int64).max:
            raise ValueError(f"{name} lie below 2**63, got {a.max()}")
    return (
        np.require(symbols, np.int64, ["C", "A", "W"]),
        np.require(indices, np.int64, ["C", "A", "W"]),
    )
