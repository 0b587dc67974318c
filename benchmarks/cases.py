"""What the coders are given to code: symbols, and a table for each of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from cwlib.coding.gaussian import LEVELS, SCALES, gaussian_tables
from cwlib.coding.tables import Tables

N_VALUES = 64


@dataclass(frozen=True, eq=False)
class Case:
    """`symbols[i]` comes from table `indices[i]`, and none lies outside its table.

    scales: sigma of each table where the tables are those of normal distributions around 0, for
    peers that take the distribution instead of a table; None where they are not.
    """

    name: str
    symbols: np.ndarray  # (n,) int64
    indices: np.ndarray  # (n,) int64
    tables: Tables
    scales: np.ndarray | None = None

    @property
    def has_one_table(self) -> bool:
        """Whether all symbols share one table, as Huffman coding needs it."""
        return self.tables.sizes.size == 1

    @property
    def ideal_bytes(self) -> int:
        """What the tables promise, in whole bytes: -sum of log2 of each symbol's probability.

        A coder that leaves the end of its data to the container may save one byte or two of it.
        """
        j = self.symbols - self.tables.offsets[self.indices]
        freqs = self.tables.cdfs[self.indices, j + 1] - self.tables.cdfs[self.indices, j]
        return math.ceil((16 - np.log2(freqs)).sum() / 8)

    def sorted_by_table(self) -> Case:
        """The same symbols in the order of their tables."""
        order = np.argsort(self.indices, kind="stable")
        return replace(self, symbols=self.symbols[order], indices=self.indices[order])

    def groups(self) -> list[tuple[int, np.ndarray]]:
        """Of a sorted case: (table, its symbols counted from 0 as int32) for each table in use."""
        used, starts = np.unique(self.indices, return_index=True)
        shifted = (self.symbols - self.tables.offsets[self.indices]).astype(np.int32)
        return list(zip(used.tolist(), np.split(shifted, starts[1:]), strict=True))


def all_cases(n: int, rng: np.random.Generator) -> list[Case]:
    """Static and Gaussian symbols, n and n / 50 (one small image) of each, and 2 n / 5 sparse."""
    few = n // 50
    return [
        static(f"{N_VALUES} symbols, {short(n)}", n, rng),
        static(f"{N_VALUES} symbols, {short(few)}", few, rng),
        gaussian(f"{LEVELS} Gaussian tables, {short(n)}", n, rng),
        gaussian(f"{LEVELS} Gaussian tables, {short(few)}", few, rng),
        sparse(f"sparse, {short(2 * n // 5)}", 2 * n // 5, rng),
    ]


def static(name: str, n: int, rng: np.random.Generator) -> Case:
    """`n` rounded Gaussian values around 32 with deviation 8, all from one table: 5.1 bits each."""
    symbols = np.clip(np.rint(rng.normal(32, 8, n)), 0, N_VALUES - 1).astype(np.int64)
    counts = np.bincount(symbols, minlength=N_VALUES)
    return Case(name, symbols, np.zeros(n, np.int64), Tables.from_probabilities([counts / n], [0]))


def gaussian(name: str, n: int, rng: np.random.Generator) -> Case:
    """Values of a scale hyperprior's 64 tables, each table as often as the others: 4.5 bits."""
    return _of_scales(name, rng.integers(0, LEVELS, n), rng)


def sparse(name: str, n: int, rng: np.random.Generator) -> Case:
    """Mostly zeros, as in a picture's flat regions: 0.3 bits each.

    95 % of the symbols have a sigma of 0.11 to 0.2, where all but 1 in 300 are zero.
    """
    narrow, wide = rng.integers(0, 6, n), rng.integers(20, 40, n)
    return _of_scales(name, np.where(rng.random(n) < 0.95, narrow, wide), rng)


def _of_scales(name: str, indices: np.ndarray, rng: np.random.Generator) -> Case:
    scales, tables = np.array(SCALES), gaussian_tables()
    symbols = np.rint(rng.normal(0, scales[indices])).astype(np.int64)
    reach = -tables.offsets[indices]  # the tables run from -reach to reach
    return Case(name, np.clip(symbols, -reach, reach), indices, tables, scales)


def short(n: int) -> str:
    """1000000 -> '1M', 20000 -> '20k', 1234 -> '1234'."""
    for unit, letter in (1_000_000, "M"), (1000, "k"):
        if n % unit == 0 and n >= unit:
            return f"{n // unit}{letter}"
    return str(n)
