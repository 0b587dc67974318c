"""What rANS looks up for each interval of each table, worked out once for all messages.

The intervals of all tables stand in one row: interval j of table t is number first[t] + j.
Compiled loops get arrays, plain ones lists: there, Python's own numbers are faster than NumPy's
and cannot overflow.
"""

from __future__ import annotations

from operator import index
from typing import NamedTuple

import numpy as np

from cwlib.coding.jit import COMPILED

BUCKET_BITS = 8  # the decoder's first guess comes from the upper 8 of a slot's 16 bits


class ForEncoding(NamedTuple):
    """All int64 but `reciprocals`, uint64. T tables, N intervals in all.

    escapes: number of each table's last interval within the table; the others belong to the
    values offset, offset + 1, ... reciprocals, shifts: see `reciprocal`.
    """

    offsets: np.ndarray  # (T,)
    first: np.ndarray  # (T,)
    escapes: np.ndarray  # (T,)
    starts: np.ndarray  # (N,) 0 ... 65535
    freqs: np.ndarray  # (N,) 1 ... 65536
    reciprocals: np.ndarray  # (N,)
    shifts: np.ndarray  # (N,)


class ForDecoding(NamedTuple):
    """All int64. T tables, N intervals in all.

    hints[t * 256 + b]: the interval that holds the first slot of bucket b, packed with its start
    and frequency, number << 32 | (freq - 1) << 16 | start: mostly one look-up is all it takes.
    """

    offsets: np.ndarray  # (T,)
    first: np.ndarray  # (T,)
    escapes: np.ndarray  # (T,)
    starts: np.ndarray  # (N,)
    freqs: np.ndarray  # (N,)
    hints: np.ndarray  # (T * 256,)


def for_encoding(cdfs: np.ndarray, sizes: np.ndarray, offsets: np.ndarray) -> ForEncoding:
    """cdfs: (T, longest) padded cumulative frequencies; sizes, offsets: (T,)."""
    first, starts, freqs = _in_a_row(cdfs, sizes)
    columns = offsets, first, sizes - 1, starts, freqs, *reciprocals(freqs)
    return ForEncoding(*map(native, columns))


def for_decoding(cdfs: np.ndarray, sizes: np.ndarray, offsets: np.ndarray) -> ForDecoding:
    """cdfs: (T, longest) padded cumulative frequencies; sizes, offsets: (T,)."""
    first, starts, freqs = _in_a_row(cdfs, sizes)
    # With 65536 t added, the starts of all tables are one sorted array: one search finds all.
    table = np.repeat(np.arange(sizes.size), sizes)
    slots = np.arange(sizes.size << BUCKET_BITS) << (16 - BUCKET_BITS)
    number = np.searchsorted(table << 16 | starts, slots, side="right") - 1
    hints = number << 32 | (freqs[number] - 1) << 16 | starts[number]
    columns = offsets, first, sizes - 1, starts, freqs, hints
    return ForDecoding(*map(native, columns))


def reciprocal(freq: int) -> tuple[int, int]:
    """(r, s) with x // freq == (2 x r >> 64) >> s for every 0 <= x < 2^63.

    freq: 1 ... 65536. s = ceil(log2(freq)), and r = ceil(2^(63 + s) / freq) exceeds the exact
    quotient by e / freq with 0 <= e < freq. So x r / 2^(63 + s) exceeds x / freq by
    (e / freq) x / 2^(63 + s) < x / 2^(63 + s) < 2^-s <= 1 / freq: too little to reach the next
    whole number. Source: Granlund and Montgomery, 'Division by invariant integers', 1994.
    """
    freq = index(freq)
    shift = (freq - 1).bit_length()
    return -(-(1 << (63 + shift)) // freq), shift


def reciprocals(freqs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`reciprocal` of many: (N,) integers -> (N,) uint64, (N,) int64."""
    freqs = np.asarray(freqs, dtype=np.uint64)
    shifts = np.frexp(freqs - np.uint64(1))[1].astype(np.uint64)  # bits of freq - 1
    # Long division in two digits of 32 bits: 2^(63 + s) does not fit in 64.
    word = np.uint64(32)
    upper, rest = np.divmod(np.uint64(1) << (shifts + np.uint64(31)), freqs)
    lower = ((rest << word) + freqs - np.uint64(1)) // freqs
    return (upper << word) + lower, shifts.astype(np.int64)


def _in_a_row(cdfs: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number of each table's first interval (T,); start and frequency of every interval (N,)."""
    real = np.arange(cdfs.shape[1] - 1) < sizes[:, np.newaxis]  # (T, longest - 1), no padding
    return np.cumsum(sizes) - sizes, cdfs[:, :-1][real], np.diff(cdfs)[real]


def native(array: np.ndarray) -> np.ndarray | list[int]:
    """What the loops like best: arrays if compiled, Python's own whole numbers if not."""
    return array if COMPILED else array.tolist()
