"""Arithmetic coding: one message becomes one number in [0, 1), narrowed symbol by symbol.

The coder keeps an interval [low, low + width) of whole numbers below 2^48. A symbol with cumulative
frequencies [a, b) of 65536 keeps that share of it:

    low += (width >> 16) * a        width = (width >> 16) * (b - a)

When `width` gets small, the leading byte of `low` is settled but for a carry; it moves to the
output and everything grows by 256. A carry (low >= 2^48) adds one to the bytes already written,
rippling left over 255s. At the end the shortest byte string inside the interval is enough: the
decoder reads zeros after it.

Reference: Witten, Neal, Cleary, 'Arithmetic coding for data compression', CACM 1987; the byte-wise
renormalisation follows Martin, 'Range encoding', 1979.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from operator import index

import numpy as np

from cwlib.coding.jit import jit
from cwlib.coding.stream import StreamError, as_bytes
from cwlib.coding.tables import Tables, check

FULL = 1 << 48  # the interval of the empty message
SMALL = 1 << 40  # below this width a byte moves out
ESCAPE_BITS = 32  # a value outside its table follows as 32 plain bits, zig-zag

# The state is an int64 array, so that plain Python and compiled code share it.
LOW, WIDTH, POSITION = 0, 1, 2  # encoder: position = bytes written
CODE = 0  # decoder: where the encoder has `low`, here the distance of the message from it


@jit
def start_encoder():
    """State of an encoder that has seen nothing."""
    state = np.zeros(3, dtype=np.int64)
    state[WIDTH] = FULL
    return state


@jit
def narrow(state, out, a, b):
    """Encode one symbol of cumulative frequencies [a, b) of 65536."""
    narrow_by(state, out, state[WIDTH] >> 16, a, b)


@jit
def narrow_by(state, out, unit, a, b):
    """Keep the share [a, b) of the interval, in units of `unit` = width // (total frequency)."""
    state[LOW] += unit * a
    state[WIDTH] = unit * (b - a)
    if state[LOW] >= FULL:  # carry: ripple it left through the bytes already written
        state[LOW] -= FULL
        carry_into(out, state[POSITION])
    while state[WIDTH] < SMALL:
        out[state[POSITION]] = state[LOW] >> 40
        state[POSITION] += 1
        state[LOW] = (state[LOW] << 8) & (FULL - 1)
        state[WIDTH] <<= 8


@jit
def carry_into(out, position):
    """Add one to the number that the bytes out[:position] spell."""
    k = position - 1
    while out[k] == 255:
        out[k] = 0
        k -= 1
    out[k] += 1


@jit
def finish(state, out):
    """Write the fewest bytes that lie in the interval; returns the message's length."""
    last = state[LOW] + state[WIDTH] - 1
    n = 0
    value = state[LOW]
    while n < 6:  # how many leading bytes of 48 bits are needed?
        rest = (np.int64(1) << (48 - 8 * n)) - 1
        value = (state[LOW] + rest) & ~rest
        if value <= last:
            break
        n += 1
    if n == 6:
        value = state[LOW]
    if value >= FULL:
        value -= FULL
        carry_into(out, state[POSITION])
    for k in range(n):
        out[state[POSITION]] = (value >> (40 - 8 * k)) & 255
        state[POSITION] += 1
    end = state[POSITION]
    while end > 0 and out[end - 1] == 0:  # the decoder reads zeros anyway
        end -= 1
    return end


@jit
def start_decoder(data):
    """State of a decoder at the start of the message `data` (uint8)."""
    state = np.zeros(3, dtype=np.int64)
    state[WIDTH] = FULL
    for _ in range(6):
        state[CODE] = state[CODE] << 8 | next_byte(data, state)
    return state


@jit
def next_byte(data, state):
    """The byte at the position, or zero after the end; moves on."""
    k = state[POSITION]
    state[POSITION] += 1
    return np.int64(data[k]) if k < data.size else np.int64(0)


@jit
def locate(state, cdf, size):
    """Which of the table's `size` intervals the message lies in."""
    target = state[CODE] // (state[WIDTH] >> 16)
    if target > 65535:
        target = np.int64(65535)
    first, behind = np.int64(0), np.int64(size)
    while behind - first > 1:  # bisection: cdf[first] <= target < cdf[behind]
        middle = (first + behind) >> 1
        if cdf[middle] <= target:
            first = middle
        else:
            behind = middle
    return first


@jit
def widen(state, data, a, b):
    """Take the symbol [a, b) out of the message: the mirror of `narrow`."""
    widen_by(state, data, state[WIDTH] >> 16, a, b)


@jit
def widen_by(state, data, unit, a, b):
    """Take the share [a, b), in units of `unit`, out of the message: the mirror of `narrow_by`."""
    state[CODE] -= unit * a
    state[WIDTH] = unit * (b - a)
    while state[WIDTH] < SMALL:
        state[CODE] = state[CODE] << 8 | next_byte(data, state)
        state[WIDTH] <<= 8


@jit
def _encode(symbols, indices, cdfs, sizes, offsets, out):
    state = start_encoder()
    for k in range(symbols.size):
        t = indices[k]
        j = symbols[k] - offsets[t]
        escape = sizes[t] - 1
        if 0 <= j < escape:
            narrow(state, out, cdfs[t, j], cdfs[t, j + 1])
            continue
        narrow(state, out, cdfs[t, escape], cdfs[t, escape + 1])
        zigzag = 2 * j if j >= 0 else -2 * j - 1
        for shift in (16, 0):
            half = (zigzag >> shift) & 65535
            narrow(state, out, half, half + 1)
    return finish(state, out)


@jit
def _decode(data, indices, cdfs, sizes, offsets, out):
    state = start_decoder(data)
    for k in range(indices.size):
        t = indices[k]
        j = locate(state, cdfs[t], sizes[t])
        widen(state, data, cdfs[t, j], cdfs[t, j + 1])
        if j == sizes[t] - 1:
            zigzag = np.int64(0)
            for _ in range(2):
                half = min(state[CODE] // (state[WIDTH] >> 16), np.int64(65535))
                widen(state, data, half, half + 1)
                zigzag = zigzag << 16 | half
            j = zigzag >> 1 if zigzag & 1 == 0 else -((zigzag + 1) >> 1)
        out[k] = j + offsets[t]
        if state[CODE] >= state[WIDTH]:  # no encoder leaves the interval
            return np.int64(-1)
    return state[POSITION]


def encode(symbols: np.ndarray, indices: np.ndarray, tables: Tables) -> bytes:
    """Code symbols[k] with table indices[k]. Values outside their table cost 32 extra bits.

    symbols, indices: (n,) integers -> bytes, at most 2 over the ideal length. Raises ValueError.

    >>> tables = Tables.from_probabilities([np.array([0.7, 0.2, 0.1])], offsets=[0])
    >>> which = np.zeros(6, int)  # the one table for all six
    >>> encode(np.array([0, 0, 1, 0, 2, 0]), which, tables).hex()  # 7.7 bits, ideally
    '68'
    >>> decode(bytes.fromhex("68"), which, tables)
    array([0, 0, 1, 0, 2, 0])
    """
    symbols, indices = _check(symbols, indices, tables)
    out = np.zeros(8 + 8 * symbols.size, dtype=np.uint8)  # escapes: 16 + 32 bits, never more
    end = _encode(symbols, indices, tables.cdfs, tables.sizes, tables.offsets, out)
    return out[:end].tobytes()


def decode(data: bytes, indices: np.ndarray, tables: Tables) -> np.ndarray:
    """The symbols that `encode` coded with these indices and tables: (n,) int64.

    Raises StreamError where no message of this length can have these bytes.
    """
    _, indices = check(indices, indices, tables)
    message = as_message(data)
    out = np.empty(indices.size, dtype=np.int64)
    used = _decode(message, indices, tables.cdfs, tables.sizes, tables.offsets, out)
    check_end(message, used)
    return out


def _check(
    symbols: np.ndarray, indices: np.ndarray, tables: Tables
) -> tuple[np.ndarray, np.ndarray]:
    """`tables.check`, and no symbol too far away for an escape."""
    symbols, indices = check(symbols, indices, tables)
    # Floats, since the difference of two int64 may not be one.
    distances = np.abs(symbols.astype(float) - tables.offsets[indices])
    if (distances >= 1 << (ESCAPE_BITS - 2)).any():
        worst = int(distances.argmax())
        raise ValueError(
            f"symbol {symbols[worst]} at position {worst} is 2^30 or more away from its table: "
            "not codable"
        )
    return symbols, indices


@dataclass(frozen=True)
class Step:
    """One call of `narrow`, seen from outside: an escaped symbol takes three of them.

    share: its cumulative frequencies [a, b) of 65536. before, after: (low, width), `after` with the
    bytes that moved out shifted away. A carry adds one to the bytes written before: the last
    `rippled` of them were 255 and became 0. written: all bytes so far, the carry done.
    """

    symbol: int
    share: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]
    moved_out: bytes
    carry: bool
    rippled: int
    written: bytes


def trace(symbols: np.ndarray, indices: np.ndarray, tables: Tables) -> Iterator[Step]:
    """What `encode` does to these symbols, step by step, up to the bytes that `finish` adds.

    A carry ripples through 255s where `low` is 0x7FFFFF...: let a symbol straddle the middle (cdf
    0, 32767, 32769, 65535, 65536), code it five times, and then the symbol above it.
    """
    symbols, indices = _check(symbols, indices, tables)
    out = np.zeros(8 + 8 * symbols.size, dtype=np.uint8)
    state = start_encoder()
    for symbol, t in zip(symbols.tolist(), indices.tolist(), strict=True):
        for a, b in shares(symbol, t, tables):
            low, width, start = state.tolist()
            already = out[:start].tobytes()
            narrow(state, out, a, b)
            after, end = (int(state[LOW]), int(state[WIDTH])), int(state[POSITION])
            moved_out, written = out[start:end].tobytes(), out[:end].tobytes()
            carry = low + (width >> 16) * a >= FULL
            rippled = start - len(already.rstrip(b"\xff")) if carry else 0
            yield Step(symbol, (a, b), (low, width), after, moved_out, carry, rippled, written)


def interval(symbols: np.ndarray, indices: np.ndarray, tables: Tables) -> tuple[Fraction, Fraction]:
    """The textbook: low and width of the message's share of [0, 1), with nothing rounded."""
    symbols, indices = _check(symbols, indices, tables)
    low, width = Fraction(0), Fraction(1)
    for symbol, t in zip(symbols.tolist(), indices.tolist(), strict=True):
        for a, b in shares(symbol, t, tables):
            low, width = low + width * Fraction(a, 65536), width * Fraction(b - a, 65536)
    return low, width


def shares(symbol: int, t: int, tables: Tables) -> list[tuple[int, int]]:
    """[a, b) of the steps that code `symbol` with table t: its own, or the escape and two halves.

    An escaped value is 32 plain bits: its distance j from the table's first symbol, zig-zag
    (0, -1, 1, -2 ... become 0, 1, 2, 3 ...), as two intervals of one count each.
    """
    cdf = tables.cdfs[t, : tables.sizes[t] + 1].tolist()
    j = index(symbol) - int(tables.offsets[t])
    if 0 <= j < len(cdf) - 2:
        return [(cdf[j], cdf[j + 1])]
    zigzag = 2 * j if j >= 0 else -2 * j - 1
    return [(cdf[-2], cdf[-1]), *((half, half + 1) for half in divmod(zigzag, 65536))]


def as_message(data: bytes) -> np.ndarray:
    """Bytes-like data as uint8, writable whatever they are: one type, so loops compile once."""
    return np.frombuffer(as_bytes(data), dtype=np.uint8).copy()


def check_end(message: np.ndarray, used: int) -> None:
    """Raise StreamError where no encoder wrote `message` (uint8), of which a decoder read `used`.

    used < 0: the decoder left its interval.
    """
    if used < 0:
        raise StreamError("damaged arithmetic code: it names a value that no encoder writes")
    if message.size and message[-1] == 0:  # as good as none, so one message would have two codes
        raise StreamError("the arithmetic code ends in a zero byte, which no encoder writes")
    if message.size > used:
        raise StreamError(f"arithmetic code of {message.size} bytes where at most {used} belong")
