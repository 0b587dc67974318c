"""Coding of latents in two passes, the second of which knows the first.

    y --rANS, one table per channel--> hyper-latents
    y, qualities --exact nets--> mu, table of pass 1 --> symbols --rANS--> half of the latents
    these too   --exact nets--> mu, table of pass 2 --> symbols --rANS--> the other half

A latent z is coded as the whole number round(z - mu), with the Gaussian table that the nets name;
the decoder has z_hat = symbol + mu. Both mu and z_hat are whole numbers of sixteenths of a step.
Where the nets name the narrowest table, the symbol is 0 without being coded: most latents of a
small file are such.

In pass 1 are the latents whose channel + row + column is even: every other square of a
checkerboard, and the other squares in the next channel.

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

# (which latents, their means in sixteenths, their tables) -> their symbols
Fill = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Coded:
    """symbols, values (z_hat in sixteenths) and tables of all latents: (C, h, w) whole numbers."""

    symbols: np.ndarray
    values: np.ndarray
    tables: np.ndarray


def first_pass(channels: int, height: int, width: int) -> np.ndarray:
    """Which latents are coded in pass 1: bool (C, h, w)."""
    c, i, j = np.ogrid[:channels, :height, :width]
    return (c + i + j) % 2 == 0


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

        def nearest(where: np.ndarray, mu: np.ndarray, _: np.ndarray) -> np.ndarray:
            return np.rint(z[where] - mu / GRID).astype(np.int64)

        return self.walk(y, levels, nearest)

    def encode(self, symbols: np.ndarray, y: np.ndarray, levels: np.ndarray) -> list[bytes]:
        """Three sections: hyper-latents, pass 1, pass 2. Raises ValueError for what they cannot
        hold: other shapes, symbols that are not 0 where the nets name the narrowest table."""
        coded = self.walk(y, levels, lambda where, *_: symbols[where])
        if not np.array_equal(coded.symbols, symbols):
            raise ValueError("these symbols do not belong to these hyper-latents and qualities")
        return self.write(coded, y)

    def write(self, coded: Coded, y: np.ndarray) -> list[bytes]:
        """The sections of what `quantise` made with the same y."""
        sections = [rans.encode(y.ravel(), self._channels_of(y.shape), self.hyper_tables)]
        early = first_pass(*coded.symbols.shape)
        for where in (early, ~early):
            where = where & (coded.tables > 0)
            symbols, tables = coded.symbols[where], coded.tables[where].astype(np.int64)
            sections.append(rans.encode(symbols, tables, gaussian_tables()))
        return sections

    def decode(self, sections: list[bytes], levels: np.ndarray) -> tuple[Coded, np.ndarray]:
        """Three sections -> latents and y (N, h/4, w/4). Raises StreamError."""
        h, w = levels.shape
        shape = (len(self.hyper_tables.sizes), h // ENLARGEMENT, w // ENLARGEMENT)
        y = rans.decode(sections[0], self._channels_of(shape), self.hyper_tables).reshape(shape)
        codes = iter(sections[1:])

        def read(where: np.ndarray, mu: np.ndarray, tables: np.ndarray) -> np.ndarray:
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
        values, early = np.zeros(shape, np.int32), first_pass(*shape)
        known = np.concatenate([self.features(y), self._planes(levels)])
        for where, net in ((early, self.pass_1), (~early, self.pass_2)):
            before = values if net is self.pass_2 else None
            mu, tables[where] = self._predict(net, known, before, where)
            s = np.where(tables[where] > 0, fill(where, mu, tables[where]), 0)
            symbols[where], values[where] = s, GRID * s + mu
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
        self,
        net: tuple[exact.Layer, ...],
        known: np.ndarray,
        values: np.ndarray | None,
        where: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Means in sixteenths and tables of the latents at `where`, two vectors in their order.

        values: latents of pass 1, or None in that pass.
        """
        c, h, w = where.shape
        mu, tables = np.empty(where.shape, np.int32), np.empty(where.shape, np.uint8)
        rows = max(1, STRIP // w)
        for top in range(0, h, rows):
            above, below = max(0, top - RIM), min(h, top + rows + RIM)
            a = known[:, above:below]
            if values is not None:
                seen = np.clip(values[:, above:below], -LATENT_MAX, LATENT_MAX)
                a = np.concatenate([a, exact.run(self.known, seen)])
            inside = slice(top - above, top - above + min(rows, h - top))
            v, strip = exact.run(net, a)[:, inside], np.s_[:, top : top + rows]
            at = where[strip]
            mean = np.floor(v[:c][at] + np.float32(0.5))  # exact: see Layer.from_reals
            mu[strip][at] = np.clip(mean, -LATENT_MAX, LATENT_MAX)
            tables[strip][at] = scale_index(v[c:][at].astype(np.float64) / GRID)
        return mu[where], tables[where]

    def _channels_of(self, shape: tuple[int, ...]) -> np.ndarray:
        """The table of every hyper-latent: its channel's number."""
        n = len(self.hyper_tables.sizes)
        if len(shape) != 3 or shape[0] != n or 0 in shape:
            raise ValueError(f"expected hyper-latents ({n}, h/4, w/4) of some size, got {shape}")
        return np.repeat(np.arange(n), shape[1] * shape[2])
