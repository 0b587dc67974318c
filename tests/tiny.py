"""Untrained networks of width 8, saved like real ones: every code path in a few milliseconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import strokes
import torch

from cwlib import experiments, zoo
from cwlib.models import autoencoders

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


def net(name: str) -> autoencoders.Autoencoder:
    """A net whose codes and maps take many values, though nobody trained it; always the same."""
    torch.manual_seed(len(name))
    model = autoencoders.build(EXPERIMENTS[name])
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
