"""Canonical Huffman coding: the best code that spends a whole number of bits on each symbol.

A symbol that occurs often gets a short word, a rare one a long word, and no word begins another.
Here the words follow from their lengths alone, so a decoder needs only those (4 bits a symbol).
How lengths, words and lookup tables are made is in `prefix.py`; this file codes with them.

Reference: D. A. Huffman, A method for the construction of minimum-redundancy codes, 1952.
"""

from dataclasses import dataclass, field
from functools import cached_property
from operator import index

import numpy as np

from cwlib.coding import prefix
from cwlib.coding.jit import jit
from cwlib.coding.prefix import LONGEST, LONGEST_PACKED, LOOKUP_BITS, Merge, tree, tree_steps
from cwlib.coding.stream import StreamError, as_bytes

__all__ = ["LONGEST", "LONGEST_PACKED", "LOOKUP_BITS", "Code", "Merge", "tree", "tree_steps"]

_TRUNCATED = -1
_INVALID = -2


@dataclass(frozen=True, eq=False)
class Code:
    """A prefix code over the symbols 0 ... len(lengths) - 1; it cannot change.

    lengths: (n_symbols,) uint8, bits of each symbol's word, 0 for a symbol without one.
    codes:   (n_symbols,) int64, the words, right-aligned; `codewords` shows them as text.
    A code for one symbol only spends 1 bit on it, not 0: then n symbols take n bits, and the
    size of the data bounds what a decoder has to allocate.

    >>> code = Code.from_counts(np.array([8, 4, 2, 1, 1]))
    >>> code.codewords
    {0: '0', 1: '10', 2: '110', 3: '1110', 4: '1111'}
    >>> code.encode(np.array([0, 1, 0, 4])).hex()  # 0 10 0 1111
    '4f'
    """

    lengths: np.ndarray
    codes: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        lengths = prefix.integers(self.lengths, "code lengths")
        prefix.check_lengths(lengths)
        fields = {"lengths": lengths.astype(np.uint8), "codes": prefix.words(lengths)}
        for name, array in fields.items():
            array.flags.writeable = False
            object.__setattr__(self, name, array)  # the one time that this class is written to

    @classmethod
    def from_counts(cls, counts: np.ndarray, max_length: int = LONGEST_PACKED) -> "Code":
        """The code of least total length for `counts`, no word longer than `max_length` bits.

        counts: (n_symbols,) integers >= 0; a symbol with count 0 gets no word.
        max_length: 1 to 24. Raises ValueError if the words cannot be that short.
        Source: package-merge (Larmore and Hirschberg, 1990), exact.
        """
        counts, max_length = prefix.whole_counts(counts), index(max_length)
        if not 1 <= max_length <= LONGEST:
            raise ValueError(f"max_length lies between 1 and {LONGEST}, got {max_length}")
        used = np.count_nonzero(counts)
        if used > 2**max_length:
            raise ValueError(
                f"{used} symbols do not fit in words of at most {max_length} bits: "
                f"use max_length={int(used - 1).bit_length()} or more"
            )
        return cls(prefix.package_merge(counts, max_length))

    @classmethod
    def from_lengths(cls, lengths: np.ndarray) -> "Code":
        """The canonical code with these word lengths: words count up by (length, symbol).

        lengths: (n_symbols,) integers, 0 to 24, 0 for a symbol without a word.
        Raises ValueError if they break Kraft's inequality, so that no prefix code has them.
        """
        return cls(lengths)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Code) and np.array_equal(self.lengths, other.lengths)

    def __hash__(self) -> int:
        return hash(self.lengths.tobytes())

    @property
    def codewords(self) -> dict[int, str]:
        """Each symbol that has a word, with it: {0: '10', 1: '0', 3: '11'}."""
        words = zip(self.codes.tolist(), self.lengths.tolist(), strict=True)
        return {s: f"{code:0{bits}b}" for s, (code, bits) in enumerate(words) if bits}

    def bits(self, counts: np.ndarray) -> int:
        """Total length in bits of a message with these counts, one for each symbol of the code.

        For a message itself: `code.bits(np.bincount(symbols, minlength=len(code.lengths)))`.
        Raises ValueError for another shape, or if a symbol that occurs has no word.
        """
        counts = prefix.whole_counts(counts)
        if counts.shape != self.lengths.shape:
            raise ValueError(f"expected {self.lengths.size} counts, got {counts.size}")
        missing = np.flatnonzero((counts > 0) & (self.lengths == 0))
        if missing.size:
            raise ValueError(f"symbol {missing[0]} has no word in this code (its count was 0)")
        return int(counts @ self.lengths.astype(np.int64))

    def encode(self, symbols: np.ndarray) -> bytes:
        """The words of `symbols` one after another, first bit highest, zeros up to a whole byte.

        symbols: integers of any shape, read in C order.
        Raises ValueError naming the first symbol that has no word.
        """
        symbols = prefix.integers(symbols, "symbols", ndim=None)
        words = np.empty(symbols.size * LONGEST // 32 + 1, dtype=np.uint32)
        n_bits = _encode(symbols, self._entries, words)
        if n_bits < 0:
            at = -n_bits - 1
            raise ValueError(
                f"symbol {symbols[at]} at position {at} has no word in this code "
                f"(symbols 0 to {self.lengths.size - 1}, those with a count)"
            )
        return words[: -(-n_bits // 32)].astype(">u4").tobytes()[: -(-n_bits // 8)]

    def decode(self, data: bytes, n: int) -> np.ndarray:
        """The `n` symbols that `data` holds: (n,) int64.

        Raises StreamError if the data end too early or too late, or hold a word that is not in
        the code. Nothing is allocated for more symbols than the data can hold.
        """
        data, n = np.frombuffer(as_bytes(data), dtype=np.uint8), index(n)
        used = self.lengths[self.lengths > 0]
        if n < 0:
            raise ValueError(f"cannot decode {n} symbols")
        if n and not used.size:
            raise StreamError(f"{n} symbols wanted from a code without any word")
        if n and n * int(used.min()) > 8 * data.size:
            raise StreamError(f"{n} symbols cannot be in {data.size} bytes: the data are cut short")
        # One spare word, since the loop reads up to 63 bits ahead of what it has used.
        words = np.zeros(data.size // 4 + 2, dtype=">u4")
        words.view(np.uint8)[: data.size] = data
        out = np.empty(n + 1, dtype=np.int64)
        n_bits = _decode(words.astype(np.int64), *self._decoder, out)
        _check_end(n_bits, n, data)
        return out[:n]

    def to_bytes(self) -> bytes:
        """The table, for a decoder: the word lengths only.

        If all words have at most 15 bits, two lengths a byte, the first in the high half;
        else one length a byte. 64 symbols take 32 bytes. The number of symbols is not in it.
        """
        if self.lengths.max(initial=0) > LONGEST_PACKED:
            return self.lengths.tobytes()
        pairs = np.append(self.lengths, np.zeros(self.lengths.size % 2, np.uint8)).reshape(-1, 2)
        return (pairs[:, 0] << 4 | pairs[:, 1]).tobytes()

    @classmethod
    def from_bytes(cls, data: bytes, n_symbols: int) -> "Code":
        """The code whose `to_bytes` is `data`; the size of the data tells which form it has.

        Raises StreamError for data that `to_bytes` cannot have made.
        """
        table, n_symbols = np.frombuffer(as_bytes(data), dtype=np.uint8), index(n_symbols)
        if n_symbols < 0 or table.size not in ((n_symbols + 1) // 2, n_symbols):
            raise StreamError(
                f"a table of {n_symbols} symbols has {(n_symbols + 1) // 2} or {n_symbols} bytes, "
                f"got {table.size}"
            )
        packed = table.size == (n_symbols + 1) // 2
        lengths = np.stack([table >> 4, table & 15], axis=1).ravel() if packed else table
        try:
            code = cls(lengths[:n_symbols])
        except ValueError as error:
            raise StreamError(f"the code table is damaged: {error}") from None
        if code.to_bytes() != table.tobytes():
            raise StreamError("the code table is damaged: it is not in its shortest form")
        return code

    @cached_property
    def _entries(self) -> np.ndarray:
        """(n_symbols,) int64: word << 5 | bits, for the encoder; 0 for no word."""
        return self.codes << 5 | self.lengths

    @cached_property
    def _decoder(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        return prefix.lookup_tables(self.lengths.astype(np.int64), self.codes)


def _check_end(n_bits: int, n: int, data: np.ndarray) -> None:
    """Raise StreamError unless the `n_bits` that `n` symbols took are all of `data`."""
    if n_bits == _INVALID:
        raise StreamError("the Huffman data are damaged: a word that is not in the code")
    if n_bits == _TRUNCATED or n_bits > 8 * data.size:
        raise StreamError(f"the Huffman data are cut short: {data.size} bytes, {n} symbols wanted")
    if -(-n_bits // 8) != data.size:
        raise StreamError(
            f"the Huffman data are too long: {n} symbols take {-(-n_bits // 8)} bytes, "
            f"got {data.size}"
        )
    if n_bits % 8 and data[-1] & (0xFF >> n_bits % 8):
        raise StreamError("the Huffman data are damaged: the last byte is not padded with zeros")


@jit
def _encode(symbols, entries, words):
    """Write the words into `words` (uint32); the bits written, or -1 - index of a bad symbol."""
    pending = 0  # bits not written yet, right-aligned: fewer than 32 between two symbols
    n_pending = 0
    w = 0
    for i in range(symbols.size):
        s = symbols[i]
        if s < 0 or s >= entries.size or entries[s] == 0:
            return -1 - i
        bits = entries[s] & 31
        pending = (pending << bits) | (entries[s] >> 5)
        n_pending += bits
        if n_pending >= 32:
            n_pending -= 32
            words[w] = pending >> n_pending
            w += 1
            pending &= (1 << n_pending) - 1
    if n_pending:
        words[w] = pending << (32 - n_pending)
    return 32 * w + n_pending


@jit
def _decode(words, pairs, by_code, end, base, out):
    """Read out.size - 1 symbols from 32-bit `words` (int64); the bits read, or an error code.

    The last place of `out` is spare: a pair may begin at the last symbol.
    """
    n = out.size - 1
    window = 0  # the next bits, right-aligned: at least 32 of them at each lookup, at most 63
    left = 0
    w = 0
    entry = 0
    i = 0
    while i < n:
        if left < 32:
            if w == words.size:
                return _TRUNCATED
            window = ((window & 0xFFFFFFFF) << 32) | words[w]
            left += 32
            w += 1
        entry = pairs[(window >> (left - LOOKUP_BITS)) & ((1 << LOOKUP_BITS) - 1)]
        if entry != 0:
            out[i] = entry & 0xFFFFFF
            out[i + 1] = (entry >> 24) & 0xFFFFFF  # overwritten if there is no second symbol
            left -= (entry >> 48) & 31
            i += entry >> 58
            continue
        bits = LOOKUP_BITS + 1
        while bits <= LONGEST:
            word = (window >> (left - bits)) & ((1 << bits) - 1)
            if word < end[bits]:
                break
            bits += 1
        if bits > LONGEST:
            return _INVALID
        out[i] = by_code[base[bits] + word]
        left -= bits
        i += 1
    if i > n:
        left += (entry >> 53) & 31  # the second of the last pair was not asked for
    return 32 * w - left
