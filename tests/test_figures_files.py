"""Figures and pictures as files, read back by Pillow."""

import io

import numpy as np
from PIL import Image

from cwbook import figures
from drawn import own_figures  # noqa: F401 - a fixture of every test here

plt = figures.plt


def test_as_png_gives_a_file_of_the_figures_size_and_closes_it():
    ax = figures.new_axes(width=2, height=1)
    with Image.open(io.BytesIO(figures.as_png(ax))) as image:
        assert (image.format, image.size) == ("PNG", (288, 144))  # 144 pixels an inch
        assert "Software" not in image.info  # else the file would change with matplotlib
    assert not plt.get_fignums()


def test_as_jpeg_gives_the_same_picture_as_the_png_nearly_and_closes_it():
    png, jpeg = (
        np.asarray(
            Image.open(io.BytesIO(write(figures.new_axes("x", "y")))).convert("RGB"), dtype=int
        )
        for write in (figures.as_png, figures.as_jpeg)
    )
    assert png.shape == jpeg.shape and png.min() < 100
    assert np.abs(png - jpeg).mean() < 2
    assert not plt.get_fignums()


def test_as_webp_keeps_size_and_colours_nearly():
    image = np.full((20, 30, 3), (200, 40, 90), np.uint8)
    blob = figures.as_webp(image)
    with Image.open(io.BytesIO(blob)) as picture:
        assert picture.format == "WEBP" and picture.size == (30, 20)
        assert np.abs(np.asarray(picture).astype(int) - image).max() < 8
    assert len(blob) < 400
