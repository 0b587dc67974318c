"""Rounding, its stand-in gradients, and bit truncation held to strings of binary digits."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cwlib.models import quantize

unit = st.floats(0, 1, width=32)


@given(unit, st.integers(1, 8))
def test_a_level_is_the_equal_bin_that_the_value_lies_in(z, bits):
    level = int(quantize.to_levels(torch.tensor([z]), bits))
    exact = Fraction(z) * 2**bits  # a float32 times a power of two is exact
    assert 0 <= level < 2**bits
    assert level == min(math.floor(exact), 2**bits - 1)


def test_one_joins_the_last_bin_and_what_lies_outside_is_clamped():
    z = torch.tensor([1.0, 1.5, -0.1, 0.0])
    assert quantize.to_levels(z, 6).tolist() == [63, 63, 0, 0]


def test_levels_have_no_gradient():
    z = torch.rand(5, requires_grad=True)
    assert not quantize.to_levels(z, 6).requires_grad


def test_truncation_is_slicing_the_binary_digits():
    q, kept = np.meshgrid(np.arange(64), np.arange(7), indexing="ij")
    found = quantize.truncate(
        torch.from_numpy(q).float(), torch.from_numpy(kept).float(), bits=6
    ).numpy()
    for code in range(64):
        for bits in range(7):
            digits = f"{code:06b}"
            assert found[code, bits] == int(digits[:bits].ljust(6, "0"), 2)


def test_truncation_broadcasts_one_length_over_many_codes():
    q = torch.tensor([[63.0, 45.0], [7.0, 32.0]])
    kept = torch.tensor([[3.0], [1.0]])
    assert quantize.truncate(q, kept, bits=6).tolist() == [[56.0, 40.0], [0.0, 32.0]]


def test_straight_through_has_the_value_of_one_and_the_gradient_of_the_other():
    source = torch.tensor([0.3, -2.0], requires_grad=True)
    value = torch.tensor([7.0, 8.0], requires_grad=True)
    out = quantize.straight_through(value, source)
    (out * torch.tensor([2.0, 5.0])).sum().backward()
    assert torch.equal(out.detach(), value.detach())
    assert source.grad.tolist() == [2.0, 5.0]
    assert value.grad is None


def test_with_slope_sums_slope_times_gradient_over_what_was_broadcast():
    source = torch.zeros(1, 1, 2, requires_grad=True)  # one source value for three outputs
    slope = torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]).reshape(1, 3, 2)
    other = torch.zeros(1, 3, 2, requires_grad=True)
    value = torch.full((1, 3, 2), 5.0)
    out = quantize.with_slope(value, (source, slope), (other, torch.full_like(slope, -1.0)))
    out.sum().backward()
    assert torch.equal(out.detach(), value)
    assert source.grad.flatten().tolist() == [6.0, 60.0]
    assert (other.grad == -1).all()


def test_the_slope_itself_gets_no_gradient():
    source = torch.ones(3, requires_grad=True)
    slope = torch.ones(3, requires_grad=True)
    quantize.with_slope(torch.zeros(3), (source, slope)).sum().backward()
    assert slope.grad is None


def test_rounding_passes_the_gradient_unchanged():
    x = torch.tensor([0.4, 0.6, -1.2], requires_grad=True)
    out = quantize.round_ste(x)
    out.backward(torch.tensor([1.0, 2.0, 3.0]))
    assert out.tolist() == [0.0, 1.0, -1.0]
    assert x.grad.tolist() == [1.0, 2.0, 3.0]


def test_noise_is_uniform_on_half_a_step_either_side():
    x = torch.full((100_000,), 3.0, requires_grad=True)
    noise = quantize.add_noise(x, torch.Generator().manual_seed(0)) - x
    noise = noise.detach()
    assert noise.min() >= -0.5 and noise.max() < 0.5
    assert abs(noise.mean()) < 0.005  # standard error 0.0009
    assert noise.var().item() == pytest.approx(1 / 12, rel=0.02)


def test_noise_repeats_with_its_generator_and_passes_the_gradient():
    x = torch.zeros(10, requires_grad=True)
    a = quantize.add_noise(x, torch.Generator().manual_seed(5))
    b = quantize.add_noise(x, torch.Generator().manual_seed(5))
    assert torch.equal(a, b)
    a.sum().backward()
    assert (x.grad == 1).all()


@given(unit, st.integers(1, 8))
def test_uniform_gives_bin_centres_at_most_half_a_bin_away(z, bits):
    z_hat = quantize.uniform(torch.tensor([z], dtype=torch.float64), bits).item()
    assert (z_hat * 2**bits) % 1 == 0.5
    assert abs(z_hat - z) <= 0.5 / 2**bits


def test_uniform_passes_the_gradient_unchanged():
    z = torch.rand(4, requires_grad=True)
    quantize.uniform(z, 3).backward(torch.arange(4.0))
    assert z.grad.tolist() == [0.0, 1.0, 2.0, 3.0]
