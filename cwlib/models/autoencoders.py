"""The three networks of paper 1 and our variant of its best one.

    image x (B, 1, 128, 128) --g_a--> code z (B, 4, 16, 16) --quantise/mask--> z_hat --g_s--> x_hat

Source: X. Wu, 'Content-weighted autoencoder for image compression', Fig. 2 and sections 3.1-3.3.
What the paper leaves open (activations, how the CAE reaches 16x16, the head of the importance net)
is said where it is decided. Everything lives in [0, 1]: pixels, codes and maps all end in a
sigmoid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from cwlib import losses
from cwlib.coding import context, huffman
from cwlib.experiments import Experiment
from cwlib.models import importance, quantize
from cwlib.models.context_prior import ContextPrior
from cwlib.models.layers import Deconv, ResidualGroup, ResidualTrunk

DOWNSCALE = 8  # every network here halves the image three times
_PRIOR_PARTS = ("w1", "b1", "w2", "b2", "w3", "b3")


@dataclass(frozen=True, eq=False)
class Output:
    """What a forward pass returns.

    x_hat: (B, 1, H, W) in [0, 1]; z, z_hat: (B, C, H/8, W/8) before and after quantisation;
    m: importance map or None; bits: estimated bits per image (B,) or None where the net has no
    prior.
    """

    x_hat: Tensor
    z: Tensor
    z_hat: Tensor
    m: Tensor | None = None
    bits: Tensor | None = None


def _down(c_in: int, c_out: int, kernel: int) -> list[nn.Module]:
    """Halve height and width: convolution with stride 2, BN, ReLU."""
    conv = nn.Conv2d(c_in, c_out, kernel, stride=2, padding=kernel // 2)
    return [conv, nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)]


def _up(c_in: int, c_out: int) -> nn.Module:
    """Double height and width: transposed convolution k4 s2 p1."""
    return Deconv(c_in, c_out, 4, stride=2, padding=1)


def _last(w: int, last_norm: bool) -> list[nn.Module]:
    """The output layer: transposed convolution to one channel, and Fig. 2's BN where it is wanted.

    With that BN the output keeps one mean and one variance whatever the image, and training crawls:
    18.6 against 30.1 dB after 300 steps of the same small net. `Experiment.last_norm` has it; the
    default not.
    """
    conv = _up(w, 1)
    if last_norm:
        return [conv, nn.BatchNorm2d(1)]
    nn.init.constant_(conv.bias, -2.0)  # digits are mostly black: start dark
    return [conv]


class Autoencoder(nn.Module):
    """Base of the networks without a map: subclasses set g_a and g_s."""

    codec = "digits"  # the family of cwlib.codec that makes streams with it
    alphabet = 2**importance.CODE_BITS  # how many values a symbol of its streams can have
    g_a: nn.Module
    g_s: nn.Module

    def __init__(self, experiment: Experiment):
        super().__init__()
        self.experiment = experiment

    def analyse(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """x (B, 1, H, W) in [0, 1], H and W multiples of 8 -> code z in [0, 1], map (None here)."""
        return torch.sigmoid(self.g_a(x).float()), None

    def synthesise(self, z_hat: Tensor, m_hat: Tensor | None = None) -> Tensor:
        """z_hat (B, C, H/8, W/8) -> x_hat (B, 1, H, W) in [0, 1]."""
        return torch.sigmoid(self.g_s(2 * z_hat - 1).float())

    def symbols(self, z: Tensor, m: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The whole numbers of a stream: code (B, C, h, w) in 0..63, map levels 0..3 or None."""
        return quantize.to_levels(z, importance.CODE_BITS), None

    def dequantise(self, q: Tensor, levels: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """What `synthesise` gets for these symbols: bin centres, since training never rounded."""
        return (q + 0.5) / 2**importance.CODE_BITS, None

    def forward(self, x: Tensor) -> Output:
        """x: (B, 1, H, W) in [0, 1], H and W multiples of 8; the code is not rounded."""
        z, _ = self.analyse(x)  # (B, 4, H/8, W/8)
        return Output(self.synthesise(z), z, z)

    def rate(self, out: Output, x: Tensor) -> Tensor | None:
        """R, what the code of x takes in bits per pixel; None where nothing is counted."""
        return None

    def loss_terms(
        self,
        x: Tensor,
        draws: losses.Draws | None = None,
        weight: float = 1.0,
        features: nn.Module | None = None,
    ) -> dict[str, Tensor]:
        """The loss of a batch x, and what it is made of; `weight` (0 .. 1) fades the rate in.

        The other arguments are for paper 2's nets: every net is trained by the same call.
        """
        e, out = self.experiment, self(x)
        terms, rate = {"mse": losses.mse(out.x_hat, x)}, self.rate(out, x)
        if rate is None:
            return terms | {"loss": terms["mse"]}
        counted = losses.above(rate, e.rate_target) if e.rate_target else rate
        # L = MSE + lambda R
        loss = terms["mse"] + weight * e.lambda_rate * counted
        return terms | {"bpp": rate, "loss": loss}

    @torch.no_grad()
    def coder_tensors(self, images: np.ndarray) -> dict[str, Tensor]:
        """What a weights file holds for the entropy coder: one Huffman code for all channels.

        images: uint8 (N, H, W) to learn it from. Every one of the 64 values can be coded.
        """
        counts = np.ones(2**importance.CODE_BITS, dtype=np.int64)
        for k in range(0, len(images), 50):
            x = torch.from_numpy(images[k : k + 50]).unsqueeze(1).float() / 255
            symbols, _ = self.symbols(*self.analyse(x))
            counts += np.bincount(symbols.numpy().astype(np.int64).ravel(), minlength=len(counts))
        lengths = huffman.Code.from_counts(counts).lengths
        return {"huffman.lengths": torch.from_numpy(lengths.copy())}

    def coder(self, tensors: dict[str, Tensor]) -> huffman.Code | context.Coder:
        """The entropy coder, from `coder_tensors`. Raises ValueError, KeyError for others."""
        code = huffman.Code.from_lengths(tensors["huffman.lengths"].numpy())
        if code.lengths.size != 2**importance.CODE_BITS or not code.lengths.all():
            raise ValueError("huffman.lengths has not a word for each value")
        return code


class CAE(Autoencoder):
    """The 3-layer convolutional baseline (3.3). Width w = 64, n = 4 code channels.

    | layer                          | output (w = 64)  |
    |--------------------------------|------------------|
    | conv k3 s2 p1, BN, ReLU        | 64 x 64 x 64     |
    | max-pool 2                     | 64 x 32 x 32     |
    | conv k3 s1 p1, BN, ReLU        | 32 x 32 x 32     |
    | max-pool 2                     | 32 x 16 x 16     |
    | conv k3 s1 p1, sigmoid         | 4 x 16 x 16      |
    | conv-transposed k4 s2 p1, BN, ReLU | 32 x 32 x 32 |
    | conv-transposed k4 s2 p1, BN, ReLU | 64 x 64 x 64 |
    | conv-transposed k4 s2 p1, (BN,) sigmoid | 1 x 128 x 128 |

    Three convolutions and two poolings, as the text says, reach 128/4 = 32, not 16; the author's
    code has a fourth convolution and a third pooling. Here the first convolution has stride 2:
    three and two hold.
    """

    def __init__(self, experiment: Experiment):
        super().__init__(experiment)
        w, n = experiment.width, experiment.channels
        self.g_a = nn.Sequential(
            *_down(1, w, 3),
            nn.MaxPool2d(2),
            nn.Conv2d(w, w // 2, 3, padding=1),
            nn.BatchNorm2d(w // 2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(w // 2, n, 3, padding=1),
        )
        self.g_s = nn.Sequential(
            _up(n, w // 2),
            nn.BatchNorm2d(w // 2),
            nn.ReLU(inplace=True),
            _up(w // 2, w),
            nn.BatchNorm2d(w),
            nn.ReLU(inplace=True),
            *_last(w, experiment.last_norm),
        )


def _resnet_encoder(w: int, n: int, units: int) -> nn.Sequential:
    """k5 n64 s2, k5 n64 s2, residual trunk, k5 n4 s2 (Fig. 2, left)."""
    return nn.Sequential(
        *_down(1, w, 5),  # (B, w, H/2, W/2)
        *_down(w, w, 5),  # (B, w, H/4, W/4)
        ResidualTrunk(w, units),
        nn.Conv2d(w, n, 5, stride=2, padding=2),  # (B, n, H/8, W/8)
    )


def _resnet_decoder(w: int, n: int, units: int, last_norm: bool) -> nn.Sequential:
    """k4 n64 s2, residual trunk, k4 n64 s2 BN, k4 n1 s2 BN (Fig. 2, right)."""
    return nn.Sequential(
        _up(n, w),  # (B, w, H/4, W/4)
        ResidualTrunk(w, units),
        _up(w, w),  # (B, w, H/2, W/2)
        nn.BatchNorm2d(w),
        nn.ReLU(inplace=True),
        *_last(w, last_norm),  # (B, 1, H, W)
    )


class ResNetAE(Autoencoder):
    """The residual baseline (3.1): Fig. 2 without the map and the quantiser. w = 64, n = 4.

    | layer                                   | output (w = 64) |
    |-----------------------------------------|-----------------|
    | conv k5 s2 p2, BN, ReLU                 | 64 x 64 x 64    |
    | conv k5 s2 p2, BN, ReLU                 | 64 x 32 x 32    |
    | group (3 units), group (3), unit; skip  | 64 x 32 x 32    |
    | conv k5 s2 p2, sigmoid                  | 4 x 16 x 16     |
    | conv-transposed k4 s2 p1                | 64 x 32 x 32    |
    | group (3 units), group (3), unit; skip  | 64 x 32 x 32    |
    | conv-transposed k4 s2 p1, BN, ReLU      | 64 x 64 x 64    |
    | conv-transposed k4 s2 p1, (BN,) sigmoid   | 1 x 128 x 128   |
    """

    def __init__(self, experiment: Experiment):
        super().__init__(experiment)
        w, n, units = experiment.width, experiment.channels, experiment.units
        self.g_a = _resnet_encoder(w, n, units)
        self.g_s = _resnet_decoder(w, n, units, experiment.last_norm)


class ContentWeightedAE(ResNetAE):
    """The paper's proposal (3.2): the ResNet AE whose code is cut to the length that a map grants.

    | stream          | layers                                      | output         |
    |-----------------|---------------------------------------------|----------------|
    | code            | ResNet encoder, sigmoid, 6-bit quantiser    | 4 x 16 x 16    |
    | importance map  | encoder output -> group, conv k1, sigmoid, 2-bit quantiser | 4 x 16 x 16 |
    | masked code     | leading b(i) bits of the code, zero fill    | 4 x 16 x 16    |
    | reconstruction  | ResNet decoder                              | 1 x 128 x 128  |

    The group ends in a ReLU, and the sigmoid of a non-negative number is at least 1/2: without the
    1x1 convolution behind it the map could never fall below level 2. Its bias starts the map at
    level 2-3.
    """

    def __init__(self, experiment: Experiment):
        super().__init__(experiment)
        n = experiment.channels
        head = nn.Conv2d(n, experiment.map_channels or n, 1)
        nn.init.constant_(head.bias, 0.5)
        self.importance_net = nn.Sequential(ResidualGroup(n, experiment.units), head)

    def analyse(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """x (B, 1, H, W) in [0, 1] -> code z and map m, both (B, 4, H/8, W/8) in [0, 1]."""
        e = self.g_a(x).float()
        return torch.sigmoid(e), torch.sigmoid(self.importance_net(e).float())

    def mask(self, z: Tensor, m: Tensor) -> Tensor:
        """z, m -> the masked code z_hat in [0, 63/64]."""
        return importance.bit_mask(z, m, self.experiment.reading)

    def symbols(self, z: Tensor, m: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Masked code, zero-filled, and the levels that masked it (B, 4 or 1, h, w)."""
        q = quantize.to_levels(z, importance.CODE_BITS)
        levels = quantize.to_levels(m, importance.MAP_BITS)
        kept = importance.kept_bits(levels, self.experiment.reading)
        return quantize.truncate(q, kept, importance.CODE_BITS), levels

    def dequantise(self, q: Tensor, levels: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Zero-filled values as in training; levels become the map that `synthesise` sees."""
        m_hat = None if levels is None else levels / 2**importance.MAP_BITS
        return q / 2**importance.CODE_BITS, m_hat

    def forward(self, x: Tensor) -> Output:
        """x: (B, 1, H, W) in [0, 1], H and W multiples of 8; the code is rounded and cut."""
        z, m = self.analyse(x)
        z_hat = self.mask(z, m)
        return Output(self.synthesise(z_hat), z, z_hat, m)

    def rate(self, out: Output, x: Tensor) -> Tensor:
        """The bits that the map keeps."""
        e = self.experiment
        return importance.kept_bits_per_pixel(out.m, x, e.channels, e.reading)


class ContentWeightedAE1(ContentWeightedAE):
    """Ours (`mnist-cw1`): a one-channel map that is sent first, a learnt prior, and a rate term.

    Three differences from the paper's net: the map has one channel, broadcast over the code; the
    decoder also sees the map (it is in the stream anyway) and so knows how precise each value is; a
    small causal context net (`ContextPrior`) predicts map and code, so that `bits` is what
    arithmetic coding will cost and the loss can trade it against distortion.
    With `Experiment.fixed_level` the map is that level everywhere and costs nothing: the same net
    with the same number of bits for every value, to compare with.
    """

    def __init__(self, experiment: Experiment):
        super().__init__(experiment)
        w, n, units = experiment.width, experiment.channels, experiment.units
        self.g_s = _resnet_decoder(w, n + 1, units, experiment.last_norm)
        self.importance_net = nn.Sequential(
            nn.Conv2d(n, w // 2, 1), ResidualGroup(w // 2, 1), nn.Conv2d(w // 2, 1, 1)
        )
        nn.init.constant_(self.importance_net[-1].bias, 0.5)
        self.prior = ContextPrior(n, experiment.reading)

    def analyse(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, 1, H, W) in [0, 1] -> code z (B, C, H/8, W/8) and map m (B, 1, H/8, W/8)."""
        level = self.experiment.fixed_level
        if level is None:
            return super().analyse(x)
        z = torch.sigmoid(self.g_a(x).float())
        return z, torch.full_like(z[:, :1], (level + 0.5) / 2**importance.MAP_BITS)

    def synthesise(self, z_hat: Tensor, m_hat: Tensor | None = None) -> Tensor:
        """z_hat (B, C, H/8, W/8), m_hat (B, 1, H/8, W/8) levels / 4 -> x_hat (B, 1, H, W)."""
        return super().synthesise(torch.cat([z_hat, m_hat], dim=1))

    def forward(self, x: Tensor) -> Output:
        """x: (B, 1, H, W) in [0, 1], H and W multiples of 8; with the bits it should cost."""
        z, m = self.analyse(x)
        z_hat = self.mask(z, m)
        levels = quantize.to_levels(m, importance.MAP_BITS)
        m_hat = quantize.straight_through(levels / 2**importance.MAP_BITS, m)
        with torch.autocast(x.device.type, enabled=False):  # likelihoods need float32
            bits = self.prior.bits(z, m)
        return Output(self.synthesise(z_hat, m_hat), z, z_hat, m, bits)

    def rate(self, out: Output, x: Tensor) -> Tensor:
        """What the prior says that arithmetic coding takes."""
        return losses.bits_per_pixel(out.bits, x)

    def coder_tensors(self, images: np.ndarray | None = None) -> dict[str, Tensor]:
        """What a weights file holds for the entropy coder: the prior in whole numbers."""
        return {f"prior.{k}": v.to(torch.int32) for k, v in self.prior.export().items()}

    def coder(self, tensors: dict[str, Tensor]) -> context.Coder:
        """The entropy coder, from `coder_tensors`. Raises ValueError, KeyError for others."""
        map_net, code_net = (
            context.Weights(*(tensors[f"prior.{part}.{p}"].numpy() for p in _PRIOR_PARTS))
            for part in ("map", "code")
        )
        coder = context.Coder(map_net, code_net, importance.READINGS[self.experiment.reading])
        if len(code_net.w1) != self.experiment.channels:
            raise ValueError(f"prior.code.w1 is of {len(code_net.w1)} channels")
        return coder


KINDS: dict[str, type[Autoencoder]] = {
    "cae": CAE,
    "resnet": ResNetAE,
    "cw": ContentWeightedAE,
    "cw1": ContentWeightedAE1,
}
