"""Paper 1's ResNet AE with other masks and other quantisers, for studies on equal terms.

ChannelMaskedAE    one map value keeps the first channels of the code, not the first bits
QuantisedAE        no map; three ways to train through the quantiser
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from cwlib.experiments import Experiment
from cwlib.models import importance, quantize
from cwlib.models.autoencoders import Autoencoder, Output, ResNetAE
from cwlib.models.layers import ResidualGroup

MASKS = ("first", "largest", "separate")
QUANTISERS = ("ste", "noise", "soft", "soft-fixed")
SHARPEST = 100.0  # soft-to-hard: how much steeper the assignment is at the end than at the start


class ChannelMaskedAE(ResNetAE):
    """The ResNet AE with a mask over channels: m_k = clip(f - k, 0, 1), f = C m (paper 2, Eq. 8-9).

    | `mask`    | where the map m comes from                                   |
    |-----------|--------------------------------------------------------------|
    | first     | channel 0 of the encoder's output (Mentzer 2018)             |
    | largest   | the channel with the largest sum (paper 2)                   |
    | separate  | a small net of its own on the encoder's output (Li 2018)     |

    Kept values have 6 bits. The map is not sent: what is masked is a zero like any other.
    """

    def __init__(self, experiment: Experiment):
        super().__init__(experiment)
        if experiment.mask not in MASKS:
            raise ValueError(f"unknown mask {experiment.mask!r}: choose one of {', '.join(MASKS)}")
        n = experiment.channels
        if experiment.mask == "separate":
            self.importance_net = nn.Sequential(
                ResidualGroup(n, experiment.units), nn.Conv2d(n, 1, 1)
            )

    def analyse(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, 1, H, W) in [0, 1] -> code z (B, C, h, w), map m (B, 1, h, w), both in [0, 1]."""
        e = self.g_a(x).float()
        if self.experiment.mask == "separate":
            f_n = self.importance_net(e).float()
        else:
            f_n = importance.select_channel(e, self.experiment.mask)
        return torch.sigmoid(e), torch.sigmoid(f_n)

    def masked(self, z: Tensor, m: Tensor) -> Tensor:
        """z times the mask that m stands for: (B, C, h, w) in [0, 1]."""
        channels = z.shape[1]
        return z * importance.channel_mask(channels * m, channels)

    def symbols(self, z: Tensor, m: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The masked code as whole numbers 0..63; no map is sent."""
        return quantize.to_levels(self.masked(z, m), importance.CODE_BITS), None

    def dequantise(self, q: Tensor, levels: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Zero stays zero: it is what the mask leaves."""
        return q / 2**importance.CODE_BITS, None

    def forward(self, x: Tensor) -> Output:
        """x: (B, 1, H, W) in [0, 1], H and W multiples of 8; the code is masked and rounded."""
        z, m = self.analyse(x)
        q, _ = self.symbols(z, m)
        z_hat = quantize.straight_through(q / 2**importance.CODE_BITS, self.masked(z, m))
        return Output(self.synthesise(z_hat), z, z_hat, m)

    def rate(self, out: Output, x: Tensor) -> Tensor:
        """The bits of the channels that the map keeps."""
        return importance.kept_channel_bits_per_pixel(out.m, x, self.experiment.channels)


class QuantisedAE(ResNetAE):
    """The ResNet AE whose code has `code_bits` bits in training too. In eval mode it is rounded.

    | `quantiser` | in training                                             | levels        |
    |-------------|---------------------------------------------------------|---------------|
    | ste         | rounds; the gradient ignores it (Theis 2017)            | bin centres   |
    | noise       | adds uniform noise of a bin's width (Balle 2017)        | bin centres   |
    | soft        | a weighted mean of all levels, whose weights sharpen    | learnt        |
    |             | until they choose one (Agustsson 2017)                  |               |
    | soft-fixed  | the same                                                | bin centres   |

    How hard a soft assignment is depends on sigma and on how far apart the levels are: learnt ones
    move together as sigma grows, and the assignment stays soft.
    """

    def __init__(self, experiment: Experiment):
        super().__init__(experiment)
        if experiment.quantiser not in QUANTISERS:
            allowed = ", ".join(QUANTISERS)
            raise ValueError(f"unknown quantiser {experiment.quantiser!r}: choose one of {allowed}")
        n = self.alphabet = 2**experiment.code_bits
        self.centres = nn.Parameter((torch.arange(n) + 0.5) / n)
        self.centres.requires_grad_(experiment.quantiser == "soft")
        self.register_buffer(
            "seen", torch.tensor(0)
        )  # training steps so far: the annealing's clock

    def symbols(self, z: Tensor, m: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The nearest level of each value, 0 .. 2^bits - 1."""
        return self._distances(z).argmin(-1).to(z.dtype), None

    def dequantise(self, q: Tensor, levels: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The values of these levels: bin centres, or what was learnt in their place."""
        return self.centres.detach()[q.long()], None

    def _distances(self, z: Tensor) -> Tensor:
        """Squared distance to every level in squares of a bin's width: (..., 2^bits)."""
        return ((z.unsqueeze(-1) - self.centres) * len(self.centres)) ** 2

    def hard(self, z: Tensor) -> Tensor:
        """z on its nearest level."""
        return self.dequantise(self.symbols(z)[0])[0]

    def proxy(self, z: Tensor) -> Tensor:
        """What stands for the quantiser in training."""
        kind = self.experiment.quantiser
        if kind == "ste":
            return quantize.straight_through(self.hard(z), z)
        if kind == "noise":
            return z + (torch.rand_like(z) - 0.5) / len(self.centres)
        # z~ = sum_j c_j softmax_j(-sigma |z - c_j|^2), sigma growing from 1 by the steps done
        share = min(1.0, self.seen.item() / max(1, self.experiment.steps))
        sigma = math.exp(share * math.log(SHARPEST))
        return torch.softmax(-sigma * self._distances(z), dim=-1) @ self.centres

    def forward(self, x: Tensor) -> Output:
        """x: (B, 1, H, W) in [0, 1]; the stand-in for the quantiser in training, else rounding."""
        z, _ = self.analyse(x)
        if self.training:
            z_hat = self.proxy(z)
            self.seen += 1
        else:
            z_hat = self.hard(z)
        return Output(self.synthesise(z_hat), z, z_hat)


KINDS: dict[str, type[Autoencoder]] = {"channels": ChannelMaskedAE, "quantised": QuantisedAE}
