"""Lossless coding from coarse to fine, as a toy of L3C: real streams, two passes for each level.

    level 5 (pixels as they are) -> level 4 -> ... -> level 0, the image

`relatives.interpolator` says, for all pixels of a pass at once, which values are how likely; an
arithmetic coder with integer tables turns that into bytes. What the net says badly costs bits, but
never a pixel.

L3C's coarser levels are not pixels but features that it learns, its distributions are mixtures of
ten logistics, and one pass does a level. What is the same: discretised logistics, few parallel
passes, an entropy coder. The nearest thing in the paper is its baseline 'RGB Shared'.

The net computes in float32. Encoder and decoder get the same tables only where they compute alike,
which holds within a process; see `coding.hyperprior` for what it takes between machines.

Reference: F. Mentzer et al., Practical full resolution learned lossless image compression, 2019.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from cwbook.relatives.interpolator import (
    LOG_S_MAX,
    LOG_S_MIN,
    Interpolator,
    K,
    from_ycocg,
    levels,
    passes,
    phase,
    to_ycocg,
)
from cwlib.coding import arithmetic, stream
from cwlib.coding.stream import StreamError
from cwlib.coding.tables import Tables

SCALES = 64  # tables' scales, evenly spaced in ln s
FRACTIONS = 8  # tables' means lie 1/16, 3/16 ... 15/16 above a whole number
REACH = 511  # values further than this from a mean take the escape
LEAST = 2.0**-20  # so do those less likely than this, a sixteenth of a count of 65536

# Codes one channel of a phase, x (1, h, w): with x - whole as symbols and these tables' numbers.
Port = Callable[[Tensor, np.ndarray, np.ndarray], None]


@cache
def tables() -> Tables:
    """A table for each scale and each fraction of the mean: number scale * FRACTIONS + fraction."""
    n = np.arange(-REACH, REACH + 1)
    inside, offsets, beyond = [], [], []
    for s in np.exp(np.linspace(LOG_S_MIN, LOG_S_MAX, SCALES)):
        for mean in (np.arange(FRACTIONS) + 0.5) / FRACTIONS:
            # P(n) = sigma((n + 1/2 - mean) / s) - sigma((n - 1/2 - mean) / s)
            p = np.diff(0.5 + 0.5 * np.tanh((np.append(n, REACH + 1) - 0.5 - mean) / (2 * s)))
            first, last = np.flatnonzero(p >= LEAST)[[0, -1]]
            inside.append(p[first : last + 1])
            offsets.append(int(n[first]))
            beyond.append(max(0.0, 1 - inside[-1].sum()))
    return Tables.from_probabilities(inside, offsets, beyond)


def table_of(mean: Tensor, log_s: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Whole parts of the means, and the tables' numbers for what lies above them: int64, flat."""
    whole = torch.floor(mean)
    fraction = ((mean - whole) * FRACTIONS).long().clamp(max=FRACTIONS - 1)
    step = (LOG_S_MAX - LOG_S_MIN) / (SCALES - 1)
    scale = torch.round((log_s - LOG_S_MIN) / step).long()
    return whole.long().numpy().ravel(), (scale * FRACTIONS + fraction).numpy().ravel()


def encode(net: Interpolator, image: np.ndarray) -> bytes:
    """uint8 (H, W, 3) of any size -> the stream, in the file format of `coding.stream`.

    Sections: the coarsest level's pixels, then for each finer level D, H and V, each as Y, Co, Cg.
    Raises ValueError for another kind of image.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"expected uint8 (H, W, 3), got {image.dtype} {image.shape}")
    pyramid = levels(to_ycocg(image))
    sections = [from_ycocg(pyramid[-1]).tobytes()]

    def write(x: Tensor, whole: np.ndarray, index: np.ndarray) -> None:
        above = x.long().numpy().ravel() - whole
        sections.append(arithmetic.encode(above, index, tables()))  # 2 bytes over ideal, rANS 8

    for x in reversed(pyramid[:-1]):
        _code(net, torch.from_numpy(x.copy()).float()[None], write)
    return stream.pack(model_id(net), *image.shape, sections)


def decode(net: Interpolator, blob: bytes, finest: int = 0) -> np.ndarray:
    """The picture, bit for bit, or with finest > 0 one of its coarser levels: uint8 (H, W, 3).

    Raises StreamError for damaged streams, and for those that another net made.
    """
    header, sections = stream.unpack(blob)
    if header.model_id != model_id(net):
        raise StreamError(
            f"made by the net {header.model_id.hex()}, this is {model_id(net).hex()}: "
            "only the net that wrote a stream can read it"
        )
    shapes = [x.shape[1:] for x in levels(np.empty((0, header.height, header.width)))]
    if header.channels != 3 or len(sections) != 1 + 9 * (len(shapes) - 1):
        raise StreamError(f"{len(sections)} sections, {1 + 9 * (len(shapes) - 1)} belong there")
    x = _raw(sections[0], shapes[-1])
    left = iter(sections[1:])

    def read(x: Tensor, whole: np.ndarray, index: np.ndarray) -> None:
        above = arithmetic.decode(next(left), index, tables())
        x.copy_(torch.from_numpy(above + whole).view(x.shape))

    for shape in reversed(shapes[finest:-1]):
        fine = torch.zeros(1, 3, *shape)
        phase(fine, K).copy_(torch.from_numpy(x))
        _code(net, fine, read)
        x = fine[0].long().numpy()
    return from_ycocg(x)


def _raw(section: bytes, shape: tuple[int, int]) -> np.ndarray:
    """The coarsest level (3, h, w) from its bytes."""
    if len(section) != 3 * shape[0] * shape[1]:
        raise StreamError(f"the coarsest level has {len(section)} bytes, not {shape} pixels")
    return to_ycocg(np.frombuffer(section, dtype=np.uint8).reshape(*shape, 3))


@torch.no_grad()
def _code(net: Interpolator, fine: Tensor, port: Port) -> None:
    """Walk through a level (1, 3, H, W), whose phases the port writes out or fills in."""
    for at, p in passes(net, fine):
        x, errors = phase(fine, at), []
        for c in range(3):
            mean = p.mean(c, errors)
            port(x[:, c], *table_of(mean, p.log_s[:, c]))
            errors.append(x[:, c] - mean)


def model_id(net: nn.Module) -> bytes:
    """The first 4 bytes of the SHA-256 of the weights: what the stream's header names."""
    digest = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        digest.update(name.encode() + value.numpy().tobytes())
    return digest.digest()[: stream.MODEL_ID_BYTES]
