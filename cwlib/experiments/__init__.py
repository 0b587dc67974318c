"""Every experiment of the two papers, and ours, by its name: the only place for hyperparameters.

`settings` has the fields, `mnist` and `kodak` the two papers' experiments, `photo` ours.
"""

from __future__ import annotations

from cwlib.experiments.kodak import KODAK
from cwlib.experiments.mnist import MNIST
from cwlib.experiments.photo import PHOTO
from cwlib.experiments.settings import Experiment, check, from_card

EXPERIMENTS: dict[str, Experiment] = {e.name: e for e in MNIST + KODAK + PHOTO}


def get(name: str) -> Experiment:
    """The experiment of that name; raises ValueError that lists all names."""
    if name not in EXPERIMENTS:
        raise ValueError(f"unknown experiment {name!r}: choose one of {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]


__all__ = ["EXPERIMENTS", "Experiment", "check", "from_card", "get"]
