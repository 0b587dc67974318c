"""The hyper-decoder of paper 2's nets in whole numbers: which Gaussian table each latent has.

h_s runs with weights rounded to multiples of 2^-16 and activations to multiples of 2^-10
(`coding.exact` says why):

    a_1 = relu(round(W_0 y + b_0)),  a_2 = relu(round(W_1 a_1 + b_1)),  log2 sigma = W_2 a_2 + b_2

What the rounding costs is a table that is off by one here and there: hardly anything, as
neighbouring tables are nearly the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cwlib.coding import exact
from cwlib.coding.gaussian import scale_index

WEIGHT_ONE = 2.0**16  # a weight of 1
ACTIVATION_ONE = 2.0**10  # an activation of 1
ACTIVATION_MAX = 2.0**26 - 1  # larger ones are clipped: 65,536 in reals
HYPER_MAX = 2.0**16  # hyper-latents beyond are clipped too, for this net alone
ENLARGEMENT = 4  # places of z along each side of a place of y

# Large pictures are done in strips of ROWS rows of y, so that memory stays bounded. What a strip
# sees of its neighbours reaches further than the three layers do (1.75 rows).
ROWS, RIM = 32, 2


@dataclass(frozen=True)
class ScaleDecoder:
    """Two transposed convolutions k5 s2 with ReLU and a convolution k3, in whole numbers."""

    layers: tuple[exact.Layer, ...]

    @classmethod
    def from_reals(
        cls, weights: Sequence[np.ndarray], biases: Sequence[np.ndarray]
    ) -> ScaleDecoder:
        """Round a float net. weights as torch has them: (C_in, C_out, k, k) of the transposed
        convolutions, (C_out, C_in, k, k) of the last. Raises ValueError where sums could overflow.
        """
        ones = [1.0, ACTIVATION_ONE, ACTIVATION_ONE]  # of what goes into each layer
        units = [WEIGHT_ONE / ACTIVATION_ONE, WEIGHT_ONE, WEIGHT_ONE * ACTIVATION_ONE]
        largest = [HYPER_MAX, ACTIVATION_MAX, ACTIVATION_MAX]
        layers = []
        parts = zip(weights, biases, ones, units, largest, strict=True)
        for k, (w, b, one, unit, most) in enumerate(parts):
            last = k == 2
            w = w.astype(np.float64).transpose((2, 3, 0, 1) if last else (2, 3, 1, 0))
            layer = exact.Layer(
                np.ascontiguousarray(np.round(w * WEIGHT_ONE)),
                np.round(b.astype(np.float64) * WEIGHT_ONE * one)[:, None, None],
                np.full((len(b), 1, 1), unit),
                None if last else (0.0, ACTIVATION_MAX),
                enlarges=not last,
            )
            try:
                layer.check(most)
            except ValueError as error:
                raise ValueError(f"layer {k} of the hyper-decoder: {error}") from error
            layers.append(layer)
        return cls(tuple(layers))

    def log2_scales(self, y: np.ndarray) -> np.ndarray:
        """Hyper-latents (N, h, w), whole -> log2 sigma (C, 4h, 4w), multiples of 2^-26."""
        return exact.run(self.layers, np.clip(y.astype(np.float64), -HYPER_MAX, HYPER_MAX))

    def scale_indices(self, y: np.ndarray) -> np.ndarray:
        """Hyper-latents (N, h, w) -> numbers of Gaussian tables (C, 4h, 4w), int64 in 0..63."""
        strips = []
        for top in range(0, y.shape[1], ROWS):
            above = max(0, top - RIM)
            log2_sigma = self.log2_scales(y[:, above : top + ROWS + RIM])
            first = ENLARGEMENT * (top - above)
            strips.append(scale_index(log2_sigma[:, first : first + ENLARGEMENT * ROWS]))
        return np.concatenate(strips, axis=1)
