"""The multi-scale codec: what can be predicted is saved, what cannot is not, and all comes back."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import scenes
from cwbook.relatives import multiscale
from cwbook.relatives.multiscale import Lossy, codes_of, compress, decompress, fit
from cwbook.relatives.schedules import SCHEDULES, sizes
from cwlib import metrics
from cwlib.coding.stream import StreamError

NAMES = ["each scale alone", "coarse to fine", "in quarters", "one by one"]
CHANNELS = (1, 2, 3)


def noise(height: int, width: int, seed: int = 0) -> list[np.ndarray]:
    """Codes in which nothing can be told from anything."""
    rng = np.random.default_rng(seed)
    shapes = zip(CHANNELS, sizes(height, width), strict=True)
    return [rng.integers(-3, 4, (c, h, w)) for c, (h, w) in shapes]


def inherited(height: int, width: int, seed: int = 0) -> list[np.ndarray]:
    """z1 and z2 are the places of z3 again, four times as many each; z3 is noise."""
    z3 = np.random.default_rng(seed).integers(-3, 4, (1, *sizes(height, width)[2]))
    z2 = z3.repeat(2, 1).repeat(2, 2)
    return [z2.repeat(2, 1).repeat(2, 2), z2, z3]


def smooth(height: int, width: int, seed: int = 0) -> list[np.ndarray]:
    """Waves: neighbours tell each other, scales do not."""
    rng, codes = np.random.default_rng(seed), []
    for c, (h, w) in zip(CHANNELS, sizes(height, width), strict=True):
        y, x = np.mgrid[:h, :w]
        f, g, phase = rng.uniform(0.1, 0.5, (3, c, 1, 1))
        codes.append(np.round(3 * np.sin(f * y + g * x + 9 * phase)).astype(np.int64))
    return codes


def grey(image: np.ndarray) -> np.ndarray:
    return image.mean(axis=2).round().astype(np.uint8)


@pytest.fixture(scope="module")
def trained() -> Lossy:
    torch.manual_seed(0)
    net = Lossy(width=16)
    pictures = np.stack([grey(scenes.scene(48, 48, seed)) for seed in range(32)])

    def batch(step: int) -> torch.Tensor:
        return torch.from_numpy(pictures[np.arange(4 * step, 4 * step + 4) % 32])[:, None]

    net.course = multiscale.train(net, batch, 120)
    return net


# the lossy part


def test_each_scale_has_its_own_resolution_and_seven_symbols(trained):
    codes = codes_of(trained, grey(scenes.scene(80, 50, 7)))
    assert [z.shape for z in codes] == [(1, 20, 16), (2, 10, 8), (4, 5, 4)]
    assert all(z.dtype == np.int64 and z.min() >= -3 and z.max() <= 3 for z in codes)
    assert all(len(np.unique(z)) > 3 for z in codes)


def test_training_halves_the_error_and_all_scales_learn(trained):
    assert np.mean(trained.course[-10:]) < 0.5 * trained.course[0]
    x = torch.rand(2, 1, 32, 32)
    trained(x).sum().backward()
    assert all(layer.weight.grad.abs().sum() > 0 for layer in trained.down)
    trained.zero_grad()


def test_every_scale_carries_something_of_the_picture(trained):
    image = grey(scenes.scene(64, 64, 50))
    codes = codes_of(trained, image)
    whole = metrics.psnr(image, multiscale.picture_of(trained, codes, 64, 64))
    for scale in range(3):
        less = [z * (k != scale) for k, z in enumerate(codes)]
        assert metrics.psnr(image, multiscale.picture_of(trained, less, 64, 64)) < whole


# the lossless part


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15)
@given(
    kind=st.sampled_from([noise, smooth, inherited]),
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    seed=st.integers(0, 1000),
)
def test_all_symbols_come_back_at_the_price_that_was_told(name, kind, height, width, seed):
    lossless = fit([kind(64, 64, 2000)], SCHEDULES[name])
    codes = kind(height, width, seed)
    data = lossless.encode(codes)
    back = lossless.decode(data, [z.shape for z in codes])
    assert all(np.array_equal(a, b) for a, b in zip(back, codes, strict=True))
    # below it by luck alone: trailing zero bytes are not written
    assert len(data) <= sum(lossless.bits(codes)) / 8 + 2


@pytest.mark.parametrize("name", NAMES)
def test_on_average_no_file_is_shorter_than_its_price(name):
    lossless = fit([noise(64, 64, 2000)], SCHEDULES[name])
    gaps = []
    for seed in range(40):
        codes = noise(17, 9, seed)
        gaps.append(len(lossless.encode(codes)) - sum(lossless.bits(codes)) / 8)
    assert -0.5 < np.mean(gaps) < 2


@pytest.mark.parametrize("name", NAMES)
def test_noise_costs_its_entropy_whoever_looks_at_whom(name):
    lossless = fit([noise(256, 256, seed) for seed in range(4)], SCHEDULES[name])
    codes = noise(256, 256, 9)
    for z, bits in zip(codes, lossless.bits(codes), strict=True):
        assert bits / z.size == pytest.approx(np.log2(7), rel=0.02)


def test_what_the_coarse_scale_says_is_not_paid_for_again():
    pictures, codes = [inherited(256, 256, seed) for seed in range(4)], inherited(256, 256, 9)
    alone = fit(pictures, SCHEDULES["each scale alone"]).bits(codes)
    told = fit(pictures, SCHEDULES["coarse to fine"]).bits(codes)
    assert told[2] == pytest.approx(alone[2])  # nobody told the coarsest
    assert told[0] < 0.02 * alone[0] and told[1] < 0.03 * alone[1]


def test_neighbours_save_what_the_coarser_scale_cannot():
    pictures, codes = [smooth(256, 256, seed) for seed in range(8)], smooth(256, 256, 9)
    total = {name: sum(fit(pictures, SCHEDULES[name]).bits(codes)) for name in NAMES}
    assert total["coarse to fine"] > 0.8 * total["each scale alone"]
    assert total["in quarters"] < 0.8 * total["coarse to fine"]
    assert total["one by one"] < 0.8 * total["coarse to fine"]


def test_least_squares_finds_an_exact_relation():
    step = SCHEDULES["coarse to fine"][1]  # the middle scale, told by the coarsest
    weights = multiscale.least_squares(step, [inherited(256, 256)])
    assert set(weights) == set(step.phases)
    for mean, spread in weights.values():
        # a one, then nine neighbours: the place above is the fifth of these
        assert mean.tolist() == [[0, 0, 0, 0, 0, 256, 0, 0, 0, 0]]
        assert np.abs(spread).max() == 0


def test_tables_are_chosen_without_floating_point():
    step, codes = SCHEDULES["in quarters"][4], noise(64, 64)
    weights = multiscale.least_squares(step, [codes])
    y, x = np.array([1, 3]), np.array([5, 1])
    numbers = multiscale.table_numbers(step, weights, codes, y, x)
    (mean, spread), f = weights[1, 1], multiscale.seen(step, codes, y, x)
    for place in range(2):
        for c in range(2):
            m = sum(int(a) * int(b) for a, b in zip(mean[c], f[:, place], strict=True))
            s = sum(int(a) * abs(int(b)) for a, b in zip(spread[c], f[:, place], strict=True))
            half = min(max((2 * m + 128) // 256, -6), 6)  # the nearest half, in halves
            kind = sum(s > bound for bound in multiscale.SPREADS.tolist())
            assert numbers[place, c] == 5 * (half + 6) + kind


# files


@pytest.mark.parametrize("name", NAMES)
def test_a_file_gives_the_picture_of_its_symbols(trained, name):
    lossless = fit([codes_of(trained, grey(scenes.scene(64, 64, 3)))], SCHEDULES[name])
    image = grey(scenes.scene(37, 50, 4))
    data = compress(trained, lossless, image)
    wanted = multiscale.picture_of(trained, codes_of(trained, image), 37, 50)
    assert np.array_equal(decompress(trained, lossless, data), wanted)


@settings(max_examples=30)
@given(data=st.data())
def test_damage_raises_stream_error_or_gives_another_picture(trained, data):
    lossless = fit([noise(64, 64)], SCHEDULES["coarse to fine"])
    shapes = [z.shape for z in noise(40, 40)]
    file = bytearray(lossless.encode(noise(40, 40, 5)))
    file[data.draw(st.integers(0, len(file) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        back = lossless.decode(bytes(file), shapes)
    except StreamError:
        return
    assert [z.shape for z in back] == shapes and all(np.abs(z).max() <= 3 for z in back)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x08\0\x08", "too short for the header"),
        (b"\0\0\x08\0", "0x8 pixels"),
        (b"\xff\xff\xff\xff", "65535x65535 pixels"),
        (b"\x10\0\x10\0" + b"\xff" * 400, "multi-scale code|arithmetic code"),
    ],
)
def test_a_file_that_cannot_be_is_refused(trained, data, message):
    lossless = fit([noise(64, 64)], SCHEDULES["each scale alone"])
    with pytest.raises(StreamError, match=message):
        decompress(trained, lossless, data)


@pytest.mark.parametrize(
    "image", [np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8)), np.zeros((1, 70_000), np.uint8)]
)
def test_a_picture_of_another_kind_is_refused(trained, image):
    lossless = fit([noise(64, 64)], SCHEDULES["each scale alone"])
    with pytest.raises(ValueError, match="grey picture|at most 65535"):
        compress(trained, lossless, image)
