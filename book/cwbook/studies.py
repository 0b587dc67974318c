"""Small nets for questions that need many runs: the ablations of both papers and our own.

All members of a study have the same size, data, number of steps and seeds, and differ in what the
question is about. They are far from converged: what they show is a difference, with its spread
over seeds, and not how good the method can be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cwlib import experiments
from cwlib.experiments import Experiment


@dataclass(frozen=True)
class Study:
    """A question, the experiments that answer it, and the seeds that each is trained with.

    minutes: all members have the same time; None: each has its own number of steps.
    """

    name: str
    question: str
    members: tuple[str, ...]
    seeds: tuple[int, ...] = (0, 1, 2)
    minutes: float | None = None


# --- photographs ---------------------------------------------------------------------------------

# lambda_2 of the rate points; low and high start from the middle one of the same seed
_RATES = {"-low": 0.0018, "": 0.0045, "-high": 0.011}


def _small(name: str, note: str, **more) -> Experiment:
    """Paper 2 at N = 32, four different scales given up for speed."""
    settings = dict(dataset="photos", width=32, strides=(2, 2, 2, 1), lambda_2=_RATES[""])
    settings |= dict(lr=1e-3, batch_size=4, steps=4000, grad_clip=1.0)
    return Experiment(name, "hierarchical", note, **(settings | more))


def _at_three_rates(name: str, note: str, **more) -> list[Experiment]:
    warm = dict(steps=1200, warm_start=name)
    return [
        _small(name + rate, note, lambda_2=lambda_2, **(warm if rate else {}), **more)
        for rate, lambda_2 in sorted(_RATES.items())
    ]


_PHOTOS = [
    *_at_three_rates("small-m", "study: M, no importance mask"),
    *_at_three_rates("small-m1", "study: M_I^1, the first channel is the map", mask="first"),
    *_at_three_rates("small-mstar", "study: M_I^*, the largest channel is the map", mask="largest"),
    *_at_three_rates("small-mp", "study: M_p, encoder-perceptual loss", lambda_1=10.0),
    *(
        _small(
            name,
            note,
            **(dict(distortion="ms-ssim", crop=192, batch_size=2) | more),
            steps=1200,
            warm_start="small-m",
        )
        for name, note, more in [
            ("small-msssim", "study: M trained for MS-SSIM", dict(lambda_2=12.0)),
            ("small-msssim-low", "study: M trained for MS-SSIM", dict(lambda_2=6.0)),
        ]
    ),
    _small(
        "small-mvgg",
        "study: M with the VGG-perceptual loss (needs VGG-16's weights)",
        lambda_1=10.0,
        lambda_1_of="vgg",
        steps=1200,
        warm_start="small-m",
    ),
]

# --- how to train in a given time ----------------------------------------------------------------

_LEARNERS = [
    replace(experiments.get("photo"), name=f"learn-{name}", note=f"study: photo, {note}", **more)
    for name, note, more in [
        ("adam", "trained as it is", {}),
        ("lr3e-4", "half the learning rate", dict(lr=3e-4)),
        ("lr1.2e-3", "twice the learning rate", dict(lr=1.2e-3)),
        ("batch8", "batches of 8", dict(batch_size=8)),
        ("batch32", "batches of 32", dict(batch_size=32)),
        ("crop256", "4 crops of 256x256 in place of 16 of 128x128", dict(crop=256, batch_size=4)),
        ("cosine", "a schedule that falls from the middle on", dict(schedule="cosine")),
        ("plain", "no average of the weights", dict(ema=0.0)),
        ("cold", "no principal components to start from", dict(linear_start=False)),
        ("channels384", "384 latents a place in place of 256", dict(channels=384)),
        ("rounded", "the last tenth with rates of rounded latents", dict(rounded_from=0.9)),
        ("soap", "SOAP in place of Adam", dict(optimizer="soap")),
        ("muon", "Muon in place of Adam, for the convolutions", dict(optimizer="muon")),
    ]
]

# --- digits --------------------------------------------------------------------------------------


def _tiny(name: str, model: str, note: str, **more) -> Experiment:
    """Paper 1 at w = 16 with one residual unit in a group."""
    settings = dict(width=16, units=1, batch_size=8, steps=1500)
    return Experiment(name, model, note, **(settings | more))


# Eight channels, so that a mask over channels has something to choose from; all four may keep the
# same number of code bits, 0.15 a pixel of 0.75, and pay for more (Li 2018, Eq. 6).
_MASKS = dict(channels=8, lambda_rate=0.02, rate_target=0.15)

# A map that is everywhere the same is no map: level 1 of the reading `double` keeps 2 bits, ...
_UNIFORM = {
    2: ("double", 1),
    3: ("offset", 0),
    4: ("double", 2),
    5: ("offset", 2),
    6: ("double", 3),
}

_DIGITS = [
    _tiny("tiny-bits", "cw", "study: paper 1's mask of bits, a map per channel", **_MASKS),
    _tiny("tiny-first", "channels", "study: Mentzer's first channel", mask="first", **_MASKS),
    _tiny("tiny-largest", "channels", "study: paper 2's largest sum", mask="largest", **_MASKS),
    _tiny("tiny-separate", "channels", "study: Li's separate net", mask="separate", **_MASKS),
    *(
        _tiny(f"tiny-cw1-l{x}", "cw1", "study: one-channel map", map_channels=1, lambda_rate=x)
        for x in (0.001, 0.003, 0.01)
    ),
    *(
        _tiny(
            f"tiny-uniform-{bits}",
            "cw1",
            f"study: no map, {bits} bits for every code value",
            map_channels=1,
            reading=reading,
            fixed_level=level,
            lambda_rate=0.003,
        )
        for bits, (reading, level) in _UNIFORM.items()
    ),
    *(  # and at the other prices: at one price all of them seek the same point of the curve
        _tiny(
            f"tiny-uniform-4-l{x}",
            "cw1",
            "study: no map, 4 bits for every code value, another price",
            map_channels=1,
            reading=_UNIFORM[4][0],
            fixed_level=_UNIFORM[4][1],
            lambda_rate=x,
        )
        for x in (0.001, 0.01)
    ),
    *(
        _tiny(
            f"tiny-{quantiser}",
            "quantised",
            f"study: {note}",
            quantiser=quantiser,
            code_bits=2,
        )
        for quantiser, note in [
            ("ste", "rounding, gradient straight through (Theis 2017)"),
            ("noise", "additive uniform noise (Balle 2017)"),
            ("soft", "soft-to-hard annealing, learnt levels (Agustsson 2017)"),
            ("soft-fixed", "soft-to-hard annealing between fixed levels"),
        ]
    ),
]

SMALL: dict[str, Experiment] = {e.name: e for e in _PHOTOS + _LEARNERS + _DIGITS}


def _names(*starts: str) -> tuple[str, ...]:
    """Names of the experiments that are one of `starts`, or a rate point of it."""
    ends = (*_RATES, *(f"-l{x}" for x in (0.001, 0.003, 0.01)))
    return tuple(
        e.name for e in SMALL.values() for s in starts if e.name in [s + end for end in ends]
    )


STUDIES: dict[str, Study] = {
    s.name: s
    for s in [
        Study(
            "selection",
            "paper 2, Table 1: does an importance channel pay, and which?",
            _names("small-m", "small-m1", "small-mstar"),
        ),
        Study(
            "perceptual",
            "paper 2, Fig. 5: does the encoder-perceptual loss pay?",
            _names("small-m", "small-mp"),
        ),
        Study("losses", "what MS-SSIM as the loss wins and costs", _names("small-msssim"), (0,)),
        Study("vgg", "paper 2, Eq. 10: the loss of VGG's features", ("small-mvgg",), (0,)),
        Study(
            "masks",
            "bits or channels: four importance masks that keep equally many code bits",
            ("tiny-bits", "tiny-first", "tiny-largest", "tiny-separate"),
        ),
        Study(
            "pays",
            "does a map pay at equal total rate, against the same number of bits everywhere?",
            _names("tiny-cw1", *(f"tiny-uniform-{bits}" for bits in _UNIFORM)),
            (0, 1, 2, 3, 4, 5),  # after three of them no interval left zero out
        ),
        Study(
            "learning",
            "photo: how to train in ten minutes of one core?",
            tuple(e.name for e in _LEARNERS),
            (0,),
            minutes=10,
        ),
        Study(
            "quantisers",
            "paper 1, conclusion: ways to train through rounding",
            ("tiny-ste", "tiny-noise", "tiny-soft", "tiny-soft-fixed"),
        ),
    ]
}


def get(name: str) -> Experiment:
    """The experiment of that name, a study's small one or else one of `cwlib.experiments`."""
    return SMALL[name] if name in SMALL else experiments.get(name)


def study(name: str) -> Study:
    """The study of that name; raises ValueError that lists all names."""
    if name not in STUDIES:
        raise ValueError(f"unknown study {name!r}: choose one of {', '.join(STUDIES)}")
    return STUDIES[name]


def of_member(name: str) -> Study:
    """The first study that a small net is a member of."""
    return next(study for study in STUDIES.values() if name in study.members)
