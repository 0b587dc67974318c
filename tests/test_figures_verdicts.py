"""Bars of counts: where each part begins and ends, and which numbers stand in them."""

from __future__ import annotations

import numpy as np

import drawn
from cwbook import figures
from drawn import own_figures  # noqa: F401 - a fixture that every test here uses


def test_parts_follow_each_other_and_hold_their_counts():
    ax = figures.count_bars({"a": [3, 0, 7], "b": [5, 5, 0]}, ["x", "y", "z"], xlabel="claims")
    boxes = [[(bar.get_x(), bar.get_width()) for bar in part] for part in ax.containers]
    assert boxes == [[(0, 3), (0, 5)], [(3, 0), (5, 5)], [(3, 7), (10, 0)]]
    assert sorted(drawn.texts(ax)) == ["3", "5", "5", "7"]  # nothing stands in an empty part
    assert ax.get_xlim()[0] == 0 and ax.get_xlim()[1] >= 10
    assert all(tick == int(tick) for tick in ax.get_xticks())  # there are no half claims
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b"]
    assert ax.yaxis_inverted()  # the first row on top
    (legend,) = ax.figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["x", "y", "z"]


def test_a_part_that_nothing_has_is_not_named():
    ax = figures.count_bars({"a": [3, 0, 7], "b": [5, 0, 1]}, ["x", "y", "z"], xlabel="")
    assert [t.get_text() for t in ax.figure.legends[0].get_texts()] == ["x", "z"]


def test_a_count_too_narrow_for_its_figure_is_left_blank():
    ax = figures.count_bars({"a": [1, 99]}, ["x", "y"], xlabel="")
    assert drawn.texts(ax) == ["99"]


def test_figures_have_contrast_with_their_parts():
    ax = figures.count_bars({"a": [9] * 5}, list("vwxyz"), xlabel="")

    def lightness(colour) -> float:
        return float(np.dot(figures.plt.matplotlib.colors.to_rgb(colour), (0.299, 0.587, 0.114)))

    for part, text in zip(ax.containers, ax.texts, strict=True):
        assert abs(lightness(part[0].get_facecolor()) - lightness(text.get_color())) > 0.4
