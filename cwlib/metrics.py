"""How many bits, how far from the original: bpp, MSE, PSNR, SSIM, MS-SSIM (of colours or of luma)
and BD-rate.

Images are uint8 arrays (H, W) or (H, W, 3) and distances are on the 0..255 scale. The arithmetic is
float64 NumPy, so a figure does not depend on the device that made the image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_PEAK = 255.0
_TAPS, _SIGMA = 11, 1.5
K1, K2 = 0.01, 0.03  # SSIM's constants, as shares of the peak
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def bpp(n_bytes: int, shape: Sequence[int]) -> float:
    """Bits per pixel of a stream of `n_bytes` for an image of `shape` (H, W) or (H, W, C).

    A colour pixel counts once. Raises ValueError for an image without pixels.

    >>> bpp(256, (128, 128))
    0.125
    """
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise ValueError(f"expected a shape (H, W) or (H, W, C) with pixels, got {tuple(shape)}")
    # bpp = 8 bytes / (H W)
    return 8 * n_bytes / (shape[0] * shape[1])


def mse(a: np.ndarray, b: np.ndarray) -> float:
    """Mean squared error over all samples, on the 0..255 scale. Raises ValueError on a mismatch."""
    a, b = _pair(a, b)
    # MSE = mean((a - b)^2); whole numbers, so the sum is exact
    difference = a.astype(np.int64) - b
    return float(np.mean(difference**2))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB for 8-bit images; infinite when they are equal.

    Raises ValueError on a mismatch.

    >>> grey = np.full((2, 2), 100, np.uint8)
    >>> off = np.array([[116, 100], [100, 100]], np.uint8)  # one of four pixels is 16 too bright
    >>> mse(grey, off), round(psnr(grey, off), 2)
    (64.0, 30.07)
    """
    error = mse(a, b)
    # PSNR = 10 log10(255^2 / MSE)
    return float(10 * np.log10(_PEAK**2 / error)) if error else float("inf")


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Structural similarity at one scale, mean over the valid window positions and the channels.

    a, b: sides of at least 11 pixels, else ValueError. 1 means equal.
    Source: Wang et al. 2004; Gaussian window of 11 taps, sigma 1.5, K1 = 0.01, K2 = 0.03.
    """
    x, y = _planes(a, b)
    if min(x.shape[1:]) < _TAPS:
        raise ValueError(f"SSIM needs sides of at least {_TAPS} pixels, got {a.shape}")
    luminance, contrast = _similarity(x, y)
    return float(np.mean(luminance * contrast))


def ms_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Multi-scale structural similarity over five scales, averaged over the channels. 1 is equal.

    a, b: sides of at least 161 pixels, else ValueError: the 11-tap window must fit at 1/16 size.
    A scale whose mean contrast term is negative counts as 0 (its power would not be real).
    Source: Wang, Simoncelli and Bovik 2003, Eq. 7, with its weights; in between, the mean of 2x2
    pixels (an odd last row or column is repeated, as TensorFlow does).
    """
    return _ms_ssim(*_planes(a, b))


def ms_ssim_luma(a: np.ndarray, b: np.ndarray) -> float:
    """`ms_ssim` of the luma, the weighted mean of red, green and blue that is meant by brightness.

    The luma of ITU-R BT.601, which JPEG codes and Pillow's mode "L" rounds; here it is not rounded.
    A grey picture is its own luma, so both measures agree on it; of colours, this is the kinder
    one, and published figures seldom say which they are.
    """
    return _ms_ssim(*(_luma(x) for x in _planes(a, b)))


def _luma(x: np.ndarray) -> np.ndarray:
    """(3, H, W) -> (1, H, W); a grey picture (1, H, W) as it is."""
    if len(x) == 1:
        return x
    r, g, b = x
    # Y' = 0.299 R' + 0.587 G' + 0.114 B'
    return (0.299 * r + 0.587 * g + 0.114 * b)[None]


def _ms_ssim(x: np.ndarray, y: np.ndarray) -> float:
    """The mean over the channels of x, y (C, H, W)."""
    smallest = (_TAPS - 1) * 2 ** (len(SCALE_WEIGHTS) - 1) + 1
    if min(x.shape[1:]) < smallest:
        raise ValueError(f"MS-SSIM needs sides of at least {smallest} pixels, got {x.shape[1:]}")
    score = np.ones(len(x))  # one per channel
    for scale, weight in enumerate(SCALE_WEIGHTS, 1):
        luminance, contrast = _similarity(x, y)
        last = scale == len(SCALE_WEIGHTS)
        term = np.mean(luminance * contrast if last else contrast, axis=(1, 2))
        # MS-SSIM = l_5^w5 prod_s c_s^ws
        score *= np.maximum(term, 0) ** weight
        x, y = _halve(x), _halve(y)
    return float(np.mean(score))


def bd_rate(
    rate_a: Sequence[float],
    psnr_a: Sequence[float],
    rate_b: Sequence[float],
    psnr_b: Sequence[float],
) -> float:
    """Mean rate of curve b relative to curve a at equal quality, in percent; negative: b is better.

    rate: bpp > 0; psnr: dB; at least four points each, in any order, overlapping in quality.
    Source: Bjontegaard 2001 (VCEG-M33): one cubic polynomial of log(rate) over PSNR per curve
    (least squares beyond four points), integrated over the common quality range.
    Raises ValueError where that has no meaning.

    >>> rate, quality = np.array([0.1, 0.2, 0.4, 0.8]), [28, 30, 33, 36]
    >>> round(bd_rate(rate, quality, rate / 2, quality), 6)  # the same for half the bits
    -50.0
    """
    curves = [_curve(rate_a, psnr_a), _curve(rate_b, psnr_b)]
    low = max(quality.min() for _, quality in curves)
    high = min(quality.max() for _, quality in curves)
    if not low < high:
        raise ValueError(f"the curves share no quality range: {low:.2f} dB is not below {high:.2f}")
    # BD-rate = exp(1/(high - low) integral of (ln r_b - ln r_a) dq) - 1
    area_a, area_b = (
        np.polynomial.Polynomial.fit(quality, log_rate, 3).integ() for log_rate, quality in curves
    )
    gap = (area_b(high) - area_b(low)) - (area_a(high) - area_a(low))
    return float(100 * np.expm1(gap / (high - low)))


def _curve(rate: Sequence[float], quality: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    rate, quality = np.asarray(rate, float), np.asarray(quality, float)
    if rate.ndim != 1 or rate.shape != quality.shape:
        raise ValueError(f"expected one quality per rate, got {rate.shape} and {quality.shape}")
    if len(np.unique(quality)) < 4:
        raise ValueError(f"a cubic needs 4 different qualities, got {len(np.unique(quality))}")
    if not (np.all(np.isfinite(quality)) and np.all(np.isfinite(rate)) and np.all(rate > 0)):
        raise ValueError("rates must be positive and finite, qualities finite")
    return np.log(rate), quality


def _pair(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    for image in (a, b):
        if image.dtype != np.uint8:
            raise ValueError(f"expected uint8 images, got {image.dtype}")
    if a.shape != b.shape:
        raise ValueError(f"images of different shapes: {a.shape} and {b.shape}")
    if a.size == 0:
        raise ValueError(f"images without pixels: {a.shape}")
    return a, b


def _planes(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pair as float64 (C, H, W)."""
    _pair(a, b)
    if a.ndim not in (2, 3):
        raise ValueError(f"expected (H, W) or (H, W, C), got {a.shape}")
    return tuple(np.atleast_3d(image).transpose(2, 0, 1).astype(float) for image in (a, b))


def _similarity(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SSIM's luminance and contrast-structure maps of x, y (C, H, W): (C, H - 10, W - 10)."""
    mean_x, mean_y = _blur(x), _blur(y)
    # Var[x] = E[x^2] - E[x]^2 and Cov[x, y] = E[x y] - E[x] E[y], under the Gaussian window
    variances = _blur(x * x + y * y) - mean_x**2 - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    c1, c2 = (K1 * _PEAK) ** 2, (K2 * _PEAK) ** 2
    # l = (2 mu_x mu_y + C1) / (mu_x^2 + mu_y^2 + C1), c = (2 s_xy + C2) / (s_x^2 + s_y^2 + C2)
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return luminance, (2 * covariance + c2) / (variances + c2)


def gaussian_window() -> np.ndarray:
    """SSIM's 11 weights along a side, which sum to 1."""
    offsets = np.arange(_TAPS) - _TAPS // 2
    window = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    return window / window.sum()


def _blur(x: np.ndarray) -> np.ndarray:
    """Separable Gaussian window over (C, H, W), valid positions only."""
    window = gaussian_window()
    height, width = x.shape[1] - _TAPS + 1, x.shape[2] - _TAPS + 1
    rows = sum(w * x[:, i : i + height] for i, w in enumerate(window))  # (C, H - 10, W)
    return sum(w * rows[:, :, i : i + width] for i, w in enumerate(window))  # (C, H - 10, W - 10)


def _halve(x: np.ndarray) -> np.ndarray:
    """Mean of 2x2 pixels, an odd last row or column repeated: (C, ceil(H / 2), ceil(W / 2))."""
    x = np.pad(x, [(0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2)], mode="edge")
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4
