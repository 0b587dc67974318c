"""Generalised divisive normalisation: the activation of paper 2's encoder, and its inverse.

Source: Balle, Laparra, Simoncelli 2016 (the layer), Balle 2018 'Efficient nonlinear transforms'
(the parametrisation by square roots); the latter is reference [26] of paper 2.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

BETA_MIN = 1e-6
BLOCK = 1 << 17  # values in a block: half a megabyte of float32
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

    >>> x = torch.tensor(-1.0, requires_grad=True)
    >>> (-lower_bound(x, 0.0)).backward()  # a loss that falls as x rises
    >>> x.grad
    tensor(-1.)
    """
    return _LowerBound.apply(x, bound)


def to_root(value: Tensor) -> Tensor:
    """The stored form of a parameter that must not be negative; `from_root` undoes it."""
    return torch.sqrt(value + PEDESTAL)


def from_root(root: Tensor, minimum: float = 0.0) -> Tensor:
    """root^2 - pedestal, at least `minimum`: any stored value gives an admissible parameter."""
    return lower_bound(root, (minimum + PEDESTAL) ** 0.5) ** 2 - PEDESTAL


class _Normalise(torch.autograd.Function):
    """x_i e_i^(-1/2), or x_i e_i^(1/2) for the inverse, with e_i = beta_i + sum_j gamma_ij x_j^2.

    Autograd gives the same from four plain operations, but each of them then walks through memory
    on its own; done block by block, the numbers stay in the cache (14 against 25 ms on one core for
    8 x 64 channels of 64 x 64). x: (P, C), one row a place.
    """

    @staticmethod
    def forward(ctx, x: Tensor, beta: Tensor, gamma: Tensor, inverse: bool) -> Tensor:
        factors = torch.empty_like(x, dtype=torch.float32)
        y = torch.empty_like(factors)
        for rows in _blocks(x):
            v = x[rows].float()
            e = torch.addmm(beta, v * v, gamma.t(), out=factors[rows])
            torch.mul(v, e.sqrt_() if inverse else e.rsqrt_(), out=y[rows])
        ctx.save_for_backward(x, factors, gamma)
        ctx.inverse = inverse
        return y

    @staticmethod
    def backward(ctx, slope: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, factors, gamma = ctx.saved_tensors
        to_x, to_gamma = torch.empty_like(x), torch.zeros_like(gamma)
        to_beta = torch.zeros_like(gamma[0])
        for rows in _blocks(x):
            v, r, s = x[rows].float(), factors[rows], slope[rows]
            # dL/de_i = s_i x_i dr_i/de_i, where r = e^(-1/2): -r^3 / 2, or r = e^(1/2): 1 / (2 r)
            to_e = (s * v).mul_(0.5).div_(r) if ctx.inverse else (s * v).mul_(-0.5).mul_(r**3)
            # dL/dx_j = s_j r_j + 2 x_j sum_i gamma_ij dL/de_i
            to_x[rows] = torch.mm(to_e, gamma).mul_(v).mul_(2).addcmul_(s, r)
            to_gamma.addmm_(to_e.t(), v * v)
            to_beta += to_e.sum(0)
        return to_x, to_beta, to_gamma, None


def _blocks(x: Tensor) -> Iterator[slice]:
    """Rows in portions that fit into a CPU's cache; a GPU takes all of them at once."""
    step = max(1, BLOCK // x.shape[1]) if x.device.type == "cpu" else len(x)
    return (slice(k, k + step) for k in range(0, len(x), step))


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
        """x: (B, C, H, W) -> the same shape, float32."""
        b, c, h, w = x.shape
        rows = x.permute(0, 2, 3, 1).reshape(-1, c)  # (B H W, C): no copy of channels-last images
        with torch.autocast(x.device.type, enabled=False):
            beta, gamma = from_root(self.beta_root, BETA_MIN), from_root(self.gamma_root)
            y = _Normalise.apply(rows, beta, gamma, self.inverse)
        return y.view(b, h, w, c).permute(0, 3, 1, 2)
