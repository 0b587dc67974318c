"""Probability tables: what is packed, and what is refused by name."""

import numpy as np
import pytest

from cwlib.coding.tables import TOTAL, Tables, check


def test_tables_of_different_lengths_are_padded_to_one_array():
    tables = Tables.from_cdfs([[0, 65536], [0, 1, 65536], [0, 10, 20, 65536]], [5, -7, 0])
    assert tables.cdfs.tolist() == [
        [0, 65536, 65536, 65536],
        [0, 1, 65536, 65536],
        [0, 10, 20, 65536],
    ]
    assert tables.sizes.tolist() == [1, 2, 3]
    assert tables.offsets.tolist() == [5, -7, 0]
    assert {a.dtype for a in (tables.cdfs, tables.sizes, tables.offsets)} == {np.dtype(np.int64)}


def test_the_largest_table_has_65536_intervals():
    assert Tables.from_cdfs([np.arange(TOTAL + 1)], [0]).sizes.tolist() == [65536]


@pytest.mark.parametrize(
    ("cdfs", "offsets", "says"),
    [
        ([], [], "no tables"),
        ([[0, 65536]], [1, 2], "1 tables but 2 offsets"),
        ([[0, 65536]], [0.5], "offsets: expected a 1-D array of whole numbers"),
        ([[0, 65536]], [[0]], "offsets: expected"),
        ([[0, 65536]], [2**31 + 1], r"offsets: expected values within -2\*\*31"),
        ([[0, 65536]], [2**62], r"offsets: expected values within -2\*\*31"),
        ([[0, 65536], [0, 5]], [0, 0], "table 1: must run from 0 to 65536, not 0 to 5"),
        ([[1, 65536]], [0], "table 0: must run from 0 to 65536, not 1 to 65536"),
        ([[0, 7, 7, 65536]], [0], "table 0: an interval is empty"),
        ([[0, 9, 7, 65536]], [0], "table 0: an interval is empty"),
        ([[0]], [0], "table 0: expected a 1-D integer array of at least 2"),
        ([[]], [0], "table 0: expected"),
        ([[0.0, 65536.0]], [0], "table 0: expected a 1-D integer array"),
        ([[[0, 65536]]], [0], "table 0: expected a 1-D"),
        ([np.array([0, 2**16 - 1, 2**16 - 3, 2**16], np.uint32)], [0], "table 0: an interval"),
    ],
)
def test_a_faulty_table_is_named(cdfs, offsets, says):
    with pytest.raises(ValueError, match=says):
        Tables.from_cdfs(cdfs, offsets)


TWO = Tables.from_cdfs([[0, 65536], [0, 1, 65536]], [0, 0])


def test_symbols_and_indices_become_int64():
    symbols, indices = check(np.array([1, 2], np.uint8), [0, 1], TWO)
    assert symbols.dtype == indices.dtype == np.int64
    assert symbols.tolist() == [1, 2] and indices.tolist() == [0, 1]


def test_nothing_is_a_message_too():
    symbols, indices = check([], [], TWO)
    assert symbols.size == indices.size == 0


@pytest.mark.parametrize(
    ("symbols", "indices", "says"),
    [
        ([1, 2], [0], "2 symbols but 1 table indices"),
        ([1], [2], r"table indices must lie in 0\.\.1"),
        ([1], [-1], r"table indices must lie in 0\.\.1"),
        ([1.0], [0], "symbols: expected a 1-D integer array, got 1-D float64"),
        ([[1]], [0], "symbols: expected a 1-D"),
        ([1], [[0]], "indices: expected a 1-D"),
        ([1], [0.5], "indices: expected"),
        (np.array([2**63], np.uint64), [0], r"below 2\*\*63, got 9223372036854775808"),
    ],
)
def test_what_is_no_message_is_refused(symbols, indices, says):
    with pytest.raises(ValueError, match=says):
        check(symbols, indices, TWO)


def test_tables_are_made_of_probabilities():
    tables = Tables.from_probabilities([[0.5, 0.5], [1.0]], [3, -1], [0.0, 1.0])
    # one count for the escape that never happens, half of them for the one that happens half
    # the time; of two that are alike the first takes the odd one
    assert tables.cdfs.tolist() == [[0, 32768, 65535, 65536], [0, 32768, 65536, 65536]]
    assert tables.sizes.tolist() == [3, 2] and tables.offsets.tolist() == [3, -1]


@pytest.mark.parametrize(
    ("probabilities", "escapes", "says"),
    [
        ([[1.0], [0.5, np.nan]], None, "table 1: probability 1 is nan"),
        ([[1.0], [-0.5, 1]], None, "table 1: probability 0 is -0.5"),
        ([[1.0], [0.0]], None, "table 1: the probabilities sum to 0"),
        ([[1.0], [[1.0]]], None, "table 1: probabilities: expected a 1-D"),
        ([[1.0], [1.0]], [0.0], "2 tables but 1 escapes"),
        ([[1.0], [1.0]], [0.0, -1.0], "table 1: the escape's probability is -1"),
    ],
)
def test_probabilities_that_make_no_table_are_named(probabilities, escapes, says):
    with pytest.raises(ValueError, match=says):
        Tables.from_probabilities(probabilities, [0, 0], escapes)
