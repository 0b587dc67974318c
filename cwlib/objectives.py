"""What a training step minimises: the terms of an experiment's loss."""

from __future__ import annotations

from torch import Tensor, nn

from cwlib import losses, perceptual
from cwlib.batches import Draws
from cwlib.experiments import Experiment
from cwlib.models import importance

_FEATURES = {"vgg": perceptual.vgg16, "vgg-standin": perceptual.stand_in}


def features(experiment: Experiment) -> nn.Module | None:
    """The network besides the model whose features the loss compares; None where there is none.

    Raises perceptual.WeightsUnavailable, ValueError.
    """
    of = experiment.lambda_1_of
    if of == "encoder" or not experiment.lambda_1:
        return None
    if of not in _FEATURES:
        raise ValueError(f"unknown lambda_1_of {of!r}: choose encoder or {', '.join(_FEATURES)}")
    return _FEATURES[of]()


def loss_terms(
    experiment: Experiment,
    model: nn.Module,
    x: Tensor,
    weight: float,
    draws: Draws | None = None,
    vgg: nn.Module | None = None,
) -> dict[str, Tensor]:
    """Forward pass and the loss of the experiment; `weight` (0 .. 1) fades paper 1's rate in.

    draws: the noise and strengths of paper 2's nets; None: noise of the moment, strength 1.
    vgg: what `features` returns.
    """
    if hasattr(model, "loss_terms"):  # the net knows what it minimises
        if draws is None:
            return model.loss_terms(x, x.new_full((len(x), 1, 1, 1), 0.5))
        return model.loss_terms(x, draws.quality, draws.noise)
    if experiment.model == "hierarchical":
        return _hierarchical_terms(experiment, model, x, draws, vgg)
    out = model(x)
    terms = {"mse": losses.mse(out.x_hat, x)}
    if out.bits is not None:
        terms["bpp"] = losses.bits_per_pixel(out.bits, x)
    elif experiment.model == "channels":
        terms["bpp"] = importance.kept_channel_bits_per_pixel(out.m, x, experiment.channels)
    elif out.m is not None:
        terms["bpp"] = importance.kept_bits_per_pixel(
            out.m, x, experiment.channels, experiment.reading
        )
    rate = terms.get("bpp", x.new_zeros(()))
    if experiment.rate_target:
        rate = losses.above(rate, experiment.rate_target)
    # L = MSE + lambda R
    terms["loss"] = terms["mse"] + weight * experiment.lambda_rate * rate
    return terms


def _hierarchical_terms(
    experiment: Experiment,
    model: nn.Module,
    x: Tensor,
    draws: Draws | None,
    vgg: nn.Module | None,
) -> dict[str, Tensor]:
    """Paper 2, Eq. 12; `hyper_bpp` and `kept` (share of channels, mean) are for the curve alone."""
    e = experiment
    out = model(x) if draws is None else model(x, draws.strength, draws.noise)
    d, bpp = losses.mse_of_each(out.x_hat, x), out.bits / x[0, 0].numel()  # (B,) each
    terms = {"mse": d.mean(), "bpp": bpp.mean()}
    terms["hyper_bpp"] = losses.bits_per_pixel(out.hyper_bits, x)
    if out.f is not None:
        terms["kept"] = out.f.mean() / out.z.shape[1]
    lambda_2, d_feat, scale = e.lambda_2, 0.0, 255**2
    if e.distortion == "ms-ssim":
        d, scale = 1 - losses.ms_ssim_of_each(out.x_hat, x), 1.0
        terms["ms_ssim"] = 1 - d.mean()
    if e.lambda_2_low and draws is not None:
        lambda_2 = losses.lambda_of_strength(
            draws.strength, e.lambda_2_low, e.lambda_2, e.strength_min
        )
    if e.lambda_1 and vgg is not None:
        d_feat = terms["d_feat"] = losses.vgg_distance(vgg, out.x_hat, x)
    elif e.lambda_1:
        d_feat = terms["d_feat"] = losses.feature_distance(model.g_a, out.x_hat, x)
    terms["loss"] = losses.rate_distortion(d, bpp, lambda_2, e.lambda_1, d_feat, scale).mean()
    return terms
