"""Means and spreads over seeds: closed forms, another library's Student t, records by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwbook import seeds


def test_a_single_value_has_a_mean_and_no_spread():
    one = seeds.spread([30.2])
    assert (one.n, one.mean) == (1, 30.2)
    assert one.sd is one.standard_error is one.interval is None


def test_nothing_has_no_spread():
    with pytest.raises(ValueError, match="at least one value"):
        seeds.spread([])


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=10))
def test_the_interval_is_that_of_students_t(values):
    stats = pytest.importorskip("scipy.stats", reason="scipy is the second opinion")
    found, n = seeds.spread(values), len(values)
    mean = sum(values) / n
    sd = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1))
    assert found.mean == pytest.approx(mean, abs=1e-9)
    assert found.standard_error == pytest.approx(sd / math.sqrt(n), abs=1e-9)
    half = stats.t.ppf(0.975, n - 1) * sd / math.sqrt(n)
    low, high = found.interval
    assert (low + high) / 2 == pytest.approx(mean, abs=1e-9)
    assert (high - low) / 2 == pytest.approx(half, rel=1e-3, abs=1e-9)


def test_beyond_ten_values_the_interval_is_no_narrower_than_it_should_be():
    found = seeds.spread([0.0, 1.0] * 20)
    half = found.interval[1] - found.mean
    assert 2.02 * found.standard_error < half < 2.3 * found.standard_error


def test_chance_makes_such_differences_in_95_of_100_cases():
    rng = np.random.default_rng(0)
    below = []
    for _ in range(3000):
        groups = rng.normal([[1.0], [5.0], [2.0]], 0.3, (3, 4))  # equally noisy, not equally good
        a, b = rng.normal(0, 0.3, 2)
        below.append(abs(a - b) < seeds.chance_difference(groups.tolist()))
    assert np.mean(below) == pytest.approx(0.95, abs=0.015)


def test_single_runs_tell_nothing_about_chance():
    assert seeds.chance_difference([[1.0], [2.0]]) is None
    assert seeds.chance_difference([[1.0], [2.0, 2.0]]) == 0


def test_differences_are_taken_seed_by_seed_and_only_where_both_ran():
    assert seeds.paired({0: 3.0, 1: 5.0, 7: 1.0}, {1: 4.5, 0: 1.0, 2: 9.0}) == {0: 2.0, 1: 0.5}


RECORDS = [
    {"experiment": name, "seed": seed, "bpp": bpp, "psnr": 10 * bpp + seed}
    for seed in (1, 0)
    for name, bpp in [("a-high", 0.5), ("a", 0.3), ("a-low", 0.1), ("b", 0.3)]
    if (name, seed) not in {("a-low", 1), ("a-high", 1)}
]


def test_curves_are_sorted_by_rate_and_a_seed_without_a_curve_is_left_out():
    names = ("a-low", "a", "a-high")
    assert seeds.curves(RECORDS, names, "psnr") == {0: [(0.1, 1.0), (0.3, 3.0), (0.5, 5.0)]}
    assert set(seeds.curves(RECORDS, names, "psnr", points=1)) == {0, 1}
    assert seeds.curves(RECORDS, ["c"], "psnr") == {}


def test_a_study_that_was_not_run_has_no_records(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert seeds.study_records("selection") == []
    path = tmp_path / "book" / "results" / "ablations.json"
    path.parent.mkdir(parents=True)
    rows = [{"study": "selection", "seed": 0}, {"study": "masks", "seed": 1}]
    path.write_text(
        json.dumps({"made_by": "python -m cwbook study", "records": rows}), encoding="utf-8"
    )
    assert seeds.study_records("selection") == rows[:1]
