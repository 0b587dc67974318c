"""Channels in another order: the same function, and the useful ones first."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from cwlib import experiments
from cwlib.models import ordering
from cwlib.models.hierarchical import Hierarchical

TINY = replace(experiments.get("kodak-mstar"), name="tiny", width=6)


def net(**more) -> Hierarchical:
    """An untrained net in eval mode whose latents take several values; its mask is wide open."""
    torch.manual_seed(0)
    made = Hierarchical(replace(TINY, **more)).eval()
    with torch.no_grad():
        made.g_a.convs[3].weight *= 20
        made.h_a[-1].weight *= 20
        if made.experiment.mask != "none":
            made.importance_bias.copy_(10 + torch.arange(6.0))
    return made


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    return torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("strides", [(1, 2, 2, 2), (2, 2, 2, 1)])
@pytest.mark.parametrize("mask", ["none", "largest"])
def test_another_order_is_the_same_function(x, strides, mask):
    made, order = net(strides=strides, mask=mask), torch.tensor([3, 0, 5, 1, 2, 4])
    other = ordering.reordered(made, order)
    with torch.no_grad():
        a, b = made(x), other(x)
    torch.testing.assert_close(b.z[:, :3], a.z[:, :3])
    torch.testing.assert_close(b.z[:, 3:], a.z[:, 3:][:, order], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(b.x_hat, a.x_hat, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(b.bits, a.bits, rtol=1e-3, atol=1.0)


def test_the_order_is_that_of_the_mean_magnitude_of_what_is_coded(x):
    made = net(mask="none")
    sizes = torch.tensor([0.0, 3.0, 1.0, 9.0, 0.5, 2.0])
    with torch.no_grad():  # channels alike but for their size
        weight = made.g_a.convs[3].weight
        weight.copy_(sizes.view(-1, 1, 1, 1) * weight[:1])
    assert ordering.by_use(made, x)[:2].tolist() == [3, 1]
    assert sorted(ordering.by_use(made, x).tolist()) == list(range(6))
    other = ordering.reordered(made, ordering.by_use(made, x))
    assert ordering.by_use(other, x).tolist() == list(range(6))


def test_the_net_itself_is_left_alone():
    made = net()
    before = {k: v.clone() for k, v in made.state_dict().items()}
    ordering.reordered(made, torch.arange(6).flip(0))
    assert all(torch.equal(v, before[k]) for k, v in made.state_dict().items())


@pytest.mark.parametrize(
    "change", [{"mask": "first"}, {"gains": 2, "strength_min": 0.5, "lambda_2_low": 0.001}]
)
def test_channels_with_a_meaning_stay(change):
    with pytest.raises(ValueError, match="have a meaning each"):
        ordering.reordered(net(**change), torch.arange(6))
