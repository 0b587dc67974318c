"""Nets in whole numbers: what selects a probability table must be the same on every machine.

Encoder and decoder must pick the same tables, or all that follows is noise. Sums of real numbers
depend on the order in which a library adds them, and so on device, thread count and version. Sums
of whole numbers do not, as long as a float holds every one of them: below 2^24 in float32, below
2^53 in float64. So a trained net is rounded to whole weights, and what goes from layer to layer is
rounded to whole activations:

    a_out = clip(floor((W a_in + b) / u + 1/2)),     u a power of two for each output channel

`Layer.from_reals` proves for each layer that no sum, nor any part of one, can reach the bound. The
products of matrices go through BLAS, never through a library's convolution, which might use
Winograd's or Fourier's short cuts.

Source of the idea: Balle, Johnston, Minnen, 'Integer networks for data compression with
latent-variable models', ICLR 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

EXACT = {np.float32: 2.0**24, np.float64: 2.0**53}  # below, every whole number has its own float
UNIT_MAX = 2.0**20  # finer weights than multiples of 2^-20 gain nothing


@dataclass(frozen=True, eq=False)
class Layer:
    """A convolution on whole numbers, and what makes its sums activations again.

    weight: (k, k, C_out, C_in) and bias: (C_out, 1, 1), whole, of one float type. unit:
    (C_out, 1, 1), powers of two. limits: of the activations; None for a last layer, whose sums are
    divided by their unit and not rounded. enlarges: a transposed convolution of stride 2. shuffle:
    4 channels become 2x2 places.
    """

    weight: np.ndarray
    bias: np.ndarray
    unit: np.ndarray
    limits: tuple[float, float] | None = None
    enlarges: bool = False
    shuffle: bool = False

    @classmethod
    def from_reals(
        cls,
        weight: np.ndarray,
        bias: np.ndarray,
        largest: np.ndarray | float,
        limits: tuple[float, float] | None,
        units: np.ndarray,
        shuffle: bool = False,
    ) -> Layer:
        """Round a convolution to multiples of 1 / units.

        weight: (C_out, C_in, k, k), bias: (C_out,), in units of the output's activations for each
        unit of the input's; units: (C_out,) powers of two, of the float type to compute in: see
        `finest_units`. largest: what |a_in| can be, for all channels or (C_in,). Raises ValueError
        for other units and where sums could overflow.
        """
        in_range = (units >= 1) & (units <= UNIT_MAX) & (np.frexp(units)[0] == 0.5)
        if units.shape != bias.shape or not in_range.all():
            raise ValueError("units are powers of two up to 2^20, one for each output channel")
        w = weight.astype(np.float64).transpose(2, 3, 0, 1)
        u = units.astype(np.float64)[:, None]
        layer = cls(
            np.ascontiguousarray(np.round(w * u), dtype=units.dtype),
            np.round(bias.astype(np.float64)[:, None, None] * u[..., None]).astype(units.dtype),
            units[:, None, None],
            limits,
            shuffle=shuffle,
        )
        layer.check(largest)
        return layer

    def of(self, channels: slice) -> Layer:
        """The part of the layer that makes some of its output channels."""
        weight = np.ascontiguousarray(self.weight[:, :, channels])
        return replace(self, weight=weight, bias=self.bias[channels], unit=self.unit[channels])

    def check(self, largest: np.ndarray | float) -> None:
        """Raise ValueError where a sum could leave what its float type holds exactly."""
        w = np.abs(self.weight.astype(np.float64)) * largest
        reach = w.sum(axis=(0, 1, 3)) + np.abs(self.bias[:, 0, 0])
        dtype = self.weight.dtype.type
        if not reach.max() < EXACT[dtype] / 2:  # half, as rounding adds to it; NaN compares false
            raise ValueError(_too_large(dtype))

    def __call__(self, a: np.ndarray) -> np.ndarray:
        """Whole activations (C_in, h, w) -> those of the output, or sums / unit of a last layer."""
        a = a.astype(self.weight.dtype, copy=False)
        total = (enlarge if self.enlarges else convolve)(a, self.weight)
        total += self.bias
        total /= self.unit  # exact: a power of two
        if self.limits is not None:
            total += 0.5
            np.floor(total, out=total)
            np.clip(total, *self.limits, out=total)
        return shuffled(total) if self.shuffle else total


def finest_units(
    weight: np.ndarray, bias: np.ndarray, largest: np.ndarray | float, dtype: type = np.float32
) -> np.ndarray:
    """How finely a convolution can be rounded so that its sums stay exact: (C_out,) of `dtype`.

    Arguments as in `Layer.from_reals`. To be asked once, when a model is saved: its sums of reals
    may differ in the last bit from machine to machine. Raises ValueError where 1 is too fine.
    """
    w, b = np.abs(weight.astype(np.float64)), np.abs(bias.astype(np.float64))
    limit = np.zeros(w.shape[1]) + largest
    # |sum w a + b| <= sum |w| largest + |b|, and rounding adds at most 1/2 to each w and b; half of
    # the type's reach is left for the half unit that rounding the sum adds.
    reach = (w.sum(axis=(2, 3)) * limit).sum(axis=1) + b
    slack = 0.5 * limit.sum() * w.shape[2] * w.shape[3] + 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        units = np.exp2(np.floor(np.log2((EXACT[dtype] / 2 - slack) / (reach + 1e-9))))
    if not (units >= 1.0).all():  # NaN compares false
        raise ValueError(_too_large(dtype))
    return np.minimum(units, UNIT_MAX).astype(dtype)


def _too_large(dtype: type) -> str:
    power = int(np.log2(EXACT[dtype]))
    return f"sums could reach 2^{power}, so its weights are too large (or not finite)"


def run(layers: Sequence[Layer], a: np.ndarray) -> np.ndarray:
    """One layer after another."""
    for layer in layers:
        a = layer(a)
    return a


def shuffled(a: np.ndarray) -> np.ndarray:
    """(4 C, h, w) -> (C, 2h, 2w), as torch's PixelShuffle(2) does."""
    c, h, w = a.shape
    return a.reshape(c // 4, 2, 2, h, w).transpose(0, 3, 1, 4, 2).reshape(c // 4, 2 * h, 2 * w)


def enlarge(a: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Transposed convolution, stride 2: a (C_in, h, w), weight (k, k, C_out, C_in).

    Each input place adds a k x k patch to the output (C_out, 2h, 2w); its middle lies at twice the
    place's position, and what sticks out over the edge is lost.
    """
    k, (_, h, w) = len(weight), a.shape
    out = np.zeros((weight.shape[2], 2 * h + k, 2 * w + k), dtype=a.dtype)
    columns = a.reshape(len(a), -1)
    for i in range(k):
        for j in range(k):
            part = (weight[i, j] @ columns).reshape(-1, h, w)
            out[:, i : i + 2 * h : 2, j : j + 2 * w : 2] += part
    return out[:, k // 2 : k // 2 + 2 * h, k // 2 : k // 2 + 2 * w]


def convolve(a: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Convolution, stride 1, zeros around: a (C_in, h, w), weight (k, k, C_out, C_in)."""
    k, (c_in, h, w) = len(weight), a.shape
    if k == 1:
        return (weight[0, 0] @ a.reshape(c_in, -1)).reshape(-1, h, w)
    rim = k // 2
    padded = np.pad(a, ((0, 0), (rim, rim), (rim, rim)))
    columns = np.empty((k, k, c_in, h, w), dtype=a.dtype)
    for i in range(k):
        for j in range(k):
            columns[i, j] = padded[:, i : i + h, j : j + w]
    rows = weight.transpose(2, 0, 1, 3).reshape(weight.shape[2], -1)  # (C_out, k k C_in)
    return (rows @ columns.reshape(-1, h * w)).reshape(-1, h, w)
