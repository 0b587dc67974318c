"""A code at several scales, the fine ones told by the coarse, after Nakanishi et al. 2018.

Lossy part: an autoencoder sends whole numbers from three depths, each at its own resolution.

    x --> h1 --> h2 --> h3        z1 at H/4, z2 at H/8, z3 at H/16
          |      |      |
          z1     z2     z3        symbols -3 ... 3, trained for the picture alone
          |      |      |
    x <-- s1 <-- s2 <-- s3

Lossless part: what is decoded already tells what the next symbols will be, so that they cost less.
A schedule (`schedules`) names the steps of the decoder and what each may look at. The paper has a
network predict the symbols of each step. Here it is a least-squares fit rounded to whole numbers:
what selects a table is the same on every machine, and the tables come from counting.

Reference: Nakanishi, Maeda, Miyato, Okanohara, 'Neural multi-scale image compression', ACCV 2018,
and its code, github.com/pfnet-research/nms-comp.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cwbook.relatives import short_run
from cwbook.relatives.schedules import AROUND, CELL, Step, places, sizes
from cwlib.coding import arithmetic
from cwlib.coding.jit import jit
from cwlib.coding.stream import StreamError
from cwlib.coding.tables import Tables
from cwlib.models import quantize

REACH = 3  # symbols -3 ... 3: seven, as in the paper's code
HEADER = struct.Struct("<HH")  # height and width in pixels
LARGEST = 1 << 22  # pixels that `decompress` believes a header

Codes = list[np.ndarray]  # [z1, z2, z3], int64 (C, h, w), finest first


# --- the lossy part ------------------------------------------------------------------------------


class Lossy(nn.Module):
    """The autoencoder. channels: of z1, z2, z3."""

    def __init__(self, channels: tuple[int, int, int] = (1, 2, 4), width: int = 32):
        super().__init__()
        c1, c2, c3 = self.channels = channels

        def conv(inputs: int, outputs: int) -> nn.Conv2d:
            return nn.Conv2d(inputs, outputs, 3, padding=1)

        self.down = nn.ModuleList(
            [conv(16, c1 + width), conv(4 * width, c2 + width), conv(4 * width, c3)]
        )
        # A mean of 0 and a variance of 1: the rate is set by the channels, not by training.
        self.norms = nn.ModuleList(nn.BatchNorm2d(c, affine=False) for c in channels)
        self.up = nn.ModuleList(
            [conv(c1 + width, 4 * width), conv(c2 + width, 4 * width), conv(c3, 4 * width)]
        )
        self.out = conv(width, 4)

    def encode(self, x: Tensor) -> list[Tensor]:
        """x: (B, 1, H, W) in [0, 1], H and W multiples of 16 -> z1, z2, z3, whole numbers."""
        f, codes = F.pixel_unshuffle(x - 0.5, 4), []  # (B, 16, H/4, W/4)
        for k, (layer, norm) in enumerate(zip(self.down, self.norms, strict=True)):
            f = layer(f if k == 0 else F.pixel_unshuffle(F.relu(f), 2))
            z, f = f[:, : self.channels[k]], f[:, self.channels[k] :]  # some leave, the rest go on
            codes.append(quantize.round_ste(norm(z).clamp(-REACH, REACH)))
        return codes

    def decode(self, codes: Sequence[Tensor]) -> Tensor:
        """z1, z2, z3 -> (B, 1, H, W), not clipped."""
        f = codes[-1]
        for k in (2, 1, 0):
            f = f if k == 2 else torch.cat([codes[k], f], dim=1)
            f = F.pixel_shuffle(F.relu(self.up[k](f)), 2)
        return F.pixel_shuffle(self.out(f), 2) + 0.5

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


def train(net: Lossy, batch: Callable[[int], Tensor], steps: int) -> list[float]:
    """Train for the mean squared error, pixels in [0, 1]; returns it for every step.

    batch: step -> (B, 1, H, W) uint8, H and W multiples of 16.
    """

    def squared_error(step: int) -> Tensor:
        x = batch(step).to(net.out.weight) / 255
        return F.mse_loss(net(x), x)

    return short_run.minimise(net, squared_error, steps)


@torch.no_grad()
def codes_of(net: Lossy, image: np.ndarray) -> Codes:
    """The symbols of a picture, uint8 (H, W) of any size; its edges are repeated to a multiple
    of 16. Raises ValueError for other pictures.
    """
    if image.dtype != np.uint8 or image.ndim != 2 or not 1 <= image.size <= LARGEST:
        raise ValueError(
            f"expected a grey picture, uint8 (H, W) of at most {LARGEST} pixels, got "
            f"{image.dtype} {image.shape}"
        )
    height, width = image.shape
    padded = np.pad(image, ((0, -height % CELL), (0, -width % CELL)), mode="edge")
    x = torch.from_numpy(padded)[None, None].to(net.out.weight) / 255
    return [z[0].cpu().numpy().astype(np.int64) for z in net.encode(x)]


@torch.no_grad()
def picture_of(net: Lossy, codes: Codes, height: int, width: int) -> np.ndarray:
    """Symbols -> uint8 (height, width)."""
    pixels = net.decode([torch.from_numpy(z)[None].to(net.out.weight) for z in codes])
    grey = (255 * pixels[0, 0, :height, :width]).round().clamp(0, 255)
    return grey.to(torch.uint8).cpu().numpy()


# --- the lossless part ---------------------------------------------------------------------------

UNIT = 256  # of the weights: 1.0, rounded to whole numbers of it
SPREADS = np.array([60, 100, 140, 190])  # bounds of the expected error: five kinds of table
MEANS = 4 * REACH + 1  # of them for means -3, -2.5 ... 3
SIGHTED = MEANS * (len(SPREADS) + 1)  # tables that all steps share which look at something
MOST_CHANNELS = 16  # of a scale; those that look at nothing have a table for each channel

Phase = tuple[int, int]
Weights = dict[Phase, tuple[np.ndarray, np.ndarray]]  # of means and of spreads, (C, F) int64


def seen(step: Step, codes: Codes, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """What the places (y, x) look at, and a one: (F, n) int64. Beyond the edge lie zeros."""
    parts = [np.ones((1, len(y)), dtype=np.int64)]
    if step.own:
        z = np.pad(codes[step.scale], ((0, 0), (1, 1), (1, 1)))
        parts += [z[:, y + 1 + dy, x + 1 + dx] for dy, dx in step.own]
    if step.coarser:
        z = np.pad(codes[step.scale + 1], ((0, 0), (1, 1), (1, 1)))
        parts += [z[:, y // 2 + 1 + dy, x // 2 + 1 + dx] for dy, dx in AROUND]
    return np.concatenate(parts)


def least_squares(step: Step, pictures: Sequence[Codes]) -> Weights:
    """For each phase: symbols from what is seen, and their absolute errors from its absolutes."""
    weights = {}
    for phase in step.phases:
        one = replace(step, phases=(phase,))
        f, z = [], []
        for codes in pictures:
            y, x = places(one, *codes[step.scale].shape[1:])
            f.append(seen(step, codes, y, x))
            z.append(codes[step.scale][:, y, x])
        a, b = np.hstack(f).T, np.hstack(z).T  # (n, F), (n, C)
        # min |A w - b|^2, then min |abs(A) v - abs(b - A w)|^2
        w = np.linalg.lstsq(a, b, rcond=None)[0]
        v = np.linalg.lstsq(np.abs(a), np.abs(b - a @ w), rcond=None)[0]
        weights[phase] = _whole(w.T), _whole(v.T)
    return weights


def _whole(weights: np.ndarray) -> np.ndarray:
    return np.round(UNIT * weights).astype(np.int64)


def table_numbers(
    step: Step, weights: Weights, codes: Codes, y: np.ndarray, x: np.ndarray
) -> np.ndarray:
    """Which table codes each symbol of the places (y, x): (n, C), in whole-number arithmetic."""
    channels = len(codes[step.scale])
    if not (step.own or step.coarser):
        alone = SIGHTED + MOST_CHANNELS * step.scale + np.arange(channels)
        return np.broadcast_to(alone, (len(y), channels))
    f, numbers = seen(step, codes, y, x), np.empty((channels, len(y)), dtype=np.int64)
    for phase, (w, v) in weights.items():
        mine = (y % 2 == phase[0]) & (x % 2 == phase[1])
        mean, spread = w @ f[:, mine], v @ np.abs(f[:, mine])
        half = np.clip((2 * mean + UNIT // 2) // UNIT, -2 * REACH, 2 * REACH) + 2 * REACH
        numbers[:, mine] = half * (len(SPREADS) + 1) + np.searchsorted(SPREADS, spread)
    return numbers.T


@dataclass(frozen=True)
class Lossless:
    """A schedule, the weights of each of its steps, and the tables that they choose from."""

    schedule: tuple[Step, ...]
    weights: tuple[Weights, ...]
    tables: Tables

    def encode(self, codes: Codes) -> bytes:
        """All symbols as one arithmetic code, in the order in which the schedule decodes them."""
        _, symbols, numbers = zip(*in_order(self.schedule, self.weights, codes), strict=True)
        return arithmetic.encode(np.concatenate(symbols), np.concatenate(numbers), self.tables)

    def bits(self, codes: Codes) -> list[float]:
        """What the symbols of each scale cost, finest first: -log2 of their shares, summed."""
        total = [0.0] * len(codes)
        for step, symbols, numbers in in_order(self.schedule, self.weights, codes):
            place = symbols + REACH
            cdfs = self.tables.cdfs
            share = (cdfs[numbers, place + 1] - cdfs[numbers, place]) / cdfs[0, -1]
            total[step.scale] -= float(np.log2(share).sum())
        return total

    def decode(self, data: bytes, shapes: Sequence[tuple[int, int, int]]) -> Codes:
        """The codes of these shapes (C, h, w), step by step. Raises StreamError."""
        codes = [np.zeros(shape, dtype=np.int64) for shape in shapes]
        message = arithmetic.as_message(data)
        state = arithmetic.start_decoder(message)
        for step, weights in zip(self.schedule, self.weights, strict=True):
            y, x = places(step, *shapes[step.scale][1:])
            size = 1 if step.one_by_one else max(1, len(y))
            for k in range(0, len(y), size):
                now = slice(k, k + size)
                numbers = table_numbers(step, weights, codes, y[now], x[now])
                symbols = np.zeros(numbers.size, dtype=np.int64)
                tables = self.tables.cdfs, self.tables.sizes, self.tables.offsets
                if not _read(state, message, numbers.ravel(), *tables, symbols):
                    raise StreamError("damaged multi-scale code: it names a symbol beyond 3")
                codes[step.scale][:, y[now], x[now]] = symbols.reshape(numbers.shape).T
        arithmetic.check_end(message, int(state[arithmetic.POSITION]))
        return codes


def in_order(
    schedule: Sequence[Step], weights: Sequence[Weights], codes: Codes
) -> Iterator[tuple[Step, np.ndarray, np.ndarray]]:
    """For every step: it, its symbols (n C,) and the numbers of their tables."""
    for step, own in zip(schedule, weights, strict=True):
        y, x = places(step, *codes[step.scale].shape[1:])
        numbers = table_numbers(step, own, codes, y, x)
        yield step, codes[step.scale][:, y, x].T.ravel(), numbers.ravel()


def fit(pictures: Sequence[Codes], schedule: Sequence[Step]) -> Lossless:
    """Learn a schedule's weights and tables from the codes of some pictures."""
    weights = tuple(least_squares(step, pictures) for step in schedule)
    counts = np.ones((SIGHTED + 3 * MOST_CHANNELS, 2 * REACH + 1))  # nothing is impossible
    for codes in pictures:
        for _, symbols, numbers in in_order(schedule, weights, codes):
            np.add.at(counts, (numbers, symbols + REACH), 1)
    tables = Tables.from_probabilities(list(counts), [-REACH] * len(counts))
    return Lossless(tuple(schedule), weights, tables)


@jit
def _read(state, message, numbers, cdfs, sizes, offsets, symbols):
    """Decode the next symbols of a message that is only partly known yet; False where damaged."""
    for k in range(numbers.size):
        t = numbers[k]
        j = arithmetic.locate(state, cdfs[t], sizes[t])
        arithmetic.widen(state, message, cdfs[t, j], cdfs[t, j + 1])
        if j == sizes[t] - 1 or state[arithmetic.CODE] >= state[arithmetic.WIDTH]:
            return False
        symbols[k] = j + offsets[t]
    return True


# --- files ---------------------------------------------------------------------------------------


def compress(net: Lossy, lossless: Lossless, image: np.ndarray) -> bytes:
    """uint8 (H, W) -> 4 bytes of header and the coded symbols. Raises ValueError."""
    codes = codes_of(net, image)
    if max(image.shape) > 65535:
        raise ValueError(f"the header holds sides of at most 65535 pixels, got {image.shape}")
    return HEADER.pack(*image.shape) + lossless.encode(codes)


def decompress(net: Lossy, lossless: Lossless, data: bytes) -> np.ndarray:
    """What `compress` coded with the same networks: uint8 (H, W). Raises StreamError."""
    if len(data) < HEADER.size:
        raise StreamError(f"{len(data)} bytes: too short for the header of {HEADER.size}")
    height, width = HEADER.unpack_from(data)
    if not 1 <= height * width <= LARGEST:
        raise StreamError(f"a picture of {height}x{width} pixels: expected 1 to {LARGEST}")
    shapes = [(c, h, w) for c, (h, w) in zip(net.channels, sizes(height, width), strict=True)]
    return picture_of(net, lossless.decode(data[HEADER.size :], shapes), height, width)
