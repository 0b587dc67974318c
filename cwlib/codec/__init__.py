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
from numbers import Real
from types import ModuleType

import numpy as np

from cwlib import zoo
from cwlib.baselines import RateTooLow
from cwlib.codec import arguments, digits, photo, photos, rates, refine
from cwlib.codec.digits import Latents
from cwlib.codec.photos import Watch
from cwlib.codec.rates import strength
from cwlib.coding import stream
from cwlib.coding.stream import StreamError
from cwlib.pinned import pinned
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


@pinned()
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
    family = _family(model)
    image = arguments.picture(family, model, image)
    if family is photo:
        level = photo.level(model, photo.QUALITY if quality is None else quality)
        return _encoder(model, image, importance, roi, roi_weight, effort, watch)(level)
    _refuse_wishes(model, roi, effort)
    importance = arguments.share("importance", importance)
    if quality is not None:
        importance = strength(model, quality)
    (latents,) = family.analyse(model, image[None], importance, watch)
    return _pack(model, image.shape, family.to_sections(model, latents))


@pinned()
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
    family = _family(model)
    image = arguments.picture(family, model, image)
    pixels, most_bytes = math.prod(image.shape[:2]), _most_bytes(bpp, image.shape)
    if family is photo:
        choices = range(photo.top_level(model) + 1)
        encode = _encoder(model, image, 1.0, roi, roi_weight, 0, watch)
    else:
        _refuse_wishes(model, roi, effort)
        choices = rates.levels(model)
        z = photos.transform(model, image, watch)

        def encode(level: int) -> bytes:
            latents = photos.quantise(model, z, level / photos.LEVELS)
            return _pack(model, image.shape, photos.to_sections(model, latents))

    if effort:
        refined = _encoder(model, image, 1.0, roi, roi_weight, effort, watch)
        blob = rates.largest_with_effort(encode, refined, choices, most_bytes, watch)
    else:
        fitting = rates.largest(encode, choices, most_bytes, watch)
        blob = fitting and fitting[1]
    if blob is None:
        least, most = (8 * len(encode(level)) / pixels for level in (choices[0], choices[-1]))
        raise RateTooLow(
            f"{model.name} codes this picture in {math.ceil(1e4 * least) / 1e4:.4f} to {most:.4f} "
            f"bits a pixel (quality 0 to 1), not in {float(bpp):g}"
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

    def encode(level: int) -> bytes:
        sections = photo.encode(model, image, level, where, effort, watch)
        return _pack(model, image.shape, sections)

    return encode


def _most_bytes(bpp: float, shape: tuple[int, ...]) -> int:
    """The bytes that a rate has for a picture. Raises TypeError, ValueError."""
    if not isinstance(bpp, Real):
        raise TypeError(f"expected a number of bits a pixel, got {type(bpp).__name__}")
    if not 0.0 < bpp < math.inf:
        raise ValueError(f"a rate in bits a pixel is above 0 and finite, got {bpp}")
    # a rate that was bytes * 8 / pixels finds them again; more than 2^20 are as good as that
    return int(min(float(bpp), 2.0**20) * shape[0] * shape[1] / 8 + 1e-6)


def _refuse_wishes(model: TrainedModel, roi: np.ndarray | None, effort: int) -> None:
    if roi is not None or effort:
        raise ValueError(f"{model.name} knows neither regions (roi) nor effort: take photo")


@pinned()
def decompress(
    blob: bytes,
    max_pixels: int | None = None,
    watch: Watch = iter,
    model: TrainedModel | None = None,
) -> np.ndarray:
    """The image in a stream: uint8 (H, W) or (H, W, 3).

    max_pixels: the largest height * width to accept, by default what a laptop decodes in some five
    seconds; watch: as in `compress`; model: the one that made the stream, where it is not one of
    the package's. Raises StreamError, and nothing else, for any bytes.
    """
    header = stream.read_header(blob)
    if model is None:
        try:
            model = zoo.shared(header.model_id)
        except zoo.UnknownModel as error:
            raise StreamError(str(error)) from error
    shape = (header.height, header.width, header.channels)
    shape = shape[:2] if header.channels == 1 else shape
    return _family(model).synthesise(model, [_unpack(model, blob, max_pixels)], shape, watch)[0]


@pinned()
def info(blob: bytes) -> Info:
    """The header of a stream, without decoding pixels. Raises StreamError."""
    header, sections = stream.unpack(blob, max_pixels=2**64)  # any size: nothing is decoded
    name = level = quality = None
    mask_bytes = 0
    with suppress(zoo.UnknownModel):
        model = zoo.shared(header.model_id)
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


@pinned()
def analyse(
    model: TrainedModel, images: np.ndarray, importance: float = 1.0, watch: Watch = iter
) -> list[AnyLatents]:
    """uint8 images of one shape, (N, H, W) or (N, H, W, 3) -> the latents of each.

    This and the other three steps raise TypeError or ValueError as `compress` does.
    """
    family, importance = _family(model), arguments.share("importance", importance)
    return family.analyse(model, arguments.pictures(family, model, images), importance, watch)


@pinned()
def pack(model: TrainedModel, latents: AnyLatents, shape: Sequence[int]) -> bytes:
    """Entropy-code the latents of an image of `shape` (H, W) or (H, W, 3) into a stream."""
    family = _family(model)
    shape = arguments.shape(family, model, shape)
    return _pack(model, shape, family.to_sections(model, _checked(model, latents, shape)))


@pinned()
def unpack(model: TrainedModel, blob: bytes, max_pixels: int | None = None) -> AnyLatents:
    """The latents in a stream of this model; max_pixels: see `decompress`. Raises StreamError."""
    return _unpack(model, blob, max_pixels)


@pinned()
def synthesise(
    model: TrainedModel, latents: Sequence[AnyLatents], shape: Sequence[int], watch: Watch = iter
) -> np.ndarray:
    """Latents of N images of `shape` (H, W) or (H, W, 3) -> uint8 (N, H, W) or (N, H, W, 3)."""
    family = _family(model)
    shape = arguments.shape(family, model, shape)
    if not isinstance(latents, Sequence) or not latents:
        raise TypeError(f"expected a list of latents, got {type(latents).__name__}: pass [latents]")
    checked = [_checked(model, one, shape) for one in latents]
    return family.synthesise(model, checked, shape, watch)


@pinned()
def latent_bits(model: TrainedModel, latents: AnyLatents) -> np.ndarray:
    """What each latent of a photograph takes, in bits: (C, h, w); hyper-latents are left out."""
    family = _family(model)
    if family is digits:
        raise ValueError(f"{model.name} does not predict each latent: take a model of photographs")
    places = latents.y.shape[1:] if isinstance(latents, family.Latents) else (1, 1)
    shape = tuple(side * family.step(model) for side in places)
    return family.latent_bits(model, _checked(model, latents, shape))


def _family(model: TrainedModel) -> ModuleType:
    """What codes with this model; every entry asks it first."""
    return {"digits": digits, "photos": photos, "photo": photo}[arguments.trained(model).net.codec]


def _checked(model: TrainedModel, latents: AnyLatents, shape: tuple[int, ...]) -> AnyLatents:
    family = _family(model)
    if not isinstance(latents, family.Latents):
        raise TypeError(
            f"expected {family.__name__}.Latents, as analyse and unpack give them with "
            f"{model.name}, got {type(latents).__name__}"
        )
    return family.checked(model, latents, shape)


def _pack(model: TrainedModel, shape: tuple[int, ...], sections: list[bytes]) -> bytes:
    return stream.pack(model.model_id, *shape[:2], 3 if len(shape) == 3 else 1, sections)


def _unpack(model: TrainedModel, blob: bytes, max_pixels: int | None) -> AnyLatents:
    family = _family(model)
    limit = arguments.limit(max_pixels, family.DECODED_PIXELS)
    header, sections = stream.unpack(blob, limit)
    if header.model_id != model.model_id:
        raise StreamError(
            f"this stream was made by model {header.model_id.hex()}, "
            f"not by {model.name} ({model.model_id.hex()})"
        )
    step, limit = family.step(model), max(limit, family.DECODED_PIXELS)
    if arguments.padded_pixels(header.height, header.width, step) > limit:
        raise StreamError(
            f"the header says {header.height}x{header.width} pixels, once both sides are multiples "
            f"of {step} {stream.too_many(limit)}"
        )
    return family.from_sections(model, header, sections)


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
