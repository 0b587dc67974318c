"""Our net for photographs: its start, its two passes, its dials, and its loss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import own
import scenes
from cwlib import batches, losses
from cwlib.coding.checkerboard import GRID, first_pass
from cwlib.models import photo
from cwlib.models.photo import GridReLU, Photo


@pytest.fixture(scope="module")
def net() -> Photo:
    return own.net()


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    return own.pixels(scenes.scene(64, 128, 3))


# --- the start -----------------------------------------------------------------------------------


def test_the_linear_path_starts_as_the_principal_components():
    """By NumPy's singular values: with all components the path gives the picture back."""
    crops = own.pixels(*(scenes.scene(64, 64, seed) for seed in range(60)))
    net = Photo(replace(own.EXPERIMENT, channels=12))
    net.start(crops)
    patches = torch.nn.functional.pixel_unshuffle(crops, 16).movedim(1, -1).reshape(-1, 768).numpy()
    mean = patches.mean(0)
    _, _, v = np.linalg.svd(patches - mean, full_matrices=False)
    projected = mean + (patches - mean) @ v[:12].T @ v[:12]
    z = net.g_a.linear(torch.nn.functional.pixel_unshuffle(crops - 0.5, 16))
    back = net.g_s.linear(z).movedim(1, -1).reshape(-1, 768).detach().numpy() + 0.5
    assert np.abs(back - projected).max() < 2e-3


def test_an_untrained_net_already_codes(net, x):
    coarse, fine = (net(x, q) for q in (0.0, 1.0))
    errors = [(out.x_hat - x).square().mean().item() for out in (coarse, fine)]
    assert errors[1] < errors[0] < 0.01  # 20 dB
    assert coarse.bits < fine.bits


# --- two passes ----------------------------------------------------------------------------------


def test_what_predicts_a_latent_is_known_before_it(net, x):
    """By slopes: pass 1 depends on no latent, pass 2 on those of pass 1 alone."""
    s = net.shares(0.5, x)
    z = (net.g_a(x, s) * net.gain(s)).detach().requires_grad_()
    features = net.h_s(torch.zeros(1, 4, 1, 2))
    _, mu, sigma = net.passes(z, features, s, lambda z, mu: z)
    early = torch.from_numpy(first_pass(*z.shape[1:]))
    for told in (mu, sigma):
        (slope,) = torch.autograd.grad(told[0][~early].sum(), z, retain_graph=True)
        assert slope[0][early].any() and not slope[0][~early].any()
        (slope,) = torch.autograd.grad(
            told[0][early].sum(), z, retain_graph=True, allow_unused=True
        )
        assert slope is None or not slope.any()


def test_first_pass_is_a_checkerboard_in_every_channel():
    early = first_pass(4, 6, 7)
    assert early[0, 0, 0] and not early[1, 0, 0] and not early[0, 0, 1] and early[2, 1, 1]
    assert (early[0] == ~early[1]).all() and (early[:, :, 0] != early[:, :, 1]).all()


def test_whole_numbers_say_what_the_float_net_says(net, x):
    coder = net.coder(net.coder_tensors())
    s = net.shares(0.5, x)
    z = (net.g_a(x, s) * net.gain(s)).detach()
    y = net.h_a(z).round().detach()
    levels = np.full((4, 8), 48)  # the middle of three knots
    coded = coder.quantise(z[0].numpy(), y[0].numpy().astype(int), levels)
    z_hat, mu, sigma = net.passes(z, net.h_s(y), s, photo._rounded)
    assert np.abs(coded.values / GRID - z_hat[0].detach().numpy()).max() <= 1 + 1 / GRID
    means = (coded.values - GRID * coded.symbols) / GRID
    assert np.abs(means - mu[0].detach().numpy()).max() < 0.3
    wanted = (np.log2(sigma[0].detach().numpy()) + 3.1844) / 0.17748
    assert np.abs(coded.tables - wanted.clip(0, 63)).max() < 1.5


@pytest.mark.parametrize(
    "v, wanted", [(-3, 0), (0.03, 0), (0.04, 1 / 16), (2.0, 2), (99, 255 / 16)]
)
def test_activations_lie_on_the_grid(v, wanted):
    t = torch.tensor(float(v), requires_grad=True)
    out = GridReLU()(t)
    out.backward()
    assert out.item() == wanted
    assert t.grad.item() == (1.0 if 0 <= v <= 255 / 16 else 0.0)


# --- qualities -----------------------------------------------------------------------------------


def test_dials_interpolate_logarithms():
    dial = photo.Dial(torch.tensor([0.0, 1.0, 4.0]), 2)
    for quality, wanted in [(0.0, 0.0), (0.25, 0.5), (0.5, 1.0), (0.9, 3.4), (1.0, 4.0)]:
        factors = dial(photo.shares(torch.full((1, 1, 1, 1), quality), 3))
        assert factors.detach().log() == pytest.approx(wanted, abs=1e-5)


def test_a_map_of_one_quality_is_that_quality(net, x):
    one, everywhere = net(x, 0.3), net(x, torch.full((1, 1, 4, 8), 0.3))
    assert torch.allclose(one.x_hat, everywhere.x_hat, atol=1e-5)
    assert torch.allclose(one.bits, everywhere.bits)


def test_a_better_quality_somewhere_is_spent_there(net):
    x, quality = own.pixels(own.soft(128)), torch.zeros(1, 1, 8, 8)
    quality[..., :4] = 1.0
    here, there = ((net(x, q).x_hat - x).square().mean(1) for q in (quality, quality.flip(3)))
    assert 1.5 * here[..., :48].mean() < there[..., :48].mean()
    assert 1.5 * there[..., 80:].mean() < here[..., 80:].mean()


def test_the_loss_weighs_every_rate_alike(net, x):
    """lambda_2 of both ends and of the middle; the terms by hand."""
    low, middle, high = (net.lambda_2(torch.tensor(q)).item() for q in (0.0, 0.5, 1.0))
    assert (low, high) == pytest.approx((0.0006, 0.09)) and middle == pytest.approx(
        (low * high) ** 0.5
    )
    for q in (0.0, 1.0):
        terms = net.loss_terms(x, losses.Draws(None, None, torch.full((1, 1, 4, 8), q)))
        lambda_2 = (low, high)[int(q)]
        wanted = terms["bpp"] + 255**2 * lambda_2 * terms["mse"]
        assert terms["loss"].item() == pytest.approx(
            wanted.item() * (middle / lambda_2) ** 0.5, rel=1e-4
        )


def test_training_draws_qualities_from_the_whole_range_and_regions():
    e = replace(own.EXPERIMENT, batch_size=16)
    shapes = Photo(e).noise_shapes(128, 128)
    drawn = [batches.draws(e, shapes, step, torch.device("cpu"), maps=(8, 8)) for step in range(40)]
    maps = torch.stack([d.quality for d in drawn])  # (40, 16, 1, 8, 8)
    assert maps.shape == (40, 16, 1, 8, 8) and 0 <= maps.min() and maps.max() <= 1
    several = (maps.amax(dim=(2, 3, 4)) > maps.amin(dim=(2, 3, 4))).float().mean()
    assert 0.1 < several < 0.25  # a quarter, less the rectangles without or with all places
    assert torch.histc(maps, 5).min() > 0.15 * maps.numel()


def test_gradients_reach_every_weight(x):
    net = own.net().train()
    quality = torch.rand(1, 1, 4, 8, generator=torch.Generator().manual_seed(0))
    net.loss_terms(x, losses.Draws(None, None, quality))["loss"].backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_the_groups_of_parameters_are_all_of_them(net):
    groups = net.parameter_groups()
    named = {id(p) for p in net.parameters()}
    assert sum(len(g["params"]) for g in groups) == len(named)
    assert {id(p) for g in groups for p in g["params"]} == named


def test_rates_are_those_of_noisy_or_of_rounded_latents(net, x):
    """Without noise the rate is what the coder pays; with it, what training pays on average."""
    y, z = net.noise_shapes(64, 128)
    still = (torch.zeros(1, *y), torch.zeros(1, *z))
    rng = torch.Generator().manual_seed(0)
    drawn = [tuple(torch.rand(1, *s, generator=rng) - 0.5 for s in (y, z)) for _ in range(20)]
    rounded, unrounded = net(x, 0.5).bits, net(x, 0.5, still).bits
    noisy = torch.stack([net(x, 0.5, noise).bits for noise in drawn]).detach()
    assert noisy.std() > 0 and noisy.mean() == pytest.approx(rounded.item(), rel=0.1)
    assert not torch.equal(rounded, unrounded)
    for noise in (None, drawn[0]):  # the picture is that of rounded latents
        assert torch.equal(net(x, 0.5, noise).x_hat, net(x, 0.5).x_hat)
