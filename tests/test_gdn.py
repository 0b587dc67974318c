"""GDN and IGDN: the formula written as loops, a peer with the same parameters, and the bounds."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cwlib.models import gdn
from cwlib.models.gdn import GDN


def layer(channels: int, inverse: bool, seed: int = 0) -> GDN:
    """A layer with stored parameters of all kinds, negative ones too."""
    made = GDN(channels, inverse)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        made.beta_root.copy_(torch.randn(channels, generator=generator))
        made.gamma_root.copy_(0.3 * torch.randn(channels, channels, generator=generator))
    return made


def by_loops(made: GDN, x: torch.Tensor) -> torch.Tensor:
    """y_i = x_i / sqrt(beta_i + sum_j gamma_ij x_j^2), one number at a time, in doubles."""

    def admitted(root: float, minimum: float) -> float:
        return max(root, math.sqrt(minimum + 2.0**-36)) ** 2 - 2.0**-36

    beta = [admitted(r, 1e-6) for r in made.beta_root.tolist()]
    gamma = [[admitted(r, 0.0) for r in row] for row in made.gamma_root.tolist()]
    y = torch.zeros_like(x)
    for b, i, row, column in torch.cartesian_prod(*map(torch.arange, x.shape)).tolist():
        here = x[b, :, row, column].tolist()
        energy = beta[i] + sum(g * v * v for g, v in zip(gamma[i], here, strict=True))
        factor = math.sqrt(energy)
        y[b, i, row, column] = here[i] * factor if made.inverse else here[i] / factor
    return y


@pytest.mark.parametrize("inverse", [False, True])
def test_the_layer_is_its_formula(inverse):
    x = 3 * torch.randn(2, 4, 3, 2, generator=torch.Generator().manual_seed(1))
    made = layer(4, inverse)
    torch.testing.assert_close(made(x), by_loops(made, x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("inverse", [False, True])
def test_the_layer_is_compressais_for_the_same_parameters(inverse):
    peer = pytest.importorskip("compressai.layers", reason="the peer is not installed")
    ours, theirs = layer(8, inverse), peer.GDN(8, inverse)
    with torch.no_grad():
        theirs.beta.copy_(ours.beta_root)
        theirs.gamma.copy_(ours.gamma_root)
    x = (3 * torch.randn(2, 8, 5, 6)).requires_grad_()
    slope = torch.randn(2, 8, 5, 6)
    grads = []
    for made, weights in (
        (ours, (ours.beta_root, ours.gamma_root)),
        (theirs, (theirs.beta, theirs.gamma)),
    ):
        y = made(x)
        grads.append((y, *torch.autograd.grad((y * slope).sum(), (x, *weights))))
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def plain(made: GDN, x: torch.Tensor) -> torch.Tensor:
    """The layer in four operations that autograd differentiates, in double precision."""
    beta = gdn.from_root(made.beta_root.double(), 1e-6)
    gamma = gdn.from_root(made.gamma_root.double())
    energy = torch.nn.functional.conv2d(x.double() ** 2, gamma[:, :, None, None], beta)
    return x.double() * (energy.sqrt() if made.inverse else energy.rsqrt())


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("block", [4, 28, 1 << 17])
def test_the_slopes_are_those_of_the_formula_in_blocks_of_any_size(monkeypatch, inverse, block):
    monkeypatch.setattr(gdn, "BLOCK", block)  # of 4 channels: one row, seven rows, everything
    made, x = layer(4, inverse), (2 * torch.randn(2, 4, 3, 5)).requires_grad_()
    slope, wanted = torch.randn(2, 4, 3, 5), []
    for y in (made(x), plain(made, x)):
        wanted.append((y, *torch.autograd.grad((y * slope).sum(), (x, *made.parameters()))))
    for a, b in zip(*wanted, strict=True):
        torch.testing.assert_close(a.double(), b.double(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_the_layout_in_memory_does_not_matter(memory):
    made, x = layer(4, False), torch.randn(2, 4, 6, 5)
    torch.testing.assert_close(made(x.to(memory_format=memory)), made(x))


def test_half_precision_comes_in_and_its_slope_goes_back():
    made, x = layer(4, False), torch.randn(1, 4, 6, 5).bfloat16().requires_grad_()
    made(x).sum().backward()
    (wanted,) = torch.autograd.grad(made(x.float()).sum(), x)
    assert x.grad.dtype == torch.bfloat16
    torch.testing.assert_close(x.grad, wanted)


def test_it_starts_like_the_papers_layer():
    made = GDN(5)
    torch.testing.assert_close(gdn.from_root(made.beta_root), torch.ones(5))
    torch.testing.assert_close(gdn.from_root(made.gamma_root), 0.1 * torch.eye(5))


def test_division_bounds_what_multiplication_lets_grow():
    x = torch.full((1, 3, 1, 1), 1e4)
    divided, multiplied = GDN(3)(x), GDN(3, inverse=True)(x)
    # x / sqrt(1 + x^2 / 10) -> sqrt(10), and x sqrt(1 + x^2 / 10) -> x^2 / sqrt(10)
    torch.testing.assert_close(divided, torch.full_like(x, math.sqrt(10)), rtol=1e-4, atol=0)
    torch.testing.assert_close(multiplied, torch.full_like(x, 1e8 / math.sqrt(10)))


def test_autocast_leaves_it_in_float32():
    made, x = layer(4, False), 50 * torch.randn(1, 4, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        y = made(x)
    assert y.dtype == torch.float32
    assert torch.equal(y, made(x))
    assert made(x.bfloat16()).dtype == torch.float32


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=8), st.floats(0, 10))
def test_any_stored_value_gives_an_admissible_parameter(roots, minimum):
    value = gdn.from_root(torch.tensor(roots), minimum)
    assert (value >= minimum * (1 - 1e-6) - 1e-11).all()


@given(st.floats(0, 1e4, width=32))
def test_root_and_back_is_the_value(value):
    v = torch.tensor([value], dtype=torch.float64)
    torch.testing.assert_close(gdn.from_root(gdn.to_root(v)), v, rtol=1e-12, atol=1e-10)


def test_a_value_below_the_bound_can_climb_back_but_not_sink():
    x = torch.tensor([-1.0, -1.0, 2.0, 2.0], requires_grad=True)
    y = gdn.lower_bound(x, 0.5)
    assert y.tolist() == [0.5, 0.5, 2.0, 2.0]
    # descent adds -slope: a slope of -1 pulls up, +1 pushes down
    y.backward(torch.tensor([-1.0, 1.0, -1.0, 1.0]))
    assert x.grad.tolist() == [-1.0, 0.0, -1.0, 1.0]
