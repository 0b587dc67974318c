"""VGG's features: never trained, normalised, and absent weights told in one sentence."""

from __future__ import annotations

import pytest
import torch

from cwlib import losses, perceptual


def test_the_features_have_a_quarter_of_the_side_and_256_channels():
    with torch.no_grad():
        out = perceptual.stand_in()(torch.rand(1, 3, 32, 48))
    assert out.shape == (1, 256, 8, 12)


def test_the_stand_in_is_the_same_every_time_and_leaves_the_global_seed_alone():
    torch.manual_seed(3)
    wanted = torch.rand(1)
    torch.manual_seed(3)
    a, b = perceptual.stand_in(), perceptual.stand_in()
    assert torch.equal(torch.rand(1), wanted)
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_features_stay_in_eval_mode_and_want_no_gradient():
    features = torch.nn.Sequential(perceptual.stand_in()).train()[0]
    assert not features.training and not features.layers.training
    assert not any(p.requires_grad for p in features.parameters())


def test_the_distance_is_0_for_the_same_picture_and_moves_the_other():
    features = perceptual.stand_in()
    x = torch.rand(1, 3, 16, 16)
    assert losses.vgg_distance(features, x, x) == 0
    x_hat = (x + 0.1).requires_grad_()
    d = losses.vgg_distance(features, x_hat, x)
    d.backward()
    with torch.no_grad():
        wanted = (features(x + 0.1) - features(x)).square().mean()
    assert d.item() == pytest.approx(wanted.item(), rel=1e-4)
    assert x_hat.grad.abs().sum() > 0


def test_pixels_are_normalised_as_vgg_was_trained():
    seen = []
    features = perceptual.Features(torch.nn.Sequential(torch.nn.Identity()))
    features.layers.register_forward_hook(lambda _, args, out: seen.append(out))
    features(torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
    torch.testing.assert_close(seen[0], torch.zeros(1, 3, 1, 1))


def test_weights_that_cannot_be_fetched_are_told_with_the_way_out(monkeypatch):
    def unreachable(**_):
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.models.vgg16", unreachable)
    with pytest.raises(perceptual.WeightsUnavailable, match="no route to host.*vgg-standin"):
        perceptual.vgg16()
