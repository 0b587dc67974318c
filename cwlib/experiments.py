"""Every experiment of the book as one frozen dataclass: the only place for hyperparameters."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Experiment:
    """Settings of one training run; `cwlib train NAME` reads nothing else."""

    name: str
    model: str  # cae, resnet, cw, cw1 (paper 1), hierarchical (paper 2)
    note: str  # one line for `cwlib models` and the card
    dataset: str = "mnist"  # mnist | photos
    width: int = 64  # filters: w in paper 1, N in paper 2
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
    # paper 2 only
    strides: tuple[int, ...] = (1, 2, 2, 2)  # of the four scales; or (2, 2, 2, 1), cheaper
    mask: str = "none"  # none (M) | first (M1) | largest (M*): the importance channel
    lambda_2: float = 0.0  # weight of the distortion in Eq. 12, MSE on the 0..255 scale
    lambda_1: float = 0.0  # weight of the encoder-perceptual term in it
    crop: int = 128  # side of a training crop
    grad_clip: float = 0.0  # longest gradient; 0 does not clip
    # one model for many rates: every training image draws a strength s in [strength_min, 1]
    strength_min: float = 1.0  # s scales the importance map; 1: always whole, as in the paper
    lambda_2_low: float = 0.0  # lambda_2 at s = strength_min; 0: the same for all s
    gains: int = 0  # step sizes per channel that are learnt at so many strengths; 0: all are 1
    # training
    ema: float = 0.0  # decay of the moving average of the weights; 0 exports the weights themselves

    def __post_init__(self):
        object.__setattr__(self, "strides", tuple(self.strides))  # a card's JSON has a list


_PAPER = dict(optimizer="sgd", lr=1e-3, schedule="constant", batch_size=100, last_norm=True)

_MNIST = [
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

_KODAK_MIDDLE = 0.0067  # lambda_2 of the models that the paper compares in Table 1


def _kodak(name: str, note: str, **more) -> Experiment:
    """Paper 2 at its own size: N = 128, four different scales. For a GPU: about 215 k steps."""
    settings = dict(dataset="photos", width=128, mask="largest", lambda_2=_KODAK_MIDDLE)
    settings |= dict(lr=2e-4, batch_size=16, epochs=5000, grad_clip=1.0)
    return Experiment(name, "hierarchical", note, **(settings | more))


def _kodak_small(name: str, note: str, **more) -> Experiment:
    """Ours, sized for a CPU: N = 64, and the first convolution halves the image already."""
    small = dict(width=64, strides=(2, 2, 2, 1), lr=1e-3, batch_size=8, epochs=500)
    return _kodak(name, note, **(small | more))


_KODAK = [
    _kodak("kodak-m", "paper 2: M, no importance mask", mask="none"),
    _kodak("kodak-m1", "paper 2: M_I^1, the first channel is the importance map", mask="first"),
    _kodak("kodak-mstar", "paper 2: M_I^*, the channel with the largest sum is the map"),
    _kodak(
        "kodak-mp", "paper 2: M_p, M with the encoder-perceptual loss", mask="none", lambda_1=10.0
    ),
    _kodak("kodak-mstar-p", "paper 2 whole: M_I^* with the encoder-perceptual loss", lambda_1=10.0),
    *(
        _kodak(f"kodak-mstar-l{x}", "paper 2: M_I^* at another rate", lambda_2=x, **more)
        for x, more in [
            (0.0018, dict(warm_start="kodak-mstar")),
            (0.0035, dict(warm_start="kodak-mstar")),
            (0.013, dict(warm_start="kodak-mstar")),
            (0.025, dict(width=192)),  # 4.1: 192 filters above 0.5 bpp
            (0.0483, dict(width=192, warm_start="kodak-mstar-l0.025")),
        ]
    ),
    _kodak_small(
        "kodak-mstar-n64", "ours: M_I^* for a CPU, N = 64, strides 2, 2, 2, 1", lambda_2=0.0045
    ),
    *(
        _kodak_small(
            f"kodak-mstar-n64-l{x}",
            "ours: M_I^* for a CPU at another rate",
            lambda_2=x,
            epochs=150,
            warm_start="kodak-mstar-n64",
        )
        for x in (0.001, 0.0021, 0.0095, 0.02)
    ),
    _kodak_small(
        "kodak-any-n64",
        "ours: one model for many rates, importance drawn at random in training",
        strength_min=0.25,
        lambda_2=0.02,
        lambda_2_low=0.001,
        gains=4,
        epochs=300,
        warm_start="kodak-mstar-n64",
    ),
]

EXPERIMENTS: dict[str, Experiment] = {e.name: e for e in _MNIST + _KODAK}


def get(name: str) -> Experiment:
    """The experiment of that name; raises ValueError that lists all names."""
    if name not in EXPERIMENTS:
        raise ValueError(f"unknown experiment {name!r}: choose one of {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]
