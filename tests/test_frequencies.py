"""From probabilities to frequencies: the best there are, held to brute force over all of them."""

import ast
import inspect
import itertools
from fractions import Fraction
from math import log2

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cwlib.coding import frequencies, gaussian
from cwlib.coding.frequencies import entropy, from_probabilities, mean_bits

WEIGHTS = st.lists(st.floats(0, 1e6), min_size=1, max_size=300).filter(lambda p: sum(p) > 0)


def cost(p, f) -> float:
    return -sum(q * log2(n / sum(f)) for q, n in zip(p, f, strict=True))


def compositions(total: int, parts: int):
    """Every way to write `total` as a sum of `parts` whole numbers of at least 1."""
    for bars in itertools.combinations(range(1, total), parts - 1):
        yield np.diff([0, *bars, total])


def test_frequencies_worked_by_hand():
    # 1/2, 1/4, 1/4 of 16 counts, of which the escape takes 1: the largest pays, at 9/8 of its loss
    assert from_probabilities([0.5, 0.25, 0.25], 17).tolist() == [0, 8, 12, 16, 17]
    # All are alike: what is left over goes to those that come first.
    assert np.diff(from_probabilities([1.0] * 4, 11)).tolist() == [3, 3, 2, 2, 1]


@given(
    st.lists(st.floats(0, 1) | st.sampled_from([0.0, 1e-9, 0.25]), min_size=1, max_size=4),
    st.integers(5, 14),
    st.floats(0, 0.3),
)
def test_no_other_frequencies_cost_fewer_bits(p, total, escape):
    if sum(p) + escape < 1e-6:
        p = [*p[:-1], 1.0]
    ours = np.diff(from_probabilities(p, total, escape))
    everything = [q / (sum(p) + escape) for q in [*p, escape]]
    best = min(cost(everything, f) for f in compositions(total, len(everything)))
    assert cost(everything, ours) <= best + 1e-12


@given(WEIGHTS, st.floats(0, 1))
def test_every_table_runs_from_0_to_65536_without_an_empty_interval(p, escape):
    cdf = from_probabilities(p, escape=escape)
    assert cdf.dtype == np.int64 and cdf.shape == (len(p) + 2,)
    assert cdf[0] == 0 and cdf[-1] == 65536
    assert (np.diff(cdf) >= 1).all()


@given(WEIGHTS)
def test_no_exchange_of_one_count_saves_bits(p):
    # For a convex separable cost, that no single exchange helps means that nothing does.
    p = np.array(p) / np.sum(p)
    f = np.diff(from_probabilities(p))[:-1]
    more = p * np.log2((f + 1) / f)
    less = np.where(f > 1, p * np.log2(f / np.maximum(f - 1, 1)), np.inf)
    assert more.max() <= less.min() + 1e-12


@given(WEIGHTS, st.sampled_from([0.5, 4.0, 2.0**-30]))
def test_the_unit_of_the_weights_does_not_matter(p, factor):
    p = np.array(p)
    assume((p * factor > 0).any())  # the smallest numbers have no half
    assert np.array_equal(from_probabilities(p), from_probabilities(p * factor))


def test_probabilities_that_are_whole_counts_are_kept():
    f = np.array([1, 2, 4, 8, 65536 - 16])
    assert np.diff(from_probabilities(f / 65536, escape=1 / 65536)).tolist() == [*f, 1]


def test_whole_numbers_and_single_precision_are_weights_too():
    assert from_probabilities(np.array([3, 1]), 9).tolist() == [0, 6, 8, 9]
    assert from_probabilities(np.array([3, 1], np.float32), 9).tolist() == [0, 6, 8, 9]


def test_as_many_symbols_as_counts_get_one_each():
    assert np.array_equal(from_probabilities(np.ones(65535)), np.arange(65537))


def test_saving_of_one_count_is_the_logarithm():
    gain = frequencies._log_ratios(65536)
    exact = [np.log1p(1 / f) for f in range(1, 65537)]
    assert np.allclose(gain[1:], exact, rtol=1e-14, atol=0)


def test_mean_bits_and_entropy_agree_where_the_table_is_exact():
    p, cdf = [0.5, 0.25, 0.125], [0, 8, 12, 14, 16]
    assert entropy(p, 0.125) == mean_bits(p, cdf, 0.125) == float(Fraction(7, 4))
    assert mean_bits(p, [0, 4, 8, 12, 16], 0.125) == 2.0


@pytest.mark.parametrize(
    ("p", "says"),
    [
        ([0.5, np.nan], "probability 1 is nan: finite and at least 0 wanted"),
        ([0.5, -0.1], "probability 1 is -0.1: finite and at least 0 wanted"),
        ([np.inf, 1.0], "probability 0 is inf"),
        ([0.0, 0.0], "sum to 0: at least one of them must be above"),
        ([[0.5, 0.5]], "expected a 1-D float array, got 2-D float64"),
        (0.5, "got 0-D float64"),
        (["a"], "expected a 1-D float array"),
        ([1j], "got 1-D complex128"),
        ([True], "got 1-D bool"),
        ([1e308, 1e308], "probability 0 is 1e[+]308: finite"),
        (np.ones(65536), "65536 symbols and the escape do not fit into 65536 counts"),
    ],
)
def test_what_is_no_table_of_probabilities_is_refused(p, says):
    with pytest.raises(ValueError, match=says):
        from_probabilities(p)


def test_an_escape_that_is_no_probability_is_refused():
    with pytest.raises(ValueError, match="escape's probability is -1: finite"):
        from_probabilities([1.0], escape=-1.0)


# What a table may be made with: exact, or rounded by IEEE 754 in one way only.
EXACT = {
    *("append", "arange", "array", "asarray", "clip", "concatenate", "count_nonzero", "cumsum"),
    *("flatnonzero", "float64", "floor", "int64", "isnan", "maximum", "minimum", "ndarray"),
    *("ones_like", "where", "zeros_like"),
    *("fsum", "inf"),  # of math; fsum rounds once
    "errstate",  # computes nothing
}
REPORTS = ("mean_bits", "entropy")  # make no tables


@pytest.mark.parametrize("module", [frequencies, gaussian])
def test_no_table_is_made_with_functions_whose_last_bit_may_differ(module):
    tree = ast.parse(inspect.getsource(module))
    tree.body = [n for n in tree.body if getattr(n, "name", None) not in REPORTS]
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in ("np", "math")
    }
    assert used <= EXACT, f"{used - EXACT}: not known to give the same bits everywhere"
    powers = [n for n in ast.walk(tree) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Pow)]
    assert all(
        ast.unparse(power) in ("2.0 ** (-10)", "2.0 ** -10", "2.0 ** 12") for power in powers
    )
