"""The figures of the chapters on coding, read back from matplotlib's own objects."""

import io

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from cwbook import figures
from cwlib.coding import huffman
from drawn import own_figures, texts  # noqa: F401 - a fixture of every test here

plt = figures.plt
CODE = {"A": "0", "B": "10", "C": "110", "D": "111"}
COUNTS, MERGES = [5, 2, 1, 1], [(2, 3), (1, 4), (0, 5)]  # a chain: 1 + 1, + 2, + 5


def boxes(ax) -> list[tuple[float, float, float, str]]:
    """(left, row, width, colour) of every rectangle."""
    return [
        (*box.get_xy(), box.get_width(), to_hex(box.get_facecolor()))
        for box in ax.patches
        if isinstance(box, plt.Rectangle)
    ]


def places(ax) -> dict[str, tuple[float, float]]:
    """Where each node of a tree stands, by its text; bits on edges left out."""
    return {t.get_text(): t.get_position() for t in ax.texts if t.get_text() not in ("0", "1")}


def waiting(ax) -> set[str]:
    """Texts of the nodes that are drawn as roots."""
    colour = figures.COLOURS["cw"]
    return {
        t.get_text()
        for t in ax.texts
        if t.get_bbox_patch() is not None and to_hex(t.get_bbox_patch().get_edgecolor()) == colour
    }


def test_frames_of_one_kind_have_one_size():
    frames = [figures.as_png(figures.huffman_tree(COUNTS, MERGES, done=done)) for done in range(4)]
    frames += [figures.as_png(figures.huffman_tree([9, 4, 4, 1], MERGES))]
    assert len({Image.open(io.BytesIO(frame)).size for frame in frames}) == 1
    coins = [figures.as_png(figures.coin(p, [0, 1] * 16, {"a": 1.0})) for p in (0.1, 0.5, 0.9)]
    assert len({Image.open(io.BytesIO(frame)).size for frame in coins}) == 1


# kraft_budget


def test_kraft_budget_gives_a_word_of_l_bits_its_share_of_the_width():
    ax = figures.kraft_budget(CODE)
    cells = {(left, row, width) for left, row, width, _ in boxes(ax)}
    assert {(0, 1, 0.5), (0.5, 2, 0.25), (0.75, 3, 0.125), (0.875, 3, 0.125)} <= cells
    assert {"A: 0", "B: 10", "C: 110", "D: 111"} <= set(texts(ax))
    assert any("spent: 1" in text for text in texts(ax))


def test_kraft_budget_shades_what_lies_below_a_word_and_nothing_else():
    ax = figures.kraft_budget({"A": "0", "C": "110"})
    shaded = {(left, row) for left, row, _, colour in boxes(ax) if colour == "#ececec"}
    below_a = {(k / 4, 2) for k in range(2)} | {(k / 8, 3) for k in range(4)}
    own = {(0.0, 1), (0.75, 3)}  # drawn over with the words' colours
    assert shaded == below_a | own
    assert any("spent: 0.625" in text for text in texts(ax))
    assert {"10", "11", "111"} <= set(texts(ax))  # what could still be a word


def test_kraft_budget_draws_deeper_rows_when_it_is_told():
    ax = figures.kraft_budget({"A": "0"}, depth=3)
    assert max(row for _, row, _, _ in boxes(ax)) == 3


@pytest.mark.parametrize(
    ("words", "settings", "message"),
    [
        ({}, {}, "at least one"),
        ({"A": "0", "B": "01"}, {}, "the word '0' begins the word '01'"),
        ({"A": "1", "B": "1"}, {}, "the word '1' begins the word '1'"),
        ({"A": "012"}, {}, "'A': expected a word of zeros and ones, got '012'"),
        ({"A": ""}, {}, "got ''"),
        (CODE, {"depth": 2}, "expected 3 to 8 rows"),
        ({"A": "0" * 9}, {}, "expected 9 to 8 rows"),
    ],
)
def test_kraft_budget_says_what_is_wrong(words, settings, message):
    with pytest.raises(ValueError, match=message):
        figures.kraft_budget(words, **settings)


# huffman_tree


def test_huffman_tree_stands_a_leaf_as_deep_as_its_word_is_long():
    ax = figures.huffman_tree(COUNTS, MERGES, names=list("abcd"))
    depth = {text: y for text, (_, y) in places(ax).items()}
    assert depth == {"a\n5": 1, "b\n2": 2, "c\n1": 3, "d\n1": 3, "9": 0, "4": 1, "2": 2}
    assert texts(ax).count("0") == texts(ax).count("1") == 3  # one of each per merge
    assert waiting(ax) == {"9"}


def test_huffman_tree_puts_zeros_to_the_left_and_never_crosses():
    ax = figures.huffman_tree(COUNTS, MERGES)
    x = {text: x for text, (x, _) in places(ax).items()}
    assert x["0\n5"] < x["1\n2"] < x["2\n1"] < x["3\n1"]
    assert x["2"] == (x["2\n1"] + x["3\n1"]) / 2


def test_huffman_tree_takes_the_steps_of_the_coder_and_leaves_out_what_never_occurs():
    steps = huffman.tree_steps([5, 0, 2, 1, 1])
    ax = figures.huffman_tree([5, 0, 2, 1, 1], steps)
    depth = {text: y for text, (_, y) in places(ax).items()}
    assert depth == {"0\n5": 1, "2\n2": 2, "3\n1": 3, "4\n1": 3, "9": 0, "4": 1, "2": 2}
    words = huffman.Code.from_counts([5, 0, 2, 1, 1]).lengths
    assert [depth[name] for name in ("0\n5", "2\n2", "3\n1", "4\n1")] == words[words > 0].tolist()
    assert waiting(figures.huffman_tree([0, 3], [])) == {"1\n3"}


@pytest.mark.parametrize(
    ("done", "roots"),
    [
        (0, {"0\n5", "1\n2", "2\n1", "3\n1"}),
        (1, {"0\n5", "1\n2", "2"}),
        (2, {"0\n5", "4"}),
        (3, {"9"}),
    ],
)
def test_huffman_tree_grows_merge_by_merge_in_the_final_places(done, roots):
    final = places(figures.huffman_tree(COUNTS, MERGES))
    ax = figures.huffman_tree(COUNTS, MERGES, done=done)
    assert waiting(ax) == roots
    assert len(ax.lines) == 2 * done
    assert places(ax).items() <= final.items()
    newest = [line for line in ax.lines if line.get_color() == figures.COLOURS["cw"]]
    assert len(newest) == (2 if done else 0)


@pytest.mark.parametrize(
    ("counts", "merges", "settings", "message"),
    [
        ([1, 2, 3], [(0, 1)], {}, "3 leaves want 2 merges, got 1"),
        ([1, 2], [(0, 0)], {}, "merge 0 takes nodes 0 and 0"),
        ([1, 0, 2], [(0, 1)], {}, "merge 0 takes nodes 0 and 1"),
        ([0, 0], [], {}, "0 leaves"),
        ([1, 2, 3], [(0, 1), (1, 2)], {}, "merge 1 takes nodes 1 and 2"),
        (COUNTS, MERGES, {"done": 4}, "between 0 and 3, got 4"),
        (COUNTS, MERGES, {"names": ["a"]}, "4 leaves, but 1 names"),
    ],
)
def test_huffman_tree_says_what_is_wrong(counts, merges, settings, message):
    assert not plt.get_fignums()


# bit_row


def test_bit_row_spells_the_words_and_marks_the_bytes():
    ax = figures.bit_row([("7", "10"), ("0", "0"), ("2", "11100")])
    bits = [t for t in texts(ax) if t in ("0", "1")]
    # the name "0" is among them, before the bit it stands over
    assert "".join(bits) == "10" + "00" + "11100"
    assert "byte 0" in texts(ax) and "byte 1" not in texts(ax)
    colours = [colour for *_, colour in boxes(ax)]
    assert colours[0] == colours[1] != colours[2] != colours[3] == colours[7]


def test_bit_row_goes_on_below_after_24_bits():
    ax = figures.bit_row([("a", "1" * 30)])
    assert [box[:2] for box in boxes(ax)] == [(k % 24, 3 * (k // 24)) for k in range(30)]
    assert [t for t in texts(ax) if t.startswith("byte")] == [f"byte {k}" for k in range(4)]


# coin


def test_coin_marks_its_entropy_and_its_rates():
    ax = figures.coin(0.25, [0, 1, 1, 0], {"one": 1.0, "two": 0.84})
    curve, _, dot, *rates = ax.lines
    assert curve.get_ydata()[100] == 1 and curve.get_ydata()[[0, -1]].tolist() == [0, 0]
    h = 0.25 * 2 + 0.75 * np.log2(4 / 3)
    assert dot.get_xdata() == [0.25] and dot.get_ydata() == pytest.approx([h])
    assert sorted(line.get_ydata()[0] for line in rates) == [0.84, 1.0]
    assert set(texts(ax)) == {"one", "two"}
    tosses = ax.figure.axes[1].images[0].get_array()
    np.testing.assert_array_equal(tosses, [[1, 0, 0, 1]])  # ones are black


def test_names_of_equal_rates_do_not_cover_each_other():
    ax = figures.coin(0.5, [0, 1], {"a": 1.0, "b": 1.0, "c": 1.0})
    heights = sorted(note.xy[1] for note in ax.texts)
    assert np.diff(heights) == pytest.approx([0.1, 0.1])


@pytest.mark.parametrize(
    ("share", "tosses", "message"),
    [(1.1, [0], "between 0 and 1, got 1.1"), (0.5, [2], "tosses"), (0.5, [], "tosses")],
)
def test_coin_says_what_is_wrong(share, tosses, message):
    with pytest.raises(ValueError, match=message):
        figures.coin(share, tosses, {})


# tables


def test_two_tables_shows_the_extra_cost_of_each_symbol():
    top, bottom = figures.two_tables([0.5, 0.5, 0], [0.25, 0.5, 0.25], ("this", "that"))
    assert [bar.get_height() for bar in top.patches] == [50, 50, 0]
    assert [bar.get_height() for bar in bottom.patches] == [0.5, 0, 0]  # 0.5 log2(0.5 / 0.25)
    assert "0.50 in all" in bottom.get_title(loc="left")
    assert "this" in top.get_title(loc="left") and "that" in top.get_title(loc="left")


@pytest.mark.parametrize(
    ("p", "q", "message"),
    [
        ([1, 0], [1], "one length"),
        ([0.5, 0.4], [0.5, 0.5], "this: expected shares"),
        ([0.5, 0.5], [1.5, -0.5], "that: expected shares"),
        ([0.5, 0.5], [1, 0], "that gives 0 to a symbol that occurs"),
    ],
)
def test_two_tables_says_what_is_wrong(p, q, message):
    with pytest.raises(ValueError, match=message):
        figures.two_tables(p, q, ("this", "that"))


def test_joint_table_darkens_with_the_logarithm_of_the_count():
    ax = figures.joint_table([[0, 1], [3, 7]], xlabel="left", ylabel="value")
    np.testing.assert_array_equal(ax.images[0].get_array(), [[0, 1], [2, 3]])
    assert ax.images[0].origin == "lower"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("left", "value")
    scale = ax.figure.axes[1]
    assert [t.get_text() for t in scale.get_yticklabels()] == ["0", "7"]
