"""The figures of masks and quantisers, read back from matplotlib's own objects."""

import numpy as np
import pytest

from cwbook import figures
from drawn import own_figures, texts  # noqa: F401 - a fixture of every test here

PICTURE = np.full((32, 32), 200, np.uint8)
MAP = np.array([[0.0, 1.0], [0.5, 1.0]])


# mask_maps


def test_mask_maps_put_each_map_beside_its_image_on_one_scale():
    axes = figures.mask_maps(
        [PICTURE, PICTURE // 2], {"bits": [MAP, MAP], "first": [MAP / 2, MAP]}, label="x", vmax=1
    )
    assert axes.shape == (2, 3)
    assert [ax.get_title(loc="left") for ax in axes[0]] == ["original", "bits", "first"]
    np.testing.assert_array_equal(axes[1, 0].images[0].get_array(), PICTURE // 2)
    half, whole = (axes[k, 2].images[0].get_array() for k in (0, 1))
    # 0.5 on the scale 0 to 1 has one colour wherever it stands
    np.testing.assert_array_equal(half[0, -1], whole[-1, 0])
    np.testing.assert_array_equal(whole, figures.colour_map(MAP, 32, 32, 1))


def test_mask_maps_write_a_caption_under_each_map_and_name_the_scale():
    axes = figures.mask_maps(
        [PICTURE], {"a": [MAP], "b": [MAP]}, label="bits", vmax=6, captions={"b": ["2"], "a": ["1"]}
    )
    assert [texts(ax) for ax in axes[0]] == [[], ["1"], ["2"]]
    scale = axes[0, 0].figure.axes[-1]
    assert scale.get_xlabel() == "bits" and scale.get_xlim() == (0, 6)


# bit_grids


def test_bit_grids_show_each_grid_in_its_row_and_column():
    few, many = np.eye(2, 6), np.ones((2, 6))
    axes = figures.bit_grids({"bits": [few, many], "first": [many, few]}, ["ink", "paper"])
    assert axes.shape == (2, 2)
    for (i, j), wanted in {(0, 0): few, (1, 0): many, (0, 1): many, (1, 1): few}.items():
        np.testing.assert_array_equal(axes[i, j].images[0].get_array(), wanted)
    assert [ax.get_title() for ax in axes[0]] == ["bits", "first"]
    assert [ax.get_ylabel().split("\n")[0] for ax in axes[:, 0]] == ["ink", "paper"]
    clims = {ax.images[0].get_clim() for ax in axes.ravel()}
    assert len(clims) == 1 and clims.pop()[0] < 0, "an empty cell must be seen on white"


# stand_in

Z = np.linspace(0, 1, 9)
STAIR = np.floor(Z * 4) / 4


def test_stand_in_draws_the_stair_tread_by_tread_and_never_upright():
    top, _ = figures.stand_in(Z, STAIR, Z, np.ones(9))
    treads = [line.get_ydata() for line in top.lines if line.get_linewidth() > 4]
    assert [set(y) for y in treads] == [{0}, {0.25}, {0.5}, {0.75}, {1}]


def test_stand_in_draws_one_curve_as_a_line_and_several_draws_as_dots():
    one, _ = figures.stand_in(Z, STAIR, Z, np.ones(9))
    two, below = figures.stand_in(Z, STAIR, [Z, Z + 0.1], np.ones((2, 9)))
    assert [line.get_linestyle() for line in one.lines[-1:]] == ["-"]
    assert [line.get_linestyle() for line in two.lines[-2:]] == ["None", "None"]
    np.testing.assert_allclose(two.lines[-1].get_ydata(), Z + 0.1)
    assert len(below.lines) == 3  # two slopes, and the line at 1


def test_stand_in_keeps_the_axis_of_slopes_whatever_they_are():
    for slope in (np.zeros(9), np.full(9, 1e9)):
        _, below = figures.stand_in(Z, STAIR, Z, slope, slopes=(0.1, 10))
        assert below.get_ylim() == pytest.approx((0.1, 10)) and below.get_yscale() == "log"
        assert np.isfinite(below.lines[0].get_ydata()).all()
        assert [t.get_text() for t in below.get_yticklabels()] == ["0.1", "1", "10"]


# level_histograms


def test_level_histograms_show_shares_in_percent_and_mark_the_levels():
    values = np.array([0.1] * 3 + [0.9])
    axes = figures.level_histograms({"a": (values, [0.25, 0.75]), "b": ([0.5], [0.5])}, xlabel="z")
    (stairs,) = axes[0].patches
    shares, edges, _ = stairs.get_data()
    assert shares.sum() == pytest.approx(100)
    assert shares[np.searchsorted(edges, 0.1, side="right") - 1] == pytest.approx(75)
    assert list(axes[0].lines[-1].get_xdata()) == [0.25, 0.75]
    assert [ax.get_title(loc="left") for ax in axes] == ["a", "b"]
