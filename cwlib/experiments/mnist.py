"""Paper 1's nets, and our variant of the best of them."""

from __future__ import annotations

from cwlib.experiments.settings import Experiment

_PAPER = dict(optimizer="sgd", lr=1e-3, schedule="constant", batch_size=100, last_norm=True)

MNIST = [
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
