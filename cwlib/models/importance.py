"""Importance maps and the masks made from them.

Paper 1: a map m in [0, 1] is quantised to 2 bits, i in {0, 1, 2, 3}, and i decides how many leading
bits b of the 6-bit code are kept. The paper does not say which b belongs to which i; `READINGS`
lists the three that fit its text.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cwlib.models import quantize

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

    >>> kept_bits(torch.arange(4))
    tensor([0., 2., 4., 6.])
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

    >>> z, m = torch.full((1, 1, 1, 1), 45 / 64), torch.full((1, 1, 1, 1), 0.3)
    >>> 64 * bit_mask(z, m).item()  # 45 is 101101; level 1 keeps two bits, 100000
    32.0
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


# --- paper 2: one map value decides how many channels are kept -----------------------------------

SELECTIONS = ("none", "first", "largest")  # M, M_I^1 and M_I^* of Table 1


def largest_channel(f4: Tensor) -> Tensor:
    """Which channel is each image's importance map: the one with the largest sum (Eq. 7).

    f4: (B, N, h, w) -> n: (B,) int64.
    """
    # n = argmax_k sum_ij f_ijk
    return f4.sum(dim=(2, 3)).argmax(dim=1)


def kept_bits_per_pixel(m: Tensor, x: Tensor, channels: int, reading: str) -> Tensor:
    """Code bits that the map keeps, per pixel: the simplest rate term (Li 2018, Eq. 6).

    m: (B, 1 or C, h, w); x: (B, 1, H, W); channels: of the code.
    """
    values = channels * m.shape[-2] * m.shape[-1]
    return mean_bits(m, reading) * values / (x.shape[-2] * x.shape[-1])


def kept_channel_bits_per_pixel(m: Tensor, x: Tensor, channels: int) -> Tensor:
    """The same for a map of channels: m (B, 1, h, w) is the share that is kept, of 6 bits each."""
    values = channels * m.shape[-2] * m.shape[-1]
    return CODE_BITS * m.mean() * values / (x.shape[-2] * x.shape[-1])


def select_channel(f4: Tensor, selection: str | int) -> Tensor:
    """The importance channel f_n of each image: (B, N, h, w) -> (B, 1, h, w).

    selection: 'largest' (Eq. 7), 'first' (Mentzer 2018), or the number of a channel, from 0, that
    is the map by decree.
    """
    if isinstance(selection, int):
        if not 0 <= selection < f4.shape[1]:
            raise ValueError(f"no channel {selection}: there are 0 to {f4.shape[1] - 1}")
        return f4[:, selection : selection + 1]
    if selection not in SELECTIONS[1:]:
        raise ValueError(f"unknown selection {selection!r}: choose {' or '.join(SELECTIONS[1:])}")
    if selection == "first":
        return f4[:, :1]
    return f4[torch.arange(len(f4), device=f4.device), largest_channel(f4)].unsqueeze(1)


def kept_channels(f_n: Tensor, channels: int) -> Tensor:
    """How many of `channels` channels are kept at each place, a real number in (0, C) (Eq. 8)."""
    # f~_n = C sigmoid(f_n)
    return channels * torch.sigmoid(f_n)


def channel_mask(f: Tensor, channels: int) -> Tensor:
    """Expand f, the number of kept channels, into the mask m (Eq. 9).

    f: (B, 1, h, w) in [0, C] -> m: (B, C, h, w) in [0, 1]; 1 for k + 1 <= f, 0 for k >= f, between
    them the fraction that is left. As printed, the three cases of Eq. 9 overlap and the third
    contradicts the first; this is what they mean.

    >>> channel_mask(torch.full((1, 1, 1, 1), 2.4), channels=5).flatten()
    tensor([1.0000, 1.0000, 0.4000, 0.0000, 0.0000])
    """
    k = torch.arange(channels, device=f.device, dtype=f.dtype).view(1, -1, 1, 1)
    # m_k = clip(f - k, 0, 1)
    return (f - k).clamp(0, 1)
