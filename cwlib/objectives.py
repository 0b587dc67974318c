"""What a training step minimises: the terms of an experiment's loss."""

from __future__ import annotations

from torch import Tensor, nn

from cwlib import losses
from cwlib.batches import Draws
from cwlib.experiments import Experiment


def loss_terms(
    experiment: Experiment,
    model: nn.Module,
    x: Tensor,
    weight: float,
    draws: Draws | None = None,
) -> dict[str, Tensor]:
    """Forward pass and the loss of the experiment; `weight` (0 .. 1) fades paper 1's rate in.

    draws: the noise and strengths of paper 2's nets; None: noise of the moment, strength 1.
    """
    if experiment.model == "hierarchical":
        return _hierarchical_terms(experiment, model, x, draws)
    out = model(x)
    terms = {"mse": losses.mse(out.x_hat, x)}
    if out.bits is not None:
        terms["bpp"] = losses.bits_per_pixel(out.bits, x)
    elif out.m is not None:
        terms["bpp"] = losses.kept_bits_per_pixel(out.m, x, experiment.channels, experiment.reading)
    # L = MSE + lambda R
    terms["loss"] = terms["mse"] + weight * experiment.lambda_rate * terms.get("bpp", 0.0)
    return terms


def _hierarchical_terms(
    experiment: Experiment, model: nn.Module, x: Tensor, draws: Draws | None
) -> dict[str, Tensor]:
    """Paper 2, Eq. 12; `hyper_bpp` and `kept` (share of channels, mean) are for the curve alone."""
    e = experiment
    out = model(x) if draws is None else model(x, draws.strength, draws.noise)
    d, bpp = losses.mse_of_each(out.x_hat, x), out.bits / x[0, 0].numel()  # (B,) each
    terms = {"mse": d.mean(), "bpp": bpp.mean()}
    terms["hyper_bpp"] = losses.bits_per_pixel(out.hyper_bits, x)
    if out.f is not None:
        terms["kept"] = out.f.mean() / out.z.shape[1]
    lambda_2, d_feat = e.lambda_2, 0.0
    if e.lambda_2_low and draws is not None:
        lambda_2 = losses.lambda_of_strength(
            draws.strength, e.lambda_2_low, e.lambda_2, e.strength_min
        )
    if e.lambda_1:
        d_feat = terms["d_feat"] = losses.feature_distance(model.g_a, out.x_hat, x)
    terms["loss"] = losses.rate_distortion(d, bpp, lambda_2, e.lambda_1, d_feat).mean()
    return terms
