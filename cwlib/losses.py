"""What training minimises. Pixels in [0, 1]; rates in bits per pixel."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cwlib.metrics import K1, K2, SCALE_WEIGHTS, gaussian_window


def mse(x_hat: Tensor, x: Tensor) -> Tensor:
    """Mean squared error over everything, pixels in [0, 1] (paper 1's only loss)."""
    return ((x_hat.float() - x.float()) ** 2).mean()


def mse_of_each(x_hat: Tensor, x: Tensor) -> Tensor:
    """Mean squared error of every image: (B, C, H, W) twice, pixels in [0, 1] -> (B,)."""
    return ((x_hat.float() - x.float()) ** 2).mean(dim=(1, 2, 3))


def bits_per_pixel(bits: Tensor, x: Tensor) -> Tensor:
    """Estimated bits (B,) of images x (B, 1 or 3, H, W) -> mean bits per pixel."""
    return bits.mean() / (x.shape[-2] * x.shape[-1])


def above(rate: Tensor, target: float) -> Tensor:
    """max(0, rate - target): a rate costs nothing up to its target (Li 2018, Eq. 6)."""
    return (rate - target).clamp(min=0)


# --- paper 2 -------------------------------------------------------------------------------------


def feature_distance(
    encoder: nn.Module, x_hat: Tensor, x: Tensor, train_encoder: bool = False
) -> Tensor:
    """d_feat = ||E(x) - E(x_hat)||^2 / (C h w), mean over the batch (Eq. 11).

    The gradient runs through E into x_hat and so into the decoder, but leaves E's weights alone:
    otherwise the encoder could make its features alike by making them small. `train_encoder`
    lets them follow, as a literal reading of Eq. 12 would.
    """
    if train_encoder:
        return mse(encoder(x_hat), encoder(x))
    with torch.no_grad():
        wanted = encoder(x)
    fixed = {name: p.detach() for name, p in encoder.named_parameters()}
    return mse(torch.func.functional_call(encoder, fixed, (x_hat,)), wanted)


def vgg_distance(features: nn.Module, x_hat: Tensor, x: Tensor) -> Tensor:
    """d_feat = ||VGG_l(x) - VGG_l(x_hat)||^2 / (C_l h_l w_l), mean over the batch (Eq. 10)."""
    with torch.no_grad():
        wanted = features(x)
    return mse(features(x_hat), wanted)


def ms_ssim_of_each(x_hat: Tensor, x: Tensor) -> Tensor:
    """MS-SSIM of every image, to train with: (B, C, H, W) twice, pixels in [0, 1] -> (B,).

    What `metrics.ms_ssim` measures, as a differentiable function. H and W: multiples of 16, at
    least 176. Raises ValueError.
    """
    h, w = x.shape[-2:]
    if min(h, w) < 161 or h % 16 or w % 16:
        raise ValueError(f"MS-SSIM needs sides that are multiples of 16, from 176 up, got {h}x{w}")
    b, c = x.shape[:2]
    with torch.autocast(x.device.type, enabled=False):  # variances are small differences
        return _ms_ssim(*(t.float().reshape(b * c, 1, h, w) for t in (x_hat, x))).view(b, c).mean(1)


def _ms_ssim(a: Tensor, y: Tensor) -> Tensor:
    """(B C, 1, H, W) twice -> (B C,)."""
    score = torch.ones(len(a), device=a.device)
    for scale, weight in enumerate(SCALE_WEIGHTS, 1):
        luminance, contrast = _similarity(a, y)
        term = luminance * contrast if scale == len(SCALE_WEIGHTS) else contrast
        # the power of 0 has no slope, and of less no value: stop a little above
        score = score * term.mean(dim=(1, 2, 3)).clamp(min=1e-6) ** weight
        a, y = F.avg_pool2d(a, 2), F.avg_pool2d(y, 2)
    return score


def _similarity(a: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """SSIM's luminance and contrast-structure maps of (B, 1, H, W), pixels in [0, 1]."""
    window = torch.tensor(gaussian_window(), dtype=a.dtype, device=a.device)
    window = (window[:, None] * window)[None, None]  # (1, 1, 11, 11)
    mean_a, mean_y, squares, products = (F.conv2d(t, window) for t in (a, y, a * a + y * y, a * y))
    variances = squares - mean_a**2 - mean_y**2
    covariance = products - mean_a * mean_y
    # l = (2 mu_x mu_y + C1) / (mu_x^2 + mu_y^2 + C1), c = (2 s_xy + C2) / (s_x^2 + s_y^2 + C2)
    c1, c2 = K1**2, K2**2
    luminance = (2 * mean_a * mean_y + c1) / (mean_a**2 + mean_y**2 + c1)
    return luminance, (2 * covariance + c2) / (variances + c2)


def rate_distortion(
    distortion: Tensor,
    bpp: Tensor,
    lambda_2: float | Tensor,
    lambda_1: float = 0.0,
    d_feat: float | Tensor = 0.0,
    scale: float = 255**2,
) -> Tensor:
    """Eq. 12: lambda_2 (d + lambda_1 d_feat) + L_R, of one image or of each in a batch.

    distortion: MSE with pixels in [0, 1]; Eq. 12 has it on the 0..255 scale, where the paper's
    lambda_2 in [0.001, 0.02] belongs. bpp: bits per pixel. scale: 1 for another distortion.

    >>> rate_distortion(torch.tensor(0.001), bpp=torch.tensor(0.36), lambda_2=0.0067)
    tensor(0.7957)
    """
    # L = lambda_2 (d + lambda_1 d_feat) + L_R
    return lambda_2 * (scale * distortion + lambda_1 * d_feat) + bpp


def lambda_of_strength(strength: Tensor, low: float, high: float, strength_min: float) -> Tensor:
    """lambda_2 of an image of strength s: `low` at s = strength_min, `high` at s = 1.

    Between them a power of s, so that equal ratios of s are equal ratios of lambda_2.
    """
    # lambda_2(s) = high (low / high)^(log s / log s_min)
    return high * (low / high) ** (torch.log(strength) / math.log(strength_min))
