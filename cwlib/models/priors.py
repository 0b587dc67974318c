"""What the coder expects of each symbol: the two distributions of the scale hyperprior.

Hyper-latents: `FactorisedPrior`, one learnt density per channel. Latents: a zero-mean Gaussian
whose scale the hyper-decoder predicts at every place. A symbol is a rounded real number, so its
probability is the density's mass between -1/2 and +1/2 around it; under training noise the same
integral is the density of value + noise, which is why one formula serves both.

Source: Balle, Minnen, Singh, Hwang, Johnston 2018 (reference [27] of paper 2), sections 3, 6.1.
"""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cwlib.coding.gaussian import LEAST_COUNT, SCALE_MIN
from cwlib.coding.tables import TOTAL, Tables
from cwlib.models.gdn import lower_bound

LIKELIHOOD_MIN = 1e-9  # no symbol costs more than 30 bits: log(0) must not end a training run


def gaussian_likelihood(z: Tensor, scale: Tensor) -> Tensor:
    """P(z) = Phi((z + 1/2) / sigma) - Phi((z - 1/2) / sigma), at least 1e-9.

    z, scale: broadcastable; scales below 0.11 count as 0.11 (there P(0) is 1 - 5e-6 already).
    """
    scale = lower_bound(scale, SCALE_MIN)
    z = z.abs()  # both terms in the lower tail, where their difference loses no digits
    upper, lower = (0.5 - z) / scale, (-0.5 - z) / scale
    # Phi(t) = erfc(-t / sqrt 2) / 2
    mass = 0.5 * (torch.erfc(-upper / math.sqrt(2)) - torch.erfc(-lower / math.sqrt(2)))
    return lower_bound(mass, LIKELIHOOD_MIN)


def bits(likelihood: Tensor) -> Tensor:
    """Ideal code length of every image: -log2 of its likelihoods, summed. (B, ...) -> (B,)"""
    return -torch.log2(likelihood).flatten(1).sum(1)


class FactorisedPrior(nn.Module):
    """A learnt density for each channel, the same at every place.

    Its cumulative distribution c(x) = sigmoid(f_K(... f_1(x))) is a tiny net of one input. Every
    layer rises (positive matrices H, slopes above -1 of the bent part), so c rises from 0 to 1:

        f_k(x) = g_k(softplus(H_k) x + b_k),   g_k(x) = x + tanh(a_k) tanh(x)

    The last layer has no g. Widths 1-3-3-3-3-1, initially a bell of scale `init_scale`.
    Source: Balle 2018, 6.1.
    """

    def __init__(self, channels: int, init_scale: float = 10.0, widths: tuple = (3, 3, 3, 3)):
        super().__init__()
        sizes = (1, *widths, 1)
        step = init_scale ** (1 / (len(sizes) - 1))
        self.h, self.b, self.a = nn.ParameterList(), nn.ParameterList(), nn.ParameterList()
        for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True):
            start = math.log(math.expm1(1 / step / n_out))  # softplus(start) = 1 / (step n_out)
            self.h.append(nn.Parameter(torch.full((channels, n_out, n_in), start)))
            self.b.append(nn.Parameter(torch.empty(channels, n_out, 1).uniform_(-0.5, 0.5)))
            if len(self.h) < len(sizes) - 1:
                self.a.append(nn.Parameter(torch.zeros(channels, n_out, 1)))

    def logits(self, x: Tensor) -> Tensor:
        """x: (C, 1, n) -> logit of the cumulative distribution, (C, 1, n)."""
        for k, (h, b) in enumerate(zip(self.h, self.b, strict=True)):
            x = torch.matmul(F.softplus(h), x) + b
            if k < len(self.a):
                x = x + torch.tanh(self.a[k]) * torch.tanh(x)
        return x

    def forward(self, y: Tensor) -> Tensor:
        """Likelihoods c(y + 1/2) - c(y - 1/2), at least 1e-9, of y (B, C, h, w); same shape."""
        columns = y.transpose(0, 1).reshape(y.shape[1], 1, -1)  # (C, 1, B h w)
        upper, lower = self.logits(columns + 0.5), self.logits(columns - 0.5)
        # sigmoid(u) - sigmoid(l) = sigmoid(-l) - sigmoid(-u): take the side far from 1
        sign = torch.where(upper + lower > 0, -1.0, 1.0).detach()
        mass = (torch.sigmoid(sign * upper) - torch.sigmoid(sign * lower)).abs()
        shape = (y.shape[1], y.shape[0], *y.shape[2:])
        return lower_bound(mass, LIKELIHOOD_MIN).reshape(shape).transpose(0, 1)


@torch.no_grad()
def hyper_tables(prior: FactorisedPrior, reach: int = 512) -> Tables:
    """The prior's probabilities of whole numbers as coding tables, one for each channel.

    A table covers the values worth at least a sixteenth of a count of 65536, all others escape.
    Made once, when a model is saved: what a library's sigmoid gives may differ in its last bit.
    """
    exact = copy.deepcopy(prior).double().cpu()
    k = torch.arange(-reach, reach + 1, dtype=torch.float64)
    channels = exact.h[0].shape[0]
    mass = exact(k.expand(1, channels, 1, -1))[0, :, 0].numpy()  # (C, 2 reach + 1)
    tables, offsets, escapes = [], [], []
    for p in mass:
        inside = np.flatnonzero(p >= LEAST_COUNT / TOTAL)
        first, last = (inside[0], inside[-1]) if inside.size else (p.argmax(), p.argmax())
        tables.append(p[first : last + 1])
        offsets.append(int(first) - reach)
        escapes.append(max(0.0, 1.0 - float(tables[-1].sum())))
    return Tables.from_probabilities(tables, offsets, escapes)


_TABLE_PARTS = ("cdfs", "sizes", "offsets")


def table_tensors(prior: FactorisedPrior) -> dict[str, Tensor]:
    """The tables of `hyper_tables` as a weights file holds them."""
    tables = hyper_tables(prior)
    return {f"hyper.{k}": torch.from_numpy(getattr(tables, k)).int() for k in _TABLE_PARTS}


def tables_of(tensors: dict[str, Tensor], channels: int) -> Tables:
    """The tables that `table_tensors` made. Raises ValueError, KeyError for others."""
    return Tables.from_padded(*(tensors[f"hyper.{k}"].numpy() for k in _TABLE_PARTS), channels)
