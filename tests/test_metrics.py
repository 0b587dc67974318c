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


@pytest.mark.parametrize("shape", [(0, 5), (5,), (1, 2, 3, 4), (3, 512, 768), (512, 768, 4)])
def test_bpp_takes_shapes_of_pictures_alone(shape):
    with pytest.raises(
        ValueError, match=r"expected a shape \(H, W\) or \(H, W, 3\) with pixels, got"
    ):
        metrics.bpp(1, shape)


@pytest.mark.parametrize(
    ("n_bytes", "shape", "wanted"),
    [
        (np.int32(300_000_000), (1000, 1000), 2400.0),
        (np.uint8(200), (np.uint8(20), np.uint8(20)), 4.0),
        (np.uint64(2**63), (np.int32(2**16), np.int32(2**16)), 2.0**34),
        (np.float16(60000), (100, 100), 48.0),
        (np.float64(2.5), (2, 5, 3), 2.0),
    ],
)
def test_numbers_of_numpy_count_as_those_of_python(n_bytes, shape, wanted):
    assert metrics.bpp(n_bytes, shape) == wanted


@pytest.mark.parametrize(
    ("n_bytes", "error", "says"),
    [
        ("256", TypeError, "expected a number of bytes, got str"),
        (b"256", TypeError, "expected a number of bytes, got bytes"),
        (-1, ValueError, "0 bytes or more, got -1"),
        (np.nan, ValueError, "0 bytes or more, got nan"),
        (np.inf, ValueError, "0 bytes or more, got inf"),
    ],
)
def test_bpp_takes_sizes_alone(n_bytes, error, says):
    with pytest.raises(error, match=says):
        metrics.bpp(n_bytes, (4, 4))


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


MEASURES = [metrics.mse, metrics.psnr, metrics.ssim, metrics.ms_ssim, metrics.ms_ssim_luma]


@pytest.mark.parametrize("metric", MEASURES)
def test_mismatches_are_named(metric):
    grey = np.zeros((200, 200), np.uint8)
    with pytest.raises(ValueError, match=r"different shapes: \(200, 200\) and \(200, 200, 3\)"):
        metric(grey, np.zeros((200, 200, 3), np.uint8))


NO_IMAGES = [
    ([[1, 2], [3, 4]], "list"),
    (Image.new("L", (200, 200)), "Image"),
    (torch.zeros((200, 200), dtype=torch.uint8), r"Tensor torch.uint8 torch.Size\(\[200, 200\]\)"),
    (np.ma.masked_all((200, 200), np.uint8), r"MaskedArray uint8 \(200, 200\)"),
    (np.zeros((200, 200), bool), r"ndarray bool \(200, 200\)"),
    (np.zeros((200, 200)), r"ndarray float64 \(200, 200\)"),
    (np.zeros((200, 200), np.int8), r"ndarray int8 \(200, 200\)"),
    (np.zeros((200, 200, 4), np.uint8), r"ndarray uint8 \(200, 200, 4\)"),
    (np.zeros((3, 200, 200), np.uint8), r"ndarray uint8 \(3, 200, 200\)"),
    (np.zeros((2, 200, 200, 3), np.uint8), r"ndarray uint8 \(2, 200, 200, 3\)"),
    (np.zeros((0, 200), np.uint8), r"ndarray uint8 \(0, 200\)"),
    (np.zeros(200, np.uint8), r"ndarray uint8 \(200,\)"),
    (None, "NoneType"),
]


@pytest.mark.parametrize("metric", MEASURES)
@pytest.mark.parametrize(("image", "found"), NO_IMAGES)
def test_what_is_no_uint8_picture_is_named_with_its_type_and_shape(metric, image, found):
    says = rf"^expected a uint8 array \(H, W\) or \(H, W, 3\) with pixels, got {found}$"
    for pair in ((image, image), (np.zeros((200, 200), np.uint8), image)):
        with pytest.raises(ValueError, match=says):
            metric(*pair)


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
        ([], [], r"one quality per rate, got \(0,\) and \(0,\)"),
        # 0.01 dB in common says nothing of the rest
        ([1, 2, 4, 8], [40.27, 41, 43, 46], "share 40.27 to 40.28 dB, 0% of the narrower one"),
        ([50, 99, 180, 350], [27, 30, 33.5, 35.6], "share 31.42 to 35.60 dB, 49% of the narrower"),
        # less quality for more bits
        ([85, 157, 310, 687], [40, 37, 34, 31], "cubic through a curve does not rise from 31.42"),
        ([85, 157, 310, 687], [31, 31 + 1e-13, 31 + 2e-13, 40], "different qualities, got 3"),
    ],
)
def test_bd_rate_refuses_what_has_no_meaning(rate, quality, says):
    with pytest.raises(ValueError, match=says):
        metrics.bd_rate(*CURVE_A, rate, quality)


def test_bd_rate_refuses_cubics_that_swing_between_qualities_close_together():
    quality = [28, 30, 33, 33.001, 33.002]
    with pytest.raises(ValueError, match="cubic through a curve does not rise from 28.00 to 33.00"):
        metrics.bd_rate([0.1, 0.2, 0.4, 0.6, 0.8], quality, [0.1, 0.2, 0.4, 0.6, 0.9], quality)


def test_bd_rate_refuses_a_ratio_that_no_number_holds():
    rate, quality = np.array(CURVE_A[0]), CURVE_A[1]
    with np.errstate(all="raise"), pytest.raises(ValueError, match="beyond any number"):
        metrics.bd_rate(1e-300 * rate, quality, 1e300 * rate, quality)


def test_half_of_the_narrower_range_in_common_is_enough():
    rate, quality = np.array([50, 99, 180, 350]), np.array([27, 30, 33.5, 35.9])
    forward = metrics.bd_rate(*CURVE_A, rate, quality)
    backward = metrics.bd_rate(rate, quality, *CURVE_A)
    assert (1 + forward / 100) * (1 + backward / 100) == pytest.approx(1)


# --- MS-SSIM to train with -----------------------------------------------------------------------


def test_ms_ssim_of_a_batch_is_the_measure_of_each_picture():
    rng = np.random.default_rng(0)
    smooth = rng.integers(0, 256, (2, 6, 6, 3)).repeat(32, 1).repeat(32, 2)
    noisy = np.clip(smooth + rng.normal(0, 20, smooth.shape), 0, 255).astype(np.uint8)
    smooth = smooth.astype(np.uint8)
    a, b = (torch.from_numpy(t).permute(0, 3, 1, 2).double().float() / 255 for t in (smooth, noisy))
    found = metrics.ms_ssim_of_each(b, a)
    wanted = [metrics.ms_ssim(x, y) for x, y in zip(smooth, noisy, strict=True)]
    torch.testing.assert_close(found, torch.tensor(wanted), atol=2e-4, rtol=0)


def test_ms_ssim_can_be_climbed():
    x = torch.rand(1, 1, 176, 176)
    x_hat = (0.5 * x + 0.5 * torch.rand_like(x)).requires_grad_()
    before = metrics.ms_ssim_of_each(x_hat, x, least=1e-6)
    before.sum().backward()
    step = x_hat.detach() + 0.02 * x_hat.grad / x_hat.grad.abs().max()
    assert metrics.ms_ssim_of_each(step, x, least=1e-6) > before


def test_ms_ssim_of_unlike_pictures_has_a_finite_slope():
    x = torch.rand(1, 1, 176, 176)
    x_hat = (1 - x).requires_grad_()  # every contrast term is negative
    metrics.ms_ssim_of_each(x_hat, x, least=1e-6).sum().backward()
    assert x_hat.grad.isfinite().all()
