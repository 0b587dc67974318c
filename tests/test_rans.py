"""rANS, held to whole numbers without a limit, to CompressAI's bytes, and to the ideal length."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwlib.coding import arithmetic, jit, rans
from cwlib.coding.intervals import reciprocal
from cwlib.coding.rans import decode, decode_steps, encode, encode_steps
from cwlib.coding.stream import StreamError
from cwlib.coding.tables import Tables

GOLDEN = json.loads((Path(__file__).parent / "golden" / "rans.json").read_text(encoding="utf-8"))

# By hand. Tables: a 1/2, b 1/4, escape 1/4. From the state 2^31, last symbol first:
#   b: f = 2^14, start = 2^15: 2^31 // 2^14 * 2^16 + 0 + 2^15 = 2^33 + 2^15
#   a: f = 2^15, start = 0:    (2^33 + 2^15) // 2^15 * 2^16   = 2^34 + 2^16
BY_HAND = Tables.from_cdfs([[0, 1 << 15, 3 << 14, 1 << 16]], [ord("a")])
AB = np.frombuffer(b"ab", np.uint8)
AB_BYTES = (2**34 + 2**16).to_bytes(8, "little")


def test_the_message_by_hand_gives_its_bytes():
    assert encode(AB, [0, 0], BY_HAND) == AB_BYTES
    assert decode(AB_BYTES, [0, 0], BY_HAND).tolist() == list(b"ab")


def test_the_empty_message_is_the_lowest_state():
    assert encode([], [], BY_HAND) == (2**31).to_bytes(8, "little")
    empty = decode((2**31).to_bytes(8, "little"), [], BY_HAND)
    assert empty.shape == (0,) and empty.dtype == np.int64


# --- the bytes -----------------------------------------------------------------------------------


def textbook(symbols, indices, cdfs, offsets, lanes=1) -> bytes:
    """The coder as the papers have it: divisions, Python's numbers, a list of words."""
    states, words = [2**31] * lanes, []

    def push(k: int, start: int, freq: int) -> None:
        x = make_room(k, freq)
        states[k] = (x // freq) * 2**16 + x % freq + start

    def push_digit(k: int, digit: int) -> None:
        states[k] = make_room(k, 2**12) * 16 + digit

    def make_room(k: int, freq: int) -> int:
        if states[k] >= freq * 2**47:
            words.append(states[k] % 2**32)
            states[k] //= 2**32
        return states[k]

    for n in reversed(range(len(symbols))):
        cdf, k = list(map(int, cdfs[indices[n]])), n % lanes
        j, escape = int(symbols[n]) - int(offsets[indices[n]]), len(cdf) - 2
        if not 0 <= j < escape:
            zigzag = 2 * (j - escape) if j >= 0 else -2 * j - 1
            digits = [int(digit, 16) for digit in f"{zigzag:x}"] if zigzag else []
            for digit in digits:  # the highest first: it comes back last
                push_digit(k, digit)
            push_digit(k, len(digits))
            j = escape
        push(k, cdf[j], cdf[j + 1] - cdf[j])
    head = b"".join(x.to_bytes(8, "little") for x in states)
    return head + b"".join(word.to_bytes(4, "little") for word in reversed(words))


@st.composite
def messages(draw, min_size=0, max_size=60, far=2**30 - 2**17):
    """Tables of all sizes, down to one interval, and symbols in and out of them."""
    cdfs = []
    for _ in range(draw(st.integers(1, 4))):
        inner = draw(st.sets(st.integers(1, 65535), max_size=12) | st.just({1}) | st.just({65535}))
        cdfs.append([0, *sorted(inner), 65536])
    offsets = [draw(st.integers(-300, 300) | st.sampled_from([-(2**31), 2**31])) for _ in cdfs]
    indices = draw(st.lists(st.integers(0, len(cdfs) - 1), min_size=min_size, max_size=max_size))
    near, wide = st.integers(-20, 20), st.integers(-far, far)
    symbols = [offsets[t] + draw(near | near | wide) for t in indices]
    return np.array(symbols, dtype=np.int64), np.array(indices, dtype=np.int64), cdfs, offsets


@given(messages(), st.sampled_from([1, 2, 4]))
def test_any_message_comes_back_and_has_the_bytes_of_the_textbook(message, lanes):
    symbols, indices, cdfs, offsets = message
    tables = Tables.from_cdfs(cdfs, offsets)
    blob = encode(symbols, indices, tables, lanes)
    assert np.array_equal(decode(blob, indices, tables, lanes), symbols)
    assert blob == textbook(symbols, indices, cdfs, offsets, lanes)


@pytest.mark.parametrize("message", GOLDEN["messages"], ids=lambda m: m["name"])
def test_the_bytes_are_those_that_compressai_made(message):
    tables = Tables.from_cdfs([np.array(cdf) for cdf in message["cdfs"]], message["offsets"])
    blob = bytes.fromhex(message["bytes"])
    assert encode(message["symbols"], message["indices"], tables) == blob
    assert decode(blob, message["indices"], tables).tolist() == message["symbols"]


@given(messages(min_size=4, far=2**27 - 2**17))
def test_the_bytes_are_those_that_compressai_makes_here(message):
    ans = pytest.importorskip("compressai.ans", reason="CompressAI is not installed")
    symbols, indices, cdfs, offsets = message
    # It divides by 65536 % 65536, and its numbers are 32 bits.
    cdfs = [cdf if len(cdf) > 2 else [0, 1000, 65536] for cdf in cdfs]
    offsets = [offset if abs(offset) < 2**31 else 0 for offset in offsets]
    symbols = np.where(np.abs(symbols) < 2**28, symbols, symbols % 1000)
    tables = Tables.from_cdfs(cdfs, offsets)
    told = indices.tolist(), cdfs, [len(cdf) for cdf in cdfs], offsets
    theirs = ans.RansEncoder().encode_with_indexes(symbols.tolist(), *told)
    assert encode(symbols, indices, tables) == theirs
    assert ans.RansDecoder().decode_with_indexes(theirs, *told) == symbols.tolist()


def gaussian_message(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, Tables]:
    """n symbols of 8 tables, from nearly certain ones to 6 bits; a few outside."""
    rng = np.random.default_rng(seed)
    sigmas = np.array([0.1, 0.2, 0.5, 1, 2, 4, 8, 16])
    values = np.arange(-50, 51)
    weights = [np.exp(-0.5 * (values / sigma) ** 2) for sigma in sigmas]
    tables = Tables.from_probabilities([w / w.sum() for w in weights], [-50] * 8, [1e-4] * 8)
    indices = rng.integers(0, 8, n)
    return np.rint(rng.normal(0, sigmas[indices])).astype(np.int64), indices, tables


def ideal_bits(symbols, indices, tables: Tables) -> float:
    """-sum log2 p of the tables' own probabilities, for symbols inside their tables."""
    j = symbols - tables.offsets[indices]
    freqs = tables.cdfs[indices, j + 1] - tables.cdfs[indices, j]
    return float(-np.log2(freqs / 65536).sum())


@pytest.mark.parametrize("n", [1, 100, 20_000, 1_000_000 if jit.COMPILED else 50_000])
def test_a_message_is_at_most_8_bytes_over_the_ideal(n):
    symbols, indices, tables = gaussian_message(n)
    symbols = np.clip(symbols, -50, 49)
    ideal = ideal_bits(symbols, indices, tables) / 8
    assert ideal <= len(encode(symbols, indices, tables)) <= ideal + 8


def test_a_nearly_certain_symbol_costs_nearly_nothing():
    tables = Tables.from_cdfs([[0, 65535, 65536]], [0])
    n = 300_000
    assert len(encode(np.zeros(n, int), np.zeros(n, int), tables)) <= n * 2.2e-5 / 8 + 8


def test_any_dtype_and_layout_gives_the_same_bytes():
    symbols, indices, tables = gaussian_message(200)
    blob = encode(symbols, indices, tables)
    frozen = symbols.copy()
    frozen.flags.writeable = False
    for same in (symbols.astype(np.int16), np.repeat(symbols, 2)[::2], symbols.tolist(), frozen):
        assert encode(same, indices.astype(np.uint8), tables) == blob
    assert np.array_equal(decode(bytearray(blob), indices.tolist(), tables), symbols)


def test_the_arguments_are_left_alone():
    symbols, indices, tables = gaussian_message(50)
    before = [a.copy() for a in (symbols, indices, tables.cdfs)]
    decode(encode(symbols, indices, tables), indices, tables)
    for a, b in zip(before, (symbols, indices, tables.cdfs), strict=True):
        assert np.array_equal(a, b)


def test_eight_threads_write_what_one_writes():
    symbols, indices, tables = gaussian_message(5_000)
    blob = encode(symbols, indices, tables)
    fresh = Tables(tables.cdfs, tables.sizes, tables.offsets)  # nothing worked out yet
    with ThreadPoolExecutor(8) as pool:
        blobs = list(pool.map(lambda _: encode(symbols, indices, fresh), range(16)))
        backs = list(pool.map(lambda b: decode(b, indices, fresh), blobs))
    assert set(blobs) == {blob} and all(np.array_equal(back, symbols) for back in backs)


# --- one symbol ----------------------------------------------------------------------------------


@given(st.data(), st.integers(1, 65536))
def test_a_push_is_the_formula_and_a_pop_takes_it_back(data, freq):
    start = data.draw(st.integers(0, 65536 - freq))
    x = data.draw(st.integers(2**31, min(freq * 2**47, 2**63) - 1))
    pushed = rans.push(x, start, freq, *reciprocal(freq))
    assert pushed == (x // freq) * 65536 + x % freq + start
    assert start <= pushed & 65535 < start + freq
    assert x <= pushed < 2**63 and not rans.is_full(x, freq)
    assert rans.pop(pushed, start, freq) == x


@given(st.integers(1, 65536), st.integers(0, 65535))
def test_a_state_is_full_from_where_a_push_would_reach_2_to_the_63(freq, start):
    limit = freq * 2**47
    assert not rans.is_full(min(limit, 2**63) - 1, freq)
    if limit < 2**63:
        assert rans.is_full(limit, freq) and (limit // freq) * 65536 == 2**63


@given(st.integers(2**31, 2**59 - 1), st.integers(0, 15))
def test_a_digit_is_the_lowest_4_bits(x, digit):
    pushed = rans.push_digit(x, digit)
    assert pushed == 16 * x + digit and rans.pop_digit(pushed) == x
    assert not rans.is_full(x, rans.DIGIT_FREQ)


# --- step by step --------------------------------------------------------------------------------


@given(messages(max_size=30))
def test_the_steps_make_the_stream_and_those_of_the_decoder_undo_them(message):
    symbols, indices, cdfs, offsets = message
    tables = Tables.from_cdfs(cdfs, offsets)
    blob = encode(symbols, indices, tables)
    steps = list(encode_steps(symbols, indices, tables))
    assert [step.symbol for step in steps] == symbols[::-1].tolist()
    words = [word for step in steps for word in step.words]
    state = steps[-1].after if steps else 2**31
    tail = b"".join(word.to_bytes(4, "little") for word in reversed(words))
    assert blob == state.to_bytes(8, "little") + tail
    for before, after in zip(steps, steps[1:], strict=False):
        assert before.after == after.before
    undone = list(decode_steps(blob, indices, tables))
    for did, undid in zip(reversed(steps), undone, strict=True):
        assert (undid.symbol, undid.start, undid.freq) == (did.symbol, did.start, did.freq)
        assert (undid.before, undid.after) == (did.after, did.before)
        assert undid.words == did.words[::-1]


def test_a_step_tells_the_symbols_interval_and_what_moved():
    first, *_ = encode_steps(AB, [0, 0], BY_HAND)
    assert first == rans.Step(ord("b"), 1 << 15, 1 << 14, 2**31, 2**33 + 2**15, ())
    (escape,) = encode_steps([0], [0], BY_HAND)  # 97 below: zig-zag 193 = 0xC1, two digits
    assert (escape.start, escape.freq) == (3 << 14, 1 << 14)
    with_digits = ((2**31 * 16 + 0xC) * 16 + 1) * 16 + 2
    assert escape.after == with_digits // 2**14 * 2**16 + with_digits % 2**14 + (3 << 14)
    rare = Tables.from_cdfs([[0, 1, 65536]], [0])
    moved = [step.words for step in encode_steps([0, 0, 0], [0, 0, 0], rare)]
    assert moved == [(), (0,), ()]  # 2^31, 2^47 (too large for the next), 2^31, 2^47


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_every_truncated_stream_raises_stream_error(lanes):
    symbols, indices, tables = gaussian_message(300)
    blob = encode(symbols, indices, tables, lanes)
    for end in range(len(blob)):
        with pytest.raises(StreamError, match="cut short|damaged"):
            decode(blob[:end], indices, tables, lanes)


@pytest.mark.parametrize("more", [b"\0", b"\0\0\0\0", b"\1\2\3\4\5\6\7\10"])
def test_a_byte_too_many_raises_stream_error(more):
    symbols, indices, tables = gaussian_message(300)
    with pytest.raises(StreamError, match="4 n bytes|does not end where a message does"):
        decode(encode(symbols, indices, tables) + more, indices, tables)


@pytest.mark.parametrize("state", [0, 1, 2**31 - 1, 2**63, 2**64 - 1])
def test_a_state_that_no_encoder_leaves_raises_stream_error(state):
    with pytest.raises(StreamError, match=r"outside \[2\^31, 2\^63\)"):
        decode(state.to_bytes(8, "little"), [0], BY_HAND)


def test_numbers_of_too_many_digits_or_with_a_zero_in_front_raise_stream_error():
    only_escape = Tables.from_cdfs([[0, 65536]], [0])
    for digits, says in ((9, "damaged"), (15, "damaged")):
        x = 2**40 * 16 + digits
        with pytest.raises(StreamError, match=says):
            decode(x.to_bytes(8, "little"), [0], only_escape)
    zero_in_front = (2**31 * 16 + 0) * 16 + 1  # one digit, and it is 0
    with pytest.raises(StreamError, match="damaged"):
        decode(zero_in_front.to_bytes(8, "little"), [0], only_escape)


def fuzz(n: int) -> int:
    """Damage n streams; those that still decode must be the code of what they decode to."""
    rng = np.random.default_rng(2)
    passed = 0
    for k in range(n):
        lanes = (1, 2, 4)[k % 3]
        symbols, indices, tables = gaussian_message(int(rng.integers(1, 60)), seed=k)
        blob = bytearray(encode(symbols, indices, tables, lanes))
        for _ in range(rng.integers(1, 4)):
            blob[rng.integers(0, len(blob))] ^= 1 << rng.integers(0, 8)
        try:
            found = decode(bytes(blob), indices, tables, lanes)
        except StreamError:
            continue
        passed += 1
        assert encode(found, indices, tables, lanes) == bytes(blob)
    return passed


def test_a_damaged_stream_raises_stream_error_or_is_another_messages():
    assert fuzz(600) < 30


@given(st.binary(max_size=80), st.lists(st.integers(0, 7), max_size=40))
def test_random_bytes_raise_stream_error_or_are_a_message(data, indices):
    tables = gaussian_message(1)[2]
    try:
        found = decode(data, indices, tables)
    except StreamError:
        return
    assert encode(found, indices, tables) == data


@given(st.integers(2**31, 2**63 - 1), st.lists(st.integers(0, 7), max_size=8))
def test_any_state_decodes_to_symbols_that_end_elsewhere_or_is_their_code(state, indices):
    # Few symbols leave most of the state: nearly every one of these ends above 2^31.
    data, tables = state.to_bytes(8, "little"), gaussian_message(1)[2]
    try:
        found = decode(data, indices, tables)
    except StreamError:
        return
    assert encode(found, indices, tables) == data


@pytest.mark.parametrize(
    ("symbols", "indices", "says"),
    [
        ([1, 2], [0], "2 symbols but 1 table indices"),
        ([97], [1], r"table indices must lie in 0\.\.0"),
        ([97], [-1], r"table indices must lie in 0\.\.0"),
        ([97.0], [0], "symbols: expected a 1-D integer array"),
        ([97, 97 + 2**30], [0, 0], r"symbol 1073741921 at position 1 is 2\^30 or more away"),
        ([97 - 2**30], [0], r"2\^30 or more away"),
        ([2**63 - 1], [0], r"2\^30 or more away"),
        ([-(2**63)], [0], r"2\^30 or more away"),
        (np.array([2**63], np.uint64), [0], r"below 2\*\*63"),
    ],
)
def test_what_cannot_be_coded_is_refused(symbols, indices, says):
    with pytest.raises(ValueError, match=says):
        encode(symbols, indices, BY_HAND)


def test_the_farthest_symbols_that_can_be_coded_come_back():
    symbols = [97 + 2**30 - 1, 97 - 2**30 + 1]
    assert decode(encode(symbols, [0, 0], BY_HAND), [0, 0], BY_HAND).tolist() == symbols


def test_a_decoder_without_such_a_table_says_so():
    with pytest.raises(ValueError, match=r"table indices must lie in 0\.\.0"):
        decode(AB_BYTES, [0, 7], BY_HAND)


@pytest.mark.parametrize("lanes", [0, 3, 8])
def test_other_numbers_of_lanes_are_refused(lanes):
    with pytest.raises(ValueError, match="expected 1, 2 or 4"):
        encode(AB, [0, 0], BY_HAND, lanes)
    with pytest.raises(ValueError, match="expected 1, 2 or 4"):
        decode(AB_BYTES, [0, 0], BY_HAND, lanes)


# --- plain Python --------------------------------------------------------------------------------

CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
import test_rans
print(test_rans.digest(), test_rans.jit.COMPILED)
test_rans.fuzz(90)  # here Python checks every index
"""


def digest() -> str:
    """A fingerprint of several messages, escapes among them."""
    out = hashlib.sha256()
    for seed in range(3):
        symbols, indices, tables = gaussian_message(400, seed)
        symbols[::50] = 2**20 + seed
        for lanes in (1, 2, 4):
            blob = encode(symbols, indices, tables, lanes)
            assert np.array_equal(decode(blob, indices, tables, lanes), symbols)
            out.update(blob)
        out.update(str(list(decode_steps(encode(AB, [0, 0], BY_HAND), [0, 0], BY_HAND))).encode())
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


@pytest.mark.parametrize("coder", [rans, arithmetic])
def test_what_are_no_tables_is_told_by_both_sides(coder):
    for call in (
        lambda: coder.encode(np.zeros(2, int), np.zeros(2, int), None),
        lambda: coder.decode(bytes(8), np.zeros(2, int), [0, 65536]),
    ):
        with pytest.raises(TypeError, match="expected Tables, got .*Tables.from_cdfs"):
            call()
