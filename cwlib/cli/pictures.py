"""The commands between pictures and streams: compress, decompress, info."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TextIO

import numpy as np

from cwlib.cli import files
from cwlib.cli.files import UsageError
from cwlib.cli.terminal import say

DIGIT_MODEL, DIGIT_SIDE = "mnist-cw1", 128  # what it was trained on: grey, 128x128
PHOTO_MODEL, QUALITY = "photo", 0.5  # for all other pictures: many rates, and the usual one


def compress(args: argparse.Namespace) -> None:
    """`cwlib compress`: a picture to a stream."""
    named = [word for word in (args.roi, args.model) if word]  # as files, or by another name
    weights = [word for word in named if word.endswith(".safetensors")]
    named += [f"{word.removesuffix('.safetensors')}.json" for word in weights]  # their cards
    files.check_place(args.output, args.input, *map(files.place, named))
    image = files.read_picture(args.input)
    from cwlib import codec, zoo  # seconds: what is wrong with the files is said before

    model = zoo.load(_model_for(image, args) if args.model is None else args.model)
    blob = _encode(model, image, args)
    files.write(args.output, blob)
    header = codec.info(blob)
    size = f"{header.height}x{header.width} {_colours(header.channels)}"
    quality = "" if header.quality is None else f", quality {header.quality:.2f}"
    line = f"{size} -> {header.n_bytes} bytes, {header.bpp:.4f} bpp ({model.name}{quality})"
    say(line, _beside(args.output))


def _model_for(image: np.ndarray, args: argparse.Namespace) -> str:
    """The model that suits picture and wishes where the user names none."""
    wishes = (args.quality, args.bpp, args.effort, args.roi)
    small = image.ndim == 2 and max(image.shape) <= DIGIT_SIDE
    return DIGIT_MODEL if small and wishes == (None,) * len(wishes) else PHOTO_MODEL


def _encode(model, image: np.ndarray, args: argparse.Namespace) -> bytes:
    """The stream that the user wants: of a size, a quality or an importance, or the usual one."""
    from cwlib import codec

    more = {"effort": args.effort or 0}
    if args.roi is not None:
        more["roi"] = _mask(args.roi, image)
    if args.roi_weight is not None:
        if args.roi is None:
            raise UsageError("--roi-weight says how much a mask counts: give --roi too")
        more["roi_weight"] = args.roi_weight
    if args.bpp is not None:
        return codec.compress_to(model, image, args.bpp, _bar("compress"), **more)
    importance, quality = args.importance, args.quality
    if importance is None and quality is None and model.experiment.gains:
        quality = QUALITY
    importance = 1.0 if importance is None else importance
    return codec.compress(model, image, importance, _bar("compress"), quality=quality, **more)


def _mask(path: str, image: np.ndarray) -> np.ndarray:
    """The grey picture that says where bits matter: a file, or made from the picture itself."""
    from cwlib import codec

    if path == "auto":
        return codec.photo.activity_mask(image)
    mask = files.read_picture(files.place(path))
    if mask.ndim != 2:
        raise UsageError(f"{path} is in colour: a mask is a grey picture, white where bits matter")
    return mask


def decompress(args: argparse.Namespace) -> None:
    """`cwlib decompress`: a stream to a picture."""
    files.check_picture_name(args.output)
    files.check_place(args.output, args.input)
    blob = files.read(args.input)
    from cwlib import codec, zoo

    model = None if args.model is None else zoo.load(args.model)
    image = codec.decompress(blob, args.max_pixels, _bar("decompress"), model)
    files.write_picture(args.output, image)
    channels = 3 if image.ndim == 3 else 1
    line = f"{image.shape[0]}x{image.shape[1]} {_colours(channels)} -> {args.output}"
    say(line, _beside(args.output))


def info(args: argparse.Namespace) -> None:
    """`cwlib info`: what a stream says of itself."""
    blob = files.read(args.file)
    from cwlib import codec

    header = codec.info(blob)
    say(f"model      {header.model or 'unknown here'} ({header.model_id}: a name, not a signature)")
    say(f"format     version {header.version}")
    say(f"image      {header.height}x{header.width}, {_colours(header.channels)}")
    say(f"size       {header.n_bytes} bytes = {header.bpp:.4f} bpp")
    payload = sum(header.section_bytes)
    say(f"sections   {payload} bytes of code, {header.n_bytes - payload} of header and checksum")
    if header.strength is not None:
        same = "below 0" if header.quality is None else f"{header.quality:.2f}"
        say(f"strength   {header.strength:.3f}, quality {same}")
    elif header.quality is not None:
        say(f"quality    {header.quality:.2f}")
    if header.regions_bytes:
        say(f"regions    their mask takes {header.regions_bytes} of these bytes")


def _beside(target: files.Place) -> TextIO:
    """Where to speak of what is written: not on standard output if that is it."""
    return sys.stderr if target == files.STANDARD else sys.stdout


def _colours(channels: int) -> str:
    return "RGB" if channels == 3 else "grey"


def _bar(what: str) -> partial:
    """What shows steps, but not those that are done within a second."""
    from cwlib.progress import Bar

    return partial(Bar, desc=what, delay=1, leave=False)
