"""Metrics: held to closed forms, to scikit-image and SciPy, and to published values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from scipy.integrate import quad
from scipy.interpolate import CubicSpline
from skimage import data as pictures
from skimage import metrics as oracle
from skimage.color import rgb2yuv

from cwlib import metrics

SIDES = st.integers(1, 9)
IMAGES = hnp.arrays(np.uint8, st.tuples(SIDES, SIDES) | st.tuples(SIDES, SIDES, st.just(3)))


@st.composite
def pairs(draw):
    a = draw(IMAGES)
    return a, draw(hnp.arrays(np.uint8, a.shape))


def _noisy(image: np.ndarray, sigma: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


# --- bpp, MSE, PSNR ------------------------------------------------------------------------------


def test_bpp_counts_pixels_not_samples():
    assert metrics.bpp(2048, (128, 128)) == 1.0
    assert metrics.bpp(2048, (128, 128, 3)) == 1.0
    assert metrics.bpp(0, (1, 1)) == 0.0


@pytest.mark.parametrize("shape", [(0, 5), (5,), (1, 2, 3, 4)])
def test_bpp_needs_pixels(shape):
    with pytest.raises(ValueError, match="with pixels, got"):
        metrics.bpp(1, shape)


@given(pairs())
def test_mse_and_psnr_agree_with_scikit_image(pair):
    a, b = pair
    assert metrics.mse(a, b) == pytest.approx(oracle.mean_squared_error(a, b), rel=1e-12)
    if not np.array_equal(a, b):
        assert metrics.psnr(a, b) == pytest.approx(oracle.peak_signal_noise_ratio(a, b))


@given(pairs())
def test_mse_and_psnr_are_symmetric_and_zero_only_at_equality(pair):
    a, b = pair
    assert metrics.mse(a, b) == metrics.mse(b, a) >= 0
    assert metrics.psnr(a, b) == metrics.psnr(b, a) >= 0
    assert (metrics.mse(a, b) == 0) == np.array_equal(a, b) == (metrics.psnr(a, b) == np.inf)
    assert metrics.psnr(a, a) == np.inf


def test_closed_forms():
    black, white = np.zeros((4, 5), np.uint8), np.full((4, 5), 255, np.uint8)
    assert metrics.mse(black, white) == 255**2  # no wrap-around at 8 bits
    assert metrics.psnr(black, white) == 0.0
    assert metrics.psnr(black, black + 1) == pytest.approx(48.1308, abs=1e-4)  # 20 log10 255


@pytest.mark.parametrize("metric", [metrics.mse, metrics.psnr, metrics.ssim, metrics.ms_ssim])
def test_mismatches_are_named(metric):
    grey = np.zeros((200, 200), np.uint8)
    with pytest.raises(ValueError, match=r"different shapes: \(200, 200\) and \(200, 200, 3\)"):
        metric(grey, np.zeros((200, 200, 3), np.uint8))
    with pytest.raises(ValueError, match="expected uint8 images, got float64"):
        metric(grey, grey / 255)
    with pytest.raises(ValueError, match="without pixels"):
        metric(grey[:0], grey[:0])


# --- SSIM ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [2, 20, 80])
@pytest.mark.parametrize("colour", [False, True])
def test_ssim_agrees_with_scikit_image_in_the_valid_interior(sigma, colour):
    a = pictures.astronaut()[100:181, 100:197]
    a = a if colour else a[..., 1]
    b = _noisy(a, sigma)
    # The truncation gives scikit-image the same 11 taps; its own mean drops the same 5-pixel rim.
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    wanted = oracle.structural_similarity(
        a, b, data_range=255, channel_axis=2 if colour else None, **settings
    )
    assert metrics.ssim(a, b) == pytest.approx(wanted, abs=1e-10)


@given(a=hnp.arrays(np.uint8, (12, 13)), b=hnp.arrays(np.uint8, (12, 13)))
def test_ssim_is_symmetric_bounded_and_one_at_equality(a, b):
    assert metrics.ssim(a, b) == pytest.approx(metrics.ssim(b, a), abs=1e-12)
    assert abs(metrics.ssim(a, b)) <= 1 + 1e-12  # rounding may pass the bound by an ulp
    assert metrics.ssim(a, a) == pytest.approx(1, abs=1e-9)


def test_ssim_of_flat_images_is_the_luminance_term():
    a, b = np.full((15, 15), 100, np.uint8), np.full((15, 15), 110, np.uint8)
    c1 = 2.55**2
    wanted = (2 * 100 * 110 + c1) / (100**2 + 110**2 + c1)
    assert metrics.ssim(a, b) == pytest.approx(wanted, abs=1e-9)


def _ms_ssim_by_torch(a: np.ndarray, b: np.ndarray) -> float:
    """The definition again, with two-dimensional convolutions and average pooling."""
    x, y = (torch.from_numpy(np.atleast_3d(i).copy()).double().permute(2, 0, 1) for i in (a, b))
    x, y = x[:, None], y[:, None]  # channels as a batch: (C, 1, H, W)
    taps = torch.exp(-(torch.arange(-5.0, 6.0, dtype=torch.double) ** 2) / 4.5)
    window = torch.outer(taps, taps)[None, None] / taps.sum() ** 2
    result = 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):

        def mean(i):
            return torch.nn.functional.conv2d(i, window)

        mx, my = mean(x), mean(y)
        sx, sy, sxy = mean(x**2) - mx**2, mean(y**2) - my**2, mean(x * y) - mx * my
        term = (2 * sxy + 7.65**2) / (sx + sy + 7.65**2)
        if scale == 4:
            term = term * (2 * mx * my + 2.55**2) / (mx**2 + my**2 + 2.55**2)
        result = result * term.mean(dim=(1, 2, 3)).clamp(min=0) ** weight
        x, y = (torch.nn.functional.avg_pool2d(i, 2, ceil_mode=True) for i in (x, y))
    return float(result.mean())


@pytest.mark.parametrize("crop", [(161, 161), (167, 233), (192, 176)])
@pytest.mark.parametrize("sigma", [5, 60])
def test_ms_ssim_agrees_with_its_definition_in_torch(crop, sigma):
    a = pictures.astronaut()[: crop[0], : crop[1]]
    b = _noisy(a, sigma)
    assert metrics.ms_ssim(a, b) == pytest.approx(_ms_ssim_by_torch(a, b), abs=1e-9)
    grey = metrics.ms_ssim(a[..., 0], b[..., 0])
    assert grey == pytest.approx(_ms_ssim_by_torch(a[..., 0], b[..., 0]), abs=1e-9)


@pytest.mark.parametrize("sigma", [5, 60])
def test_both_ms_ssims_agree_with_public_implementations(sigma):
    # Both sides multiples of 16: where rows are odd, each of them pads in a way of its own.
    peer = pytest.importorskip("pytorch_msssim", reason="pytorch-msssim is not installed")
    a = pictures.astronaut()[:192, :208]
    b = _noisy(a, sigma)

    def theirs(x, y):
        x, y = (torch.from_numpy(np.atleast_3d(i).copy()).double().permute(2, 0, 1) for i in (x, y))
        return float(peer.ms_ssim(x[None], y[None], data_range=255))

    # its window has 7 digits
    assert metrics.ms_ssim(a, b) == pytest.approx(theirs(a, b), abs=1e-5)
    luma = (rgb2yuv(i / 255.0)[..., 0] * 255 for i in (a, b))  # scikit-image's Y' is BT.601's
    assert metrics.ms_ssim_luma(a, b) == pytest.approx(theirs(*luma), abs=1e-5)


def test_luma_is_that_of_pillow_but_for_its_rounding():
    a = pictures.astronaut()[:192, :208]
    b = _noisy(a, 20)
    rounded = [np.asarray(Image.fromarray(i).convert("L")) for i in (a, b)]
    assert metrics.ms_ssim_luma(a, b) == pytest.approx(metrics.ms_ssim(*rounded), abs=1e-4)
    assert metrics.ms_ssim_luma(a, b) != metrics.ms_ssim(*rounded)


@pytest.mark.parametrize("shape", [(192, 176), (167, 233)])
def test_a_grey_picture_is_its_own_luma(shape):
    a = pictures.camera()[: shape[0], : shape[1]]
    b = _noisy(a, 20)
    score = metrics.ms_ssim(a, b)
    assert metrics.ms_ssim_luma(a, b) == score
    in_colour = (np.repeat(i[..., None], 3, axis=2) for i in (a, b))
    assert metrics.ms_ssim_luma(*in_colour) == pytest.approx(score, abs=1e-12)


def test_a_change_of_colour_that_leaves_the_luma_alone_is_not_seen_by_it():
    a = (pictures.astronaut()[:192, :208] // 2 + 60).astype(int)
    noise = np.random.default_rng(0).integers(-20, 21, a.shape[:2])[..., None]
    # 0.299 * 114 = 0.114 * 299: what red gains, blue loses
    c = a + np.round(noise * np.array([114, 0, -299]) / 114).astype(int)
    a, c = (i.astype(np.uint8) for i in (a, c))
    assert metrics.ms_ssim_luma(a, c) > 0.999 > 0.99 > metrics.ms_ssim(a, c)


def test_ms_ssim_orders_distortions_and_is_one_at_equality():
    a = pictures.camera()[::2, ::2]
    scores = [metrics.ms_ssim(a, _noisy(a, sigma)) for sigma in (0, 5, 20, 60)]
    assert scores[0] == pytest.approx(1, abs=1e-12) and scores == sorted(scores, reverse=True)
    assert metrics.ms_ssim(a, 255 - a) == 0  # negative structure counts as none


def test_ms_ssim_says_when_an_image_is_too_small():
    with pytest.raises(ValueError, match=r"at least 161 pixels, got \(160, 400\)"):
        metrics.ms_ssim(np.zeros((160, 400), np.uint8), np.zeros((160, 400), np.uint8))
    with pytest.raises(ValueError, match=r"at least 11 pixels, got \(10, 40\)"):
        metrics.ssim(np.zeros((10, 40), np.uint8), np.zeros((10, 40), np.uint8))


# --- BD-rate -------------------------------------------------------------------------------------

CURVE_A = [686.76, 309.58, 157.11, 85.95], [40.28, 37.18, 34.24, 31.42]
CURVE_B = [893.34, 407.8, 204.93, 112.75], [40.39, 37.21, 34.17, 31.24]


@given(factor=st.floats(0.1, 10), shift=st.floats(-20, 20))
def test_scaling_every_rate_by_a_factor_is_exactly_that_bd_rate(factor, shift):
    rates, qualities = np.array(CURVE_A[0]), np.array(CURVE_A[1]) + shift
    found = metrics.bd_rate(rates, qualities, factor * rates, qualities)
    assert found == pytest.approx(100 * (factor - 1), abs=1e-6)


def test_ten_percent_more_is_plus_ten_percent():
    rates = [1.1 * rate for rate in CURVE_A[0]]
    assert metrics.bd_rate(*CURVE_A, rates, CURVE_A[1]) == pytest.approx(10)


def test_bd_rate_agrees_with_a_public_implementation():
    # The PyPI package `bjontegaard` 1.3.0, bd_rate(..., method='cubic'), gives this figure.
    assert metrics.bd_rate(*CURVE_A, *CURVE_B) == pytest.approx(31.397374054909, abs=1e-9)


def test_bd_rate_is_the_integral_over_the_common_range():
    # Through four points the cubic is unique: a not-a-knot spline is that same cubic.
    a, b = (
        CubicSpline(np.array(q)[::-1], np.log(np.array(r))[::-1], bc_type="not-a-knot")
        for r, q in (CURVE_A, CURVE_B)
    )
    low, high = 31.42, 40.28
    gap = quad(lambda q: b(q) - a(q), low, high)[0] / (high - low)
    assert metrics.bd_rate(*CURVE_A, *CURVE_B) == pytest.approx(100 * (np.exp(gap) - 1))


@given(st.permutations(range(4)))
def test_bd_rate_takes_points_in_any_order_and_inverts_when_swapped(order):
    forward = metrics.bd_rate(*CURVE_A, *([column[i] for i in order] for column in CURVE_B))
    backward = metrics.bd_rate(*CURVE_B, *CURVE_A)
    assert (1 + forward / 100) * (1 + backward / 100) == pytest.approx(1)


@pytest.mark.parametrize(
    ("rate", "quality", "says"),
    [
        ([1, 2, 3], [30, 31, 32], "needs 4 different qualities, got 3"),
        ([1, 2, 3, 4], [30, 31, 31, 32], "needs 4 different qualities, got 3"),
        ([1, 2, 3, 4], [30, 31, 32], r"one quality per rate, got \(4,\) and \(3,\)"),
        ([0, 2, 3, 4], [30, 31, 32, 33], "positive and finite"),
        ([1, 2, 3, 4], [30, 31, 32, np.inf], "qualities finite"),
        ([1, 2, 3, 4], [10, 11, 12, 13], "share no quality range: 31.42 dB is not below 13.00"),
    ],
)
def test_bd_rate_refuses_what_has_no_meaning(rate, quality, says):
    with pytest.raises(ValueError, match=says):
        metrics.bd_rate(*CURVE_A, rate, quality)
