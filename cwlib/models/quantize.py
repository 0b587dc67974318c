"""From real numbers to integers and back, with the gradients that training needs.

Paper 1 quantises the code z in [0, 1] to 6-bit integers q and then keeps only the leading bits of
each. Rounding has slope zero almost everywhere, so every function here comes with a stated stand-in
slope.
"""

from __future__ import annotations

import torch
from torch import Tensor


def to_levels(z: Tensor, bits: int) -> Tensor:
    """Quantise z in [0, 1] to integers 0 .. 2^bits - 1 (float dtype, no gradient).

    z: any shape. Equal bins: level = floor(2^bits z), and z = 1 joins the last bin.

    >>> to_levels(torch.tensor([0.0, 0.5, 1.0]), bits=6)
    tensor([ 0., 32., 63.])
    """
    top = 2**bits
    # q = min(floor(2^B z), 2^B - 1)
    return torch.clamp(torch.floor(z.detach() * top), 0, top - 1)


def truncate(q: Tensor, kept: Tensor, bits: int) -> Tensor:
    """Keep the `kept` leading bits of each `bits`-bit integer in q; the others become zero.

    q, kept: broadcastable, whole numbers. The paper's 'first several bits ... will be extracted'.

    >>> truncate(torch.tensor([45.0]), torch.tensor([2.0]), bits=6)  # 101101 -> 100000
    tensor([32.])
    """
    step = torch.exp2(bits - kept)
    # q_b = floor(q / 2^(B-b)) 2^(B-b)
    return torch.floor(q / step) * step


def straight_through(value: Tensor, source: Tensor) -> Tensor:
    """Forward `value`, backward as if it were `source` (Bengio 2013).

    >>> z = torch.tensor(2.7, requires_grad=True)
    >>> stairs = straight_through(torch.floor(z), z)
    >>> stairs.backward()
    >>> stairs.item(), z.grad.item()  # a step of the stairs, the slope of a ramp
    (2.0, 1.0)
    """
    return value.detach() + (source - source.detach())


def with_slope(value: Tensor, *parts: tuple[Tensor, Tensor]) -> Tensor:
    """Forward `value` (no gradient of its own), backward sum of slope * d(source).

    parts: (source, slope) pairs that broadcast against value. The way to state a finite difference:
    the slope is computed by hand, autograd does the rest.
    """
    out = value.detach()
    for source, slope in parts:
        out = out + (source - source.detach()) * slope.detach()
    return out


def round_ste(x: Tensor) -> Tensor:
    """Round to whole numbers; the gradient passes unchanged (Theis 2017)."""
    return straight_through(torch.round(x), x)


def add_noise(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Add uniform noise in [-1/2, 1/2): the differentiable stand-in for rounding (Balle 2017)."""
    noise = torch.rand(x.shape, generator=generator, dtype=x.dtype, device=x.device)
    return x + noise - 0.5


def uniform(z: Tensor, bits: int) -> Tensor:
    """Quantise z in [0, 1] uniformly to `bits` bits and return bin centres, straight-through.

    What 'post-training quantisation of the float baselines' means everywhere in the book.
    """
    # z_hat = (floor(2^B z) + 1/2) / 2^B
    return straight_through((to_levels(z, bits) + 0.5) / 2**bits, z)
