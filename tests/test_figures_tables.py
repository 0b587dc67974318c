"""The figures of tables and speeds, read back from matplotlib's own objects."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from cwbook import figures
from drawn import own_figures, texts  # noqa: F401 - a fixture of every test here

plt = figures.plt


def dots(ax) -> dict[str, list[np.ndarray]]:
    """The points of every line without a line, by whether they are filled."""
    found = {"filled": [], "hollow": []}
    for line in ax.lines:
        if line.get_linestyle() == "None" and line.get_xdata().size:
            hollow = to_hex(line.get_markerfacecolor()) == "#ffffff"
            found["hollow" if hollow else "filled"].append(line.get_xydata())
    return found


# count_savings


def test_count_savings_fills_the_counts_that_were_handed_out():
    ax = figures.count_savings([0.75, 0.25], [3, 1], ["a", "b"], most=4)
    found = dots(ax)
    assert [d[:, 0].tolist() for d in found["filled"]] == [[1, 2]]
    assert [d[:, 0].tolist() for d in found["hollow"]] == [[3, 4], [1, 2, 3, 4]]
    # one more count for `a`, which has one, saves 3/4 log2(2 / 1); for `b` 1/4
    assert found["filled"][0][0, 1] == pytest.approx(0.75)
    assert found["hollow"][1][0, 1] == pytest.approx(0.25)
    assert texts(ax) == ["b", "a"] and ax.get_yscale() == "log"


def test_count_savings_separates_the_best_counts_and_no_others():
    level = [
        line
        for line in figures.count_savings([0.75, 0.25], [3, 1], ["a", "b"]).lines
        if list(line.get_xdata()) == [0, 1]
    ]
    taken, next_one = 0.75 * np.log2(3 / 2), 0.75 * np.log2(4 / 3)
    assert len(level) == 1 and next_one < level[0].get_ydata()[0] < taken
    bad = figures.count_savings([0.75, 0.25], [1, 3], ["a", "b"])
    assert not [line for line in bad.lines if list(line.get_xdata()) == [0, 1]]


# loss_plot


def test_loss_plot_leaves_out_what_has_no_logarithm_and_names_each_line_at_its_end():
    ax = figures.loss_plot(
        {"first": ([1, 2, 3], [0.1, 0.01, 0]), "second": ([1, 2], [1, 2])},
        xlabel="counts",
        ylabel="loss (%)",
    )
    assert ax.lines[0].get_xydata().tolist() == [[1, 0.1], [2, 0.01]]
    assert ax.get_yscale() == "log" and ax.get_xscale() == "linear"
    assert sorted(texts(ax)) == ["first", "second"]
    assert {t.get_text(): t.xy for t in ax.texts}["first"] == (2, 0.01)
    assert ax.get_xlabel() == "counts" and ax.get_ylabel() == "loss (%)"


def test_loss_plot_tells_lines_apart_without_colour():
    curves = {name: ([1, 2], [1, 2]) for name in "abcd"}
    patterns = {
        str(line._dash_pattern) for line in figures.loss_plot(curves, xlabel="", ylabel="").lines
    }
    assert len(patterns) == 4


def test_loss_plot_has_marks_a_limit_and_the_ticks_that_it_is_given():
    ax = figures.loss_plot(
        {"a": ([1, 10, 100], [1, 0.1, 0.01])},
        xlabel="",
        ylabel="",
        marks=[(10, 0.1)],
        limit=(0.05, "enough"),
        log=True,
        xticks={1: "one", 100: "hundred"},
        ylim=(1e-3, 10),
    )
    assert ax.get_xscale() == "log" and ax.get_ylim() == (1e-3, 10)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["one", "hundred"]
    assert "enough" in texts(ax)
    assert ax.lines[1].get_xydata().tolist() == [[10, 0.1]]
    assert any(set(line.get_ydata()) == {0.05} for line in ax.lines)


def test_loss_plot_writes_small_numbers_as_they_are():
    ax = figures.loss_plot({"a": ([1, 2], [1e-5, 1])}, xlabel="", ylabel="")
    ax.figure.canvas.draw()
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert "0.00001" in labels and "1" in labels


# wrong_scale


def test_wrong_scale_draws_both_shares_and_this_table_on_the_curve():
    k, occurs, believed = [-1, 0, 1], [0.25, 0.5, 0.25], [0.1, 0.8, 0.1]
    top, bottom = figures.wrong_scale(k, occurs, believed, ([1, 2, 4], [0.5, 0, 0.4]), (1, 0.5))
    assert [bar.get_height() for bar in top.patches] == [25, 50, 25]
    assert top.lines[0].get_ydata().tolist() == [10, 80, 10]
    assert bottom.lines[0].get_xydata().tolist() == [[1, 0.5], [2, 0], [4, 0.4]]
    assert bottom.lines[1].get_xydata().tolist() == [[1, 0.5]]
    assert bottom.get_xscale() == "log" and "bits" in bottom.get_ylabel()


def test_wrong_scale_keeps_its_axes_whatever_the_table_believes():
    frames = []
    for believed in ([0.1, 0.8, 0.1], [0.3, 0.4, 0.3]):
        axes = figures.wrong_scale(
            [-1, 0, 1], [0.25, 0.5, 0.25], believed, ([1, 2], [1, 0]), (1, 1)
        )
        frames.append([(ax.get_xlim(), ax.get_ylim()) for ax in axes])
    assert frames[0] == frames[1]


# ratio_bars


def test_ratio_bars_start_at_one_and_are_labelled_with_their_ratio():
    ax = figures.ratio_bars(
        {"slow": {"encode": 4, "decode": 2.5}, "fast": {"encode": 0.5}}, xlabel="ours / theirs"
    )
    ends = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in ax.patches]
    assert ends == [(1, 4), (1, 2.5), (1, 0.5)]
    assert texts(ax) == ["4", "2.5", "0.5"]
    assert [t.get_ha() for t in ax.texts] == ["left", "left", "right"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["slow", "fast"]
    assert ax.get_xscale() == "log"
    colours = [to_hex(bar.get_facecolor()) for bar in ax.patches]
    assert colours[0] == colours[2] != colours[1]
    (legend,) = ax.figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["encode", "decode"]


def test_ratio_bars_say_what_the_sides_of_the_line_mean():
    ax = figures.ratio_bars({"a": {"x": 3}}, xlabel="", sides=("worse", "better"))
    assert {"worse", "better"} <= set(texts(ax))
    assert not ax.figure.legends
    low, high = ax.get_xlim()
    assert low < 1 < 3 < high


# hint_strip


def orange(ax) -> list[tuple[float, float]]:
    """(start, end) of the intervals that are marked, from left to right."""
    found = [p for p in ax.patches if p.get_y() == 1]
    return [
        (p.get_x(), p.get_x() + p.get_width())
        for p in found
        if to_hex(p.get_facecolor()) in ("#e08a4f", "#f7d9c8")
    ]


def test_hint_strip_marks_the_intervals_from_the_hint_to_the_slot():
    cdf = [0, 1, 3, 8, 12, 16]
    assert orange(figures.hint_strip(cdf, 1, 9)) == [(0, 1), (1, 3), (3, 8), (8, 12)]
    assert orange(figures.hint_strip(cdf, 4, 9)) == [(8, 12)]  # bucket 8 ... 11 begins there
    assert orange(figures.hint_strip(cdf, 4, 5)) == [(3, 8)]  # bucket 4 ... 7 begins within it
    assert orange(figures.hint_strip(cdf, 4, 3)) == [(0, 1), (1, 3), (3, 8)]
    assert orange(figures.hint_strip(cdf, 16, 13)) == [(12, 16)]


def test_hint_strip_is_as_wide_as_its_table():
    ax = figures.hint_strip([0, 4, 16], 4, 5)
    assert ax.get_xlim() == (0, 16)
    assert {"intervals", "hints", "the slot"} <= set(texts(ax))
    lit = [p for p in ax.patches if p.get_y() == 0 and p.get_width() == 4]
    assert [p.get_x() for p in lit] == [4]  # the bucket of slot 5
