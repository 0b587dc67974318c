"""What training minimises. Pixels in [0, 1]; rates in bits per pixel."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from cwlib import importance


def mse(x_hat: Tensor, x: Tensor) -> Tensor:
    """Mean squared error over everything, pixels in [0, 1] (paper 1's only loss)."""
    return ((x_hat.float() - x.float()) ** 2).mean()


def mse_of_each(x_hat: Tensor, x: Tensor) -> Tensor:
    """Mean squared error of every image: (B, C, H, W) twice, pixels in [0, 1] -> (B,)."""
    return ((x_hat.float() - x.float()) ** 2).mean(dim=(1, 2, 3))


def bits_per_pixel(bits: Tensor, x: Tensor) -> Tensor:
    """Estimated bits (B,) of images x (B, 1 or 3, H, W) -> mean bits per pixel."""
    return bits.mean() / (x.shape[-2] * x.shape[-1])


def kept_bits_per_pixel(m: Tensor, x: Tensor, channels: int, reading: str) -> Tensor:
    """Code bits that the map keeps, per pixel: the simplest rate term (Li 2018, Eq. 6).

    m: (B, 1 or C, h, w); x: (B, 1, H, W); channels: of the code.
    """
    values = channels * m.shape[-2] * m.shape[-1]
    return importance.mean_bits(m, reading) * values / (x.shape[-2] * x.shape[-1])


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


def rate_distortion(
    distortion: Tensor,
    bpp: Tensor,
    lambda_2: float | Tensor,
    lambda_1: float = 0.0,
    d_feat: float | Tensor = 0.0,
) -> Tensor:
    """Eq. 12: lambda_2 (d + lambda_1 d_feat) + L_R, of one image or of each in a batch.

    distortion: MSE with pixels in [0, 1]; Eq. 12 has it on the 0..255 scale, where the paper's
    lambda_2 in [0.001, 0.02] belongs. bpp: bits per pixel.
    """
    # L = lambda_2 (d + lambda_1 d_feat) + L_R
    return lambda_2 * (255**2 * distortion + lambda_1 * d_feat) + bpp


def lambda_of_strength(strength: Tensor, low: float, high: float, strength_min: float) -> Tensor:
    """lambda_2 of an image of strength s: `low` at s = strength_min, `high` at s = 1.

    Between them a power of s, so that equal ratios of s are equal ratios of lambda_2.
    """
    # lambda_2(s) = high (low / high)^(log s / log s_min)
    return high * (low / high) ** (torch.log(strength) / math.log(strength_min))
