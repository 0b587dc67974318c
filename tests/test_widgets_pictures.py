"""What explorers show is decoded from real streams, and every control draws again."""

import io
from dataclasses import replace

import numpy as np
import pytest
import scenes
import strokes
import tiny
from PIL import Image

from cwlib import codec, metrics, widgets, zoo


def test_a_frame_of_a_digit_is_decoded_from_a_real_stream(both_zoo):
    model, image = zoo.load("tiny-cw1"), strokes.page(64, 64)
    blob = codec.compress(model, image, 0.5)
    frame, caption = widgets.importance_frame(model, image, factor=0.5)
    assert caption.startswith(f"{len(blob)} bytes, {8 * len(blob) / 64**2:.4f} bpp")
    assert frame.shape == (64, 3 * 64 + 12, 3)  # original, decoded, map, white between them
    assert np.array_equal(frame[:, :64, 0], image)
    assert np.array_equal(frame[:, 70:134, 0], codec.decompress(blob))
    # a threshold above every value of the map keeps nothing
    assert widgets.importance_frame(model, image, threshold=1.1)[1].endswith(
        " 0.00 bits kept per symbol"
    )


@pytest.mark.parametrize("name", ["tiny-photo", "tiny-photo-m"])
def test_a_frame_of_a_photograph_is_decoded_from_a_real_stream(both_zoo, name):
    model, image = zoo.load(name), scenes.scene(64, 96)
    blob = codec.compress(model, image)
    decoded = codec.decompress(blob)
    frame, caption = widgets.photo_frame(model, image)
    psnr = f"{metrics.psnr(image, decoded):.2f} dB"
    assert caption.startswith(f"{len(blob):,} bytes, {8 * len(blob) / image[..., 0].size:.4f} bpp")
    assert psnr in caption
    assert np.array_equal(frame[:, :96], image)
    assert np.array_equal(frame[:, 102:198], decoded)
    has_a_mask = name == "tiny-photo"
    assert frame.shape[1] == (3 * 96 + 12 if has_a_mask else 2 * 96 + 6)
    assert ("of 11 channels kept" in caption) == has_a_mask


def test_less_importance_is_a_smaller_file_and_a_darker_map(both_zoo):
    model, image = zoo.load("tiny-photo"), scenes.scene(64, 96)
    (dark, low), (bright, high) = (widgets.photo_frame(model, image, s) for s in (0.2, 1.0))
    size = [int(caption.split()[0].replace(",", "")) for caption in (low, high)]
    assert size[0] < size[1]
    assert dark[:, 204:].mean() < bright[:, 204:].mean()


def moved(explorer, name: str, value: float) -> tuple[bytes, str]:
    """Move a slider: picture and caption afterwards."""
    *sliders, picture, caption = explorer.children
    (slider,) = (one for one in sliders if one.description == name)
    slider.value = value
    return picture.value, caption.value


def test_every_slider_of_the_digits_draws_again(both_zoo):
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")
    digits = np.stack([strokes.page(128, 128), strokes.page(128, 128)[::-1]])
    explorer = widgets.explore_importance(zoo.load("tiny-cw1"), digits)
    seen = [(explorer.children[-2].value, explorer.children[-1].value)]
    for name, value in (("digit", 1), ("factor", 0.5), ("threshold", 0.9)):
        seen.append(moved(explorer, name, value))
    assert len(set(seen)) == 4


def test_every_slider_of_the_photographs_draws_again(both_zoo):
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")
    photos = [scenes.scene(70, 300, seed) for seed in range(2)]
    explorer = widgets.explore_photo(zoo.load("tiny-photo"), photos)
    picture, caption = explorer.children[-2].value, explorer.children[-1].value
    first = np.asarray(Image.open(io.BytesIO(picture)))
    # the middle of a strip that is higher than 64 and wider than 256
    assert np.array_equal(first[:, :256], photos[0][3:67, 22:278])
    seen = [(picture, caption)]
    for name, value in (("photograph", 2), ("down", 0.0), ("across", 1.0), ("factor", 0.3)):
        seen.append(moved(explorer, name, value))
    assert len(set(seen)) == 5
    last = np.asarray(Image.open(io.BytesIO(seen[-1][0])))
    assert np.array_equal(last[:, :256], photos[1][:64, 44:])


def test_a_model_has_the_slider_that_fits_it(both_zoo, tmp_path):
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")
    photos = [scenes.scene(32, 32)]

    def names(model) -> list[str]:
        return [one.description for one in widgets.explore_photo(model, photos).children[3:-2]]

    assert names(zoo.load("tiny-photo-m")) == []
    assert names(zoo.load("tiny-photo")) == ["factor"]
    plain = tiny.photo_net("tiny-photo")
    settings = dict(name="tiny-any", gains=2, strength_min=0.25, lambda_2=0.02, lambda_2_low=0.001)
    net = type(plain)(replace(plain.experiment, **settings)).eval()
    net.load_state_dict(plain.state_dict(), strict=False)
    card = {"command": "none", "steps": 0, "seconds": 0, "device": "cpu", "curve": []}
    any_rate = zoo.save(net, tmp_path / "any", card)
    assert names(any_rate) == ["quality"]
    *_, quality, _, caption = widgets.explore_photo(any_rate, photos).children
    assert (quality.min, quality.value, quality.max) == (0.0, 1.0, 1.0)
    for value in (1.0, 0.0):
        quality.value = value
        strength = codec.strength(any_rate, value)
        assert caption.value == widgets.photo_frame(any_rate, photos[0], strength)[1]


def test_a_frame_with_its_map_of_bits_is_decoded_from_a_real_stream(both_zoo):
    model, image = zoo.load("tiny-photo"), scenes.scene(64, 96)
    blob = codec.compress(model, image)
    picture, caption = widgets.bits_frame(model, image)
    assert np.array_equal(picture[:, :96], codec.decompress(blob))
    assert picture.shape == (64, 2 * 96 + 6, 3)
    assert caption == (
        f"{len(blob):,} bytes, {8 * len(blob) / (64 * 96):.2f} bits per pixel, "
        f"{metrics.psnr(image, codec.decompress(blob)):.1f} dB"
    )


def test_an_empty_place_is_darker_in_the_map_of_bits_than_a_busy_one(both_zoo):
    image = np.full((64, 128, 3), 128, np.uint8)
    image[:, 64:] = np.random.default_rng(0).integers(0, 256, (64, 64, 3))
    picture, _ = widgets.bits_frame(zoo.load("tiny-photo"), image, vmax=8.0)
    spent = picture[:, 134:].astype(int).sum(2)
    assert spent[:, :32].mean() < spent[:, 80:].mean()
