"""What can be set in a training run: one frozen dataclass, a comment for each field."""

from __future__ import annotations

from dataclasses import dataclass


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
        object.__setattr__(self, "strides", tuple(self.strides))  # a card's JSON has a list
