"""Curves of three points: read between them, compared over what they share, never beyond."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwbook import rd_curves

LINE = [(0.1, 26.0), (0.2, 28.0), (0.8, 32.0)]  # 2 dB for each doubling


@pytest.mark.parametrize(("rate", "psnr"), [(0.1, 26), (0.2, 28), (0.4, 30), (0.8, 32)])
def test_between_points_a_curve_is_straight_over_doublings(rate, psnr):
    assert rd_curves.at_rate(LINE, rate) == pytest.approx(psnr)
    assert rd_curves.at_rate(LINE[::-1], rate) == pytest.approx(psnr)


@pytest.mark.parametrize("rate", [0.09, 0.81])
def test_beyond_its_ends_a_curve_has_no_value(rate):
    with pytest.raises(ValueError, match=f"{rate} bpp is not between 0.1000 and 0.8000"):
        rd_curves.at_rate(LINE, rate)


@pytest.mark.parametrize(
    ("points", "says"),
    [
        ([], "at least two points"),
        ([(0.1, 26.0)], "at least two points"),
        ([(0.0, 26.0), (0.1, 27.0)], "rate > 0"),
        ([(0.1, math.nan), (0.2, 27.0)], "at least two points"),
        ([(0.1, 26.0), (0.1, 27.0)], "one quality at a rate"),
    ],
)
def test_what_is_no_curve_is_refused(points, says):
    with pytest.raises(ValueError, match=says):
        rd_curves.at_rate(points, 0.1)


def test_common_rates_lie_inside_all_curves():
    other = [(0.15, 20.0), (0.9, 30.0)]
    assert rd_curves.common_rates([LINE, other]) == pytest.approx((0.15, 0.8))
    with pytest.raises(ValueError, match="share no rates: 0.9500 bpp is not below 0.8000"):
        rd_curves.common_rates([LINE, [(0.95, 1.0), (2.0, 2.0)]])
    with pytest.raises(ValueError, match="at least one curve"):
        rd_curves.common_rates([])


def test_the_mean_gain_of_a_shifted_curve_is_its_shift():
    better = [(r, q + 0.3) for r, q in LINE]
    assert rd_curves.mean_gain(better, LINE) == pytest.approx(0.3)


def test_a_gain_that_grows_evenly_with_the_logarithm_counts_half():
    flat, rising = [(0.1, 10.0), (0.4, 10.0)], [(0.1, 10.0), (0.4, 12.0)]
    assert rd_curves.mean_gain(rising, flat) == pytest.approx(1.0)


curve = st.lists(
    st.tuples(st.floats(0.05, 2.0), st.floats(20, 40)), min_size=2, max_size=5,
    unique_by=lambda point: round(point[0], 3),
)  # fmt: skip


@given(curve, curve)
def test_the_mean_gain_is_the_average_of_many_readings(a, b):
    try:
        low, high = rd_curves.common_rates([a, b])
    except ValueError:
        return
    if high / low < 1.01:
        return
    edges = np.linspace(np.log(low), np.log(high), 4001)
    middles = np.exp((edges[1:] + edges[:-1]) / 2)
    read = [rd_curves.at_rate(a, r) - rd_curves.at_rate(b, r) for r in middles]
    assert rd_curves.mean_gain(a, b) == pytest.approx(np.mean(read), abs=0.02)
    assert rd_curves.mean_gain(a, b) == pytest.approx(-rd_curves.mean_gain(b, a))
