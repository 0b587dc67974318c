"""What can be set in a training run: one frozen dataclass, a comment for each field."""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass, fields
from reprlib import repr as shortened


@dataclass(frozen=True)
class Experiment:
    """Settings of one training run; `cwlib train NAME` reads nothing else."""

    name: str
    model: str  # cae resnet cw cw1 channels quantised (paper 1), hierarchical (paper 2), photo
    note: str  # one line for `cwlib models` and the card
    dataset: str = "mnist"  # mnist | photos
    width: int = 64  # filters: w in paper 1, N in paper 2
    channels: int = 4  # channels n of the code
    units: int = 3  # residual units in a group
    last_norm: bool = False  # Fig. 2's BN behind the output layer (see models/autoencoders.py)
    reading: str = "double"  # which bits a map level keeps (importance.READINGS)
    map_channels: int | None = None  # None: as many as the code has
    lambda_rate: float = 0.0  # weight of the rate term; 0 is the paper's plain MSE
    optimizer: str = "adam"  # adam | sgd | soap | muon
    lr: float = 2e-3
    momentum: float = 0.9  # sgd only; 0 is what the paper's text says
    schedule: str = "cosine"  # a shape of training.SCHEDULES
    batch_size: int = 16
    epochs: float = 50.0
    warm_start: str | None = None  # experiment whose weights training starts from
    seed: int = 0
    # paper 2 only, but for `mask`, which `channels` has too (there also: separate)
    strides: tuple[int, ...] = (1, 2, 2, 2)  # of the four scales; or (2, 2, 2, 1), cheaper
    mask: str = "none"  # none (M) | first (M1) | largest (M*): the channel that is the map
    lambda_2: float = 0.0  # weight of the distortion in Eq. 12, MSE on the 0..255 scale
    lambda_1: float = 0.0  # weight of the encoder-perceptual term in it
    lambda_1_of: str = "encoder"  # whose features it compares: encoder (Eq. 11) | vgg (Eq. 10)
    distortion: str = "mse"  # mse | ms-ssim (1 - MS-SSIM): what lambda_2 weighs
    crop: int = 128  # side of a training crop
    pyramid: bool = False  # crops of three sizes made once, in place of any size
    grad_clip: float = 0.0  # longest gradient; 0 does not clip
    # one model for many rates: every training image draws a strength s in [strength_min, 1]
    strength_min: float = 1.0  # s scales the importance map; 1: always whole, as in the paper
    lambda_2_low: float = 0.0  # lambda_2 at s = strength_min; 0: the same for all s
    rounded_from: float = 1.0  # photo: share of a run behind which rates are of rounded latents
    linear_start: bool = True  # photo: principal components in the linear path at the start
    gains: int = 0  # step sizes per channel that are learnt at so many strengths; 0: all are 1
    # studies of ours on paper 1's nets
    fixed_level: int | None = None  # cw1: the map is this level everywhere, that is: no map
    rate_target: float = 0.0  # code bits per pixel above which the rate term begins to count
    quantiser: str = "ste"  # quantised: ste | noise | soft | soft-fixed, what stands for rounding
    code_bits: int = 6  # quantised: bits of a code value
    # training
    steps: int = 0  # length of the run; 0: `epochs` says it
    ema: float = 0.0  # decay of the moving average of the weights; 0 exports the weights themselves

    def __post_init__(self):
        if isinstance(self.strides, list):  # as a card's JSON has them
            object.__setattr__(self, "strides", tuple(self.strides))


CHOICES = {
    "model": ("cae", "resnet", "cw", "cw1", "channels", "quantised", "hierarchical", "photo"),
    "dataset": ("mnist", "photos"),
    "reading": ("double", "ceil", "offset"),
    "optimizer": ("adam", "sgd", "soap", "muon"),
    "schedule": ("constant", "cosine", "long"),
    "mask": ("none", "first", "largest", "separate"),
    "lambda_1_of": ("encoder", "vgg", "vgg-standin"),
    "distortion": ("mse", "ms-ssim"),
    "quantiser": ("ste", "noise", "soft", "soft-fixed"),
}
_PATTERNS = {  # of the other words; names become names of files
    "name": (r"(?a)\w[\w.-]{0,99}", "letters, digits, '.', '_' and '-'"),
    "warm_start": (r"(?a)\w[\w.-]{0,99}", "letters, digits, '.', '_' and '-'"),
    "note": (r"[^\x00-\x1f\x7f-\x9f]{0,300}", "one line"),
}
_RANGES = {
    "width": (2, 4096),
    "channels": (1, 4096),
    "units": (1, 1000),
    "map_channels": (1, 4096),
    "momentum": (0, 1),
    "batch_size": (1, 10**6),
    "seed": (0, 2**63 - 1),
    "strides": (1, 8),
    "crop": (1, 2**16),
    "strength_min": (0, 1),
    "rounded_from": (0, 1),
    "gains": (0, 100),
    "fixed_level": (0, 3),
    "code_bits": (1, 6),
    "ema": (0, 1),
}
_ANY_NUMBER = (0, 10**9)


def from_card(settings: object) -> Experiment:
    """The experiment of a card's settings, which may come from anywhere.

    Raises ValueError that names the setting that is missing, unknown or impossible.
    """
    if not isinstance(settings, dict):
        raise ValueError(f"the settings of an experiment have names, got {shortened(settings)}")
    known = {field.name: field.default for field in fields(Experiment)}
    if unknown := [name for name in settings if name not in known]:
        raise ValueError(f"unknown setting {shortened(unknown[0])}: made by a newer cwlib?")
    if missing := [name for name in known if known[name] is MISSING and name not in settings]:
        raise ValueError(f"the setting {missing[0]} is missing")
    return check(Experiment(**settings))


def check(experiment: Experiment) -> Experiment:
    """The experiment, whose fields have the types and lie in the ranges that can be.

    Raises ValueError that names the first one that does not. What fits together is the networks'
    business, so that is not looked at.
    """
    for field in fields(experiment):
        value = getattr(experiment, field.name)
        kind, or_none = field.type.removesuffix(" | None"), field.type.endswith(" | None")
        if not (value is None and or_none) and (expected := _expected(field.name, kind, value)):
            raise ValueError(f"{field.name} must be {expected}, got {shortened(value)}")
    return experiment


def _expected(name: str, kind: str, value: object) -> str:
    """What the field takes, where the value is something else; nothing where it is not."""
    low, high = _RANGES.get(name, _ANY_NUMBER)

    def within(number: object, kinds: type | tuple[type, ...]) -> bool:
        return isinstance(number, kinds) and not isinstance(number, bool) and low <= number <= high

    if name in CHOICES:
        fits, expected = value in CHOICES[name], f"one of {', '.join(CHOICES[name])}"
    elif name in _PATTERNS:
        pattern, expected = _PATTERNS[name]
        fits = isinstance(value, str) and re.fullmatch(pattern, value)
    elif kind == "bool":
        fits, expected = isinstance(value, bool), "true or false"
    elif kind == "int":
        fits, expected = within(value, int), f"a whole number of {low} to {high}"
    elif kind == "float":
        fits, expected = within(value, (int, float)), f"a number of {low} to {high}"
    else:  # strides
        fits = isinstance(value, tuple) and len(value) == 4 and all(within(s, int) for s in value)
        expected = f"four whole numbers of {low} to {high}"
    return "" if fits else expected
