"""Generalised divisive normalisation: the activation of paper 2's encoder, and its inverse.

Source: Balle, Laparra, Simoncelli 2016 (the layer), Balle 2018 'Efficient nonlinear transforms'
(the parametrisation by square roots); the latter is reference [26] of paper 2.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BETA_MIN = 1e-6
PEDESTAL = 2.0**-36  # keeps the slope of the square root's inverse above zero near 0


class _LowerBound(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, bound: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.bound = bound
        return x.clamp(min=bound)

    @staticmethod
    def backward(ctx, slope: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        # Descent moves x against the slope: a negative slope leads back above the bound.
        return slope * ((x >= ctx.bound) | (slope < 0)), None


def lower_bound(x: Tensor, bound: float) -> Tensor:
    """max(x, bound), with a gradient that still lets a value below the bound climb back.

    Plain clamping has slope zero there: what has fallen below would stay there for ever.
    """
    return _LowerBound.apply(x, bound)


def to_root(value: Tensor) -> Tensor:
    """The stored form of a parameter that must not be negative; `from_root` undoes it."""
    return torch.sqrt(value + PEDESTAL)


def from_root(root: Tensor, minimum: float = 0.0) -> Tensor:
    """root^2 - pedestal, at least `minimum`: any stored value gives an admissible parameter."""
    return lower_bound(root, (minimum + PEDESTAL) ** 0.5) ** 2 - PEDESTAL


class GDN(nn.Module):
    """Divide every channel by a learnt measure of the activity of all channels at its place.

    y_i = x_i / sqrt(beta_i + sum_j gamma_ij x_j^2); `inverse` multiplies instead (IGDN).

    (B, C, H, W) -> the same shape, always float32: under autocast the squares and their sum would
    lose what the division needs. beta_root (C,), gamma_root (C, C): see `to_root`.
    """

    def __init__(self, channels: int, inverse: bool = False, gamma_init: float = 0.1):
        super().__init__()
        self.inverse = inverse
        self.beta_root = nn.Parameter(to_root(torch.ones(channels)))
        self.gamma_root = nn.Parameter(to_root(gamma_init * torch.eye(channels)))

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            beta, gamma = from_root(self.beta_root, BETA_MIN), from_root(self.gamma_root)
            # beta_i + sum_j gamma_ij x_j^2: a 1x1 convolution of the squares
            energy = F.conv2d(x * x, gamma[:, :, None, None], beta)
            return x * (energy.sqrt() if self.inverse else energy.rsqrt())
