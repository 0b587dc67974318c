"""The codecs to beat, through Pillow: from JPEG to AVIF, HEVC, JPEG XL; lossless PNG and WebP.

Each is set for the smallest stream that ordinary decoders read:

| codec         | library       | settings                                             | quality   |
|---------------|---------------|------------------------------------------------------|-----------|
| jpeg          | libjpeg-turbo | Huffman tables made for the image, sequential, 4:2:0 | 1..100    |
| jpeg2000      | OpenJPEG      | codestream, 9-7 wavelet, colour transform, one layer | 10..60 dB |
| webp          | libwebp       | lossy, method 6 (the slowest), 4:2:0                 | 0..100    |
| avif          | libaom        | one AV1 frame, tuned for PSNR, speed 4, 4:4:4        | 0..100    |
| hevc          | x265          | one HEVC intra frame, tuned for PSNR, slowest, 4:4:4 | 0..100    |
| jxl           | libjxl        | codestream, DCTs of many sizes, XYB, effort 7        | 0..99     |
| png           | zlib          | all filters, level 9                                 | none      |
| webp-lossless | libwebp       | effort 100, method 6                                 | none      |

HEVC intra is what BPG files hold; it comes in HEIF files, through the optional package pillow-heif.
JPEG XL comes through pillow-jxl-plugin; `pip install cwlib[codecs]` brings both. It cannot be tuned
for PSNR there: libjxl aims at Butteraugli, a model of the eye. Efforts 8 and 9 aim better, and have
about 0.05 dB less at equal rate.

Everything in the stream is charged, headers included (about 300 bytes of boxes in AVIF, 400 in
HEIF). JPEG XL and JPEG 2000 (.j2k) are bare codestreams, so no file-format boxes are charged, and
the comment of JPEG 2000 is one character instead of OpenJPEG's 33. `jpeg-standard` and
`jpeg2000-53` are the weaker settings behind published curves (Pillow's and OpenJPEG's defaults),
for comparison with those. WebP has no grey mode: Pillow hands it grey pixels as RGB, and
`decode(..., grey=True)` turns the result back, at the price of the rounding in between (none for
webp-lossless).
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from operator import index
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image

from cwlib import data, metrics


class CodecMissing(RuntimeError):
    """The codec is not installed here; the message says what to install."""


class RateTooLow(ValueError):
    """Even the codec's lowest quality takes more; the message says how much."""


@dataclass(frozen=True)
class Codec:
    """How Pillow is asked for one codec."""

    format: str  # Pillow's name of the format
    qualities: tuple[float, ...] = ()  # worst to best; none: lossless
    settings: Mapping[str, Any] = field(default_factory=dict)
    plugin: str = ""  # the module that teaches Pillow this format, and its function that does so
    register: str = ""  # none: importing it is enough
    package: str = ""  # what pip calls it


_JPEG2000 = {
    "no_jp2": True,
    "irreversible": True,
    "quality_mode": "dB",
    "comment": " ",  # an empty one is replaced by OpenJPEG's own; this makes 7 bytes in all
}
# The wanted PSNR in dB. 1/20 dB is about 0.6 % of the rate.
_DECIBELS = tuple(step / 20 for step in range(10 * 20, 60 * 20 + 1))
# Up to 18, libjxl (0.12) halves the sides of the picture first, which no setting of the plugin
# prevents: 1 to 2 dB are lost, and 13 to 18 take more bytes than 18.5 does for a better picture.
_JPEG_XL = (
    *(step / 4 for step in range(12 * 4 + 1)),
    *(step / 2 for step in range(37, 2 * 99 + 1)),
)

CODECS: Mapping[str, Codec] = MappingProxyType(
    {
        "jpeg": Codec("JPEG", tuple(range(1, 101)), {"optimize": True}),
        "jpeg2000": Codec("JPEG2000", _DECIBELS, _JPEG2000),
        "webp": Codec("WEBP", tuple(range(101)), {"method": 6}),
        # Both default to a perceptual tuning, which costs 1 to 3 dB at equal rate.
        "avif": Codec(
            "AVIF",
            tuple(range(101)),
            {"subsampling": "4:4:4", "speed": 4, "advanced": {"tune": "psnr"}},
        ),
        "hevc": Codec(
            "HEIF",
            tuple(range(101)),
            {"chroma": 444, "enc_params": {"tune": "psnr", "preset": "veryslow"}},
            plugin="pillow_heif",
            register="register_heif_opener",
            package="pillow-heif",
        ),
        "jxl": Codec(
            "JXL", _JPEG_XL, {"effort": 7}, plugin="pillow_jxl", package="pillow-jxl-plugin"
        ),
        # What published curves were made with: no tables of the image's own, the 5-3 wavelet.
        "jpeg-standard": Codec("JPEG", tuple(range(1, 101))),
        "jpeg2000-53": Codec("JPEG2000", _DECIBELS, {**_JPEG2000, "irreversible": False}),
        "png": Codec("PNG", (), {"optimize": True}),
        "webp-lossless": Codec("WEBP", (), {"lossless": True, "quality": 100, "method": 6}),
    }
)


def encode(codec: str, image: np.ndarray, quality: float | None = None) -> bytes:
    """Code one image: uint8 (H, W) or (H, W, 3) -> the whole stream.

    quality: within `CODECS[codec].qualities`, higher is better; None for the lossless codecs.
    Raises ValueError for an unknown codec, another kind of image or a quality out of range, and
    CodecMissing where this Pillow lacks the codec.
    """
    chosen = _codec(codec)
    image = metrics.check_image(image)
    settings = copy.deepcopy(dict(chosen.settings))  # a plugin may write into what it is given
    if not chosen.qualities:
        if quality is not None:
            raise ValueError(f"{codec} is lossless: it takes no quality, got {quality}")
    elif quality is None or not chosen.qualities[0] <= quality <= chosen.qualities[-1]:
        low, high = chosen.qualities[0], chosen.qualities[-1]
        raise ValueError(f"{codec} takes a quality from {low:g} to {high:g}, got {quality}")
    elif chosen.format == "JPEG2000":
        settings |= {"quality_layers": [quality], "num_resolutions": _resolutions(image.shape)}
        settings |= {"mct": int(image.ndim == 3)}  # without the colour transform: -3 dB
    else:
        settings["quality"] = quality if chosen.format in ("WEBP", "JXL") else int(quality)
    out = BytesIO()
    Image.fromarray(image).save(out, format=chosen.format, **settings)
    return out.getvalue()


def decode(codec: str, stream: bytes, grey: bool = False) -> np.ndarray:
    """The image of a stream that `encode` made: uint8 (H, W) or (H, W, 3).

    grey: return (H, W) also where the codec has stored RGB (WebP).
    Raises ValueError when the stream is damaged or is another codec's.
    """
    chosen = _codec(codec)
    try:
        with Image.open(BytesIO(stream), formats=[chosen.format]) as picture:
            return np.array(picture.convert("L") if grey else picture)
    except (OSError, RuntimeError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"not a whole {codec} stream: {error}") from error


def at_rate(codec: str, image: np.ndarray, bpp: float) -> tuple[bytes, float | None]:
    """The best stream of at most `bpp` bits per pixel, and its quality (None: lossless).

    Bisection on the quality. Where the size wobbles (one step of quality up, some bytes down), the
    answer can lie a step or two below the very best; it never exceeds the rate.
    Raises RateTooLow when even the lowest quality takes more, with the rate that it takes.
    """
    qualities = _codec(codec).qualities or (None,)

    def attempt(index: int) -> tuple[bytes, bool]:
        stream = encode(codec, image, qualities[index])
        return stream, metrics.bpp(len(stream), image.shape) <= bpp

    best, fits = attempt(0)
    if not fits:
        least = metrics.bpp(len(best), image.shape)
        raise RateTooLow(f"{codec} needs at least {least:.4f} bpp here, more than {bpp:g}")
    # qualities[low] fits, qualities[high] does not (or is past the end)
    low, high = 0, len(qualities)
    while high - low > 1:
        middle = (low + high) // 2
        stream, fits = attempt(middle)
        if fits:
            low, best = middle, stream
        else:
            high = middle
    return best, qualities[low]


def gzip_bpp(size: int = 128) -> float:
    """Bits per pixel of the MNIST test set as it is published, one .gz file of 28x28 digits.

    Charged to `size` x `size` pixels per digit, as the networks are: lossless, for all of them at
    once. Raises DataUnavailable.
    """
    packed = data.read("mnist", "t10k-images-idx3-ubyte.gz")
    return metrics.bpp(len(packed), (len(data.parse_idx(packed)), index(size) ** 2))


def available(codec: str) -> bool:
    """Whether this Pillow can write the codec."""
    try:
        _codec(codec)
    except CodecMissing:
        return False
    return True


def _codec(name: str) -> Codec:
    if name not in CODECS:
        raise ValueError(f"unknown codec {name!r}: there are {', '.join(CODECS)}")
    chosen = CODECS[name]
    if chosen.plugin:
        try:
            module = importlib.import_module(chosen.plugin)
        except ImportError as error:
            how = f"pip install {chosen.package}"
            raise CodecMissing(f"{name} needs the package {chosen.package}: {how}") from error
        if chosen.register:
            getattr(module, chosen.register)()
    Image.init()
    if chosen.format not in Image.SAVE:
        raise CodecMissing(f"this Pillow was built without {chosen.format}: update it")
    return chosen


def _resolutions(shape: tuple[int, ...]) -> int:
    """Wavelet resolutions that leave a coarsest band of 16 pixels or more, at most the usual 6.

    On 128x128 digits this gives 4: about 5 dB above OpenJPEG's fixed 6 at 0.1 bpp.
    """
    return max(1, min(6, (min(shape[:2]) // 16).bit_length()))
