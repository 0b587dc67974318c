"""Every network by the name that `Experiment.model` gives it."""

from __future__ import annotations

from torch import nn

from cwlib.experiments import Experiment
from cwlib.models import autoencoders, hierarchical, photo, variants
from cwlib.pinned import pinned

KINDS: dict[str, type[nn.Module]] = {
    **autoencoders.KINDS,
    **variants.KINDS,
    "hierarchical": hierarchical.Hierarchical,
    **photo.KINDS,
}


@pinned()
def build(experiment: Experiment) -> nn.Module:
    """An untrained network for an experiment, float32 on the CPU.

    Raises ValueError for an unknown `model` field and for settings that do not go together.
    """
    if experiment.model not in KINDS:
        raise ValueError(f"unknown model {experiment.model!r}: choose one of {', '.join(KINDS)}")
    return KINDS[experiment.model](experiment)
