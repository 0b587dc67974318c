"""The figures of runs with several seeds, read back from matplotlib's own objects."""

import numpy as np
import pytest

from cwbook import figures
from drawn import own_figures  # noqa: F401 - a fixture of every test here

# seed_rows, difference_rows


def dots(ax, marker: str) -> list[tuple[float, float]]:
    """Where markers of this kind stand."""
    lines = [line for line in ax.lines if line.get_marker() == marker]
    return sorted(tuple(xy) for line in lines for xy in line.get_xydata().tolist())


def test_seed_rows_draw_every_seed_in_its_row_and_the_mean():
    ax = figures.seed_rows({"M": [30.0, 31.0], "M*": [29.0]}, xlabel="dB")
    assert dots(ax, "o") == [(29, 1), (30, 0), (31, 0)]
    assert dots(ax, "|") == [(29, 1), (30.5, 0)]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["M", "M*"]
    low, high = ax.get_ylim()
    assert low > high  # the first row on top


def test_difference_rows_draw_seeds_interval_and_the_papers_figure():
    rows = {"M* - M": ([0.1, 0.3], (-0.5, 0.9), 0.22), "M1 - M": ([], None, 0.03)}
    ax = figures.difference_rows(rows, xlabel="dB")
    assert dots(ax, "o") == [(0.1, 0), (0.3, 0)] and dots(ax, "|") == [(0.2, 0)]
    assert dots(ax, "x") == [(0.03, 1), (0.22, 0)]
    (bar,) = [line for line in ax.lines if line.get_linewidth() == 5]
    assert list(bar.get_xdata()) == [-0.5, 0.9]
    low, high = ax.get_xlim()
    assert low < -0.5 and high > 0.9  # nothing is cut off, and 0 is in view


# labelled_mosaic


def test_labelled_mosaic_has_one_scale_with_grey_for_zero_and_names_every_channel():
    z = np.stack([np.full((4, 6), v) for v in (0.0, 4.0, -1.0)])
    axes = figures.labelled_mosaic(z, ["a", "b", "c"], framed=[1], columns=2)
    shown = [ax.images[0].get_array() for ax in axes]
    assert [float(a[0, 0]) for a in shown] == [0, 2, -1]  # roots with their sign
    assert {ax.images[0].get_clim() for ax in axes} == {(-2, 2)}
    assert [ax.get_title(loc="left") for ax in axes] == ["a", "b", "c"]
    assert [len(ax.patches) for ax in axes] == [0, 1, 0]
    assert figures.labelled_mosaic(np.zeros((1, 2, 2)), ["0"])[0].images[0].get_clim() == (-1, 1)


# seed_curves, seed_lines


def test_seed_curves_draw_every_run_and_join_the_means_by_rate():
    late, early = [(0.4, 40.0), (0.6, 42.0)], [(0.2, 30.0), (0.2, 32.0)]
    ax = figures.seed_curves({"map": [late, early]}, xlabel="bpp", ylabel="dB")
    assert dots(ax, "s") == [(0.2, 30), (0.2, 32), (0.4, 40), (0.6, 42)]
    (joined,) = [line for line in ax.lines if line.get_linestyle() == "-"]
    assert joined.get_xydata() == pytest.approx(np.array([(0.2, 31), (0.5, 41)]))
    assert [t.get_text() for t in ax.texts] == ["map"]


def bars(ax) -> list[np.ndarray]:
    """The ends of every error bar."""
    return [s for c in ax.collections for s in c.get_segments()]


def test_seed_curves_have_bars_of_one_standard_deviation_from_two_runs_on():
    runs = [(1.0, 30.0), (2.0, 34.0), (3.0, 32.0)]
    ax = figures.seed_curves({"a": [runs]}, xlabel="x", ylabel="y")
    across, up = sorted(bars(ax), key=lambda s: np.ptp(s[:, 1]))
    assert across == pytest.approx(np.array([(1, 32), (3, 32)]))  # sd 1
    assert up == pytest.approx(np.array([(2, 30), (2, 34)]))  # sd 2
    assert not bars(figures.seed_curves({"a": [runs[:1]]}, xlabel="x", ylabel="y"))


def test_seed_curves_show_others_thin_and_write_plain_numbers_on_a_log_axis():
    ax = figures.seed_curves(
        {"a": [[(0.03, 30)], [(0.06, 33)]]},
        xlabel="x",
        ylabel="y",
        context={"longer": [(0.05, 39), (0.03, 35)]},
        log=True,
    )
    grey = ax.lines[0]
    assert grey.get_xdata().tolist() == [0.03, 0.05] and grey.get_linewidth() < 1.5
    assert sorted(t.get_text() for t in ax.texts) == ["a", "longer"]
    assert ax.get_xscale() == "log"
    assert "0.05" in [t.get_text() for t in ax.get_xticklabels()]


def test_seed_lines_draw_the_mean_in_a_band_from_the_lowest_to_the_highest_seed():
    ax = figures.seed_lines({"noise": ([1, 2, 4], [[1, 2, 6], [3, 2, 0]])}, xlabel="x", ylabel="y")
    assert ax.lines[0].get_ydata().tolist() == [2, 2, 3]
    corners = ax.collections[0].get_paths()[0].vertices
    for x, low, high in [(1, 1, 3), (2, 2, 2), (4, 0, 6)]:
        ys = corners[corners[:, 0] == x, 1]
        assert (ys.min(), ys.max()) == (low, high)
    assert [t.get_text() for t in ax.texts] == ["noise"]


# seed_differences


def test_seed_differences_draw_each_seed_their_mean_and_the_line_of_no_difference():
    each = [[0.1, 0.3], [0.3, 0.5]]
    ax = figures.seed_differences(
        [1, 2], each, [0.2, 0.2], xlabel="x", ylabel="dB", sides=("up", "down")
    )
    drawn = [list(line.get_ydata()) for line in ax.lines]
    assert drawn[:2] == each and drawn[2] == pytest.approx([0.2, 0.4]) and drawn[3] == [0, 0]
    reach = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (reach.min(), reach.max()) == (pytest.approx(0.0), pytest.approx(0.6))
    assert ax.get_ylim()[0] < 0  # there is room for what stands below the line
    assert [t.get_text() for t in ax.texts] == ["up", "down"]
