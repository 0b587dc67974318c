"""The tables of the scale hyperprior, held to math.erfc and to the entropy of the normal."""

import math

import numpy as np
import pytest

from cwlib.coding import arithmetic, gaussian
from cwlib.coding.gaussian import LEVELS, SCALES, gaussian_tables, normal_cdf, scale_index
from cwlib.coding.tables import TOTAL

ESCAPE_BITS = 32  # that follow an escape in the arithmetic coder: the dearest one here


def exact_bin(k: int, sigma: float) -> float:
    """P(k) of a rounded normal, from the C library's erfc on the lower tail."""
    k, root = abs(k), sigma * math.sqrt(2)
    return (math.erfc((k - 0.5) / root) - math.erfc((k + 0.5) / root)) / 2


def bits_and_entropy(i: int) -> tuple[float, float]:
    """Mean bits of table i on values of its own scale, escapes in full, and the least possible."""
    tables, sigma = gaussian_tables(), SCALES[i]
    f = np.diff(tables.cdfs[i, : tables.sizes[i] + 1])
    n = len(f) // 2 - 1
    bits = least = 0.0
    for k in range(-int(12 * sigma) - 3, int(12 * sigma) + 4):
        p = exact_bin(k, sigma)
        if p > 0:
            inside = abs(k) <= n
            bits -= p * math.log2(f[k + n] / TOTAL if inside else f[-1] / TOTAL / 2**ESCAPE_BITS)
            least -= p * math.log2(p)
    return bits, least


def test_the_normal_cdf_is_that_of_the_c_library():
    x = np.concatenate([np.linspace(-9, 9, 4001), [0.0, -0.0, 8, -8, 1e300, -np.inf, np.inf]])
    exact = np.array([math.erfc(-v / math.sqrt(2)) / 2 for v in x])
    assert np.abs(normal_cdf(x) - exact).max() < 1e-13
    assert normal_cdf(np.array([0.0])) == 0.5


def test_beyond_8_sigma_there_is_nothing():
    assert normal_cdf(np.array([-8.0, 8.0])).tolist() == [0, 1]


def test_the_exponential_is_that_of_the_c_library():
    x = np.linspace(-32, 32, 4001)
    assert np.allclose(gaussian.exp(x), [math.exp(v) for v in x], rtol=1e-13, atol=0)


def test_the_scales_run_from_a_ninth_to_256_in_equal_steps_of_log2():
    assert len(SCALES) == LEVELS
    assert math.isclose(SCALES[0], gaussian.SCALE_MIN, rel_tol=1e-13)
    assert math.isclose(SCALES[-1], gaussian.SCALE_MAX, rel_tol=1e-13)
    steps = np.diff(np.log2(SCALES))
    assert np.abs(steps - gaussian.LOG2_SCALE_STEP).max() < 1e-13


def test_every_scale_finds_its_own_table_and_others_the_nearest():
    on_grid = gaussian.LOG2_SCALE_MIN + gaussian.LOG2_SCALE_STEP * np.arange(LEVELS)
    assert scale_index(on_grid).tolist() == list(range(LEVELS))
    for shift in (-0.49, 0.49):
        assert np.array_equal(scale_index(on_grid + shift * gaussian.LOG2_SCALE_STEP), range(64))
    assert scale_index(np.array([-99.0, -np.inf, 99.0, np.inf])).tolist() == [0, 0, 63, 63]
    assert scale_index(np.zeros((2, 3))).shape == (2, 3)


def test_an_index_of_no_scale_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        scale_index(np.array([0.0, np.nan]))


@pytest.mark.parametrize("scale", [0.0, -1.0, 5000.0, math.nan, math.inf])
def test_a_scale_out_of_range_is_refused(scale):
    with pytest.raises(ValueError, match="between 1/1024 and 4096"):
        gaussian_tables((scale,))


@pytest.mark.parametrize("i", range(0, LEVELS, 3))
def test_each_table_costs_less_than_a_thousandth_over_the_entropy(i):
    bits, least = bits_and_entropy(i)
    # Where nearly all is 0 a thousandth of the entropy is no bit in a million values, and a table
    # of 16 bits cannot give the 0 more than 65533 counts: there the loss in bits is what counts.
    assert 0 <= bits - least < max(1e-3 * least, 5e-5)


def test_all_tables_together_cost_less_than_half_a_thousandth_over_the_entropy():
    bits, least = np.sum([bits_and_entropy(i) for i in range(0, LEVELS, 2)], axis=0)
    assert bits / least - 1 < 5e-4


def test_the_smallest_table_leaves_three_counts_to_all_but_the_zero():
    tables = gaussian_tables()
    assert np.diff(tables.cdfs[0, :5]).tolist() == [1, 65533, 1, 1]
    assert tables.offsets[0] == -1


def test_each_table_is_as_good_as_symmetric():
    tables = gaussian_tables()
    for i in range(LEVELS):
        f = np.diff(tables.cdfs[i, : tables.sizes[i] + 1])
        assert len(f) % 2 == 0 and tables.offsets[i] == 1 - len(f) // 2
        assert np.abs(f[:-1] - f[-2::-1]).max() <= 1  # a count that cannot be halved


def test_values_in_and_beyond_the_tables_come_back():
    tables = gaussian_tables()
    rng = np.random.default_rng(0)
    indices = rng.integers(0, LEVELS, 20_000)
    symbols = np.rint(rng.laplace(0, np.array(SCALES)[indices])).astype(np.int64)
    blob = arithmetic.encode(symbols, indices, tables)
    assert np.array_equal(arithmetic.decode(blob, indices, tables), symbols)
