"""Picture files of any origin, decoded where 8 bits a sample hold every pixel, refused otherwise.

Pillow makes 8-bit pixels of nearly everything without a word: it clips, drops the low bytes, takes
the first of several pictures. Here a format is read only if its files tell how deep they are, and
a file only if it tells that it is one picture of unsigned samples of at most 8 bits.
"""

from __future__ import annotations

import contextlib
import os
import re
import warnings
from io import BytesIO

import numpy as np
from PIL import Image, ImageOps

# Pillow's modes whose pixels are 8-bit RGB with or without alpha, or become that without a loss
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
_SUBFILE, _BITS, _COLOUR_MAP, _EXTRA, _SAMPLE_FORMAT = 254, 258, 320, 338, 339  # tags of TIFF


def decode(content: bytes, file: str | os.PathLike[str]) -> np.ndarray:
    """The picture in a file's bytes, upright (EXIF): uint8 (H, W, 4), RGB and alpha.

    Raises ValueError naming the file where it is damaged, too large or of another format, and where
    pixels would be lost: more than 8 bits, other colours than RGB, several pictures.
    """
    if not content:
        raise ValueError(f"{file} is empty")
    Image.init()
    formats = [name for name in _IS_EIGHT_BITS if name in Image.OPEN]  # an old Pillow has no AVIF
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(BytesIO(content), formats=formats)
            lost = _what_would_be_lost(picture, content)
            rgba = None if lost else np.array(ImageOps.exif_transpose(picture).convert("RGBA"))
    except MemoryError:
        raise
    except Image.UnidentifiedImageError as error:  # its own text names an object in memory
        raise ValueError(
            f"{file} is not a readable picture: no whole file of {', '.join(formats)}; "
            "save it as PNG"
        ) from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ValueError(f"{file} has too many pixels: cut it or make it smaller") from error
    except Exception as error:  # Pillow's decoders raise all kinds for damaged files
        raise ValueError(f"{file} is not a readable picture: {error}") from error
    if lost:
        raise ValueError(f"{file} {lost}")
    return rgba


def _what_would_be_lost(picture: Image.Image, content: bytes) -> str:
    """Why 8-bit RGB cannot hold this picture, or nothing. To be asked before it is decoded."""
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and not _others_are_previews(picture):
        return f"holds {frames} pictures (an animation?): save the one you mean as a file"
    kind = "JPEG" if picture.format == "MPO" else picture.format
    if not _IS_EIGHT_BITS[kind](picture, content):
        return "has other samples than 8-bit unsigned ones: convert it to 8 bits first"
    if _another_behind(picture, content):
        return "holds several pictures (pages?): save the one you mean as a file"
    if picture.mode not in _MODES:
        return f"is a {picture.mode} picture, not RGB: convert it to RGB first, with some loss"
    tags = picture.tag_v2 if picture.format == "TIFF" else {}
    if 0 in tags.get(_EXTRA, ()):
        return "has a channel that is neither colour nor transparency: save it without that one"
    if tags.get(_SUBFILE, 0) & 1:
        return "shows a preview of a raw photograph: develop that one and save it as a file"
    return ""


def _others_are_previews(picture: Image.Image) -> bool:
    """Whether it is a camera's JPEG with smaller versions of the same beside it (format MPO)."""
    if picture.format != "MPO" or "Multi-Frame" in str(picture.mpinfo):  # stereo, panorama
        return False
    others = []
    for frame in range(1, picture.n_frames):
        with contextlib.suppress(Exception):  # what is lost or damaged is no other picture
            picture.seek(frame)
            others.append(picture.size)
    picture.seek(0)
    return picture.size not in others


def _another_behind(picture: Image.Image, content: bytes) -> bool:
    """Whether a PNM or PNG file goes on with another one, which Pillow does not tell."""
    if picture.format == "PNG":
        at, kind = 8, b""
        while kind != b"IEND" and at < len(content):  # chunks: length, kind, data, checksum
            kind = content[at + 4 : at + 8]
            at += 12 + int.from_bytes(content[at : at + 4], "big")
        return content[at : at + 8] == content[:8]
    if picture.format != "PPM":
        return False
    width, height = picture.size
    row = {b"P4": -(-width // 8), b"P5": width, b"P6": 3 * width}.get(content[:2])
    start = picture.tile[0][2]  # of the pixels
    return row is not None and content[start + height * row :].lstrip()[:1] == b"P"


# --- what a file says of its samples: whether all are unsigned and of at most 8 bits --------------


def _always(picture: Image.Image, content: bytes) -> bool:
    return True


def _png(picture: Image.Image, content: bytes) -> bool:
    return content[12:16] == b"IHDR" and content[24] <= 8


def _sgi(picture: Image.Image, content: bytes) -> bool:
    return content[3] == 1  # byte a sample


def _pnm(picture: Image.Image, content: bytes) -> bool:
    gap = rb"(?:\s|#[^\r\n]*[\r\n])+"  # white space and comments
    head = re.match(rb"P(?:[14]|[2356](?:%b\d+){2}%b(\d+)\s)" % (gap, gap), content)
    return head is not None and int(head[1] or 1) <= 255


def _tiff(picture: Image.Image, content: bytes) -> bool:
    tags = picture.tag_v2
    shades = tags.get(_COLOUR_MAP, ()) if picture.mode in ("P", "PA") else ()
    return (
        max(tags.get(_BITS, (1,))) <= 8
        and set(tags.get(_SAMPLE_FORMAT, (1,))) == {1}
        and all(shade % 256 == 0 or shade % 257 == 0 for shade in shades)  # 16 bits, of these 8
    )


def _jpeg2000(picture: Image.Image, content: bytes) -> bool:
    # SIZ holds 36 bytes of sizes, the number of components and for each its depth - 1 (in the first
    # bit: whether it is signed) and two steps. The colours of a palette have depths of their own.
    head, *sizes = content.split(b"\xff\x4f\xff\x51")
    depths = b"".join(size[38 : 38 + 3 * size[37] : 3] for size in sizes)
    return set(depths) == {7} and b"pclr" not in head


def _avif(picture: Image.Image, content: bytes) -> bool:
    boxes = content.split(b"av1C\x81")[1:]  # one for each coded item: picture, alpha
    return bool(boxes) and not any(box[1] & 0x40 for box in boxes)  # high_bitdepth


_IS_EIGHT_BITS = {
    "PNG": _png,
    "JPEG": _always,
    "WEBP": _always,
    "GIF": _always,
    "BMP": _always,
    "DIB": _always,
    "TIFF": _tiff,
    "PPM": _pnm,
    "JPEG2000": _jpeg2000,
    "AVIF": _avif,
    "SGI": _sgi,
    "QOI": _always,
    "PCX": _always,
    "TGA": _always,  # the last to be tried: it has no mark of its own
}
