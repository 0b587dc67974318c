"""Codecs beside JPEG at the size of our file: the files are real and within the budget."""

import json
import re

import numpy as np
import pytest

import gained
import scenes
from cwbook import widgets
from cwbook.widgets import rates
from cwlib import baselines, codec, metrics, zoo
from drawn import drawn

SIZE = (64, 96)


@pytest.fixture
def rivals(both_zoo) -> widgets.Rivals:
    return widgets.Rivals(gained.save(zoo.WEIGHTS), scenes.scene(*SIZE))


def test_our_file_is_what_the_codec_writes_at_that_quality(rivals):
    blob = codec.compress(rivals.model, rivals.image, codec.strength(rivals.model, 0.5))
    ours = rivals.decoded(rates.OURS, 0.5)
    assert rivals.file(0.5) == blob and ours.bpp == metrics.bpp(len(blob), rivals.image.shape)
    assert np.array_equal(ours.picture, codec.decompress(blob))


@pytest.mark.parametrize("name", ["jpeg", "jpeg2000", "webp"])
def test_a_rival_stays_within_our_bytes_or_is_at_its_lowest_quality(rivals, name):
    for quality in (0.0, 1.0):
        found = rivals.decoded(name, quality)
        lowest = baselines.encode(name, rivals.image, baselines.CODECS[name].qualities[0])
        least = metrics.bpp(len(lowest), rivals.image.shape)
        budget = metrics.bpp(len(rivals.file(quality)), rivals.image.shape)
        assert found.bpp <= max(budget, least)
        assert found.psnr == metrics.psnr(rivals.image, found.picture)


def test_a_frame_is_the_chosen_codec_beside_jpeg(rivals):
    picture, caption = rivals.frame("webp", 1.0)
    webp, jpeg = rivals.decoded("webp", 1.0), rivals.decoded("jpeg", 1.0)
    assert np.array_equal(picture[:, :96], webp.picture)
    assert np.array_equal(picture[:, 102:], jpeg.picture)
    assert caption == (
        f"Left: WebP, {webp.bpp:.3f} bpp, {webp.psnr:.2f} dB. "
        f"Right: JPEG, {jpeg.bpp:.3f} bpp, {jpeg.psnr:.2f} dB"
    )
    original, caption = rivals.frame(rates.ORIGINAL, 1.0)
    assert np.array_equal(original[:, :96], rivals.image)
    assert caption.startswith("Left: the original, 24 bpp. Right: JPEG")


def test_ms_ssim_is_told_where_the_picture_is_large_enough(both_zoo):
    model = gained.save(zoo.WEIGHTS)
    jpeg = widgets.Rivals(model, scenes.scene(168, 168)).decoded("jpeg", 1.0)
    assert f"MS-SSIM {jpeg.ms_ssim:.4f}" in str(jpeg)
    assert widgets.Rivals(model, scenes.scene(160, 168)).decoded("jpeg", 1.0).ms_ssim is None


def test_what_was_coded_once_is_remembered(rivals, monkeypatch):
    first = rivals.frame("webp", 0.5)
    monkeypatch.setattr(baselines, "at_rate", None)
    monkeypatch.setattr(codec, "compress", None)
    again = rivals.frame("webp", 0.5)
    assert np.array_equal(first[0], again[0]) and first[1] == again[1]


def test_a_model_of_one_rate_is_refused(both_zoo):
    with pytest.raises(ValueError, match="trained for one rate"):
        widgets.Rivals(zoo.load("tiny-photo"), scenes.scene(*SIZE)).file(0.5)


def test_the_prepared_explorer_has_every_codec_at_every_rate(rivals):
    made = widgets.rate_explorer(rivals.model, rivals.image, (0, 1), ("webp",))
    html = made._repr_html_()
    options = re.findall(r">([^<]+)</option>", html)
    assert options == [rates.OURS, "WebP", rates.ORIGINAL]
    states = json.loads(re.search(r"const frames = (\[.*\]);\n", html).group(1))
    ours = [f"{rivals.decoded(rates.OURS, q).bpp:.2f} bits per pixel" for q in (0, 1)]
    assert [row[3] for row in states] == 3 * ours
    assert [row[2] for row in states[2:4]] == [rivals.frame("webp", q)[1] for q in (0, 1)]


def test_every_control_of_the_live_one_draws_again(both_zoo):
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")
    photo = scenes.scene(96, 128)
    box = widgets.explore_rates(gained.save(zoo.WEIGHTS), photo, side=64)
    assert box.f.__wrapped__("JPEG 2000")[0].shape == (64, 2 * 64 + 6, 3)
    moves = ({}, {"codec": "WebP"}, {"quality": 1.0}, {"down": 0.0}, {"across": 1.0})
    assert len({drawn(box, **move) for move in moves}) == 5
    assert drawn(box, codec="WebP")[1].startswith("Left: WebP")
