"""What training minimises, in closed forms."""

import numpy as np
import pytest
import torch

from cwlib import losses
from cwlib.models import importance
from cwlib.models.importance import READINGS


def test_mse_is_the_mean_square_in_float32_whatever_comes_in():
    x = torch.tensor([0.0, 0.5, 1.0, 0.25])
    x_hat = torch.tensor([0.5, 0.5, 0.0, 0.25])
    assert losses.mse(x_hat, x).item() == pytest.approx((0.25 + 1.0) / 4)
    half = losses.mse(x_hat.bfloat16(), x)
    assert half.dtype == torch.float32 and half.item() == pytest.approx(0.3125)


def test_mse_of_an_image_with_itself_is_zero():
    x = torch.rand(2, 1, 8, 8)
    assert losses.mse(x, x).item() == 0


def test_the_error_of_each_image_is_its_own():
    x = torch.zeros(2, 3, 4, 4)
    x_hat = torch.stack([torch.full((3, 4, 4), 0.5), torch.full((3, 4, 4), 0.1)])
    torch.testing.assert_close(losses.mse_of_each(x_hat, x), torch.tensor([0.25, 0.01]))


def test_the_gradient_of_mse_is_twice_the_error_over_the_count():
    x = torch.zeros(2, 5)
    x_hat = torch.rand(2, 5, requires_grad=True)
    losses.mse(x_hat, x).backward()
    torch.testing.assert_close(x_hat.grad, 2 * x_hat.detach() / 10)


def test_bits_per_pixel_divides_by_pixels_and_not_by_channels():
    bits = torch.tensor([100.0, 300.0])
    for channels in (1, 3):
        x = torch.zeros(2, channels, 10, 20)
        assert losses.bits_per_pixel(bits, x).item() == 1.0


@pytest.mark.parametrize("reading", READINGS)
def test_kept_bits_per_pixel_of_a_constant_map(reading):
    x = torch.zeros(2, 1, 128, 128)
    for level in range(4):
        for map_channels in (1, 4):
            m = torch.full((2, map_channels, 16, 16), (level + 0.5) / 4)
            found = importance.kept_bits_per_pixel(m, x, 4, reading).item()
            assert found == pytest.approx(READINGS[reading][level] * 4 * 16 * 16 / 128**2)


def test_the_six_bits_of_every_value_are_the_papers_upper_bound():
    m = torch.ones(1, 4, 16, 16)
    x = torch.zeros(1, 1, 128, 128)
    assert importance.kept_bits_per_pixel(m, x, 4, "double").item() == pytest.approx(0.375)


def test_a_mixed_map_costs_its_mean():
    levels = np.array([[0, 1], [2, 3]])
    m = torch.from_numpy((levels + 0.5) / 4).float().reshape(1, 1, 2, 2)
    x = torch.zeros(1, 1, 16, 16)
    # bits (0 + 2 + 4 + 6) for each of 4 channels, over 256 pixels
    assert importance.kept_bits_per_pixel(m, x, 4, "double").item() == pytest.approx(48 / 256)


# --- paper 2 -------------------------------------------------------------------------------------


def test_equation_12_weighs_the_error_on_the_scale_of_0_to_255():
    # an error of 2/255 everywhere is an MSE of 4 grey levels squared
    found = losses.rate_distortion(
        torch.tensor((2 / 255) ** 2), torch.tensor(0.5), 0.01, lambda_1=10.0, d_feat=0.3
    )
    assert found.item() == pytest.approx(0.01 * (4 + 10 * 0.3) + 0.5)


def test_lambda_is_a_power_of_the_strength_with_the_given_ends():
    s = torch.tensor([0.125, 0.25, 0.5, 1.0])
    found = losses.lambda_of_strength(s, 0.001, 0.027, 0.125)
    # 27 times over three octaves: 3 times an octave
    torch.testing.assert_close(found, torch.tensor([0.001, 0.003, 0.009, 0.027]))


def test_equation_12_of_a_batch_weighs_each_image_by_its_own_lambda():
    found = losses.rate_distortion(
        torch.tensor([1.0, 4.0]) / 255**2, torch.tensor([0.5, 0.25]), torch.tensor([0.1, 0.2])
    )
    torch.testing.assert_close(found, torch.tensor([0.1 * 1 + 0.5, 0.2 * 4 + 0.25]))


def test_the_feature_distance_is_the_mean_squared_difference_of_the_features():
    encoder = torch.nn.Conv2d(1, 2, 1, bias=False)
    with torch.no_grad():
        encoder.weight.copy_(torch.tensor([3.0, -1.0]).view(2, 1, 1, 1))
    x, x_hat = torch.zeros(2, 1, 4, 4), torch.full((2, 1, 4, 4), 0.5)
    # ((3 / 2)^2 + (1 / 2)^2) / 2
    assert losses.feature_distance(encoder, x_hat, x).item() == pytest.approx(1.25)


def test_the_feature_distance_moves_the_picture_and_not_the_encoder():
    encoder = torch.nn.Conv2d(1, 2, 3)
    x, x_hat = torch.rand(1, 1, 6, 6), torch.rand(1, 1, 6, 6, requires_grad=True)
    losses.feature_distance(encoder, x_hat, x).backward()
    assert x_hat.grad.abs().sum() > 0
    assert encoder.weight.grad is None
    literal = torch.rand(1, 1, 6, 6, requires_grad=True)
    losses.feature_distance(encoder, literal, x, train_encoder=True).backward()
    assert literal.grad.abs().sum() > 0
    assert encoder.weight.grad.abs().sum() > 0


def test_the_slope_of_the_feature_distance_is_its_closed_form():
    encoder = torch.nn.Conv2d(1, 3, 1)
    x, x_hat = torch.rand(1, 1, 2, 2), torch.rand(1, 1, 2, 2, requires_grad=True)
    losses.feature_distance(encoder, x_hat, x).backward()
    # d/dx_hat of sum_c w_c^2 (x_hat - x)^2 / (C h w)
    wanted = 2 * (encoder.weight**2).sum() * (x_hat - x) / (3 * 2 * 2)
    torch.testing.assert_close(x_hat.grad, wanted)


def test_a_map_of_channels_keeps_its_share_of_all_code_bits():
    m = torch.tensor([0.25, 0.75]).view(1, 1, 1, 2)
    x = torch.zeros(1, 1, 8, 16)
    # half of 8 channels x 2 places x 6 bits, over 128 pixels
    assert importance.kept_channel_bits_per_pixel(m, x, 8).item() == pytest.approx(48 / 128)


def test_a_rate_below_its_target_costs_nothing():
    rates = torch.tensor([0.1, 0.2, 0.5])
    torch.testing.assert_close(losses.above(rates, 0.2), torch.tensor([0.0, 0.0, 0.3]))


# --- VGG's features ------------------------------------------------------------------------------


def test_the_features_have_a_quarter_of_the_side_and_256_channels():
    with torch.no_grad():
        out = losses.vgg16_standin()(torch.rand(1, 3, 32, 48))
    assert out.shape == (1, 256, 8, 12)


def test_the_stand_in_is_the_same_every_time_and_leaves_the_global_seed_alone():
    torch.manual_seed(3)
    wanted = torch.rand(1)
    torch.manual_seed(3)
    a, b = losses.vgg16_standin(), losses.vgg16_standin()
    assert torch.equal(torch.rand(1), wanted)
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_features_stay_in_eval_mode_and_want_no_gradient():
    features = torch.nn.Sequential(losses.vgg16_standin()).train()[0]
    assert not features.training and not features.layers.training
    assert not any(p.requires_grad for p in features.parameters())


def test_the_distance_is_0_for_the_same_picture_and_moves_the_other():
    features = losses.vgg16_standin()
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
    features = losses.Features(torch.nn.Sequential(torch.nn.Identity()))
    features.layers.register_forward_hook(lambda _, args, out: seen.append(out))
    features(torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
    torch.testing.assert_close(seen[0], torch.zeros(1, 3, 1, 1))


def test_weights_that_cannot_be_fetched_are_told_with_the_way_out(monkeypatch):
    def unreachable(**_):
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.models.vgg16", unreachable)
    with pytest.raises(losses.WeightsUnavailable, match="no route to host.*vgg-standin"):
        losses.vgg16()
