"""Importance maps and the masks made from them.

Paper 1: a map m in [0, 1] is quantised to 2 bits, i in {0, 1, 2, 3}, and i decides how many leading
bits b of the 6-bit code are kept. The paper does not say which b belongs to which i; `READINGS`
lists the three that fit its text.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cwlib import quantize

MAP_BITS = 2
CODE_BITS = 6

READINGS: dict[str, tuple[int, ...]] = {
    "double": (0, 2, 4, 6),  # b = 2i: the only one in which 'unimportant' costs nothing
    "ceil": (2, 3, 5, 6),  # b = ceil(6 (i + 1) / 4): the map scales the length
    "offset": (3, 4, 5, 6),  # b = i + 3: as the author's public code shifts, with 2 bits
}


def kept_bits(levels: Tensor, reading: str = "double") -> Tensor:
    """Number of leading code bits that each map level keeps.

    levels: whole numbers 0..3, any shape and dtype -> float tensor of the same shape.
    """
    if reading not in READINGS:
        raise ValueError(f"unknown reading {reading!r}: choose one of {', '.join(READINGS)}")
    table = torch.tensor(READINGS[reading], dtype=torch.float32, device=levels.device)
    return table[levels.long()]


def levels_around(m: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Level of m, its lower and upper neighbour (at the ends: itself), and their distance in m."""
    i = quantize.to_levels(m, MAP_BITS)
    top = 2**MAP_BITS - 1
    below, above = (i - 1).clamp(min=0), (i + 1).clamp(max=top)
    return i, below, above, (above - below) / 2**MAP_BITS


def bit_mask(z: Tensor, m: Tensor, reading: str = "double") -> Tensor:
    """Quantise the code to 6 bits and keep the leading bits that the map grants (zero fill).

    z: (B, C, H, W) in [0, 1]; m: the same or (B, 1, H, W), in [0, 1] -> z_hat in [0, 63/64].
    Gradient to z: straight-through where bits are kept. Gradient to m: finite difference between
    the next longer and the next shorter code; plain autograd would give the map none.
    Source: paper 1, 3.2.
    """
    q = quantize.to_levels(z, CODE_BITS)
    i, below, above, distance = levels_around(m)
    value, shorter, longer = (
        quantize.truncate(q, kept_bits(level, reading), CODE_BITS) / 2**CODE_BITS
        for level in (i, below, above)
    )
    # dz_hat/dm ~ (z_hat(i+1) - z_hat(i-1)) / (m(i+1) - m(i-1))
    slope = (longer - shorter) / distance
    return quantize.with_slope(value, (z, (kept_bits(i, reading) > 0).to(z.dtype)), (m, slope))


def mean_bits(m: Tensor, reading: str = "double") -> Tensor:
    """Mean kept bits per code value, with a finite-difference gradient: a simple rate term."""
    i, below, above, distance = levels_around(m)
    slope = (kept_bits(above, reading) - kept_bits(below, reading)) / distance
    return quantize.with_slope(kept_bits(i, reading), (m, slope)).mean()
