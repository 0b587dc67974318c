"""Files that the user names, or standard input and output: read whole, written whole."""

from __future__ import annotations

import argparse
import sys
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

import cwlib.files

STANDARD = "-"  # standard input or output; a file of that name is ./-
LARGEST = 512  # MiB of a file: no picture of the most pixels that the codec takes needs more
LOSSLESS = {
    ".png": "PNG",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".pgm": "PPM",
    ".ppm": "PPM",
}

Place = Path | str


class UsageError(ValueError):
    """Something the user can mend; its text is the one line that is printed."""


def place(word: str) -> Place:
    """Where a word of the command line leads: STANDARD or a path."""
    return STANDARD if word in (STANDARD, "/dev/stdout") else path(word)


def path(word: str) -> Path:
    """The path that a word of the command line names; Path takes no word for the folder itself."""
    if not word:
        raise argparse.ArgumentTypeError("a name is missing")
    return Path(word)


def read(source: Place) -> bytes:
    """The bytes of a file, a pipe or standard input. Raises UsageError for more than LARGEST."""
    if source == STANDARD:
        return _whole(sys.stdin.buffer, "standard input")
    if source.is_dir():
        raise UsageError(f"{source} is a folder, not a file")
    with open(source, "rb") as file:
        return _whole(file, str(source))


def _whole(file: BinaryIO, name: str) -> bytes:
    pieces = list(islice(iter(lambda: file.read(1 << 20), b""), LARGEST + 1))
    if len(pieces) > LARGEST:  # a device may go on for ever
        raise UsageError(f"{name} has more than {LARGEST} MiB: no picture or stream here has")
    return b"".join(pieces)


def read_picture(source: Place) -> np.ndarray:
    """A picture, upright: uint8 (H, W) where every pixel is grey, (H, W, 3) otherwise.

    What cannot be kept is refused, not dropped in silence.
    """
    from cwlib import imagefiles

    name = "standard input" if source == STANDARD else source
    rgba = imagefiles.decode(read(source), name)
    if (rgba[..., 3] != 255).any():
        raise UsageError(f"{name} has transparent pixels: put it on a background first")
    grey = (rgba[..., :3] == rgba[..., :1]).all()
    return np.ascontiguousarray(rgba[..., 0] if grey else rgba[..., :3])


def check_place(target: Place, *sources: Place) -> None:
    """Raises UsageError or OSError where nothing can be written; to be asked before the work."""
    if target != STANDARD:
        # no such file on Windows: there nothing is compared with standard input
        paths = ("/dev/stdin" if source == STANDARD else source for source in sources)
        cwlib.files.check_place(target, *paths)
    elif sys.__stdout__ is None:
        raise UsageError("standard output is closed: name a file")
    elif sys.stdout.isatty():
        raise UsageError("standard output is a terminal: name a file, or send it into a pipe")


def write(target: Place, content: bytes) -> None:
    """Into a file, all or nothing, or to standard output."""
    if target == STANDARD:
        sys.stdout.buffer.write(content)
    else:
        cwlib.files.write(target, content)


def check_picture_name(target: Place) -> None:
    """Raises UsageError for a name that `write_picture` cannot serve."""
    if target != STANDARD and target.suffix.lower() not in LOSSLESS:
        kinds = ", ".join(LOSSLESS)
        raise UsageError(f"{target}: write a lossless picture, named {kinds}")


def write_picture(target: Place, image: np.ndarray) -> None:
    """uint8 (H, W) or (H, W, 3) in the lossless format that the name asks for; PNG to STANDARD."""
    from PIL import Image

    suffix = ".png" if target == STANDARD else target.suffix.lower()
    if {".pgm": 2, ".ppm": 3}.get(suffix, image.ndim) != image.ndim:
        raise UsageError(
            f"{target}: .pgm is for grey pictures, .ppm for colour; take the other one"
        )
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, LOSSLESS[suffix])
    write(target, buffer.getvalue())
