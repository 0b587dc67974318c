"""Prefix codes as tables: counts -> word lengths -> words -> what a fast decoder looks up.

Two ways lead from counts to lengths. Huffman's own merges the two rarest nodes again and again and
is the one to watch (`tree_steps`); package-merge gives the same total length and also keeps every
word below a limit, so the coder in `huffman.py` uses that. Words follow from lengths alone.

References
    D. A. Huffman, A method for the construction of minimum-redundancy codes, 1952.
    L. L. Larmore and D. S. Hirschberg, A fast algorithm for optimal length-limited Huffman
    codes, 1990 (package-merge).
    E. S. Schwartz and B. Kallick, Generating a canonical prefix encoding, 1964.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np

#: The longest word that any code may have. The coder's loops rely on it.
LONGEST = 24
#: The longest word that fits the 4-bit form of a table.
LONGEST_PACKED = 15
#: The decoder looks this many bits up at once: 2048 entries stay in the fastest cache.
LOOKUP_BITS = 11


class Merge(NamedTuple):
    """One step of Huffman's algorithm: nodes `left` and `right` become children of `node`.

    Nodes 0 ... n - 1 are the symbols, n + k is made by the k-th merge. `left` is the lighter of the
    two and gets the bit 0.
    """

    left: int
    right: int
    left_weight: int
    right_weight: int
    node: int
    weight: int


def tree_steps(counts: np.ndarray) -> list[Merge]:
    """Huffman's algorithm (1952): the two lightest nodes merge, until one is left.

    counts: (n,) integers >= 0; a symbol with count 0 takes no part. Of equal weights the node with
    the lowest number goes first, which keeps the tree flat. Returns the merges in order.
    Raises ValueError for counts that are none.
    """
    counts = whole_counts(counts).tolist()
    heap = [(count, symbol) for symbol, count in enumerate(counts) if count]
    heapq.heapify(heap)
    merges = []
    while len(heap) > 1:
        (left_weight, left), (right_weight, right) = heapq.heappop(heap), heapq.heappop(heap)
        node, weight = len(counts) + len(merges), left_weight + right_weight
        merges.append(Merge(left, right, left_weight, right_weight, node, weight))
        heapq.heappush(heap, (weight, node))
    return merges


def tree(counts: np.ndarray) -> int | tuple | None:
    """The finished tree of `tree_steps`: a symbol is its number, a node is (left, right).

    [45, 13, 12] gives ((2, 1), 0). None where no symbol has a count.
    """
    counts = whole_counts(counts)
    used = np.flatnonzero(counts).tolist()
    nodes = {symbol: symbol for symbol in used}
    last = used[0] if used else None
    for merge in tree_steps(counts):
        nodes[merge.node] = (nodes[merge.left], nodes[merge.right])
        last = merge.node
    return None if last is None else nodes[last]


def integers(values: np.ndarray, what: str, ndim: int | None = 1) -> np.ndarray:
    """`values` as a flat, writable int64 array: one type, so that the loops are compiled once."""
    array = np.asarray(values)
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{what} are a list or a 1-D array, got shape {array.shape}")
    if array.size and array.dtype.kind not in "iu":
        raise ValueError(f"{what} are integers, got {array.dtype}: round and convert them first")
    if array.dtype == np.uint64 and array.size and array.max() > 2**63 - 1:
        raise ValueError(f"{what} lie below 2**63, got {array.max()}")
    return np.require(array, dtype=np.int64, requirements="CAW").ravel()


def whole_counts(values: np.ndarray) -> np.ndarray:
    """`values` as int64 counts, none negative; raises ValueError."""
    counts = integers(values, "counts")
    # The limit leaves room for the sums in package-merge, at most LONGEST times the total.
    if (counts < 0).any() or counts.sum(dtype=float) > 2**57:
        raise ValueError("counts are at least 0, and at most 2**57 together")
    return counts


def check_lengths(lengths: np.ndarray) -> None:
    """Raise ValueError unless some prefix code has words of these lengths (0: no word)."""
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


def package_merge(counts: np.ndarray, max_length: int) -> np.ndarray:
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


def words(lengths: np.ndarray) -> np.ndarray:
    """(n_symbols,) int64 words: in order of (length, symbol) each is the one before plus one."""
    codes = np.zeros(lengths.size, dtype=np.int64)
    code = 0
    for bits in range(1, LONGEST + 1):
        code <<= 1
        symbols = np.flatnonzero(lengths == bits)
        codes[symbols] = code + np.arange(symbols.size)
        code += symbols.size
    return codes


def lookup_tables(
    lengths: np.ndarray, codes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What the decoder's loop looks things up in.

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
