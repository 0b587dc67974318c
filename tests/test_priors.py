"""The two distributions: closed forms, sums to one, a peer with the same parameters, far tails."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cwlib.models import priors
from cwlib.models.priors import FactorisedPrior


def normal_mass(z: float, sigma: float) -> float:
    """Mass of a zero-mean normal on [z - 1/2, z + 1/2], from the tail that keeps its digits."""
    z = abs(z)
    root = math.sqrt(2) * sigma
    return (math.erfc((z - 0.5) / root) - math.erfc((z + 0.5) / root)) / 2


def prior(channels: int = 5, seed: int = 0) -> FactorisedPrior:
    """A prior whose densities are no longer symmetric bells."""
    torch.manual_seed(seed)
    made = FactorisedPrior(channels)
    with torch.no_grad():
        for p in made.parameters():
            p += 0.3 * torch.randn_like(p)
    return made


# --- Gaussian ------------------------------------------------------------------------------------


@given(st.integers(-300, 300), st.floats(0.11, 256))
def test_the_gaussian_likelihood_is_the_mass_of_its_bin(z, sigma):
    found = priors.gaussian_likelihood(
        torch.tensor([z], dtype=torch.float64), torch.tensor([sigma], dtype=torch.float64)
    )
    assert found.item() == pytest.approx(max(normal_mass(z, sigma), 1e-9), rel=1e-9)


@pytest.mark.parametrize("sigma", [0.11, 0.5, 3.0, 40.0])
def test_the_gaussian_likelihoods_sum_to_one(sigma):
    z = torch.arange(-400, 401, dtype=torch.float64)
    total = priors.gaussian_likelihood(z, torch.tensor(sigma, dtype=torch.float64)).sum()
    assert total.item() == pytest.approx(1, abs=801e-9)  # the floor of 1e-9 adds at most that


def test_a_scale_below_the_table_counts_as_its_smallest():
    z = torch.tensor([0.0, 1.0])
    tiny, smallest = (priors.gaussian_likelihood(z, torch.tensor(s)) for s in (1e-3, 0.11))
    assert torch.equal(tiny, smallest)
    # 1 - P(0) = erfc(0.5 / (0.11 sqrt 2))
    assert 1 - smallest[0].item() == pytest.approx(math.erfc(0.5 / 0.11 / math.sqrt(2)), abs=1e-7)


def test_a_scale_below_the_table_is_pulled_up_where_that_helps():
    scale = torch.tensor([0.05], requires_grad=True)
    bits = priors.bits(priors.gaussian_likelihood(torch.tensor([[2.0]]), scale))
    # at 0.11 a 2 is below the floor of likelihoods; at 0.3 it is not
    assert bits.item() == pytest.approx(-math.log2(1e-9), rel=1e-6)
    priors.gaussian_likelihood(torch.tensor([1.0]), scale).log().neg().sum().backward()
    assert scale.grad.item() < 0


def test_both_tails_keep_their_digits_in_float32():
    z = torch.tensor([-20.0, 20.0])
    found = priors.gaussian_likelihood(z, torch.tensor(4.0))
    assert found[0] == found[1]
    assert found[0].item() == pytest.approx(normal_mass(20, 4.0), rel=1e-4)


def test_compressai_gives_the_same_gaussian_likelihoods():
    peer = pytest.importorskip(
        "compressai.entropy_models", reason="the peer is not installed"
    ).GaussianConditional(None)
    torch.manual_seed(0)
    z, scale = (20 * torch.randn(2, 4, 5, 5)).round(), 10 * torch.rand(2, 4, 5, 5)
    theirs = peer(z, scale, training=False)[1]
    torch.testing.assert_close(priors.gaussian_likelihood(z, scale), theirs, rtol=1e-5, atol=1e-7)


# --- the table of scales -------------------------------------------------------------------------


# --- bits ----------------------------------------------------------------------------------------


def test_bits_are_summed_for_each_image():
    likelihood = torch.tensor([[[[0.5, 0.25]]], [[[1.0, 0.125]]]])
    assert priors.bits(likelihood).tolist() == [3.0, 3.0]


# --- factorised prior ----------------------------------------------------------------------------


def test_each_channel_has_a_rising_distribution_from_0_to_1():
    x = torch.linspace(-2000, 2000, 4001, dtype=torch.float64).expand(5, 1, -1)
    cumulative = torch.sigmoid(prior().double().logits(x))[:, 0]
    assert (cumulative.diff(dim=1) >= 0).all()
    assert cumulative[:, 0].max() < 1e-6 and cumulative[:, -1].min() > 1 - 1e-6


def test_the_factorised_likelihoods_sum_to_one():
    made = prior().double()
    y = torch.arange(-500, 501, dtype=torch.float64).view(1, 1, -1, 1).expand(1, 5, -1, -1)
    assert made(y).sum(dim=(0, 2, 3)).tolist() == pytest.approx([1] * 5, abs=1e-5)


def test_a_likelihood_is_the_integral_of_the_density_over_its_bin():
    made = prior().double()
    y = torch.tensor([-7.0, 0.0, 0.3, 12.0], dtype=torch.float64)
    grid = torch.linspace(-0.5, 0.5, 2001, dtype=torch.float64)
    x = (y[:, None] + grid).reshape(1, 1, -1).repeat(5, 1, 1).requires_grad_()
    (density,) = torch.autograd.grad(torch.sigmoid(made.logits(x)).sum(), x)
    integral = torch.trapezoid(density.view(5, 4, -1), grid, dim=2)
    found = made(y.view(1, 1, 4, 1).repeat(1, 5, 1, 1))[0, :, :, 0]
    torch.testing.assert_close(found, integral, rtol=1e-4, atol=1e-10)


def test_it_starts_as_a_bell_around_zero():
    torch.manual_seed(0)
    y = torch.arange(-80.0, 81.0).view(1, 1, -1, 1).expand(1, 32, -1, -1)
    mass = FactorisedPrior(32)(y)[0, :, :, 0]
    assert (mass.argmax(dim=1) - 80).abs().max() < 15  # the biases are random
    assert (mass[:, [0, -1]].max() < mass.max(dim=1).values / 10).all()


def test_compressai_gives_the_same_factorised_likelihoods():
    module = pytest.importorskip("compressai.entropy_models", reason="the peer is not installed")
    ours, theirs = prior(), module.EntropyBottleneck(5)
    with torch.no_grad():
        for a, b in ((ours.h, theirs.matrices), (ours.b, theirs.biases), (ours.a, theirs.factors)):
            for p, q in zip(a, b, strict=True):
                q.copy_(p)
    y = (10 * torch.randn(2, 5, 4, 3)).round()  # (B, C, h, w): not a square, not one image
    torch.testing.assert_close(ours(y), theirs(y, training=False)[1], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("far", [-1e6, 1e6])
def test_far_away_a_symbol_costs_30_bits_and_no_more(far):
    y = torch.full((1, 5, 1, 1), far)
    assert torch.equal(prior()(y), torch.full_like(y, 1e-9))
    gauss = priors.gaussian_likelihood(y, torch.ones(()))
    assert torch.equal(gauss, torch.full_like(y, 1e-9))
    assert priors.bits(gauss).item() == pytest.approx(5 * 29.897, abs=0.01)
