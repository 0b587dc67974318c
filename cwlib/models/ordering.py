"""The channels of a trained net in another order: those that are used most come first.

Without a mask that teaches it, the order of channels means nothing. A net that is to be trained
with its importance map scaled down (Experiment.strength_min) keeps the first channels, so it starts
better from weights whose first channels matter most. The order changes nothing in what the net
computes, except where its mask is partly shut.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from cwlib.models.hierarchical import LATERALS, Hierarchical


@torch.no_grad()
def by_use(net: Hierarchical, x: Tensor) -> Tensor:
    """Channels of f4, that with the largest mean |z_hat| over images x (B, 3, H, W) first: (N,)."""
    z_hat = net(x).z_hat[:, LATERALS:]
    return z_hat.abs().mean(dim=(0, 2, 3)).argsort(descending=True, stable=True)


@torch.no_grad()
def reordered(net: Hierarchical, order: Tensor) -> Hierarchical:
    """A copy whose channel k of f4 is channel order[k] of the net; the laterals stay.

    order: a permutation of 0..N-1. A net with gains, or whose first channel is its map, cannot be
    reordered: raises ValueError.
    """
    if net.gains is not None or net.experiment.mask == "first":
        raise ValueError(f"the channels of {net.experiment.name} have a meaning each")
    net = copy.deepcopy(net)
    z = torch.cat([torch.arange(LATERALS), LATERALS + order.cpu()])  # channels of z
    _take(net.g_a.convs[3].weight, 0, order)
    first = net.g_s.deconvs[0]
    _take(first.weight, 0 if isinstance(first, nn.ConvTranspose2d) else 1, order)
    _take(net.h_a[0].weight, 1, z)
    _take(net.h_s[-1].weight, 0, z)
    _take(net.h_s[-1].bias, 0, z)
    if net.experiment.mask != "none":
        _take(net.importance_bias, 0, order)
    return net


def _take(parameter: Tensor, dim: int, order: Tensor) -> None:
    parameter.copy_(parameter.index_select(dim, order.to(parameter.device)))
