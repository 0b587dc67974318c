"""Intervals, coloured numbers, states and overheads, read back from matplotlib's own objects."""

import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from cwbook import figures
from drawn import own_figures, texts  # noqa: F401 - a fixture of every test here

plt = figures.plt
NAMES = ["a", "b", "c"]
QUARTERS = [0, 2, 3, 4]  # shares 1/2, 1/4, 1/4
CDF = [0, 32768, 49152, 65536]
ORANGE = figures.COLOURS["cw"]


def boxes(ax) -> list[tuple[float, float, float]]:
    """(left, right, top) of every box, as drawn."""
    found = [p for p in ax.patches if isinstance(p, plt.Rectangle)]
    return [(p.get_x(), p.get_x() + p.get_width(), p.get_y()) for p in found]


def orange(ax) -> list[tuple[float, float]]:
    """(left, right) of every orange box."""
    found = [p for p in ax.patches if isinstance(p, plt.Rectangle)]
    lit = [p for p in found if p.get_fill() and to_hex(p.get_facecolor()) == ORANGE]
    return [(p.get_x(), p.get_x() + p.get_width()) for p in lit]


# interval_zoom


def settled(ax) -> str:
    """The bold bits of the interval's first number."""
    bits = [t for t in ax.texts if t.get_text() in ("0", "1")]
    top = min(t.get_position()[1] for t in bits)
    rows = [t for t in bits if t.get_position()[1] == top]
    rows.sort(key=lambda t: t.get_position()[0])
    return "".join(t.get_text() for t in rows if t.get_weight() == "bold")


def test_the_symbol_that_is_taken_is_orange_and_its_share_wide():
    ax = figures.interval_zoom(QUARTERS, NAMES, Fraction(0), Fraction(1), 1)
    assert (0.5, 0.75) in orange(ax)


def test_the_whole_line_shows_where_the_message_lies():
    ax = figures.interval_zoom(QUARTERS, NAMES, Fraction(1, 2), Fraction(1, 4), 2)
    # [1/2, 3/4), of which c takes the last quarter: [11/16, 3/4)
    assert (11 / 16, 3 / 4) in orange(ax)


def test_bits_are_settled_where_both_ends_agree():
    # [1/2, 3/4), last quarter: 0.1011 to 0.1011111...
    ax = figures.interval_zoom(QUARTERS, NAMES, Fraction(1, 2), Fraction(1, 4), 2)
    assert settled(ax) == "1011"
    assert "4 bits settled" in texts(ax)


def test_an_interval_around_the_middle_settles_nothing():
    ax = figures.interval_zoom([0, 1, 2], ["a", "b"], Fraction(3, 8), Fraction(1, 4))
    assert settled(ax) == "" and "0 bits settled" in texts(ax)


def test_before_the_first_symbol_there_is_no_lower_bar():
    without = figures.interval_zoom(QUARTERS, NAMES, 0, 1)
    with_one = figures.interval_zoom(QUARTERS, NAMES, 0, 1, 0)
    assert len(boxes(with_one)) == len(boxes(without)) + len(NAMES)


def test_an_interval_too_small_for_floats_is_drawn():
    width = Fraction(1, 2**1500)
    ax = figures.interval_zoom(QUARTERS, NAMES, Fraction(1, 3), width, 0)
    assert any(re.fullmatch(r"1[45]\d\d bits settled", text) for text in texts(ax))
    assert "0.…" in texts(ax)


@given(st.integers(0, 2**20 - 1), st.integers(1, 2**20))
def test_settled_bits_are_those_of_every_number_inside(low, width):
    width = min(width, 2**20 - low)
    ax = figures.interval_zoom([0, 1], ["a"], Fraction(low, 2**20), Fraction(width, 2**20), 0)
    both = f"{low:020b}", f"{low + width - 1:020b}"
    same = next((k for k in range(20) if both[0][k] != both[1][k]), 20)
    assert settled(ax)[:20].startswith(both[0][:same])
    assert len(settled(ax)) == same or same == 20
    plt.close("all")


@pytest.mark.parametrize(
    ("low", "width"), [(Fraction(1, 2), Fraction(3, 4)), (-Fraction(1, 8), 1), (0, 0)]
)
def test_an_interval_outside_the_line_is_refused(low, width):
    with pytest.raises(ValueError, match="does not lie in"):
        figures.interval_zoom(QUARTERS, NAMES, low, width)


# coloured_numbers


def test_every_number_is_there_with_its_count_of_earlier_cells():
    ax = figures.coloured_numbers([5, 2, 1], NAMES, rows=2)
    shown = texts(ax)
    pairs = list(zip(shown[0:32:2], shown[1:32:2], strict=True))
    assert [int(number) for number, _ in pairs] == list(range(16))
    # by counting: of a's cells, 0 1 2 3 4 8 ..., the cell 8 is the sixth
    owners = "aaaaabbc" * 2
    ranks = [owners[:k].count(owners[k]) for k in range(16)]
    assert [int(rank) for _, rank in pairs] == ranks
    assert shown[32:] == NAMES


def test_a_move_marks_the_cell_whose_small_number_is_the_state():
    ax = figures.coloured_numbers([5, 2, 1], NAMES, moves=[(3, 1)])
    lit = [p for p in ax.patches if to_hex(p.get_edgecolor()) == ORANGE]
    assert [(round(p.get_x()), round(p.get_y())) for p in lit] == [(6, 1)]  # 14 = 8 + 6


def test_a_move_out_of_the_picture_is_refused():
    with pytest.raises(ValueError, match="lead to 807: draw more rows"):
        figures.coloured_numbers([5, 2, 1], NAMES, moves=[(100, 2)])


@pytest.mark.parametrize("frequencies", [[], [1, 0, 2], [[1, 2, 3]], [1, 2]])
def test_frequencies_below_1_and_other_numbers_of_names_are_refused(frequencies):
    with pytest.raises(ValueError, match="frequency >= 1"):
        figures.coloured_numbers(frequencies, NAMES)


# rans_state


def bits(ax) -> str:
    found = [p for p in ax.patches if isinstance(p, plt.Rectangle) and p.get_width() == 1.8]
    return "".join("1" if to_hex(p.get_facecolor()) == "#1b1b1b" else "0" for p in found)


def test_the_register_shows_the_state_after_the_push():
    ax = figures.rans_state(CDF, NAMES, 0, 1 << 40, (1 << 41) + 5)
    assert int(bits(ax), 2) == (1 << 41) + 5 and len(bits(ax)) == 64


def test_the_symbols_interval_is_orange():
    assert orange(figures.rans_state(CDF, NAMES, 1, 1 << 40, 1 << 42)) == [(32, 48)]


def test_a_word_that_moved_out_is_written_and_32_bits_are_taken_off():
    ax = figures.rans_state(CDF, NAMES, 1, 1 << 62, 1 << 32, [0xDEADBEEF])
    assert "moved out: deadbeef" in texts(ax) and "-32 bits" in texts(ax)
    assert not any("moved" in text for text in texts(figures.rans_state(CDF, NAMES, 1, 1, 4)))


@pytest.mark.parametrize(("before", "after"), [(0, 1), (1, 0), (1 << 64, 1), (1, 1 << 64)])
def test_a_state_of_more_than_64_bits_is_refused(before, after):
    with pytest.raises(ValueError, match="a state lies between"):
        figures.rans_state(CDF, NAMES, 0, before, after)


# state_plot, learning_cost, overheads


def test_a_state_plot_has_a_dot_where_something_moved_out():
    ax = figures.state_plot([2.0, 4.0, 1.0], [0, 2, 1], (0, 3), ylabel="log2", note="a byte")
    line, dots, *bounds = ax.lines
    assert line.get_ydata().tolist() == [1, 2, 0]
    assert dots.get_xydata().tolist() == [[2, 2], [3, 0]]
    assert [bound.get_ydata()[0] for bound in bounds] == [0, 3]
    assert ax.get_title(loc="left") == "dots: a byte"


def test_the_dashed_line_of_learning_rises_by_half_a_bit_per_share_and_doubling():
    n = 2 ** np.arange(4, 9)
    ax = figures.learning_cost(n, {5: [20, 22, 24, 26, 30]})
    measured, theory = ax.lines
    assert measured.get_ydata().tolist() == [20, 22, 24, 26, 30]
    assert np.diff(theory.get_ydata()).tolist() == [2, 2, 2, 2]
    assert theory.get_ydata()[-1] == 30
    assert texts(ax) == ["5 symbols"]


def test_overheads_leave_out_what_is_below_a_bit():
    ax = figures.overheads([1, 10, 100], {"one": [0.5, 2, 3], "none": [-1, 0, 0.9]})
    assert ax.lines[0].get_xydata().tolist() == [[10, 2], [100, 3]]
    assert texts(ax) == ["one"]
    assert ax.get_xscale() == ax.get_yscale() == "log"
