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

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cwlib.coding.stream import Header, StreamError
from cwlib.models.hierarchical import HYPER_DOWNSCALE
from cwlib.zoo import TrainedModel

CHANNELS = (1, 3)
LEVELS = 255  # a strength that is sent is a whole number of 255ths

# Pictures above STRIPE_PIXELS go through the networks in stripes, so that memory stays bounded.
# A stripe sees HALO pixels of each neighbour, a multiple of 8. 5x5 kernels on every scale reach 30
# with strides (2, 2, 2, 1), 16 with (1, 2, 2, 2).
STRIPE_PIXELS = 2**19
HALO = 32


@dataclass(frozen=True)
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


@torch.no_grad()
def analyse(model: TrainedModel, images: np.ndarray, importance: float) -> list[Latents]:
    """uint8 images (N, H, W) or (N, H, W, 3) -> one Latents each."""
    net = model.net
    level = round(LEVELS * importance)
    if net.gains is not None:
        importance = level / LEVELS  # as the decoder will know it
    elif net.experiment.mask == "none" and importance != 1.0:
        raise ValueError(f"{model.name} has no importance map: importance must be 1")
    found = []
    for image in images:
        x = _to_tensor(image, net.downscale, _device(model))  # (1, 3, H32, W32)
        z = in_stripes(net.g_a, x, 1 / _latent_step(model))  # (1, C, h, w)
        v = net.before_rounding(z, importance)
        y = torch.round(net.h_a(v.abs()))
        found.append(Latents(_whole(v.round()[0]), _whole(y[0]), level))
    return found


def to_sections(model: TrainedModel, latents: Latents) -> list[bytes]:
    """Entropy-code the latents of one image: hyper-latents, latents."""
    hyper_code, code = model.coder.encode(latents.z, latents.y)
    strength = b"" if model.net.gains is None else bytes([latents.level])
    return [strength + hyper_code, code]


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


@torch.no_grad()
def synthesise(
    model: TrainedModel, latents: Sequence[Latents], shape: tuple[int, ...]
) -> np.ndarray:
    """Latents of N images of `shape` (H, W) or (H, W, 3) -> uint8 (N, H, W) or (N, H, W, 3)."""
    images = []
    for one in latents:
        z_hat = torch.from_numpy(one.z).to(_device(model), torch.float32)[None]
        z_hat = model.net.after_rounding(z_hat, one.level / LEVELS)
        x_hat = in_stripes(model.net.g_s, z_hat, _latent_step(model))  # (1, 3, H32, W32)
        x_hat = x_hat[:, :, : shape[0], : shape[1]]
        if len(shape) == 2:
            x_hat = x_hat.mean(1, keepdim=True)
        pixels = (x_hat * 255).round().clamp(0, 255).to(torch.uint8)[0].permute(1, 2, 0)
        images.append(pixels.cpu().numpy().reshape(shape))
    return np.stack(images)


def in_stripes(network: Callable[[Tensor], Tensor], t: Tensor, scale: float) -> Tensor:
    """network(t), for large t one stripe after another along the longer side.

    t: (1, C, H, W); scale: how much higher the output is (8 or 1/8). The network must reach no
    further than HALO pixels; then the stripes give what the whole would, up to float rounding.
    """
    along, across = (2, 3) if t.shape[2] >= t.shape[3] else (3, 2)
    pixels = max(1, round(scale))  # that the side of a place of t stands for
    halo, n = HALO // pixels, t.shape[along]
    length = halo * max(1, STRIPE_PIXELS // (HALO * t.shape[across] * pixels))
    if n <= length:
        return network(t)
    parts = []
    for start in range(0, n, length):
        end = min(n, start + length)
        first, last = max(0, start - halo), min(n, end + halo)
        out = network(t.narrow(along, first, last - first))
        parts.append(
            out.narrow(along, round((start - first) * scale), round((end - start) * scale))
        )
    return torch.cat(parts, dim=along)


def _to_tensor(image: np.ndarray, step: int, device: torch.device) -> Tensor:
    """uint8 (H, W) or (H, W, 3) -> (1, 3, H', W') in [0, 1], the last row and column repeated."""
    colour = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
    x = torch.from_numpy(colour.copy()).to(device).permute(2, 0, 1)[None]  # a copy can be written
    h, w = image.shape[:2]
    return F.pad(x.float() / 255, (0, -w % step, 0, -h % step), mode="replicate")


def _whole(t: Tensor) -> np.ndarray:
    return t.cpu().numpy().astype(np.int64)


def _latent_step(model: TrainedModel) -> int:
    return model.net.downscale // HYPER_DOWNSCALE


def _device(model: TrainedModel) -> torch.device:
    return next(model.net.parameters()).device
