"""Ours for photographs: one net for all rates (see models/photo.py)."""

from __future__ import annotations

from cwlib.experiments.settings import Experiment

PHOTO = [
    Experiment(
        "photo",
        "photo",
        "ours: one net for all rates and regions, for a CPU",
        dataset="photos",
        width=128,
        channels=256,
        gains=6,
        lambda_2_low=0.0006,
        lambda_2=0.09,
        lr=6e-4,
        schedule="long",
        batch_size=16,
        epochs=4000,
        pyramid=True,
        grad_clip=1.0,
        ema=0.999,
    ),
]
