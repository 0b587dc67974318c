"""A learnt prior for `mnist-cw1`: a small causal net that predicts the map and the code values.

Everything is coded in one fixed order: first the map, row by row; then, row by row, the four code
values of each position. Each value gets a location mu and a scale s from what the decoder knows by
then:

    map level i      <- 12 neighbours above and left, and where on the page we are
    code value v_c   <- 12 neighbours x 4 channels, the channels before c at this place,
                        a 5x5 window of the map, and where on the page we are

The probability of a value is the mass that a Student t distribution with two degrees of freedom
puts on its bin, with the tails folded into the outer bins. That distribution is chosen for its CDF:

    F(t) = 1/2 + t / (2 sqrt(2 + t^2))

needs only + x / and a square root, which IEEE 754 rounds correctly on every machine. So the integer
tables (`coding.context`) come out the same everywhere, which the logistic or the Gaussian cannot
promise.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from cwlib.coding import context as tables
from cwlib.models import importance, quantize

HIDDEN = 48


def t2_cdf(t: Tensor) -> Tensor:
    """CDF of Student's t distribution with 2 degrees of freedom."""
    # F(t) = 1/2 + t / (2 sqrt(2 + t^2))
    return 0.5 + 0.5 * t / torch.sqrt(2.0 + t * t)


def bin_bits(v: Tensor, n_bins: Tensor, mu: Tensor, log2_s: Tensor) -> Tensor:
    """-log2 of the mass on bin v of n_bins equal bins of [0, 1]; the outer bins get the tails."""
    s = torch.exp2(log2_s)
    upper = t2_cdf(((v + 1) / n_bins - mu) / s)
    lower = t2_cdf((v / n_bins - mu) / s)
    upper = torch.where(v >= n_bins - 1, torch.ones_like(upper), upper)
    lower = torch.where(v <= 0, torch.zeros_like(lower), lower)
    # a table entry is at least 2^-16, so no value can cost more than 16 bits
    return -torch.log2((upper - lower).clamp(min=2.0**-16))


class _PerChannel(nn.Module):
    """One small MLP per coded channel, as grouped 1x1 convolutions: features -> (mu, log2 s)."""

    def __init__(self, features: int, channels: int, hidden: int = HIDDEN):
        super().__init__()
        self.channels = channels
        self.w1 = nn.Parameter(torch.randn(channels, hidden, features) / features**0.5)
        self.b1 = nn.Parameter(torch.zeros(channels, hidden))
        self.w2 = nn.Parameter(torch.randn(channels, hidden, hidden) * (2 / hidden) ** 0.5)
        self.b2 = nn.Parameter(torch.zeros(channels, hidden))
        self.w3 = nn.Parameter(torch.randn(channels, 2, hidden) * 0.1 / hidden**0.5)
        self.b3 = nn.Parameter(torch.tensor([[0.5, -2.0]]).repeat(channels, 1))

    def forward(self, f: Tensor) -> tuple[Tensor, Tensor]:
        """f: (channels, F, N) -> mu, log2_s: (channels, N)."""
        h = torch.relu(torch.baddbmm(self.b1.unsqueeze(2), self.w1, f))
        h = torch.relu(torch.baddbmm(self.b2.unsqueeze(2), self.w2, h))
        mu, log2_s = torch.baddbmm(self.b3.unsqueeze(2), self.w3, h).unbind(1)
        return mu.clamp(tables.MU_MIN, tables.MU_MAX), log2_s.clamp(
            tables.LOG2_S_MIN, tables.LOG2_S_MAX
        )


class ContextPrior(nn.Module):
    """Bits that map and code will cost; see the module's text for the order and the features."""

    def __init__(self, channels: int, reading: str):
        super().__init__()
        self.channels, self.reading = channels, reading
        self.map_net = _PerChannel(tables.map_features(), 1)
        self.code_net = _PerChannel(tables.code_features(channels), channels)

    def bits(self, z: Tensor, m: Tensor) -> Tensor:
        """Estimated bits per image: z (B, C, H, W), m (B, 1, H, W) in [0, 1] -> (B,).

        Gradients: straight-through to values; to the map by finite difference of the code's own
        cost.
        """
        map_bits, code_bits, slope = self._costs(z, m)
        total = map_bits + code_bits.sum(1, keepdim=True)
        return quantize.with_slope(torch.zeros_like(m), (m, slope)).add(total).sum((1, 2, 3))

    @torch.no_grad()
    def bits_of_each(self, z: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
        """The same, of every map level (B, 1, H, W) and every code value (B, C, H, W)."""
        return self._costs(z, m)[:2]

    def _costs(self, z: Tensor, m: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Bits of the levels and of the values, and the slope of the code's cost in the map."""
        batch, c, h, w = z.shape
        i = quantize.to_levels(m, importance.MAP_BITS)
        i_ste = quantize.straight_through(i, m * 2**importance.MAP_BITS)
        map_context = _neighbours(i_ste * tables.MAP_SCALE)  # (B, 12, H, W)
        place = _place(batch, h, w, z.device)
        mu, log2_s = self._predict(self.map_net, torch.cat([map_context, place], 1).unsqueeze(1))
        map_bits = bin_bits(i_ste, torch.full_like(i, 2**importance.MAP_BITS), mu, log2_s)

        z_hat = importance.bit_mask(z, m, self.reading) * 2**importance.CODE_BITS
        mu, log2_s = self._predict(self.code_net, self._code_features(z_hat, i, place))
        code_bits = self._code_bits(z, i, mu, log2_s)
        # dR/dm ~ (R(i+1) - R(i-1)) / (m(i+1) - m(i-1)), with the prediction held fixed
        _, below, above, distance = importance.levels_around(m)
        with torch.no_grad():
            rise = self._code_bits(z, above, mu, log2_s) - self._code_bits(z, below, mu, log2_s)
            slope = rise.sum(1, keepdim=True) / distance
        return map_bits, code_bits, slope

    def _code_bits(self, z: Tensor, i: Tensor, mu: Tensor, log2_s: Tensor) -> Tensor:
        n_bins = torch.exp2(importance.kept_bits(i, self.reading)).expand_as(z)
        v = torch.minimum(torch.floor(z.detach() * n_bins), n_bins - 1)
        v = quantize.straight_through(v, z * n_bins)
        return torch.where(n_bins > 1, bin_bits(v, n_bins, mu, log2_s), torch.zeros_like(z))

    def _code_features(self, z_hat: Tensor, i: Tensor, place: Tensor) -> Tensor:
        """(B, C, F, H, W): shared features, then the channels before c (zero for c and after)."""
        batch, c, h, w = z_hat.shape
        around = _neighbours(z_hat)  # (B, 12 C, H, W)
        window = functional.unfold(i * tables.MAP_SCALE, 5, padding=2).view(batch, 25, h, w)
        shared = torch.cat([around, window, place], 1)
        before = torch.stack(
            [torch.cat([z_hat[:, :k], torch.zeros_like(z_hat[:, k:])], 1) for k in range(c)], 1
        )  # (B, C, C, H, W)
        return torch.cat([shared.unsqueeze(1).expand(-1, c, -1, -1, -1), before], 2)

    @staticmethod
    def _predict(net: _PerChannel, features: Tensor) -> tuple[Tensor, Tensor]:
        """features (B, C, F, H, W) in integer units -> mu, log2_s (B, C, H, W)."""
        b, c, f, h, w = features.shape
        flat = features.permute(1, 2, 0, 3, 4).reshape(c, f, -1) / tables.FEATURE_UNIT
        return tuple(p.view(c, b, h, w).transpose(0, 1) for p in net(flat))

    @torch.no_grad()
    def export(self) -> dict[str, Tensor]:
        """Integer weights for coding: float parameters x 2^12, rounded (int32)."""
        out = {}
        for name, net in (("map", self.map_net), ("code", self.code_net)):
            for p, value in net.named_parameters():
                scale = tables.WEIGHT_ONE * (tables.INPUT_ONE if p == "b1" else 1)
                scale *= tables.HIDDEN_ONE if p in ("b2", "b3") else 1
                out[f"{name}.{p}"] = torch.round(value.double() * scale).to(torch.int64)
        return out


def _neighbours(x: Tensor) -> Tensor:
    """12 places above and left within two steps: (B, C, H, W) -> (B, 12 C, H, W), C outermost."""
    b, c, h, w = x.shape
    patches = functional.unfold(x, 5, padding=2).view(b, c, 25, h, w)
    return patches[:, :, :12].reshape(b, c * 12, h, w)


def _place(batch: int, h: int, w: int, device: torch.device) -> Tensor:
    """Row and column on a 16 x 16 grid, in feature units: (B, 2, H, W)."""
    rows = torch.arange(h, device=device) * 16 // h * tables.PLACE_SCALE
    cols = torch.arange(w, device=device) * 16 // w * tables.PLACE_SCALE
    grid = torch.stack(torch.meshgrid(rows, cols, indexing="ij")).float()
    return grid.expand(batch, 2, h, w)
