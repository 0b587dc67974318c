"""Ours for photographs: one net for all rates, cheap enough to be trained and used on a CPU.

    x --g_a--> z --(x gain)--> round(z - mu) + mu = z_hat --(x undo)--> g_s --> x_hat
               |                            |
              h_a --> round --> y_hat --h_s-+--> mu, sigma of pass 1 --> mu, sigma of pass 2

Everything happens at 1/8 and 1/16 of the image's side, in plain convolutions and ReLU. Beside the
nets runs a linear path, z = U (x - mean) and x_hat = U^T z + mean, that starts as the principal
components of the training photographs: what the nets add to it starts near nothing.

Latents are coded in two passes. Squares of a checkerboard, shifted by one from channel to channel,
make up pass 1; pass 2 knows them all round each of its places, and the other half of the channels
at it. What tells mu and sigma must give the same numbers on every machine, so these nets are lists
of layers whose activations lie on a grid (`GridReLU`), which `coding.exact` runs in whole numbers.

The quality, 0..1, may differ from place to place: it sets the gains there (`Dial`), and what a
squared error counts in training.

Sources: linear path and sizes: ours. Mean and scale, context: Minnen, Balle, Toderici 2018.
Checkerboard: He, Zheng, Sun, Wang, Qin 2021. Gains: Cui, Wang, Gao, Guo, Feng, Bai 2021.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cwlib import losses
from cwlib.coding import checkerboard, exact
from cwlib.coding.checkerboard import ACTIVATION_MAX, GRID, HYPER_MAX, KNOT, LATENT_MAX
from cwlib.experiments import Experiment
from cwlib.models import priors, quantize
from cwlib.models.hierarchical import Output

PATCH = 16  # pixels along each side of a place of z
HYPER_DOWNSCALE = checkerboard.ENLARGEMENT
LOG2_SIGMA = (-4.0, 9.0)  # where log2 of a scale may lie in training
BEST_STEP = 26.0  # see Photo.start


class _Grid(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        on_grid = (x * GRID).round_()
        ctx.save_for_backward((on_grid >= 0) & (on_grid <= ACTIVATION_MAX))
        return on_grid.clamp_(0, ACTIVATION_MAX).div_(GRID)

    @staticmethod
    def backward(ctx, slope: Tensor) -> Tensor:
        return slope * ctx.saved_tensors[0]


class GridReLU(nn.Module):
    """max(x, 0), rounded to sixteenths and cut at 255 of them; the slope ignores the rounding."""

    def forward(self, x: Tensor) -> Tensor:
        return _Grid.apply(x)


class ResidualBlock(nn.Module):
    """x + conv3(ReLU(conv3(x))). Keeps the shape (B, N, h, w)."""

    def __init__(self, n: int):
        super().__init__()
        self.first = nn.Conv2d(n, n, 3, padding=1)
        self.second = nn.Conv2d(n, n, 3, padding=1)
        nn.init.normal_(self.second.weight, std=0.1 / math.sqrt(9 * n))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(x), inplace=True))


class Dial(nn.Module):
    """A factor for each channel at each quality: exp of what is interpolated between K vectors.

    start: (K,) or (K, C) logarithms of the factors at quality 0, 1 / (K - 1) ... 1.
    """

    def __init__(self, start: Tensor, channels: int):
        super().__init__()
        start = start.view(len(start), -1).expand(-1, channels)
        self.log = nn.Parameter(start.clone())  # (K, C)

    def forward(self, shares: Tensor) -> Tensor:
        """shares (B, K, h, w) of the K vectors -> factors (B, C, h, w)."""
        return torch.einsum("bkhw,kc->bchw", shares, self.log).exp()


def shares(quality: Tensor, knots: int) -> Tensor:
    """Quality (B, 1, h, w) in 0..1 -> what each of K vectors counts there, (B, K, h, w).

    Linear interpolation: the knot k counts max(0, 1 - |t - k|) at t = (K - 1) q.
    """
    k = torch.arange(knots, dtype=quality.dtype, device=quality.device).view(1, -1, 1, 1)
    return (1 - ((knots - 1) * quality - k).abs()).clamp(min=0)


def _twice(t: Tensor) -> Tensor:
    """Every place as 2x2 places; what is the same everywhere stays a single place."""
    return t if t.shape[-1] == t.shape[-2] == 1 else F.interpolate(t, scale_factor=2.0)


def _place_by_place(conv: nn.Conv2d, t: Tensor) -> Tensor:
    """A convolution of kernel 1 as a product of matrices: in float32, several times as fast."""
    return F.linear(t.movedim(1, -1), conv.weight.flatten(1), conv.bias).movedim(-1, 1)


class Analysis(nn.Module):
    """g_a: (B, 3, H, W) in [0, 1] -> z (B, C, H/16, W/16) float32, in steps of a middle quality.

    | layer                           | output            |
    |---------------------------------|-------------------|
    | pixel unshuffle 8, conv k1      | N x H/8 x W/8     |
    | dial, residual blocks           | N x H/8 x W/8     |
    | conv k2 s2                      | M x H/16 x W/16   |
    | dial, residual blocks, conv k1  | C x H/16 x W/16   |
    | + pixel unshuffle 16, conv k1   | the linear path   |
    """

    def __init__(self, n: int, m: int, c: int, blocks: tuple[int, int], knots: int):
        super().__init__()
        self.stem = nn.Conv2d(3 * 64, n, 1)
        self.fine_dial = Dial(torch.zeros(knots), n)
        self.fine = nn.Sequential(*(ResidualBlock(n) for _ in range(blocks[0])))
        self.down = nn.Conv2d(n, m, 2, 2)
        self.coarse_dial = Dial(torch.zeros(knots), m)
        self.coarse = nn.Sequential(*(ResidualBlock(m) for _ in range(blocks[1])))
        self.out = nn.Conv2d(m, c, 1)
        self.linear = nn.Conv2d(3 * PATCH**2, c, 1)

    def forward(self, x: Tensor, s: Tensor) -> Tensor:
        """s: shares of the qualities, (B, K, H/16, W/16) or (B, K, 1, 1)."""
        x = x - 0.5
        f = self.stem(F.pixel_unshuffle(x, 8).contiguous(memory_format=torch.channels_last))
        f = self.fine(f * self.fine_dial(_twice(s)))
        f = self.coarse(self.down(f) * self.coarse_dial(s))
        net = self.out(f).float()
        with torch.autocast(x.device.type, enabled=False):  # latents of 200 need more than 8 bits
            return net + _place_by_place(self.linear, F.pixel_unshuffle(x.float(), PATCH))


class Synthesis(nn.Module):
    """g_s: z_hat (B, C, h, w) -> x_hat (B, 3, 16h, 16w) float32; the mirror of `Analysis`."""

    def __init__(self, n: int, m: int, c: int, blocks: tuple[int, int], knots: int):
        super().__init__()
        self.stem = nn.Conv2d(c, m, 1)
        self.coarse_dial = Dial(torch.zeros(knots), m)
        self.coarse = nn.Sequential(*(ResidualBlock(m) for _ in range(blocks[1])))
        self.up = nn.Conv2d(m, 4 * n, 1)
        self.fine_dial = Dial(torch.zeros(knots), n)
        self.fine = nn.Sequential(*(ResidualBlock(n) for _ in range(blocks[0])))
        self.out = nn.Conv2d(n, 3 * 64, 3, padding=1)
        self.linear = nn.Conv2d(c, 3 * PATCH**2, 1)

    def forward(self, z_hat: Tensor, s: Tensor) -> Tensor:
        """s: shares of the qualities, (B, K, h, w) or (B, K, 1, 1)."""
        f = self.coarse(self.stem(z_hat) * self.coarse_dial(s))
        f = self.fine(F.pixel_shuffle(self.up(f), 2) * self.fine_dial(_twice(s)))
        net = F.pixel_shuffle(self.out(f).float(), 8)
        with torch.autocast(z_hat.device.type, enabled=False):
            linear = _place_by_place(self.linear, z_hat.float())
            return net + F.pixel_shuffle(linear, PATCH) + 0.5


def _hyper_encoder(c: int, n: int, hyper: int) -> nn.Sequential:
    """h_a: latents (B, C, h, w) in steps -> (B, hyper, h/4, w/4)."""
    return nn.Sequential(
        nn.Conv2d(c, n, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(n, n, 3, 2, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(n, hyper, 3, 2, padding=1),
    )


def _hyper_decoder(hyper: int, n: int) -> nn.Sequential:
    """h_s: (B, hyper, h/4, w/4) -> features (B, n, h, w) for both passes. An exact net."""
    return nn.Sequential(
        nn.Conv2d(hyper, 4 * n, 3, padding=1),
        nn.PixelShuffle(2),
        GridReLU(),
        nn.Conv2d(n, 4 * n, 3, padding=1),
        nn.PixelShuffle(2),
        GridReLU(),
    )


def _predictor(c_in: int, n: int, c: int, kernel: int) -> nn.Sequential:
    """Features -> mu and log2 sigma of every latent, (B, 2 C, h, w). An exact net."""
    middle = [] if kernel == 1 else [nn.Conv2d(n, n, 1), GridReLU()]
    return nn.Sequential(
        nn.Conv2d(c_in, n, kernel, padding=kernel // 2),
        GridReLU(),
        *middle,
        nn.Conv2d(n, 2 * c, 1),
    )


def on_grid(mu: Tensor) -> Tensor:
    """A mean as the coder has it, without a slope."""
    return (mu.detach() * GRID).round() / GRID


def _rounded(z: Tensor, mu: Tensor) -> Tensor:
    """round(z - mu) + mu, of slope 1 in z."""
    mu = on_grid(mu)
    return quantize.straight_through((z - mu).round() + mu, z)


class Photo(nn.Module):
    """The whole codec. N = experiment.width filters at 1/8, C = experiment.channels latents.

    Rounding is straight-through for the decoder and pass 2. For the rate, training puts noise in
    its place, but for the end of a run (Experiment.rounded_from).
    """

    codec = "photo"  # the family of cwlib.codec that makes streams with it
    BLOCKS = (3, 2)  # residual blocks at 1/8 and at 1/16, on either side

    def __init__(self, experiment: Experiment):
        super().__init__()
        self.experiment = e = experiment
        if e.gains < 2 or not 0 < e.lambda_2_low < e.lambda_2:
            raise ValueError(
                f"gains {e.gains}, lambda_2_low {e.lambda_2_low}, lambda_2 {e.lambda_2}: give at "
                "least 2 gains, and lambdas that rise"
            )
        n, self.channels, self.knots = e.width, e.channels, e.gains
        self.features, self.hyper = 3 * n // 4, n // 2  # channels of the exact nets, hyper-latents
        sides = (n, 5 * n // 4, e.channels, self.BLOCKS, e.gains)
        self.g_a, self.g_s = Analysis(*sides), Synthesis(*sides)
        # At the best step lambda_2 D counts the same for all rates, and D ~ step^2, so the gains
        # start as g ~ sqrt(lambda_2), with a middle of 1.
        start = torch.linspace(-0.25, 0.25, e.gains) * math.log(e.lambda_2 / e.lambda_2_low)
        self.gain, self.undo = Dial(start, e.channels), Dial(-start, e.channels)
        self.h_a = _hyper_encoder(e.channels, self.features, self.hyper)
        self.h_s = _hyper_decoder(self.hyper, self.features)
        self.hyper_prior = priors.FactorisedPrior(self.hyper, init_scale=4.0)
        known = self.features + e.gains
        self.pass_1 = _predictor(known, n, e.channels, kernel=1)
        self.known = nn.Sequential(nn.Conv2d(e.channels, self.features, 1), GridReLU())
        self.pass_2 = _predictor(known + self.features, n, e.channels, kernel=3)

    @property
    def downscale(self) -> int:
        """Images need a height and a width that are multiples of this."""
        return PATCH * HYPER_DOWNSCALE

    def noise_shapes(self, height: int, width: int) -> tuple[tuple[int, int, int], ...]:
        """Shapes of hyper-latents and latents of an image: what training draws noise for."""
        y = (self.hyper, height // self.downscale, width // self.downscale)
        return y, (self.channels, height // PATCH, width // PATCH)

    def quality_size(self, height: int, width: int) -> tuple[int, int]:
        """Size of the map of qualities of an image."""
        return height // PATCH, width // PATCH

    def lambda_2(self, quality: Tensor) -> Tensor:
        """What a squared error counts at a quality: equal steps of it are equal ratios."""
        e = self.experiment
        # lambda_2(q) = low (high / low)^q
        return e.lambda_2_low * (e.lambda_2 / e.lambda_2_low) ** quality

    @torch.no_grad()
    def start(self, x: Tensor) -> None:
        """Give the linear path the principal components of crops x (B, 3, H, W) in [0, 1].

        A step of a middle quality is then the best one for it: with B = 26 / lambda_2 the step
        sqrt(B) balances the derivatives of rate, log2(1 / step) / 256 bits a pixel, and of
        lambda_2 D, where D = step^2 / 12 / 768. Means and scales start where they belong.
        """
        if not self.experiment.linear_start:
            return
        patches = F.pixel_unshuffle(x.float() - 0.5, PATCH).movedim(1, -1).flatten(0, -2)
        mean = patches.mean(0)  # (768,)
        variances, basis = torch.linalg.eigh(torch.cov(patches.T.double()))
        u = basis.flip(1)[:, : self.channels].T.float()  # (C, 768), the largest first
        step = math.sqrt(BEST_STEP / self.lambda_2(torch.tensor(0.5)).item()) / 255
        for conv, weight, bias in (
            (self.g_a.linear, u / step, -(u @ mean) / step),
            (self.g_s.linear, u.T * step, mean),
        ):
            conv.weight.copy_(weight[..., None, None])
            conv.bias.copy_(bias)
        for conv in (self.g_a.out, self.g_s.out):
            conv.weight.mul_(0.1)
            conv.bias.zero_()
        sigma = variances.flip(0)[: self.channels].clamp(min=1e-9).sqrt().float() / step
        for net in (self.pass_1, self.pass_2):
            net[-1].weight.mul_(0.1)
            net[-1].bias.copy_(torch.cat([torch.zeros(self.channels), sigma.log2().clamp(-3, 8)]))

    def parameter_groups(self) -> list[dict]:
        """Parameters, and the factor of the learning rate for them.

        Adam moves every weight by about the rate, whatever its size: those of the linear path are
        small and must go slower, the prior's few numbers have far to go.
        """
        slow = [p for conv in (self.g_a.linear, self.g_s.linear) for p in conv.parameters()]
        fast = list(self.hyper_prior.parameters())
        apart = {id(p) for p in slow + fast}
        rest = [p for p in self.parameters() if id(p) not in apart]
        return [
            {"params": rest, "factor": 1.0},
            {"params": slow, "factor": 0.05},
            {"params": fast, "factor": 8.0},
        ]

    def coder_tensors(self, images: object = None) -> dict[str, Tensor]:
        """What a weights file holds for the entropy coder, beside the weights themselves."""
        held = priors.table_tensors(self.hyper_prior)
        for name, weight, bias, largest, dtype, *_ in self._exact_layers():
            units = exact.finest_units(weight, bias, largest, dtype)
            held[f"units.{name}"] = torch.from_numpy(np.log2(units)).to(torch.uint8)
        return held

    def coder(self, tensors: dict[str, Tensor]) -> checkerboard.Coder:
        """The entropy coder, from `coder_tensors`. Raises ValueError, KeyError for others."""
        tables = priors.tables_of(tensors, self.hyper)
        nets = {"h_s": [], "pass_1": [], "known": [], "pass_2": []}
        for name, weight, bias, largest, dtype, limits, shuffle in self._exact_layers():
            units = np.exp2(tensors[f"units.{name}"].numpy().astype(dtype))
            layer = exact.Layer.from_reals(weight, bias, largest, limits, units, shuffle)
            nets[name.split(".")[0]].append(layer)
        nets = {name: tuple(layers) for name, layers in nets.items()}
        return checkerboard.Coder(tables, **nets)

    def _exact_layers(self) -> Iterator[tuple]:
        """Name, weight, bias, largest inputs, float type, limits and shuffle of every layer of the
        exact nets, in units of activations: what goes into `exact.Layer.from_reals`."""
        features, planes = np.full(self.features, 1 / GRID), np.full(self.knots, 1 / KNOT)
        inside, shares_max = np.full(self.features, ACTIVATION_MAX), np.full(self.knots, KNOT)
        # of the nets' inputs: what one is in reals, and the largest
        inputs = {
            "h_s": (np.ones(1), np.full(1, HYPER_MAX)),
            "pass_1": (np.r_[features, planes], np.r_[inside, shares_max]),
            "known": (np.full(1, 1 / GRID), np.full(1, LATENT_MAX)),
            "pass_2": (np.r_[features, planes, features], np.r_[inside, shares_max, inside]),
        }
        for net, (one, largest) in inputs.items():
            modules = list(getattr(self, net))
            for k, conv in enumerate(modules):
                if not isinstance(conv, nn.Conv2d):
                    continue
                after = modules[k + 1 : k + 3]
                last = not after
                weight = conv.weight.detach().double().numpy() * (GRID * one)[:, None, None]
                yield (
                    f"{net}.{k}",
                    weight,
                    conv.bias.detach().double().numpy() * GRID,
                    largest,
                    # latents reach far, and what reads them is small
                    np.float64 if net == "known" else np.float32,
                    None if last else (0.0, float(ACTIVATION_MAX)),
                    any(isinstance(m, nn.PixelShuffle) for m in after[:1]),
                )
                one, largest = np.full(1, 1 / GRID), np.full(1, ACTIVATION_MAX)

    def forward(
        self,
        x: Tensor,
        quality: float | Tensor = 0.5,
        noise: tuple[Tensor, Tensor] | None = None,
    ) -> Output:
        """x: (B, 3, H, W) in [0, 1], H and W multiples of `downscale`.

        quality: 0..1, (B,) or (B, 1, H/16, W/16). noise: for hyper-latents and latents, whose rate
        is then that of values + noise; None: of the rounded ones. Returns an `Output` whose z and
        z_hat are in steps of this quality.
        """
        if x.shape[1] != 3 or x.shape[2] % self.downscale or x.shape[3] % self.downscale:
            raise ValueError(
                f"expected (B, 3, H, W) with H and W multiples of {self.downscale}, got "
                f"{tuple(x.shape)}: pad the image"
            )
        s = self.shares(quality, x)
        z = self.g_a(x, s) * self.gain(s)
        y = self.h_a(z).float()
        y_hat = quantize.straight_through(y.round(), y)
        z_hat, mu, sigma = self.passes(z, self.h_s(y_hat), s, _rounded)
        with torch.autocast(x.device.type, enabled=False):  # likelihoods need float32
            y_rate, z_rate = (y_hat, z_hat) if noise is None else (y + noise[0], z + noise[1])
            latent_bits = priors.bits(priors.gaussian_likelihood(z_rate - mu, sigma))
            hyper_bits = priors.bits(self.hyper_prior(y_rate))
        x_hat = self.g_s(z_hat * self.undo(s), s)
        return Output(x_hat, z, z_hat, latent_bits, hyper_bits)

    def shares(self, quality: float | Tensor, x: Tensor) -> Tensor:
        """A quality for all of x, one for each image, or a map: what each knot counts."""
        quality = torch.as_tensor(quality, dtype=torch.float32, device=x.device)
        return shares(quality if quality.ndim == 4 else quality.view(-1, 1, 1, 1), self.knots)

    def passes(
        self, z: Tensor, features: Tensor, s: Tensor, rounded: Callable[[Tensor, Tensor], Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Latents z in steps -> z_hat = rounded(z, mu), and what predicts it: mu and sigma."""
        s = s.expand(-1, -1, *z.shape[2:])
        early = torch.from_numpy(checkerboard.first_pass(*z.shape[1:])).to(z.device)
        mu_1, log2_1 = self.pass_1(torch.cat([features, s], 1)).float().chunk(2, 1)
        z_1 = rounded(z, mu_1)
        known = self.known(torch.where(early, z_1, 0.0))
        mu_2, log2_2 = self.pass_2(torch.cat([features, s, known], 1)).float().chunk(2, 1)
        mu, log2_sigma = torch.where(early, mu_1, mu_2), torch.where(early, log2_1, log2_2)
        sigma = torch.exp2(log2_sigma.clamp(*LOG2_SIGMA))
        return torch.where(early, z_1, rounded(z, mu_2)), mu, sigma

    def loss_terms(
        self,
        x: Tensor,
        draws: losses.Draws | None = None,
        weight: float = 1.0,
        features: nn.Module | None = None,
    ) -> dict[str, Tensor]:
        """R + lambda_2 D of crops x (B, 3, H, W), at the draws' qualities (None: the usual one).

        Rates and losses grow about as sqrt(lambda_2), so each image counts by 1 / sqrt(lambda_2):
        all rates are learnt alike.
        """
        noise, quality = None, x.new_full((len(x), 1, 1, 1), 0.5)
        if draws is not None:
            noise, quality = draws.noise, draws.quality
        out = self(x, quality, noise)
        bpp = out.bits / x[0, 0].numel()  # (B,)
        squares = F.avg_pool2d((out.x_hat - x).square().mean(1, keepdim=True), PATCH)
        lambda_2 = self.lambda_2(quality)
        each = losses.rate_distortion((lambda_2 * squares).mean(dim=(1, 2, 3)), bpp, 1.0)
        counts = (self.lambda_2(x.new_tensor(0.5)) / lambda_2.mean(dim=(1, 2, 3))).sqrt()
        return {
            "mse": squares.mean(),
            "bpp": bpp.mean(),
            "hyper_bpp": losses.bits_per_pixel(out.hyper_bits, x),
            "loss": (counts * each).mean(),
        }


KINDS: dict[str, type[nn.Module]] = {"photo": Photo}
