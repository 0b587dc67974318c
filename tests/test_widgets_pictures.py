"""What explorers show is decoded from real streams, and every control draws again."""

from dataclasses import replace

import numpy as np
import pytest

import own
import scenes
import strokes
import tiny
from cwbook import widgets
from cwlib import codec, metrics, zoo
from drawn import drawn


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


def test_every_slider_of_the_digits_draws_again(both_zoo):
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")
    digits = np.stack([strokes.page(128, 128), strokes.page(128, 128)[::-1]])
    box = widgets.explore_importance(zoo.load("tiny-cw1"), digits)
    moves = ({}, {"digit": 1}, {"factor": 0.5}, {"threshold": 0.9})
    assert len({drawn(box, **move) for move in moves}) == 4


def test_every_slider_of_the_photographs_draws_again(both_zoo):
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")
    photos = [scenes.scene(70, 300, seed) for seed in range(2)]
    box = widgets.explore_photo(zoo.load("tiny-photo"), photos)
    frame = box.f.__wrapped__
    # the middle of a strip that is higher than 64 and wider than 256
    assert np.array_equal(frame()[0][:, :256], photos[0][3:67, 22:278])
    moves = ({}, {"photograph": 2}, {"down": 0.0}, {"across": 1.0}, {"factor": 0.3})
    assert len({drawn(box, **move) for move in moves}) == 5
    last, _ = frame(photograph=2, down=0.0, across=1.0, factor=0.3)
    assert np.array_equal(last[:, :256], photos[1][:64, 44:])


def test_a_model_has_the_slider_that_fits_it(both_zoo, tmp_path):
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")
    photos = [scenes.scene(32, 32)]

    def names(model) -> list[str]:
        return [one.description for one in widgets.explore_photo(model, photos).children[3:-1]]

    assert names(zoo.load("tiny-photo-m")) == []
    assert names(zoo.load("tiny-photo")) == ["factor"]
    plain = tiny.photo_net("tiny-photo")
    settings = dict(name="tiny-any", gains=2, strength_min=0.25, lambda_2=0.02, lambda_2_low=0.001)
    net = type(plain)(replace(plain.experiment, **settings)).eval()
    net.load_state_dict(plain.state_dict(), strict=False)
    card = {"command": "none", "steps": 0, "seconds": 0, "device": "cpu", "curve": []}
    any_rate = zoo.save(net, tmp_path / "any", card)
    assert names(any_rate) == ["quality"]
    box = widgets.explore_photo(any_rate, photos)
    *_, quality, _ = box.children
    assert (quality.min, quality.value, quality.max) == (0.0, 1.0, 1.0)
    for value in (1.0, 0.0):
        size = len(codec.compress(any_rate, photos[0], codec.strength(any_rate, value)))
        caption = drawn(box, quality=value)[1]
        assert caption == widgets.photo_frame(any_rate, photos[0], quality=value)[1]
        assert caption.startswith(f"{size:,} bytes")


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


@pytest.fixture
def own_model(tmp_path, monkeypatch) -> zoo.TrainedModel:
    own.save(tmp_path)
    monkeypatch.setattr(zoo, "WEIGHTS", tmp_path)
    return zoo.load("tiny-own")


def test_frames_of_a_net_for_all_rates_are_decoded_from_a_real_stream(own_model):
    image = own.scene(70, 97)
    blob = codec.compress(own_model, image, quality=0.8)
    frame, caption = widgets.photo_frame(own_model, image, quality=0.8)
    assert caption.startswith(f"{len(blob):,} bytes") and "channels kept" not in caption
    assert np.array_equal(frame[:, 103:], codec.decompress(blob)) and frame.shape[1] == 2 * 97 + 6
    picture, caption = widgets.bits_frame(own_model, image, quality=0.8)
    assert np.array_equal(picture[:, :97], codec.decompress(blob))
    assert picture.shape == (70, 2 * 97 + 6, 3) and caption.startswith(f"{len(blob):,} bytes")
    assert (picture[16:32, 119:135] == picture[16, 119]).all()  # a place is 16 x 16 pixels


def test_a_net_for_all_rates_has_a_slider_of_quality(own_model):
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")
    image = own.soft(64)
    box = widgets.explore_photo(own_model, [image])
    for value in (1.0, 0.3):
        size = len(codec.compress(own_model, image, quality=value))
        assert drawn(box, quality=value)[1].startswith(f"{size:,} bytes")


def test_bits_of_the_latents_add_up_to_their_sections(own_model):
    blob = codec.compress(own_model, own.soft(192), quality=0.7)
    bits = codec.latent_bits(own_model, codec.unpack(own_model, blob))
    assert bits.shape == (120, 12, 12) and bits.min() >= 0
    _, *passes = codec.info(blob).section_bytes
    assert abs(bits.sum() / 8 - sum(passes)) < 0.04 * sum(passes)  # but for a few escapes


def test_bits_of_the_latents_of_paper_2_add_up_to_their_section(both_zoo):
    model = zoo.load("tiny-photo")
    blob = codec.compress(model, scenes.scene(160, 192))
    bits = codec.latent_bits(model, codec.unpack(model, blob))
    assert bits.shape == (11, 20, 24) and bits.min() >= 0
    size = codec.info(blob).section_bytes[1]
    assert abs(bits.sum() / 8 - size) < 0.01 * size + 16


def test_an_empty_place_is_darker_in_the_map_of_bits_than_a_busy_one(both_zoo):
    image = np.full((64, 128, 3), 128, np.uint8)
    image[:, 64:] = np.random.default_rng(0).integers(0, 256, (64, 64, 3))
    picture, _ = widgets.bits_frame(zoo.load("tiny-photo"), image, vmax=8.0)
    spent = picture[:, 134:].astype(int).sum(2)
    assert spent[:, :32].mean() < spent[:, 80:].mean()
