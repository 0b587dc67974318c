"""The residual blocks: shapes, counts of parameters by hand, and the sum itself."""

import pytest
import torch
from torch.nn import functional

from cwlib.models.layers import Deconv, ResidualGroup, ResidualTrunk, ResidualUnit


def count(net: torch.nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def unit_parameters(w: int) -> int:
    return 2 * (9 * w * w + 2 * w)  # two 3x3 convolutions without bias, two BNs


@pytest.mark.parametrize("block", [ResidualUnit, ResidualGroup, ResidualTrunk])
def test_blocks_keep_the_shape(block):
    assert block(6)(torch.randn(2, 6, 5, 7)).shape == (2, 6, 5, 7)


@pytest.mark.parametrize("w", [4, 64])
def test_the_numbers_of_parameters_are_those_of_figure_2(w):
    assert count(ResidualUnit(w)) == unit_parameters(w)
    assert count(ResidualGroup(w)) == 3 * unit_parameters(w)
    # group, group, unit, and the 1x1 convolution with bias of the skip
    assert count(ResidualTrunk(w)) == 7 * unit_parameters(w) + w * w + w


def test_a_unit_is_two_convolutions_added_to_its_input():
    torch.manual_seed(0)
    unit = ResidualUnit(3).eval()
    weights = [p.detach() for p in unit.parameters() if p.ndim == 4]
    gains = [p.detach() for n, p in unit.named_parameters() if p.ndim == 1 and "weight" in n]
    x = torch.randn(1, 3, 6, 6)
    y = x
    for weight, gain in zip(weights, gains, strict=True):
        # a fresh BN in eval mode only divides by sqrt(1 + eps)
        y = functional.conv2d(y, weight, padding=1) / (1 + 1e-5) ** 0.5
        y = torch.relu(y * gain.view(1, 3, 1, 1))
    with torch.no_grad():
        torch.testing.assert_close(unit(x), torch.relu(x + y))


def test_the_input_of_a_block_is_not_changed():
    x = torch.randn(1, 4, 8, 8)
    before = x.clone()
    ResidualTrunk(4, units=1)(x)
    assert torch.equal(x, before)


def test_the_trunk_adds_its_skip():
    trunk = ResidualTrunk(4, units=1).eval()
    x = torch.randn(1, 4, 8, 8)
    with torch.no_grad():
        for p in trunk.skip.parameters():
            p.zero_()
        without = trunk(x)
        trunk.skip.weight.copy_(2 * torch.eye(4).reshape(4, 4, 1, 1))
        torch.testing.assert_close(trunk(x), without + 2 * x)


def test_a_group_has_as_many_units_as_asked():
    assert len(ResidualGroup(4, units=2)) == 2


@pytest.mark.parametrize("bias", [True, False])
def test_a_deconv_and_its_slopes_are_torchs_own(bias):
    made = Deconv(3, 4, 5, 2, 2, output_padding=1, bias=bias)
    own = torch.nn.ConvTranspose2d(3, 4, 5, 2, 2, output_padding=1, bias=bias)
    own.load_state_dict(made.state_dict())
    x, slope = torch.randn(2, 3, 6, 5).requires_grad_(), torch.randn(2, 4, 12, 10)
    for a, b in zip(*(_value_and_slopes(net, x, slope) for net in (made, own)), strict=True):
        torch.testing.assert_close(a, b)


def test_a_deconv_stays_in_the_precision_of_autocast():
    with torch.autocast("cpu", torch.bfloat16):
        assert Deconv(3, 4, 4)(torch.randn(1, 3, 6, 5)).dtype == torch.bfloat16


def _value_and_slopes(net, x, slope) -> list[torch.Tensor]:
    y = net(x)
    return [y, *torch.autograd.grad((y * slope).sum(), (x, *net.parameters()))]
