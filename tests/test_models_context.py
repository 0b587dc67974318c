"""The learnt prior: torch's estimate against real streams, and the distribution under it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from cwlib.coding.context import Coder, Weights
from cwlib.models import importance, quantize
from cwlib.models.context_prior import ContextPrior, bin_bits, t2_cdf

KEPT = {"double": (0, 2, 4, 6), "ceil": (2, 3, 5, 6), "offset": (3, 4, 5, 6)}


def random_prior(seed: int, channels: int, reading: str, spread: float) -> ContextPrior:
    torch.manual_seed(seed)
    prior = ContextPrior(channels, reading)
    with torch.no_grad():
        for p in prior.parameters():
            p += spread * torch.randn_like(p)
    return prior


def coder_of(prior: ContextPrior) -> Coder:
    exported = prior.export()
    nets = (
        Weights(*(exported[f"{net}.{p}"].numpy() for p in ("w1", "b1", "w2", "b2", "w3", "b3")))
        for net in ("map", "code")
    )
    return Coder(*nets, KEPT[prior.reading])


def smooth(seed: int, channels: int, h: int, w: int) -> torch.Tensor:
    """Values in [0, 1] that resemble their neighbours, as codes and maps do."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, channels, 2 + h // 4, 2 + w // 4, generator=rng)
    fine = torch.nn.functional.interpolate(coarse, (h, w), mode="bilinear")
    return (fine + 0.05 * torch.randn(1, channels, h, w, generator=rng)).clamp(0, 1)


@pytest.mark.parametrize("reading", KEPT)
@pytest.mark.parametrize("seed", range(4))
def test_the_estimate_is_the_length_of_the_stream(seed, reading):
    channels, h, w = (4, 16, 16) if seed < 3 else (2, 9, 23)
    prior = random_prior(seed, channels, reading, spread=0.03 * seed)
    z, m = smooth(seed, channels, h, w), smooth(seed + 100, 1, h, w)
    with torch.no_grad():
        estimate = prior.bits(z, m).item()
    coder = coder_of(prior)
    levels = quantize.to_levels(m, 2)
    kept = importance.kept_bits(levels, reading)
    values = quantize.to_levels(z, 6).div(2 ** (6 - kept), rounding_mode="floor")
    values, levels = values[0].long().numpy(), levels[0, 0].long().numpy()
    blob = coder.encode(levels, values)
    assert np.array_equal(coder.decode(blob, channels, h, w)[1], values)
    assert 8 * len(blob) == pytest.approx(estimate, rel=0.01, abs=8)
    assert estimate > 100


@pytest.mark.parametrize("reading", KEPT)
def test_the_bits_of_each_symbol_add_up_to_those_of_the_image(reading):
    prior = random_prior(5, 4, reading, spread=0.05)
    z, m = (torch.cat([smooth(k, c, 8, 12) for k in (1, 2)]) for c in (4, 1))
    levels, values = prior.bits_of_each(z, m)
    assert levels.shape == (2, 1, 8, 12) and values.shape == (2, 4, 8, 12)
    total = levels.sum((1, 2, 3)) + values.sum((1, 2, 3))
    torch.testing.assert_close(total, prior.bits(z, m).detach())
    shut = importance.kept_bits(quantize.to_levels(m, 2), reading) == 0
    assert (values[shut.expand_as(values)] == 0).all(), "what the map shuts costs nothing"


def test_images_of_a_batch_are_estimated_one_by_one():
    prior = random_prior(0, 4, "double", 0.05)
    z = torch.cat([smooth(k, 4, 8, 8) for k in range(3)])
    m = torch.cat([smooth(k + 9, 1, 8, 8) for k in range(3)])
    with torch.no_grad():
        together = prior.bits(z, m)
        alone = [prior.bits(z[k : k + 1], m[k : k + 1]).item() for k in range(3)]
    assert together.shape == (3,)
    assert together.tolist() == pytest.approx(alone, rel=1e-4)


def test_what_comes_later_does_not_change_what_came_before():
    # the map's cost of the first rows, and the code's: change the last row and look at the rest
    prior = random_prior(1, 4, "double", 0.05)
    z, m = smooth(0, 4, 8, 8), smooth(1, 1, 8, 8)
    z2 = z.clone()
    z2[:, :, -1] = 1 - z2[:, :, -1]
    seen = []
    real = ContextPrior._code_bits
    for code in (z, z2):
        rows = []

        def spy(self, z, i, mu, log2_s, rows=rows):
            rows.append(mu.detach().clone())
            return real(self, z, i, mu, log2_s)

        ContextPrior._code_bits = spy
        try:
            prior.bits(code, m)
        finally:
            ContextPrior._code_bits = real
        seen.append(rows[0])
    assert torch.equal(seen[0][:, :, :-1], seen[1][:, :, :-1])
    assert not torch.equal(seen[0][:, :, -1], seen[1][:, :, -1])  # but neighbours there do matter
    assert torch.equal(seen[0][:, 0, -1, 0], seen[1][:, 0, -1, 0])  # the first has none before it


def test_t2_is_students_distribution_with_two_degrees_of_freedom():
    # its density (2 + t^2)^(-3/2), summed by the trapezium rule from far out
    grid = np.linspace(-60, 8, 400_001)
    density = (2 + grid**2) ** -1.5
    area = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(grid))])
    tail = 0.5 - 60 / (2 * math.sqrt(2 + 60**2))
    at = np.searchsorted(grid, np.linspace(-8, 8, 33))
    found = t2_cdf(torch.from_numpy(grid[at])).numpy()
    assert np.abs(found - (area[at] + tail)).max() < 1e-7
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed")
    assert np.abs(found - stats.t(2).cdf(grid[at])).max() < 1e-12


def test_the_masses_of_all_bins_sum_to_one():
    for n in (4, 16, 64):
        v = torch.arange(n, dtype=torch.float64)
        for mu in (-0.25, 0.3, 1.25):
            for log2_s in (-3.0, 1.0):
                bits = bin_bits(v, torch.tensor(float(n)), torch.tensor(mu), torch.tensor(log2_s))
                assert torch.exp2(-bits).sum().item() == pytest.approx(1, abs=1e-6)


def test_no_value_is_estimated_above_16_bits():
    far = bin_bits(*(torch.tensor(x) for x in (60.0, 64.0, 0.0, -9.0)))
    assert far.item() == 16


def test_all_parameters_of_the_prior_learn():
    prior = random_prior(0, 4, "double", 0.05)
    z, m = smooth(0, 4, 8, 8).requires_grad_(), smooth(1, 1, 8, 8).requires_grad_()
    prior.bits(z, m).sum().backward()
    for name, p in prior.named_parameters():
        assert p.grad is not None and p.grad.abs().max() > 0, name
    assert z.grad.abs().max() > 0 and m.grad.abs().max() > 0
