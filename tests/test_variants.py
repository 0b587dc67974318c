"""Masks over channels and quantisers of the small nets, against what their definitions say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import strokes
from cwbook import studies
from cwlib import codec, zoo
from cwlib.models import catalogue
from cwlib.models.variants import MASKS, QUANTISERS, SHARPEST

MASKED = replace(studies.get("tiny-first"), width=4, channels=3)
QUANTISED = replace(studies.get("tiny-soft"), width=4, channels=2)


def net(experiment, **more):
    torch.manual_seed(0)
    return catalogue.build(replace(experiment, **more))


@pytest.mark.parametrize("mask", MASKS)
def test_a_channel_map_keeps_the_first_channels_and_no_others(mask):
    model = net(MASKED, mask=mask).eval()
    z = torch.full((1, 3, 1, 4), 0.999)
    m = torch.tensor([0.0, 1 / 3, 0.5, 1.0]).view(1, 1, 1, 4)  # f = 0, 1, 1.5, 3 channels
    q, levels = model.symbols(z, m)
    assert levels is None
    # 0.999 in 64 levels is 63, half of it 31
    wanted = [[0, 63, 63, 63], [0, 0, 31, 63], [0, 0, 0, 63]]
    assert q[0, :, 0].int().tolist() == wanted


def test_the_map_is_the_first_channel_or_the_one_with_the_largest_sum():
    x = torch.rand(3, 1, 32, 32)
    for mask in ("first", "largest"):
        model = net(MASKED, mask=mask).eval()
        with torch.no_grad():
            e = model.g_a(x)
            _, m = model.analyse(x)
        for k in range(3):
            sums = [e[k, c].sum().item() for c in range(3)]
            n = 0 if mask == "first" else max(range(3), key=sums.__getitem__)
            torch.testing.assert_close(m[k, 0], torch.sigmoid(e[k, n]))


@pytest.mark.parametrize("mask", MASKS)
def test_the_rate_reaches_every_map_with_a_gradient(mask):
    model = net(MASKED, mask=mask).train()
    out = model(torch.rand(2, 1, 32, 32))
    out.m.mean().backward()
    part = model.importance_net[-1] if mask == "separate" else model.g_a[-1]
    assert part.weight.grad.abs().sum() > 0


def test_an_unknown_mask_or_quantiser_is_refused_by_name():
    with pytest.raises(ValueError, match="unknown mask 'none'.*first, largest, separate"):
        net(MASKED, mask="none")
    with pytest.raises(ValueError, match="unknown quantiser 'hard'.*ste, noise, soft"):
        net(QUANTISED, quantiser="hard")


@pytest.mark.parametrize("quantiser", QUANTISERS)
def test_in_eval_mode_every_value_lies_on_its_nearest_level(quantiser):
    model = net(QUANTISED, quantiser=quantiser).eval()
    z = torch.rand(1, 2, 3, 5)
    levels = np.array([0.125, 0.375, 0.625, 0.875])
    nearest = levels[np.abs(z.numpy()[..., None] - levels).argmin(-1)]
    np.testing.assert_allclose(model.hard(z).numpy(), nearest, atol=1e-6)
    with torch.no_grad():
        out = model(torch.rand(1, 1, 16, 16))
    assert set(np.unique(out.z_hat.numpy())) <= set(levels.astype(np.float32))


def test_the_stand_ins_are_what_their_papers_say():
    z = torch.rand(1, 2, 50, 50)
    assert torch.equal(net(QUANTISED, quantiser="ste").proxy(z), net(QUANTISED).hard(z))
    noise = (net(QUANTISED, quantiser="noise").proxy(z) - z).flatten()
    assert -0.125 <= noise.min() and noise.max() < 0.125  # half a bin of 1/4 either way
    assert noise.var().item() == pytest.approx(0.25**2 / 12, rel=0.1)
    soft = net(QUANTISED, quantiser="soft")
    # sigma = 1 at the start: weights exp(-|z - c|^2 / (1/4)^2)
    levels = np.array([0.125, 0.375, 0.625, 0.875])
    weights = np.exp(-(((z.numpy()[..., None] - levels) * 4) ** 2))
    wanted = (weights * levels).sum(-1) / weights.sum(-1)
    np.testing.assert_allclose(soft.proxy(z).detach().numpy(), wanted, atol=1e-5)


def test_soft_assignment_has_become_hard_at_the_end():
    model = net(QUANTISED, quantiser="soft", steps=2).train()
    z = torch.tensor([0.2, 0.7]).view(1, 2, 1, 1)  # 0.3 and 0.2 bins from the nearest level
    before = (model.proxy(z) - model.hard(z)).abs().max()
    for _ in range(2):
        model(torch.rand(1, 1, 16, 16))
    # the next nearest level is 0.7 bins away: exp(-100 (0.7^2 - 0.3^2)) is nothing
    assert SHARPEST == 100
    assert (model.proxy(z) - model.hard(z)).abs().max() < 1e-6 < before


@pytest.mark.parametrize("quantiser", QUANTISERS)
def test_gradients_pass_every_quantiser(quantiser):
    model = net(QUANTISED, quantiser=quantiser).train()
    z = torch.rand(1, 2, 4, 4, requires_grad=True)
    model.proxy(z).sum().backward()
    assert (z.grad != 0).all()
    assert (model.centres.grad is not None) == (quantiser == "soft")


@pytest.mark.parametrize("name", ["tiny-largest", "tiny-separate", "tiny-soft", "tiny-uniform-3"])
def test_small_nets_make_streams_that_decode(name, tmp_path):
    digits = strokes.digits(4, 128)
    model = net(studies.get(name), width=4)
    saved = zoo.save(model, tmp_path, {"steps": 0}, digits)
    latents = codec.analyse(saved, digits[:1], 1.0)[0]
    back = codec.unpack(saved, codec.pack(saved, latents, (128, 128)))
    assert np.array_equal(latents.symbols, back.symbols)


def test_a_fixed_level_keeps_the_same_bits_everywhere():
    model = net(studies.get("tiny-uniform-5"), width=4).eval()
    with torch.no_grad():
        z, m = model.analyse(torch.rand(1, 1, 32, 32))
        q, levels = model.symbols(z, m)
    assert (levels == 2).all() and levels.shape == (1, 1, 4, 4)
    # 5 of 6 bits: the last one is cut off
    assert torch.equal(q, (z * 64).floor() // 2 * 2)
