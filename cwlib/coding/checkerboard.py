"""Coding of latents in two passes, the second of which knows the first.

    y --rANS, one table per channel--> hyper-latents
    y, qualities --exact nets--> mu, table of pass 1 --> symbols --rANS--> half of the latents
    these too   --exact nets--> mu, table of pass 2 --> symbols --rANS--> the other half

A latent z is coded as the whole number round(z - mu), with the Gaussian table that the nets name;
the decoder has z_hat = symbol + mu. Both mu and z_hat are whole numbers of sixteenths of a step.
Where the nets name the narrowest table, the symbol is 0 without being coded: most latents of a
small file are such.

In pass 1 are the latents whose channel + row + column is even: every other square of a
checkerboard, and the other squares in the next channel. Within a pass, those of even channels come
first; then channel by channel, row by row.

Sources: He, Zheng, Sun, Wang, Qin, 'Checkerboard context model for efficient learned image
compression', CVPR 2021; the halves of the channels as in Li, Li, Lu 2022 and later video codecs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cwlib.coding import exact, rans
from cwlib.coding.gaussian import gaussian_tables, scale_index
from cwlib.coding.stream import StreamError
from cwlib.coding.tables import Tables

ENLARGEMENT = 4  # places of z along each side of a place of y
GRID = 16  # activations, means and latents are whole numbers of sixteenths
ACTIVATION_MAX = 255  # of them
HYPER_MAX = 127  # hyper-latents beyond count as that for the nets
LATENT_MAX = (1 << 12) - 1  # sixteenths: latents beyond 256 steps count as that for the nets
SYMBOL_MAX = 1 << 15  # no encoder writes a latent that many steps from its mean
KNOT = 48  # levels of quality from one knot of the nets' dials to the next

# Large pictures go through the predicting nets in strips of so many places; RIM rows are seen
# beyond a strip's edge.
STRIP, RIM = 1 << 13, 1
PASSES = (1, 2)

# (a pass, its means in sixteenths, its tables) -> its symbols, all (2, C / 2, h w / 2)
Fill = Callable[["Half", np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Coded:
    """symbols, values (z_hat in sixteenths) and tables of all latents: (C, h, w) whole numbers."""

    symbols: np.ndarray
    values: np.ndarray
    tables: np.ndarray


def first_pass(channels: int, height: int, width: int) -> np.ndarray:
    """Which latents are coded in pass 1: bool (C, h, w)."""
    c, i, j = np.ogrid[:channels, :height, :width]
    return (c + i + j) % 2 == 0


class Half:
    """The latents of one pass, as arrays (2, C / 2, h w / 2): even channels, odd channels."""

    def __init__(self, number: int, height: int, width: int):
        i, j = np.ogrid[:height, :width]
        parity = ((i + j + number - 1) % 2).ravel()
        self.squares = np.flatnonzero(parity == 0), np.flatnonzero(parity == 1)

    def take(self, a: np.ndarray) -> np.ndarray:
        """The part of an array (C, h, w)."""
        flat = a.reshape(len(a), -1)
        return np.stack([flat[g::2].take(self.squares[g], axis=1) for g in (0, 1)])

    def put(self, a: np.ndarray, part: np.ndarray) -> None:
        """Write the part into an array (C, h, w)."""
        flat = a.reshape(len(a), -1)
        for g in (0, 1):
            flat[g::2, self.squares[g]] = part[g]


@dataclass(frozen=True)
class Coder:
    """Codes latents (C, h, w) and hyper-latents y (N, h/4, w/4) at qualities `levels` (h, w).

    hyper_tables: one for each channel of y. h_s, pass_1, known, pass_2: exact nets, see
    models/photo.py. levels: whole numbers 0 .. KNOT (knots - 1).
    """

    hyper_tables: Tables
    h_s: tuple[exact.Layer, ...]
    pass_1: tuple[exact.Layer, ...]
    known: tuple[exact.Layer, ...]
    pass_2: tuple[exact.Layer, ...]

    @property
    def channels(self) -> int:
        """C, of the latents."""
        return self.known[0].weight.shape[3]

    @property
    def knots(self) -> int:
        """K: dials have a vector for each of so many levels."""
        return self.pass_1[0].weight.shape[3] - self.h_s[-1].weight.shape[2] // 4

    def quantise(self, z: np.ndarray, y: np.ndarray, levels: np.ndarray) -> Coded:
        """Round latents z (C, h, w), floats in steps, to what can be coded."""

        def nearest(half: Half, mu: np.ndarray, _: np.ndarray) -> np.ndarray:
            return np.rint(half.take(z) - mu * np.float32(1 / GRID)).astype(np.int64)

        return self.walk(y, levels, nearest)

    def encode(self, symbols: np.ndarray, y: np.ndarray, levels: np.ndarray) -> list[bytes]:
        """Three sections: hyper-latents, pass 1, pass 2. Raises ValueError for what they cannot
        hold: other shapes, symbols that are not 0 where the nets name the narrowest table."""
        coded = self.walk(y, levels, lambda half, *_: half.take(symbols))
        if not np.array_equal(coded.symbols, symbols):
            raise ValueError("these symbols do not belong to these hyper-latents and qualities")
        return self.write(coded, y)

    def write(self, coded: Coded, y: np.ndarray) -> list[bytes]:
        """The sections of what `quantise` made with the same y."""
        sections = [rans.encode(y.ravel(), self._channels_of(y.shape), self.hyper_tables)]
        for number in PASSES:
            half = Half(number, *coded.symbols.shape[1:])
            tables = half.take(coded.tables)
            known = tables > 0
            symbols = half.take(coded.symbols)[known]
            sections.append(rans.encode(symbols, tables[known].astype(np.int64), gaussian_tables()))
        return sections

    def decode(self, sections: list[bytes], levels: np.ndarray) -> tuple[Coded, np.ndarray]:
        """Three sections -> latents and y (N, h/4, w/4). Raises StreamError."""
        h, w = levels.shape
        shape = (len(self.hyper_tables.sizes), h // ENLARGEMENT, w // ENLARGEMENT)
        y = rans.decode(sections[0], self._channels_of(shape), self.hyper_tables).reshape(shape)
        codes = iter(sections[1:])

        def read(half: Half, mu: np.ndarray, tables: np.ndarray) -> np.ndarray:
            coded = tables > 0
            symbols = np.zeros(tables.shape, dtype=np.int64)
            symbols[coded] = rans.decode(
                next(codes), tables[coded].astype(np.int64), gaussian_tables()
            )
            if np.abs(symbols).max(initial=0) >= SYMBOL_MAX:
                raise StreamError("a latent is further from its mean than any encoder writes")
            return symbols

        return self.walk(y, levels, read), y

    def walk(self, y: np.ndarray, levels: np.ndarray, fill: Fill) -> Coded:
        """Both passes: `fill` says the symbols of a pass once their means and tables are known."""
        shape = (self.channels, *levels.shape)
        symbols, tables = np.zeros(shape, np.int64), np.zeros(shape, np.uint8)
        values = np.zeros(shape, np.int32)
        known = np.concatenate([self.features(y), self._planes(levels)])
        for number in PASSES:
            half = Half(number, *levels.shape)
            mu, t = self._predict(number, known, values, half)
            s = np.where(t > 0, fill(half, mu, t), 0)
            half.put(symbols, s)
            half.put(tables, t)
            half.put(values, GRID * s + mu)
        return Coded(symbols, values, tables)

    def features(self, y: np.ndarray) -> np.ndarray:
        """What the hyper-latents tell both passes: whole activations (F, h, w)."""
        return exact.run(self.h_s, np.clip(y, -HYPER_MAX, HYPER_MAX))

    def _planes(self, levels: np.ndarray) -> np.ndarray:
        """What each of the K knots counts at every place, in 48ths: (K, h, w)."""
        knots = KNOT * np.arange(self.knots).reshape(-1, 1, 1)
        # 48 max(0, 1 - |t - k|) at t = level / 48
        return np.maximum(KNOT - np.abs(levels.astype(np.int64) - knots), 0).astype(np.float32)

    def _predict(
        self, number: int, known: np.ndarray, values: np.ndarray, half: Half
    ) -> tuple[np.ndarray, np.ndarray]:
        """Means in sixteenths and tables of the latents of a pass; values: those before it."""
        net = self.pass_1 if number == 1 else self.pass_2
        _, h, w = known.shape
        hidden = np.empty((net[-1].weight.shape[3], h, w), net[-1].weight.dtype)
        rows = max(1, STRIP // w)
        for top in range(0, h, rows):
            above, below = max(0, top - RIM), min(h, top + rows + RIM)
            a = known[:, above:below]
            if number == 2:
                seen = np.clip(values[:, above:below], -LATENT_MAX, LATENT_MAX)
                a = np.concatenate([a, exact.run(self.known, seen)])
            inside = slice(top - above, top - above + min(rows, h - top))
            hidden[:, top : top + rows] = exact.run(net[:-1], a)[:, inside]
        hidden, last, c = hidden.reshape(len(hidden), 1, -1), net[-1], self.channels
        shape = (2, c // 2, h * w // 2)
        mu, tables = np.empty(shape, np.int32), np.empty(shape, np.uint8)
        for g, squares in enumerate(half.squares):
            at = hidden.take(squares, axis=2)  # what the last layer, kernel 1, needs of it
            mean = np.floor(last.of(np.s_[g:c:2])(at)[:, 0] + np.float32(0.5))
            mu[g] = np.clip(mean, -LATENT_MAX, LATENT_MAX)
            log2_sigma = last.of(np.s_[c + g :: 2])(at)[:, 0]
            tables[g] = scale_index(log2_sigma * np.float64(1 / GRID))
        return mu, tables

    def _channels_of(self, shape: tuple[int, ...]) -> np.ndarray:
        """The table of every hyper-latent: its channel's number."""
        n = len(self.hyper_tables.sizes)
        if len(shape) != 3 or shape[0] != n or 0 in shape:
            raise ValueError(f"expected hyper-latents ({n}, h/4, w/4) of some size, got {shape}")
        return np.repeat(np.arange(n), shape[1] * shape[2])
