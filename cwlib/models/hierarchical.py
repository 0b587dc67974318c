"""The hierarchical content-weighted codec of paper 2, with the scale hyperprior as its rate model.

    x --g_a--> z = [l1, l2, l3, f4] --(x mask m)--> round --> z_hat --g_s--> x_hat
                                                     |
               |z m| --h_a--> round --> y_hat --h_s--> sigma, the scale of every z_hat

One variant of ours multiplies z m by a gain before it is rounded, and takes that back behind it
(`Gains`): the same weights then serve many rates.

Source: He, Li, Bai, Zhao 2020, 'Adaptive importance channel selection for perceptual image
compression', sections 3.2-3.3 and 4.1; the hyperprior from its reference [27]. The paper has no
table of layers and no code: kernel 5 everywhere follows its references [26, 27]; what else it
leaves open is said where it is decided.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cwlib import losses, metrics
from cwlib.coding import hyperprior
from cwlib.coding.scales import ScaleDecoder
from cwlib.experiments import Experiment
from cwlib.models import importance, priors, quantize
from cwlib.models.gdn import GDN
from cwlib.models.layers import Deconv

LATERALS = 3  # one channel from each of f1, f2, f3
HYPER_DOWNSCALE = 4  # h_a halves the latents twice
MASK_START = 1.0  # sigmoid(1) = 0.73: see Hierarchical.importance_bias


@dataclass(frozen=True, eq=False)
class Output:
    """What a forward pass returns. C = N + 3 channels, h = H/8, w = W/8.

    x_hat: (B, 3, H, W), nominally in [0, 1], not clipped; z, z_hat: (B, C, h, w) before the mask
    and after mask, gain and quantisation; m: mask (B, C, h, w) and f: number of kept channels
    (B, 1, h, w), both None where the net has no mask; latent_bits, hyper_bits: estimates (B,).
    """

    x_hat: Tensor
    z: Tensor
    z_hat: Tensor
    latent_bits: Tensor
    hyper_bits: Tensor
    m: Tensor | None = None
    f: Tensor | None = None

    @property
    def bits(self) -> Tensor:
        """Estimated bits of every image, hyper-latents included: (B,)."""
        return self.latent_bits + self.hyper_bits


def _conv(c_in: int, c_out: int, stride: int, kernel: int = 5, bias: bool = True) -> nn.Conv2d:
    """Divide height and width by `stride`."""
    return nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=bias)


def _deconv(c_in: int, c_out: int, stride: int, kernel: int = 5) -> nn.Module:
    """Multiply height and width by `stride`; a plain convolution where there is nothing to do."""
    if stride == 1:
        return _conv(c_in, c_out, 1, kernel)
    pad = kernel // 2
    return Deconv(c_in, c_out, kernel, stride, pad, output_padding=stride - 1)


class Encoder(nn.Module):
    """E(x): four scales f1..f4, and one channel of each of the first three beside the last.

    | layer              | output, strides (1, 2, 2, 2) | strides (2, 2, 2, 1)   |
    |--------------------|------------------------------|------------------------|
    | conv k5, GDN -> f1 | N x H x W                    | N x H/2 x W/2          |
    | conv k5, GDN -> f2 | N x H/2 x W/2                | N x H/4 x W/4          |
    | conv k5, GDN -> f3 | N x H/4 x W/4                | N x H/8 x W/8          |
    | conv k5      -> f4 | N x H/8 x W/8                | N x H/8 x W/8          |
    | conv k3 of f1, f2, f3, area average -> l1, l2, l3  | 3 x H/8 x W/8          |

    'Three stride-2 layers' and four scales: the paper does not say which layer has stride 1. The
    first reading gives four different scales, the second costs a quarter of it.
    """

    def __init__(self, n: int, strides: tuple[int, ...]):
        super().__init__()
        self.strides = strides
        self.convs = nn.ModuleList(
            _conv(c_in, n, stride, bias=k < 3)
            for k, (c_in, stride) in enumerate(zip((3, n, n, n), strides, strict=True))
        )
        self.norms = nn.ModuleList(GDN(n) for _ in range(LATERALS))
        self.laterals = nn.ModuleList(_conv(n, 1, 1, kernel=3) for _ in range(LATERALS))

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, 3, H, W) in [0, 1] -> z: (B, N + 3, H/8, W/8) float32."""
        f, parts = x - 0.5, []
        for k in range(LATERALS):
            f = self.norms[k](self.convs[k](f))  # f1, f2, f3
            to_f4 = math.prod(self.strides[k + 1 :])
            parts.append(F.avg_pool2d(self.laterals[k](f).float(), to_f4))
        # bfloat16 cannot hold a latent of 200 to within a fraction of its rounding step
        with torch.autocast(x.device.type, enabled=False):
            f4 = self.convs[3](f)
        return torch.cat([*parts, f4], dim=1)  # z = [l1, l2, l3, f4]


class Decoder(nn.Module):
    """D(z_hat): the encoder's mirror; each scale gets its own lateral back (Eq. 5, 6).

    | layer                             | output, strides (1, 2, 2, 2) | strides (2, 2, 2, 1) |
    |-----------------------------------|------------------------------|----------------------|
    | deconv k5 of f4, IGDN             | N x H/4 x W/4                | N x H/8 x W/8        |
    | deconv k5 of [., l3 scaled], IGDN | N x H/2 x W/2                | N x H/4 x W/4        |
    | deconv k5 of [., l2 scaled], IGDN | N x H x W                    | N x H/2 x W/2        |
    | deconv k5 of [., l1 scaled]       | 3 x H x W                    | 3 x H x W            |
    """

    def __init__(self, n: int, strides: tuple[int, ...]):
        super().__init__()
        back = strides[::-1]
        self.deconvs = nn.ModuleList(
            _deconv(c_in, c_out, stride)
            for c_in, c_out, stride in zip(
                (n, n + 1, n + 1, n + 1), (n, n, n, 3), back, strict=True
            )
        )
        self.norms = nn.ModuleList(GDN(n, inverse=True) for _ in range(LATERALS))

    def forward(self, z_hat: Tensor) -> Tensor:
        """z_hat: (B, N + 3, h, w) -> x_hat: (B, 3, 8h, 8w) float32."""
        f4 = z_hat[:, LATERALS:]
        with torch.autocast(z_hat.device.type, enabled=False):
            l = self.deconvs[0](f4.float())  # noqa: E741 - the paper's letter
        for k in range(LATERALS):
            l = self.norms[k](l)  # noqa: E741
            lateral = z_hat[:, 2 - k : 3 - k]  # l3, l2, l1
            if lateral.shape[-2:] != l.shape[-2:]:
                lateral = F.interpolate(lateral, l.shape[-2:], mode="bilinear")
            # l^s = l_D^s(concat(l^(s+1), f_s))
            l = self.deconvs[k + 1](torch.cat([l, lateral], dim=1))  # noqa: E741
        return l.float() + 0.5


def _hyper_encoder(c: int, n: int) -> nn.Sequential:
    """h_a: (B, C, h, w) -> (B, N, h/4, w/4), after Balle 2018, Fig. 4."""
    return nn.Sequential(
        _conv(c, n, 1, kernel=3),
        nn.ReLU(inplace=True),
        _conv(n, n, 2),
        nn.ReLU(inplace=True),
        _conv(n, n, 2),
    )


def _hyper_decoder(c: int, n: int) -> nn.Sequential:
    """h_s: (B, N, h/4, w/4) -> log2 of the scales (B, C, h, w).

    Nothing but convolutions and ReLU, so that whole numbers can replace the reals when streams are
    made and read (see coding/scales.py). Its output is a logarithm, so that the index of a scale
    table is a linear function of it.
    """
    return nn.Sequential(
        _deconv(n, n, 2),
        nn.ReLU(inplace=True),
        _deconv(n, n, 2),
        nn.ReLU(inplace=True),
        _conv(n, c, 1, kernel=3),
    )


class Gains(nn.Module):
    """How finely each channel is rounded at each strength s: one model for many rates.

    A vector of gains is learnt for each of a few strengths, equal ratios apart between s_min and
    1, and interpolated between them; likewise the factors that undo it, which are free to be
    something else than 1 / gain.

    Source: Cui, Wang, Gao, Guo, Feng, Bai, 'Asymmetric gained deep image compression with
    continuous rate adaptation', CVPR 2021.
    """

    def __init__(self, channels: int, experiment: Experiment):
        super().__init__()
        e = experiment
        if e.gains < 2 or not 0 < e.strength_min < 1 or e.lambda_2_low <= 0:
            raise ValueError(
                f"gains {e.gains}, strength_min {e.strength_min}, lambda_2_low {e.lambda_2_low}: "
                "give at least 2 gains, a strength_min between 0 and 1, and a lambda_2_low"
            )
        self.strength_min = e.strength_min
        # A step of 1 / g makes an error of about 1 / (12 g^2), and at the best step lambda_2 times
        # it is the same for all rates: g ~ sqrt(lambda_2). So they start, around a middle of 1,
        # which lets a model of one middle rate be the warm start.
        start = torch.linspace(-0.25, 0.25, e.gains) * math.log(e.lambda_2 / e.lambda_2_low)
        start = start.view(-1, 1).repeat(1, channels)
        self.log_gain = nn.Parameter(start)  # (K, C), from s_min to 1
        self.log_undo = nn.Parameter(-start)

    def forward(self, strength: Tensor) -> tuple[Tensor, Tensor]:
        """strength: (B,) in [0, 1] -> gains before and after rounding, (B, C, 1, 1) each."""
        last = len(self.log_gain) - 1
        # t = (K - 1) log(s / s_min) / log(1 / s_min): the place of s among the K vectors
        s = strength.clamp(self.strength_min, 1.0)
        t = last * (1 - torch.log(s) / math.log(self.strength_min))
        # The vector k counts max(0, 1 - |t - k|): linear interpolation of logarithms.
        k = torch.arange(last + 1, device=t.device)
        share = (1 - (t[:, None] - k).abs()).clamp(min=0)  # (B, K)
        gain, undo = share @ self.log_gain, share @ self.log_undo
        return gain.exp()[..., None, None], undo.exp()[..., None, None]


class Hierarchical(nn.Module):
    """Encoder, adaptive importance mask, decoder and hyperprior. N = experiment.width.

    In training mode quantisation is additive noise, in eval mode rounding.
    """

    codec = "photos"  # the family of cwlib.codec that makes streams with it

    def __init__(self, experiment: Experiment):
        super().__init__()
        self.experiment = experiment
        n = experiment.width
        if len(experiment.strides) != 4 or math.prod(experiment.strides) != 8:
            raise ValueError(f"strides {experiment.strides}: give four whose product is 8")
        if experiment.mask not in importance.SELECTIONS:
            allowed = ", ".join(importance.SELECTIONS)
            raise ValueError(f"unknown mask {experiment.mask!r}: choose one of {allowed}")
        self.channels = n + LATERALS  # C
        self.g_a = Encoder(n, experiment.strides)
        self.g_s = Decoder(n, experiment.strides)
        self.h_a = _hyper_encoder(self.channels, n)
        self.h_s = _hyper_decoder(self.channels, n)
        self.hyper_prior = priors.FactorisedPrior(n)
        # f4 = convolution + bias. The bias counts for the importance (Eq. 7, 8) but is not coded:
        # the zero-mean prior would pay for it at every place, and the decoder can learn it anyway.
        # It starts the mask three quarters open. Wholly open, it stays so: only the last kept
        # channel moves f, and if that one is not in use, nothing does (a start at 98 % was at
        # 99.5 % after 8,000 steps, everywhere). Nearly shut, most channels would not learn.
        if experiment.mask != "none":
            self.importance_bias = nn.Parameter(torch.full((n,), MASK_START))
        self.gains = Gains(self.channels, experiment) if experiment.gains else None

    @property
    def downscale(self) -> int:
        """Images need a height and a width that are multiples of this."""
        return math.prod(self.experiment.strides) * HYPER_DOWNSCALE

    def noise_shapes(self, height: int, width: int) -> tuple[tuple[int, int, int], ...]:
        """Shapes of hyper-latents and latents of an image: what `forward` takes noise for."""
        step = self.downscale // HYPER_DOWNSCALE
        y = (self.experiment.width, height // self.downscale, width // self.downscale)
        return y, (self.channels, height // step, width // step)

    def candidates(self, z: Tensor) -> Tensor:
        """What a net with a mask chooses its map from: f4 of z with its bias, (B, N, h, w)."""
        return z[:, LATERALS:] + self.importance_bias.view(1, -1, 1, 1)

    def mask(
        self, z: Tensor, strength: float | Tensor = 1.0
    ) -> tuple[Tensor, Tensor] | tuple[None, None]:
        """The mask m (B, C, h, w) and f (B, 1, h, w), how many channels it keeps (Eq. 7-9).

        strength: 0..1 scales f, for all images or (B,) for each; 1 keeps what Eq. 8 says. None,
        None for a net without a mask.
        """
        if self.experiment.mask == "none":
            return None, None
        f_n = importance.select_channel(self.candidates(z), self.experiment.mask)
        if isinstance(strength, Tensor):
            strength = strength.view(-1, 1, 1, 1)
        f = strength * importance.kept_channels(f_n, self.channels)
        return importance.channel_mask(f, self.channels), f

    def before_rounding(
        self, z: Tensor, strength: float | Tensor = 1.0, m: Tensor | None = None
    ) -> Tensor:
        """Latents z (B, C, h, w) -> what is rounded and coded: z m, times the gain of a net that
        has gains. m: None means the net's own mask."""
        m = self.mask(z, strength)[0] if m is None else m
        return self._gained(z if m is None else z * m, strength)

    def _gained(self, masked: Tensor, strength: float | Tensor) -> Tensor:
        if self.gains is None:
            return masked
        gain, _ = self.gains(_per_image(strength, masked))
        return masked * gain

    def after_rounding(self, z_hat: Tensor, strength: float | Tensor = 1.0) -> Tensor:
        """Rounded latents (B, C, h, w) -> what the decoder g_s takes: the gain is undone."""
        if self.gains is None:
            return z_hat
        _, undo = self.gains(_per_image(strength, z_hat))
        return z_hat * undo

    def quantise(self, v: Tensor, noise: Tensor | None = None) -> Tensor:
        """Additive uniform noise in training (drawn here if not given), whole numbers otherwise."""
        if not self.training:
            return torch.round(v)
        return quantize.add_noise(v) if noise is None else v + noise

    def scales(self, y_hat: Tensor) -> Tensor:
        """Hyper-latents (B, N, h/4, w/4) -> scale sigma of every latent (B, C, h, w)."""
        # sigma = 2^h_s(y_hat)
        return torch.exp2(self.h_s(y_hat).clamp(-8.0, 10.0))

    def bits(self, z_hat: Tensor, y_hat: Tensor) -> tuple[Tensor, Tensor]:
        """-log2 of the likelihoods of latents and of hyper-latents, summed per image: (B,) each."""
        latent_bits = priors.bits(priors.gaussian_likelihood(z_hat, self.scales(y_hat)))
        return latent_bits, priors.bits(self.hyper_prior(y_hat))

    def forward(
        self,
        x: Tensor,
        strength: float | Tensor = 1.0,
        noise: tuple[Tensor | None, Tensor | None] = (None, None),
    ) -> Output:
        """x: (B, 3, H, W) in [0, 1], H and W multiples of `downscale`; strength: see `mask`.

        noise: for hyper-latents and latents in training, of `noise_shapes`, in [-1/2, 1/2).
        """
        if x.shape[1] != 3 or x.shape[2] % self.downscale or x.shape[3] % self.downscale:
            raise ValueError(
                f"expected (B, 3, H, W) with H and W multiples of {self.downscale}, got "
                f"{tuple(x.shape)}: pad the image"
            )
        z = self.g_a(x)  # (B, C, H/8, W/8)
        with torch.autocast(x.device.type, enabled=False):  # likelihoods need float32
            m, f = self.mask(z, strength)
            # z~ = z m (Eq. 4)
            v = self._gained(z if m is None else z * m, strength)
            y_hat = self.quantise(self.h_a(v.abs()), noise[0])  # (B, N, H/32, W/32)
            z_hat = self.quantise(v, noise[1])
            latent_bits, hyper_bits = self.bits(z_hat, y_hat)
            restored = self.after_rounding(z_hat, strength)
        return Output(self.g_s(restored), z, z_hat, latent_bits, hyper_bits, m, f)

    def loss_terms(
        self,
        x: Tensor,
        draws: losses.Draws | None = None,
        weight: float = 1.0,
        features: nn.Module | None = None,
    ) -> dict[str, Tensor]:
        """Eq. 12 for a batch x; `hyper_bpp` and `kept` (share of channels) are for the curve alone.

        draws: None means noise of the moment and strength 1; features: what `losses.features`
        returns, whose distance then takes the encoder's place.
        """
        e, d_feat, scale = self.experiment, 0.0, 255**2
        lambda_2: float | Tensor = e.lambda_2
        out = self(x) if draws is None else self(x, draws.strength, draws.noise)
        d, bpp = losses.mse_of_each(out.x_hat, x), out.bits / x[0, 0].numel()  # (B,) each
        terms = {"mse": d.mean(), "bpp": bpp.mean()}
        terms["hyper_bpp"] = losses.bits_per_pixel(out.hyper_bits, x)
        if out.f is not None:
            terms["kept"] = out.f.mean() / out.z.shape[1]
        if e.distortion == "ms-ssim":
            d, scale = 1 - metrics.ms_ssim_of_each(out.x_hat, x, least=1e-6), 1.0
            terms["ms_ssim"] = 1 - d.mean()
        if e.lambda_2_low and draws is not None:
            low, high = e.lambda_2_low, e.lambda_2
            lambda_2 = losses.lambda_of_strength(draws.strength, low, high, e.strength_min)
        if e.lambda_1 and features is not None:
            d_feat = terms["d_feat"] = losses.vgg_distance(features, out.x_hat, x)
        elif e.lambda_1:
            d_feat = terms["d_feat"] = losses.feature_distance(self.g_a, out.x_hat, x)
        terms["loss"] = losses.rate_distortion(d, bpp, lambda_2, e.lambda_1, d_feat, scale).mean()
        return terms

    def coder_tensors(self, images: object = None) -> dict[str, Tensor]:
        """What a weights file holds for the entropy coder, beside the weights themselves."""
        return priors.table_tensors(self.hyper_prior)

    def coder(self, tensors: dict[str, Tensor]) -> hyperprior.Coder:
        """The entropy coder, from `coder_tensors`. Raises ValueError, KeyError for others."""
        layers = [layer for layer in self.h_s if hasattr(layer, "weight")]  # the others are ReLUs
        scales = ScaleDecoder.from_reals(
            [layer.weight.detach().numpy() for layer in layers],
            [layer.bias.detach().numpy() for layer in layers],
        )
        tables = priors.tables_of(tensors, self.experiment.width)
        return hyperprior.Coder(tables, scales.scale_indices)


def _per_image(strength: float | Tensor, t: Tensor) -> Tensor:
    """strength as a tensor (1,) or (B,) beside t."""
    return torch.as_tensor(strength, dtype=t.dtype, device=t.device).view(-1)
