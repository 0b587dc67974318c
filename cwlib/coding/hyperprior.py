"""Coding with a scale hyperprior: hyper-latents first, and from them a table for each latent.

    y --rANS, one table per channel--> section 1
    y --> scale indices --> one of 64 Gaussian tables for every z --rANS--> section 2

Section 2 begins with one bit per channel of z: whether anything in it is not zero. The importance
mask empties whole channels where a picture needs few, and those are neither coded nor decoded.

Source: Balle, Minnen, Singh, Hwang, Johnston, 'Variational image compression with a scale
hyperprior', ICLR 2018.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cwlib.coding import rans
from cwlib.coding.gaussian import gaussian_tables
from cwlib.coding.scales import ENLARGEMENT
from cwlib.coding.stream import StreamError
from cwlib.coding.tables import Tables


@dataclass(frozen=True)
class Coder:
    """Codes latents z (C, h, w) and hyper-latents y (N, h/4, w/4), whole numbers.

    hyper_tables: N tables, one for each channel of y.
    scale_indices: y -> (C, h, w), which Gaussian table each latent has. It must give the same
    numbers on every machine: see `scales.ScaleDecoder`.
    """

    hyper_tables: Tables
    scale_indices: Callable[[np.ndarray], np.ndarray]

    def encode(self, z: np.ndarray, y: np.ndarray) -> list[bytes]:
        """The two sections. Raises ValueError for shapes or values that cannot be coded."""
        hyper_code = rans.encode(y.ravel(), self._channels(y.shape), self.hyper_tables)
        indices = self.scale_indices(y)
        if z.shape != indices.shape:
            raise ValueError(f"y {y.shape} tells of latents {indices.shape}, got z {z.shape}")
        live = z.any(axis=(1, 2))
        code = rans.encode(z[live].ravel(), indices[live].ravel(), gaussian_tables())
        return [hyper_code, np.packbits(live).tobytes() + code]

    def decode(self, sections: list[bytes], h: int, w: int) -> tuple[np.ndarray, np.ndarray]:
        """Sections -> z (C, h, w) and y (N, h/4, w/4), int64; h, w: multiples of 4.

        Raises StreamError where no encoder wrote these sections for that size.
        """
        if h % ENLARGEMENT or w % ENLARGEMENT:
            raise ValueError(f"latents are multiples of {ENLARGEMENT} high and wide, not {h}x{w}")
        shape = (len(self.hyper_tables.sizes), h // ENLARGEMENT, w // ENLARGEMENT)
        y = rans.decode(sections[0], self._channels(shape), self.hyper_tables).reshape(shape)
        indices = self.scale_indices(y)
        z = np.zeros(indices.shape, dtype=np.int64)
        live, code = _live_channels(sections[1], len(z))
        coded = rans.decode(code, indices[live].ravel(), gaussian_tables())
        z[live] = coded.reshape(-1, h, w)
        if not z[live].any(axis=(1, 2)).all():
            raise StreamError("a channel of zeros is coded, which no encoder does")
        return z, y

    def _channels(self, shape: tuple[int, ...]) -> np.ndarray:
        """The table of every hyper-latent, (N h w / 16,): its channel's number."""
        n = len(self.hyper_tables.sizes)
        if len(shape) != 3 or shape[0] != n or 0 in shape:
            raise ValueError(f"expected hyper-latents ({n}, h/4, w/4) of some size, got {shape}")
        return np.repeat(np.arange(n), shape[1] * shape[2])


def _live_channels(section: bytes, channels: int) -> tuple[np.ndarray, bytes]:
    """Which channels are coded, and the bytes behind that. Raises StreamError."""
    n_bytes = -(-channels // 8)
    if len(section) < n_bytes:
        raise StreamError(f"the latents' section is cut short: {len(section)} bytes")
    bits = np.unpackbits(np.frombuffer(section[:n_bytes], dtype=np.uint8)).astype(bool)
    if bits[channels:].any():
        raise StreamError(f"the latents' section names more than the {channels} channels there are")
    return bits[:channels], section[n_bytes:]
