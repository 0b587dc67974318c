"""The hyper-decoder in whole numbers: which probability table belongs to which latent, exactly.

Encoder and decoder must choose the same table for every symbol; one difference, and all that
follows is noise. Floating point cannot promise that: a sum of reals depends on its order, and the
order on the device, the library and the number of threads. A sum of whole numbers below 2^53, held
in float64, does not. So here h_s runs on whole numbers:

    y_hat --conv, ReLU--> --conv, ReLU--> --conv--> index = 0 .. 63 of a scale table

Weights are integers of 16 bits; behind every layer the sum is rounded back to `FRACTION` bits
behind the binary point, by adding a half and dropping bits. Convolutions are sums of matrix products,
one for each tap of the kernel: no Fourier transform, no Winograd, nothing that leaves the integers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import nn

from cwlib.priors import OCTAVES_PER_TABLE, SCALE_MIN, SCALES

FRACTION = 8  # bits behind the binary point of an activation
WEIGHT_MAX = 2**15 - 1
INPUT_MAX = 2**15  # hyper-latents beyond are clipped, on both sides alike
ACTIVATION_MAX = 2**23 - 1  # real values up to 32768
EXACT = 2**53  # float64 holds every whole number up to here
ROWS = 64  # height of the strips that bound the memory for large images
# h_s ends in log2 sigma; sigma_i = 0.11 * 2^(i OCTAVES_PER_TABLE)
_LOG2_SCALE_MIN = float(np.log2(SCALE_MIN))


@dataclass(frozen=True)
class IntegerLayer:
    """One convolution (stride 1, k3) or transposed convolution (stride 2, k5) on whole numbers.

    weight: (k, k, C_out, C_in) and bias: (C_out,), whole numbers in float64; shift: bits to drop
    from the sums; low, high: what the result is clipped to (low = 0 is the ReLU).
    """

    weight: np.ndarray
    bias: np.ndarray
    stride: int
    shift: int
    low: int
    high: int

    def __post_init__(self):
        allowed = {1: 3, 2: 5}
        if self.weight.ndim != 4 or self.weight.shape[0] != allowed.get(self.stride):
            raise ValueError(f"no integer layer for k{self.weight.shape[0]} s{self.stride}")
        if self.shift < 1:
            raise ValueError(f"weights of {abs(self.weight).max()} are too large for 16 bits")

    def largest_sum(self, largest_input: int) -> int:
        """A bound on every sum and part of a sum, however the terms are ordered."""
        rows = abs(self.weight).sum(axis=(0, 1, 3)) * largest_input + abs(self.bias)
        return int(rows.max()) + 2 ** (self.shift - 1)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """x: (C_in, h, w) int32 -> (C_out, h * stride, w * stride) int32."""
        s, (_, h, w) = self.stride, x.shape
        out = np.empty((len(self.bias), s * h, s * w), dtype=np.int32)
        # Zeros around the image, which is what both kinds of layer see there; then strips of rows,
        # each with the one row above and below that it needs.
        x = np.pad(x, ((0, 0), (1, 1), (1, 1)))
        sums = self._gather if s == 1 else self._scatter
        for top in range(0, h, ROWS):
            part = x[:, top : top + ROWS + 2].astype(np.float64)
            total = sums(part) + self.bias[:, None, None]
            # round(total / 2^shift), halves up
            scaled = np.floor((total + 2 ** (self.shift - 1)) / 2**self.shift)
            out[:, s * top : s * (top + ROWS)] = scaled.clip(self.low, self.high)
        return out

    def _gather(self, x: np.ndarray) -> np.ndarray:
        """Convolution k3: (C_in, h + 2, w + 2) -> (C_out, h, w)."""
        c, h, w = x.shape[0], x.shape[1] - 2, x.shape[2] - 2
        total = np.zeros((len(self.bias), h * w))
        for u, v in np.ndindex(3, 3):
            # out[i] += W[u] x[i + u - 1]; x already carries one zero on each side
            total += self.weight[u, v] @ x[:, u : u + h, v : v + w].reshape(c, -1)
        return total.reshape(-1, h, w)

    def _scatter(self, x: np.ndarray) -> np.ndarray:
        """Transposed convolution k5 s2 p2: (C_in, h + 2, w + 2) -> (C_out, 2h, 2w)."""
        c, h, w = x.shape
        total = np.zeros((len(self.bias), 2 * h + 3, 2 * w + 3))
        flat = x.reshape(c, -1)
        for u, v in np.ndindex(5, 5):
            # out[2 i + u] += W[u] x[i], before the padding is cut off
            product = (self.weight[u, v] @ flat).reshape(-1, h, w)
            total[:, u : u + 2 * h : 2, v : v + 2 * w : 2] += product
        # 2 for the padding of the layer, 2 for the row of zeros that was added
        return total[:, 4 : 2 * h, 4 : 2 * w]


def _integers(real: np.ndarray, bits: int) -> np.ndarray:
    """round(real * 2^bits), whole numbers in float64."""
    return np.round(real * 2.0**bits)


def _layer(conv: nn.Module, fraction_in: int, last: bool) -> IntegerLayer:
    """The integer form of one layer of h_s whose input has `fraction_in` fractional bits."""
    weight = conv.weight.detach().cpu().double().numpy()
    bias = conv.bias.detach().cpu().double().numpy()
    transposed = isinstance(conv, nn.ConvTranspose2d)
    # torch has (C_in, C_out, k, k) for transposed ones, (C_out, C_in, k, k) otherwise
    weight = weight.transpose(2, 3, 1, 0) if transposed else weight.transpose(2, 3, 0, 1)
    if last:
        # index = (log2 sigma - log2 0.11) / octaves per table, folded into the last layer
        weight, bias = weight / OCTAVES_PER_TABLE, (bias - _LOG2_SCALE_MIN) / OCTAVES_PER_TABLE
    largest = max(abs(weight).max(), 2.0**-20)
    bits = int(np.floor(np.log2(WEIGHT_MAX / largest)))  # the finest step that 16 bits allow
    return IntegerLayer(
        weight=np.ascontiguousarray(_integers(weight, bits)),
        bias=_integers(bias, bits + fraction_in),
        stride=conv.stride[0],
        shift=bits + fraction_in - (0 if last else FRACTION),
        low=0,
        high=SCALES - 1 if last else ACTIVATION_MAX,
    )


class HyperDecoder:
    """h_s on whole numbers; makes the same tables on every machine. Build it `from_float`."""

    def __init__(self, layers: list[IntegerLayer]):
        largest = INPUT_MAX
        for number, layer in enumerate(layers):
            if layer.largest_sum(largest) >= EXACT:
                raise ValueError(f"layer {number}: sums could reach 2^53 and would not be exact")
            largest = layer.high
        self.layers = tuple(layers)

    @classmethod
    def from_float(cls, h_s: nn.Sequential) -> HyperDecoder:
        """Round a trained hyper-decoder (convolutions and ReLUs by turns) to whole numbers.

        Raises ValueError where its weights are too large to be exact.
        """
        convs = [layer for layer in h_s if not isinstance(layer, nn.ReLU)]
        fractions = [0] + [FRACTION] * (len(convs) - 1)
        return cls(
            [_layer(conv, f, conv is convs[-1]) for conv, f in zip(convs, fractions, strict=True)]
        )

    def indices(self, y_hat: np.ndarray) -> np.ndarray:
        """y_hat: (N, h, w) whole numbers -> scale table of each latent: (C, 4h, 4w) uint8, 0..63."""
        x = np.clip(y_hat, -INPUT_MAX, INPUT_MAX).astype(np.int32)
        for layer in self.layers:
            x = layer.apply(x)
        return x.astype(np.uint8)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """What a weights file holds of it: int16 weights, int64 biases, int64 settings."""
        arrays = {}
        for k, layer in enumerate(self.layers):
            arrays[f"{k}.weight"] = layer.weight.astype(np.int16)
            arrays[f"{k}.bias"] = layer.bias.astype(np.int64)
            arrays[f"{k}.settings"] = np.array([layer.stride, layer.shift, layer.low, layer.high])
        return arrays

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> HyperDecoder:
        """The inverse of `to_arrays`."""
        return cls(
            [
                IntegerLayer(
                    arrays[f"{k}.weight"].astype(np.float64),
                    arrays[f"{k}.bias"].astype(np.float64),
                    *(int(v) for v in arrays[f"{k}.settings"]),
                )
                for k in range(len(arrays) // 3)
            ]
        )
