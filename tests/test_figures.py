"""The figures, read back from matplotlib's own objects; colours against the published formulae."""

import inspect
import json
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb

from cwbook import figures
from drawn import own_figures, texts  # noqa: F401 - a fixture of every test here

plt = figures.plt
ROOT = Path(__file__).resolve().parent.parent
METHODS = sorted(figures.COLOURS)
GREY = np.arange(12, dtype=np.uint8).reshape(3, 4)
COLOUR = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
MAP = np.array([[0.0, 3.0, 6.0], [1.0, 2.0, 4.0]])
VIRIDIS_0, VIRIDIS_1 = (0x44, 0x01, 0x54), (0xFD, 0xE7, 0x25)  # the ends of the published table


def points(line) -> list[tuple[float, float]]:
    return [tuple(map(float, xy)) for xy in line.get_xydata()]


def frameless(ax) -> bool:
    return not ax.axison


def pixels(figure) -> np.ndarray:
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())


# the package


def test_every_public_name_is_there_and_documented():
    assert sorted(figures.__all__) == figures.__all__
    for name in figures.__all__:
        thing = getattr(figures, name)
        if inspect.isfunction(thing):
            first = inspect.getdoc(thing).splitlines()[0]
            assert first.endswith((".", ":")), f"{name}: one sentence, on one line"


def test_the_docstring_names_every_module():
    modules = {path.stem for path in (ROOT / "book" / "cwbook" / "figures").glob("[a-z]*.py")}
    assert set(re.findall(r"^ {4}(\w+) ", figures.__doc__, re.MULTILINE)) == modules


@pytest.mark.parametrize("path", sorted(ROOT.glob("book/**/*.ipynb")), ids=lambda path: path.stem)
def test_every_name_that_a_chapter_uses_is_public(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    assert set(re.findall(r"(?<![\w./])figures\.([A-Za-z_]\w*)", code)) <= set(figures.__all__)


def test_importing_changes_no_setting_and_needs_no_torch():
    code = (
        "import sys, matplotlib.pyplot as plt\n"
        "before = dict(plt.rcParams)\n"
        "from cwbook import figures\n"
        "assert dict(plt.rcParams) == before\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


# look


def luminance(colour: str) -> float:
    """WCAG 2.2, 'relative luminance' of an sRGB colour."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    """WCAG 2.2, 'contrast ratio'."""
    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


def test_the_contrast_formula_gives_the_known_ratios():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_stands_out_from_white(method):
    assert contrast(figures.COLOURS[method], "#ffffff") >= 3


def test_every_method_has_one_name_and_one_colour():
    assert set(figures.LABELS) == set(figures.COLOURS)
    assert len({to_hex(colour) for colour in figures.COLOURS.values()}) == len(METHODS)
    assert len(set(figures.LABELS.values())) == len(METHODS)


@pytest.mark.parametrize("pair", list(combinations(("cae", "resnet", "cw", "cw1"), 2)))
def test_learnt_methods_differ_in_grey_and_in_marker(pair):
    # CIE 1976 lightness, 0 to 100; all four are lighter than the formula's linear piece
    a, b = (116 * luminance(figures.COLOURS[name]) ** (1 / 3) - 16 for name in pair)
    assert abs(a - b) >= 8
    assert figures.method_style(pair[0])["marker"] != figures.method_style(pair[1])["marker"]


def test_learnt_methods_have_markers_and_classical_ones_dashes():
    for method in ("cae", "resnet", "cw", "cw1"):
        assert set(figures.method_style(method)) == {"color", "marker"}
    dashes = [figures.method_style(method) for method in ("jpeg", "jpeg2000", "webp", "png")]
    assert all(set(settings) == {"color", "dashes"} for settings in dashes)
    assert len({settings["dashes"] for settings in dashes}) == 4
    assert figures.method_style("unheard of")["color"] == figures.COLOURS["original"]


def test_style_sets_the_look_for_the_session():
    figures.style()
    for key in ("figure.dpi", "font.size", "axes.grid", "image.interpolation", "axes.facecolor"):
        assert plt.rcParams[key] == figures.STYLE.get(key, "white")


def test_new_axes_have_the_look_without_changing_the_session():
    before = dict(plt.rcParams)
    ax = figures.new_axes("rate (bpp)", "PSNR (dB)", width=3, height=2)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("rate (bpp)", "PSNR (dB)")
    assert tuple(ax.figure.get_size_inches()) == (3, 2)
    assert to_hex(ax.figure.get_facecolor()) == "#ffffff"
    assert dict(plt.rcParams) == before


def test_label_line_writes_beside_the_point():
    ax = figures.new_axes()
    note = figures.label_line(ax, 2, 3, "here", "#14599c", offset=(5, -4), va="top")
    assert (note.xy, note.xyann, note.get_text()) == ((2, 3), (5, -4), "here")
    assert (to_hex(note.get_color()), note.get_va()) == ("#14599c", "top")


# images


def test_show_images_draws_the_arrays_that_it_is_given():
    images = [GREY, COLOUR, GREY + 1, GREY + 2, GREY + 3]
    axes = figures.show_images(images, list("abcde"))
    assert len(axes) == 5 and len(axes[0].figure.axes) == 8  # two rows of four
    for ax, image, title in zip(axes, images, "abcde", strict=True):
        (drawn,) = ax.images
        np.testing.assert_array_equal(drawn.get_array(), image)
        assert drawn.get_clim() == (0, 255) and drawn.get_interpolation() == "nearest"
        assert ax.get_title(loc="left") == title
    assert all(frameless(ax) for ax in axes[0].figure.axes)


def test_show_images_scales_as_it_is_told():
    (ax,) = figures.show_images([GREY / 12], vmax=1, cmap="magma", width=3)
    assert ax.images[0].get_clim() == (0, 1) and ax.images[0].get_cmap().name == "magma"
    assert ax.figure.get_size_inches()[0] == 3


def test_show_images_makes_room_for_titles_only():
    def height(titles):
        (ax,) = figures.show_images([np.zeros((10, 10))], titles, width=2)
        return ax.figure.get_size_inches()[1]

    bare, one, two = height(None), height(["a"]), height(["a\nb"])
    assert 2 <= bare < 2.1  # inches: the picture itself is 2 by 2
    assert two - one == pytest.approx(one - bare) and one - bare > 9.5 / 72  # a line of 9.5 points


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "at least one image"),
        (([GREY, GREY], ["one"]), "2 images, but 1 titles"),
        (([np.zeros((3, 4, 4))],), r"got \(3, 4, 4\)"),
        (([np.zeros(3)],), r"got \(3,\)"),
    ],
)
def test_show_images_says_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        figures.show_images(*arguments)


def test_captioned_grid_has_a_caption_under_each_picture_and_a_head_over_each_column():
    rows = [[GREY, COLOUR], [GREY + 1]]
    axes = figures.captioned_grid(rows, [["a", "b\nc"], ["d"]], ["left", "right"])
    assert axes.shape == (2, 2) and all(frameless(ax) for ax in axes.ravel())
    for place, picture in [((0, 0), GREY), ((0, 1), COLOUR), ((1, 0), GREY + 1)]:
        np.testing.assert_array_equal(axes[place].images[0].get_array(), picture)
    assert not axes[1, 1].images
    assert [texts(ax) for ax in axes.ravel()] == [["a"], ["b\nc"], ["d"], []]
    assert axes[0, 0].texts[0].get_position()[1] < 0  # in units of the Axes: below the picture
    assert [ax.get_title() for ax in axes[0]] == ["left", "right"]


def test_side_by_side_joins_pictures_with_white_between():
    glued = figures.side_by_side([GREY, COLOUR], gap=2)
    assert glued.dtype == np.uint8 and glued.shape == (3, 4 + 2 + 4, 3)
    for channel in range(3):
        np.testing.assert_array_equal(glued[:, :4, channel], GREY)
    assert (glued[:, 4:6] == 255).all()
    np.testing.assert_array_equal(glued[:, 6:], COLOUR)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([], "at least one picture"),
        ([GREY / 255], "expected uint8 pictures, got float64"),
        ([GREY, GREY[:2]], "2 high beside one 3 high"),
        ([np.zeros((3, 4, 4), np.uint8)], r"got \(3, 4, 4\)"),
    ],
)
def test_side_by_side_says_what_is_wrong(images, message):
    with pytest.raises(ValueError, match=message):
        figures.side_by_side(images)


def test_tile_lays_out_the_channels_by_hand():
    code = np.array([[[0.0, 1.0]], [[0.5, 0.2]], [[2.0, -1.0]], [[0.1, 0.9]]])  # (4, 1, 2)
    w = 255
    expected = [
        [0, 0, w, w, 128, 128, 51, w],
        [w, w, w, w, w, w, w, w],
        [w, w, 0, w, 26, 26, 230, w],
        [w, w, w, w, w, w, w, w],
    ]
    picture = figures.tile(code, 2)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, expected)
    assert figures.tile(code, 3, columns=4).shape == (3, 24)


# maps


def kron(cells: np.ndarray, height: int, width: int) -> np.ndarray:
    """Every cell as an area of equal numbers: the oracle for whole factors."""
    return np.kron(cells, np.ones((height // cells.shape[0], width // cells.shape[1])))


def test_colour_map_enlarges_each_cell_to_an_area():
    picture = figures.colour_map(MAP, 8, 12)
    assert picture.dtype == np.uint8 and picture.shape == (8, 12, 3)
    colour_of = {}
    for value, colour in zip(kron(MAP, 8, 12).ravel(), picture.reshape(-1, 3), strict=True):
        assert colour_of.setdefault(value, tuple(colour)) == tuple(colour)
    assert len(set(colour_of.values())) == MAP.size
    assert colour_of[0] == VIRIDIS_0 and colour_of[6] == VIRIDIS_1
    lightness = [luminance([c / 255 for c in colour_of[v]]) for v in sorted(colour_of)]
    assert lightness == sorted(lightness)  # more is lighter, in greyscale too


def test_colour_map_covers_sizes_that_are_no_multiple_of_the_map():
    picture = figures.colour_map([[0, 5]], 2, 5, vmax=5)
    np.testing.assert_array_equal(picture[:, :3], np.broadcast_to(VIRIDIS_0, (2, 3, 3)))
    np.testing.assert_array_equal(picture[:, 3:], np.broadcast_to(VIRIDIS_1, (2, 2, 3)))


def test_colour_map_averages_channels():
    channels = np.stack([np.zeros_like(MAP), 2 * MAP])
    np.testing.assert_array_equal(figures.colour_map(channels, 4, 6), figures.colour_map(MAP, 4, 6))


def test_importance_overlay_lays_the_map_over_the_whole_picture():
    image = np.full((8, 12), 90, np.uint8)
    ax = figures.importance_overlay(image, MAP, vmax=6)
    picture, overlay = ax.images
    np.testing.assert_array_equal(picture.get_array(), image)
    np.testing.assert_array_equal(overlay.get_array(), MAP)
    assert picture.get_extent() == overlay.get_extent() == [0, 12, 8, 0]
    assert overlay.get_clim() == (0, 6) and 0 < overlay.get_alpha() < 1
    assert frameless(ax)
    scale = ax.figure.axes[1]
    assert scale.get_ylabel() == "bits kept per symbol" and scale.get_ylim() == (0, 6)
    # the same pixels as with a map that was enlarged beforehand
    enlarged = figures.importance_overlay(image, kron(MAP, 8, 12), vmax=6)
    np.testing.assert_array_equal(pixels(ax.figure), pixels(enlarged.figure))


def test_importance_overlay_averages_channels_and_ends_its_scale_at_the_largest_value():
    _, given = plt.subplots()
    ax = figures.importance_overlay(COLOUR, np.stack([MAP, MAP + 2]), ax=given, label="bits")
    assert ax is given
    np.testing.assert_array_equal(ax.images[1].get_array(), MAP + 1)
    assert ax.images[1].get_clim() == (0, 7)
    assert ax.figure.axes[1].get_ylabel() == "bits"


def test_importance_grid_puts_each_map_below_its_image():
    images, maps = [np.full((4, 6), k, np.uint8) for k in (10, 20)], [MAP, MAP[::-1]]
    axes = figures.importance_grid(images, maps, titles=["a", "b"], vmax=6)
    assert len(axes) == 4 and all(frameless(ax) for ax in axes)
    for k in range(2):
        np.testing.assert_array_equal(axes[k].images[0].get_array(), images[k])
        assert axes[k].get_title(loc="left") == "ab"[k]
        drawn = axes[2 + k].images[0].get_array()
        enlarged = kron(maps[k], 4, 6)
        assert {tuple(c) for c in drawn[enlarged == 0]} == {VIRIDIS_0}
        assert {tuple(c) for c in drawn[enlarged == 6]} == {VIRIDIS_1}
        assert VIRIDIS_1 not in {tuple(c) for c in drawn[enlarged < 6]}
    (scale,) = axes[0].figure.axes[4:]  # one scale for all
    assert scale.get_xlabel() == "bits kept per symbol" and scale.get_xlim() == (0, 6)


def test_importance_grid_says_what_is_wrong():
    assert not plt.get_fignums()  # no half-drawn figure is left behind


def test_cells_with_ink_shades_the_cells_without():
    image, ink = np.full((8, 12), 90, np.uint8), MAP > 2
    ax = figures.cells_with_ink(image, ink)
    picture, shade = ax.images
    np.testing.assert_array_equal(picture.get_array(), image)
    np.testing.assert_array_equal(shade.get_array()[..., 3] > 0, ~ink)
    assert picture.get_extent() == shade.get_extent() == [0, 12, 8, 0]
    across = {line.get_ydata()[0] for line in ax.lines if line.get_xdata() == [0, 1]}
    upright = {line.get_xdata()[0] for line in ax.lines if line.get_ydata() == [0, 1]}
    assert across == {0, 4, 8} and upright >= {0, 4, 8, 12}


# charts


def test_line_plot_draws_the_points_and_names_each_line_at_its_end():
    curves = {"cae": ([1, 10, 100], [3, 5, 4]), "a line": (range(1, 4), [1, 2, 9])}
    ax = figures.line_plot(curves, xlabel="step", ylabel="PSNR (dB)", log=True)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_xscale()) == ("step", "PSNR (dB)", "log")
    assert [points(line) for line in ax.lines] == [
        [(1, 3), (10, 5), (100, 4)],
        [(1, 1), (2, 2), (3, 9)],
    ]
    assert {note.get_text(): note.xy for note in ax.texts} == {"CAE": (100, 4), "a line": (3, 9)}
    assert ax.lines[0].get_color() == figures.COLOURS["cae"]
    assert {line.get_marker() for line in ax.lines} == {"None"}


def test_line_plot_takes_colours_names_markers_and_axes():
    _, given = plt.subplots()
    curves = {"cae": ([0, 1], [0, 1]), "b": ([0, 1], [1, 2])}
    ax = figures.line_plot(
        curves,
        xlabel="x",
        ylabel="y",
        colours={"b": "#abcdef"},
        labels={"cae": "mine"},
        markers=True,
        ax=given,
    )
    assert ax is given and texts(ax) == ["mine", "b"]
    assert [line.get_color() for line in ax.lines] == [figures.COLOURS["cae"], "#abcdef"]
    assert all(line.get_marker() != "None" for line in ax.lines)


def test_names_at_the_ends_are_moved_apart():
    curves = {f"line {k}": ([0, 1], [k, 1 + 0.01 * k]) for k in range(4)}
    ax = figures.line_plot(curves, xlabel="x", ylabel="y")
    ax.figure.canvas.draw()
    boxes = [note.get_window_extent() for note in ax.texts]
    assert not any(a.shrunk(1, 0.9).overlaps(b.shrunk(1, 0.9)) for a, b in combinations(boxes, 2))
    assert texts(ax) == [f"line {k}" for k in range(4)]
    assert [box.y0 for box in boxes] == sorted(box.y0 for box in boxes)  # in the lines' order


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ({}, "at least one curve"),
        ({"a": ([], [])}, "'a': expected x and y of one length > 0"),
        ({"a": ([1, 2], [1])}, r"'a': .* got \(2,\), \(1,\)"),
    ],
)
def test_line_plot_says_what_is_wrong(curves, message):
    with pytest.raises(ValueError, match=message):
        figures.line_plot(curves, xlabel="x", ylabel="y")


def test_slope_plot_never_joins_two_steps_and_draws_the_slopes():
    x = np.linspace(0, 1, 40)
    y = np.floor(4 * x) / 4
    at = [(0.3, 0.25, 1.5), (0.7, 0.5, -2.0)]
    ax = figures.slope_plot(x, y, at, xlabel="m", ylabel="value", reach=0.1, note="slope")
    steps = [line for line in ax.lines if line.get_color() == figures.COLOURS["resnet"]]
    assert len(steps) == len(np.unique(y))
    assert all(np.ptp(line.get_ydata()) == 0 for line in steps)
    np.testing.assert_array_equal(np.concatenate([line.get_xdata() for line in steps]), x)
    others = [points(line) for line in ax.lines if line not in steps]
    for (x0, y0, slope), ((left, low), (right, high)), dot in zip(
        at, others[::2], others[1::2], strict=True
    ):
        assert dot == [(x0, y0)]
        assert (right - left) == pytest.approx(0.2)
        assert (high - low) / (right - left) == pytest.approx(slope)
        assert ((left + right) / 2, (low + high) / 2) == pytest.approx((x0, y0))
    assert texts(ax) == ["slope"] and (ax.get_xlabel(), ax.get_ylabel()) == ("m", "value")


def test_scatter_draws_every_point():
    ax = figures.scatter([[1, 2], [3, 4]], [[5, 6], [7, 8]], xlabel="bits", ylabel="bytes")
    (line,) = ax.lines
    assert points(line) == [(1, 5), (2, 6), (3, 7), (4, 8)]
    assert line.get_linestyle() == "None" and line.get_alpha() < 1
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("bits", "bytes")
    crossed = figures.scatter([1, 2], [5, 6], xlabel="", ylabel="", zero=True, colour="#c8450b")
    assert len(crossed.lines) == 3 and crossed.lines[-1].get_color() == "#c8450b"
    with pytest.raises(ValueError, match=r"got \(2,\), \(1,\)"):
        figures.scatter([1, 2], [1], xlabel="", ylabel="")


def test_digit_scatter_draws_each_point_as_its_digit():
    x, y, digits = [1, 2, 3, 4], [5, 6, 7, 8], [7, 0, 7, 9]
    ax = figures.digit_scatter(x, y, digits, xlabel="bytes", ylabel="bytes here")
    drawn = {line.get_marker(): points(line) for line in ax.lines if len(line.get_xdata())}
    assert drawn == {"$0$": [(2, 6)], "$7$": [(1, 5), (3, 7)], "$9$": [(4, 8)]}
    assert len({to_hex(line.get_color()) for line in ax.lines}) == 10
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("bytes", "bytes here")


def test_word_lengths_shows_shares_lengths_and_the_ideal():
    top, bottom = figures.word_lengths([4, 2, 0, 1, 1], [1, 2, 0, 3, 3])
    assert [bar.get_height() for bar in top.patches] == [50, 25, 0, 12.5, 12.5]
    steps, dots = bottom.lines
    assert points(steps) == [(0, 1), (1, 2), (2, 0), (3, 3), (4, 3)]
    assert steps.get_drawstyle() == "steps-mid"
    assert points(dots) == [(0, 1), (1, 2), (3, 3), (4, 3)]  # dyadic: ideal; none where unseen
    assert (top.get_ylabel(), bottom.get_ylabel()) == ("occurs (%)", "bits")
    assert bottom.get_xlabel() == "level of the code" and bottom.get_ylim()[0] == 0


def test_stacked_bars_add_up_to_the_totals_that_they_write():
    rows = {"a": [1, 2, 3], "b": [0.5, 0, 4]}
    ax = figures.stacked_bars(
        rows, ["p", "q", "r"], xlabel="bytes", marks={"raw": 7}, form="{:.1f}"
    )
    bars = {bar.get_label(): [(b.get_x(), b.get_width()) for b in bar] for bar in ax.containers}
    assert bars == {
        "p": [(0, 1), (0, 0.5)],
        "q": [(1, 2), (0.5, 0)],
        "r": [(3, 3), (0.5, 4)],
    }
    assert texts(ax) == ["6.0", "4.5", "raw"]
    assert [note.xy for note in ax.texts[:2]] == [(6, 0), (4.5, 1)]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert ax.yaxis_inverted() and ax.get_xlabel() == "bytes"  # the first row is on top
    assert list(ax.lines[0].get_xdata()) == [7, 7] and ax.get_xlim()[1] > 7
    (legend,) = ax.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["p", "q", "r"]
    colours = [to_hex(bar[0].get_facecolor()) for bar in ax.containers]
    assert colours == list(figures.PARTS[:3])


def test_bars_of_one_part_need_no_legend():
    ax = figures.stacked_bars({"a": [1]}, ["bytes"], xlabel="bytes", colours=["#6d1550"], width=3)
    assert not ax.figure.legends and to_hex(ax.patches[0].get_facecolor()) == "#6d1550"
    assert ax.figure.get_size_inches()[0] == 3


@pytest.mark.parametrize(
    ("rows", "parts", "message"),
    [
        ({}, ["p"], "at least one row"),
        ({"a": [1, 2], "b": [1]}, ["p", "q"], "row 'b' has 1 values, but there are 2 parts"),
        ({"a": [1] * 5}, list("pqrst"), "5 parts, but 4 colours"),
    ],
)
def test_stacked_bars_say_what_is_wrong(rows, parts, message):
    with pytest.raises(ValueError, match=message):
        figures.stacked_bars(rows, parts, xlabel="bytes")


# rates


CURVES = {
    "webp": [(0.3, 30.0), (0.1, 25.0), (0.2, 28.0)],
    "cw": [(0.36, 27.4)],
    "the cheat": [(0.1, 20.0), (0.4, 35.0)],
}


def test_rd_plot_draws_the_points_by_rate_and_names_each_curve_at_its_end():
    ax = figures.rd_plot(CURVES)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("bits per pixel", "PSNR (dB)")
    for line, given in zip(ax.lines, CURVES.values(), strict=True):
        assert points(line) == sorted(given)
    ends = {"WebP": (0.3, 30), "content-weighted AE": (0.36, 27.4), "the cheat": (0.4, 35)}
    assert {note.get_text(): note.xy for note in ax.texts} == ends
    assert [line.get_color() for line in ax.lines] == [
        figures.COLOURS["webp"],
        figures.COLOURS["cw"],
        figures.COLOURS["original"],
    ]
    assert ax.lines[1].get_marker() not in ("None", "")  # one point is one visible marker
    colour_of = {note.get_text(): note.get_color() for note in ax.texts}
    assert colour_of["WebP"] == figures.COLOURS["webp"]


def test_rd_plot_takes_labels_axes_and_numpy_points():
    _, given = plt.subplots()
    ax = figures.rd_plot(
        {"cae": np.array([[0.2, 1.0], [0.1, 0.9]])}, labels={"cae": "6 bits"}, ax=given
    )
    assert ax is given and texts(ax) == ["6 bits"]
    assert points(ax.lines[0]) == [(0.1, 0.9), (0.2, 1.0)]
    assert figures.rd_plot(CURVES, ylabel="MS-SSIM (dB)").get_ylabel() == "MS-SSIM (dB)"


def test_rd_plot_says_what_is_wrong():
    with pytest.raises(ValueError, match="at least one curve"):
        figures.rd_plot({})
    with pytest.raises(ValueError, match="curve 'cw' has no points"):
        figures.rd_plot({"cw": []})


def test_rd_overview_draws_every_look():
    curve = [(0.4, 30.0), (0.1, 20.0), (0.2, 26.0)]
    ax = figures.rd_overview(
        [
            ("WebP", "webp", "line", curve),
            ("scaled", "cw1", "dotted", curve),
            ("uniform", "resnet", "dashed", curve),
            ("paper", "original", "points", curve),
            ("", "cae", "line", [(0.3, 33.0)]),
            ("far away", "cw", "line", [(0.3, 99.0)]),
        ],
        {"PNG": 0.5},
        xlim=(0.05, 1),
        ylim=(15, 40),
    )
    assert ax.get_xlabel() == "bits per pixel (logarithmic)" and ax.get_ylabel() == "PSNR (dB)"
    assert ax.get_xscale() == "log" and ax.get_xlim() == (0.05, 1) and ax.get_ylim() == (15, 40)
    webp, scaled, uniform, paper, cae, far, png = ax.lines
    assert points(webp) == points(uniform) == points(paper) == sorted(curve)
    assert points(scaled) == curve  # as given: the order in which the map was scaled
    assert paper.get_linestyle() == "None" and scaled.get_linestyle() == ":"
    assert uniform.get_linestyle() == "--"
    assert [line.get_color() for line in (webp, cae, far)] == [
        figures.COLOURS[name] for name in ("webp", "cae", "cw")
    ]
    assert list(png.get_xdata()) == [0.5, 0.5]
    assert sorted(texts(ax)) == ["PNG", "WebP", "paper", "scaled", "uniform"]  # those in view
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0.05", "0.1", "0.2", "0.5", "1"]


def test_rd_overview_names_lie_apart_and_beside_a_point_of_their_line():
    curves = [
        ("low", "cae", "line", [(0.1, 20.0), (0.5, 30.0)]),
        ("high", "cw", "line", [(0.1, 21.0), (0.5, 31.0)]),
        ("spot", "resnet", "line", [(0.2, 25.0)]),
    ]
    ax = figures.rd_overview(curves, xlim=(0.05, 1), ylim=(15, 40), width=4, height=3)
    ax.figure.canvas.draw()
    boxes = [note.get_window_extent() for note in ax.texts]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert tuple(ax.figure.get_size_inches()) == (4, 3)
    for note, (name, _, _, line) in zip(ax.texts, curves, strict=True):
        assert note.get_text() == name and tuple(note.xy) in line
        assert ax.bbox.contains(*note.get_window_extent().min)
        assert ax.bbox.contains(*note.get_window_extent().max)


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ([], "at least one curve"),
        ([("a", "cw", "wavy", [(1, 2)])], "look 'wavy' is none of line, dashed, dotted, points"),
        ([("a", "cw", "line", [])], "curve 'a' has no points"),
    ],
)
def test_rd_overview_says_what_is_wrong(curves, message):
    with pytest.raises(ValueError, match=message):
        figures.rd_overview(curves, xlim=(0.1, 1), ylim=(20, 40))


def test_mark_rates_draws_named_lines_below_the_curves():
    ax = figures.rd_plot(CURVES)
    low, high = ax.get_ylim()
    assert figures.mark_rates(ax, {"PNG": 0.3, "gzip": 0.2}) is ax
    assert [line.get_xdata()[0] for line in ax.lines[3:]] == [0.2, 0.3]
    notes = {note.get_text(): note.xy for note in ax.texts[3:]}
    assert {name: xy[0] for name, xy in notes.items()} == {"gzip": 0.2, "PNG": 0.3}
    assert all(ax.get_ylim()[0] < xy[1] < low for xy in notes.values())
    assert ax.get_ylim()[1] == high


def test_mark_points_draws_hollow_named_points():
    ax = figures.rd_plot(CURVES)
    assert figures.mark_points(ax, {"paper": (0.3566, 27.38)}) is ax
    assert points(ax.lines[-1]) == [(0.3566, 27.38)]
    assert ax.lines[-1].get_markerfacecolor() == "white"
    assert (ax.texts[-1].get_text(), ax.texts[-1].xy) == ("paper", (0.3566, 27.38))
    assert ax.texts[-1].xyann[1] > 0  # above


# diagrams


def test_kept_bits_draws_every_bit_and_crosses_out_what_is_cut_off():
    # 37 = 100101, 63 = 111111: 37 keeps 4 bits -> 100100 = 36, 63 keeps none -> 0
    ax = figures.kept_bits([[37, 63]], [[4, 0]])
    assert texts(ax) == ["37 → 36", "63 → 0"]
    assert len(ax.patches) == 12 and len(ax.lines) == 2 + 6
    row = sorted(ax.patches, key=lambda patch: patch.get_x())
    faces = [to_hex(patch.get_facecolor()) for patch in row]
    one, zero = figures.COLOURS["original"], "#ffffff"
    assert faces[:4] == [one, zero, zero, one]
    assert len(set(faces[4:])) == 1 and faces[4] not in (one, zero)
    crossed = {round(float(line.get_xdata()[0])) for line in ax.lines}
    assert crossed == {round(patch.get_x()) for patch in row[4:]}
    assert frameless(ax)


def test_kept_bits_of_another_depth():
    ax = figures.kept_bits([[5], [9]], [[4], [1]], bits=4)
    assert texts(ax) == ["5 → 5", "9 → 8"] and len(ax.patches) == 8


def test_residual_diagram_shows_a_unit_above_the_trunk():
    unit, trunk = figures.residual_diagram(units=5)
    assert unit.get_title(loc="left") == "a unit" and trunk.get_title(loc="left") == "the trunk"
    assert texts(unit).count("conv 3") == 2 and "+" in texts(unit) and "+" in texts(trunk)
    assert texts(trunk).count("group:\n5 units") == 2
    assert len(unit.patches) >= 4 and frameless(unit) and frameless(trunk)


def test_fields_of_view_frame_what_a_value_could_reach():
    heat = np.zeros((20, 20))
    heat[10, 10], heat[10, 11] = 4.0, 1.0
    axes = figures.fields_of_view([heat, 9 * heat], [10, 10], [6, 100], ["near", "far"])
    for ax in axes:
        drawn = ax.images[0].get_array()
        assert (drawn[10, 10], drawn[10, 11], drawn.sum()) == (1, 0.5, 1.5)
    near, far = (ax.patches[0] for ax in axes)
    assert near.get_bbox().bounds == (7, 7, 6, 6)
    assert far.get_bbox().bounds == (0, 0, 18, 18)  # cut at the picture's edge
    assert [ax.get_title(loc="left") for ax in axes] == ["near", "far"]
