"""tiny-any: tiny-photo's weights with gains, untrained. What tests use as a model of many rates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

import tiny
from cwlib import zoo
from cwlib.models.hierarchical import Hierarchical

EXPERIMENT = replace(
    tiny.PHOTO_EXPERIMENTS["tiny-photo"],
    name="tiny-any",
    strength_min=0.25,
    lambda_2=0.016,
    lambda_2_low=0.001,
    gains=3,
)


def save(folder: Path) -> zoo.TrainedModel:
    """Its weights and card into `folder`; always the same."""
    net = Hierarchical(EXPERIMENT).eval()
    net.load_state_dict(tiny.photo_net("tiny-photo").state_dict(), strict=False)
    with torch.no_grad():
        net.gains.log_gain += 0.1 * torch.randn(3, 11, generator=torch.Generator().manual_seed(0))
    card = {"command": "none", "steps": 0, "seconds": 0, "device": "cpu", "curve": []}
    return zoo.save(net, folder, card)
