"""The networks of paper 1: shapes, sizes, one quantiser for all uses, and maps that learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import strokes
from cwlib import batches, data, experiments
from cwlib.models import catalogue

KINDS = ("cae", "resnet", "cw", "cw1")


def small(kind: str, **changes):
    e = replace(experiments.get(f"mnist-{kind}"), width=8, units=1, **changes)
    torch.manual_seed(0)
    return e, catalogue.build(e)


def count(net: torch.nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_128x128_pixels_become_a_4x16x16_code_and_128x128_pixels_again(kind):
    out = small(kind)[1](torch.rand(2, 1, 128, 128))
    assert out.x_hat.shape == (2, 1, 128, 128)
    assert out.z.shape == out.z_hat.shape == (2, 4, 16, 16)
    if kind in ("cw", "cw1"):
        assert out.m.shape == (2, 4 if kind == "cw" else 1, 16, 16)
    else:
        assert out.m is None
    if kind == "cw1":
        assert out.bits.shape == (2,)
    else:
        assert out.bits is None
    for t in (out.x_hat, out.z, out.z_hat, out.m):
        assert t is None or (0 <= t.min() and t.max() <= 1)


@pytest.mark.parametrize("kind", KINDS)
def test_other_sizes_are_halved_three_times(kind):
    out = small(kind)[1].eval()(torch.rand(1, 1, 24, 40))
    assert out.z.shape == (1, 4, 3, 5) and out.x_hat.shape == (1, 1, 24, 40)


def test_the_resnet_of_width_64_has_the_size_of_the_authors():
    # the author's public code has about 1.23 M parameters
    assert count(catalogue.build(experiments.get("mnist-resnet"))) == pytest.approx(
        1.23e6, rel=0.05
    )


def test_the_cae_of_width_64_has_43_to_60_thousand_parameters():
    assert 43_000 <= count(catalogue.build(experiments.get("mnist-cae"))) <= 60_000


def test_the_importance_net_is_small_beside_the_rest():
    resnet = count(catalogue.build(experiments.get("mnist-resnet")))
    assert 0 < count(catalogue.build(experiments.get("mnist-cw"))) - resnet < 5_000


def conv(c_in, c_out, k, bias=True):
    return c_in * c_out * k * k + c_out * bias


def test_the_parameters_of_the_resnet_add_up_by_hand():
    w, n, unit = 64, 4, 2 * (conv(64, 64, 3, False) + 2 * 64)
    trunk = 7 * unit + conv(w, w, 1)
    encoder = conv(1, w, 5) + 2 * w + conv(w, w, 5) + 2 * w + trunk + conv(w, n, 5)
    decoder = conv(n, w, 4) + trunk + conv(w, w, 4) + 2 * w + conv(w, 1, 4)
    assert count(catalogue.build(experiments.get("mnist-resnet"))) == encoder + decoder
    with_norm = catalogue.build(experiments.get("mnist-resnet-sgd"))
    assert count(with_norm) == encoder + decoder + 2


@pytest.mark.parametrize("kind", ["cw", "cw1"])
@pytest.mark.parametrize("reading", ["double", "ceil", "offset"])
def test_the_stream_carries_exactly_what_training_saw(kind, reading):
    net = small(kind, reading=reading)[1].eval()
    x = torch.from_numpy(strokes.digits(3, 64))[:, None].float() / 255
    with torch.no_grad():
        net.g_a[-1].weight *= 30  # so that many values occur
        out = net(x)
        symbols, levels = net.symbols(out.z, out.m)
        z_hat, m_hat = net.dequantise(symbols, levels)
        assert torch.equal(z_hat, out.z_hat)
        assert torch.equal(net.synthesise(z_hat, m_hat), out.x_hat)
    assert symbols.unique().numel() > 10
    assert set(symbols.unique().tolist()) <= set(range(64))
    assert set(levels.unique().tolist()) <= set(range(4))


@pytest.mark.parametrize("kind", ["cae", "resnet"])
def test_the_baselines_are_quantised_after_training_to_bin_centres(kind):
    net = small(kind)[1].eval()
    with torch.no_grad():
        out = net(torch.rand(1, 1, 64, 64))
        symbols, levels = net.symbols(out.z)
        z_hat, m_hat = net.dequantise(symbols)
    assert torch.equal(out.z_hat, out.z)  # training never rounds
    assert levels is m_hat is None
    assert (z_hat - out.z).abs().max() <= 0.5 / 64 + 1e-7
    assert torch.equal(z_hat * 64 % 1, torch.full_like(z_hat, 0.5))


def test_the_decoder_of_cw1_sees_the_map():
    net = small("cw1")[1].eval()
    z_hat = torch.rand(1, 4, 4, 4)
    with torch.no_grad():
        a, b = (net.synthesise(z_hat, torch.full((1, 1, 4, 4), level / 4)) for level in (0, 3))
    assert not torch.allclose(a, b)


def test_likelihoods_stay_in_float32_under_autocast():
    net = small("cw1")[1]
    with torch.autocast("cpu", torch.bfloat16):
        out = net(torch.rand(1, 1, 32, 32))
    assert {t.dtype for t in (out.bits, out.z, out.m, out.x_hat)} == {torch.float32}


def test_the_same_seed_builds_the_same_net():
    a, b = small("cw1")[1].state_dict(), small("cw1")[1].state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_an_unknown_model_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="unknown model 'vae': choose one of cae, resnet, cw, cw1"):
        catalogue.build(replace(experiments.get("mnist-cw"), model="vae"))


# --- the map learns ------------------------------------------------------------------------------


def fit(kind: str, steps: int, seed: int = 0, **changes):
    """A few dozen Adam steps on made-up digits: the net, how far its map's net moved, the terms."""
    e, _ = small(kind, seed=seed, lr=5e-3, batch_size=4, **changes)
    torch.manual_seed(seed)
    net = catalogue.build(e).train()
    before = [p.detach().clone() for p in net.importance_net.parameters()]
    images = strokes.digits(64)
    optimizer = torch.optim.Adam(net.parameters(), e.lr)
    rows = []
    source = batches.source(e, images)
    for step in range(steps):
        x = source.at(step).float() / 255
        terms = net.loss_terms(x, weight=min(1.0, 5 * step / steps))
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        rows.append({k: v.item() for k, v in terms.items()})
    moved = [
        (a - b).abs().max().item()
        for a, b in zip(before, net.importance_net.parameters(), strict=True)
    ]
    return net.eval(), moved, rows


def activity_correlation(net) -> float:
    """Between the map and the standard deviation of the 8x8 pixels that each map value covers."""
    x = torch.from_numpy(data.resize_digits(strokes.digits(16, seed=9)))[:, None].float() / 255
    with torch.no_grad():
        m = net(x).m.mean(1).flatten()
    activity = x.unfold(2, 8, 8).unfold(3, 8, 8).std((-1, -2)).flatten()
    return np.corrcoef(m, activity)[0, 1]


def test_a_map_with_a_rate_term_learns_where_the_image_is_busy():
    net, moved, rows = fit("cw", 40, lambda_rate=0.02)
    assert min(moved) > 1e-3  # every layer of the importance net is trained
    assert activity_correlation(net) > 0.6
    assert rows[-1]["mse"] < 0.25 * rows[0]["mse"]


def test_the_one_channel_map_learns_where_the_image_is_busy():
    net, moved, rows = fit("cw1", 40, seed=2)
    assert min(moved) > 1e-3
    assert activity_correlation(net) > 0.2
    assert rows[-1]["mse"] < 0.25 * rows[0]["mse"]
    assert rows[-1]["bpp"] < rows[0]["bpp"]  # the prior learns too


@pytest.mark.parametrize("reading", ["double", "ceil", "offset"])
def test_every_reading_of_the_mask_trains(reading):
    _, moved, rows = fit("cw", 15, reading=reading)
    assert min(moved) > 1e-3
    assert rows[-1]["mse"] < 0.8 * rows[0]["mse"]
