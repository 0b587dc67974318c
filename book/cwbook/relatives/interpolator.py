"""What `relatives.lossless` predicts with: an image from every second pixel, in two passes.

Every second pixel of every second row is the next coarser level. The way back, from its pixels K:

    K . K .                      K . K .                            K H K H
    . . . .   1: D (from K) ->   . D . D   2: H, V (from K, D) ->   V D V D
    K . K .                      K . K .                            K H K H
    . . . .                      . D . D                            V D V D

A tiny convolutional net turns what is known into a distribution for each unknown pixel, all pixels
of a pass at once. The same net serves all levels. Colours are YCoCg-R: Co's mean learns from the
pixel's own Y, and Cg's from Y and Co, as the channels do in PixelCNN++ and L3C.

References
    F. Mentzer et al., Practical full resolution learned lossless image compression, CVPR 2019.
    T. Salimans et al., PixelCNN++, ICLR 2017: discretised logistics, channels that follow others.
    H. Malvar, G. Sullivan, YCoCg-R: a color space with RGB reversibility and low dynamic range,
    JVT-I014, 2003.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cwbook.relatives import short_run

COARSEST = 8  # a level with a side of at most so many pixels is not split further
LOG_S_MIN, LOG_S_MAX = -2.5, 5.0  # ln of the scales: 0.08 ... 148 grey levels
UNIT = 16.0  # differences between neighbours are divided by this for the net

#: the phases of a level: first row and first column of every second one
K, D, H, V = (0, 0), (1, 1), (0, 1), (1, 0)


def to_ycocg(image: np.ndarray) -> np.ndarray:
    """Reversible YCoCg-R: uint8 (H, W, 3) -> int64 (3, H, W), 0..255 and twice -255..255."""
    r, g, b = image.astype(np.int64).transpose(2, 0, 1)
    co = r - b
    t = b + (co >> 1)
    cg = g - t
    return np.stack([t + (cg >> 1), co, cg])


def from_ycocg(x: np.ndarray) -> np.ndarray:
    """The inverse of `to_ycocg`: (3, H, W) -> uint8 (H, W, 3)."""
    y, co, cg = x
    t = y - (cg >> 1)
    b = t - (co >> 1)
    return np.stack([b + co, cg + t, b], axis=-1).astype(np.uint8)


def levels(x: np.ndarray) -> list[np.ndarray]:
    """All levels of (C, H, W), the finest first: each has every second pixel of the one before."""
    found = [x]
    while min(found[-1].shape[1:]) > COARSEST:
        found.append(found[-1][:, ::2, ::2])
    return found


def phase(x: Tensor, at: tuple[int, int]) -> Tensor:
    """The pixels of a phase of x (..., H, W): a view."""
    return x[..., at[0] :: 2, at[1] :: 2]


class Logistic(NamedTuple):
    """What is predicted for the pixels of one phase, each (B, 3, h, w).

    mu: means of Y, Co, Cg before coupling; log_s: ln of the scales; coupling: how much the error of
    Y shifts Co's mean, that of Y Cg's, and that of Co Cg's.
    """

    mu: Tensor
    log_s: Tensor
    coupling: Tensor

    def mean(self, channel: int, errors: Sequence[Tensor]) -> Tensor:
        """Mean of one channel (B, h, w), once the errors x - mean of those before it are known."""
        mu = self.mu[:, channel]
        if channel == 1:
            mu = mu + self.coupling[:, 0] * errors[0]
        if channel == 2:
            mu = mu + self.coupling[:, 1] * errors[0] + self.coupling[:, 2] * errors[1]
        return mu

    def bits(self, x: Tensor) -> Tensor:
        """-log2 P of whole numbers x, (B, 3, h, w) -> (B, 3, h, w)."""
        found, errors = [], []
        for c in range(3):
            e, s = x[:, c] - self.mean(c, errors), torch.exp(self.log_s[:, c])
            # P(x) = sigma((e + 1/2) / s) - sigma((e - 1/2) / s), which drowns in rounding far out;
            #      = sigma((1/2 + e) / s) sigma((1/2 - e) / s) (1 - e^(-1 / s)), which does not
            log_p = F.logsigmoid((0.5 + e) / s) + F.logsigmoid((0.5 - e) / s)
            log_p = log_p + torch.log(-torch.expm1(-1 / s))
            errors.append(e)
            found.append(-log_p / np.log(2))
        return torch.stack(found, dim=1)


class Predictor(nn.Module):
    """Known grids and a first guess for one or two phases -> their logistics."""

    def __init__(self, known: int, phases: int, width: int = 32):
        super().__init__()
        near = {"kernel_size": 3, "padding": 1, "padding_mode": "replicate"}
        self.body = nn.Sequential(
            nn.Conv2d(3 * known, width, **near),
            nn.ReLU(),
            nn.Conv2d(width, width, **near),
            nn.ReLU(),
            nn.Conv2d(width, width, 1),
            nn.ReLU(),
            nn.Conv2d(width, 9 * phases, 1),
        )
        nn.init.zeros_(self.body[-1].weight)  # start from the first guess
        nn.init.zeros_(self.body[-1].bias)

    def forward(self, known: Sequence[Tensor], guesses: Sequence[Tensor]) -> list[Logistic]:
        """known: grids (B, 3, h, w) of pixels; guesses: means (B, 3, h, w), one for each phase."""
        middle = sum(guesses) / len(guesses)  # brightness as such says little: differences go in
        out = self.body(torch.cat([(grid - middle) / UNIT for grid in known], dim=1))
        predictions = []
        for guess, part in zip(guesses, out.chunk(len(guesses), dim=1), strict=True):
            d_mu, log_s, coupling = part.chunk(3, dim=1)
            log_s = (1 + log_s).clamp(LOG_S_MIN, LOG_S_MAX)
            predictions.append(Logistic(guess + 8 * d_mu, log_s, coupling))
        return predictions


class Interpolator(nn.Module):
    """Two predictors, shared by all levels: D from K, then H and V from K and D."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Predictor(known=1, phases=1)
        self.second = Predictor(known=2, phases=2)

    def diagonal(self, k: Tensor) -> Logistic:
        """k: (B, 3, h, w) -> D, each between four pixels of K."""
        e = F.pad(k, (0, 1, 0, 1), mode="replicate")
        guess = (k + e[..., :-1, 1:] + e[..., 1:, :-1] + e[..., 1:, 1:]) / 4
        return self.first([k], [guess])[0]

    def cross(self, k: Tensor, d: Tensor) -> list[Logistic]:
        """k: (B, 3, h, w), d: as large or one less -> H and V, each between two K and two D."""
        below, right = k.shape[-2] - d.shape[-2], k.shape[-1] - d.shape[-1]
        d = F.pad(d, (0, right, 0, below), mode="replicate")
        k_right, k_below = F.pad(k, (0, 1, 0, 0), "replicate"), F.pad(k, (0, 0, 0, 1), "replicate")
        d_left, d_above = F.pad(d, (1, 0, 0, 0), "replicate"), F.pad(d, (0, 0, 1, 0), "replicate")
        guess_h = (k + k_right[..., 1:] + d + d_above[..., :-1, :]) / 4
        guess_v = (k + k_below[..., 1:, :] + d + d_left[..., :-1]) / 4
        return self.second([k, d], [guess_h, guess_v])


def passes(net: Interpolator, fine: Tensor) -> Iterator[tuple[tuple[int, int], Logistic]]:
    """(phase, prediction) of a level (B, 3, H, W), in the order of coding.

    A decoder fills each phase of `fine` before it asks for the next; K is there from the start.
    """
    k = phase(fine, K)
    yield D, _crop(net.diagonal(k), phase(fine, D))
    h, v = net.cross(k, phase(fine, D))
    yield H, _crop(h, phase(fine, H))
    yield V, _crop(v, phase(fine, V))


def _crop(p: Logistic, like: Tensor) -> Logistic:
    """Without the places beyond the picture's edge, where its sides are odd."""
    return Logistic(*(part[..., : like.shape[-2], : like.shape[-1]] for part in p))


def train(
    photos: Sequence[np.ndarray], steps: int, seed: int = 0, size: int = 64, batch: int = 8
) -> Interpolator:
    """Fit the net to uint8 (H, W, 3) pictures; every crop comes from one of their finest 3 levels.

    The same numbers give the same weights. Raises ValueError where no picture is large enough.
    """
    sources = [x for photo in photos for x in levels(to_ycocg(photo))[:3]]
    sources = [x for x in sources if min(x.shape[1:]) >= size]
    if not sources:
        raise ValueError(f"no picture is at least {size} pixels high and wide")
    weights = np.array([x[0].size for x in sources], dtype=float)
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = Interpolator()

        def loss(_step: int) -> Tensor:
            chosen = rng.choice(len(sources), size=batch, p=weights / weights.sum())
            crops = np.stack([_cut(sources[k], size, rng) for k in chosen])
            fine = torch.from_numpy(crops).float()
            return sum(p.bits(phase(fine, at)).sum() for at, p in passes(net, fine)) / fine.numel()

        short_run.minimise(net, loss, steps, lr=2e-3)
    return net


def _cut(x: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A random square of (3, H, W), half of them mirrored."""
    top, left = (int(rng.integers(side - size + 1)) for side in x.shape[1:])
    crop = x[:, top : top + size, left : left + size]
    return crop[..., ::-1] if rng.random() < 0.5 else crop


@torch.no_grad()
def bits_by_pixel(net: Interpolator, image: np.ndarray) -> list[np.ndarray]:
    """What the model says each pixel costs: for each level but the coarsest, (H, W), K as 0.

    image: uint8 (H, W, 3); finest level first. Without the coarsest level, header and rounding.
    """
    found = []
    for x in levels(to_ycocg(image))[:-1]:
        fine = torch.from_numpy(x.copy()).float()[None]
        cost = torch.zeros(fine.shape[-2:])
        for at, p in passes(net, fine):
            phase(cost, at).copy_(p.bits(phase(fine, at)).sum(dim=1)[0])
        found.append(cost.numpy())
    return found
