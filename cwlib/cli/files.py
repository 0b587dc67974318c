"""Files that the user names: read whole, pictures too, or a sentence that says why not."""

from __future__ import annotations

import re
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np

from cwlib.files import write

LOSSLESS = {
    ".png": "PNG",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".pgm": "PPM",
    ".ppm": "PPM",
}
# Pillow's modes whose pixels are 8-bit RGB with or without alpha, or become that without a loss
EXACT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX")
# Pillow reads 16-bit RGB as mode RGB and drops the low bits: only the decoder's settings tell
_SIXTEEN_BITS = re.compile(r"\b(?:L|LA|RGB|RGBA|RGBX|CMYK);16")


class UsageError(Exception):
    """Something the user can mend; its text is the one line that is printed."""


def read(path: Path) -> bytes:
    """The bytes of a file."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder, not a file")
    return path.read_bytes()


def read_picture(path: Path) -> np.ndarray:
    """A picture, upright: uint8 (H, W) where every pixel is grey, (H, W, 3) otherwise.

    What cannot be kept is refused, not dropped in silence.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    content = read(path)
    if not content:
        raise UsageError(f"{path} is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(BytesIO(content))
            lost = _what_would_be_lost(picture)
            rgba = None if lost else np.asarray(ImageOps.exif_transpose(picture).convert("RGBA"))
    except UnidentifiedImageError as error:  # its own text names an object in memory
        raise UsageError(
            f"{path} is not a readable picture: unknown format; PNG and JPEG are known, for example"
        ) from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UsageError(f"{path} has too many pixels: cut it or make it smaller") from error
    except Exception as error:  # Pillow's decoders raise all kinds for damaged files
        raise UsageError(f"{path} is not a readable picture: {error}") from error
    if lost:
        raise UsageError(f"{path} {lost}")
    if (rgba[..., 3] != 255).any():
        raise UsageError(f"{path} has transparent pixels: put it on a background first")
    grey = (rgba[..., :3] == rgba[..., :1]).all()
    return np.ascontiguousarray(rgba[..., 0] if grey else rgba[..., :3])


def _what_would_be_lost(picture) -> str:
    """Why 8-bit RGB cannot hold this picture, or nothing. To be asked before it is decoded."""
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format != "MPO":  # there the others are previews, as cameras make
        return f"holds {frames} pictures (an animation?): save the one you mean as a file"
    if picture.mode.startswith(("I", "F")) or _SIXTEEN_BITS.search(str(picture.tile)):
        return "has more than 8 bits a sample: convert it to 8 bits first"
    if picture.mode not in EXACT_MODES:
        return f"is a {picture.mode} picture, not RGB: convert it to RGB first, with some loss"
    return ""


def check_picture_name(path: Path) -> None:
    """Raises UsageError for a name that `write_picture` cannot serve."""
    if path.suffix.lower() not in LOSSLESS:
        kinds = ", ".join(LOSSLESS)
        raise UsageError(f"{path}: write a lossless picture, named {kinds}")


def write_picture(path: Path, image: np.ndarray) -> None:
    """uint8 (H, W) or (H, W, 3) in the lossless format that the name asks for."""
    from PIL import Image

    check_picture_name(path)
    only = {".pgm": 2, ".ppm": 3}.get(path.suffix.lower(), image.ndim)
    if only != image.ndim:
        raise UsageError(f"{path}: .pgm is for grey pictures, .ppm for colour; take the other one")
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, LOSSLESS[path.suffix.lower()])
    write(path, buffer.getvalue())
