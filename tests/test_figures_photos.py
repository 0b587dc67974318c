"""The figures of the photographs' codec, read back from matplotlib's own objects."""

import numpy as np

from cwbook import figures
from drawn import own_figures, texts  # noqa: F401 - a fixture of every test here

plt = figures.plt


def squares(ax) -> list[tuple[float, float, float, float]]:
    """(left, top, width, height) of every rectangle."""
    return [(*p.get_xy(), p.get_width(), p.get_height()) for p in ax.patches]


# hierarchy


def network(**changed):
    """Two scales: x -> f1 -> f2, with one lateral."""
    parts = dict(
        encoder=[("x", (3, 16, 24)), ("f1", (8, 8, 12))],
        sent=[("l1", (1, 4, 6)), ("f2", (8, 4, 6))],
        decoder=[("x_hat", (3, 16, 24)), ("d1", (8, 8, 12))],
        down=["first", "last"],
        up=["out", "in"],
        sideways=[("conv\nmean", "resized")],
        total=("sent", (9, 4, 6)),
        hyper=("y", (8, 1, 2)),
    )
    return figures.hierarchy(**(parts | changed))


def test_hierarchy_names_every_tensor_with_its_shape_and_every_layer():
    written = texts(network())
    for name, shape in [("x", "3 × 16 × 24"), ("l1", "1 × 4 × 6"), ("y", "8 × 1 × 2")]:
        assert written[written.index(name) + 1] == shape
    assert {"first", "last", "out", "in", "conv", "mean", "resized"} <= set(written)
    assert "sent\n9 × 4 × 6" in written


def test_hierarchy_frames_what_is_sent_and_nothing_else():
    ax = network()
    frame = next(p for p in ax.patches if p.get_linestyle() == "--")
    inside = {
        text.get_text()
        for text in ax.texts
        if frame.get_window_extent().contains(*ax.transData.transform(text.get_position()))
    }
    assert {"l1", "f2"} <= inside and not {"x", "f1", "d1", "x_hat", "y"} & inside


# nested_fields


def test_nested_fields_draws_each_square_around_the_place_and_names_it():
    ax = figures.nested_fields(np.zeros((40, 60)), (20, 30), {"f1": 5, "f2": 13})
    assert set(squares(ax)) == {(27.5, 17.5, 5, 5), (23.5, 13.5, 13, 13)}
    assert texts(ax) == ["f1", "f2"]


# channel_mosaic


def test_channel_mosaic_puts_channels_in_rows_on_one_scale_with_grey_for_zero():
    z = np.stack([np.full((4, 6), v) for v in (0.0, 4.0, -1.0)])
    ax = figures.channel_mosaic(z, {2: "third"}, columns=2)
    sheet = ax.images[0].get_array()
    assert sheet.shape == (2 * 7, 2 * 9)
    assert (sheet[:4, :6] == 0).all() and (sheet[:4, 9:15] == 2).all()
    assert (sheet[7:11, :6] == -1).all() and np.ma.getmaskarray(sheet)[11:, 9:].all()
    low, high = ax.images[0].get_clim()
    assert low == -high  # so that zero is the middle grey
    assert squares(ax) == [(-2, 5, 9, 7)] and texts(ax) == ["third"]


def test_channel_mosaic_of_zeros_is_drawn():
    assert figures.channel_mosaic(np.zeros((1, 2, 2))).images[0].get_clim() == (-1, 1)


# mask_profile


def test_mask_profile_lines_up_strip_and_mask():
    top, bottom = figures.mask_profile(np.zeros((4, 16, 3), np.uint8), np.ones((5, 2)))
    assert top.images[0].get_extent()[:2] == list(bottom.images[0].get_extent()[:2])
    assert bottom.images[0].get_extent()[2:] == [4.5, -0.5]  # channel 0 on top


# joint_densities


def test_joint_densities_count_pairs_where_they_are():
    pairs = np.array([[0.5, -0.5]] * 100 + [[-0.5, 0.5]] * 10)
    (ax,) = figures.joint_densities([pairs], ["t"], xlabel="a", ylabel="b", limits=[1], bins=2)
    np.testing.assert_allclose(ax.images[0].get_array(), [[-np.inf, 0], [-1, -np.inf]])
    assert (ax.get_title(loc="left"), ax.get_xlabel(), ax.get_ylabel()) == ("t", "a", "b")


def test_conditional_densities_scale_every_column_by_itself():
    pairs = np.array([[0.5, -0.5]] * 100 + [[-0.5, 0.5]] * 8 + [[-0.5, -0.5]] * 2)
    (ax,) = figures.joint_densities(
        [pairs], ["t"], xlabel="a", ylabel="b", limits=[1], bins=2, conditional=True
    )
    np.testing.assert_allclose(ax.images[0].get_array(), [[0.5, 1], [1, 0]])  # roots


# matrices, channel_prices, photo_and_map


def test_matrices_share_one_scale():
    axes = figures.matrices(
        [np.eye(2), np.ones((2, 2))], ["a", "b"], label="r", xlabel="i", ylabel="j"
    )
    assert [ax.images[0].get_clim() for ax in axes] == [(0, 1), (0, 1)]
    assert [ax.get_ylabel() for ax in axes] == ["j", ""]


def test_channel_prices_draws_every_channel_once_and_names_some():
    ax = figures.channel_prices([1, 2, 3], [4, 5, 6], {1: "l2"}, ylabel="dB")
    drawn = sorted(tuple(xy) for line in ax.lines for xy in line.get_xydata())
    assert drawn == [(1, 4), (2, 5), (3, 6)] and texts(ax) == ["l2"]


def test_photo_and_map_covers_the_photograph_with_the_map():
    photo, cells = figures.photo_and_map(
        np.zeros((16, 24, 3), np.uint8), np.arange(6.0).reshape(2, 3), label="n", titles=("p", "m")
    )
    assert cells.images[0].get_extent() == [0, 24, 16, 0]
    assert photo.get_title(loc="left") == "p" and cells.get_title(loc="left") == "m"
