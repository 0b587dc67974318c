"""Paper 1's models: a code of whole numbers 0..63, and with mnist-cw1 the map that cut it.

    stream of a Huffman model    [words], or [table, words] where a table of its own pays
    stream of mnist-cw1          [arithmetic code of map and code]

Pictures go through the networks whole, not in stripes as photographs do: digits are small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from cwlib.coding import context, huffman
from cwlib.coding.stream import Header, StreamError
from cwlib.importance import CODE_BITS, READINGS
from cwlib.models.autoencoders import DOWNSCALE
from cwlib.zoo import TrainedModel

CHANNELS = (1,)
MAX_PIXELS = 2**24  # at some 300 bytes of memory a pixel 5 GB: all of it goes through at once


@dataclass(frozen=True)
class Latents:
    """What a stream says: symbols (C, h, w) in 0..63, zero-filled, and map levels (h, w) or None.

    levels are there only where the stream carries them (mnist-cw1).
    """

    symbols: np.ndarray
    levels: np.ndarray | None = None


def step(model: TrainedModel) -> int:
    """The networks take heights and widths that are multiples of this."""
    return DOWNSCALE


@torch.no_grad()
def analyse(
    model: TrainedModel, images: np.ndarray, importance: float, watch: object = None
) -> list[Latents]:
    """uint8 images (N, H, W) -> one Latents each; watch: not used, there are no stripes."""
    x = torch.from_numpy(_pad(images)).unsqueeze(1).float() / 255  # (N, 1, H8, W8)
    z, m = model.net.analyse(x)
    if m is None and importance != 1.0:
        raise ValueError(f"{model.name} has no importance map: importance must be 1")
    symbols, levels = model.net.symbols(z, None if m is None else importance * m)
    symbols = symbols.numpy().astype(np.int64)
    if not isinstance(model.coder, context.Coder):
        return [Latents(s) for s in symbols]
    return [
        Latents(s, i) for s, i in zip(symbols, levels[:, 0].numpy().astype(np.int64), strict=True)
    ]


def to_sections(model: TrainedModel, latents: Latents) -> list[bytes]:
    """Entropy-code the latents of one image.

    Huffman models: one section coded with the model's own code, or, where that is shorter, two:
    the table of a code made for this image, and the words (importance < 1 is unlike training).
    """
    if isinstance(model.coder, context.Coder):
        cut = _cut_bits(model, latents.levels)
        return [model.coder.encode(latents.levels, latents.symbols >> cut)]
    symbols = latents.symbols.ravel()
    own = huffman.Code.from_counts(np.bincount(symbols, minlength=2**CODE_BITS))
    choices = [[model.coder.encode(symbols)], [own.to_bytes(), own.encode(symbols)]]
    return min(choices, key=lambda parts: sum(map(len, parts)) + len(parts))


def sent_level(model: TrainedModel, sections: list[bytes]) -> None:
    """Streams of digits carry no quality."""
    return None


def from_sections(model: TrainedModel, header: Header, sections: list[bytes]) -> Latents:
    """The latents in the sections of a stream with this header. Raises StreamError."""
    most = 1 if isinstance(model.coder, context.Coder) else 2
    if header.channels not in CHANNELS or not 1 <= len(sections) <= most:
        raise StreamError(
            f"{model.name} writes 1 channel and at most {most} sections, "
            f"found {header.channels} and {len(sections)}"
        )
    h, w = (-(-side // DOWNSCALE) for side in (header.height, header.width))
    c = model.experiment.channels
    if isinstance(model.coder, context.Coder):
        levels, values = model.coder.decode(sections[0], c, h, w)
        return Latents(values << _cut_bits(model, levels), levels)
    coder = model.coder
    if len(sections) == 2:
        coder = huffman.Code.from_bytes(sections[0], 2**CODE_BITS)
    return Latents(coder.decode(sections[-1], c * h * w).reshape(c, h, w))


@torch.no_grad()
def synthesise(
    model: TrainedModel, latents: Sequence[Latents], shape: tuple[int, ...], watch: object = None
) -> np.ndarray:
    """Latents of N images of `shape` (H, W) -> uint8 (N, H, W); watch: not used."""
    q = torch.from_numpy(np.stack([one.symbols for one in latents])).float()
    levels = None
    if latents[0].levels is not None:
        levels = torch.from_numpy(np.stack([one.levels for one in latents])).float().unsqueeze(1)
    x_hat = model.net.synthesise(*model.net.dequantise(q, levels))  # (N, 1, H8, W8)
    pixels = torch.round(x_hat[:, 0] * 255).to(torch.uint8).numpy()
    return np.ascontiguousarray(pixels[:, : shape[0], : shape[1]])


def _cut_bits(model: TrainedModel, levels: np.ndarray) -> np.ndarray:
    """How many low bits of each symbol the map cuts off: (1, h, w)."""
    return CODE_BITS - np.array(READINGS[model.experiment.reading])[levels][None]


def _pad(images: np.ndarray) -> np.ndarray:
    """Repeat the last row and column up to multiples of 8."""
    _, h, w = images.shape
    return np.pad(images, ((0, 0), (0, -h % DOWNSCALE), (0, -w % DOWNSCALE)), mode="edge")
