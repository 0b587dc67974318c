"""Batches: a function of seed and step alone; crops that are really parts of their photographs."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from cwlib import batches, data, experiments
from cwlib.batches import Crops, Digits


def numbered(n: int) -> np.ndarray:
    """n digits; what tells them apart is their place in the array."""
    return np.zeros((n, 28, 28), np.uint8)


def chosen(n: int, batch_size: int, seed: int, steps: int) -> list[list[int]]:
    made = Digits(numbered(n), batch_size, seed)
    return [made.chosen(k).tolist() for k in range(steps)]


def ramp(h: int, w: int) -> np.ndarray:
    """A photograph whose pixels tell their place: row, column and a constant."""
    rows, columns = np.mgrid[:h, :w]
    return np.stack([rows, columns, np.full((h, w), 7)], axis=2).astype(np.uint8)


def noisy(h: int, w: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (h, w, 3), dtype=np.uint8)


# --- digits --------------------------------------------------------------------------------------


def test_each_epoch_is_another_permutation_of_the_images():
    steps = chosen(20, 2, 0, 30)
    epochs = [sum(steps[10 * k : 10 * k + 10], []) for k in range(3)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(20))
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]


def test_a_last_batch_that_is_not_full_is_left_out():
    flat = sum(chosen(20, 6, 0, 3), [])
    assert len(flat) == len(set(flat)) == 18


def test_the_order_depends_on_the_seed():
    assert chosen(20, 2, 0, 5) != chosen(20, 2, 1, 5)


def test_a_batch_holds_the_resized_digits_of_its_step():
    images = np.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype=np.uint8)
    made = Digits(images, 2, 0)
    wanted = data.resize_digits(images[made.chosen(4)])
    assert made.at(4).shape == (2, 1, 128, 128)
    assert np.array_equal(made.at(4)[:, 0].numpy(), wanted)


# --- photographs ---------------------------------------------------------------------------------


def test_a_step_sees_the_same_crops_whenever_it_is_asked_for():
    photos = [noisy(90, 70, k) for k in range(3)]
    one, other = Crops(photos, 4, 5, size=32), Crops(photos, 4, 5, size=32)
    forwards = [one.at(k) for k in range(6)]
    backwards = [other.at(k) for k in reversed(range(6))][::-1]
    assert all(torch.equal(a, b) for a, b in zip(forwards, backwards, strict=True))
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(forwards, 2))
    assert not torch.equal(one.at(0), Crops(photos, 4, 6, size=32).at(0))


def test_a_crop_is_uint8_rgb_channels_first():
    batch = Crops([noisy(80, 64)], 3, 0, size=32).at(0)
    assert batch.shape == (3, 3, 32, 32) and batch.dtype == torch.uint8


def test_a_crop_is_a_scaled_part_of_the_photograph_mirrored_half_of_the_time():
    made = Crops([ramp(200, 150)], 1, 0, size=32)
    sides, mirrored = [], 0
    for step in range(120):
        rows, columns, flat = made.at(step)[0].numpy().astype(int)
        assert (flat == 7).all()
        # the inner rows rise by 1 / scale each: away from the border, resampling keeps a ramp
        sides.append((rows[-4, 0] - rows[3, 0]) / (31 - 6))
        across = columns[0, -4] - columns[0, 3]
        mirrored += across < 0
        assert abs(across) / (31 - 6) == pytest.approx(sides[-1], abs=0.09)
        assert 0 <= rows.min() and rows.max() <= 199 and columns.max() <= 149
    assert min(sides) == pytest.approx(1, abs=0.1) and max(sides) == pytest.approx(2, abs=0.1)
    assert 40 <= mirrored <= 80  # binomial(120, 1/2): beyond it once in 10,000 seeds


def test_scaling_down_does_not_alias():
    fine = np.zeros((256, 256, 3), np.uint8)
    fine[::2] = 255  # stripes of one pixel: at half the size they must become grey
    made = Crops([fine], 1, 0, size=128)
    contrast = {}
    for step in range(40):
        patch = made.at(step)[0].numpy()
        contrast[step] = patch[0, 8:-8, 8:-8].std()
    assert min(contrast.values()) < 20 and max(contrast.values()) > 100


def test_a_photograph_of_just_the_size_is_taken_whole():
    photo = noisy(32, 32)
    seen = {
        made.tobytes() for made in Crops([photo], 16, 0, size=32).at(0).permute(0, 2, 3, 1).numpy()
    }
    assert seen == {photo.tobytes(), np.ascontiguousarray(photo[:, ::-1]).tobytes()}


@pytest.mark.parametrize("rows", [slice(0, 2), slice(2, 4), slice(3, None)])
def test_some_rows_of_a_batch_are_those_rows(rows):
    crops = Crops([noisy(90, 70, k) for k in range(3)], 4, 5, size=32)
    digits = Digits(np.random.default_rng(0).integers(0, 256, (9, 28, 28), dtype=np.uint8), 4, 0)
    for made in (crops, digits):
        assert torch.equal(made.at(3, rows), made.at(3)[rows])


def test_small_photographs_are_left_out_and_nothing_left_is_said():
    made = Crops([noisy(31, 90), noisy(40, 40)], 2, 0, size=32)
    assert [p.shape for p in made.photos] == [(40, 40, 3)]
    with pytest.raises(ValueError, match="at least 64 pixels"):
        Crops([noisy(40, 90)], 2, 0, size=64)


def test_photographs_are_decoded_once(tmp_path):
    for k in range(2):
        Image.fromarray(noisy(40, 40, k)).save(tmp_path / f"{k}.png")
    made = Crops(data.photos(tmp_path), 2, 0, size=32)
    before = made.at(3)
    for path in tmp_path.iterdir():
        path.unlink()
    assert torch.equal(made.at(3), before)


def test_an_experiment_says_which_batches_it_wants():
    digits = batches.source(experiments.get("mnist-cw"), numbered(20))
    crops = batches.source(experiments.get("kodak-mstar-n64"), [noisy(140, 140)])
    assert isinstance(digits, Digits) and digits.batch_size == 16
    assert isinstance(crops, Crops) and (crops.batch_size, crops.size) == (8, 128)


# --- random numbers of a step --------------------------------------------------------------------

ANY = replace(experiments.get("kodak-mstar-n64"), batch_size=4, strength_min=0.25)
SHAPES = [(2, 3), (5,)]
CPU = torch.device("cpu")


def test_draws_depend_on_seed_and_step_alone_and_go_by_rows():
    whole = batches.draws(ANY, SHAPES, 7, CPU)
    again = batches.draws(ANY, SHAPES, 7, CPU, slice(1, 3))
    assert [n.shape for n in whole.noise] == [(4, 2, 3), (4, 5)]
    assert torch.equal(again.strength, whole.strength[1:3])
    assert all(torch.equal(a, b[1:3]) for a, b in zip(again.noise, whole.noise, strict=True))
    for other in (
        batches.draws(ANY, SHAPES, 8, CPU),
        batches.draws(replace(ANY, seed=1), SHAPES, 7, CPU),
    ):
        assert not torch.equal(other.noise[1], whole.noise[1])
        assert not torch.equal(other.strength, whole.strength)


def test_noise_is_uniform_on_half_a_step_either_side():
    (noise,) = batches.draws(ANY, [(50_000,)], 0, CPU).noise
    assert noise.dtype == torch.float32 and -0.5 <= noise.min() and noise.max() < 0.5
    assert abs(noise.mean()) < 0.005 and noise.var().item() == pytest.approx(1 / 12, rel=0.02)
    assert len(noise.unique()) > 150_000


def test_strengths_are_log_uniform_and_every_batch_has_its_share_of_each_part():
    drawn = torch.stack([batches.draws(ANY, [], k, CPU).strength for k in range(400)])
    place = torch.log(drawn) / np.log(0.25)  # 0 at 1, 1 at 0.25
    assert (torch.floor(4 * place).sort(dim=1).values == torch.arange(4)).all()
    quantiles = torch.quantile(place.flatten(), torch.linspace(0.1, 0.9, 9))
    torch.testing.assert_close(quantiles, torch.linspace(0.1, 0.9, 9), atol=0.03, rtol=0)


def test_without_a_range_the_strength_is_one():
    e = replace(ANY, strength_min=1.0)
    assert (batches.draws(e, SHAPES, 3, CPU).strength == 1).all()
