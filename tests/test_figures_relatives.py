"""The figures of the relatives, read back from matplotlib's own objects."""

import numpy as np
import pytest

from cwbook import figures
from drawn import own_figures, texts  # noqa: F401 - a fixture of every test here

plt = figures.plt


# rate_ladder


def test_rate_ladder_names_every_rung_and_writes_its_rate():
    ax = figures.rate_ladder(
        [("PNG", 2213.4, "classical"), ("toy", 40, "toy")], xlabel="bits for a digit"
    )
    assert [label.get_text() for label in ax.get_yticklabels()] == ["PNG", "toy"]
    assert texts(ax) == ["2,213", "40"]
    assert [line.get_xdata()[0] for line in ax.lines] == [2213.4, 40]
    assert ax.get_xscale() == "log" and ax.get_ylim()[0] > ax.get_ylim()[1], "first rung on top"


# codec_lines

ROWS = {"DIV2K": {"PNG": 4.2, "WebP": 3.18, "L3C": 3.09}, "Kodak": {"PNG": 4.35, "L3C": 3.26}}
KINDS = {"PNG": "classical", "WebP": "classical", "L3C": "learnt"}


def test_codec_lines_draws_each_codec_through_the_rows_that_it_has():
    ax = figures.codec_lines(ROWS, KINDS, xlabel="bits per sub-pixel")
    drawn = [(list(line.get_xdata()), list(line.get_ydata())) for line in ax.lines]
    assert drawn == [([4.2, 4.35], [0, 1]), ([3.18], [0]), ([3.09, 3.26], [0, 1])]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["DIV2K", "Kodak"]


def test_codec_lines_names_every_codec_once_and_in_its_own_colour():
    ax = figures.codec_lines(ROWS, KINDS, xlabel="bits per sub-pixel")
    colour_of = {text.get_text(): text.get_color() for text in ax.texts}
    assert sorted(texts(ax)) == sorted(KINDS)
    assert [colour_of[codec] for codec in KINDS] == [line.get_color() for line in ax.lines]
    assert len(set(colour_of.values())) == 3


def test_codec_lines_keeps_names_of_equal_codecs_apart():
    ax = figures.codec_lines(
        {"one": {"a": 3.0, "b": 3.0, "c": 3.01}}, dict.fromkeys("abc", "learnt"), xlabel="bpsp"
    )
    point = 72 / ax.figure.dpi
    shifted = [
        ax.transData.transform((text.xy[0], 0))[0] * point + text.xyann[0] for text in ax.texts
    ]
    gaps = [b - a for a, b in zip(sorted(shifted), sorted(shifted)[1:], strict=False)]
    assert min(gaps) > 13


@pytest.mark.parametrize(
    ("rows", "kinds", "message"),
    [
        ({}, {}, "at least one row"),
        ({"a": {}}, {}, "at least one codec"),
        ({"a": {"PNG": 4.0}}, {}, "PNG: say in `kinds`"),
        ({"a": {"PNG": 4.0}}, {"PNG": "old"}, "unknown kinds .*old"),
    ],
)
def test_codec_lines_says_what_is_wrong(rows, kinds, message):
    with pytest.raises(ValueError, match=message):
        figures.codec_lines(rows, kinds, xlabel="bpsp")


# lattice


def test_lattice_names_every_pixel_by_the_pass_that_codes_it():
    ax = figures.lattice(5, levels=1)
    rows = ["KHKHK", "VDVDV"]
    assert "".join(texts(ax)) == "".join(rows[i % 2] for i in range(5))


def test_lattice_has_a_colour_for_each_level():
    ax = figures.lattice(9, levels=3)
    faces = [patch.get_facecolor() for patch in ax.patches]
    counts = sorted((faces.count(face) for face in set(faces)), reverse=True)
    # of 81 pixels 5 x 5 are on the first level, of these 3 x 3 on the second, 2 x 2 on the third
    assert counts == [81 - 25, 25 - 9, 9 - 4, 4]


def test_lattice_says_what_is_wrong():
    with pytest.raises(ValueError, match="1 to 4 levels, got 5"):
        figures.lattice(9, levels=5)


# turn_grids


def test_turn_grids_write_every_turn_into_its_cell_and_darken_the_early_ones():
    quarters = np.array([[1, 3], [3, 2]])
    axes = figures.turn_grids({"in quarters": quarters, "at once": np.ones((2, 2), int)})
    assert [ax.get_title(loc="left") for ax in axes] == ["in quarters", "at once"]
    written = {text.get_position(): int(text.get_text()) for text in axes[0].texts}
    assert written == {(j, i): quarters[i, j] for i in range(2) for j in range(2)}
    (drawn,) = axes[0].images
    lightness = drawn.to_rgba(drawn.get_array())[..., :3].sum(axis=2)
    assert lightness[0, 0] < lightness[1, 1] < lightness[0, 1] == lightness[1, 0]
