"""A progressive codec with one small recurrent network for all rates, after Toderici et al.

    r_0 = x, x_hat_0 = 0 (mid-grey), and for t = 1, 2, ... T:

        r_{t-1} --E--> B --> b_t, +1 or -1: the bits of iteration t
                             b_t --D--> x_hat_t = D(b_t) + gamma x_hat_{t-1}
                                        r_t = x - x_hat_t

E and D are recurrent: they remember what they have sent and drawn. Each iteration takes the same
number of bits, whatever the picture, and codes what the iterations before left over. So a file can
be cut anywhere, and what is left of it is a file of a lower rate.

The bits are sent as they are. No probability is predicted, so no table must agree between machines:
another machine's last digits change the picture in its last digits, and nothing else.

References
    Toderici et al., Variable rate image compression with recurrent neural networks, ICLR 2016.
    Toderici et al., Full resolution image compression with recurrent neural networks, CVPR 2017.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cwbook.relatives import short_run
from cwlib.coding import adaptive
from cwlib.coding.stream import StreamError
from cwlib.models import quantize

CELL = 8  # pixels along a side that share a column of the code
HEADER = struct.Struct("<HH")  # height and width in pixels
LARGEST = 1 << 22  # pixels that `decompress` believes a header
RESIDUAL_UNIT = 0.25  # a residual of this size is 1 for the networks: most are small


class ConvGRU(nn.Module):
    """A gated recurrent unit whose matrices are convolutions: 3x3 on the input, 1x1 on the state.

    Source: Cho et al. 2014, with the reset gate behind the state's product as cuDNN has it.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.input = nn.Conv2d(channels, 3 * channels, 3, padding=1)
        self.state = nn.Conv2d(channels, 3 * channels, 1, bias=False)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """x, h: (B, C, H, W) -> the next h."""
        x_z, x_r, x_n = self.input(x).chunk(3, dim=1)
        h_z, h_r, h_n = self.state(h).chunk(3, dim=1)
        z, r = torch.sigmoid(x_z + h_z), torch.sigmoid(x_r + h_r)
        # h_t = (1 - z) tanh(W x + r U h_{t-1}) + z h_{t-1}
        return (1 - z) * torch.tanh(x_n + r * h_n) + z * h


class Encoder(nn.Module):
    """E: a residual -> what is to be binarised, and E's next state."""

    def __init__(self, width: int, code: int):
        super().__init__()
        self.down = nn.Conv2d(16, width, 3, stride=2, padding=1)
        self.memory = ConvGRU(width)
        self.out = nn.Conv2d(2 * width, code, 1)

    def forward(self, r: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """r: (B, 1, H, W), h: (B, width, H/8, W/8) -> (B, code, H/8, W/8) in (-1, 1), h."""
        f = F.relu(self.down(F.pixel_unshuffle(r / RESIDUAL_UNIT, 4)))  # (B, width, H/8, W/8)
        h = self.memory(f, h)
        # What is seen now goes past the memory too: in a short run the gates have not yet learnt
        # to let it through.
        return torch.tanh(self.out(torch.cat([h, f], dim=1))), h


class Decoder(nn.Module):
    """D: the bits of one iteration -> what they add to the picture, and D's next state."""

    def __init__(self, width: int, code: int):
        super().__init__()
        self.into = nn.Conv2d(code, width, 1)
        self.memory = ConvGRU(width)
        self.up = nn.Conv2d(2 * width, 64, 3, padding=1)
        self.out = nn.Conv2d(16, 16, 3, padding=1)
        nn.init.zeros_(self.out.bias)  # start by adding next to nothing
        self.out.weight.data *= 0.1

    def forward(self, b: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """b: (B, code, H/8, W/8), h: (B, width, H/8, W/8) -> (B, 1, H, W), h."""
        f = F.relu(self.into(b))
        h = self.memory(f, h)
        f = F.pixel_shuffle(self.up(torch.cat([h, f], dim=1)), 2)  # (B, 16, H/4, W/4)
        return F.pixel_shuffle(self.out(F.relu(f)), 4) * RESIDUAL_UNIT, h


class Output(NamedTuple):
    """codes: (T, B, code, H/8, W/8), +1 or -1; x_hat: (T, B, 1, H, W), not clipped."""

    codes: Tensor
    x_hat: Tensor


class Recurrent(nn.Module):
    """E, B and D. code: bits of an iteration for each 8x8 pixels, `code` / 64 bits per pixel.

    gamma: 1 adds each iteration to the picture so far ('additive reconstruction'), 0 draws the
    picture anew every time ('one shot'), from D's memory alone.
    """

    def __init__(self, width: int = 32, code: int = 4, gamma: float = 1.0):
        super().__init__()
        self.width, self.code, self.gamma = width, code, gamma
        self.E = Encoder(width, code)
        self.D = Decoder(width, code)

    def start(self, pictures: int, h: int, w: int) -> tuple[Tensor, Tensor]:
        """An empty memory (B, width, h, w) and the picture before the first bit, mid-grey."""
        like = self.E.down.weight
        memory = like.new_zeros(pictures, self.width, h, w)
        return memory, like.new_full((pictures, 1, CELL * h, CELL * w), 0.5)

    def forward(
        self, x: Tensor, iterations: int, generator: torch.Generator | None = None
    ) -> Output:
        """x: (B, 1, H, W) in [0, 1], H and W multiples of 8; generator: see `binarise`.

        Raises ValueError for less than one iteration.
        """
        if iterations < 1:
            raise ValueError(f"expected at least one iteration, got {iterations}")
        h_E, x_hat = self.start(len(x), x.shape[2] // CELL, x.shape[3] // CELL)
        h_D, codes, pictures = h_E, [], []
        for _ in range(iterations):
            v, h_E = self.E(x - x_hat, h_E)
            b = binarise(v, generator)
            x_hat, h_D = self.add(b, x_hat, h_D)
            codes.append(b)
            pictures.append(x_hat)
        return Output(torch.stack(codes), torch.stack(pictures))

    def add(self, b: Tensor, x_hat: Tensor, h_D: Tensor) -> tuple[Tensor, Tensor]:
        """One iteration of the decoder: the bits b -> the next picture and D's next state."""
        drawn, h_D = self.D(b, h_D)
        # x_hat_t = D(b_t) + gamma x_hat_{t-1}, around mid-grey
        return drawn + self.gamma * (x_hat - 0.5) + 0.5, h_D

    def decode(self, codes: Tensor) -> Tensor:
        """codes: (T, B, code, h, w), any T -> the picture after the last: (B, 1, 8h, 8w)."""
        h_D, x_hat = self.start(codes.shape[1], *codes.shape[3:])
        for b in codes:
            x_hat, h_D = self.add(b, x_hat, h_D)
        return x_hat


def binarise(v: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """+1 or -1 for each v in (-1, 1), straight-through; the sign, or by chance with a generator.

    By chance: +1 with probability (1 + v) / 2, so that b is v on average (Toderici 2016).
    """
    limit = 0.0
    if generator is not None:
        limit = 2 * torch.rand(v.shape, generator=generator, dtype=v.dtype, device=v.device) - 1
    return quantize.straight_through(torch.where(v >= limit, 1.0, -1.0), v)


# --- training ------------------------------------------------------------------------------------


def loss(x_hat: Tensor, x: Tensor) -> Tensor:
    """beta sum_t |r_t|: the mean absolute residual of all iterations (Toderici 2017)."""
    return (x - x_hat).abs().mean()


def train(
    net: Recurrent,
    batch: Callable[[int], Tensor],
    steps: int,
    iterations: int = 8,
    generator: torch.Generator | None = None,
) -> list[float]:
    """Train the net; returns the loss of every step.

    batch: step -> (B, 1, H, W) uint8, H and W multiples of 8; generator: see `binarise`.
    """

    def residuals(step: int) -> Tensor:
        x = batch(step).to(net.E.down.weight) / 255
        return loss(net(x, iterations, generator).x_hat, x)

    return short_run.minimise(net, residuals, steps)


# --- files ---------------------------------------------------------------------------------------


def pack(codes: np.ndarray) -> bytes:
    """codes (T, code, h, w) of +1 and -1 -> T sections of equal length, 8 bits to a byte."""
    bits = codes.reshape(len(codes), -1) > 0
    return np.packbits(bits, axis=1).tobytes()  # the last byte of a section is filled up


def unpack(data: bytes, code: int, h: int, w: int) -> np.ndarray:
    """The codes of all sections that are complete: (T, code, h, w) float32; T may be 0."""
    section = section_bytes(code, h, w)
    whole = len(data) // section
    sections = np.frombuffer(data, np.uint8, whole * section).reshape(whole, section)
    bits = np.unpackbits(sections, axis=1, count=code * h * w)
    return bits.reshape(whole, code, h, w).astype(np.float32) * 2 - 1


def section_bytes(code: int, h: int, w: int) -> int:
    """Bytes of one iteration for h x w cells."""
    return -(-code * h * w // 8)


@torch.no_grad()
def compress(net: Recurrent, image: np.ndarray, iterations: int = 8) -> bytes:
    """uint8 (H, W), any size -> 4 bytes of header and `iterations` sections of bits.

    Raises ValueError for other pictures and for less than one iteration.
    """
    if image.dtype != np.uint8 or image.ndim != 2 or not 1 <= image.size <= LARGEST:
        raise ValueError(
            f"expected a grey picture, uint8 (H, W) of at most {LARGEST} pixels, got "
            f"{image.dtype} {image.shape}"
        )
    if max(image.shape) > 65535:
        raise ValueError(f"the header holds sides of at most 65535 pixels, got {image.shape}")
    height, width = image.shape
    padded = np.pad(image, ((0, -height % CELL), (0, -width % CELL)), mode="edge")
    x = torch.from_numpy(padded)[None, None].to(net.E.down.weight) / 255
    codes = net(x, iterations).codes[:, 0].cpu().numpy()
    return HEADER.pack(height, width) + pack(codes)


@torch.no_grad()
def decompress(net: Recurrent, data: bytes) -> np.ndarray:
    """The picture of a file, or of any beginning of one that holds the header: uint8 (H, W).

    Bytes of an iteration that is not complete are left alone. Raises StreamError.
    """
    if len(data) < HEADER.size:
        raise StreamError(f"{len(data)} bytes: too short for the header of {HEADER.size}")
    height, width = HEADER.unpack_from(data)
    if not 1 <= height * width <= LARGEST:
        raise StreamError(f"a picture of {height}x{width} pixels: expected 1 to {LARGEST}")
    h, w = -(-height // CELL), -(-width // CELL)
    codes = torch.from_numpy(unpack(data[HEADER.size :], net.code, h, w)).to(net.E.down.weight)
    pixels = net.decode(codes[:, None])[0, 0, :height, :width]
    return (255 * pixels).round().clamp(0, 255).to(torch.uint8).cpu().numpy()


def coded_sections(data: bytes, code: int, h: int, w: int) -> list[bytes]:
    """The same iterations through an adaptive coder: the bits of a cell as one symbol, told by
    those of the cell before. Stands for the entropy coder that the paper trains as a second net.
    """
    codes = unpack(data[HEADER.size :], code, h, w)
    weights = 1 << np.arange(code)
    symbols = np.einsum("tchw,c->thw", codes > 0, weights)  # 0 ... 2^code - 1
    return [adaptive.encode(s.ravel(), 1 << code, order=1) for s in symbols]
