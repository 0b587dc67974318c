"""A training loop for toys: Adam, a fixed number of steps, a learning rate that ends near zero."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

WARM_UP = 20  # steps in which the learning rate grows
LEVEL = 0.6  # share of the steps after which it falls


def learning_rate(step: int, steps: int, lr: float) -> float:
    """Up along a line, level at `lr`, and down as half a cosine. step: 0 ... steps - 1."""
    late = max(0.0, step / steps - LEVEL) / (1 - LEVEL)
    return lr * min(1.0, (step + 1) / WARM_UP) * (1 + math.cos(math.pi * late)) / 2


def minimise(
    net: nn.Module, loss: Callable[[int], Tensor], steps: int, lr: float = 4e-3
) -> list[float]:
    """Change the net's weights to make `loss(step)` small; returns its value at every step.

    Gradients are clipped to length 1. The net is left in eval mode.
    """
    optimizer = torch.optim.Adam(net.train().parameters())
    course = []
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = learning_rate(step, steps, lr)
        value = loss(step)
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        course.append(value.item())
    net.eval()
    return course
