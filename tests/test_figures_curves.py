"""The figures of results on photographs, read back from matplotlib's own objects."""

import numpy as np
import pytest

from cwbook import figures
from drawn import own_figures, texts  # noqa: F401 - a fixture of every test here

plt = figures.plt


# rd_groups

VIEW = {"ylabel": "PSNR (dB)", "xlim": (0.1, 1.0), "ylim": (20, 40)}


def test_rd_groups_joins_points_by_rate_and_names_every_curve_once():
    ax = figures.rd_groups(
        [
            ("theirs", "measured", [(0.8, 33), (0.2, 27)]),
            ("ours", "ours", [(0.4, 31)]),
            ("", "scaled", [(0.3, 25), (0.5, 30)]),
        ],
        **VIEW,
    )
    assert [line.get_xdata().tolist() for line in ax.lines] == [[0.2, 0.8], [0.4], [0.3, 0.5]]
    assert sorted(texts(ax)) == ["ours", "theirs"]
    assert ax.get_xlim() == pytest.approx((0.1, 1.0)) and ax.get_ylim() == pytest.approx((20, 40))


def test_rd_groups_names_others_where_their_curves_leave_the_view():
    ax = figures.rd_groups([("long", "published", [(0.2, 25), (2.0, 43)])], **VIEW)
    (name,) = ax.texts
    assert name.xy == pytest.approx((1.0, 33.0))


def test_rd_groups_leaves_out_a_curve_that_is_not_in_view():
    ax = figures.rd_groups(
        [("far", "published", [(5, 50)]), ("near", "paper", [(0.361, 30.18)])], **VIEW
    )
    assert texts(ax) == ["near"] and len(ax.lines) == 1


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ([("a", "unheard-of", [(0.2, 30)])], "unknown groups .*unheard-of"),
        ([], "no curve has a point in view"),
        ([("a", "ours", [])], "no curve has a point in view"),
    ],
)
def test_rd_groups_says_what_is_wrong(curves, message):
    with pytest.raises(ValueError, match=message):
        figures.rd_groups(curves, **VIEW)


# gains_by_image


def test_gains_by_image_numbers_every_point_and_shows_zero():
    ax = figures.gains_by_image([0.2, 0.5], [-1.5, -0.5], [7, 23], xlabel="bpp", ylabel="dB")
    assert sorted(texts(ax)) == ["23", "7"]
    low, high = ax.get_ylim()
    assert low < -1.5 and high > 0, "the line of no gain must be in view"
    assert [line for line in ax.lines if list(line.get_ydata()) == [0, 0]]


def test_gains_by_image_tells_gains_from_losses_by_colour():
    ax = figures.gains_by_image([0.2, 0.5], [-1.0, 1.0], [1, 2], xlabel="bpp", ylabel="dB")
    loss, gain = (line.get_color() for line in ax.lines[:2])
    assert (loss, gain) == (figures.COLOURS["resnet"], figures.COLOURS["cw"])


# learning_curves


def test_learning_curves_stacks_panels_and_writes_last_values():
    steps = np.arange(1, 4)
    axes = figures.learning_curves(
        {"loss": (steps, [9.0, 3.0, 1.25]), "rate": (steps, [1.0, 0.7, 0.5])},
        xlabel="step",
        log=["loss"],
    )
    assert [ax.get_title(loc="left") or ax.get_title() for ax in axes] == ["loss", "rate"]
    assert [texts(ax) for ax in axes] == [["1.25"], ["0.5"]]
    assert [ax.get_yscale() for ax in axes] == ["log", "linear"]
    assert axes[-1].get_xlabel() == "step" and axes[0].get_shared_x_axes().joined(*axes)


# photo_and_maps


def test_photo_and_maps_lays_every_map_over_the_pictures_extent():
    photo = np.zeros((32, 48, 3), np.uint8)
    axes = figures.photo_and_maps(photo, [("bits", np.eye(4, 6)), ("scale", np.ones((4, 6)))])
    assert [ax.get_title(loc="left") for ax in axes] == ["photograph", "bits", "scale"]
    for ax in axes[1:]:
        assert tuple(ax.images[0].get_extent()) == (0, 48, 32, 0)
    assert axes[1].images[0].get_array().max() == 1


# sorted_bars


def test_sorted_bars_orders_and_marks_the_named_ones():
    ax = figures.sorted_bars([1.0, 5.0, 3.0], xlabel="channel", ylabel="bytes", named={0: "l1"})
    assert [bar.get_height() for bar in ax.patches] == [5.0, 3.0, 1.0]
    (name,) = ax.texts
    assert name.get_text() == "l1" and name.xy == (2, 1.0)


# histograms


def test_histograms_shows_shares_of_all_values_in_percent():
    ax = figures.histograms(
        {"zeros": np.zeros(8), "both": [[-1, 0], [0, 1]]}, bins=[-1.5, -0.5, 0.5, 1.5], xlabel="z"
    )
    heights = [patch.get_data().values.tolist() for patch in ax.patches]
    assert heights == [[0, 100, 0], [25, 50, 25]]
    assert texts(ax) == ["zeros", "both"]
