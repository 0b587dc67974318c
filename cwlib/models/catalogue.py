"""Every network by the name that `Experiment.model` gives it."""

from __future__ import annotations

from torch import nn

from cwlib.experiments import Experiment
from cwlib.models import autoencoders, hierarchical, photo, variants

KINDS: dict[str, type[nn.Module]] = {
    **autoencoders.KINDS,
    **variants.KINDS,
    "hierarchical": hierarchical.Hierarchical,
    **photo.KINDS,
}


def build(experiment: Experiment) -> nn.Module:
    """An untrained network for an experiment; raises ValueError for an unknown `model` field."""
    if experiment.model not in KINDS:
        raise ValueError(f"unknown model {experiment.model!r}: choose one of {', '.join(KINDS)}")
    return KINDS[experiment.model](experiment)
