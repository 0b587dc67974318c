"""What callers hand to the codec, checked once at its entries: all behind them trusts it."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from numbers import Real
from types import ModuleType

import numpy as np
import torch

from cwlib.zoo import TrainedModel


def trained(model: TrainedModel) -> TrainedModel:
    """A model, not its name, ready to be used. Raises TypeError, ValueError."""
    if not isinstance(model, TrainedModel):
        name = repr(model) if isinstance(model, str) else '"photo"'
        raise TypeError(
            f"expected a trained model, got {type(model).__name__}: pass zoo.load({name})"
        )
    kind = next(model.net.parameters()).dtype
    if model.net.training or kind != torch.float32:
        state = "in training mode" if model.net.training else f"{kind}, not torch.float32"
        raise ValueError(
            f"{model.name}: its net is {state}: call model.net.float().eval(), or load it again"
        )
    return model


def check_finite(model: TrainedModel, *parts: torch.Tensor | None) -> None:
    """Raises ValueError where what a net makes is no number, as with weights that went astray."""
    if not all(part.isfinite().all() for part in parts if part is not None):
        raise ValueError(
            f"{model.name} makes no finite numbers of this image: its weights are damaged, or its "
            "training went astray"
        )


def share(name: str, value: float) -> float:
    """A number of 0..1. Raises TypeError, ValueError."""
    if not isinstance(value, Real):
        raise TypeError(f"{name}: expected a number of 0..1, got {type(value).__name__}")
    if not 0.0 <= value <= 1.0:  # NaN compares false
        raise ValueError(f"{name} must lie in 0..1, got {value}")
    return float(value)


def pixels(image: np.ndarray, name: str = "image") -> np.ndarray:
    """A plain array of uint8 pixels, of any shape. Raises TypeError.

    No picture of Pillow: what looks like pixels may be the indices of a palette.
    """
    if not isinstance(image, np.ndarray) or isinstance(image, np.ma.MaskedArray):
        raise TypeError(
            f"{name}: expected a NumPy array of uint8 pixels, got {type(image).__name__}: for a "
            "picture of Pillow pass numpy.asarray(picture.convert('RGB')), or 'L' for grey"
        )
    if image.dtype != np.uint8:
        raise TypeError(f"{name}: expected uint8 pixels in 0..255, got {image.dtype}")
    return np.asarray(image)


def picture(family: ModuleType, model: TrainedModel, image: np.ndarray) -> np.ndarray:
    """A uint8 picture that the model can code. Raises TypeError, ValueError."""
    image = pixels(image)
    _check_size(family, model, image.shape)
    return image


def pictures(family: ModuleType, model: TrainedModel, images: np.ndarray) -> np.ndarray:
    """uint8 pictures of one shape, (N, H, W) or (N, H, W, 3). Raises TypeError, ValueError."""
    images = pixels(images, "images")
    one_in_colour = images.ndim == 3 and images.shape[2] == 3
    if images.ndim not in (3, 4) or (one_in_colour and len(images) > 1):
        raise ValueError(
            f"expected several images, (N, H, W) or (N, H, W, 3), got shape {images.shape}: "
            "pass image[None] for a single one"
        )
    _check_size(family, model, images.shape[1:])
    return images


def _check_size(family: ModuleType, model: TrainedModel, sides: tuple[int, ...]) -> None:
    if len(sides) == 3 and 3 not in family.CHANNELS:
        raise ValueError(
            f"{model.name} codes grey images (H, W), got shape {sides}: convert it to grey, "
            "or take a model of photographs"
        )
    if len(sides) == 3 and sides[2] == 4:
        raise ValueError(
            f"expected 3 channels, got 4 (RGBA) in shape {sides}: drop the alpha channel or "
            "pass image[..., :3]"
        )
    if not _is_shape(family, sides):
        raise ValueError(f"expected an image {_shapes(family)} of at least 1x1, got shape {sides}")
    step, limit = family.step(model), family.MAX_PIXELS
    if padded_pixels(*sides[:2], step) > limit:
        raise ValueError(
            f"{sides[0]}x{sides[1]} is over {limit} pixels once both sides are multiples of "
            f"{step}: cut it or make it smaller"
        )


def shape(family: ModuleType, model: TrainedModel, sides: Sequence[int]) -> tuple[int, ...]:
    """The shape of a picture that the model can code. Raises TypeError, ValueError."""
    try:
        whole = tuple(operator.index(side) for side in sides)
    except TypeError:
        raise TypeError(f"shape: expected {_shapes(family)} in pixels, got {sides!r}") from None
    if not _is_shape(family, whole):
        raise ValueError(f"shape: {model.name} codes images {_shapes(family)}, got {whole}")
    return whole


def limit(max_pixels: int | None, default: int) -> int:
    """The largest number of pixels to decode. Raises TypeError."""
    try:
        return default if max_pixels is None else operator.index(max_pixels)
    except TypeError:
        raise TypeError(f"max_pixels: expected a whole number, got {max_pixels!r}") from None


def whole(
    name: str, values: np.ndarray, shape: tuple[int, ...], least: int, most: int
) -> np.ndarray:
    """Whole numbers of that shape and range, as int64. Raises TypeError, ValueError."""
    values = np.asarray(values)
    if values.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected whole numbers, got {values.dtype}")
    if values.shape != shape:
        raise ValueError(
            f"{name}: an image of this shape has {shape}, got {values.shape}: pass the latents and "
            "the shape of one image"
        )
    if values.size and not (least <= values.min() and values.max() <= most):
        raise ValueError(f"{name} lie in {least}..{most}, got {values.min()}..{values.max()}")
    return values.astype(np.int64, copy=False)


def padded_pixels(height: int, width: int, step: int) -> int:
    """What the networks see of an image: a strip of 1 x n costs as much as one of `step` x n."""
    return (height + -height % step) * (width + -width % step)


def _is_shape(family: ModuleType, sides: tuple[int, ...]) -> bool:
    """(H, W), or (H, W, 3) where the family knows colour."""
    colours = [()] + [(3,)] * (3 in family.CHANNELS)
    return len(sides) in (2, 3) and sides[2:] in colours and min(sides) >= 1


def _shapes(family: ModuleType) -> str:
    return "(H, W) or (H, W, 3)" if 3 in family.CHANNELS else "(H, W)"
