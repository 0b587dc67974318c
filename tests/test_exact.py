"""Nets in whole numbers: Python's integers, torch's layers, and sums at their bound."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from cwlib.coding import exact
from cwlib.coding.exact import EXACT, Layer, finest_units

LIMITS = (0.0, 255.0)


def reals(seed: int, c_in: int = 5, c_out: int = 8, k: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((c_out, c_in, k, k)), 30 * rng.standard_normal(c_out)


def layer(seed: int, dtype: type = np.float32, limits=LIMITS, shuffle: bool = False, **shape):
    w, b = reals(seed, **shape)
    return Layer.from_reals(w, b, 255, limits, finest_units(w, b, 255, dtype), shuffle)


def by_hand(one: Layer, a: np.ndarray) -> np.ndarray:
    """The layer from its definition: Python's integers, halves up."""
    k, _, c_out, c_in = one.weight.shape
    (_, h, w), rim = a.shape, k // 2
    out = np.empty((c_out, h, w), dtype=object)
    for o, y, x in itertools.product(range(c_out), range(h), range(w)):
        total = int(one.bias[o, 0, 0])
        for u, v, c in itertools.product(range(k), range(k), range(c_in)):
            row, column = y + u - rim, x + v - rim
            if 0 <= row < h and 0 <= column < w:
                total += int(one.weight[u, v, o, c]) * int(a[c, row, column])
        unit = int(one.unit[o, 0, 0])
        out[o, y, x] = min(max((2 * total + unit) // (2 * unit), 0), 255)
    return out.astype(np.int64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 3])
def test_a_layer_is_what_whole_numbers_make_it(k, dtype):
    one = layer(k, dtype, k=k)
    a = np.random.default_rng(0).integers(0, 256, (5, 4, 6))
    assert one.weight.dtype == one(a).dtype == dtype
    assert np.array_equal(one(a), by_hand(one, a))


@given(st.integers(0, 2**32 - 1))
def test_sums_stay_below_the_bound_for_the_worst_input(seed):
    one = layer(seed, c_out=3)
    for o in range(3):
        for sign in (1, -1):  # all inputs that push one way are at their largest
            worst = np.where(sign * one.weight[:, :, o] > 0, 255.0, 0.0)
            total = (one.weight[:, :, o].astype(np.float64) * worst).sum() + one.bias[o, 0, 0]
            assert abs(total) + one.unit[o, 0, 0] / 2 < EXACT[np.float32]


def test_units_are_as_fine_as_the_bound_allows():
    w, b = reals(1)
    units = finest_units(w, b, 255)
    Layer.from_reals(w, b, 255, LIMITS, units)
    with pytest.raises(ValueError, match=r"sums could reach 2\^24"):
        Layer.from_reals(w, b, 255, LIMITS, 4 * units)


@pytest.mark.parametrize("spoil", [lambda u: 0 * u, lambda u: u - 0.5, lambda u: u[:1]])
def test_units_that_no_model_has_are_refused(spoil):
    w, b = reals(1)
    with pytest.raises(ValueError, match="units are powers of two"):
        Layer.from_reals(w, b, 255, LIMITS, spoil(finest_units(w, b, 255)))


@pytest.mark.parametrize("bad", [1e9, np.inf, np.nan])
def test_weights_that_are_too_large_are_refused(bad):
    w, b = reals(1)
    w[2, 3, 1, 1] = bad
    with pytest.raises(ValueError, match="weights are too large"):
        finest_units(w, b, 255)


def test_a_rounded_layer_is_near_the_real_one():
    w, b = reals(3, c_in=40)
    one = layer(3, c_in=40, limits=None)
    a = np.random.default_rng(1).integers(0, 256, (40, 7, 9))
    wanted = F.conv2d(torch.from_numpy(a).double()[None], *map(torch.from_numpy, (w, b)), padding=1)
    assert np.abs(one(a) - wanted[0].numpy()).max() < 0.005 * wanted.abs().max()


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_adding_does_not_matter(seed):
    one = layer(seed, c_in=60)
    order = np.random.default_rng(seed).permutation(60)
    mixed = Layer(one.weight[..., order], one.bias, one.unit, one.limits)
    a = np.random.default_rng(seed).integers(0, 256, (60, 5, 5))
    assert np.array_equal(one(a), mixed(a[order]))


def test_shuffling_is_torchs():
    one = layer(0, shuffle=True)
    a = np.random.default_rng(0).integers(0, 256, (5, 4, 6))
    plain = Layer(one.weight, one.bias, one.unit, one.limits)(a)
    wanted = F.pixel_shuffle(torch.from_numpy(plain)[None], 2)[0].numpy()
    assert np.array_equal(exact.run([one], a), wanted)
