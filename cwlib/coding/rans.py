"""rANS: a whole message becomes one whole number, the state, on which symbols are stacked.

A symbol with interval [start, start + freq) of 65536 is pushed onto the state x by

    x  ->  (x // freq) * 65536 + x % freq + start

which makes x about 65536 / freq times as large: log2(65536 / freq) bits, the symbol's share. The
lowest 16 bits of the new x, its slot, lie in the interval, so a decoder knows the symbol, and

    x  ->  freq * (x >> 16) + slot - start

takes it off again: the exact inverse. What was pushed last comes off first, so the encoder walks
the message backwards. To stay in [2^31, 2^63), the state moves its low 32 bits to the stream
before a push that would make it too large, and takes them back when a pop left it too small.

A value outside its table is pushed as the escape (the last interval) and, below it, as plain
4-bit digits: how many, then the digits of its zig-zag number, lowest first. The stream is the
final state and the words in the order in which they come back, each word little-endian. These are
the bytes of CompressAI's coder for the same tables (checked up to its own limit, 7 digits).

Reference: Duda, 'Asymmetric numeral systems', arXiv:1311.2540; range variant, section 2.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from operator import index
from typing import NoReturn

import numpy as np

from cwlib.coding.intervals import BUCKET_BITS, native
from cwlib.coding.jit import jit
from cwlib.coding.stream import StreamError, as_bytes
from cwlib.coding.tables import Tables, check, vectors
from cwlib.coding.wide import high_product

LOW = 1 << 31  # the smallest state, and the one of the empty message
WORD = (1 << 32) - 1
DIGIT_BITS = 4  # of a value outside its table
DIGIT_FREQ = 1 << (16 - DIGIT_BITS)  # so likely is each of the 16 digits
MAX_DIGITS = 8
FAR = 1 << 30  # values this far from their table's first are not codable

_BAD_INDEX, _TOO_FAR, _CUT_SHORT, _DAMAGED = -1, -2, -3, -4


# One symbol --------------------------------------------------------------------------------------


@jit
def is_full(x, freq):
    """Whether a push of this frequency would take the state to 2^63 or above."""
    return x >> 47 >= freq  # x >= 2^47 freq  <=>  65536 (x // freq) >= 2^63


@jit
def push(x, start, freq, reciprocal, shift):
    """The state with the symbol of interval [start, start + freq) on top.

    reciprocal, shift: `intervals.reciprocal(freq)`, to divide without a division.
    """
    quotient = high_product(2 * x, reciprocal) >> shift  # = x // freq
    # quotient * 65536 + (x - quotient * freq) + start, with one product less:
    return x + quotient * (65536 - freq) + start


@jit
def pop(x, start, freq):
    """The state without its top symbol, the one whose interval holds the slot x & 65535."""
    return freq * (x >> 16) + (x & 65535) - start


@jit
def push_digit(x, digit):
    """The state with 4 plain bits on top."""
    return x << DIGIT_BITS | digit


@jit
def pop_digit(x):
    """The state without its top digit, x & 15."""
    return x >> DIGIT_BITS


# A whole message ---------------------------------------------------------------------------------


@jit
def _push_all(states, symbols, indices, tables, words):
    """Push a message, last symbol first; words: filled from its end.

    Symbol k goes to state k % len(states): the tuple turns by one place for each symbol.
    Returns the states and where the words begin, or an error for that.
    """
    offsets, first, escapes, starts, freqs, reciprocals, shifts = tables
    at = len(words)
    for k in range(len(symbols) - 1, -1, -1):
        states = states[-1:] + states[:-1]
        x = states[0]
        t = indices[k]
        if not 0 <= t < len(first):
            return states, _BAD_INDEX
        j = symbols[k] - offsets[t]
        if not 0 <= j < escapes[t]:
            if not -FAR < j < FAR:
                return states, _TOO_FAR
            x, at = _push_digits(x, 2 * (j - escapes[t]) if j >= 0 else -2 * j - 1, words, at)
            j = escapes[t]
        i = first[t] + j
        words[at - 1] = x & WORD  # counts only where `at` moves: no jump to be guessed
        if is_full(x, freqs[i]):
            at -= 1
            x >>= 32
        states = (push(x, starts[i], freqs[i], reciprocals[i], shifts[i]),) + states[1:]
    return states, at


@jit
def _push_digits(x, zigzag, words, at):
    """Push the digits of a zig-zag number, highest first, and how many there are."""
    n = 0
    while zigzag >> (DIGIT_BITS * n) != 0:
        n += 1
    for m in range(n, -1, -1):
        digit = (zigzag >> (DIGIT_BITS * (m - 1))) & 15 if m > 0 else n
        if is_full(x, DIGIT_FREQ):
            at -= 1
            words[at] = x & WORD
            x >>= 32
        x = push_digit(x, digit)
    return x, at


@jit
def _pop_all(states, words, at, indices, tables, out):
    """Pop a message into `out`; returns the states and the next word's place, or an error."""
    offsets, first, escapes, starts, freqs, hints = tables
    for k in range(len(indices)):
        t = indices[k]
        if not 0 <= t < len(first):
            return states, _BAD_INDEX
        x = states[0]
        slot = x & 65535
        hint = hints[t << BUCKET_BITS | slot >> (16 - BUCKET_BITS)]
        i, freq, start = hint >> 32, (hint >> 16 & 65535) + 1, hint & 65535
        while slot - start >= freq:  # not yet the interval that holds the slot
            i += 1
            start, freq = starts[i], freqs[i]
        x = pop(x, start, freq)
        if x < LOW:
            if at == len(words):
                return states, _CUT_SHORT
            x = x << 32 | words[at]
            at += 1
        j = i - first[t]
        if j == escapes[t]:
            x, at, zigzag = _pop_digits(x, words, at)
            if at < 0:
                return states, at
            j = -(zigzag + 1 >> 1) if zigzag & 1 else (zigzag >> 1) + j
            if not -FAR < j < FAR:
                return states, _DAMAGED
        out[k] = j + offsets[t]
        states = states[1:] + (x,)
    return states, at


@jit
def _pop_digits(x, words, at):
    """Pop the number of digits and them; returns the state, the next word and the number."""
    zigzag = 0
    n = 0
    m = 0
    while m <= n:
        digit = x & 15
        x = pop_digit(x)
        if x < LOW:
            if at == len(words):
                return x, _CUT_SHORT, zigzag
            x = x << 32 | words[at]
            at += 1
        if m == 0:
            n = digit
            if n > MAX_DIGITS:
                return x, _DAMAGED, zigzag
        else:
            zigzag |= digit << (DIGIT_BITS * (m - 1))
            if m == n and digit == 0:  # the encoder writes no leading zero
                return x, _DAMAGED, zigzag
        m += 1
    return x, at, zigzag


def encode(symbols: np.ndarray, indices: np.ndarray, tables: Tables, lanes: int = 1) -> bytes:
    """Code symbols[k] with table indices[k]; symbols outside their table cost up to 52 bits.

    symbols, indices: (n,) integers -> bytes, a multiple of 4, at most 8 over the ideal length.
    lanes: 2 or 4 give the symbols to as many states in turn, on which a processor works side by
    side. The bytes are others then, and up to 8 more for each further state.
    Raises ValueError for other arguments and for symbols 2^30 or more away from their table.

    >>> tables = Tables.from_probabilities([np.array([0.7, 0.2, 0.1])], offsets=[0])
    >>> which = np.zeros(6, int)  # the one table for all six
    >>> data = encode(np.array([0, 0, 1, 0, 2, 0]), which, tables)
    >>> len(data)  # the state alone: it has room for these symbols
    8
    >>> decode(data, which, tables)
    array([0, 0, 1, 0, 2, 0])
    """
    (symbols, indices), lanes = vectors(symbols, indices, tables), _lanes(lanes)
    # A symbol is 52 bits at most: fewer than two words. One is spare, and the states come first.
    words = np.empty(2 * lanes + 2 * symbols.size + 1, dtype=np.uint32)
    data = native(symbols), native(indices)
    states, at = _push_all((LOW,) * lanes, *data, tables.for_encoding, words[2 * lanes :])
    if at < 0:
        _complain(symbols, indices, tables)
    words[at : at + 2 * lanes] = [half for x in states for half in (x & WORD, x >> 32)]
    return words[at:].astype("<u4", copy=False).tobytes()


def decode(data: bytes, indices: np.ndarray, tables: Tables, lanes: int = 1) -> np.ndarray:
    """The symbols that `encode` coded with these indices, tables and lanes: (n,) int64.

    Raises StreamError where no message of this length has these bytes. Damage can turn them into
    those of another message, though seldom: what must not be wrong needs a checksum around it.
    """
    (indices, _), lanes, data = vectors(indices, indices, tables), _lanes(lanes), as_bytes(data)
    states, words = _states_and_words(data, lanes)
    out = np.empty(indices.size, dtype=np.int64)
    message = native(words), 0, native(indices)
    states, at = _pop_all(states, *message, tables.for_decoding, out)
    if at == _BAD_INDEX:
        check(indices, indices, tables)
    if at == _CUT_SHORT:
        raise StreamError(f"the rANS code is cut short: {len(data)} bytes, {out.size} symbols")
    if at < 0 or at != len(words) or set(states) != {LOW}:
        raise StreamError("the rANS code is damaged: it does not end where a message does")
    return out


def _complain(symbols: np.ndarray, indices: np.ndarray, tables: Tables) -> NoReturn:
    """Raise ValueError for the fault that stopped `_push_all`."""
    check(symbols, indices, tables)
    distances = np.abs(symbols.astype(float) - tables.offsets[indices])
    worst = int(distances.argmax())
    raise ValueError(
        f"symbol {symbols[worst]} at position {worst} is 2^30 or more away from its table: "
        "not codable"
    )


def _lanes(lanes: int) -> int:
    if lanes not in (1, 2, 4):
        raise ValueError(f"lanes: expected 1, 2 or 4, got {lanes!r}")
    return index(lanes)


def _states_and_words(data: bytes, lanes: int) -> tuple[tuple[int, ...], np.ndarray]:
    """The states at the start of a stream and the words behind them."""
    if len(data) % 4 or len(data) < 8 * lanes:
        raise StreamError(
            f"a rANS code has 4 n bytes, at least {8 * lanes}; got {len(data)}: it is cut short or "
            "damaged"
        )
    words = np.frombuffer(data, dtype="<u4").astype(np.uint32)  # a copy, so writable: one type
    states = tuple(int(words[2 * k]) | int(words[2 * k + 1]) << 32 for k in range(lanes))
    if not all(LOW <= x < LOW << 32 for x in states):
        raise StreamError("the rANS code is damaged: its state lies outside [2^31, 2^63)")
    return states, words[2 * lanes :]


# Step by step ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """What one symbol did to the state.

    start, freq: its interval, of 65536 (the escape's for a value outside the table).
    before, after: the state; words: those that moved to the stream, or back from it, in order.
    """

    symbol: int
    start: int
    freq: int
    before: int
    after: int
    words: tuple[int, ...]


def encode_steps(symbols: np.ndarray, indices: np.ndarray, tables: Tables) -> Iterator[Step]:
    """The steps of `encode`, made by the same loop: the last symbol comes first.

    Raises as `encode` does, before the first step.
    """
    encode(symbols, indices, tables)
    symbols, indices = vectors(symbols, indices, tables)
    states = (LOW,)
    for k in reversed(range(symbols.size)):
        words = np.zeros(4, dtype=np.uint32)
        one = native(symbols[k : k + 1]), native(indices[k : k + 1])
        after, at = _push_all(states, *one, tables.for_encoding, words)
        moved = tuple(words[at:][::-1].tolist())
        interval = _interval(int(symbols[k]), int(indices[k]), tables)
        yield Step(int(symbols[k]), *interval, *states, *after, moved)
        states = after


def decode_steps(data: bytes, indices: np.ndarray, tables: Tables) -> Iterator[Step]:
    """The steps of `decode`, made by the same loop: the first symbol comes first.

    Raises as `decode` does, before the first step.
    """
    decode(data, indices, tables)
    _, indices = vectors(indices, indices, tables)
    states, words = _states_and_words(as_bytes(data), lanes=1)
    at, message = 0, native(words)
    for k in range(indices.size):
        one, out = native(indices[k : k + 1]), np.empty(1, dtype=np.int64)
        after, end = _pop_all(states, message, at, one, tables.for_decoding, out)
        moved = tuple(words[at:end].tolist())
        interval = _interval(int(out[0]), int(indices[k]), tables)
        yield Step(int(out[0]), *interval, *states, *after, moved)
        states, at = after, end


def _interval(symbol: int, t: int, tables: Tables) -> tuple[int, int]:
    """Start and frequency of the symbol in table t, or of the escape."""
    j, escape = symbol - int(tables.offsets[t]), int(tables.sizes[t]) - 1
    j = j if 0 <= j < escape else escape
    start, end = tables.cdfs[t, j : j + 2].tolist()
    return start, end - start
