"""What all coders promise of their arguments: bytes-like data, counts of any width, equality."""

from __future__ import annotations

import array

import numpy as np
import pytest

from cwlib.coding import adaptive, arithmetic, context, gaussian, huffman, intervals, rans, stream
from cwlib.coding.frequencies import from_probabilities
from cwlib.coding.stream import StreamError
from cwlib.coding.tables import Tables

SYMBOLS = np.arange(300) * 7 % 4
WHICH = np.zeros(300, np.int64)
COUNTS = np.bincount(SYMBOLS)
CODE = huffman.Code.from_counts(COUNTS)
TABLES = Tables.from_probabilities([COUNTS / 300], [0])


def _context_coder() -> context.Coder:
    rng = np.random.default_rng(0)

    def net(channels: int, features: int) -> context.Weights:
        shapes = [(3, features), (3,), (3, 3), (3,), (2, 3), (2,)]
        return context.Weights(*(rng.integers(-999, 999, (channels, *shape)) for shape in shapes))

    return context.Coder(net(1, context.map_features()), net(1, context.code_features(1)), (0,) * 4)


MAP = _context_coder()
# name -> (its bytes of some message, its decoder)
DECODERS = {
    "huffman": (CODE.encode(SYMBOLS), lambda data: CODE.decode(data, 300)),
    "huffman table": (CODE.to_bytes(), lambda data: huffman.Code.from_bytes(data, 4).lengths),
    "rans": (rans.encode(SYMBOLS, WHICH, TABLES), lambda data: rans.decode(data, WHICH, TABLES)),
    "rans steps": (
        rans.encode(SYMBOLS, WHICH, TABLES),
        lambda data: [step.symbol for step in rans.decode_steps(data, WHICH, TABLES)],
    ),
    "arithmetic": (
        arithmetic.encode(SYMBOLS, WHICH, TABLES),
        lambda data: arithmetic.decode(data, WHICH, TABLES),
    ),
    "adaptive": (adaptive.encode(SYMBOLS, 4), lambda data: adaptive.decode(data, 300, 4)),
    "context": (
        MAP.encode(SYMBOLS.reshape(20, 15), np.zeros((1, 20, 15), int)),
        lambda data: MAP.decode(data, 1, 20, 15)[0].ravel(),
    ),
    "stream": (
        stream.pack(b"name", 20, 15, 1, [SYMBOLS.astype(np.uint8).tobytes()]),
        lambda data: np.frombuffer(stream.unpack(data)[1][0], np.uint8),
    ),
}
EVERY_DECODER = pytest.mark.parametrize("name", DECODERS)


@EVERY_DECODER
def test_a_decoder_takes_every_bytes_like_object_and_counts_its_bytes(name):
    blob, decode = DECODERS[name]
    expected = CODE.lengths if name == "huffman table" else SYMBOLS
    twice = bytes(2 * len(blob))
    spread = memoryview(bytearray(twice))[::2]  # not contiguous
    spread[:] = memoryview(blob)
    alike = [blob, bytearray(blob), memoryview(blob), spread, np.frombuffer(blob, np.uint8)]
    for width in "HIQ":  # items of 2, 4 and 8 bytes, where the message has a whole number of them
        if len(blob) % array.array(width).itemsize == 0:
            alike += [array.array(width, blob), np.frombuffer(blob, np.dtype(width))]
    for data in alike:
        assert np.array_equal(decode(data), expected)


def test_a_code_of_rans_counts_bytes_where_its_buffer_counts_words():
    blob = rans.encode(SYMBOLS, WHICH, TABLES)
    words = np.frombuffer(blob, "<u4")
    assert np.array_equal(rans.decode(words, WHICH, TABLES), SYMBOLS)
    with pytest.raises(StreamError, match=f"cut short: {len(blob) - 4} bytes, 300 symbols"):
        rans.decode(words[:-1], WHICH, TABLES)


@EVERY_DECODER
@pytest.mark.parametrize("data", ["text", [1, 2], None, 7, 1.5])
def test_a_decoder_names_what_is_not_bytes(name, data):
    with pytest.raises(TypeError, match=f"a stream is bytes, got {type(data).__name__}"):
        DECODERS[name][1](data)


NARROW = [np.uint8, np.int16, np.uint64]  # the first overflows at 256, the last never mixes


@pytest.mark.parametrize("kind", NARROW)
def test_counts_of_numpy_count_as_those_of_python(kind):
    n = kind(200)
    some = SYMBOLS[:200]
    long = huffman.Code.from_lengths([2, 2, 2, 2])
    assert np.array_equal(long.decode(long.encode(some), n), some)
    assert huffman.Code.from_counts(COUNTS, kind(15)) == CODE
    assert huffman.Code.from_bytes(CODE.to_bytes(), kind(4)) == CODE
    settings = dict(n_symbols=kind(4), order=kind(1), step=kind(32), limit=kind(255))
    blob = adaptive.encode(some, **settings)
    assert blob == adaptive.encode(some, 4, 1, 32, 255)
    assert np.array_equal(adaptive.decode(blob, n, **settings), some)
    assert np.array_equal(adaptive.costs(some, **settings), adaptive.costs(some, 4, 1, 32, 255))
    blob = rans.encode(SYMBOLS, WHICH, TABLES, kind(2))
    assert blob == rans.encode(SYMBOLS, WHICH, TABLES, 2)
    assert np.array_equal(rans.decode(blob, WHICH, TABLES, kind(2)), SYMBOLS)
    assert from_probabilities([0.5, 0.5], kind(100)).tolist() == [0, 50, 99, 100]
    assert intervals.reciprocal(kind(200)) == intervals.reciprocal(200)
    below = Tables.from_cdfs([[0, 1, 65536]], [250])
    assert arithmetic.shares(kind(249), 0, below) == arithmetic.shares(249, 0, below)


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_probabilities_of_numpy_count_as_those_of_python(kind):
    half, sigma = kind(0.5), kind(3.5)
    assert np.array_equal(from_probabilities([1.0], 99, half), from_probabilities([1.0], 99, 0.5))
    for found, wanted in zip(gaussian.unit_bins(sigma), gaussian.unit_bins(3.5), strict=True):
        assert np.array_equal(found, wanted)


@pytest.mark.parametrize("number", [2.0, "2", None])
@pytest.mark.parametrize(
    "call",
    [
        lambda n: CODE.decode(b"", n),
        lambda n: huffman.Code.from_counts(COUNTS, n),
        lambda n: huffman.Code.from_bytes(b"", n),
        lambda n: adaptive.decode(b"", n, 4),
        lambda n: from_probabilities([1.0], n),
        lambda n: intervals.reciprocal(n),
    ],
)
def test_a_count_is_a_whole_number(call, number):
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        call(number)


def test_tables_are_equal_to_themselves_alone_and_have_a_hash():
    again = Tables.from_cdfs([TABLES.cdfs[0]], [0])
    assert TABLES == TABLES and TABLES != again
    assert len({TABLES, TABLES, again}) == 2


def test_tables_of_gaussians_are_made_whatever_numpy_does_about_small_numbers():
    expected = gaussian.gaussian_tables((0.11, 3.0))
    gaussian.gaussian_tables.cache_clear()
    with np.errstate(all="raise"):
        found = gaussian.gaussian_tables((0.11, 3.0))
        assert gaussian.scale_index(np.array([-np.inf, -1e308, 1e308])).tolist() == [0, 0, 63]
    assert found is not expected
    assert np.array_equal(found.cdfs, expected.cdfs)
