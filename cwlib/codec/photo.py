"""Our codec for photographs: one net for all rates, a quality that may differ from place to place.

    stream    [quality and rANS code of y, pass 1, pass 2 (, regions)]

The quality 0..1 travels as a level of 0..240, one byte. With a mask of regions, the fourth section
says how much less than this each place of 16x16 pixels gets: a byte for the span in levels, and
the mask in nine steps, arithmetic coded.

A grey picture goes through the network with its plane three times, and comes back as the mean of
three: the model has seen colour alone. Its header says 1 channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from cwlib.codec import arguments, refine
from cwlib.codec.photos import Watch, in_stripes, to_tensor, to_uint8
from cwlib.codec.precision import fast
from cwlib.coding import adaptive
from cwlib.coding.checkerboard import GRID, KNOT, LATENT_MAX, SYMBOL_MAX, Coded
from cwlib.coding.stream import Header, StreamError
from cwlib.models.photo import HYPER_DOWNSCALE, PATCH
from cwlib.zoo import TrainedModel

CHANNELS = (1, 3)
MAX_PIXELS = 2**26  # to compress
DECODED_PIXELS = 2**23  # to decode, where the caller does not say more: see the chapter's table
SECTIONS = 3  # of a stream without regions
MASK_STEPS = 8  # a mask of regions is sent as 0 .. 8
QUALITY, ROI_WEIGHT = 0.5, 0.5  # where the caller says nothing

# As in `photos`: pixels of a stripe, and how many of its neighbours it sees. The kernels reach 120.
STRIPE_PIXELS, HALO = 2**22, 128


@dataclass(frozen=True, eq=False)
class Regions:
    """How the quality differs from place to place.

    mask: (h, w) whole numbers 0 .. 8, one for each 16x16 pixels; 8 is the quality of the picture,
    0 is `span` levels (1 .. 240) less, and between them it is proportional.
    """

    mask: np.ndarray
    span: int


@dataclass(frozen=True, eq=False)
class Latents:
    """Whole numbers: symbols and values (C, h, w), see `coding.checkerboard`; hyper-latents y.

    values follow from all else. level: the quality in 240ths; regions: None for none.
    """

    symbols: np.ndarray
    values: np.ndarray
    y: np.ndarray
    level: int
    regions: Regions | None = None


def step(model: TrainedModel) -> int:
    """The networks take heights and widths that are multiples of this."""
    return model.net.downscale


def top_level(model: TrainedModel) -> int:
    """The level of quality 1."""
    return KNOT * (model.coder.knots - 1)


def level(model: TrainedModel, quality: float) -> int:
    """The level that stands for a quality of 0..1. Raises TypeError, ValueError."""
    return round(arguments.share("quality", quality) * top_level(model))


def quality(model: TrainedModel, level: int | None) -> float | None:
    """The quality that a level stands for; None for a level that no stream has."""
    top = top_level(model)
    return None if level is None or level > top else level / top


def regions(model: TrainedModel, roi: np.ndarray | None, weight: float, shape) -> Regions | None:
    """Regions from a grey picture that says where bits matter, None where it is white everywhere.

    roi: uint8 (H, W) of the picture's size; 255 has the quality that is asked for, 0 `weight` less.
    Raises ValueError, TypeError.
    """
    if roi is None:
        return None
    roi = arguments.pixels(roi, "roi")
    if roi.ndim != 2:
        raise TypeError(f"roi: expected a grey uint8 picture (H, W), got shape {roi.shape}")
    if roi.shape != tuple(shape[:2]):
        raise ValueError(
            f"roi: expected a mask of the picture's size, {shape[0]}x{shape[1]}, "
            f"got {roi.shape[0]}x{roi.shape[1]}"
        )
    weight = arguments.share("roi_weight", weight)
    if weight == 0.0:
        raise ValueError("roi_weight must be above 0: without it there are no regions")
    if not roi.any():
        raise ValueError("roi: the mask is black everywhere, so no region matters more")
    mask = np.floor(_blocks(roi).mean(axis=(1, 3)) * MASK_STEPS / 255 + 0.5).astype(np.uint8)
    span = max(1, round(weight * top_level(model)))
    return None if (mask == MASK_STEPS).all() else Regions(mask, span)


def activity_mask(image: np.ndarray) -> np.ndarray:
    """A mask of regions from the picture alone: darker where it is busy, which hides errors.

    uint8 (H, W) or (H, W, 3) -> uint8 (H, W). Each octave of the standard deviation of the luma
    in 16x16 pixels above the quietest takes a sixth of the mask's range.
    """
    luma = image if image.ndim == 2 else image.astype(np.float64) @ (0.299, 0.587, 0.114)
    octaves = np.log2(1 + _blocks(luma).std(axis=(1, 3)))
    mask = np.rint(255 * (1 - np.minimum(octaves - octaves.min(), 6) / 6)).astype(np.uint8)
    h, w = luma.shape
    return mask.repeat(PATCH, axis=0).repeat(PATCH, axis=1)[:h, :w]


def _blocks(plane: np.ndarray) -> np.ndarray:
    """(H, W) -> (h, 16, w, 16) floats, the last row and column repeated to whole places."""
    h, w = plane.shape
    padded = np.pad(plane, ((0, -h % PATCH), (0, -w % PATCH)), mode="edge").astype(np.float64)
    return padded.reshape(padded.shape[0] // PATCH, PATCH, -1, PATCH)


def levels(model: TrainedModel, level: int, regions: Regions | None, h: int, w: int) -> np.ndarray:
    """The level of every place of the latents, (h, w) int64."""
    if regions is None:
        return np.full((h, w), level, dtype=np.int64)
    rim = (h - regions.mask.shape[0], w - regions.mask.shape[1])
    mask = np.pad(regions.mask.astype(np.int64), ((0, rim[0]), (0, rim[1])), mode="edge")
    # level - span (8 - mask) / 8, rounded
    lower = (regions.span * (MASK_STEPS - mask) + MASK_STEPS // 2) // MASK_STEPS
    return np.maximum(level - lower, 0)


def analyse(
    model: TrainedModel, images: np.ndarray, importance: float, watch: Watch = iter
) -> list[Latents]:
    """uint8 images (N, H, W) or (N, H, W, 3) -> one Latents each; importance: the quality."""
    number, latents = level(model, importance), []
    for image in images:
        _, where, _, z, y = _reals(model, image, number, None, watch)
        latents.append(_quantised(model, z, y, where, number, None)[0])
    return latents


def encode(
    model: TrainedModel,
    image: np.ndarray,
    level: int,
    regions: Regions | None = None,
    effort: int = 0,
    watch: Watch = iter,
) -> list[bytes]:
    """A uint8 image -> the sections of its stream. effort: 0..9, see `refine`."""
    x, where, s, z, y = _reals(model, image, level, regions, iter if effort else watch)
    if effort == 0:
        latents, coded = _quantised(model, z, y, where, level, regions)
        return _sections(latents, model.coder.write(coded, latents.y))
    lambda_2 = model.net.lambda_2(torch.from_numpy(where / top_level(model)).to(z))[None, None]
    x = x.to(z.device).float() / 255
    picture = refine.Picture(model.net, model.coder, x, image.shape, s, where, lambda_2)
    best = refine.search(picture, z, y, effort, watch)
    latents = Latents(best.coded.symbols, best.coded.values, best.y, level, regions)
    return _sections(latents, best.codes)


def checked(model: TrainedModel, latents: Latents, shape: tuple[int, ...]) -> Latents:
    """The latents, as they must be for an image of that shape. Raises TypeError, ValueError."""
    sides = [side + -side % step(model) for side in shape[:2]]
    y, z = model.net.noise_shapes(*sides)
    far = GRID * SYMBOL_MAX + LATENT_MAX
    arguments.whole("level", latents.level, (), 0, top_level(model))
    regions = latents.regions
    if regions is not None:
        size = tuple(-(-side // PATCH) for side in shape[:2])
        mask = arguments.whole("mask of regions", regions.mask, size, 0, MASK_STEPS)
        if (mask == MASK_STEPS).all() or not mask.any():
            raise ValueError("the mask of regions is the same everywhere: pass None for no regions")
        arguments.whole("span of regions", regions.span, (), 1, top_level(model))
    return replace(
        latents,
        symbols=arguments.whole("symbols", latents.symbols, z, 1 - SYMBOL_MAX, SYMBOL_MAX - 1),
        values=arguments.whole("values", latents.values, z, -far, far),
        y=arguments.whole("y", latents.y, y, -(2**30), 2**30),
    )


def to_sections(model: TrainedModel, latents: Latents) -> list[bytes]:
    """Entropy-code the latents of one image. Raises ValueError where they do not fit together."""
    where = levels(model, latents.level, latents.regions, *latents.symbols.shape[1:])
    return _sections(latents, model.coder.encode(latents.symbols, latents.y, where))


def _sections(latents: Latents, codes: list[bytes]) -> list[bytes]:
    first, *rest = codes
    sections = [bytes([latents.level]) + first, *rest]
    if latents.regions is not None:
        mask = adaptive.encode(latents.regions.mask.ravel(), MASK_STEPS + 1, order=1)
        sections.append(bytes([latents.regions.span]) + mask)
    return sections


def sent_level(model: TrainedModel, sections: list[bytes]) -> int | None:
    """The level that a stream's sections carry."""
    return sections[0][0] if sections and sections[0] else None


def from_sections(model: TrainedModel, header: Header, sections: list[bytes]) -> Latents:
    """The latents in the sections of a stream with this header. Raises StreamError."""
    if len(sections) not in (SECTIONS, SECTIONS + 1):
        raise StreamError(f"{model.name} writes 3 or 4 sections, found {len(sections)}")
    if not sections[0]:
        raise StreamError("the hyper-latents' section is cut short: the quality is missing")
    level, top = sections[0][0], top_level(model)
    if level > top:
        raise StreamError(f"the stream's quality is {level} of {top}")
    sizes = (header.height, header.width)
    mask = _read_regions(sections[3], sizes, top) if len(sections) > SECTIONS else None
    coarse = model.net.downscale
    h, w = (HYPER_DOWNSCALE * -(-side // coarse) for side in sizes)
    where = levels(model, level, mask, h, w)
    coded, y = model.coder.decode([sections[0][1:], *sections[1:3]], where)
    return Latents(coded.symbols, coded.values, y, level, mask)


def _read_regions(section: bytes, sizes: tuple[int, int], top: int) -> Regions:
    if not section or not 1 <= section[0] <= top:
        raise StreamError("the section of regions does not begin with their span")
    h, w = (-(-side // PATCH) for side in sizes)
    mask = adaptive.decode(section[1:], h * w, MASK_STEPS + 1, order=1).reshape(h, w)
    if (mask == MASK_STEPS).all() or not mask.any():
        raise StreamError("the mask of regions is the same everywhere, which no encoder writes")
    return Regions(mask.astype(np.uint8), section[0])


def synthesise(
    model: TrainedModel, latents: Sequence[Latents], shape: tuple[int, ...], watch: Watch = iter
) -> np.ndarray:
    """Latents of N images of `shape` (H, W) or (H, W, 3) -> uint8 (N, H, W) or (N, H, W, 3)."""
    images, grey = [], len(shape) == 2
    for one in latents:
        s = shares(model, levels(model, one.level, one.regions, *one.values.shape[1:]))

        def pixels(z16: Tensor, s: Tensor) -> Tensor:
            z_hat = z16.float() / GRID * model.net.undo(s)
            with fast(z_hat):
                x_hat = model.net.g_s(z_hat, s)
            x_hat = x_hat.mean(1, keepdim=True) if grey else x_hat
            return to_uint8(x_hat)

        values = torch.from_numpy(one.values)[None].to(device(model))
        picture = in_stripes(pixels, values, PATCH, watch, s, reach=HALO, most=STRIPE_PIXELS)
        picture = picture[0, :, : shape[0], : shape[1]].permute(1, 2, 0)  # (H, W, 3 or 1)
        images.append(picture.numpy().reshape(shape))
    return np.stack(images)


def latent_bits(model: TrainedModel, latents: Latents) -> np.ndarray:
    """What each latent takes in the stream by its table, in bits: (C, h, w)."""
    where = levels(model, latents.level, latents.regions, *latents.symbols.shape[1:])
    coded = model.coder.walk(latents.y, where, lambda half, *_: half.take(latents.symbols))
    costs = refine.costs()
    symbols = np.minimum(np.abs(coded.symbols), costs.shape[1] - 1)
    return np.where(coded.tables > 0, costs[coded.tables, symbols], 0.0)


def _reals(
    model: TrainedModel, image: np.ndarray, level: int, regions: Regions | None, watch: Watch
) -> tuple[Tensor, np.ndarray, Tensor, Tensor, Tensor]:
    """Padded pixels, levels and shares of the qualities, latents, hyper-latents: not rounded."""
    x = to_tensor(image, step(model))
    where = levels(model, level, regions, *(side // PATCH for side in x.shape[2:]))
    s = shares(model, where)
    z, y = transform(model, x, s, watch)
    arguments.check_finite(model, z, y)
    return x, where, s, z, y


def _quantised(
    model: TrainedModel,
    z: Tensor,
    y: Tensor,
    where: np.ndarray,
    level: int,
    regions: Regions | None,
) -> tuple[Latents, Coded]:
    y = y.round()[0].cpu().numpy().astype(np.int64)
    coded = model.coder.quantise(z[0].cpu().numpy(), y, where)
    return Latents(coded.symbols, coded.values, y, level, regions), coded


def transform(
    model: TrainedModel, x: Tensor, s: Tensor, watch: Watch = iter
) -> tuple[Tensor, Tensor]:
    """Pixels (1, 3, H, W) uint8 and shares of the qualities -> reals: latents in steps
    (1, C, h, w), hyper-latents (1, N, h/4, w/4)."""

    def g_a(x: Tensor, s: Tensor) -> Tensor:
        x = x.to(s.device).float() / 255
        with fast(x):
            z = model.net.g_a(x, s)
        return z * model.net.gain(s)

    z = in_stripes(g_a, x, 1 / PATCH, watch, s, reach=HALO, most=STRIPE_PIXELS)
    with fast(z):
        return z, model.net.h_a(z).float()


def shares(model: TrainedModel, levels: np.ndarray) -> Tensor:
    """What each knot of the dials counts at levels (h, w): (1, K, h, w), or (1, K, 1, 1)."""
    if (levels == levels[0, 0]).all():
        levels = levels[:1, :1]
    quality = torch.from_numpy(levels / top_level(model)).float()[None, None]
    return model.net.shares(quality, torch.empty(0, device=device(model)))


def device(model: TrainedModel) -> torch.device:
    """Where the networks are."""
    return next(model.net.parameters()).device
