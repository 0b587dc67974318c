"""The hyper-decoder in whole numbers: which Gaussian table each latent has, alike on every machine.

Encoder and decoder must pick the same tables, or all that follows is noise. Sums of real numbers
depend on the order in which a library adds them, and so on device, thread count and version; sums
of whole numbers below 2^53 do not, in float64 or anywhere else. So h_s runs here with weights
rounded to multiples of 2^-16 and activations to multiples of 2^-10:

    a_1 = relu(round(W_0 y + b_0)),  a_2 = relu(round(W_1 a_1 + b_1)),  log2 sigma = W_2 a_2 + b_2

Every product of matrices is one of whole numbers held in float64; `ScaleDecoder` checks that none
of their sums can reach 2^53. What the rounding costs is a table that is off by one here and there:
hardly anything, as neighbouring tables are nearly the same.

Source of the idea: Balle, Johnston, Minnen, 'Integer networks for data compression with
latent-variable models', ICLR 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cwlib.coding.gaussian import scale_index

WEIGHT_ONE = 2.0**16  # a weight of 1
ACTIVATION_ONE = 2.0**10  # an activation of 1
ACTIVATION_MAX = 2.0**26 - 1  # larger ones are clipped: 65,536 in reals
HYPER_MAX = 2.0**16  # hyper-latents beyond are clipped too, for this net alone
EXACT = 2.0**53  # below it float64 holds every whole number
ENLARGEMENT = 4  # places of z along each side of a place of y

# Large pictures are done in strips of ROWS rows of y, so that memory stays bounded. What a strip
# sees of its neighbours reaches further than the three layers do (1.75 rows).
ROWS, RIM = 32, 2


@dataclass(frozen=True)
class ScaleDecoder:
    """Two transposed convolutions k5 s2 with ReLU and a convolution k3, in whole numbers.

    weights: three arrays (k, k, C_out, C_in); biases: three (C_out,); all whole, float64.
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]

    @classmethod
    def from_reals(
        cls, weights: Sequence[np.ndarray], biases: Sequence[np.ndarray]
    ) -> ScaleDecoder:
        """Round a float net. weights as torch has them: (C_in, C_out, k, k) of the transposed
        convolutions, (C_out, C_in, k, k) of the last. Raises ValueError where sums could overflow.
        """
        axes = [(2, 3, 1, 0), (2, 3, 1, 0), (2, 3, 0, 1)]
        units = [1.0, ACTIVATION_ONE, ACTIVATION_ONE]  # of what goes into each layer
        limits = [HYPER_MAX, ACTIVATION_MAX, ACTIVATION_MAX]
        layers = []
        for w, b, order, unit, limit in zip(weights, biases, axes, units, limits, strict=True):
            w = np.round(w.astype(np.float64).transpose(order) * WEIGHT_ONE)
            b = np.round(b.astype(np.float64) * WEIGHT_ONE * unit)
            # |sum_k w_k a_k + b| <= sum_k |w_k| limit + |b|, and so is every part of the sum
            largest = (np.abs(w).sum(axis=(0, 1, 3)) * limit + np.abs(b)).max()
            if not largest < EXACT / 2:  # half, as rounding adds to it; NaN compares false
                raise ValueError(
                    f"layer {len(layers)} of the hyper-decoder: sums could reach 2^53, so its "
                    "weights are too large (or not finite)"
                )
            layers.append((np.ascontiguousarray(w), b))
        return cls(*zip(*layers, strict=True))

    def log2_scales(self, y: np.ndarray) -> np.ndarray:
        """Hyper-latents (N, h, w), whole -> log2 sigma (C, 4h, 4w), multiples of 2^-26."""
        a = np.clip(y.astype(np.float64), -HYPER_MAX, HYPER_MAX)
        for layer, unit in ((0, WEIGHT_ONE / ACTIVATION_ONE), (1, WEIGHT_ONE)):
            total = enlarge(a, self.weights[layer]) + self.biases[layer][:, None, None]
            # relu, rounded to whole activations; dividing by a power of two is exact
            a = np.clip(np.floor(total / unit + 0.5), 0.0, ACTIVATION_MAX)
        total = convolve(a, self.weights[2]) + self.biases[2][:, None, None]
        return total / (WEIGHT_ONE * ACTIVATION_ONE)

    def scale_indices(self, y: np.ndarray) -> np.ndarray:
        """Hyper-latents (N, h, w) -> numbers of Gaussian tables (C, 4h, 4w), int64 in 0..63."""
        strips = []
        for top in range(0, y.shape[1], ROWS):
            above = max(0, top - RIM)
            log2_sigma = self.log2_scales(y[:, above : top + ROWS + RIM])
            first = ENLARGEMENT * (top - above)
            strips.append(scale_index(log2_sigma[:, first : first + ENLARGEMENT * ROWS]))
        return np.concatenate(strips, axis=1)


def enlarge(a: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Transposed convolution, stride 2: a (C_in, h, w), weight (k, k, C_out, C_in).

    Each input place adds a k x k patch to the output (C_out, 2h, 2w); its middle lies at twice the
    place's position, and what sticks out over the edge is lost.
    """
    k, (_, h, w) = len(weight), a.shape
    out = np.zeros((weight.shape[2], 2 * h + k, 2 * w + k))
    columns = a.reshape(len(a), -1)
    for i in range(k):
        for j in range(k):
            part = (weight[i, j] @ columns).reshape(-1, h, w)
            out[:, i : i + 2 * h : 2, j : j + 2 * w : 2] += part
    return out[:, k // 2 : k // 2 + 2 * h, k // 2 : k // 2 + 2 * w]


def convolve(a: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Convolution, stride 1, zeros around: a (C_in, h, w), weight (k, k, C_out, C_in)."""
    k, (_, h, w) = len(weight), a.shape
    rim = k // 2
    padded = np.pad(a, ((0, 0), (rim, rim), (rim, rim)))
    out = np.zeros((weight.shape[2], h, w))
    for i in range(k):
        for j in range(k):
            columns = padded[:, i : i + h, j : j + w].reshape(len(a), -1)
            out += (weight[i, j] @ columns).reshape(-1, h, w)
    return out
