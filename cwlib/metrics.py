"""How many bits, how far from the original: bpp, MSE, PSNR, SSIM, MS-SSIM (of colours or of luma)
and BD-rate.

Images are uint8 arrays (H, W) or (H, W, 3) and distances are on the 0..255 scale. The arithmetic is
float64 on the CPU, so a figure does not depend on the device that made the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from operator import index

import numpy as np
import torch
import torch.nn.functional as F
from numpy.polynomial import Polynomial
from torch import Tensor

_PEAK = 255.0
_TAPS, _SIGMA = 11, 1.5
_K1, _K2 = 0.01, 0.03  # SSIM's constants, as shares of the peak
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
LEAST_OVERLAP = 0.5  # share of the narrower range of quality that two curves must have in common


def bpp(n_bytes: float, shape: Sequence[int]) -> float:
    """Bits per pixel of a stream of `n_bytes` for an image of `shape` (H, W) or (H, W, 3).

    n_bytes: a whole number, or the mean of several; a colour pixel counts once. Raises TypeError
    for what is no number, ValueError for another shape, an image without pixels, or no size.

    >>> bpp(256, (128, 128))
    0.125
    """
    shape = tuple(map(index, shape))  # Python's whole numbers: those of NumPy wrap around
    if not _is_picture(shape):
        raise ValueError(f"expected a shape (H, W) or (H, W, 3) with pixels, got {shape}")
    if not isinstance(n_bytes, Real):
        raise TypeError(f"expected a number of bytes, got {type(n_bytes).__name__}")
    if not 0 <= n_bytes < np.inf:  # NaN compares false
        raise ValueError(f"a stream has a size of 0 bytes or more, got {n_bytes}")
    # bpp = 8 bytes / (H W)
    return 8 * float(n_bytes) / (shape[0] * shape[1])


def check_image(image: np.ndarray) -> np.ndarray:
    """The image as it is: a uint8 array (H, W) or (H, W, 3) with pixels.

    Raises ValueError that says what it is instead.
    """
    plain = isinstance(image, np.ndarray) and not isinstance(image, np.ma.MaskedArray)
    if not plain or image.dtype != np.uint8 or not _is_picture(image.shape):
        parts = type(image).__name__, getattr(image, "dtype", ""), getattr(image, "shape", "")
        raise ValueError(
            "expected a uint8 array (H, W) or (H, W, 3) with pixels, got "
            + " ".join(str(part) for part in parts if part != "")
        )
    return np.asarray(image)


def _is_picture(shape: tuple[int, ...]) -> bool:
    return len(shape) >= 2 and shape[2:] in ((), (3,)) and min(shape) >= 1


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
    if min(x.shape[2:]) < _TAPS:
        raise ValueError(f"SSIM needs sides of at least {_TAPS} pixels, got {tuple(x.shape[2:])}")
    luminance, contrast = _similarity(x, y)
    return (luminance * contrast).mean().item()


def ms_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Multi-scale structural similarity over five scales, averaged over the channels. 1 is equal.

    a, b: sides of at least 161 pixels, else ValueError: the 11-tap window must fit at 1/16 size.
    A scale whose mean contrast term is negative counts as 0 (its power would not be real).
    Source: Wang, Simoncelli and Bovik 2003, Eq. 7, with its weights; in between, the mean of 2x2
    pixels (an odd last row or column is repeated, as TensorFlow does).
    """
    return ms_ssim_of_each(*_planes(a, b)).item()


def ms_ssim_luma(a: np.ndarray, b: np.ndarray) -> float:
    """`ms_ssim` of the luma, the weighted mean of red, green and blue that is meant by brightness.

    The luma of ITU-R BT.601, which JPEG codes and Pillow's mode "L" rounds; here it is not rounded.
    A grey picture is its own luma, so both measures agree on it; of colours, this is the kinder
    one, and published figures seldom say which they are.
    """
    return ms_ssim_of_each(*(_luma(x) for x in _planes(a, b))).item()


def _luma(x: Tensor) -> Tensor:
    """(1, 3, H, W) -> (1, 1, H, W); a grey picture (1, 1, H, W) as it is."""
    # Y' = 0.299 R' + 0.587 G' + 0.114 B'
    weights = torch.tensor([0.299, 0.587, 0.114] if x.shape[1] == 3 else [1.0], dtype=x.dtype)
    return (weights.view(1, -1, 1, 1) * x).sum(1, keepdim=True)


def ms_ssim_of_each(x: Tensor, y: Tensor, least: float = 0.0) -> Tensor:
    """MS-SSIM of every image as a differentiable function: (B, C, H, W) twice in [0, 1] -> (B,).

    What `ms_ssim` measures. least: what a scale's mean counts at least; to train with, a little
    above 0, where the power has no slope. Raises ValueError for sides below 161.
    """
    smallest = (_TAPS - 1) * 2 ** (len(SCALE_WEIGHTS) - 1) + 1
    if min(x.shape[2:]) < smallest:
        sides = tuple(x.shape[2:])
        raise ValueError(f"MS-SSIM needs sides of at least {smallest} pixels, got {sides}")
    with torch.autocast(x.device.type, enabled=False):  # variances are small differences
        x, y = (t.to(torch.promote_types(t.dtype, torch.float32)) for t in (x, y))
        score = torch.ones_like(x[:, :, 0, 0])  # (B, C)
        for scale, weight in enumerate(SCALE_WEIGHTS, 1):
            luminance, contrast = _similarity(x, y)
            term = luminance * contrast if scale == len(SCALE_WEIGHTS) else contrast
            # MS-SSIM = l_5^w5 prod_s c_s^ws
            score = score * term.mean(dim=(2, 3)).clamp(min=least) ** weight
            x, y = _halve(x), _halve(y)
        return score.mean(1)


def bd_rate(
    rate_a: Sequence[float],
    psnr_a: Sequence[float],
    rate_b: Sequence[float],
    psnr_b: Sequence[float],
) -> float:
    """Mean rate of curve b relative to curve a at equal quality, in percent; negative: b is better.

    rate: bpp > 0; psnr: dB; at least four points each, in any order, overlapping in at least half
    of the narrower range of quality.
    Source: Bjontegaard 2001 (VCEG-M33): one cubic polynomial of log(rate) over PSNR per curve
    (least squares beyond four points), integrated over the common quality range.
    Raises ValueError where that has no meaning: there, too, where a cubic does not rise all over
    the common range, so that better pictures would take fewer bits.

    >>> rate, quality = np.array([0.1, 0.2, 0.4, 0.8]), [28, 30, 33, 36]
    >>> round(bd_rate(rate, quality, rate / 2, quality), 6)  # the same for half the bits
    -50.0
    """
    qualities, fits = zip(_curve(rate_a, psnr_a), _curve(rate_b, psnr_b), strict=True)
    low, high = max(q.min() for q in qualities), min(q.max() for q in qualities)
    if not low < high:
        raise ValueError(f"the curves share no quality range: {low:.2f} dB is not below {high:.2f}")
    share = (high - low) / min(np.ptp(q) for q in qualities)
    if share < LEAST_OVERLAP:
        raise ValueError(
            f"the curves share {low:.2f} to {high:.2f} dB, {share:.0%} of the narrower one: at "
            f"least {LEAST_OVERLAP:.0%} is needed"
        )
    if not all(_rises(fit, low, high) for fit in fits):
        raise ValueError(
            f"the cubic through a curve does not rise from {low:.2f} to {high:.2f} dB: spread its "
            "points, and leave out those where more bits bring no quality"
        )
    # BD-rate = exp(1/(high - low) integral of (ln r_b - ln r_a) dq) - 1
    area_a, area_b = (fit.integ()(high) - fit.integ()(low) for fit in fits)
    with np.errstate(over="ignore"):
        change = 100 * np.expm1((area_b - area_a) / (high - low))
    if not np.isfinite(change):
        raise ValueError("the rates lie too far apart: their ratio is beyond any number")
    return float(change)


def _curve(rate: Sequence[float], quality: Sequence[float]) -> tuple[np.ndarray, Polynomial]:
    """The qualities, and the cubic of log(rate) over them."""
    rate, quality = np.asarray(rate, float), np.asarray(quality, float)
    if rate.ndim != 1 or rate.shape != quality.shape or not rate.size:
        raise ValueError(f"expected one quality per rate, got {rate.shape} and {quality.shape}")
    if not (np.all(np.isfinite(quality)) and np.all(np.isfinite(rate)) and np.all(rate > 0)):
        raise ValueError("rates must be positive and finite, qualities finite")
    fit, (_, rank, *_) = Polynomial.fit(quality, np.log(rate), 3, full=True)
    if rank < 4:
        raise ValueError(f"a cubic needs 4 different qualities, got {rank}")
    return quality, fit


def _rises(fit: Polynomial, low: float, high: float) -> bool:
    """Whether a cubic rises all over [low, high]."""
    slope = fit.deriv()
    turns = [x.real for x in slope.deriv().roots() if low < x.real < high]
    return all(slope(x) > 0 for x in (low, *turns, high))


def _planes(a: np.ndarray, b: np.ndarray) -> list[Tensor]:
    """The pair as float64 (1, C, H, W) in [0, 1]."""
    pair = (np.atleast_3d(image).transpose(2, 0, 1)[None] for image in _pair(a, b))
    return [torch.from_numpy(image.astype(float) / _PEAK) for image in pair]


def _pair(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = check_image(a), check_image(b)
    if a.shape != b.shape:
        raise ValueError(f"images of different shapes: {a.shape} and {b.shape}")
    return a, b


def _similarity(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """SSIM's luminance and contrast-structure maps of x, y (B, C, H, W): (B, C, H - 10, W - 10)."""
    mean_x, mean_y = _blur(x), _blur(y)
    # Var[x] = E[x^2] - E[x]^2 and Cov[x, y] = E[x y] - E[x] E[y], under the Gaussian window
    variances = _blur(x * x + y * y) - mean_x**2 - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    c1, c2 = _K1**2, _K2**2
    # l = (2 mu_x mu_y + C1) / (mu_x^2 + mu_y^2 + C1), c = (2 s_xy + C2) / (s_x^2 + s_y^2 + C2)
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return luminance, (2 * covariance + c2) / (variances + c2)


def _blur(x: Tensor) -> Tensor:
    """SSIM's Gaussian window over (B, C, H, W), one side after the other, valid positions only."""
    offsets = np.arange(_TAPS) - _TAPS // 2
    window = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    window /= window.sum()
    for side in (2, 3):  # sums of slices: torch's convolutions in float64 are four times slower
        valid = x.shape[side] - _TAPS + 1
        x = sum(w * x.narrow(side, k, valid) for k, w in enumerate(window.tolist()))
    return x


def _halve(x: Tensor) -> Tensor:
    """Mean of 2x2 pixels, an odd last row or column repeated: (B, C, ceil(H / 2), ceil(W / 2))."""
    padded = F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2), mode="replicate")
    return F.avg_pool2d(padded, 2)
