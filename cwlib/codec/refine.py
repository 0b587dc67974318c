"""A better stream for the same decoder: what an encoder can do for a picture with more time.

The networks of `photo` were trained for all pictures at once. For a single one, other latents than
those that g_a gives make a smaller sum

    J = R + lambda_2 D

of bits a pixel and squared error. `search` looks for them, and every leg of it ends in a real
stream, whose J is measured on what its decoder returns; the best is kept. A higher effort does what
the lower ones do and goes on from there, so by J it is never worse.

    effort 1      a symbol is rounded towards zero where that saves more than it costs
    effort 2..9   latents and hyper-latents also descend along the slope of J, by STEPS

Rounding has no slope. In its place the lower or the upper neighbour is drawn at random, by odds
that sharpen until they decide (stochastic Gumbel annealing).

Source: Yang, Bamler, Mandt, 'Improving inference for neural image compression', NeurIPS 2020.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cwlib.codec.photos import Watch
from cwlib.codec.precision import fast
from cwlib.coding.checkerboard import GRID, Coded, Coder, Fill, Half
from cwlib.coding.gaussian import gaussian_tables
from cwlib.coding.tables import TOTAL
from cwlib.models import priors
from cwlib.models.photo import PATCH, Photo, on_grid

EFFORTS = range(10)
STEPS = {2: 10, 3: 15, 4: 15, 5: 20, 6: 40, 7: 60, 8: 80, 9: 120}  # what each effort adds
MAX_PIXELS = 2**22  # of a picture that is refined: slopes need some 300 bytes of memory a pixel
RATE = 1e-2  # of Adam, in rounding steps
HOT, COLD = 0.5, 0.2  # temperature of the drawing at the begin and at the end of a leg
# What a squared error counts when symbols are rounded towards zero: more than alone, as many errors
# of one sign add up. How much more differs, so all are tried; the last is plain rounding.
CAUTIONS = (3.0, 6.0, 1e9)
SEED = 0  # of the drawing: the same picture has the same stream


@dataclass(frozen=True, eq=False)
class Candidate:
    """Hyper-latents, latents, their three sections and J."""

    y: np.ndarray
    coded: Coded
    codes: list[bytes]
    cost: float


class Picture:
    """What is searched for: streams of a picture at some qualities.

    x: (1, 3, H', W') in [0, 1], padded; shape: (H, W) or (H, W, 3), of what a reader will see;
    s: shares of the qualities; levels: (h, w); lambda_2: (1, 1, h, w).
    """

    def __init__(
        self,
        net: Photo,
        coder: Coder,
        x: Tensor,
        shape: tuple[int, ...],
        s: Tensor,
        levels: np.ndarray,
        lambda_2: Tensor,
    ):
        # a copy: nobody else's weights lose or get slopes
        self.net = copy.deepcopy(net).requires_grad_(False)
        self.coder, self.s, self.levels, self.lambda_2 = coder, s, levels, lambda_2
        h, w = shape[:2]
        self.pixels, self.grey = h * w, len(shape) == 2
        self.x = x[:, :1, :h, :w] if self.grey else x[..., :h, :w]
        self.weights = 255**2 * F.interpolate(lambda_2, scale_factor=PATCH)[..., :h, :w]

    def decoded(self, z_hat: Tensor) -> Tensor:
        """The picture of latents in steps, without what was padded: (1, 3 or 1, H, W)."""
        with fast(z_hat):
            x_hat = self.net.g_s(z_hat * self.net.undo(self.s), self.s)
        h, w = self.x.shape[2:]
        x_hat = x_hat[..., :h, :w]
        return x_hat.mean(1, keepdim=True) if self.grey else x_hat

    def distortion(self, x_hat: Tensor) -> Tensor:
        """lambda_2 D, squared errors on the 0..255 scale and weighed place by place."""
        return (self.weights * (x_hat - self.x).square()).mean()

    @torch.no_grad()
    def candidate(self, y: np.ndarray, coded: Coded) -> Candidate:
        """The sections of these latents, and J of the picture that comes back."""
        codes = self.coder.write(coded, y)
        values = torch.from_numpy(coded.values)[None].to(self.x.device)
        x_hat = (self.decoded(values.float() / GRID) * 255).round().clamp(0, 255) / 255
        rate = 8 * sum(map(len, codes)) / self.pixels
        return Candidate(y, coded, codes, rate + self.distortion(x_hat).item())

    def relaxed_cost(self, z: Tensor, y: Tensor, temperature: float, rng: torch.Generator):
        """J where rounding is a draw between two neighbours: it has a slope in z and y."""

        def drawn(z: Tensor, mu: Tensor) -> Tensor:
            mu = on_grid(mu)
            return draw(z - mu, temperature, rng) + mu

        y_hat = draw(y, temperature, rng)
        with fast(z):
            z_hat, mu, sigma = self.net.passes(z, self.net.h_s(y_hat), self.s, drawn)
        bits = priors.bits(priors.gaussian_likelihood(z_hat - mu, sigma))
        bits = bits + priors.bits(self.net.hyper_prior(y_hat))
        return bits.sum() / self.pixels + self.distortion(self.decoded(z_hat))

    def worth(self, z_hat: np.ndarray) -> np.ndarray:
        """lambda_2 D in bits of the picture for a squared step of each latent: (C, h, w).

        sum over pixels of (d x_hat / d z)^2, by Hutchinson's trick: the slope of a random sum of
        pixels has it as its variance. Taken together over all places of a channel.
        """
        z = torch.from_numpy(z_hat)[None].to(self.x.device).requires_grad_()
        x_hat = self.decoded(z)
        rng = torch.Generator().manual_seed(SEED)
        signs = torch.randint(0, 2, x_hat.shape, generator=rng).to(x_hat) * 2 - 1
        (slope,) = torch.autograd.grad((x_hat * signs).sum(), z)
        power = slope.square().mean(dim=(2, 3), keepdim=True)  # (1, C, 1, 1)
        return (255**2 / x_hat.shape[1] * power * self.lambda_2)[0].cpu().numpy()


@torch.enable_grad()
def search(picture: Picture, z: Tensor, y: Tensor, effort: int, watch: Watch = iter) -> Candidate:
    """The best candidate that an effort of 0 to 9 finds from latents z and y (reals, in steps)."""
    best = picture.candidate(
        _whole(y), picture.coder.quantise(_array(z), _whole(y), picture.levels)
    )
    if effort == 0:
        return best
    worth = picture.worth(best.coded.values.astype(np.float32) / GRID)

    def better(best: Candidate, z: Tensor, y: Tensor) -> Candidate:
        for caution in CAUTIONS:
            fill = thrifty(_array(z), caution * worth)
            coded = picture.coder.walk(_whole(y), picture.levels, fill)
            best = min(best, picture.candidate(_whole(y), coded), key=lambda c: c.cost)
        return best

    best = better(best, z, y)
    z, y = (t.detach().clone().requires_grad_() for t in (z, y))
    optimizer = torch.optim.Adam([z, y], RATE)
    rng = torch.Generator().manual_seed(SEED)
    legs = [STEPS[e] for e in range(2, effort + 1)]
    temperatures = [HOT * (COLD / HOT) ** (k / n) for n in legs for k in range(n)]
    ends = set(np.cumsum(legs).tolist())
    for k in watch(range(len(temperatures))):
        cost = picture.relaxed_cost(z, y, temperatures[k], rng)
        if not math.isfinite(cost.item()):  # what was found before stays good
            break
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
        if k + 1 in ends:
            best = better(best, z.detach(), y.detach())
    return best


def draw(v: Tensor, temperature: float, rng: torch.Generator) -> Tensor:
    """A neighbour of each v, nearly: floor(v) + w with w near 0 or 1, the likelier the nearer.

    Odds of the upper one: (atanh d - atanh (1 - d)) / t for d = v - floor(v), to which the noise of
    a logistic draw is added (the Gumbel-softmax of two).
    """
    lower = v.detach().floor()
    d = (v - lower).clamp(1e-5, 1 - 1e-5)
    u = torch.rand(v.shape, generator=rng).to(v).clamp(1e-6, 1 - 1e-6)
    odds = (torch.atanh(d) - torch.atanh(1 - d)) / temperature
    return lower + torch.sigmoid((odds + torch.logit(u)) / temperature)


def thrifty(z: np.ndarray, worth: np.ndarray) -> Fill:
    """Rounding that takes the next symbol towards zero where it saves more bits than it costs."""

    price = np.broadcast_to(worth, z.shape)

    def fill(half: Half, mu: np.ndarray, tables: np.ndarray) -> np.ndarray:
        v = half.take(z) - mu / GRID
        near = np.rint(v).astype(np.int64)
        less = near - np.sign(near)
        bits = costs()
        last = bits.shape[1] - 1
        saved = bits[tables, np.minimum(np.abs(near), last)]
        saved = saved - bits[tables, np.minimum(np.abs(less), last)]
        return np.where(saved > half.take(price) * ((v - less) ** 2 - (v - near) ** 2), less, near)

    return fill


@cache
def costs() -> np.ndarray:
    """Bits of the symbols 0, 1, 2 ... in each Gaussian table; beyond its end, as many as there."""
    tables = gaussian_tables()
    counts = np.diff(tables.cdfs, axis=1)
    longest = int(-tables.offsets.min()) + 1
    bits = np.empty((len(counts), longest), dtype=np.float32)
    for row, count, size, offset in zip(bits, counts, tables.sizes, tables.offsets, strict=True):
        right = -np.log2(count[-offset : size - 1] / TOTAL)  # from 0 up; the escape is left out
        row[: len(right)] = right
        row[len(right) :] = right[-1]
    return bits


def _array(z: Tensor) -> np.ndarray:
    return z[0].cpu().numpy()


def _whole(y: Tensor) -> np.ndarray:
    return y[0].round().cpu().numpy().astype(np.int64)
