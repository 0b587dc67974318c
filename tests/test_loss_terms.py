"""What each net minimises, against the papers' formulas over what it returns."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from cwbook import studies
from cwlib import experiments, losses
from cwlib.models import autoencoders, catalogue

DIGITS = replace(experiments.get("mnist-cw"), name="tiny", width=4, units=1, lambda_rate=2.0)
PHOTO = replace(experiments.get("kodak-mstar-n64"), name="tiny", width=4, batch_size=2)
ANY = replace(PHOTO, strength_min=0.25, lambda_2=0.02, lambda_2_low=0.001)


def test_the_rate_term_of_paper_1_is_weighed_by_lambda_and_faded_in():
    model = catalogue.build(DIGITS)
    m = torch.full((1, 4, 16, 16), 0.9)
    x = torch.zeros(1, 1, 128, 128)
    out = autoencoders.Output(x + 0.5, m, m, m)
    model.forward = lambda _: out
    terms = model.loss_terms(x, weight=0.5)
    assert terms["mse"].item() == 0.25
    assert terms["bpp"].item() == pytest.approx(0.375)  # level 3 everywhere: all 6 bits
    assert terms["loss"].item() == pytest.approx(0.25 + 0.5 * 2.0 * 0.375)


def test_the_loss_of_paper_2_is_equation_12():
    e = replace(PHOTO, lambda_1=10.0)
    model = catalogue.build(e).eval()
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        terms = model.loss_terms(x)
        out = model(x)
        bpp = out.bits.mean().item() / 32**2
        mse = (255 * (out.x_hat - x)).square().mean().item()
        d_feat = (model.g_a(out.x_hat) - model.g_a(x)).square().mean().item()
    assert terms["loss"].item() == pytest.approx(
        PHOTO.lambda_2 * (mse + 10 * d_feat) + bpp, rel=1e-5
    )


@pytest.mark.parametrize("gains", [0, 3])
def test_each_image_has_its_own_strength_noise_and_lambda(gains):
    e = replace(ANY, gains=gains)
    torch.manual_seed(0)
    model = catalogue.build(e).train()
    x = torch.rand(2, 3, 32, 32)
    strength = torch.tensor([0.5, 1.0])
    noise = tuple(torch.rand(2, *shape) - 0.5 for shape in model.noise_shapes(32, 32))
    with torch.no_grad():
        terms = model.loss_terms(x, losses.Draws(strength, noise))
        parts = []
        # log(0.5) is half of log(0.25): the middle between 0.001 and 0.02 on a logarithmic scale
        for k, lambda_2 in enumerate([(0.001 * 0.02) ** 0.5, 0.02]):
            out = model(x[k : k + 1], float(strength[k]), tuple(n[k : k + 1] for n in noise))
            mse = (255 * (out.x_hat - x[k])).square().mean().item()
            parts.append(lambda_2 * mse + out.bits.item() / 32**2)
    assert terms["loss"].item() == pytest.approx(sum(parts) / 2, rel=1e-5)


def test_the_rate_of_a_channel_mask_counts_from_its_target_on():
    e = replace(studies.get("tiny-first"), width=4, lambda_rate=2.0, rate_target=0.25)
    m, x = torch.full((1, 1, 16, 16), 0.5), torch.zeros(1, 1, 128, 128)

    def terms_of(e: experiments.Experiment) -> dict[str, torch.Tensor]:
        model = catalogue.build(e)
        model.forward = lambda _: autoencoders.Output(x + 0.5, m, m, m)
        return model.loss_terms(x)

    terms = terms_of(e)
    # half of 8 x 16 x 16 x 6 bits over 128 x 128 pixels
    assert terms["bpp"].item() == pytest.approx(0.375)
    assert terms["loss"].item() == pytest.approx(0.25 + 2.0 * (0.375 - 0.25))
    below = terms_of(replace(e, rate_target=0.5))
    assert below["loss"].item() == pytest.approx(0.25)


def test_ms_ssim_takes_the_place_of_the_mse_where_the_experiment_says_so():
    e = replace(PHOTO, distortion="ms-ssim", lambda_2=12.0)
    model = catalogue.build(e).eval()
    x = torch.rand(1, 3, 192, 192)
    with torch.no_grad():
        terms = model.loss_terms(x)
    wanted = 12.0 * (1 - terms["ms_ssim"]) + terms["bpp"]
    assert terms["loss"].item() == pytest.approx(wanted.item(), rel=1e-6)
    assert terms["mse"].item() != pytest.approx(1 - terms["ms_ssim"].item())


def test_vggs_features_take_the_encoders_place_in_the_perceptual_term():
    e = replace(PHOTO, lambda_1=10.0, lambda_1_of="vgg-standin")
    vgg = losses.features(e)
    model = catalogue.build(e).eval()
    x = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        terms = model.loss_terms(x, features=vgg)
        wanted = (vgg(model(x).x_hat) - vgg(x)).square().mean()
    assert terms["d_feat"].item() == pytest.approx(wanted.item(), rel=1e-4)
    assert losses.features(PHOTO) is None
    assert losses.features(replace(PHOTO, lambda_1=10.0)) is None
    with pytest.raises(ValueError, match="unknown lambda_1_of 'lpips'"):
        losses.features(replace(e, lambda_1_of="lpips"))


def test_the_perceptual_term_moves_the_decoder_and_not_the_encoder():
    """Against the same sum with the encoder's weights frozen, differentiated by torch."""
    e = replace(PHOTO, lambda_1=10.0, lambda_2=1.0, mask="none")
    torch.manual_seed(1)
    model = catalogue.build(e).eval()
    x = torch.rand(1, 3, 32, 32)
    last = model.g_s.deconvs[3].weight
    (of_term,) = torch.autograd.grad(model.loss_terms(x)["d_feat"], last)
    frozen = copy.deepcopy(model.g_a).requires_grad_(False)
    d_feat = (frozen(model(x).x_hat) - frozen(x)).square().mean()
    (of_formula,) = torch.autograd.grad(d_feat, last)
    torch.testing.assert_close(of_term, of_formula)
    assert of_formula.abs().max() > 0
    laterals = model.g_a.laterals[0].weight  # in the decoder's way too, so not without a slope
    (of_encoder,) = torch.autograd.grad(model.loss_terms(x)["d_feat"], laterals)
    (through_picture,) = torch.autograd.grad(
        (frozen(model(x).x_hat) - frozen(x)).square().mean(), laterals
    )
    torch.testing.assert_close(of_encoder, through_picture)
