"""The figures of the net for all rates, read back from matplotlib's own objects."""

import numpy as np
import pytest

from cwbook import figures
from drawn import own_figures, texts  # noqa: F401 - a fixture of every test here

BOXES = {
    "x": (0.0, 0, "x", "3 × 64 × 64", "plain"),
    "z": (0.0, 1, "z", "8 × 4 × 4", "plain"),
    "sent": (2.0, 1, "z hat", "8 × 4 × 4", "sent"),
}


def test_flow_writes_every_box_and_every_arrow():
    ax = figures.flow(
        BOXES, [("x", "z", "g_a"), ("z", "sent", "round")], [("x", "z", "linear", -1)]
    )
    assert {"x", "3 × 64 × 64", "z hat", "g_a", "round", "linear"} <= set(texts(ax))
    assert len(ax.patches) == 3
    low, high = ax.get_xlim()
    assert low < -1 and high > 2.7  # the lane and the boxes are in view
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # y grows downwards


def test_dial_curves_name_some_channels_and_show_all():
    quality, steps = np.array([0.0, 0.5, 1.0]), np.array([[8.0, 4, 2], [16, 4, 1], [8, 8, 8]])
    ax = figures.dial_curves(
        quality, steps, {1: "first", 2: "last"}, [8, 4, 2], ylabel="step", start_name="begin"
    )
    assert {"first", "last", "begin"} <= set(texts(ax))
    assert len(ax.lines) == 3 + 2 + 1 and ax.get_yscale() == "log"
    np.testing.assert_array_equal(ax.lines[3].get_ydata(), steps[1])
    with pytest.raises(ValueError, match="expected"):
        figures.dial_curves(quality, steps.T[:2], {}, [8, 4, 2], ylabel="", start_name="")


def test_checkerboards_number_every_place_by_its_pass():
    first = np.indices((2, 3, 4)).sum(0) % 2 == 0
    axes = figures.checkerboards(first, ["even", "odd"])
    assert [ax.get_title(loc="left") for ax in axes] == ["even", "odd"]
    assert texts(axes[0])[:4] == ["1", "2", "1", "2"] and texts(axes[1])[:2] == ["2", "1"]
    shade = np.asarray(axes[0].images[0].get_array())
    assert (shade[first[0]] < shade[~first[0]].min()).all()
