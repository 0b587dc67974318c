"""Records over photographs: scores by closed forms, rates that hold, bits of real streams."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import math

import numpy as np
import pytest
import skimage.data
from PIL import Image

import gained
import scenes
import tiny
from cwbook import ledger, results
from cwlib import baselines, cli, codec, data, evaluation, zoo
from cwlib.evaluation import photos

HELDOUT_PIXELS = "afba4899f651d21697f6a51c3dc4449788ce12cbeeaf1ed9a546b1f7be9183bb"


@pytest.fixture(scope="module")
def two() -> photos.Photos:
    """A colour and a grey picture."""
    return photos.Photos("two", ("a.png", 7), (scenes.scene(90, 120), scenes.scene(64, 70)[..., 0]))


# --- scores and means ----------------------------------------------------------------------------


def test_a_score_is_that_of_the_formulas():
    image = np.full((20, 30, 3), 100, np.uint8)
    decoded = image.copy()
    decoded[..., 1] += 6
    row = photos.score(image, decoded, n_bytes=150)
    assert row == {
        "bpp": 8 * 150 / 600,  # bits per pixel, not per sample
        "mse": 12,
        "psnr": pytest.approx(10 * math.log10(255**2 / 12)),
    }
    grey = photos.score(image[..., 0], decoded[..., 1], 75)
    assert (grey["bpp"], grey["mse"]) == (1.0, 36)


def test_an_exact_picture_has_no_psnr_and_a_small_one_no_ms_ssim():
    image = scenes.scene(161, 170)
    assert photos.score(image, image, 10) == {
        "bpp": 8 * 10 / (161 * 170),
        "mse": 0,
        "ms_ssim": pytest.approx(1),
        "ms_ssim_luma": pytest.approx(1),
    }
    for small in (image[:160], image[:, :160]):
        assert {"ms_ssim", "ms_ssim_luma"}.isdisjoint(photos.score(small, small, 10))
    noisy = np.clip(image + np.random.default_rng(0).normal(0, 20, image.shape), 0, 255)
    row = photos.score(image, noisy.astype(np.uint8), 10)
    # noise that differs from colour to colour averages out in part in the luma
    assert 0.1 < row["ms_ssim"] < row["ms_ssim_luma"] < 0.99


def test_a_grey_picture_has_one_ms_ssim():
    image = scenes.scene(161, 170)[..., 0]
    row = photos.score(image, image // 2, 10)
    assert row["ms_ssim_luma"] == row["ms_ssim"] < 0.99


def test_the_mean_comes_first_and_then_each_image_under_its_name():
    rows = [{"bpp": 0.1, "psnr": 20.0, "n": 1}, {"bpp": 0.2, "psnr": 41.0, "n": 2}]
    mean, first, second = photos.with_mean({"experiment": "e"}, ["x.png", 3], rows)
    assert mean == {
        "experiment": "e",
        "image": "mean",
        "images": 2,
        "bpp": 0.15,
        "psnr": 30.5,  # the mean of the PSNRs, not the PSNR of the mean
        "n": 1.5,
    }
    assert first == {"experiment": "e", "image": "x.png", **rows[0]}
    assert second == {"experiment": "e", "image": 3, **rows[1]}


def test_what_one_image_lacks_has_no_mean_and_numbers_have_five_digits():
    rows = [{"bpp": 1 / 3, "psnr": 20.0}, {"bpp": 1.0}]
    mean, first, _ = photos.with_mean({}, [1, 2], rows)
    assert mean == {"image": "mean", "images": 2, "bpp": 0.66667}
    assert first["bpp"] == 0.33333 and first["psnr"] == 20
    json.dumps(mean)


# --- pictures ------------------------------------------------------------------------------------


def test_a_folder_gives_its_pictures_in_order_under_their_names(tmp_path):
    (tmp_path / "set" / "more").mkdir(parents=True)
    names = ["b.png", "a.png", "more/c.png"]
    for k, name in enumerate(names):
        Image.fromarray(scenes.scene(20, 30, k)).save(tmp_path / "set" / name)
    (tmp_path / "set" / "notes.txt").write_text("no picture", encoding="utf-8")
    found = photos.folder(tmp_path / "set")
    assert (found.name, found.labels) == ("set", ("a.png", "b.png", "more/c.png"))
    for k, image in zip((1, 0, 2), found.images, strict=True):
        assert np.array_equal(image, scenes.scene(20, 30, k))
    assert photos.folder(tmp_path / "set", limit=2).labels == ("a.png", "b.png")
    assert len(photos.folder(tmp_path / "set", limit=2).images) == 2


def test_a_folder_without_pictures_or_with_a_broken_one_is_named(tmp_path):
    with pytest.raises(ValueError, match="no such folder"):
        photos.folder(tmp_path / "gone")
    with pytest.raises(ValueError, match="no pictures in this folder"):
        photos.folder(tmp_path)
    (tmp_path / "bad.png").write_bytes(b"junk")
    broken = photos.folder(tmp_path)
    with pytest.raises(ValueError, match="bad.png is not a readable picture"):
        photos.quality_records("jpeg", broken, progress=False)


def test_kodak_is_numbered_from_1(kodak_images):
    found = photos.kodak(limit=2)
    assert (found.name, found.labels) == ("kodak", (1, 2))
    assert np.array_equal(found.images[1], kodak_images[1])


def test_the_held_out_photographs_are_those_of_scikit_image():
    found = photos.heldout()
    assert (found.name, found.labels) == ("heldout", data.HELDOUT)
    for image, label in zip(found.images, found.labels, strict=True):
        name = label.split(".")[0]
        if name == "motorcycle_left":
            wanted = skimage.data.stereo_motorcycle()[0]
        else:
            wanted = getattr(skimage.data, name)()
        assert image.dtype == np.uint8 and np.array_equal(image, wanted), name
        assert min(image.shape[:2]) >= photos.MS_SSIM_SIDE
    assert photos.heldout(limit=2).labels == found.labels[:2]
    assert len(photos.heldout(limit=2).images) == 2


def test_the_held_out_photographs_are_what_was_measured():
    pixels = hashlib.sha256()
    for image in data.heldout():
        pixels.update(repr(image.shape).encode() + image.tobytes())
    again = "scikit-image has other pictures now: measure all records with dataset heldout again"
    assert pixels.hexdigest() == HELDOUT_PIXELS, again


def test_without_scikit_image_the_held_out_photographs_say_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(data.DataUnavailable, match="pip install scikit-image"):
        photos.heldout()


def test_eval_measures_the_held_out_photographs(tmp_path):
    path = tmp_path / "mine.json"
    words = ["eval", "jpeg2000", "--data", "heldout", "--limit", "1", "--out", str(path)]
    assert cli.main(words) == 0
    records = results.read(path, dataset="heldout")
    assert {r["image"] for r in records} == {"mean", "astronaut.png"}
    assert {r["command"] for r in records} == {"cwlib eval jpeg2000 --data heldout --limit 1"}


# --- records that stand apart --------------------------------------------------------------------


def test_points_of_another_rule_or_set_are_found_only_where_they_are_named(tmp_path):
    usual = {"experiment": "jpeg", "dataset": "kodak", "image": "mean", "bpp": 0.5}
    fixed = {**usual, "kind": "one-setting", "bpp": 0.6}
    other = {**usual, "dataset": "heldout", "bpp": 0.7}
    both = {**fixed, "dataset": "heldout", "bpp": 0.8}
    path = tmp_path / "mine.json"
    evaluation.merge(path, "cwlib eval mine", [usual, fixed, other, both])
    records = {"mine": json.loads(path.read_text(encoding="utf-8"))["records"]}
    for named, wanted in (
        ({}, [0.5]),
        ({"dataset": "kodak"}, [0.5]),
        ({"dataset": "heldout"}, [0.7]),
        ({"kind": None}, [0.5]),
        ({"kind": "one-setting"}, [0.6]),
        ({"kind": "one-setting", "dataset": "kodak"}, [0.6]),
        ({"kind": "one-setting", "dataset": "heldout"}, [0.8]),
    ):
        named = {"experiment": "jpeg", **named}
        assert [r["bpp"] for r in results.read(path, **named)] == wanted, named
        read = ledger.Results(records).records("mine", **named)
        assert [r["bpp"] for r in read] == wanted, named


# --- baselines -----------------------------------------------------------------------------------


def test_a_baseline_keeps_to_each_rate_and_is_what_its_stream_decodes_to(two):
    records = photos.baseline_records("jpeg", two, progress=False)
    assert {r["experiment"] for r in records} == {"jpeg"}
    assert [r["image"] for r in records[:3]] == ["mean", "a.png", 7]
    rates = sorted({r["rate"] for r in records})
    assert rates and set(rates) < set(photos.RATES)  # small pictures cannot reach the lowest
    for rate in rates:
        mean, *single = (r for r in records if r["rate"] == rate)
        assert mean["bpp"] == pytest.approx(np.mean([r["bpp"] for r in single]), abs=1e-5)
        for row, image in zip(single, two.images, strict=True):
            assert row["bpp"] <= rate
            blob = baselines.encode("jpeg", image, row["quality"])
            pixels = image.shape[0] * image.shape[1]
            assert row["bpp"] == pytest.approx(8 * len(blob) / pixels, abs=1e-5)
            decoded = baselines.decode("jpeg", blob, grey=image.ndim == 2).astype(float)
            assert row["mse"] == pytest.approx(((decoded - image) ** 2).mean(), abs=1e-4)
    errors = [next(r["mse"] for r in records if r["rate"] == rate) for rate in rates]
    assert errors == sorted(errors, reverse=True)


def test_an_unknown_or_missing_codec_is_an_error_and_not_an_empty_table(two, monkeypatch):
    with pytest.raises(ValueError, match="unknown codec 'gif'"):
        photos.baseline_records("gif", two, progress=False)

    def missing(*_):
        raise baselines.CodecMissing("install it")

    monkeypatch.setattr(baselines, "at_rate", missing)
    with pytest.raises(baselines.CodecMissing):
        photos.baseline_records("jpeg", two, progress=False)


def test_a_codec_at_fixed_qualities(two):
    records = photos.quality_records("jpeg-standard", two, progress=False)
    means = [r for r in records if r["image"] == "mean"]
    assert [r["quality"] for r in means] == list(photos.QUALITIES)
    assert {r["kind"] for r in records} == {"quality"}
    rates = [r["bpp"] for r in means]
    assert rates == sorted(rates)
    row = next(r for r in records if r["quality"] == 50 and r["image"] == "a.png")
    blob = baselines.encode("jpeg-standard", two.images[0], 50)
    assert row["bpp"] == pytest.approx(8 * len(blob) / (90 * 120), abs=1e-5)


def test_one_setting_is_the_same_for_all_images(two):
    records = photos.one_setting_records("webp", two, progress=False)
    assert {(r["experiment"], r["kind"]) for r in records} == {("webp", "one-setting")}
    qualities = photos.ONE_SETTING["webp"]
    assert [r["quality"] for r in records] == [q for q in qualities for _ in range(3)]
    for quality in qualities:
        mean, *single = (r for r in records if r["quality"] == quality)
        assert mean["psnr"] == pytest.approx(np.mean([r["psnr"] for r in single]), abs=1e-5)
        for row, image in zip(single, two.images, strict=True):
            stream = io.BytesIO()
            Image.fromarray(image).save(stream, "WEBP", quality=quality, method=6)
            pixels = image.shape[0] * image.shape[1]
            assert row["bpp"] == pytest.approx(8 * len(stream.getvalue()) / pixels, abs=1e-5)
            decoded = Image.open(stream).convert("L" if image.ndim == 2 else "RGB")
            error = ((np.asarray(decoded, float) - image) ** 2).mean()
            assert row["mse"] == pytest.approx(error, abs=1e-4)


def test_one_slope_is_the_least_cost_for_every_image(two):
    records = photos.one_setting_records("jpeg2000", two, progress=False)
    slopes = photos.ONE_SLOPE["jpeg2000"]
    assert [r["lambda_2"] for r in records] == [s for s in slopes for _ in range(3)]
    slope = slopes[4]
    mean, *single = (r for r in records if r["lambda_2"] == slope)
    assert mean["quality"] == pytest.approx(np.mean([r["quality"] for r in single]), abs=1e-5)
    for row, image in zip(single, two.images, strict=True):
        pixels = image.shape[0] * image.shape[1]

        def cost(decibels: float, image: np.ndarray = image, pixels: int = pixels) -> float:
            blob = baselines.encode("jpeg2000", image, decibels)
            error = baselines.decode("jpeg2000", blob).astype(float) - image
            return slope * (error**2).mean() + 8 * len(blob) / pixels

        least = cost(row["quality"])
        assert least == pytest.approx(slope * row["mse"] + row["bpp"], abs=1e-4)
        assert all(least <= cost(row["quality"] + step) for step in (-3, -0.5, -0.25, 0.25, 0.5, 3))
    for image in ("a.png", 7):
        rates = [r["bpp"] for r in records if r["image"] == image]
        assert rates == sorted(rates) and rates[0] < rates[-1]


def test_settings_for_all_images_are_settings_of_the_codecs(two):
    for name, qualities in photos.ONE_SETTING.items():
        assert len(qualities) >= 8 and list(qualities) == sorted(set(qualities))
        assert set(qualities) <= set(baselines.CODECS[name].qualities), name
    with pytest.raises(ValueError, match="no settings for 'png': there are jpeg, "):
        photos.one_setting_records("png", two, progress=False)


# --- models --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(tiny.PHOTO_EXPERIMENTS))
def test_model_records_are_those_of_real_streams(both_zoo, two, name):
    mean, *single = photos.model_records(name, two, progress=False)
    model = zoo.load(name)
    assert mean["experiment"] == name and mean["dataset"] == "two" and mean["images"] == 2
    assert (mean["importance"], mean["lambda_2"]) == (1.0, model.experiment.lambda_2)
    for row, image in zip(single, two.images, strict=True):
        blob = codec.compress(model, image)
        pixels = image.shape[0] * image.shape[1]
        assert row["bpp"] == pytest.approx(8 * len(blob) / pixels, abs=1e-5)
        error = ((codec.decompress(blob).astype(float) - image) ** 2).mean()
        assert row["mse"] == pytest.approx(error, rel=1e-4)
        assert row["psnr"] == pytest.approx(10 * math.log10(255**2 / error), abs=1e-3)
        # nobody trained it, so its scales fit roughly, and a picture this small is mostly overhead
        assert row["estimated_bpp"] == pytest.approx(row["bpp"], rel=0.03, abs=8 * 50 / pixels)
        latents = codec.unpack(model, blob)
        assert row["live_channels"] == sum(bool(channel.any()) for channel in latents.z)


def test_pictures_larger_than_decoding_takes_from_strangers_are_measured(
    both_zoo, two, monkeypatch
):
    monkeypatch.setattr(codec.photos, "DECODED_PIXELS", 64)
    assert photos.model_records("tiny-photo", two, progress=False)[0]["images"] == 2


def test_weights_of_your_own_are_measured_under_their_models_name(
    tiny_photo_weights, two, monkeypatch, tmp_path
):
    for suffix in ("safetensors", "json"):
        content = (tiny_photo_weights / f"tiny-photo.{suffix}").read_bytes()
        (tmp_path / f"mine.{suffix}").write_bytes(content)
    monkeypatch.setattr(zoo, "WEIGHTS", tmp_path / "none")  # nobody knows this model
    mean, *single = photos.model_records(tmp_path / "mine.safetensors", two, progress=False)
    assert {r["experiment"] for r in (mean, *single)} == {"tiny-photo"}
    model = zoo.load(tmp_path / "mine.safetensors")
    for row, image in zip(single, two.images, strict=True):
        pixels = image.shape[0] * image.shape[1]
        size = len(codec.compress(model, image))
        assert row["bpp"] == pytest.approx(8 * size / pixels, abs=1e-5)


def test_weights_of_other_pictures_are_refused(both_zoo):
    folder = zoo.WEIGHTS
    for name, dataset, says in (
        ("tiny-photo", "mnist", "tiny-photo, a model of photographs: .* heldout or a folder, not"),
        ("tiny-cw", "kodak", "tiny-cw, a model of digits: the data to measure it on is mnist"),
        ("tiny-cw", "any folder", "not any folder"),
    ):
        with pytest.raises(ValueError, match=says):
            evaluation.of_weights(folder / f"{name}.safetensors", dataset)


@pytest.mark.parametrize("name", [n for n in zoo.names() if n.startswith("kodak-")])
def test_a_shipped_models_streams_are_within_a_two_hundredth_of_its_estimate(kodak_images, name):
    test = photos.Photos("kodak", (5, 20), (kodak_images[4], kodak_images[19]))
    for row in photos.model_records(name, test, progress=False)[1:]:
        size, estimate = (row[k] * 768 * 512 / 8 for k in ("bpp", "estimated_bpp"))
        assert size <= 1.005 * estimate + 64


def test_a_stream_that_decodes_to_something_else_is_never_counted(both_zoo, two, monkeypatch):
    real = codec.unpack

    def liar(*args):
        latents = real(*args)
        latents.z[0, 0, 0] += 1
        return latents

    monkeypatch.setattr(codec, "unpack", liar)
    with pytest.raises(codec.StreamError, match="did not decode to its own symbols"):
        photos.model_records("tiny-photo", two, progress=False)


def test_importance_records_are_means_whose_rate_rises(both_zoo, two):
    records = photos.importance_records("tiny-photo", two, progress=False)
    assert [r["importance"] for r in records] == list(photos.IMPORTANCE_STEPS)
    assert {r["image"] for r in records} == {"mean"} and {r["kind"] for r in records} == {
        "importance"
    }
    rates = [r["bpp"] for r in records]
    assert rates == sorted(rates) and rates[0] < rates[-1] / 2


def test_a_net_with_gains_is_measured_at_qualities_from_0_to_1(tmp_path, two):
    model = gained.save(tmp_path)
    path = tmp_path / "tiny-any.safetensors"
    records = photos.importance_records(path, two, progress=False)
    assert [r["quality"] for r in records] == list(photos.QUALITY_STEPS)
    # s = s_min^(1 - q)
    wanted = [model.experiment.strength_min ** (1 - q) for q in photos.QUALITY_STEPS]
    assert [r["importance"] for r in records] == pytest.approx(wanted, abs=1e-4)
    rates = [r["bpp"] for r in records]
    assert rates[0] < rates[-1]


def test_the_targets_are_models_of_that_data_and_its_baselines(both_zoo):
    of_photos, of_digits = evaluation.targets("kodak"), evaluation.targets("mnist")
    assert evaluation.targets("any folder").keys() == of_photos.keys()
    assert set(tiny.PHOTO_EXPERIMENTS) | set(photos.CODECS) <= set(of_photos)
    for name in (*photos.ONE_SETTING, *photos.ONE_SLOPE):
        assert f"one-setting:{name}" in of_photos
    assert set(tiny.EXPERIMENTS) <= set(of_digits)
    assert not set(tiny.EXPERIMENTS) & set(of_photos)
    assert not set(tiny.PHOTO_EXPERIMENTS) & set(of_digits)
    # a model without a map has no importance to scale
    assert "importance:tiny-photo" in of_photos
    assert "importance:tiny-photo-m" not in of_photos
