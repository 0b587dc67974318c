"""Images to bytes and back with a trained model.

    uint8 image --analyse--> latents (whole numbers) --pack--> bytes
    bytes --unpack--> latents --synthesise--> uint8 image

`compress` and `decompress` are the two ends; the four steps are public because the evaluation runs
the networks on many images at once and the chapters look between the steps. What latents are, and
what a stream's sections hold, is the business of the model's family: `digits` (paper 1), `photos`
(paper 2) or `photo` (ours).

A model of many rates (photo, kodak-any-n64) is asked for a quality or for a size:

    compress(model, image, quality=0.7)
    compress_to(model, image, bpp=0.36)

>>> digit = np.zeros((128, 128), np.uint8)
>>> digit[24:104, 56:72] = 255  # a one
>>> blob = compress(zoo.load("mnist-cw1"), digit)
>>> info(blob).model, decompress(blob).shape
('mnist-cw1', (128, 128))
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from cwlib import zoo
from cwlib.baselines import RateTooLow
from cwlib.codec import digits, photo, photos, rates, refine
from cwlib.codec.digits import Latents
from cwlib.codec.photos import Watch
from cwlib.codec.rates import strength
from cwlib.coding import stream
from cwlib.coding.stream import StreamError
from cwlib.zoo import TrainedModel

AnyLatents = digits.Latents | photos.Latents | photo.Latents


@dataclass(frozen=True)
class Info:
    """What `info` tells: the model's name (None if it is not here), size in pixels and bytes.

    quality: of a net of many rates; strength: what the stream of one with an importance map
    carries, in 0..1 (quality is None below quality 0). Streams of other nets have neither.
    regions_bytes: what the mask of regions takes, 0 where there is none.
    """

    model: str | None
    model_id: str
    version: int
    height: int
    width: int
    channels: int
    n_bytes: int
    section_bytes: tuple[int, ...]
    bpp: float
    strength: float | None = None
    quality: float | None = None
    regions_bytes: int = 0


def compress(
    model: TrainedModel,
    image: np.ndarray,
    importance: float = 1.0,
    watch: Watch = iter,
    *,
    quality: float | None = None,
    effort: int = 0,
    roi: np.ndarray | None = None,
    roi_weight: float = photo.ROI_WEIGHT,
) -> bytes:
    """A uint8 image, any size of at least 1x1, as a stream.

    image: (H, W), or (H, W, 3) for a model of photographs; importance: 0..1 scales the map before
    masking (1 = as trained); watch: `tqdm` shows how far a large photograph is. Models of many
    rates: quality 0 (smallest) to 1. photo also: effort 0 (at once) to 9 (minutes), for a better
    stream of that quality; roi, a grey uint8 mask of the image's size, where 255 has the quality
    that is asked for and 0 has roi_weight less.
    Raises ValueError or TypeError for what the model cannot take.
    """
    if model.net.codec == "photo":
        level = photo.level(model, photo.QUALITY if quality is None else quality)
        image = _check_image(model, image)
        return _encoder(model, image, importance, roi, roi_weight, effort, watch)(level)
    _refuse_wishes(model, roi, effort)
    if quality is not None:
        importance = strength(model, quality)
    image = _check_image(model, image)
    latents = analyse(model, image[None], importance, watch)[0]
    return pack(model, latents, image.shape)


def compress_to(
    model: TrainedModel,
    image: np.ndarray,
    bpp: float,
    watch: Watch = iter,
    *,
    effort: int = 0,
    roi: np.ndarray | None = None,
    roi_weight: float = photo.ROI_WEIGHT,
) -> bytes:
    """The largest stream of at most `bpp` bits a pixel that the model's qualities 0 to 1 make.

    Found by bisection, with at most 9 real streams. effort, roi: as in `compress`. Raises
    RateTooLow (a ValueError) below them, with the rates that there are, and as `compress` does.
    """
    image, pixels = _check_image(model, image), image.shape[0] * image.shape[1]
    if model.net.codec == "photo":
        choices = range(photo.top_level(model) + 1)
        encode = _encoder(model, image, 1.0, roi, roi_weight, 0, watch)
    else:
        _refuse_wishes(model, roi, effort)
        choices = rates.levels(model)
        z = photos.transform(model, image, watch)

        def encode(level: int) -> bytes:
            return pack(model, photos.quantise(model, z, level / photos.LEVELS), image.shape)

    if not 0.0 < bpp < math.inf:
        raise ValueError(f"a rate in bits a pixel is above 0 and finite, got {bpp}")
    most_bytes = int(bpp * pixels / 8 + 1e-6)  # a rate that was bytes * 8 / pixels finds them again
    if effort:
        refined = _encoder(model, image, 1.0, roi, roi_weight, effort, watch)
        blob = rates.largest_with_effort(encode, refined, choices, most_bytes, watch)
    else:
        found = rates.largest(encode, choices, most_bytes, watch)
        blob = found and found[1]
    if blob is None:
        least, most = (8 * len(encode(level)) / pixels for level in (choices[0], choices[-1]))
        raise RateTooLow(
            f"{model.name} codes this picture in {math.ceil(1e4 * least) / 1e4:.4f} to {most:.4f} "
            f"bits a pixel (quality 0 to 1), not in {bpp:g}"
        )
    return blob


def _encoder(
    model: TrainedModel,
    image: np.ndarray,
    importance: float,
    roi: np.ndarray | None,
    roi_weight: float,
    effort: int,
    watch: Watch,
) -> Callable[[int], bytes]:
    """What makes the stream of a level of quality."""
    if importance != 1.0:
        raise ValueError(f"{model.name} has no importance map to scale: give a quality, 0..1")
    if not isinstance(effort, (int, np.integer)) or effort not in refine.EFFORTS:
        raise ValueError(f"effort must be a whole number of 0..9, got {effort}")
    if effort > 1 and image.shape[0] * image.shape[1] > refine.MAX_PIXELS:
        raise ValueError(
            f"efforts above 1 take pictures of at most {refine.MAX_PIXELS} pixels, not "
            f"{image.shape[0]}x{image.shape[1]}: take effort 1, or make it smaller"
        )
    where = photo.regions(model, roi, roi_weight, image.shape)
    channels = image.shape[2] if image.ndim == 3 else 1

    def encode(level: int) -> bytes:
        sections = photo.encode(model, image, level, where, effort, watch)
        return stream.pack(model.model_id, *image.shape[:2], channels, sections)

    return encode


def _refuse_wishes(model: TrainedModel, roi: np.ndarray | None, effort: int) -> None:
    if roi is not None or effort:
        raise ValueError(f"{model.name} knows neither regions (roi) nor effort: take photo")


def decompress(
    blob: bytes,
    max_pixels: int | None = None,
    watch: Watch = iter,
    model: TrainedModel | None = None,
) -> np.ndarray:
    """The image in a stream: uint8 (H, W) or (H, W, 3).

    max_pixels: the largest height * width to accept, by default what the model's family can take
    in some gigabytes; watch: as in `compress`; model: the one that made the stream, where it is
    not one of the package's. Raises StreamError, and nothing else, for any bytes.
    """
    header = stream.read_header(blob)
    if model is None:
        try:
            model = zoo.by_id(header.model_id)
        except zoo.UnknownModel as error:
            raise StreamError(str(error)) from error
    shape = (header.height, header.width, header.channels)
    shape = shape[:2] if header.channels == 1 else shape
    return synthesise(model, [unpack(model, blob, max_pixels)], shape, watch)[0]


def info(blob: bytes) -> Info:
    """The header of a stream, without decoding pixels. Raises StreamError."""
    header, sections = stream.unpack(blob, max_pixels=2**64)  # any size: nothing is decoded
    name = level = quality = None
    mask_bytes = 0
    with suppress(zoo.UnknownModel):
        model = zoo.by_id(header.model_id)
        name, level = model.name, _family(model).sent_level(model, sections)
        if model.net.codec == "photo":
            level, quality = None, photo.quality(model, level)
            mask_bytes = sum(map(len, sections[photo.SECTIONS :]))
        elif level is not None:
            quality = rates.quality(model, level)
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
        None if level is None else level / photos.LEVELS,
        quality,
        mask_bytes,
    )


def analyse(
    model: TrainedModel, images: np.ndarray, importance: float = 1.0, watch: Watch = iter
) -> list[AnyLatents]:
    """uint8 images of one shape, (N, H, W) or (N, H, W, 3) -> the latents of each."""
    if not 0.0 <= importance <= 1.0:
        raise ValueError(f"importance must lie in 0..1, got {importance}")
    return _family(model).analyse(model, images, importance, watch)


def pack(model: TrainedModel, latents: AnyLatents, shape: Sequence[int]) -> bytes:
    """Entropy-code the latents of an image of `shape` (H, W) or (H, W, 3) into a stream."""
    channels = shape[2] if len(shape) == 3 else 1
    sections = _family(model).to_sections(model, latents)
    return stream.pack(model.model_id, *shape[:2], channels, sections)


def unpack(model: TrainedModel, blob: bytes, max_pixels: int | None = None) -> AnyLatents:
    """The latents in a stream of this model; max_pixels: see `decompress`. Raises StreamError."""
    family = _family(model)
    max_pixels = family.MAX_PIXELS if max_pixels is None else max_pixels
    header, sections = stream.unpack(blob, max_pixels)
    if header.model_id != model.model_id:
        raise StreamError(
            f"this stream was made by model {header.model_id.hex()}, "
            f"not by {model.name} ({model.model_id.hex()})"
        )
    step, limit = family.step(model), max(max_pixels, family.MAX_PIXELS)
    if _padded_pixels(header.height, header.width, step) > limit:
        raise StreamError(
            f"the header says {header.height}x{header.width} pixels, once both sides are multiples "
            f"of {step} more than the limit of {limit}: raise max_pixels if you trust the file"
        )
    return family.from_sections(model, header, sections)


def synthesise(
    model: TrainedModel, latents: Sequence[AnyLatents], shape: Sequence[int], watch: Watch = iter
) -> np.ndarray:
    """Latents of N images of `shape` (H, W) or (H, W, 3) -> uint8 (N, H, W) or (N, H, W, 3)."""
    return _family(model).synthesise(model, latents, tuple(shape), watch)


def latent_bits(model: TrainedModel, latents: AnyLatents) -> np.ndarray:
    """What each latent of a photograph takes, in bits: (C, h, w); hyper-latents are left out."""
    return _family(model).latent_bits(model, latents)


def _family(model: TrainedModel) -> ModuleType:
    return {"digits": digits, "photos": photos, "photo": photo}[model.net.codec]


def _check_image(model: TrainedModel, image: np.ndarray) -> np.ndarray:
    image, family = np.asarray(image), _family(model)
    if image.dtype != np.uint8:
        raise TypeError(f"expected uint8 pixels in 0..255, got {image.dtype}")
    if image.ndim == 3 and 3 not in family.CHANNELS:
        raise ValueError(
            f"{model.name} codes grey images (H, W), got shape {image.shape}: convert it to grey, "
            "or take a model of photographs"
        )
    if image.ndim == 3 and image.shape[2] == 4:
        raise ValueError(
            f"expected 3 channels, got 4 (RGBA) in shape {image.shape}: drop the alpha channel or "
            "pass image[..., :3]"
        )
    wanted = "(H, W) or (H, W, 3)" if 3 in family.CHANNELS else "(H, W)"
    if image.ndim not in (2, 3) or 0 in image.shape or image.shape[2:] not in ((), (3,)):
        raise ValueError(f"expected an image {wanted} of at least 1x1, got shape {image.shape}")
    step, limit = family.step(model), family.MAX_PIXELS
    if _padded_pixels(*image.shape[:2], step) > limit:
        raise ValueError(
            f"{image.shape[0]}x{image.shape[1]} is over {limit} pixels once both sides are "
            f"multiples of {step}: cut it or make it smaller"
        )
    return image


def _padded_pixels(height: int, width: int, step: int) -> int:
    """What the networks see of an image: a strip of 1 x n costs as much as one of `step` x n."""
    return (height + -height % step) * (width + -width % step)


__all__ = [
    "Info",
    "Latents",
    "RateTooLow",
    "StreamError",
    "analyse",
    "compress",
    "compress_to",
    "decompress",
    "digits",
    "info",
    "latent_bits",
    "pack",
    "photo",
    "photos",
    "rates",
    "strength",
    "synthesise",
    "unpack",
]
