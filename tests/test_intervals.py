"""What rANS looks up, against its definition in exact whole numbers."""

from fractions import Fraction
from math import ceil, log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwlib.coding import intervals
from cwlib.coding.intervals import BUCKET_BITS, reciprocal, reciprocals
from cwlib.coding.tables import Tables

ALL = np.arange(1, 65537)


def quotient(x: int, freq: int) -> int:
    r, s = reciprocal(freq)
    return (2 * x * r >> 64) >> s


@pytest.mark.parametrize("freq", [1, 2, 3, 5, 7, 4096, 46341, 65521, 65535, 65536])
def test_the_product_with_a_reciprocal_is_the_quotient_where_it_is_tightest(freq):
    largest = (2**63 - 1) // freq
    for q in (0, 1, 2, largest // 2, largest - 1, largest):
        for x in (q * freq - 1, q * freq, q * freq + 1, q * freq + freq - 1):
            if 0 <= x < 2**63:
                assert quotient(x, freq) == x // freq


@given(st.integers(0, 2**63 - 1), st.integers(1, 65536))
def test_the_product_with_a_reciprocal_is_the_quotient(x, freq):
    assert quotient(x, freq) == x // freq


def test_no_reciprocal_exceeds_its_fraction_by_enough_to_matter():
    # The proof of exactness needs no more: r / 2^(63 + s) - 1 / freq < 1 / (freq 2^63).
    for freq in ALL.tolist():
        r, s = reciprocal(freq)
        assert 0 <= r * freq - 2 ** (63 + s) and (r * freq - 2 ** (63 + s)) * 2**63 < 2 ** (63 + s)
        assert 2**63 <= r < 2**64 and s == ceil(log2(freq))


def test_many_reciprocals_are_those_of_each():
    r, s = reciprocals(ALL)
    assert r.dtype == np.uint64 and s.dtype == np.int64
    pairs = zip(r.tolist(), s.tolist(), strict=True)
    assert all(pair == reciprocal(freq) for pair, freq in zip(pairs, ALL.tolist(), strict=True))


CDFS = [[0, 65536], [0, 1, 2, 65536], [0, 65535, 65536], np.arange(65537), [0, 300, 40000, 65536]]
TABLES = Tables.from_cdfs(CDFS, [0, 1, 2, 3, 4])


def test_the_intervals_of_all_tables_stand_in_one_row():
    for found in (TABLES.for_encoding, TABLES.for_decoding):
        assert np.array_equal(found.starts, np.concatenate([cdf[:-1] for cdf in CDFS]))
        assert np.array_equal(found.freqs, np.concatenate([np.diff(cdf) for cdf in CDFS]))
        assert list(found.first) == [0, 1, 4, 6, 65542]
        assert list(found.escapes) == [0, 2, 1, 65535, 2]
        assert list(found.offsets) == [0, 1, 2, 3, 4]


def test_a_hint_is_the_interval_of_its_buckets_first_slot_with_start_and_frequency():
    found = TABLES.for_decoding
    assert len(found.hints) == len(CDFS) << BUCKET_BITS
    for t, cdf in enumerate(CDFS):
        for bucket in range(1 << BUCKET_BITS):
            hint = int(found.hints[t << BUCKET_BITS | bucket])
            j = (hint >> 32) - int(found.first[t])
            start, freq = hint & 65535, (hint >> 16 & 65535) + 1
            assert (start, start + freq) == (cdf[j], cdf[j + 1])
            assert start <= bucket << (16 - BUCKET_BITS) < start + freq


def test_they_are_worked_out_once():
    assert TABLES.for_encoding is TABLES.for_encoding
    assert TABLES.for_decoding is TABLES.for_decoding


def test_a_reciprocal_is_a_little_more_than_the_fraction():
    r, s = reciprocal(3)
    assert Fraction(1, 3) < Fraction(r, 2 ** (63 + s)) < Fraction(1, 3) + Fraction(1, 2**63)


def test_the_columns_are_arrays_if_compiled_and_lists_if_not():
    kind = np.ndarray if intervals.COMPILED else list
    assert all(isinstance(column, kind) for column in TABLES.for_encoding + TABLES.for_decoding)
