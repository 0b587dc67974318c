"""What the coders are given: symbols that lie in their tables and cost what they should."""

from __future__ import annotations

from math import ceil, log2

import numpy as np
import pytest

from benchmarks import Case, cases
from cwlib.coding.tables import Tables


def everything() -> list[Case]:
    return cases.all_cases(50_000, np.random.default_rng(0))


def test_no_symbol_lies_outside_its_table():
    for case in everything():
        j = case.symbols - case.tables.offsets[case.indices]
        assert ((0 <= j) & (j < case.tables.sizes[case.indices] - 1)).all()


def test_the_ideal_is_what_the_tables_promise():
    tables = Tables.from_cdfs([[0, 49152, 65535, 65536], [0, 1, 65536]], [5, -1])
    case = Case("x", np.array([5] * 20 + [6] * 10 + [-1]), np.array([0] * 30 + [1]), tables)
    bits = 20 * log2(4 / 3) + 10 * log2(65536 / 16383) + 16
    assert case.ideal_bytes == ceil(bits / 8)


def test_the_static_table_is_made_of_the_counts():
    case = everything()[0]
    assert case.has_one_table and case.tables.sizes.tolist() == [64 + 1]  # 64 values, the escape
    p = np.bincount(case.symbols, minlength=64) / case.symbols.size
    q = np.diff(case.tables.cdfs[0])[:-1] / 65536
    assert np.abs(p - q).max() < 1e-3


def test_the_gaussian_symbols_have_the_deviations_of_their_tables():
    case = cases.gaussian("x", 200_000, np.random.default_rng(1))
    assert not case.has_one_table and set(case.indices) == set(range(64))
    for t in (20, 40, 60):
        spread = case.symbols[case.indices == t].std()
        # rounding adds 1/12 to the variance
        assert spread == pytest.approx((case.scales[t] ** 2 + 1 / 12) ** 0.5, rel=0.06)


def test_the_sparse_symbols_are_mostly_zeros_from_narrow_tables():
    case = cases.sparse("x", 100_000, np.random.default_rng(1))
    assert 0.94 < (case.symbols == 0).mean() < 0.98
    narrow = case.indices < 6
    assert narrow.mean() == pytest.approx(0.95, abs=0.005)
    assert (case.symbols[narrow] == 0).mean() == pytest.approx(1 - 1 / 300, abs=0.001)
    assert 8 * case.ideal_bytes / case.symbols.size < 0.3


def test_sorting_keeps_every_symbol_with_its_table_and_the_order_within():
    tables = Tables.from_cdfs([[0, 1, 2, 3, 65536]] * 3, [0, 10, 20])
    case = Case("x", np.array([21, 0, 20, 2, 22]), np.array([2, 0, 2, 0, 2]), tables)
    done = case.sorted_by_table()
    assert done.symbols.tolist() == [0, 2, 21, 20, 22] and done.indices.tolist() == [0, 0, 2, 2, 2]
    assert done.ideal_bytes == case.ideal_bytes
    assert [(t, group.tolist()) for t, group in done.groups()] == [(0, [0, 2]), (2, [1, 0, 2])]


@pytest.mark.parametrize(
    ("n", "text"), [(1_000_000, "1M"), (20_000, "20k"), (1234, "1234"), (0, "0"), (400, "400")]
)
def test_a_number_of_symbols_is_short(n, text):
    assert cases.short(n) == text
