"""Explorers of entropy coders: their captions agree with the coders and with closed forms."""

import math

import numpy as np
import pytest

from cwbook import widgets
from cwlib.coding import rans
from cwlib.coding.tables import Tables
from drawn import (
    drawn,
    own_figures,  # noqa: F401 - a fixture of every test here
)

NAMES = ["a", "b", "c", "escape"]
SHARES = np.array([0.5, 0.25, 0.25])
PNG = b"\x89PNG"


@pytest.fixture
def tables() -> Tables:
    return Tables.from_probabilities([SHARES], [0])


def moved(box, place: int, value) -> tuple[bytes, str]:
    box.children[place].value = value
    return box.children[-2].value, box.children[-1].value


def test_huffman_tells_merges_lengths_and_both_means():
    picture, caption = widgets.huffman_frame([4, 2, 1, 1], 1)
    assert picture.startswith(PNG)
    assert caption == "merge 1: 1 + 1 = 2; words of 1 2 3 3 bits, 1.750 a symbol, entropy 1.750"
    assert widgets.huffman_frame([3, 1], 0)[1].startswith("before the first merge; words of 1 1")
    assert widgets.huffman_frame([3, 1], 99) == widgets.huffman_frame([3, 1], 1)


@pytest.mark.parametrize("counts", [[5], [0, 3], [], [2, -1], [1] * 25])
def test_counts_without_a_tree_are_refused(counts):
    with pytest.raises(ValueError, match="2 to 24 counts above 0"):
        widgets.huffman_frame(counts, 0)


def test_the_intervals_caption_adds_up_the_ideal_costs(tables):
    message = [0, 1, 2, 0]
    costs = [-math.log2(SHARES[s]) for s in message]
    for k in range(1, 5):
        picture, caption = widgets.interval_frame(tables, NAMES, message, k)
        assert picture.startswith(PNG)
        said = f"{costs[k - 1]:.2f} bits, {sum(costs[:k]):.2f} in all"
        assert caption == f"symbol {k} of 4 is {NAMES[message[k - 1]]}: {said}"
    assert "every message is possible" in widgets.interval_frame(tables, NAMES, message, 0)[1]


def test_rans_pushes_the_last_symbol_first_and_ends_in_the_encoders_state(tables):
    message = [2, 0, 1]
    captions = [widgets.rans_frame(tables, NAMES, message, k)[1] for k in (1, 2, 3)]
    assert [caption.split(",")[1].split(":")[0].strip() for caption in captions] == ["b", "a", "c"]
    coded = rans.encode(np.array(message), np.zeros(3, dtype=int), tables)
    state = int.from_bytes(coded[:8], "little")
    assert f"the state has {math.log2(state):.2f} bits" in captions[-1]


def test_rans_says_where_a_word_moves_out(tables):
    captions = [widgets.rans_frame(tables, NAMES, [1] * 20, k)[1] for k in range(1, 21)]
    # 2 bits each from 2^31 to below 2^63: 16 pushes fit
    assert [k for k, text in enumerate(captions, 1) if "moved out" in text] == [16]


@pytest.mark.parametrize("draw", [widgets.interval_frame, widgets.rans_frame])
@pytest.mark.parametrize(
    ("message", "said"), [([], "1 to 24 symbols"), ([0] * 25, "got 25"), ([3], "0 to 2")]
)
def test_messages_that_cannot_be_seen_are_refused(tables, draw, message, said):
    with pytest.raises(ValueError, match=said):
        draw(tables, NAMES, message, 1)


def test_live_controls_draw_again_and_say_what_was_mistyped(tables):
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")
    tree = widgets.explore_huffman([4, 2, 1, 1])
    assert drawn(tree, merges=1)[1].startswith("merge 1")
    assert drawn(tree, counts="8, 4 4", merges=1)[1] == widgets.huffman_frame([8, 4, 4], 1)[1]
    with pytest.raises(ValueError, match="whole numbers"):
        drawn(tree, counts="8 x")
    for explore, draw in (
        (widgets.explore_interval, widgets.interval_frame),
        (widgets.explore_rans, widgets.rans_frame),
    ):
        box = explore(tables, NAMES, [0, 1, 2])
        assert box.children[0].value == "abc"
        assert drawn(box, symbols=3)[1] == draw(tables, NAMES, [0, 1, 2], 3)[1]
        caption = drawn(box, message="c ba", symbols=3)[1]
        assert caption == draw(tables, NAMES, [2, 1, 0], 3)[1]
        with pytest.raises(ValueError, match="no symbol: there are a, b, c"):
            drawn(box, message="abd")
