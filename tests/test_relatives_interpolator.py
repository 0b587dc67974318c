"""The predictor of the lossless toy: colours, levels, distributions, training."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import scenes
from cwbook.relatives import interpolator as ip

PIXELS = hnp.arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.just(3)))


def net(seed=0):
    """A net whose predictions differ from place to place, though nobody trained it."""
    torch.manual_seed(seed)
    model = ip.Interpolator()
    with torch.no_grad():
        for predictor in (model.first, model.second):
            predictor.body[-1].weight.normal_(std=0.1)
    return model.eval()


def level(height, width, seed=0):
    return torch.from_numpy(ip.to_ycocg(scenes.scene(height, width, seed))).float()[None]


# colours


@given(PIXELS)
def test_every_colour_comes_back_exactly(image):
    assert np.array_equal(ip.from_ycocg(ip.to_ycocg(image)), image)


@given(PIXELS)
def test_luma_and_chroma_stay_in_their_ranges(image):
    y, co, cg = ip.to_ycocg(image)
    assert 0 <= y.min() and y.max() <= 255
    assert max(np.abs(co).max(), np.abs(cg).max()) <= 255


def test_grey_has_no_chroma():
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    y, co, cg = ip.to_ycocg(np.stack([grey] * 3, axis=-1))
    assert np.array_equal(y, grey) and not co.any() and not cg.any()


# levels and phases


@given(st.integers(1, 70), st.integers(1, 70))
def test_the_phases_of_a_level_hold_every_pixel_once(height, width):
    seen = torch.zeros(1, 1, height, width)
    for at in (ip.K, ip.D, ip.H, ip.V):
        ip.phase(seen, at).add_(1)
    assert (seen == 1).all()


@given(st.integers(1, 200), st.integers(1, 200))
def test_each_level_is_the_known_part_of_the_finer_one_and_the_last_is_small(height, width):
    x = np.arange(height * width).reshape(1, height, width)
    pyramid = ip.levels(x)
    assert np.array_equal(pyramid[0], x) and min(pyramid[-1].shape[1:]) <= ip.COARSEST
    for fine, coarse in zip(pyramid, pyramid[1:], strict=False):
        assert np.array_equal(coarse, ip.phase(torch.from_numpy(fine), ip.K).numpy())


# distributions


def logistic(mu, log_s, coupling=(0.0, 0.0, 0.0)):
    shape = (1, 3, 1, 1)
    parts = (torch.tensor(part, dtype=torch.float64).view(shape) for part in (mu, log_s, coupling))
    return ip.Logistic(*parts)


@pytest.mark.parametrize("log_s", [-2.5, -0.5, 1.0, 3.0])
@pytest.mark.parametrize("mu", [0.0, 17.3, -40.5])
def test_the_probabilities_of_all_values_sum_to_one(mu, log_s):
    values = torch.arange(-1500, 1501, dtype=torch.float64)
    p = logistic([mu] * 3, [log_s] * 3)
    wide = ip.Logistic(*(part.expand(1, 3, 1, len(values)) for part in p))
    bits = wide.bits(values.expand(1, 3, 1, -1))
    assert (2.0**-bits).sum(dim=-1).squeeze() == pytest.approx(np.ones(3), abs=1e-9)


@pytest.mark.parametrize("x", [-3, 0, 5])
def test_the_bits_are_those_of_a_logistic_cut_into_unit_bins(x):
    mu, s = 1.2, np.exp(0.7)

    def cdf(value):  # of the logistic distribution, in its textbook form
        return 1 / (1 + np.exp(-(value - mu) / s))

    wanted = -np.log2(cdf(x + 0.5) - cdf(x - 0.5))
    found = logistic([mu] * 3, [0.7] * 3).bits(torch.full((1, 3, 1, 1), float(x)).double())
    assert found.squeeze().numpy() == pytest.approx(np.full(3, wanted))


def test_a_value_far_out_costs_finitely_many_bits_and_has_a_slope():
    p = logistic([0.0] * 3, [-2.5] * 3)
    p.log_s.requires_grad_()
    bits = p.bits(torch.full((1, 3, 1, 1), 255.0).double()).sum()
    bits.backward()
    assert torch.isfinite(bits) and torch.isfinite(p.log_s.grad).all()


def test_errors_of_the_channels_before_shift_the_mean_of_those_after():
    p = logistic([10.0, 0.0, 0.0], [1.0] * 3, (0.5, 0.25, -1.0))
    e_y, e_co = torch.tensor([[[4.0]]]), torch.tensor([[[2.0]]])
    means = [float(p.mean(c, [e_y, e_co][:c])) for c in range(3)]
    assert means == [10.0, 0.5 * 4, 0.25 * 4 - 2]


# the net


@pytest.mark.parametrize("side", [(2, 2), (9, 16), (16, 9), (11, 13)])
def test_every_phase_gets_a_prediction_for_each_of_its_pixels(side):
    fine = level(*side)
    for at, p in ip.passes(net(), fine):
        assert p.mu.shape == p.log_s.shape == p.coupling.shape == ip.phase(fine, at).shape


def test_nothing_is_predicted_from_pixels_that_a_decoder_does_not_have():
    fine = level(15, 14)
    blind = torch.full_like(fine, -999.0)  # what a decoder has: K, then what it has filled in
    ip.phase(blind, ip.K).copy_(ip.phase(fine, ip.K))
    for (at, seeing), (_, p) in zip(ip.passes(net(), fine), ip.passes(net(), blind), strict=True):
        assert torch.equal(seeing.mu, p.mu) and torch.equal(seeing.log_s, p.log_s)
        ip.phase(blind, at).copy_(ip.phase(fine, at))


def test_an_untrained_net_interpolates_a_plane_exactly():
    y, x = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="ij")
    plane = (3 * x + 5 * y).expand(1, 3, 9, 9)
    for at, p in ip.passes(ip.Interpolator().eval(), plane):
        inside = ip.phase(plane, at)[..., 1:-1, 1:-1]  # the rims repeat a pixel
        assert torch.equal(p.mu[..., 1:-1, 1:-1], inside)


def test_brightness_alone_changes_means_and_nothing_else():
    fine = level(12, 12)
    for (_, p), (_, q) in zip(ip.passes(net(), fine), ip.passes(net(), fine + 32), strict=True):
        assert torch.allclose(p.mu + 32, q.mu, atol=1e-3)
        assert torch.allclose(p.log_s, q.log_s, atol=1e-4)


# training


def test_training_twice_gives_the_same_weights_and_leaves_the_global_seed_alone():
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    photos = [scenes.scene(48, 48, k) for k in range(2)]
    one, two = (ip.train(photos, steps=3, size=32, batch=2).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_training_saves_bits_on_a_picture_that_it_has_not_seen():
    photos = [scenes.scene(64, 64, k) for k in range(4)]
    trained = ip.train(photos, steps=60, size=32, batch=4)
    unseen = scenes.scene(64, 64, 99)
    before, after = (
        sum(cost.sum() for cost in ip.bits_by_pixel(model, unseen))
        for model in (ip.Interpolator().eval(), trained)
    )
    assert after < 0.97 * before


def test_pictures_that_are_all_too_small_are_refused():
    with pytest.raises(ValueError, match="at least 64 pixels"):
        ip.train([scenes.scene(40, 90)], steps=1)


def test_the_bits_of_pixels_are_where_they_were_coded():
    image = scenes.scene(40, 33)
    costs = ip.bits_by_pixel(net(), image)
    assert [cost.shape for cost in costs] == [(40, 33), (20, 17), (10, 9)]
    for cost in costs:
        assert not cost[::2, ::2].any(), "known pixels cost nothing on this level"
        rest = np.ones(cost.shape, dtype=bool)
        rest[::2, ::2] = False
        assert (cost[rest] > 0).all()
