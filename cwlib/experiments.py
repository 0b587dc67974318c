"""Every experiment of the book as one frozen dataclass: the only place for hyperparameters."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Experiment:
    """Settings of one training run; `cwlib train NAME` reads nothing else."""

    name: str
    model: str  # cae, resnet, cw, cw1
    note: str  # one line for `cwlib models` and the card
    dataset: str = "mnist"
    width: int = 64  # filters w in Fig. 2
    channels: int = 4  # channels n of the code
    units: int = 3  # residual units in a group
    last_norm: bool = False  # Fig. 2's BN behind the output layer (see models/autoencoders.py)
    reading: str = "double"  # which bits a map level keeps (importance.READINGS)
    map_channels: int | None = None  # None: as many as the code has
    lambda_rate: float = 0.0  # weight of the rate term; 0 is the paper's plain MSE
    optimizer: str = "adam"  # adam | sgd
    lr: float = 2e-3
    momentum: float = 0.9  # sgd only; 0 is what the paper's text says
    schedule: str = "cosine"  # cosine: warm up 5 %, hold, then cosine to 2 % | constant
    batch_size: int = 16
    epochs: float = 50.0
    warm_start: str | None = None  # experiment whose weights training starts from
    seed: int = 0


_PAPER = dict(optimizer="sgd", lr=1e-3, schedule="constant", batch_size=100, last_norm=True)

EXPERIMENTS: dict[str, Experiment] = {
    e.name: e
    for e in [
        Experiment("mnist-cae", "cae", "paper 1: 3-layer convolutional AE, trained with Adam"),
        Experiment("mnist-resnet", "resnet", "paper 1: ResNet AE, trained with Adam"),
        Experiment("mnist-cw", "cw", "paper 1: content-weighted ResNet AE, trained with Adam"),
        Experiment("mnist-cae-sgd", "cae", "paper 1: CAE with the paper's own SGD", **_PAPER),
        Experiment("mnist-resnet-sgd", "resnet", "paper 1: ResNet AE with SGD", **_PAPER),
        Experiment("mnist-cw-sgd", "cw", "paper 1: content-weighted AE with SGD", **_PAPER),
        Experiment("mnist-cw-ceil", "cw", "mask reading b = 2, 3, 5, 6", reading="ceil"),
        Experiment("mnist-cw-offset", "cw", "mask reading b = 3, 4, 5, 6", reading="offset"),
        *(
            Experiment(
                name,
                "cw1",
                "ours: one-channel map, learnt prior, rate term, arithmetic coding",
                width=32,
                units=2,
                map_channels=1,
                lambda_rate=lambda_rate,
                warm_start=warm_start,
            )
            for name, lambda_rate, warm_start in [
                ("mnist-cw1", 0.003, None),
                ("mnist-cw1-l0.001", 0.001, "mnist-cw1"),
                ("mnist-cw1-l0.01", 0.01, "mnist-cw1"),
                ("mnist-cw1-l0.03", 0.03, "mnist-cw1"),
            ]
        ),
    ]
}


def get(name: str) -> Experiment:
    """The experiment of that name; raises ValueError that lists all names."""
    if name not in EXPERIMENTS:
        raise ValueError(f"unknown experiment {name!r}: choose one of {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]
