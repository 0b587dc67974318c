"""The adaptive coder, held to a model kept in plain lists and to its own ideal length."""

import hashlib
import os
import random
import subprocess
import sys
from fractions import Fraction
from math import log2
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwlib.coding import adaptive, jit
from cwlib.coding.adaptive import costs, decode, encode
from cwlib.coding.stream import StreamError


def model(symbols, n_symbols, order=0, step=32, limit=65536):
    """(below, count, total) of every symbol as it comes, from lists of counts."""
    counts = [[1] * n_symbols for _ in range(n_symbols if order else 1)]
    context = 0
    for s in map(int, symbols):
        mine = counts[context]
        yield sum(mine[:s]), mine[s], sum(mine)
        mine[s] += step
        if sum(mine) > limit:
            mine[:] = [(c + 1) // 2 for c in mine]
        context = s if order else 0


def unlimited(shares) -> bytes:
    """The coder with `low` as one number that has no end, and the shortest bytes inside."""
    low, width, taken = 0, 1 << 48, 48
    for below, count, total in shares:
        unit = width // total
        low, width = low + unit * below, unit * count
        while width < 1 << 40:
            low, width, taken = low << 8, width << 8, taken + 8
    n = 0
    while True:
        value = -(-Fraction(low) * 256**n // (1 << taken))  # rounded up
        if value * (1 << taken) < (low + width) * 256**n:
            return int(value).to_bytes(n, "big").rstrip(b"\0")
        n += 1


@st.composite
def messages(draw):
    n_symbols = draw(st.sampled_from([1, 2, 3, 4, 5, 8, 17, 64, 300]))
    order = draw(st.integers(0, 1))
    step = draw(st.sampled_from([1, 2, 32, 1000]))
    limit = min(65536, draw(st.sampled_from([n_symbols + step, 2 * (n_symbols + step), 65536])))
    favourite = draw(st.integers(0, n_symbols - 1))
    some = st.integers(0, n_symbols - 1) | st.just(favourite)
    symbols = np.array(draw(st.lists(some, max_size=150)), dtype=np.int64)
    return symbols, dict(n_symbols=n_symbols, order=order, step=step, limit=max(2, limit))


@given(messages())
def test_every_message_comes_back_and_is_that_of_plain_lists(message):
    symbols, settings = message
    blob = encode(symbols, **settings)
    assert blob == unlimited(model(symbols, **settings))
    assert np.array_equal(decode(blob, symbols.size, **settings), symbols)


@given(messages())
def test_costs_are_those_of_plain_lists(message):
    symbols, settings = message
    exact = [log2(total / count) for _, count, total in model(symbols, **settings)]
    assert np.allclose(costs(symbols, **settings), exact, atol=1e-12)


@pytest.mark.parametrize(
    ("n_symbols", "order", "step", "limit"),
    [(2, 0, 32, 65536), (64, 0, 32, 65536), (64, 1, 24, 8192), (300, 1, 1, 65536), (9, 0, 5, 14)],
)
def test_a_message_is_at_most_two_bytes_over_its_ideal(n_symbols, order, step, limit):
    rng = np.random.default_rng(n_symbols)
    symbols = rng.choice(n_symbols, 30_000, p=rng.dirichlet(np.full(n_symbols, 0.5)))
    blob = encode(symbols, n_symbols, order, step, limit)
    ideal = costs(symbols, n_symbols, order, step, limit).sum() / 8
    assert -1 <= len(blob) - ideal <= 2
    assert np.array_equal(decode(blob, symbols.size, n_symbols, order, step, limit), symbols)


def test_a_million_symbols_are_at_most_two_bytes_over_their_ideal():
    rng = np.random.default_rng(0)
    symbols = np.clip(np.rint(rng.laplace(32, 4, 1_000_000)), 0, 63).astype(np.int64)
    blob = encode(symbols, 64)
    assert -1 <= len(blob) - costs(symbols, 64).sum() / 8 <= 2
    assert np.array_equal(decode(blob, symbols.size, 64), symbols)


def test_the_counts_follow_a_source_that_changes():
    rng = np.random.default_rng(0)
    first = rng.choice(16, 20_000, p=[0.85, *[0.01] * 15])
    both = np.concatenate([first, 15 - first])
    counts = np.bincount(both, minlength=16) / both.size
    entropy = -(counts * np.log2(counts)).sum()  # what a fixed table for the whole costs at best
    assert 8 * len(encode(both, 16)) / both.size < 0.75 * entropy


def test_one_symbol_of_memory_sees_what_none_cannot():
    symbols = np.arange(10_000) % 8  # equally frequent, and certain after the one before
    assert 8 * len(encode(symbols, 8)) / symbols.size > 2.9
    assert 8 * len(encode(symbols, 8, order=1)) / symbols.size < 0.05


def test_a_large_step_learns_fast_and_a_small_one_learns_exactly():
    symbols = np.random.default_rng(1).choice(64, 200_000)
    fast, exact = (len(encode(symbols, 64, step=step)) for step in (512, 1))
    assert exact < fast
    short = np.full(100, 30)
    fast, exact = (len(encode(short, 64, step=step)) for step in (512, 1))
    assert fast < exact


def test_nothing_and_the_certain_take_no_bytes():
    assert encode([], 5) == b"" and decode(b"", 0, 5).size == 0
    assert encode(np.zeros(1000, np.int64), 1) == b""
    assert decode(b"", 1000, 1).tolist() == [0] * 1000


def test_the_largest_alphabet_comes_back():
    n = 65536 - adaptive.STEP
    symbols = np.random.default_rng(0).integers(0, n, 3000)
    blob = encode(symbols, n)
    assert np.array_equal(decode(blob, 3000, n), symbols)
    assert len(blob) <= 2 * 3000 + 2


def test_every_integer_dtype_gives_the_same_bytes():
    symbols = np.random.default_rng(0).integers(0, 20, 100)
    kinds = ["u1", "i1", "u2", ">i2", "i4", "u8"]
    assert {encode(symbols.astype(kind), 20) for kind in kinds} == {encode(symbols.tolist(), 20)}


@pytest.mark.parametrize(
    ("symbols", "says"),
    [
        ([0, 1, 4], r"symbol 4 at position 2 is outside 0\.\.3"),
        ([0, -1], r"symbol -1 at position 1 is outside 0\.\.3"),
        (np.array([2**63], np.uint64), r"symbol 9223372036854775808 at position 0"),
        ([0.0, 1.0], "expected a 1-D integer array, got 1-D float64"),
        ([True], "got 1-D bool"),
        ([[0, 1]], "got 2-D"),
    ],
)
def test_symbols_outside_the_alphabet_are_refused(symbols, says):
    for call in (encode, costs):
        with pytest.raises(ValueError, match=says):
            call(symbols, 4)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (dict(n_symbols=0), "1 to 65504 symbols fit into counts of at most 65536"),
        (dict(n_symbols=-3), "got -3"),
        (dict(n_symbols=2.5), "whole numbers, got 2.5"),
        (dict(n_symbols=65505), "got 65505"),
        (dict(n_symbols=50, limit=60), "1 to 28 symbols fit"),
        (dict(n_symbols=5, order=2), "order is 0"),
        (dict(n_symbols=5, step=0), "step is at least 1"),
        (dict(n_symbols=5, limit=65537), "limit 2 to 65536, got 32 and 65537"),
        (dict(n_symbols=3000, order=1), "3000 contexts of 3000 symbols are too many: use order 0"),
    ],
)
def test_settings_that_the_precision_cannot_hold_are_refused(settings, says):
    for call in (lambda: encode([0], **settings), lambda: decode(b"", 1, **settings)):
        with pytest.raises(ValueError, match=says):
            call()


def test_a_negative_number_of_symbols_is_refused():
    with pytest.raises(ValueError, match="cannot decode -1 symbols"):
        decode(b"", -1, 4)


def test_a_message_that_is_too_long_is_refused():
    blob = encode([1, 2, 3], 4)
    with pytest.raises(StreamError, match="where at most"):
        decode(blob + b"x" * 10, 3, 4)


def fuzz(n: int) -> int:
    """Decode n damaged messages; how many were refused."""
    rng, refused = random.Random(0), 0
    symbols = np.random.default_rng(0).integers(0, 5, 200)
    for k in range(n):
        settings = dict(n_symbols=5, order=k % 2, step=3, limit=20)
        blob = bytearray(encode(symbols, **settings))
        for _ in range(rng.randint(1, 4)):
            blob[rng.randrange(len(blob))] = rng.choice([0, 255, rng.randrange(256)])
        if k % 3 == 0:
            blob = blob[: rng.randrange(len(blob))]
        if k % 7 == 0:
            blob = bytes([255]) * len(blob)
        try:
            found = decode(bytes(blob), 200, **settings)
        except StreamError:
            refused += 1
        else:
            assert found.shape == (200,) and 0 <= found.min() and found.max() <= 4
    return refused


def test_damaged_messages_give_symbols_of_the_alphabet_or_stream_error():
    assert 0 < fuzz(1000) < 1000


CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
import test_adaptive
print(test_adaptive.digest(), test_adaptive.jit.COMPILED)
test_adaptive.fuzz(60)  # here numpy checks every index
"""


def digest() -> str:
    """A fingerprint of messages with and without context, long enough to be halved often."""
    out = hashlib.sha256()
    symbols = np.random.default_rng(3).binomial(40, 0.3, 1000)
    for order in (0, 1):
        for step, limit in ((1, 50), (32, 1000), (32, 65536)):
            blob = encode(symbols, 41, order, step, max(limit, 41 + step))
            assert np.array_equal(
                decode(blob, 1000, 41, order, step, max(limit, 41 + step)), symbols
            )
            out.update(blob)
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
