"""Every experiment of the book by its name: the only place for hyperparameters.

`settings` has the fields, `mnist` and `kodak` the two papers' experiments, `studies` the small ones
that are trained several times each to answer one question.
"""

from __future__ import annotations

from cwlib.experiments.kodak import KODAK
from cwlib.experiments.mnist import MNIST
from cwlib.experiments.photo import PHOTO
from cwlib.experiments.settings import Experiment, check, from_card
from cwlib.experiments.studies import SMALL, STUDIES, Study

EXPERIMENTS: dict[str, Experiment] = {e.name: e for e in MNIST + KODAK + PHOTO + SMALL}


def get(name: str) -> Experiment:
    """The experiment of that name; raises ValueError that lists all names."""
    if name not in EXPERIMENTS:
        raise ValueError(f"unknown experiment {name!r}: choose one of {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]


def study(name: str) -> Study:
    """The study of that name; raises ValueError that lists all names."""
    if name not in STUDIES:
        raise ValueError(f"unknown study {name!r}: choose one of {', '.join(STUDIES)}")
    return STUDIES[name]


__all__ = ["EXPERIMENTS", "STUDIES", "Experiment", "Study", "check", "from_card", "get", "study"]
