"""Images to bytes and back with a trained model.

    uint8 image --analyse--> Latents (whole numbers) --pack--> bytes
    bytes --unpack--> Latents --synthesise--> uint8 image

`compress` and `decompress` are the two ends; the four steps are public because the evaluation runs
the networks on many images at once and the chapters look between the steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from cwlib import zoo
from cwlib.coding import context, huffman, stream
from cwlib.coding.stream import StreamError
from cwlib.importance import CODE_BITS, MAP_BITS, READINGS
from cwlib.models.autoencoders import DOWNSCALE
from cwlib.zoo import TrainedModel

MAX_PIXELS = 2**24  # the networks take about 300 bytes of memory a pixel: 5 GB


@dataclass(frozen=True)
class Latents:
    """What a stream says: symbols (C, h, w) in 0..63, zero-filled, and map levels (h, w) or None.

    levels are there only where the stream carries them (mnist-cw1).
    """

    symbols: np.ndarray
    levels: np.ndarray | None = None


@dataclass(frozen=True)
class Info:
    """What `info` tells: the model's name (None if it is not here), size in pixels and bytes."""

    model: str | None
    model_id: str
    version: int
    height: int
    width: int
    channels: int
    n_bytes: int
    section_bytes: tuple[int, ...]
    bpp: float


def compress(model: TrainedModel, image: np.ndarray, importance: float = 1.0) -> bytes:
    """A uint8 image (H, W), any size of at least 1x1, as a stream.

    importance: 0..1 scales the map before masking (1 = as trained). Raises ValueError or TypeError
    for an image that the model cannot take.
    """
    image = _check_image(image)
    latents = analyse(model, image[None], importance)[0]
    return pack(model, latents, image.shape)


def decompress(blob: bytes, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """The image in a stream: uint8 (H, W). Raises StreamError, and nothing else, for any bytes."""
    header, _ = stream.unpack(blob, max_pixels)
    try:
        model = zoo.by_id(header.model_id)
    except zoo.UnknownModel as error:
        raise StreamError(str(error)) from error
    return synthesise(model, [unpack(model, blob, max_pixels)], (header.height, header.width))[0]


def info(blob: bytes) -> Info:
    """The header of a stream, without decoding pixels. Raises StreamError."""
    header = stream.read_header(blob)
    try:
        name = zoo.by_id(header.model_id).name
    except zoo.UnknownModel:
        name = None
    return Info(
        name,
        header.model_id.hex(),
        header.version,
        header.height,
        header.width,
        header.channels,
        len(blob),
        header.section_lengths,
        8 * len(blob) / (header.height * header.width),
    )


@torch.no_grad()
def analyse(model: TrainedModel, images: np.ndarray, importance: float = 1.0) -> list[Latents]:
    """uint8 images (N, H, W) -> one Latents each."""
    if not 0.0 <= importance <= 1.0:
        raise ValueError(f"importance must lie in 0..1, got {importance}")
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


def pack(model: TrainedModel, latents: Latents, shape: tuple[int, int]) -> bytes:
    """Entropy-code the latents of an image of `shape` (H, W) into a stream.

    Huffman models: one section coded with the model's own code, or, where that is shorter, two:
    the table of a code made for this image, and the words (importance < 1 is unlike training).
    """
    if isinstance(model.coder, context.Coder):
        cut = _cut_bits(model, latents.levels)
        sections = [model.coder.encode(latents.levels, latents.symbols >> cut)]
    else:
        symbols = latents.symbols.ravel()
        own = huffman.Code.from_counts(np.bincount(symbols, minlength=2**CODE_BITS))
        choices = [[model.coder.encode(symbols)], [own.to_bytes(), own.encode(symbols)]]
        sections = min(choices, key=lambda parts: sum(map(len, parts)) + len(parts))
    return stream.pack(model.model_id, *shape, 1, sections)


def unpack(model: TrainedModel, blob: bytes, max_pixels: int = MAX_PIXELS) -> Latents:
    """The latents in a stream of this model. Raises StreamError."""
    header, sections = stream.unpack(blob, max_pixels)
    if header.model_id != model.model_id:
        raise StreamError(
            f"this stream was made by model {header.model_id.hex()}, "
            f"not by {model.name} ({model.model_id.hex()})"
        )
    limit = max(max_pixels, MAX_PIXELS)
    if _padded_pixels(header.height, header.width) > limit:
        raise StreamError(
            f"the header says {header.height}x{header.width} pixels, once both sides are multiples "
            f"of {DOWNSCALE} more than the limit of {limit}: raise max_pixels if you trust the file"
        )
    most = 1 if isinstance(model.coder, context.Coder) else 2
    if header.channels != 1 or not 1 <= len(sections) <= most:
        raise StreamError(
            f"{model.name} writes 1 channel and at most {most} sections, "
            f"found {header.channels} and {len(sections)}"
        )
    h, w = -(-header.height // DOWNSCALE), -(-header.width // DOWNSCALE)
    c = model.experiment.channels
    if isinstance(model.coder, context.Coder):
        if sections[0].endswith(b"\0"):  # as good as none, so one picture would have two streams
            raise StreamError("the arithmetic code ends in a zero byte, which no encoder writes")
        levels, values = model.coder.decode(sections[0], c, h, w)
        return Latents(values << _cut_bits(model, levels), levels)
    coder = model.coder
    if len(sections) == 2:
        coder = huffman.Code.from_bytes(sections[0], 2**CODE_BITS)
    return Latents(coder.decode(sections[-1], c * h * w).reshape(c, h, w))


@torch.no_grad()
def synthesise(
    model: TrainedModel, latents: Sequence[Latents], shape: tuple[int, int]
) -> np.ndarray:
    """Latents of N images of `shape` (H, W) -> uint8 (N, H, W)."""
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


def _check_image(image: np.ndarray) -> np.ndarray:
    image = np.asarray(image)
    if image.dtype != np.uint8:
        raise TypeError(f"expected uint8 pixels in 0..255, got {image.dtype}")
    if image.ndim == 3:
        raise ValueError(
            f"expected a grey image (H, W), got shape {image.shape}: convert it to grey first"
        )
    if image.ndim != 2 or 0 in image.shape:
        raise ValueError(f"expected a grey image (H, W) of at least 1x1, got shape {image.shape}")
    if _padded_pixels(*image.shape) > MAX_PIXELS:
        raise ValueError(
            f"{image.shape[0]}x{image.shape[1]} is over {MAX_PIXELS} pixels once both sides are "
            f"multiples of {DOWNSCALE}: cut it"
        )
    return image


def _padded_pixels(height: int, width: int) -> int:
    """What the networks see of an image: a strip of 1 x n costs as much as one of 8 x n."""
    return (height + -height % DOWNSCALE) * (width + -width % DOWNSCALE)


def _pad(images: np.ndarray) -> np.ndarray:
    """Repeat the last row and column up to multiples of 8."""
    _, h, w = images.shape
    return np.pad(images, ((0, 0), (0, -h % DOWNSCALE), (0, -w % DOWNSCALE)), mode="edge")


__all__ = [
    "MAP_BITS",
    "Info",
    "Latents",
    "analyse",
    "compress",
    "decompress",
    "info",
    "pack",
    "synthesise",
    "unpack",
]
