"""tiny-own: `photo` at width 8, untrained but for its principal components."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import scenes
from cwlib import experiments, zoo
from cwlib.models.photo import Photo

EXPERIMENT = replace(
    experiments.get("photo"),
    name="tiny-own",
    note="for tests only",
    width=8,
    channels=120,
    gains=3,
    batch_size=2,
    crop=64,
)


def pixels(*images: np.ndarray) -> torch.Tensor:
    """uint8 (H, W, 3) each -> (B, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255


def net() -> Photo:
    """Always the same: a working codec, whose predictions depend on all that they may."""
    torch.manual_seed(7)
    model = Photo(EXPERIMENT)
    model.start(pixels(*(scenes.scene(128, 128, seed) for seed in range(20))))
    with torch.no_grad():
        model.h_a[-1].weight *= 4
        for predictor in (model.pass_1, model.pass_2):
            predictor[-1].weight *= 3
            predictor[-1].bias[-2:] -= 3  # two channels whose symbols are taken for granted
        change = 0.1 * torch.randn_like(model.gain.log)
        model.gain.log += change
        model.undo.log -= change
    return model.eval()


def save(folder: Path) -> zoo.TrainedModel:
    """Its weights and card into `folder`."""
    card = {"command": "none", "steps": 0, "seconds": 0, "device": "cpu", "curve": []}
    return zoo.save(net(), folder, card)


def soft(side: int) -> np.ndarray:
    """A picture without edges, which even this net can code well: uint8 (side, side, 3)."""
    small = Image.fromarray(scenes.scene(side // 8, side // 8))
    return np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))


@cache
def scene(height: int, width: int) -> np.ndarray:
    """A made-up photograph, read-only."""
    image = scenes.scene(height, width)
    image.setflags(write=False)
    return image
