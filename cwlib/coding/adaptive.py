"""Adaptive arithmetic coding: the table is learnt from the symbols themselves, on both sides.

Every symbol starts with the count 1. A symbol is coded with the counts so far, then its own count
grows by `step`; the decoder does the same with what it has just decoded, so no table is sent. When
the counts sum to more than `limit`, all are halved: old symbols fade and the model follows change.

    P(symbol s) = count_s / total        cost = -log2(count_s / total) bits

The coder needs count_0 + ... + count_{s-1}, the decoder the symbol in which a target falls. Plain
sums would take n steps a symbol; a Fenwick tree keeps partial sums so that either takes log2(n):

    tree[i] = sum of the counts of the symbols i - (i & -i) ... i - 1        (i = 1 ... size)

Reference: P. M. Fenwick, A new data structure for cumulative frequency tables, 1994.
"""

from __future__ import annotations

from operator import index

import numpy as np

from cwlib.coding import arithmetic
from cwlib.coding.arithmetic import CODE, WIDTH, narrow_by, widen_by
from cwlib.coding.jit import jit

STEP = 32  # what a symbol's count grows by: large learns fast, small learns exactly
LIMIT = 1 << 16  # of the sum of all counts: limit / step symbols are remembered, or some more
MAX_MODELS = 1 << 22  # counts of all contexts together: 32 MiB


def encode(
    symbols: np.ndarray, n_symbols: int, order: int = 0, step: int = STEP, limit: int = LIMIT
) -> bytes:
    """Code symbols of 0 ... n_symbols - 1 with counts that adapt.

    symbols: (n,) integers -> bytes, at most 2 over the ideal length, the sum of `costs`. order: 1
    keeps separate counts after each different symbol, 0 one set. Raises ValueError.
    """
    trees, n_symbols, step, limit = _start(n_symbols, order, step, limit)
    symbols = _symbols(symbols, n_symbols)
    out = np.zeros(16 + 2 * symbols.size + symbols.size // 64, dtype=np.uint8)  # 16 bits each
    end = _walk(symbols, out, True, trees, n_symbols, step, limit)
    return out[:end].tobytes()


def decode(
    data: bytes,
    n: int,
    n_symbols: int,
    order: int = 0,
    step: int = STEP,
    limit: int = LIMIT,
) -> np.ndarray:
    """The `n` symbols that `encode` coded with the same settings: (n,) int64.

    A certain symbol takes no bits, so `n` has no bound in the data: check it before.
    Raises StreamError where no message of `n` symbols can have these bytes.
    """
    trees, n_symbols, step, limit = _start(n_symbols, order, step, limit)
    n = index(n)
    if n < 0:
        raise ValueError(f"cannot decode {n} symbols")
    message = arithmetic.as_message(data)
    symbols = np.zeros(n, dtype=np.int64)
    used = _walk(symbols, message, False, trees, n_symbols, step, limit)
    arithmetic.check_end(message, used)
    return symbols


def costs(
    symbols: np.ndarray, n_symbols: int, order: int = 0, step: int = STEP, limit: int = LIMIT
) -> np.ndarray:
    """What the model thinks of each symbol as it comes: (n,) floats, -log2 P in bits.

    The same counts as in `encode`, one symbol at a time. Raises as `encode` does.
    """
    trees, n_symbols, step, limit = _start(n_symbols, order, step, limit)
    bits = np.zeros(len(symbols))
    context = 0
    for k, s in enumerate(_symbols(symbols, n_symbols)):
        tree = trees[context]
        share = _below(tree, s + 1) - _below(tree, s)
        bits[k] = -np.log2(share / tree[-1])
        _learn(tree, s, n_symbols, step, limit)
        context = s if order else 0
    return bits


def _start(n_symbols: int, order: int, step: int, limit: int) -> tuple[np.ndarray, int, int, int]:
    """Trees of counts that are all 1, and n_symbols, step and limit as Python's whole numbers.

    trees: (contexts, size + 1), size: a power of two >= n_symbols.
    """
    for value in (n_symbols, order, step, limit):
        if not isinstance(value, int | np.integer):
            raise ValueError(f"n_symbols, order, step and limit are whole numbers, got {value!r}")
    n_symbols, step, limit = int(n_symbols), int(step), int(limit)
    if order not in (0, 1):
        raise ValueError(f"order is 0 (no context) or 1 (the symbol before), got {order}")
    if not (1 <= step and 2 <= limit <= LIMIT):
        raise ValueError(f"step is at least 1 and limit 2 to {LIMIT}, got {step} and {limit}")
    # After halving, (limit + step + n_symbols) / 2 is the most that can be left.
    if not 1 <= n_symbols <= limit - step:
        raise ValueError(
            f"1 to {limit - step} symbols fit into counts of at most {limit} (step {step}), "
            f"got {n_symbols}"
        )
    contexts = n_symbols if order else 1
    size = 1 << (n_symbols - 1).bit_length()
    if contexts * size > MAX_MODELS:
        raise ValueError(f"{contexts} contexts of {n_symbols} symbols are too many: use order 0")
    trees = np.zeros((contexts, size + 1), dtype=np.int64)
    trees[:, 1 : n_symbols + 1] = 1
    for tree in trees:
        _to_sums(tree)
    return trees, n_symbols, step, limit


def _symbols(symbols: np.ndarray, n_symbols: int) -> np.ndarray:
    symbols = np.asarray(symbols)
    if symbols.ndim != 1 or (symbols.size and symbols.dtype.kind not in "iu"):
        raise ValueError(
            f"symbols: expected a 1-D integer array, got {symbols.ndim}-D {symbols.dtype}"
        )
    bad = np.flatnonzero((symbols < 0) | (symbols >= n_symbols))
    if bad.size:
        raise ValueError(
            f"symbol {symbols[bad[0]]} at position {bad[0]} is outside 0..{n_symbols - 1}"
        )
    return symbols.astype(np.int64)


@jit
def _below(tree, s):
    """count_0 + ... + count_{s-1}."""
    total = np.int64(0)
    while s > 0:
        total += tree[s]
        s -= s & -s  # drop the lowest bit: the sum so far reaches down to there
    return total


@jit
def _find(tree, target):
    """The symbol s with below(s) <= target < below(s + 1), and below(s)."""
    s, below = np.int64(0), np.int64(0)
    half = np.int64((tree.size - 1) >> 1)
    while half > 0:
        if below + tree[s + half] <= target:  # the target lies in the upper half
            s += half
            below += tree[s]
        half >>= 1
    return s, below


@jit
def _learn(tree, s, n_symbols, step, limit):
    """Count one more symbol s; where the sum passes the limit, halve all counts."""
    i = s + 1
    while i < tree.size:
        tree[i] += step
        i += i & -i
    if tree[tree.size - 1] > limit:
        _to_counts(tree)
        for i in range(1, n_symbols + 1):
            tree[i] -= tree[i] >> 1  # rounds up: no count becomes 0
        _to_sums(tree)


@jit
def _to_sums(tree):
    """From counts (tree[s + 1] = count_s) to the tree's partial sums, in place."""
    for i in range(1, tree.size):
        above = i + (i & -i)
        if above < tree.size:
            tree[above] += tree[i]


@jit
def _to_counts(tree):
    """From partial sums back to counts, in place."""
    for i in range(tree.size - 1, 0, -1):
        above = i + (i & -i)
        if above < tree.size:
            tree[above] -= tree[i]


@jit
def _walk(symbols, message, encoding, trees, n_symbols, step, limit):
    """The one loop of both directions: returns the bytes written or read, or -1 for damage."""
    context = np.int64(0)
    state = arithmetic.start_encoder() if encoding else arithmetic.start_decoder(message)
    for k in range(symbols.size):
        tree = trees[context]
        total = tree[tree.size - 1]
        unit = state[WIDTH] // total
        if encoding:
            s = symbols[k]
            below = _below(tree, s)
        else:
            s, below = _find(tree, min(state[CODE] // unit, total - 1))
            symbols[k] = s
        share = _below(tree, s + 1) - below
        if encoding:
            narrow_by(state, message, unit, below, below + share)
        else:
            widen_by(state, message, unit, below, below + share)
            if state[CODE] >= state[WIDTH]:  # no encoder leaves the interval
                return np.int64(-1)
        _learn(tree, s, n_symbols, step, limit)
        if trees.shape[0] > 1:
            context = s
    if encoding:
        return arithmetic.finish(state, message)
    return state[arithmetic.POSITION]
