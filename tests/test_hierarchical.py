"""Paper 2's network: its shapes and data flow, its mask, and that its bits are what they say."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from cwlib import experiments
from cwlib.models import hierarchical, importance
from cwlib.models.hierarchical import Hierarchical

TINY = replace(experiments.get("kodak-mstar"), name="tiny", width=6)
STRIDES = [(1, 2, 2, 2), (2, 2, 2, 1)]


def net(seed: int = 0, **more) -> Hierarchical:
    """An untrained net in eval mode whose latents take several values."""
    torch.manual_seed(seed)
    made = Hierarchical(replace(TINY, **more)).eval()
    with torch.no_grad():
        made.g_a.convs[3].weight *= 20
        for lateral in made.g_a.laterals:
            lateral.weight *= 20
        made.h_a[-1].weight *= 20
    return made


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    return torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))


# --- shapes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("strides", STRIDES)
@pytest.mark.parametrize("mask", ["none", "first", "largest"])
def test_a_picture_comes_back_in_its_shape_through_an_eighth_of_its_size(x, strides, mask):
    with torch.no_grad():
        out = net(strides=strides, mask=mask)(x)
    assert out.x_hat.shape == x.shape
    assert out.z.shape == out.z_hat.shape == (2, 9, 8, 12)
    assert out.latent_bits.shape == out.hyper_bits.shape == out.bits.shape == (2,)
    if mask == "none":
        assert out.m is None and out.f is None
    else:
        assert out.m.shape == (2, 9, 8, 12) and out.f.shape == (2, 1, 8, 12)


@pytest.mark.parametrize("strides", STRIDES)
def test_the_four_scales_are_those_of_the_strides(x, strides):
    made, sizes = net(strides=strides), []
    for conv in made.g_a.convs:
        conv.register_forward_hook(lambda *args: sizes.append(tuple(args[-1].shape[-2:])))
    back = []
    for deconv in made.g_s.deconvs:
        deconv.register_forward_hook(lambda *args: back.append(tuple(args[-1].shape[-2:])))
    with torch.no_grad():
        made(x)
    scale, wanted = 1, []
    for stride in strides:
        scale *= stride
        wanted.append((64 // scale, 96 // scale))
    assert sizes == wanted
    assert back == [*wanted[2::-1], (64, 96)]  # the decoder meets the same sizes on its way up


@pytest.mark.parametrize("shape", [(1, 3, 32, 40), (1, 1, 32, 32), (1, 3, 31, 32)])
def test_a_size_that_does_not_fit_is_refused_with_the_multiple(shape):
    with pytest.raises(ValueError, match="multiples of 32, got"):
        net()(torch.zeros(shape))


@pytest.mark.parametrize("change", [{"strides": (2, 2, 2, 2)}, {"strides": (8,)}, {"mask": "26th"}])
def test_settings_that_make_no_sense_are_refused(change):
    with pytest.raises(ValueError, match="strides|mask"):
        net(**change)


# --- encoder and decoder -------------------------------------------------------------------------


def test_z_is_the_averaged_laterals_first_and_then_f4(x):
    made, seen = net(), {}
    for k in range(3):
        made.g_a.laterals[k].register_forward_hook(
            lambda *args, k=k: seen.__setitem__(f"l{k}", args[-1])
        )
    made.g_a.convs[3].register_forward_hook(lambda *args: seen.__setitem__("f4", args[-1]))
    with torch.no_grad():
        z = made.g_a(x)
    for k, factor in enumerate((8, 4, 2)):
        b, _, h, w = seen[f"l{k}"].shape
        blocks = seen[f"l{k}"].reshape(b, h // factor, factor, w // factor, factor)
        torch.testing.assert_close(z[:, k], blocks.mean(dim=(2, 4)))
    assert torch.equal(z[:, 3:], seen["f4"])


@pytest.mark.parametrize(("channel", "enters_at"), [(2, 1), (1, 2), (0, 3)])
def test_each_lateral_enters_the_decoder_at_its_own_scale(channel, enters_at):
    made = net()
    seen: list[torch.Tensor] = []
    for deconv in made.g_s.deconvs:
        deconv.register_forward_hook(lambda *args: seen.append(args[-1]))
    z_hat = torch.randn(1, 9, 4, 4)
    changed = z_hat.clone()
    changed[:, channel] += 3
    with torch.no_grad():
        made.g_s(z_hat)
        made.g_s(changed)
    differs = [not torch.equal(a, b) for a, b in zip(seen[:4], seen[4:], strict=True)]
    assert differs == [k >= enters_at for k in range(4)]


def test_the_encoder_stays_in_float32_where_it_matters(x):
    made = net().train()
    with torch.autocast("cpu", torch.bfloat16):
        out = made(x)
    assert {v.dtype for v in (out.x_hat, out.z, out.z_hat, out.bits, out.m)} == {torch.float32}
    # a float32 latent of 200 keeps its noise; in bfloat16 its last digit would be 1
    assert (out.z[:, 3:] * 64 % 1).abs().max() > 0


# --- mask ----------------------------------------------------------------------------------------


def test_the_mask_is_multiplied_onto_all_channels_before_rounding(x):
    with torch.no_grad():
        made = net()
        made.importance_bias -= 1  # half open
        out = made(x)
    assert torch.equal(out.z_hat, torch.round(out.z * out.m))
    assert 0 < out.m.mean() < 1 and out.m[:, 0].mean() > out.m[:, -1].mean()
    k = torch.arange(9.0).view(1, -1, 1, 1)
    torch.testing.assert_close(out.m, (out.f - k).clip(0, 1))


def test_f_comes_from_the_channel_with_the_largest_sum_of_each_image():
    made = net()
    z = torch.zeros(2, 9, 4, 4)
    z[0, 3 + 2] = 1.5
    z[1, 3 + 5] = torch.linspace(0, 3, 16).view(4, 4)
    z[:, :3] = 100  # laterals cannot be chosen
    _, f = made.mask(z)
    for b, n in ((0, 2), (1, 5)):
        wanted = 9 / (1 + torch.exp(-(z[b, 3 + n] + 1)))  # the bias starts at 1
        torch.testing.assert_close(f[b, 0], wanted)


def test_a_channel_by_decree_and_its_mask_take_the_place_of_the_nets_own(x):
    made = net()
    with torch.no_grad():
        made.importance_bias.copy_(torch.linspace(-1, 1, 6))
        z = made.g_a(x[:1])
        sums = [(z[0, 3 + k] + made.importance_bias[k]).sum().item() for k in range(6)]
        decreed = importance.select_channel(made.candidates(z), sums.index(max(sums)))
        m = importance.channel_mask(importance.kept_channels(decreed, 9), 9)
        assert 0 < m.mean() < 1
        assert torch.equal(made.before_rounding(z, m=m), made.before_rounding(z))
        assert torch.equal(made.before_rounding(z, m=torch.ones(1, 9, 1, 1)), z)


def test_the_bias_of_f4_counts_for_the_choice_but_is_not_coded():
    made = net()
    z = torch.zeros(1, 9, 4, 4)
    with torch.no_grad():
        made.importance_bias.copy_(torch.tensor([0.0, 0, 0, 2, 0, 0]))
    _, f = made.mask(z)
    torch.testing.assert_close(f, torch.full_like(f, 9 / (1 + math.exp(-2))))
    assert made.g_a.convs[3].bias is None


def test_the_mask_starts_three_quarters_open(x):
    torch.manual_seed(0)
    with torch.no_grad():
        f = Hierarchical(TINY).eval()(x).f / 9
    assert f.min() > 0.6 and f.max() < 0.85


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_strength_scales_the_number_of_kept_channels(x, strength):
    made = net()
    with torch.no_grad():
        whole, part = made(x), made(x, strength)
    torch.testing.assert_close(part.f, strength * whole.f)
    assert torch.equal(part.z_hat, torch.round(part.z * part.m))
    if strength == 0:
        assert not part.z_hat.any()


def test_less_strength_costs_fewer_bits(x):
    made = net()
    with torch.no_grad():
        bits = [made(x, s).latent_bits.sum().item() for s in (0.0, 0.25, 0.5, 1.0)]
    assert bits == sorted(bits) and bits[0] < bits[-1]


def test_the_importance_channel_learns_from_the_loss(x):
    made = net().train()
    with torch.no_grad():
        made.importance_bias -= 1
    out = made(x)
    (out.x_hat.square().mean() + out.bits.mean()).backward()
    assert made.importance_bias.grad.abs().sum() > 0


def test_each_image_can_have_its_own_strength(x):
    made = net()
    with torch.no_grad():
        both = made(x, torch.tensor([0.3, 1.0]))
        for k, s in enumerate((0.3, 1.0)):
            torch.testing.assert_close(both.f[k], made(x, s).f[k])


# --- gains ---------------------------------------------------------------------------------------

ANY = dict(strength_min=0.25, lambda_2=0.016, lambda_2_low=0.001, gains=3)


def test_gains_start_as_roots_of_lambda_around_one_and_are_undone():
    gain, undo = net(**ANY).gains(torch.tensor([0.25, 0.5, 1.0]))
    assert gain.shape == undo.shape == (3, 9, 1, 1)
    # lambda_2 is 0.001, 0.004 and 0.016, and 0.004 is the middle
    torch.testing.assert_close(gain[:, 0, 0, 0], torch.tensor([0.5, 1.0, 2.0]))
    torch.testing.assert_close(gain * undo, torch.ones_like(gain))


def test_gains_between_two_strengths_are_their_geometric_mean_and_stay_beyond_the_ends():
    gains = net(**ANY).gains
    with torch.no_grad():
        gains.log_gain.copy_(torch.randn(3, 9))
        ends, _ = gains(torch.tensor([0.25, 0.5, 1.0]))
        # half way from 0.5 to 1, and three quarters of the way from 0.25 to 0.5, in octaves
        between, _ = gains(torch.tensor([0.5**0.5, 2**-1.25, 0.0, 0.1]))
    torch.testing.assert_close(between[0], (ends[1] * ends[2]).sqrt())
    torch.testing.assert_close(between[1], ends[0] ** 0.25 * ends[1] ** 0.75)
    torch.testing.assert_close(between[2:], ends[:1].expand(2, -1, -1, -1))


def test_the_gain_is_applied_before_rounding_and_undone_for_the_decoder(x):
    made, seen = net(**ANY), []
    with torch.no_grad():
        made.gains.log_gain.copy_(torch.randn(3, 9) / 4)
        made.gains.log_undo.copy_(torch.randn(3, 9) / 4)
        made.g_s.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        strength = torch.tensor([0.4, 1.0])
        out = made(x, strength)
        gain, undo = made.gains(strength)
    torch.testing.assert_close(out.z_hat, torch.round(out.z * out.m * gain))
    torch.testing.assert_close(seen[0], out.z_hat * undo)
    with torch.no_grad():
        torch.testing.assert_close(made.before_rounding(out.z, strength), out.z * out.m * gain)


def test_a_net_without_gains_leaves_latents_as_they_are(x):
    made = net()
    assert made.gains is None and not any("gain" in name for name in made.state_dict())
    with torch.no_grad():
        z = made.g_a(x)
        m, _ = made.mask(z, 0.5)
        assert torch.equal(made.before_rounding(z, 0.5), z * m)
        assert made.after_rounding(z, 0.5) is z


def test_gains_learn_at_the_strengths_that_were_drawn(x):
    made = net(**ANY).train()
    out = made(x, torch.tensor([0.25, 0.3]))
    (out.x_hat.square().mean() + out.bits.mean()).backward()
    for grad in (made.gains.log_gain.grad, made.gains.log_undo.grad):
        assert grad[:2].abs().sum() > 0 and not grad[2].any()


@pytest.mark.parametrize(
    "change", [{"gains": 1}, {"strength_min": 1.0}, {"strength_min": 0.0}, {"lambda_2_low": 0.0}]
)
def test_gains_without_a_range_of_rates_are_refused(change):
    with pytest.raises(ValueError, match="at least 2 gains"):
        net(**{**ANY, **change})


# --- rate ----------------------------------------------------------------------------------------


def test_the_bits_are_those_of_the_rounded_symbols_under_their_priors(x):
    made = net()
    with torch.no_grad():
        out = made(x)
        y_hat = torch.round(made.h_a((out.z * out.m).abs()))
        sigma = made.scales(y_hat).double().clamp(min=0.11)
    z = out.z_hat.double().abs()

    def above(t):  # mass of the standard normal above t
        return torch.erfc(t / math.sqrt(2)) / 2

    mass = above((z - 0.5) / sigma) - above((z + 0.5) / sigma)
    wanted = -mass.clamp(min=1e-9).log2().sum(dim=(1, 2, 3))
    torch.testing.assert_close(out.latent_bits.double(), wanted, rtol=1e-4, atol=1e-2)
    columns = y_hat.double().transpose(0, 1).flatten(1).unsqueeze(1)
    prior = made.hyper_prior.double()
    with torch.no_grad():
        edges = [torch.sigmoid(prior.logits(columns + d)) for d in (-0.5, 0.5)]
    hyper = -(edges[1] - edges[0]).clamp(min=1e-9).log2().view(6, 2, -1).sum(dim=(0, 2))
    torch.testing.assert_close(out.hyper_bits.double(), hyper, rtol=1e-4, atol=1e-2)
    assert torch.equal(out.bits, out.latent_bits + out.hyper_bits)


def test_training_adds_noise_of_half_a_step_and_eval_rounds(x):
    made = net().train()
    out = made(x)
    noise = out.z_hat - out.z * out.m
    assert noise.abs().max() <= 0.5 + 1e-4 and noise.std().item() == pytest.approx(12**-0.5, 0.05)
    with torch.no_grad():
        assert torch.equal(made.eval()(x).z_hat % 1, torch.zeros_like(out.z))


def test_noise_that_is_given_is_the_noise_that_is_added(x):
    made = net().train()
    noise = tuple(torch.rand(2, *shape) - 0.5 for shape in made.noise_shapes(64, 96))
    assert [n.shape for n in noise] == [(2, 6, 2, 3), (2, 9, 8, 12)]
    out, again = made(x, 1.0, noise), made(x, 1.0, noise)
    torch.testing.assert_close(out.z_hat, out.z * out.m + noise[1])
    assert torch.equal(out.bits, again.bits)
    other = made(x, 1.0, (-noise[0], noise[1]))
    assert not torch.equal(out.hyper_bits, other.hyper_bits)


def test_hyper_decoding_is_nothing_but_convolutions_and_relu():
    kinds = {type(layer).__name__ for layer in net().h_s}
    assert kinds == {"Deconv", "ReLU", "Conv2d"}


def test_a_picture_does_not_depend_on_what_else_is_in_the_batch(x):
    made = net()
    with torch.no_grad():
        together, alone = made(x), made(x[1:])
    torch.testing.assert_close(together.x_hat[1:], alone.x_hat, rtol=1e-4, atol=1e-4)
    assert torch.equal(together.z_hat[1:], alone.z_hat)


# --- size ----------------------------------------------------------------------------------------


def test_the_small_model_has_the_parameters_that_its_table_says():
    n, c = 64, 67
    encoder = 25 * (3 * n + 3 * n * n) + 3 * n + 3 * (9 * n + 1)
    decoder = 25 * (n * n + 2 * (n + 1) * n + (n + 1) * 3) + 3 * n + 3
    gdn = 6 * (n * n + n)
    hyper = (9 * c * n + n) + 2 * (25 * n * n + n) + 2 * (25 * n * n + n) + (9 * n * c + c)
    prior = n * (3 + 9 + 9 + 9 + 3 + (3 + 3 + 3 + 3 + 1) + 4 * 3)
    made = Hierarchical(experiments.get("kodak-mstar-n64"))
    assert sum(p.numel() for p in made.parameters()) == (
        encoder + decoder + gdn + hyper + prior + n
    )


def test_downscale_is_what_the_encoder_and_the_hyper_encoder_do():
    made = net()
    z = made.g_a(torch.zeros(1, 3, 64, 64))
    y = made.h_a(z)
    assert 64 // y.shape[-1] == made.downscale == 8 * hierarchical.HYPER_DOWNSCALE
    assert F.relu(made.h_s(y)).shape == z.shape


def test_mid_grey_is_the_encoders_zero_and_light_is_the_opposite_of_dark():
    """x - 0.5 goes in, and convolutions without bias and GDN are odd functions."""
    g_a = Hierarchical(replace(TINY, mask="none")).g_a
    for conv in (*g_a.convs, *g_a.laterals):
        if conv.bias is not None:
            torch.nn.init.zeros_(conv.bias)
    pattern = 0.4 * torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert not g_a(torch.full((1, 3, 32, 32), 0.5)).any()
        light, dark = g_a(0.5 + pattern), g_a(0.5 - pattern)
    torch.testing.assert_close(light, -dark, rtol=1e-3, atol=1e-5)
    assert light.abs().max() > 0.01


@pytest.mark.parametrize(("log2", "sigma"), [(9.5, 2**9.5), (0.0, 1.0), (-7.5, 2**-7.5)])
def test_scales_reach_from_a_hundredth_to_a_thousand(log2, sigma):
    net = Hierarchical(TINY)
    torch.nn.init.zeros_(net.h_s[-1].weight)
    torch.nn.init.constant_(net.h_s[-1].bias, log2)
    with torch.no_grad():
        scales = net.scales(torch.zeros(1, TINY.width, 1, 1))
    assert scales.unique().item() == pytest.approx(sigma, rel=1e-5)
