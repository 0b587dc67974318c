"""Schedules of decoding: nobody looks at what is not known yet, and the steps are counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwbook.relatives import schedules
from cwbook.relatives.schedules import SCHEDULES, places, sequential_steps, sizes, turns

SIDES = st.integers(1, 9)
NAMES = sorted(SCHEDULES)


@pytest.mark.parametrize("name", NAMES)
@given(h=SIDES, w=SIDES)
def test_every_place_of_every_scale_is_decoded_once(name, h, w):
    for scale in range(3):
        decoded = [
            place
            for step in SCHEDULES[name]
            if step.scale == scale
            for place in zip(*map(list, places(step, h, w)), strict=True)
        ]
        assert sorted(decoded) == [(y, x) for y in range(h) for x in range(w)]


@pytest.mark.parametrize("name", NAMES)
@given(h=SIDES, w=SIDES)
def test_no_place_looks_at_one_that_is_decoded_later_or_with_it(name, h, w):
    for scale in range(3):
        turn = turns(SCHEDULES[name], scale, h, w)
        for step in SCHEDULES[name]:
            for y, x in zip(*places(step, h, w), strict=True) if step.scale == scale else ():
                for dy, dx in step.own:
                    if 0 <= y + dy < h and 0 <= x + dx < w:
                        assert turn[y + dy, x + dx] < turn[y, x]


@pytest.mark.parametrize("name", NAMES)
def test_the_coarser_scale_is_known_before_anyone_looks_at_it(name):
    for k, step in enumerate(SCHEDULES[name]):
        if step.coarser:
            later = [s.scale for s in SCHEDULES[name][k:]]
            assert step.scale < 2 and step.scale + 1 not in later


def test_turns_of_a_small_grid_are_those_of_the_drawing():
    assert turns(SCHEDULES["in quarters"], 0, 4, 4).tolist() == [
        [1, 3, 1, 3],
        [3, 2, 3, 2],
        [1, 3, 1, 3],
        [3, 2, 3, 2],
    ]
    assert turns(SCHEDULES["one by one"], 1, 2, 3).tolist() == [[1, 2, 3], [4, 5, 6]]
    assert turns(SCHEDULES["coarse to fine"], 2, 2, 2).tolist() == [[1, 1], [1, 1]]


@given(height=st.integers(1, 200), width=st.integers(1, 200))
def test_sizes_cover_the_picture_and_halve_exactly(height, width):
    (a, b), (c, d), (e, f) = sizes(height, width)
    assert (a, b, c, d) == (4 * e, 4 * f, 2 * e, 2 * f)
    assert 16 * (e - 1) < height <= 16 * e and 16 * (f - 1) < width <= 16 * f


def test_steps_of_a_kodak_photograph():
    steps = {name: sequential_steps(SCHEDULES[name], 512, 768) for name in NAMES}
    assert steps == {
        "each scale alone": 1,
        "coarse to fine": 3,
        "in quarters": 9,
        "one by one": 512 * 768 // 16 + 512 * 768 // 64 + 512 * 768 // 256,
    }


def test_only_one_by_one_takes_more_steps_for_a_larger_picture():
    for name in NAMES:
        small, large = (sequential_steps(SCHEDULES[name], s, s) for s in (64, 640))
        assert large == (100 * small if name == "one by one" else small)


def test_the_neighbours_of_raster_order_are_those_before():
    assert all((dy, dx) < (0, 0) for dy, dx in schedules.BEFORE)
    assert len(set(schedules.AROUND)) == 9
