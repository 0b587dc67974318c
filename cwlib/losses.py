"""The terms that training minimises. Pixels in [0, 1]; rates in bits per pixel.

Which of them a net is trained with is its own `loss_terms`. VGG-16's weights come through
torchvision, which fetches them once where there is a network; `vgg16_standin` has random ones: the
code then runs, and what it trains must not be shown as the result of a VGG loss.
"""

from __future__ import annotations

import math
from typing import NamedTuple
from urllib.error import URLError

import torch
from torch import Tensor, nn

from cwlib.experiments import Experiment

VGG_LAYERS = 16  # up to relu3_3, as Johnson 2016 for content [21]
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of the pixels VGG was trained on


class Draws(NamedTuple):
    """The random numbers that a step's loss depends on, beside its images: see `batches.draws`.

    strength: (B,) in [strength_min, 1]; noise: one (B, ...) for each quantiser of the net, uniform
    in [-1/2, 1/2), None for rounding; quality: (B, 1, h, w) in 0..1, for nets that have one at
    every place.
    """

    strength: Tensor
    noise: tuple[Tensor, ...] | None
    quality: Tensor | None = None


def mse(x_hat: Tensor, x: Tensor) -> Tensor:
    """Mean squared error over everything, pixels in [0, 1] (paper 1's only loss)."""
    return ((x_hat.float() - x.float()) ** 2).mean()


def mse_of_each(x_hat: Tensor, x: Tensor) -> Tensor:
    """Mean squared error of every image: (B, C, H, W) twice, pixels in [0, 1] -> (B,)."""
    return ((x_hat.float() - x.float()) ** 2).mean(dim=(1, 2, 3))


def bits_per_pixel(bits: Tensor, x: Tensor) -> Tensor:
    """Estimated bits (B,) of images x (B, 1 or 3, H, W) -> mean bits per pixel."""
    return bits.mean() / (x.shape[-2] * x.shape[-1])


def above(rate: Tensor, target: float) -> Tensor:
    """max(0, rate - target): a rate costs nothing up to its target (Li 2018, Eq. 6)."""
    return (rate - target).clamp(min=0)


# --- paper 2 -------------------------------------------------------------------------------------


def feature_distance(
    encoder: nn.Module, x_hat: Tensor, x: Tensor, train_encoder: bool = False
) -> Tensor:
    """d_feat = ||E(x) - E(x_hat)||^2 / (C h w), mean over the batch (Eq. 11).

    The gradient runs through E into x_hat and so into the decoder, but leaves E's weights alone:
    otherwise the encoder could make its features alike by making them small. `train_encoder`
    lets them follow, as a literal reading of Eq. 12 would.
    """
    if train_encoder:
        return mse(encoder(x_hat), encoder(x))
    with torch.no_grad():
        target = encoder(x)
    fixed = {name: p.detach() for name, p in encoder.named_parameters()}
    return mse(torch.func.functional_call(encoder, fixed, (x_hat,)), target)


def vgg_distance(features: nn.Module, x_hat: Tensor, x: Tensor) -> Tensor:
    """d_feat = ||VGG_l(x) - VGG_l(x_hat)||^2 / (C_l h_l w_l), mean over the batch (Eq. 10)."""
    with torch.no_grad():
        target = features(x)
    return mse(features(x_hat), target)


def rate_distortion(
    distortion: Tensor,
    bpp: Tensor,
    lambda_2: float | Tensor,
    lambda_1: float = 0.0,
    d_feat: float | Tensor = 0.0,
    scale: float = 255**2,
) -> Tensor:
    """Eq. 12: lambda_2 (d + lambda_1 d_feat) + L_R, of one image or of each in a batch.

    distortion: MSE with pixels in [0, 1]; Eq. 12 has it on the 0..255 scale, where the paper's
    lambda_2 in [0.001, 0.02] belongs. bpp: bits per pixel. scale: 1 for another distortion.

    >>> rate_distortion(torch.tensor(0.001), bpp=torch.tensor(0.36), lambda_2=0.0067)
    tensor(0.7957)
    """
    # L = lambda_2 (d + lambda_1 d_feat) + L_R
    return lambda_2 * (scale * distortion + lambda_1 * d_feat) + bpp


def lambda_of_strength(strength: Tensor, low: float, high: float, strength_min: float) -> Tensor:
    """lambda_2 of an image of strength s: `low` at s = strength_min, `high` at s = 1.

    Between them a power of s, so that equal ratios of s are equal ratios of lambda_2.
    """
    # lambda_2(s) = high (low / high)^(log s / log s_min)
    return high * (low / high) ** (torch.log(strength) / math.log(strength_min))


# --- VGG-16's features, which paper 2 argues against (Eq. 10) ------------------------------------


class WeightsUnavailable(RuntimeError):
    """VGG-16's weights are neither here nor to be had."""


class Features(nn.Module):
    """x (B, 3, H, W) in [0, 1] -> features (B, 256, H/4, W/4). Never trained."""

    def __init__(self, layers: nn.Sequential):
        super().__init__()
        self.layers = layers.eval().requires_grad_(False)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, 3, H, W) in [0, 1] -> features (B, C_l, h_l, w_l)."""
        return self.layers((x - self.mean) / self.std)

    def train(self, mode: bool = True) -> Features:
        """Stays in eval mode whatever it is a part of."""
        return super().train(False)


def vgg16() -> Features:
    """The trained features. Raises WeightsUnavailable."""
    from torchvision.models import VGG16_Weights
    from torchvision.models import vgg16 as build

    try:
        net = build(weights=VGG16_Weights.IMAGENET1K_V1)
    except (URLError, OSError, RuntimeError) as error:
        raise WeightsUnavailable(
            f"VGG-16's weights are not here and could not be fetched ({error}): connect once, or "
            "train with lambda_1_of='vgg-standin', whose weights are random"
        ) from error
    return Features(net.features[:VGG_LAYERS])


def vgg16_standin(seed: int = 0) -> Features:
    """VGG-16's layers with random weights: for trying the code, not for results."""
    from torchvision.models import vgg16 as build

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Features(build(weights=None).features[:VGG_LAYERS])


FEATURES = {"vgg": vgg16, "vgg-standin": vgg16_standin}  # besides the encoder's own


def features(experiment: Experiment) -> nn.Module | None:
    """The network besides the model whose features the loss compares; None where there is none.

    Raises WeightsUnavailable, ValueError.
    """
    if experiment.lambda_1_of == "encoder" or not experiment.lambda_1:
        return None
    if experiment.lambda_1_of not in FEATURES:
        allowed = ", ".join(FEATURES)
        raise ValueError(
            f"unknown lambda_1_of {experiment.lambda_1_of!r}: choose encoder or {allowed}"
        )
    return FEATURES[experiment.lambda_1_of]()
