"""The masks of both papers: all codes by hand, and the gradient that they must have."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cwlib.models import importance
from cwlib.models.importance import READINGS, bit_mask, kept_bits, mean_bits


def centres(values: np.ndarray, bits: int) -> torch.Tensor:
    """Whole numbers of `bits` bits -> the middle of their bin in [0, 1]."""
    return torch.from_numpy((values + 0.5) / 2**bits).float()


def sliced(code: int, kept: int) -> float:
    """What the paper's text says: the first bits are extracted; as a number in [0, 1)."""
    return int(f"{code:06b}"[:kept].ljust(6, "0"), 2) / 64


def test_the_three_readings_are_the_ones_of_the_text():
    assert READINGS["double"] == tuple(2 * i for i in range(4))
    assert READINGS["ceil"] == tuple(-(-6 * (i + 1) // 4) for i in range(4))
    assert READINGS["offset"] == tuple(i + 3 for i in range(4))


@pytest.mark.parametrize("reading", READINGS)
def test_the_mask_slices_the_binary_digits_for_every_code_and_level(reading):
    codes, levels = np.meshgrid(np.arange(64), np.arange(4), indexing="ij")
    z, m = centres(codes, 6)[None, None], centres(levels, 2)[None, None]
    found = bit_mask(z, m, reading)[0, 0].numpy()
    for code in range(64):
        for level in range(4):
            assert found[code, level] == sliced(code, READINGS[reading][level])


def test_a_4x4_example_by_hand():
    # 45 = 101101; 2 bits: 100000 = 32, 4 bits: 101100 = 44, 6 bits: 45, none: 0
    code = np.full((4, 4), 45)
    level = np.array([[0, 1, 2, 3], [3, 2, 1, 0], [0, 0, 3, 3], [1, 2, 1, 2]])
    found = bit_mask(centres(code, 6)[None, None], centres(level, 2)[None, None])
    by_hand = [[0, 32, 44, 45], [45, 44, 32, 0], [0, 0, 45, 45], [32, 44, 32, 44]]
    assert (found[0, 0] * 64).tolist() == by_hand


def test_one_map_channel_masks_all_code_channels():
    z = centres(np.full((1, 3, 1, 2), 63), 6)
    m = centres(np.array([1, 2]), 2).reshape(1, 1, 1, 2)
    assert (bit_mask(z, m) * 64).tolist() == [[[[48.0, 60.0]]] * 3]


def test_z_gets_its_gradient_only_where_something_is_kept():
    z = torch.full((1, 1, 1, 4), 0.7, requires_grad=True)
    m = centres(np.arange(4), 2).reshape(1, 1, 1, 4)
    bit_mask(z, m, "double").backward(torch.tensor([[[[2.0, 3.0, 5.0, 7.0]]]]))
    assert z.grad.flatten().tolist() == [0.0, 3.0, 5.0, 7.0]


@pytest.mark.parametrize("reading", ["ceil", "offset"])
def test_z_always_gets_its_gradient_where_every_level_keeps_bits(reading):
    z = torch.rand(1, 4, 3, 3, requires_grad=True)
    bit_mask(z, torch.rand(1, 4, 3, 3), reading).sum().backward()
    assert (z.grad == 1).all()


def brute_force_slope(f, m: torch.Tensor, *, like: torch.Tensor) -> torch.Tensor:
    """d f / d m by moving each value of m to the middle of the bins next to its own.

    f: m -> tensor like `like`; only element-wise dependence is looked at. At the ends of [0, 1] the
    map cannot move further, so the difference is one-sided there.
    """
    quarter = 0.25
    middle = (torch.clamp(torch.floor(m * 4), 0, 3) + 0.5) * quarter
    up = torch.where(middle + quarter < 1, middle + quarter, middle)
    down = torch.where(middle - quarter > 0, middle - quarter, middle)
    return (f(up) - f(down)) / (up - down).expand_as(like)


@pytest.mark.parametrize("reading", READINGS)
def test_the_gradient_of_the_map_is_a_finite_difference_of_the_forward_pass(reading):
    rng = torch.Generator().manual_seed(1)
    z = torch.rand(2, 4, 5, 5, generator=rng)
    m = torch.rand(2, 4, 5, 5, generator=rng).requires_grad_()
    weight = torch.randn(2, 4, 5, 5, generator=rng)
    (bit_mask(z, m, reading) * weight).sum().backward()
    slope = brute_force_slope(lambda moved: bit_mask(z, moved, reading), m.detach(), like=z)
    torch.testing.assert_close(m.grad, slope * weight)
    assert m.grad.abs().max() > 0.1


def test_the_gradient_of_a_shared_map_sums_over_the_code_channels():
    rng = torch.Generator().manual_seed(2)
    z = torch.rand(1, 4, 6, 6, generator=rng)
    m = torch.rand(1, 1, 6, 6, generator=rng).requires_grad_()
    bit_mask(z, m).sum().backward()
    slope = brute_force_slope(lambda moved: bit_mask(z, moved), m.detach(), like=z)
    torch.testing.assert_close(m.grad, slope.sum(1, keepdim=True))


def test_plain_autograd_through_the_same_arithmetic_gives_the_map_nothing():
    # The lesson of section 3.2: quantise, shift, cut. Written out, with no stand-in slopes.
    m = torch.rand(1, 4, 5, 5, requires_grad=True)
    q = torch.floor(torch.rand(1, 4, 5, 5) * 64)
    step = torch.exp2(6 - 2 * torch.floor(4 * m))
    (torch.floor(q / step) * step).sum().backward()
    assert (m.grad == 0).all()


@pytest.mark.parametrize("reading", READINGS)
def test_mean_bits_counts_what_the_levels_keep(reading):
    levels = np.array([0, 0, 1, 2, 3, 3])
    m = centres(levels, 2)
    by_hand = np.mean([READINGS[reading][i] for i in levels])
    assert mean_bits(m, reading).item() == pytest.approx(by_hand)


@pytest.mark.parametrize("reading", READINGS)
def test_the_gradient_of_mean_bits_is_a_finite_difference(reading):
    m = torch.rand(64, generator=torch.Generator().manual_seed(3)).requires_grad_()
    mean_bits(m, reading).backward()
    slope = brute_force_slope(
        lambda moved: kept_bits(torch.floor(moved * 4), reading), m.detach(), like=m
    )
    torch.testing.assert_close(m.grad, slope / 64)
    assert (m.grad > 0).all()  # more importance always costs more bits


def test_the_ends_of_the_map_are_levels_0_and_3():
    assert importance.levels_around(torch.tensor([0.0, 1.0]))[0].tolist() == [0, 3]


def test_kept_bits_takes_integer_levels_too():
    assert kept_bits(torch.tensor([[3, 0]]), "offset").tolist() == [[6.0, 3.0]]


def test_an_unknown_reading_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="unknown reading 'tripled': .*double, ceil, offset"):
        kept_bits(torch.zeros(1), "tripled")


# --- paper 2: the channel mask -------------------------------------------------------------------


def as_meant(f: float, k: int) -> float:
    """Eq. 9 in words: channel k is kept whole, kept by the fraction that is left, or dropped."""
    if f >= k + 1:
        return 1.0
    if f > k:
        return f - k
    return 0.0


@given(st.lists(st.floats(0, 7, width=32), min_size=1, max_size=6))
def test_the_channel_mask_is_equation_9_as_meant(values):
    f = torch.tensor(values).view(1, 1, 1, -1)
    m = importance.channel_mask(f, 7)
    wanted = [[as_meant(v, k) for v in f.flatten().tolist()] for k in range(7)]
    assert m.shape == (1, 7, 1, len(values))
    assert torch.allclose(m[0, :, 0], torch.tensor(wanted), atol=1e-6)


@given(st.floats(0, 7, width=32))
def test_the_mask_keeps_as_many_channels_as_f_says(f):
    assert importance.channel_mask(torch.full((1, 1, 1, 1), f), 7).sum().item() == pytest.approx(
        f, abs=1e-5
    )


def test_only_the_channel_that_is_cut_moves_f():
    f = torch.full((1, 1, 1, 1), 2.25, requires_grad=True)
    m = importance.channel_mask(f, 5)
    slopes = [torch.autograd.grad(m[0, k].sum(), f, retain_graph=True)[0].item() for k in range(5)]
    assert slopes == [0, 0, 1, 0, 0]


def test_f_is_the_number_of_channels_times_a_sigmoid():
    f_n = torch.tensor([-math.inf, -math.log(3), 0.0, math.log(3), math.inf])
    kept = importance.kept_channels(f_n, 8)
    assert kept.tolist() == pytest.approx([0, 2, 4, 6, 8])


def test_the_largest_channel_is_found_for_each_image_by_its_sum():
    f4 = torch.zeros(3, 4, 2, 2)
    f4[0, 2] = 1.0  # sum 4
    f4[0, 1, 0, 0] = 3.9  # a higher peak, a smaller sum
    f4[1] = -1.0
    f4[1, 3] = -0.5  # all are negative: the least negative one
    f4[2, 0] = torch.tensor([[-9.0, 9.0], [9.0, -8.0]])
    f4[2, 1] = -0.1
    assert importance.largest_channel(f4).tolist() == [2, 3, 0]
    chosen = importance.select_channel(f4, "largest")
    assert chosen.shape == (3, 1, 2, 2)
    assert all(torch.equal(chosen[b, 0], f4[b, n]) for b, n in enumerate([2, 3, 0]))


def test_the_first_channel_is_the_first_whatever_the_others_are():
    f4 = torch.randn(2, 4, 3, 3)
    assert torch.equal(importance.select_channel(f4, "first"), f4[:, :1])


def test_any_channel_can_be_the_map_by_decree():
    f4 = torch.randn(2, 4, 3, 3)
    for k in range(4):
        chosen = importance.select_channel(f4, k)
        assert chosen.shape == (2, 1, 3, 3) and torch.equal(chosen[:, 0], f4[:, k])


@pytest.mark.parametrize("k", [-1, 4])
def test_a_channel_that_does_not_exist_is_refused(k):
    with pytest.raises(ValueError, match=f"no channel {k}: there are 0 to 3"):
        importance.select_channel(torch.zeros(1, 4, 1, 1), k)


@pytest.mark.parametrize("selection", ["none", "26th"])
def test_a_selection_that_does_not_exist_is_refused(selection):
    with pytest.raises(ValueError, match="choose first or largest"):
        importance.select_channel(torch.zeros(1, 2, 1, 1), selection)
