"""What comes back of a picture, beside the map of what was kept; every frame is a real stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cwbook import figures
from cwbook.widgets import live

if TYPE_CHECKING:
    from ipywidgets import interactive

    from cwlib import zoo


def importance_frame(
    model: zoo.TrainedModel, image: np.ndarray, factor: float = 1.0, threshold: float = 0.0
) -> tuple[np.ndarray, str]:
    """Original | reconstruction | kept bits as one picture, and a caption with the stream's size.

    image: uint8 (H, W), sides multiples of 8; model: one with a map. The map m becomes
    factor * m where m >= threshold and 0 elsewhere; what is shown is decoded from a real stream.
    """
    import torch

    from cwlib import codec, metrics
    from cwlib.models import importance

    with torch.no_grad():
        z, m = model.net.analyse(torch.from_numpy(image)[None, None].float() / 255)
        symbols, levels = model.net.symbols(z, factor * m * (m >= threshold))
    kept = importance.kept_bits(levels, model.experiment.reading)[0].numpy()
    sent = levels[0, 0].numpy().astype(np.int64) if model.experiment.model == "cw1" else None
    latents = codec.Latents(symbols[0].numpy().astype(np.int64), sent)
    blob = codec.pack(model, latents, image.shape)
    decoded = codec.decompress(blob)
    picture = figures.side_by_side([image, decoded, figures.colour_map(kept, *image.shape)])
    caption = (
        f"{len(blob)} bytes, {metrics.bpp(len(blob), image.shape):.4f} bpp, "
        f"{metrics.psnr(image, decoded):.2f} dB; {kept.mean():.2f} bits kept per symbol"
    )
    return picture, caption


def explore_importance(model: zoo.TrainedModel, digits: np.ndarray) -> interactive:
    """Sliders for a live kernel: which digit, the map's factor, a threshold on the map.

    digits: uint8 (N, 128, 128). Every move encodes and decodes again with the real model.
    """

    def frame(digit: int = 0, factor: float = 1.0, threshold: float = 0.0):
        return importance_frame(model, digits[digit], factor, threshold)

    last = len(digits) - 1
    share = (0.0, 1.0, 0.05)
    return live.explorer(frame, digit=(0, last), factor=share, threshold=(0.0, 1.0, 0.02))


def photo_frame(
    model: zoo.TrainedModel,
    image: np.ndarray,
    importance: float = 1.0,
    *,
    quality: float | None = None,
) -> tuple[np.ndarray, str]:
    """Original | reconstruction | kept channels in one picture; a caption with the stream's size.

    image: uint8 (H, W, 3), sides multiples of 8; model: of photographs; quality: 0..1, of a model
    of many rates. The third part is there where the model has a mask. What is shown is decoded from
    a real stream.
    """
    import torch

    from cwlib import codec, metrics

    blob = codec.compress(model, image, importance, quality=quality)
    decoded = codec.synthesise(model, [codec.unpack(model, blob)], image.shape)[0]
    shown = [image, decoded]
    rate, psnr = metrics.bpp(len(blob), image.shape), metrics.psnr(image, decoded)
    caption = f"{len(blob):,} bytes, {rate:.4f} bpp, {psnr:.2f} dB"
    if model.experiment.mask != "none":
        x = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255
        with torch.no_grad():
            _, f = model.net.mask(model.net.g_a(x), importance)  # (1, 1, H/8, W/8)
        channels = model.net.channels
        shown.append(figures.colour_map(f[0, 0].numpy(), *image.shape[:2], vmax=channels))
        caption += f"; {f.mean():.1f} of {channels} channels kept"
    return figures.side_by_side(shown), caption


def bits_frame(
    model: zoo.TrainedModel,
    image: np.ndarray,
    importance: float = 1.0,
    vmax: float = 2.0,
    *,
    quality: float | None = None,
) -> tuple[np.ndarray, str]:
    """Decoded | bits spent at each place, as one picture; a caption with the stream's size.

    image: uint8 (H, W, 3); model: of photographs; quality: as in `photo_frame`. The map is what the
    latents at a place take, in bits per pixel, hyper-latents left out; dark is 0, yellow vmax and
    more.
    """
    from cwlib import codec, metrics

    blob = codec.compress(model, image, importance, quality=quality)
    latents = codec.unpack(model, blob)
    decoded = codec.synthesise(model, [latents], image.shape)[0]
    spent = codec.latent_bits(model, latents).sum(0)  # (h, w)
    h, w = image.shape[:2]
    side = (h + -h % model.net.downscale) // len(spent)  # of a place, in pixels
    spent = spent / side**2
    spread = figures.colour_map(spent, side * len(spent), side * spent.shape[1], vmax=vmax)[:h, :w]
    rate, psnr = metrics.bpp(len(blob), image.shape), metrics.psnr(image, decoded)
    caption = f"{len(blob):,} bytes, {rate:.2f} bits per pixel, {psnr:.1f} dB"
    return figures.side_by_side([decoded, spread]), caption


def explore_photo(model: zoo.TrainedModel, photos: Sequence[np.ndarray]) -> interactive:
    """Sliders for a live kernel: which photograph, where in it, and how much its file may take.

    photos: uint8 (H, W, 3) each. Every move encodes and decodes a part of at most 256x256 again.
    The last slider is the quality of a model of many rates, else the factor of the map, if any.
    """
    from ipywidgets import fixed

    e, share = model.experiment, (0.0, 1.0, 0.05)

    def frame(
        photograph: int = 1,
        down: float = 0.5,
        across: float = 0.5,
        quality: float = 1.0,
        factor: float = 1.0,
    ):
        part = part_of(photos[photograph - 1], down, across)
        return photo_frame(model, part, factor, quality=quality if e.gains else None)

    return live.explorer(
        frame,
        photograph=(1, len(photos)),
        down=share,
        across=share,
        quality=(0.0, 1.0, 0.02) if e.gains else fixed(1.0),
        factor=share if e.mask != "none" and not e.gains else fixed(1.0),
    )


def part_of(photo: np.ndarray, down: float, across: float, side: int = 256) -> np.ndarray:
    """A part of at most side x side, in whole places of 8; down, across: 0..1 of the way."""
    h, w = (min(side, n // 8 * 8) for n in photo.shape[:2])
    top, left = round(down * (photo.shape[0] - h)), round(across * (photo.shape[1] - w))
    return photo[top : top + h, left : left + w]
