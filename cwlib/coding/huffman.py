"""Canonical Huffman coding: the best code that spends a whole number of bits on each symbol.

A symbol that occurs often gets a short word, a rare one a long word, and no word begins another.
Here the words follow from their lengths alone, so a decoder needs only those (4 bits a symbol).

References
    D. A. Huffman, A method for the construction of minimum-redundancy codes, 1952.
    L. L. Larmore and D. S. Hirschberg, A fast algorithm for optimal length-limited Huffman
    codes, 1990 (package-merge).
    E. S. Schwartz and B. Kallick, Generating a canonical prefix encoding, 1964.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from cwlib.coding.jit import jit
from cwlib.coding.stream import StreamError

#: The longest word that any code may have. The loops below rely on it.
LONGEST = 24
#: The longest word that fits the 4-bit form of a table.
LONGEST_PACKED = 15
#: The decoder looks this many bits up at once: 2048 entries stay in the fastest cache.
LOOKUP_BITS = 11

_TRUNCATED = -1
_INVALID = -2


@dataclass(frozen=True, eq=False)
class Code:
    """A prefix code over the symbols 0 ... len(lengths) - 1; it cannot change.

    lengths: (n_symbols,) uint8, bits of each symbol's word, 0 for a symbol without one.
    codes:   (n_symbols,) int64, the words, right-aligned; `codewords` shows them as text.
    A code for one symbol only spends 1 bit on it, not 0: then n symbols take n bits, and the
    size of the data bounds what a decoder has to allocate.
    """

    lengths: np.ndarray
    codes: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        lengths = _integers(self.lengths, "code lengths")
        _check_lengths(lengths)
        fields = {"lengths": lengths.astype(np.uint8), "codes": _canonical(lengths)}
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
        counts = _counts(counts)
        if not 1 <= max_length <= LONGEST:
            raise ValueError(f"max_length lies between 1 and {LONGEST}, got {max_length}")
        used = np.count_nonzero(counts)
        if used > 2**max_length:
            raise ValueError(
                f"{used} symbols do not fit in words of at most {max_length} bits: "
                f"use max_length={int(used - 1).bit_length()} or more"
            )
        return cls(_package_merge(counts, max_length))

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
        counts = _counts(counts)
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
        symbols = _integers(symbols, "symbols", ndim=None)
        words = np.empty(symbols.size * LONGEST // 32 + 1, dtype=np.uint32)
        n_bits = _encode(symbols, self._entries, words)
        if n_bits < 0:
            index = -n_bits - 1
            raise ValueError(
                f"symbol {symbols[index]} at position {index} has no word in this code "
                f"(symbols 0 to {self.lengths.size - 1}, those with a count)"
            )
        return words[: -(-n_bits // 32)].astype(">u4").tobytes()[: -(-n_bits // 8)]

    def decode(self, data: bytes, n: int) -> np.ndarray:
        """The `n` symbols that `data` holds: (n,) int64.

        Raises StreamError if the data end too early or too late, or hold a word that is not in
        the code. Nothing is allocated for more symbols than the data can hold.
        """
        data = np.frombuffer(data, dtype=np.uint8)
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
        table = np.frombuffer(data, dtype=np.uint8)
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
        return _decoder_tables(self.lengths.astype(np.int64), self.codes)


def _integers(values: np.ndarray, what: str, ndim: int | None = 1) -> np.ndarray:
    """`values` as a flat, writable int64 array: one type, so that the loops are compiled once."""
    array = np.asarray(values)
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{what} are a list or a 1-D array, got shape {array.shape}")
    if array.size and array.dtype.kind not in "iu":
        raise ValueError(f"{what} are integers, got {array.dtype}: round and convert them first")
    if array.dtype == np.uint64 and array.size and array.max() > 2**63 - 1:
        raise ValueError(f"{what} lie below 2**63, got {array.max()}")
    return np.require(array, dtype=np.int64, requirements="CAW").ravel()


def _counts(values: np.ndarray) -> np.ndarray:
    counts = _integers(values, "counts")
    # The limit leaves room for the sums in package-merge, at most LONGEST times the total.
    if (counts < 0).any() or counts.sum(dtype=float) > 2**57:
        raise ValueError("counts are at least 0, and at most 2**57 together")
    return counts


def _check_lengths(lengths: np.ndarray) -> None:
    if lengths.size > 2**LONGEST:
        raise ValueError(f"a code has at most 2**{LONGEST} symbols, got {lengths.size}")
    if lengths.size and not (0 <= lengths.min() and lengths.max() <= LONGEST):
        raise ValueError(f"code lengths lie between 0 and {LONGEST}")
    if lengths.size == 1 and lengths[0] > 1:
        # Else one byte could be either form of a table.
        raise ValueError(f"the only symbol of an alphabet takes 1 bit, got {lengths[0]}")
    # Kraft: sum over the words of 2^-length <= 1, here times 2^LONGEST
    kraft = int((1 << (LONGEST - lengths[lengths > 0])).sum())
    if kraft > 1 << LONGEST:
        raise ValueError(
            f"no prefix code has these lengths: their Kraft sum is {kraft / 2**LONGEST:g}, above 1"
        )


def _package_merge(counts: np.ndarray, max_length: int) -> np.ndarray:
    """Lengths of the words, each at most `max_length`, with the least sum of counts * lengths.

    Think of a symbol's word of length l as l coins, of values 1/2, 1/4 ... 1/2^l, each at the
    price counts[s]. The cheapest coins of total value n - 1 are an optimal code. From the
    smallest value up: two coins make a package that stands for one coin of the next value.
    """
    symbols = np.flatnonzero(counts)
    symbols = symbols[np.argsort(counts[symbols], kind="stable")]
    lengths = np.zeros(counts.size, dtype=np.int64)
    if symbols.size == 1:
        lengths[symbols] = 1
    if symbols.size < 2:
        return lengths
    coins = counts[symbols]
    packages = np.empty(0, dtype=np.int64)
    is_coin = []  # for each value, smallest first: which of its items, by price, are single coins
    for _ in range(max_length):
        items = np.concatenate([coins, packages])
        order = np.argsort(items, kind="stable")
        is_coin.append(order < coins.size)
        items = items[order]
        packages = items[: items.size // 2 * 2].reshape(-1, 2).sum(axis=1)
    take = 2 * (symbols.size - 1)  # items of value 1/2 that make up n - 1
    for level in reversed(is_coin):
        n_coins = np.count_nonzero(level[:take])
        lengths[symbols[:n_coins]] += 1  # the rarest symbols have the longest words
        take = 2 * (take - n_coins)  # what is left are packages: two items each, one value down
    return lengths


def _canonical(lengths: np.ndarray) -> np.ndarray:
    """(n_symbols,) int64 words: in order of (length, symbol) each is the one before plus one."""
    codes = np.zeros(lengths.size, dtype=np.int64)
    code = 0
    for bits in range(1, LONGEST + 1):
        code <<= 1
        symbols = np.flatnonzero(lengths == bits)
        codes[symbols] = code + np.arange(symbols.size)
        code += symbols.size
    return codes


def _decoder_tables(
    lengths: np.ndarray, codes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What `_decode` looks things up in.

    pairs: (2**LOOKUP_BITS,) for each next bits, the one or two words that they begin with:
           n_words << 58 | bits of the second << 53 | bits of both << 48 | second << 24 | first;
           0 where the first word is longer than that, or there is none.
    by_code: the symbols in order of their words. A word of l bits is one of the code where it is
    below end[l], and its symbol is then by_code[base[l] + word].
    """
    used = np.flatnonzero(lengths)
    by_code = used[np.argsort(lengths[used], kind="stable")]
    per_length = np.bincount(lengths[used], minlength=LONGEST + 1)
    start = np.cumsum(per_length) - per_length
    first = np.zeros(LONGEST + 1, dtype=np.int64)
    filled = per_length > 0
    first[filled] = codes[by_code[start[filled]]]
    end = np.where(filled, first + per_length, 0)

    # Canonical words grow, so the entries of the short ones follow each other from 0 on.
    size = 1 << LOOKUP_BITS
    short = by_code[lengths[by_code] <= LOOKUP_BITS]
    repeats = size >> lengths[short]
    symbol, bits = np.zeros((2, size), dtype=np.int64)
    symbol[: repeats.sum()] = np.repeat(short, repeats)
    bits[: repeats.sum()] = np.repeat(lengths[short], repeats)
    rest = (np.arange(size) << bits) & (size - 1)  # the bits after the first word, zeros behind
    both = (bits > 0) & (bits[rest] > 0) & (bits + bits[rest] <= LOOKUP_BITS)
    symbol_2 = np.where(both, symbol[rest], 0)
    bits_2 = np.where(both, bits[rest], 0)
    n_words = (bits > 0) + both.astype(np.int64)
    pairs = n_words << 58 | bits_2 << 53 | (bits + bits_2) << 48 | symbol_2 << 24 | symbol
    return pairs, by_code, end, start - first


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
