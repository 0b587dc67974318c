"""What training minimises. Pixels in [0, 1]; rates in bits per pixel."""

from __future__ import annotations

from torch import Tensor

from cwlib import importance


def mse(x_hat: Tensor, x: Tensor) -> Tensor:
    """Mean squared error over everything, pixels in [0, 1] (paper 1's only loss)."""
    return ((x_hat.float() - x.float()) ** 2).mean()


def bits_per_pixel(bits: Tensor, x: Tensor) -> Tensor:
    """Estimated bits (B,) of images x (B, 1 or 3, H, W) -> mean bits per pixel."""
    return bits.mean() / (x.shape[-2] * x.shape[-1])


def kept_bits_per_pixel(m: Tensor, x: Tensor, channels: int, reading: str) -> Tensor:
    """Code bits that the map keeps, per pixel: the simplest rate term (Li 2018, Eq. 6).

    m: (B, 1 or C, h, w); x: (B, 1, H, W); channels: of the code.
    """
    values = channels * m.shape[-2] * m.shape[-1]
    return importance.mean_bits(m, reading) * values / (x.shape[-2] * x.shape[-1])
