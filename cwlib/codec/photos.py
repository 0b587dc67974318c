"""Paper 2's models: latents behind an importance mask, and the hyper-latents that predict them.

    stream    [(strength,) rANS code of y, live channels of z and their rANS code]

The decoder reads y, computes from it which probability table each latent has (in whole numbers, so
on every machine alike), and reads z. A channel that the mask has emptied is neither stored nor
decoded: one bit says so.

A net with gains must know in the decoder too how finely its latents were rounded. Its streams begin
the first section with the strength (`importance`) in 255ths, one byte; those of others do not.

A grey picture goes through the network with its plane three times, and comes back as the mean of
three: the models have seen colour alone. Its header says 1 channel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from cwlib.codec import arguments
from cwlib.coding.stream import Header, StreamError
from cwlib.models import priors
from cwlib.models.hierarchical import HYPER_DOWNSCALE
from cwlib.pinned import pinned
from cwlib.zoo import TrainedModel

CHANNELS = (1, 3)
MAX_PIXELS = 2**26  # to compress: at some 30 bytes of memory a pixel 2 GB, beside the libraries
DECODED_PIXELS = 2**22  # to decode, where the caller does not say more: see the chapter's table
FARTHEST = 2**30  # of latents from 0
LEVELS = 255  # a strength that is sent is a whole number of 255ths

# Pictures above STRIPE_PIXELS go through the networks in stripes, so that memory stays bounded.
# A stripe sees HALO pixels of each neighbour, a multiple of 8. 5x5 kernels on every scale reach 30
# with strides (2, 2, 2, 1), 16 with (1, 2, 2, 2).
STRIPE_PIXELS = 2**19
HALO = 32


# What a long walk is handed to: `iter` leaves it alone, `tqdm` shows how far it is.
Watch = Callable[[Sequence[int]], Iterable[int]]


@dataclass(frozen=True, eq=False)
class Latents:
    """Whole numbers: latents z (C, H/8, W/8) behind the mask, hyper-latents y (N, H/32, W/32).

    level: 0..255, the strength that they were made with; of use to nets with gains alone.
    """

    z: np.ndarray
    y: np.ndarray
    level: int = LEVELS


def step(model: TrainedModel) -> int:
    """The networks take heights and widths that are multiples of this."""
    return model.net.downscale


def analyse(
    model: TrainedModel, images: np.ndarray, importance: float, watch: Watch = iter
) -> list[Latents]:
    """uint8 images (N, H, W) or (N, H, W, 3) -> one Latents each."""
    if model.net.experiment.mask == "none" and model.net.gains is None and importance != 1.0:
        raise ValueError(f"{model.name} has no importance map: importance must be 1")
    level = round(LEVELS * importance)
    if model.net.gains is not None:
        importance = level / LEVELS  # as the decoder will know it
    return [quantise(model, transform(model, image, watch), importance) for image in images]


@pinned()
def transform(model: TrainedModel, image: np.ndarray, watch: Watch = iter) -> Tensor:
    """A uint8 image (H, W) or (H, W, 3) -> z (1, C, h, w): the long part, alike for all rates."""

    def g_a(x: Tensor) -> Tensor:
        return model.net.g_a(x.to(_device(model)).float() / 255)

    return in_stripes(g_a, to_tensor(image, step(model)), 1 / _latent_step(model), watch)


@pinned()
def quantise(
    model: TrainedModel, z: Tensor, importance: float = 1.0, m: Tensor | None = None
) -> Latents:
    """z (1, C, h, w) -> what is coded: masked, made finer or coarser by the gain, rounded.

    m: another mask than the network's, as z or (1, C, 1, 1). A decoder need not know the mask.
    """
    v = model.net.before_rounding(z, importance, m)
    y = torch.round(model.net.h_a(v.abs()))
    arguments.check_finite(model, v, y)
    return Latents(_whole(v.round()[0]), _whole(y[0]), round(LEVELS * importance))


def checked(model: TrainedModel, latents: Latents, shape: tuple[int, ...]) -> Latents:
    """The latents, as they must be for an image of that shape. Raises TypeError, ValueError."""
    sides = [side + -side % step(model) for side in shape[:2]]
    y, z = model.net.noise_shapes(*sides)
    arguments.whole("level", latents.level, (), 0, LEVELS)
    return replace(
        latents,
        z=arguments.whole("z", latents.z, z, -FARTHEST, FARTHEST),
        y=arguments.whole("y", latents.y, y, -FARTHEST, FARTHEST),
    )


def to_sections(model: TrainedModel, latents: Latents) -> list[bytes]:
    """Entropy-code the latents of one image: hyper-latents, latents."""
    hyper_code, code = model.coder.encode(latents.z, latents.y)
    strength = b"" if model.net.gains is None else bytes([latents.level])
    return [strength + hyper_code, code]


def sent_level(model: TrainedModel, sections: list[bytes]) -> int | None:
    """The strength in 255ths that a model's sections carry, None where it has no gains."""
    return sections[0][0] if model.experiment.gains and sections and sections[0] else None


def from_sections(model: TrainedModel, header: Header, sections: list[bytes]) -> Latents:
    """The latents in the sections of a stream with this header. Raises StreamError."""
    if len(sections) != 2:
        raise StreamError(f"{model.name} writes 2 sections, found {len(sections)}")
    level, (hyper_code, code) = LEVELS, sections
    if model.net.gains is not None:
        if not hyper_code:
            raise StreamError("the hyper-latents' section is cut short: the strength is missing")
        level, hyper_code = hyper_code[0], hyper_code[1:]
    coarse = model.net.downscale
    h, w = (HYPER_DOWNSCALE * -(-side // coarse) for side in (header.height, header.width))
    z, y = model.coder.decode([hyper_code, code], h, w)
    return Latents(z, y, level)


def synthesise(
    model: TrainedModel, latents: Sequence[Latents], shape: tuple[int, ...], watch: Watch = iter
) -> np.ndarray:
    """Latents of N images of `shape` (H, W) or (H, W, 3) -> uint8 (N, H, W) or (N, H, W, 3)."""
    images = []
    for one in latents:
        pixels = partial(_pixels, model, one.level / LEVELS, len(shape) == 2)
        picture = in_stripes(pixels, torch.from_numpy(one.z)[None], _latent_step(model), watch)
        picture = picture[0, :, : shape[0], : shape[1]].permute(1, 2, 0)  # (H, W, 3 or 1)
        images.append(picture.numpy().reshape(shape))
    return np.stack(images)


def latent_bits(model: TrainedModel, latents: Latents) -> np.ndarray:
    """What each latent takes by the scale that the model gives it, in bits: (C, h, w)."""
    z, y = (torch.from_numpy(a).float()[None] for a in (latents.z, latents.y))
    return -torch.log2(priors.gaussian_likelihood(z, model.net.scales(y)))[0].numpy()


def _pixels(model: TrainedModel, strength: float, grey: bool, z_hat: Tensor) -> Tensor:
    """Whole latents (1, C, h, w) -> uint8 (1, 3, 8h, 8w), or (1, 1, 8h, 8w) if grey."""
    z_hat = model.net.after_rounding(z_hat.to(_device(model), torch.float32), strength)
    x_hat = model.net.g_s(z_hat)
    x_hat = x_hat.mean(1, keepdim=True) if grey else x_hat
    return to_uint8(x_hat)


def to_uint8(x_hat: Tensor) -> Tensor:
    """What a decoder made, about 0..1 -> uint8 on the CPU. Raises StreamError for NaN."""
    if x_hat.isnan().any():
        raise StreamError("the model makes no picture of this stream: some pixels are no numbers")
    return (x_hat * 255).round_().clamp_(0, 255).to(torch.uint8).cpu()


def in_stripes(
    network: Callable[..., Tensor],
    t: Tensor,
    scale: float,
    watch: Watch = iter,
    *beside: Tensor,
    reach: int | None = None,
    most: int | None = None,
) -> Tensor:
    """network(t, *beside), for large t one stripe after another along the longer side.

    t: (1, C, H, W); beside: (1, C, h, w) that go along with it, at another size, or (1, C, 1, 1);
    scale: how much higher the output is (8 or 1/8). The network must see no further than `reach`
    pixels (None: HALO); then the stripes give what the whole would, up to float rounding. most:
    pixels of a stripe (None: STRIPE_PIXELS), more where it is not higher than its reach.
    watch: is given the range of stripes and must hand on what is in it, as tqdm does.
    """
    reach, most = reach or HALO, most or STRIPE_PIXELS
    along, across = (2, 3) if t.shape[2] >= t.shape[3] else (3, 2)
    pixels = max(1, round(scale))  # that the side of a place of t stands for
    halo, n = reach // pixels, t.shape[along]
    length = halo * max(1, most // (reach * t.shape[across] * pixels))
    if n <= length:
        return network(t, *beside)
    parts = []
    for start in watch(range(0, n, length)):
        end = min(n, start + length)
        first, last = max(0, start - halo), min(n, end + halo)

        def part(a: Tensor, first: int = first, last: int = last) -> Tensor:
            if a.shape[along] == 1:
                return a
            low, high = (k * a.shape[along] // n for k in (first, last))
            return a.narrow(along, low, high - low)

        out = network(part(t), *map(part, beside))
        parts.append(
            out.narrow(along, round((start - first) * scale), round((end - start) * scale))
        )
    return torch.cat(parts, dim=along)


def to_tensor(image: np.ndarray, step: int) -> Tensor:
    """uint8 (H, W) or (H, W, 3) -> (1, 3, H', W') uint8, the last row and column repeated."""
    colour = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
    h, w = image.shape[:2]
    padded = np.pad(colour, ((0, -h % step), (0, -w % step), (0, 0)), mode="edge")
    return torch.from_numpy(padded).permute(2, 0, 1)[None]


def _whole(t: Tensor) -> np.ndarray:
    return t.cpu().numpy().astype(np.int64)


def _latent_step(model: TrainedModel) -> int:
    return model.net.downscale // HYPER_DOWNSCALE


def _device(model: TrainedModel) -> torch.device:
    return next(model.net.parameters()).device
