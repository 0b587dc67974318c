"""The arithmetic coder, held to exact fractions, to big integers, and to the ideal length."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwlib.coding import arithmetic, jit
from cwlib.coding.arithmetic import decode, encode, interval, trace
from cwlib.coding.stream import StreamError
from cwlib.coding.tables import Tables


def cdf_of(counts: np.ndarray) -> np.ndarray:
    """Frequencies (n,) at least 1, scaled to a cumulative table of 65536."""
    counts = np.asarray(counts, dtype=float)
    share = np.floor(counts / counts.sum() * (65536 - counts.size)).astype(int) + 1
    share[share.argmax()] += 65536 - share.sum()
    return np.concatenate([[0], np.cumsum(share)])


# One message by hand: three symbols, tables 0 = {a: 1/2, b: 1/4, escape} and 1 = {c: 3/16, d: 3/4,
# escape}. b, d, a narrow [0, 1) to
#     b: [1/2, 3/4)
#     d: 1/2 + 1/4 * [3/16, 15/16)  = [35/64, 47/64)
#     a: 35/64 + 3/16 * [0, 1/2)    = [35/64, 41/64)
# and 0x8C / 256 = 35/64 is in it, the fraction with one byte that comes first.
BY_HAND = Tables.from_cdfs(
    [[0, 1 << 15, 3 << 14, 1 << 16], [0, 3 << 12, 15 << 12, 1 << 16]], [ord("a"), ord("c")]
)
MESSAGE, INDICES = np.frombuffer(b"bda", np.uint8), np.array([0, 1, 0])
GOLDEN = bytes([0x8C])


def test_the_message_by_hand_gives_its_golden_byte():
    assert encode(MESSAGE, INDICES, BY_HAND) == GOLDEN
    assert decode(GOLDEN, INDICES, BY_HAND).tolist() == list(b"bda")


def intervals(symbols, indices, tables: Tables) -> list[tuple[int, int]]:
    """[a, b) of every coding step: a symbol's own, or the escape's and two plain 16-bit halves."""
    out = []
    for symbol, t in zip(map(int, symbols), indices, strict=True):
        cdf = tables.cdfs[t, : tables.sizes[t] + 1].tolist()
        j = symbol - int(tables.offsets[t])
        if 0 <= j < len(cdf) - 2:
            out.append((cdf[j], cdf[j + 1]))
            continue
        out.append((cdf[-2], cdf[-1]))
        plain = 2 * j if j >= 0 else -2 * j - 1
        out += [(half, half + 1) for half in divmod(plain, 65536)]
    return out


def shortest(low: Fraction, high: Fraction) -> bytes:
    """The fewest bytes that, read as a fraction with zeros behind, lie in [low, high)."""
    n = 0
    while ceil(low * 256**n) >= high * 256**n:
        n += 1
    return ceil(low * 256**n).to_bytes(n, "big")


def exact(steps: list[tuple[int, int]]) -> bytes:
    """The textbook: intervals of fractions, no rounding anywhere."""
    low, width = Fraction(0), Fraction(1)
    for a, b in steps:
        low, width = low + width * Fraction(a, 65536), width * Fraction(b - a, 65536)
    return shortest(low, low + width)


def unlimited(steps: list[tuple[int, int]]) -> bytes:
    """The same with the coder's rounding of the width, but `low` is one number without an end."""
    low, width, taken = 0, 1 << 48, 48
    for a, b in steps:
        unit = width >> 16
        low, width = low + unit * a, unit * (b - a)
        while width < 1 << 40:
            low, width, taken = low << 8, width << 8, taken + 8
    return shortest(Fraction(low, 1 << taken), Fraction(low + width, 1 << taken))


@st.composite
def messages(draw, max_size=60, far=1 << 29):
    """Tables of all sizes, down to one interval, and symbols in and out of them."""
    cdfs = []
    for _ in range(draw(st.integers(1, 4))):
        inner = draw(st.sets(st.integers(1, 65535), max_size=12) | st.just({1}) | st.just({65535}))
        cdfs.append([0, *sorted(inner), 65536])
    offsets = [draw(st.integers(-300, 300)) for _ in cdfs]
    indices = draw(st.lists(st.integers(0, len(cdfs) - 1), max_size=max_size))
    near, wide = st.integers(-320, 320), st.integers(-far, far)
    symbols = [offsets[t] + draw(near | near | wide) for t in indices]
    return np.array(symbols, dtype=np.int64), np.array(indices, dtype=np.int64), cdfs, offsets


@given(messages(max_size=3, far=300))
def test_three_intervals_are_coded_as_with_exact_fractions(message):
    symbols, indices, cdfs, offsets = message
    tables = Tables.from_cdfs(cdfs, offsets)
    # only whole symbols can be coded, so keep as many as fit into three steps
    n = 0
    while n < len(symbols) and len(intervals(symbols[: n + 1], indices[: n + 1], tables)) <= 3:
        n += 1
    steps = intervals(symbols[:n], indices[:n], tables)
    assert encode(symbols[:n], indices[:n], tables).rstrip(b"\0") == exact(steps).rstrip(b"\0")


@given(messages())
def test_any_message_comes_back_and_is_that_of_unlimited_arithmetic(message):
    symbols, indices, cdfs, offsets = message
    tables = Tables.from_cdfs(cdfs, offsets)
    blob = encode(symbols, indices, tables)
    assert np.array_equal(decode(blob, indices, tables), symbols)
    assert blob == unlimited(intervals(symbols, indices, tables)).rstrip(b"\0")


def test_the_empty_message_is_no_bytes():
    empty = np.array([], dtype=np.int64)
    assert encode(empty, empty, BY_HAND) == b""
    assert decode(b"", empty, BY_HAND).size == 0


def test_a_table_of_one_interval_is_all_escape():
    tables = Tables.from_cdfs([[0, 65536]], [10])
    symbols = np.array([10, -5, 0, 1 << 29, -(1 << 29)])
    blob = encode(symbols, np.zeros(5, int), tables)
    assert len(blob) <= 5 * 4 + 2  # the escape itself is free
    assert np.array_equal(decode(blob, np.zeros(5, int), tables), symbols)


def test_symbols_of_probability_1_in_65536_cost_16_bits_each():
    tables = Tables.from_cdfs([[0, 1, 65535, 65536]], [0])
    symbols = np.zeros(1000, dtype=np.int64)
    blob = encode(symbols, symbols, tables)
    assert len(blob) <= 2000
    assert np.array_equal(decode(blob, symbols, tables), symbols)
    # and a symbol that is nearly certain costs nearly nothing: 1000 * 2 / 65536 * 1.44 bits
    assert len(encode(symbols + 1, symbols, tables)) <= 1


def test_a_million_symbols_take_at_most_two_bytes_over_the_ideal():
    rng = np.random.default_rng(0)
    cdfs = [cdf_of(rng.dirichlet(np.full(k, 0.3)) + 1e-9) for k in (2, 64, 300)]
    tables = Tables.from_cdfs(cdfs, [0, -32, 1000])
    indices = rng.integers(0, 3, 1_000_000)
    symbols = np.empty_like(indices)
    ideal = 0.0
    for t, cdf in enumerate(cdfs):
        p = np.diff(cdf) / 65536
        p_inside = p[:-1] / p[:-1].sum()  # no escapes
        mine = np.flatnonzero(indices == t)
        j = rng.choice(p_inside.size, mine.size, p=p_inside)
        symbols[mine] = j + tables.offsets[t]
        ideal += -np.log2(p[j]).sum()
    blob = encode(symbols, indices, tables)
    assert -1 <= len(blob) - ideal / 8 <= 2
    assert np.array_equal(decode(blob, indices, tables), symbols)


# --- carries -------------------------------------------------------------------------------------

# Symbol 1 straddles the middle: after many of them `low` is 7f ff ff ..., and the last symbol
# settles on which side the number lies.
MIDDLE = Tables.from_cdfs([[0, 32767, 32769, 65535, 65536]], [0])


@pytest.mark.parametrize("n", [1, 2, 3, 10, 500])
def test_a_carry_ripples_through_all_the_255s(n):
    for last in (0, 2):
        symbols = np.array([1] * n + [last, 1, 2, 0])
        indices = np.zeros(len(symbols), dtype=np.int64)
        blob = encode(symbols, indices, MIDDLE)
        assert blob == unlimited(intervals(symbols, indices, MIDDLE)).rstrip(b"\0")
        assert np.array_equal(decode(blob, indices, MIDDLE), symbols)
        held_back = blob[: (15 * n) // 8]  # each straddle settles 15 bits
        if n > 1:
            start, rest = (b"\x7f", b"\xff") if last == 0 else (b"\x80", b"\x00")
            assert held_back == start + rest * (len(held_back) - 1)


# --- stepping through ----------------------------------------------------------------------------


def test_the_interval_by_hand():
    # b: [1/2, 3/4), d: its 3/16 to 15/16, a: the lower half of that, as at the top of this file
    assert interval(MESSAGE, INDICES, BY_HAND) == (Fraction(35, 64), Fraction(6, 64))


@given(messages(max_size=12))
def test_the_interval_holds_the_number_that_the_bytes_spell(message):
    symbols, indices, cdfs, offsets = message
    tables = Tables.from_cdfs(cdfs, offsets)
    low, width = interval(symbols, indices, tables)
    blob = encode(symbols, indices, tables)
    number = Fraction(int.from_bytes(blob, "big"), 256 ** len(blob))
    # The coder rounds each width down by less than 2^-24 of it, so its low end lies lower: by at
    # most the sum of what was cut off.
    steps = len(intervals(symbols, indices, tables))
    assert low - Fraction(steps, 2**24) <= number < low + width
    probability = Fraction(1)
    for a, b in intervals(symbols, indices, tables):
        probability *= Fraction(b - a, 65536)
    assert width == probability


@given(messages(max_size=30))
def test_the_trace_is_the_encoder_step_by_step(message):
    symbols, indices, cdfs, offsets = message
    tables = Tables.from_cdfs(cdfs, offsets)
    steps = list(trace(symbols, indices, tables))
    assert [step.share for step in steps] == intervals(symbols, indices, tables)
    state, number, taken = (0, 1 << 48), 0, 0
    for step in steps:
        assert step.before == state
        (low, width), (a, b) = step.before, step.share
        low, width = low + (width >> 16) * a, (width >> 16) * (b - a)
        assert step.carry == (low >= 1 << 48)
        # one number without an end: what was written, then low; nothing is lost by moving bytes
        number, moved = (number << 48) + low, 8 * len(step.moved_out)
        taken += len(step.moved_out)
        assert step.after[1] == width << moved >= 1 << 40
        assert (number << moved) & ((1 << 48) - 1) == step.after[0]
        number = (number << moved) >> 48
        assert step.written == number.to_bytes(taken, "big")
        assert step.written.endswith(step.moved_out)
        state = step.after
    blob = encode(symbols, indices, tables)
    written = steps[-1].written if steps else b""
    # `finish` adds at most 6 bytes; a last carry may still change those before them
    assert int.from_bytes(blob[: len(written)].ljust(len(written), b"\0"), "big") - number in (0, 1)
    assert len(blob) <= len(written) + 6


def test_the_trace_shows_a_carry_rippling_through_eight_255s():
    symbols = np.array([1] * 5 + [2])
    steps = list(trace(symbols, np.zeros(6, dtype=np.int64), MIDDLE))
    assert [step.carry for step in steps] == [False] * 5 + [True]
    assert steps[4].written == b"\x7f" + b"\xff" * 8
    assert steps[5].written == b"\x80" + bytes(8) and steps[5].rippled == 8
    assert steps[5].moved_out == b""


def test_an_escape_is_three_steps():
    steps = list(trace(np.array([70_000]), np.array([0]), MIDDLE))
    assert [step.share for step in steps] == [(65535, 65536), (2, 3), (8928, 8929)]
    assert 2 * 70_000 == 2 * 65536 + 8928


def test_the_trace_refuses_what_the_encoder_refuses():
    with pytest.raises(ValueError, match=r"2\^30 or more away"):
        next(trace(np.array([2**31]), np.array([0]), MIDDLE))
    with pytest.raises(ValueError, match="symbols: expected"):
        interval(np.array([0.5]), np.array([0]), MIDDLE)


# --- what cannot be coded, and damage ------------------------------------------------------------


@pytest.mark.parametrize("symbol", [1 << 30, -(1 << 30), 2**62, -(2**63), 2**63 - 1])
def test_a_symbol_too_far_from_its_table_is_refused(symbol):
    with pytest.raises(ValueError, match=r"2\^30 or more away"):
        encode(np.array([symbol]), np.array([0]), MIDDLE)
    far = Tables.from_cdfs([[0, 65536]], [2**31])
    with pytest.raises(ValueError, match=r"2\^30 or more away"):
        encode(np.array([-(2**63)]), np.array([0]), far)


@pytest.mark.parametrize("symbol", [(1 << 30) - 1, 1 - (1 << 30)])
def test_the_farthest_symbols_come_back(symbol):
    blob = encode(np.array([symbol]), np.array([0]), MIDDLE)
    assert decode(blob, np.array([0]), MIDDLE).tolist() == [symbol]


def example(seed: int, n: int) -> tuple[np.ndarray, np.ndarray, Tables]:
    rng = np.random.default_rng(seed)
    cdfs = [cdf_of(rng.dirichlet(np.ones(k)) + 1e-6) for k in (3, 20, 64)]
    tables = Tables.from_cdfs(cdfs, [0, -10, 5])
    indices = rng.integers(0, 3, n)
    symbols = tables.offsets[indices] + rng.integers(-1, 8, n)  # some escapes
    return symbols, indices, tables


def spoilt(rng: random.Random, blob: bytes) -> bytes:
    out = bytearray(blob)
    kind = rng.randrange(4)
    if kind == 0:
        for _ in range(rng.randint(1, 5)):
            out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del out[rng.randrange(len(out)) :]
    elif kind == 2:
        out[rng.randrange(len(out)) :] = rng.randbytes(rng.randrange(80))
    else:
        out[:] = bytes([rng.choice([0, 255])]) * rng.randrange(80)
    return bytes(out)


def fuzz(n: int) -> tuple[int, int]:
    """Decode n damaged messages: (refused, decoded to something)."""
    rng = random.Random(0)
    symbols, indices, tables = example(0, 100)
    blob = encode(symbols, indices, tables)
    refused = 0
    for _ in range(n):
        try:
            found = decode(spoilt(rng, blob), indices, tables)
        except StreamError as error:
            assert "\n" not in str(error)
            refused += 1
        else:
            assert found.shape == symbols.shape and found.dtype == np.int64
            assert (abs(found) < 1 << 33).all()
    return refused, n - refused


def test_damaged_messages_are_refused_or_give_as_many_symbols():
    refused, decoded = fuzz(3000)
    assert refused > 100 and decoded > 100


def test_a_message_that_is_too_long_is_refused():
    symbols, indices, tables = example(1, 50)
    blob = encode(symbols, indices, tables)
    with pytest.raises(StreamError, match="where at most"):
        decode(blob + b"x" * 10, indices, tables)


def test_a_zero_behind_a_message_is_refused_so_that_each_has_one_code():
    symbols, indices, tables = example(2, 50)
    blob = encode(symbols, indices, tables)
    assert not blob.endswith(b"\0")
    with pytest.raises(StreamError, match="ends in a zero byte"):
        decode(blob + b"\0", indices, tables)


def test_the_arguments_are_left_alone():
    symbols, indices, tables = example(3, 50)
    before = [a.copy() for a in (symbols, indices, tables.cdfs)]
    decode(encode(symbols, indices, tables), indices, tables)
    for a, b in zip(before, (symbols, indices, tables.cdfs), strict=True):
        assert np.array_equal(a, b)


# --- plain Python --------------------------------------------------------------------------------

CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
import test_arithmetic
print(test_arithmetic.digest(), test_arithmetic.jit.COMPILED)
test_arithmetic.fuzz(150)  # here numpy checks every index
"""


def digest() -> str:
    """A fingerprint of several messages, straddles and escapes among them."""
    out = hashlib.sha256()
    for seed in range(3):
        symbols, indices, tables = example(seed, 400)
        blob = encode(symbols, indices, tables)
        assert np.array_equal(decode(blob, indices, tables), symbols)
        out.update(blob)
    straddles = np.array([1] * 50 + [2])
    out.update(encode(straddles, np.zeros(51, dtype=np.int64), MIDDLE))
    return out.hexdigest()


@pytest.mark.skipif(not jit.COMPILED, reason="numba is absent or switched off")
def test_plain_python_writes_the_same_bytes_and_never_reads_out_of_bounds():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CHILD, Path(__file__).parent],
        env={**os.environ, "CWLIB_NO_JIT": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [digest(), "False"]


def test_a_carry_adds_one_to_the_number_that_the_bytes_spell():
    out = np.array([0, 255, 255], dtype=np.uint8)
    arithmetic.carry_into(out, 3)
    assert out.tolist() == [1, 0, 0]
