"""Paper 1's models: a code of whole numbers 0..63, and with mnist-cw1 the map that cut it.

    stream of a Huffman model    [words], or [table, words] where a table of its own pays
    stream of mnist-cw1          [arithmetic code of map and code]

Large pictures are decoded in stripes; the encoders, some of which look at all of a picture at once,
see them whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from cwlib.codec import arguments
from cwlib.codec.photos import Watch, in_stripes, to_uint8
from cwlib.coding import context, huffman
from cwlib.coding.stream import Header, StreamError
from cwlib.models.autoencoders import DOWNSCALE
from cwlib.models.importance import CODE_BITS, READINGS
from cwlib.zoo import TrainedModel

CHANNELS = (1,)
STRIPE_PIXELS = 2**20  # as in `photos`
MAX_PIXELS = 2**24  # of a picture to compress: at some 300 bytes of memory a pixel 5 GB
DECODED_PIXELS = 2**21  # to decode, where the caller does not say more: see the chapter's table


@dataclass(frozen=True, eq=False)
class Latents:
    """What a stream says: symbols (C, h, w) in 0..63, zero-filled, and map levels (h, w) or None.

    levels are there only where the stream carries them (mnist-cw1).
    """

    symbols: np.ndarray
    levels: np.ndarray | None = None


def step(model: TrainedModel) -> int:
    """The networks take heights and widths that are multiples of this."""
    return DOWNSCALE


def analyse(
    model: TrainedModel, images: np.ndarray, importance: float, watch: object = None
) -> list[Latents]:
    """uint8 images (N, H, W) -> one Latents each; watch: not used, there are no stripes."""
    x = torch.from_numpy(_pad(images)).unsqueeze(1).float() / 255  # (N, 1, H8, W8)
    z, m = model.net.analyse(x)
    arguments.check_finite(model, z, m)
    if m is None and importance != 1.0:
        raise ValueError(f"{model.name} has no importance map: importance must be 1")
    symbols, levels = model.net.symbols(z, None if m is None else importance * m)
    symbols = symbols.numpy().astype(np.int64)
    if not isinstance(model.coder, context.Coder):
        return [Latents(s) for s in symbols]
    return [
        Latents(s, i) for s, i in zip(symbols, levels[:, 0].numpy().astype(np.int64), strict=True)
    ]


def checked(model: TrainedModel, latents: Latents, shape: tuple[int, ...]) -> Latents:
    """The latents, as they must be for an image of that shape. Raises TypeError, ValueError."""
    h, w = (-(-side // DOWNSCALE) for side in shape)
    size, levels = (model.experiment.channels, h, w), latents.levels
    symbols = arguments.whole("symbols", latents.symbols, size, 0, model.net.alphabet - 1)
    sent = isinstance(model.coder, context.Coder)
    if sent != (levels is not None):
        raise ValueError(f"levels: {model.name} sends {'a' if sent else 'no'} map of them")
    if levels is not None:
        levels = arguments.whole("levels", levels, (h, w), 0, context.MAP_LEVELS - 1)
        cut = _cut_bits(model, levels)
        if (symbols >> cut << cut != symbols).any():
            raise ValueError("symbols: one has more bits than its map level keeps")
    return replace(latents, symbols=symbols, levels=levels)


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
    symbols = coder.decode(sections[-1], c * h * w).reshape(c, h, w)
    if symbols.max() >= model.net.alphabet:
        raise StreamError(f"a symbol is {symbols.max()}: {model.name} has {model.net.alphabet}")
    return Latents(symbols)


def synthesise(
    model: TrainedModel, latents: Sequence[Latents], shape: tuple[int, ...], watch: Watch = iter
) -> np.ndarray:
    """Latents of N images of `shape` (H, W) -> uint8 (N, H, W)."""

    def pixels(q: Tensor, *levels: Tensor) -> Tensor:
        x_hat = model.net.synthesise(*model.net.dequantise(*(t.float() for t in (q, *levels))))
        return to_uint8(x_hat)  # (N, 1, H8, W8)

    parts = [np.stack([one.symbols for one in latents])]
    if latents[0].levels is not None:
        parts.append(np.stack([one.levels for one in latents])[:, None])
    q, *levels = map(torch.from_numpy, parts)
    # what a pixel is made from: 3x3 kernels at a quarter of the side, two in each of the residual
    # units, and three layers that double the side
    reach = DOWNSCALE * (2 * model.experiment.units + 1) + 2 * DOWNSCALE
    x_hat = in_stripes(pixels, q, DOWNSCALE, watch, *levels, reach=reach, most=STRIPE_PIXELS)[:, 0]
    return np.ascontiguousarray(x_hat.numpy()[:, : shape[0], : shape[1]])


def _cut_bits(model: TrainedModel, levels: np.ndarray) -> np.ndarray:
    """How many low bits of each symbol the map cuts off: (1, h, w)."""
    return CODE_BITS - np.array(READINGS[model.experiment.reading])[levels][None]


def _pad(images: np.ndarray) -> np.ndarray:
    """Repeat the last row and column up to multiples of 8."""
    _, h, w = images.shape
    return np.pad(images, ((0, 0), (0, -h % DOWNSCALE), (0, -w % DOWNSCALE)), mode="edge")
