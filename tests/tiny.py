"""Untrained networks of width 8, saved like real ones: every code path in a few milliseconds.

`EXPERIMENTS` are of paper 1 (digits), `PHOTO_EXPERIMENTS` of paper 2 (photographs).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

import scenes
import strokes
from cwlib import experiments, zoo
from cwlib.models import autoencoders, catalogue, hierarchical

EXPERIMENTS = {
    f"tiny-{kind}": replace(
        experiments.get(f"mnist-{kind}"),
        name=f"tiny-{kind}",
        note="for tests only",
        width=8,
        units=1,
    )
    for kind in ("cae", "resnet", "cw", "cw1")
}

PHOTO_EXPERIMENTS = {
    name: replace(
        experiments.get(like), name=name, note="for tests only", width=8, crop=64, batch_size=2
    )
    for name, like in {
        "tiny-photo": "kodak-mstar-n64",  # strides (2, 2, 2, 1), mask by the largest sum
        "tiny-photo-wide": "kodak-mstar",  # strides (1, 2, 2, 2)
        "tiny-photo-m": "kodak-m",  # no mask
    }.items()
}


def net(name: str) -> autoencoders.Autoencoder:
    """A net whose codes and maps take many values, though nobody trained it; always the same."""
    torch.manual_seed(len(name))
    model = catalogue.build(EXPERIMENTS[name])
    with torch.no_grad():
        model.g_a[-1].weight *= 30
        if hasattr(model, "importance_net"):
            model.importance_net[-1].weight *= 30
        if hasattr(model, "prior"):
            for p in model.prior.parameters():
                p += 0.05 * torch.randn_like(p)
    return model.eval()


def save_all(folder: Path) -> list[str]:
    """All four nets into `folder`; returns their names."""
    learn = strokes.digits(8, 128)
    card = {"command": "none", "steps": 0, "seconds": 0, "device": "cpu", "curve": []}
    for name in EXPERIMENTS:
        zoo.save(net(name), folder, card, learn)
    return sorted(EXPERIMENTS)


def photo_net(name: str) -> hierarchical.Hierarchical:
    """A net whose latents, masks and scales take many values, though nobody trained it; always the
    same. Its scales fit the latents of a made-up photograph, and its output the range of pixels.
    """
    torch.manual_seed(len(name))
    model = hierarchical.Hierarchical(PHOTO_EXPERIMENTS[name])
    with torch.no_grad():
        for conv in (model.g_a.convs[-1], *model.g_a.laterals):
            conv.weight *= 60
        model.g_s.deconvs[0].weight *= 0.1
        model.g_s.deconvs[-1].weight *= 0.3
        model.h_a[-1].weight *= 10
        if model.experiment.mask != "none":
            model.importance_bias.fill_(-1.0)  # half open, here more and there less
        x = torch.from_numpy(scenes.scene(96, 96)).permute(2, 0, 1)[None].float() / 255
        z = model.g_a(x)
        m, _ = model.mask(z)
        masked = z if m is None else z * m
        model.h_s[-1].bias.copy_(masked.std(dim=(0, 2, 3)).clamp(min=0.2).log2())
    return model.eval()


def save_photo_nets(folder: Path) -> list[str]:
    """The nets of paper 2 into `folder`; returns their names."""
    card = {"command": "none", "steps": 0, "seconds": 0, "device": "cpu", "curve": []}
    for name in PHOTO_EXPERIMENTS:
        zoo.save(photo_net(name), folder, card)
    return sorted(PHOTO_EXPERIMENTS)
