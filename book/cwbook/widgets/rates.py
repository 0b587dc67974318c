"""A choice of codecs beside JPEG, all within one number of bytes: prepared, or in a live kernel.

quality --> our file --> its bytes are the budget --> the best file of each rival within it
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from cwbook import figures
from cwbook.widgets import live
from cwbook.widgets.pictures import part_of
from cwbook.widgets.scrubber import Explorer, Scrubber

if TYPE_CHECKING:
    from ipywidgets import interactive

    from cwlib import zoo

OURS = "our network"
ORIGINAL = "the original"
NAMES: Mapping[str, str] = MappingProxyType(
    {"jpeg": "JPEG", "jpeg2000": "JPEG 2000", "webp": "WebP", "avif": "AVIF", "hevc": "HEVC"}
)
ALT = (
    "The same part of a photograph twice: on the left as the chosen codec gives it back, on the "
    "right from a JPEG file of as many bytes. At low rates JPEG falls into blocks of flat colour."
)


@dataclass(frozen=True, eq=False)
class Decoded:
    """What came back from a file, and how large the file was."""

    picture: np.ndarray  # uint8, as the image that went in
    bpp: float
    psnr: float  # dB
    ms_ssim: float | None  # None for an image too small for it

    def __str__(self) -> str:
        similar = "" if self.ms_ssim is None else f", MS-SSIM {self.ms_ssim:.4f}"
        return f"{self.bpp:.3f} bpp, {self.psnr:.2f} dB{similar}"


class Rivals:
    """Codecs at the size of our file; what was coded once is remembered.

    model: one of many rates; image: uint8 (H, W, 3). Raises ValueError, from the first `decoded`
    on, for a model of one rate.
    """

    def __init__(self, model: zoo.TrainedModel, image: np.ndarray) -> None:
        self.model, self.image = model, image
        self._files: dict[float, bytes] = {}
        self._decoded: dict[tuple[str, float], Decoded] = {}

    def file(self, quality: float) -> bytes:
        """Our file at a quality of 0..1: its size is the others' budget."""
        from cwlib import codec

        if quality not in self._files:
            self._files[quality] = codec.compress(self.model, self.image, quality=quality)
        return self._files[quality]

    def decoded(self, name: str, quality: float) -> Decoded:
        """What the codec (OURS, or one of NAMES) gives back from as many bytes as our file has.

        Where even its lowest quality takes more, it is that one: the rate says so.
        """
        if (name, quality) not in self._decoded:
            self._decoded[name, quality] = self._decode(name, quality)
        return self._decoded[name, quality]

    def frame(self, name: str, quality: float) -> tuple[np.ndarray, str]:
        """The codec's picture, or the ORIGINAL | JPEG's; rate, PSNR and MS-SSIM of both."""

        jpeg = self.decoded("jpeg", quality)
        if name == ORIGINAL:
            left, told = self.image, "24 bpp"
        else:
            one = self.decoded(name, quality)
            left, told = one.picture, str(one)
        caption = f"Left: {NAMES.get(name, name)}, {told}. Right: JPEG, {jpeg}"
        return figures.side_by_side([left, jpeg.picture]), caption

    def _decode(self, name: str, quality: float) -> Decoded:
        from cwlib import baselines, codec, metrics

        ours, shape = self.file(quality), self.image.shape
        if name == OURS:
            blob, picture = ours, codec.decompress(ours)
        else:
            try:
                blob, _ = baselines.at_rate(name, self.image, metrics.bpp(len(ours), shape))
            except baselines.RateTooLow:
                lowest = baselines.CODECS[name].qualities[0]
                blob = baselines.encode(name, self.image, lowest)
            picture = baselines.decode(name, blob)
        large = min(shape[:2]) >= 161  # what metrics.ms_ssim needs
        similar = metrics.ms_ssim(self.image, picture) if large else None
        psnr = metrics.psnr(self.image, picture)
        return Decoded(picture, metrics.bpp(len(blob), shape), psnr, similar)


def rate_explorer(
    model: zoo.TrainedModel,
    image: np.ndarray,
    qualities: Sequence[float] = (0, 0.2, 0.4, 0.6, 0.8, 1),
    names: Sequence[str] = ("jpeg2000", "webp"),
    webp: int = 84,
) -> Explorer:
    """Our codec and others beside JPEG, at each quality of ours; works without a kernel.

    names: of `baselines.CODECS`, without JPEG. webp: the quality in which the frames are kept in
    the page, for all codecs the same. Raises ValueError for a model of one rate, CodecMissing.
    """

    rivals = Rivals(model, image)
    rates = [f"{rivals.decoded(OURS, q).bpp:.2f} bits per pixel" for q in qualities]

    def scrubber(name: str) -> Scrubber:
        pairs = [rivals.frame(name, q) for q in qualities]
        frames = [figures.as_webp(picture, quality=webp) for picture, _ in pairs]
        captions = [caption for _, caption in pairs]
        width = 2 * image.shape[1] + 262
        middle = len(frames) // 2
        return Scrubber(
            frames, captions, "Rate", ALT, values=rates, start=middle, width=width, pixelated=False
        )

    return Explorer({text: scrubber(name) for text, name in _menu(names).items()}, "Codec")


def explore_rates(
    model: zoo.TrainedModel,
    image: np.ndarray,
    names: Sequence[str] = ("jpeg2000", "webp"),
    side: int = 192,
) -> interactive:
    """The same in a live kernel: any quality, any part of `side` x `side` pixels of the image.

    names: codecs that are fast enough for it; AVIF takes a second for a part.
    """
    menu = _menu(names)
    parts: dict[tuple[float, float], Rivals] = {}

    def frame(codec: str, quality: float = 0.5, down: float = 0.5, across: float = 0.5):
        place = down, across
        if place not in parts:
            parts.clear()  # one part at a time is remembered
            parts[place] = Rivals(model, part_of(image, *place, side))
        return parts[place].frame(menu[codec], quality)

    share = (0.0, 1.0, 0.05)
    quality = (0.0, 1.0, 0.02)
    return live.explorer(frame, codec=list(menu), quality=quality, down=share, across=share)


def _menu(names: Sequence[str]) -> dict[str, str]:
    """The names to show, and the codec that each stands for."""
    return {OURS: OURS, **{NAMES[name]: name for name in names}, ORIGINAL: ORIGINAL}
