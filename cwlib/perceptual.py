"""VGG-16's features, for the loss that paper 2 argues against (Eq. 10).

The weights come through torchvision, which fetches them once where there is a network. Without
one, `stand_in` builds the same network with random weights: the code then runs, and what it trains
must not be shown as the result of a VGG loss.
"""

from __future__ import annotations

from urllib.error import URLError

import torch
from torch import Tensor, nn

LAYERS = 16  # up to relu3_3, as Johnson 2016 for content [21]
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of the pixels VGG was trained on


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
    return Features(net.features[:LAYERS])


def stand_in(seed: int = 0) -> Features:
    """VGG-16's layers with random weights: for trying the code, not for results."""
    from torchvision.models import vgg16 as build

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Features(build(weights=None).features[:LAYERS])
