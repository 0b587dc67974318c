"""Codecs over pictures -> records: scores by closed forms, rates that hold, files whole or not."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

import scenes
import tiny
from cwlib import baselines, cli, codec, data, evaluate, metrics, zoo
from cwlib.evaluate import Pictures, merge, records, run, score

HELDOUT_PIXELS = "afba4899f651d21697f6a51c3dc4449788ce12cbeeaf1ed9a546b1f7be9183bb"


# --- scores and records --------------------------------------------------------------------------


def test_a_score_is_that_of_the_formulas():
    image = np.full((20, 30, 3), 100, np.uint8)
    decoded = image.copy()
    decoded[..., 1] += 6
    row = score(image, decoded, n_bytes=150)
    assert row == {
        "bpp": 8 * 150 / 600,  # bits per pixel, not per sample
        "mse": 12,
        "psnr": pytest.approx(10 * math.log10(255**2 / 12)),
    }
    grey = score(image[..., 0], decoded[..., 1], 75)
    assert (grey["bpp"], grey["mse"]) == (1.0, 36)


def test_an_exact_picture_has_no_psnr_and_a_small_one_no_ms_ssim():
    image = scenes.scene(161, 170)
    assert score(image, image, 10) == {
        "bpp": 8 * 10 / (161 * 170),
        "mse": 0,
        "ms_ssim": pytest.approx(1),
        "ms_ssim_luma": pytest.approx(1),
    }
    for small in (image[:160], image[:, :160]):
        assert {"ms_ssim", "ms_ssim_luma"}.isdisjoint(score(small, small, 10))
    noisy = np.clip(image + np.random.default_rng(0).normal(0, 20, image.shape), 0, 255)
    row = score(image, noisy.astype(np.uint8), 10)
    # noise that differs from colour to colour averages out in part in the luma
    assert 0.1 < row["ms_ssim"] < row["ms_ssim_luma"] < 0.99


def test_a_grey_picture_has_one_ms_ssim():
    image = scenes.scene(161, 170)[..., 0]
    row = score(image, image // 2, 10)
    assert row["ms_ssim_luma"] == row["ms_ssim"] < 0.99


def test_the_mean_comes_first_and_then_each_image_under_its_name():
    rows = [{"bpp": 0.1, "psnr": 20.0, "n": 1}, {"bpp": 0.2, "psnr": 41.0, "n": 2}]
    mean, first, second = records({"experiment": "e"}, ["x.png", 3], rows)
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


def test_what_one_image_lacks_has_no_mean_but_for_the_psnr_of_exact_ones():
    exact, other = (
        {"bpp": 1 / 3, "mse": 0.0, "ms_ssim": 1.0},
        {"bpp": 1.0, "mse": 4.0, "psnr": 20.0},
    )
    for rows in ([exact, other], [other, exact]):
        mean = records({"seed": 5}, [1, 2], rows)[0]
        wanted = {"seed": 5, "image": "mean", "images": 2, "bpp": 0.66667, "mse": 2.0}
        assert mean == wanted | {"psnr": 20.0, "exact": 1}
        json.dumps(mean)  # plain numbers, no arrays
    assert "psnr" not in records({}, [1], [exact])[0]
    assert "exact" not in records({}, [1], [other])[0]


@pytest.mark.parametrize("rows", [[], [{"bpp": float("nan")}], [{"mse": float("inf")}]])
def test_nothing_measured_is_no_record(rows):
    with pytest.raises(ValueError, match="nothing was measured, or not all of it"):
        records({"experiment": "e"}, range(len(rows)), rows)


def test_a_few_single_images_can_be_kept_of_many():
    kept = records({}, range(25), [{"bpp": 1.0}] * 25, singles=10)
    assert [r["image"] for r in kept] == ["mean", *range(10)] and kept[0]["images"] == 25


def code_png(images):
    return [(baselines.encode("png", image), image, {}) for image in images]


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_rows_are_the_same_and_in_order_whoever_shares_the_work(batch):
    test = Pictures("five", "abcde", [scenes.scene(20, 30, k) for k in range(5)])
    rows = run("png", test, code_png, batch=batch, progress=False)
    assert [row["bpp"] for row in rows] == [
        8 * len(baselines.encode("png", image)) / 600 for image in test.images
    ]
    assert run("png", test, code_png, batch=batch, jobs=2, progress=False) == rows


# --- pictures ------------------------------------------------------------------------------------


def test_a_folder_gives_its_pictures_in_order_under_their_names(tmp_path):
    (tmp_path / "set" / "more").mkdir(parents=True)
    names = ["b.png", "a.png", "more/c.png"]
    for k, name in enumerate(names):
        Image.fromarray(scenes.scene(20, 30, k)).save(tmp_path / "set" / name)
    (tmp_path / "set" / "notes.txt").write_text("no picture", encoding="utf-8")
    found = evaluate.pictures(tmp_path / "set")
    assert (found.name, found.labels) == ("set", ("a.png", "b.png", "more/c.png"))
    for k, image in zip((1, 0, 2), found.images, strict=True):
        assert np.array_equal(image, scenes.scene(20, 30, k))
    assert evaluate.pictures(tmp_path / "set", limit=2).labels == ("a.png", "b.png")
    assert len(evaluate.pictures(tmp_path / "set", limit=2).images) == 2


def test_a_folder_without_pictures_or_with_a_broken_one_is_named(tmp_path):
    with pytest.raises(ValueError, match="no such folder"):
        evaluate.pictures(tmp_path / "gone")
    with pytest.raises(ValueError, match="no pictures in this folder"):
        evaluate.pictures(tmp_path)
    (tmp_path / "bad.png").write_bytes(b"junk")
    broken = evaluate.pictures(tmp_path)
    with pytest.raises(ValueError, match="bad.png is not a readable picture"):
        evaluate.of_codec("jpeg", broken, progress=False)


def test_kodak_is_numbered_from_1(kodak_images):
    found = evaluate.pictures("kodak", limit=2)
    assert (found.name, found.labels) == ("kodak", (1, 2))
    assert np.array_equal(found.images[1], kodak_images[1])


def test_the_held_out_photographs_are_those_of_scikit_image():
    found = evaluate.pictures("heldout")
    assert (found.name, found.labels) == ("heldout", data.HELDOUT)
    for image, label in zip(found.images, found.labels, strict=True):
        name = label.split(".")[0]
        if name == "motorcycle_left":
            wanted = skimage.data.stereo_motorcycle()[0]
        else:
            wanted = getattr(skimage.data, name)()
        assert image.dtype == np.uint8 and np.array_equal(image, wanted), name
        assert min(image.shape[:2]) >= evaluate.MS_SSIM_SIDE
    assert evaluate.pictures("heldout", limit=2).labels == found.labels[:2]
    assert len(evaluate.pictures("heldout", limit=2).images) == 2


def test_the_held_out_photographs_are_what_was_measured():
    pixels = hashlib.sha256()
    for image in data.heldout():
        pixels.update(repr(image.shape).encode() + image.tobytes())
    again = "scikit-image has other pictures now: measure all records with dataset heldout again"
    assert pixels.hexdigest() == HELDOUT_PIXELS, again


def test_without_scikit_image_the_held_out_photographs_say_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(data.DataUnavailable, match="pip install scikit-image"):
        evaluate.pictures("heldout")


def test_eval_measures_the_held_out_photographs(tmp_path):
    path = tmp_path / "mine.json"
    words = ["eval", "jpeg2000", "--data", "heldout", "--limit", "1", "--out", str(path)]
    assert cli.main(words) == 0
    records = json.loads(path.read_text(encoding="utf-8"))["records"]
    assert {r["image"] for r in records} == {"mean", "astronaut.png"}
    assert {r["command"] for r in records} == {"cwlib eval jpeg2000 --data heldout --limit 1"}


# --- the papers' models --------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(tiny.EXPERIMENTS))
def test_records_of_digits_are_those_of_real_streams(both_zoo, pages, name):
    mean, *single = evaluate.as_trained(name, pages, progress=False)
    model = zoo.load(name)
    latents = codec.analyse(model, pages.images)
    for row, latent, image in zip(single, latents, pages.images, strict=True):
        blob = codec.pack(model, latent, image.shape)
        assert row["bpp"] == pytest.approx(8 * len(blob) / 128**2, abs=1e-5)
        error = ((codec.decompress(blob).astype(float) - image) ** 2).mean()
        assert row["mse"] == pytest.approx(error, rel=1e-3)
        assert row["psnr"] == pytest.approx(10 * math.log10(255**2 / error), abs=0.01)
    assert mean["coder"] == ("arithmetic" if name == "tiny-cw1" else "huffman")
    if "cw" in name:
        assert 0 < mean["kept_bits"] < 6
    else:
        assert "kept_bits" not in mean


@pytest.mark.parametrize("name", sorted(tiny.PHOTO_EXPERIMENTS))
def test_records_of_photographs_are_those_of_real_streams(both_zoo, two_pictures, name):
    mean, *single = evaluate.as_trained(name, two_pictures, progress=False)
    model = zoo.load(name)
    assert mean["experiment"] == name and mean["dataset"] == "two" and mean["images"] == 2
    assert (mean["importance"], mean["lambda_2"]) == (1.0, model.experiment.lambda_2)
    for row, image in zip(single, two_pictures.images, strict=True):
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


def test_weights_of_your_own_are_measured_under_their_models_name(
    both_zoo, two_pictures, pages, tmp_path
):
    mine = tmp_path / "mine"
    mine.mkdir()
    for name, dataset in (("tiny-photo", "kodak"), ("tiny-cw", "mnist")):
        test = pages if dataset == "mnist" else two_pictures
        for suffix in ("safetensors", "json"):
            content = (zoo.WEIGHTS / f"{name}.{suffix}").read_bytes()
            (mine / f"mine.{suffix}").write_bytes(content)
        measured = evaluate.of_weights(mine / "mine.safetensors", dataset)(test, progress=False)
        assert measured == evaluate.as_trained(name, test, progress=False)
        assert {r["experiment"] for r in measured} == {name}


def test_weights_of_other_pictures_are_refused(both_zoo):
    folder = zoo.WEIGHTS
    for name, dataset, says in (
        ("tiny-photo", "mnist", "tiny-photo, a model of photographs: .* heldout or a folder, not"),
        ("tiny-cw", "kodak", "tiny-cw, a model of digits: the data to measure it on is mnist"),
        ("tiny-cw", "any folder", "not any folder"),
    ):
        with pytest.raises(ValueError, match=says):
            evaluate.of_weights(folder / f"{name}.safetensors", dataset)


def test_pictures_larger_than_decoding_takes_from_strangers_are_measured(
    both_zoo, two_pictures, monkeypatch
):
    monkeypatch.setattr(codec.photos, "DECODED_PIXELS", 64)
    assert evaluate.as_trained("tiny-photo", two_pictures, progress=False)[0]["images"] == 2


@pytest.mark.parametrize("name", [n for n in zoo.names() if n.startswith("kodak-")])
def test_a_shipped_models_streams_are_within_a_two_hundredth_of_its_estimate(kodak_images, name):
    test = Pictures("kodak", (5, 20), (kodak_images[4], kodak_images[19]))
    for row in evaluate.as_trained(name, test, progress=False)[1:]:
        size, estimate = (row[k] * 768 * 512 / 8 for k in ("bpp", "estimated_bpp"))
        assert size <= 1.005 * estimate + 64


@pytest.mark.parametrize(("name", "part"), [("tiny-cae", "symbols"), ("tiny-photo", "z")])
def test_a_stream_that_decodes_to_something_else_is_never_counted(
    both_zoo, two_pictures, pages, monkeypatch, name, part
):
    real = codec.unpack

    def liar(*args):
        latents = real(*args)
        getattr(latents, part)[0, 0, 0] ^= 1
        return latents

    monkeypatch.setattr(codec, "unpack", liar)
    with pytest.raises(codec.StreamError, match="did not decode to its own symbols"):
        evaluate.as_trained(name, two_pictures if part == "z" else pages, progress=False)


# --- a net of many rates -------------------------------------------------------------------------


def recompute(path, two_pictures, record, blob_of):
    """bpp and PSNR of one picture's record, from a stream made here."""
    image = two_pictures.images[two_pictures.labels.index(record["image"])]
    blob = blob_of(image)
    wanted = metrics.psnr(image, codec.decompress(blob, model=zoo.load(path)))
    assert record["bpp"] == pytest.approx(metrics.bpp(len(blob), image.shape), abs=1e-5)
    assert record["psnr"] == pytest.approx(wanted, abs=1e-5)


def test_one_setting_is_one_quality_for_all_pictures(many_rates, two_of_colour):
    model = zoo.load(many_rates)
    records = evaluate.at_qualities(many_rates, two_of_colour, progress=False)
    assert [r["quality"] for r in records] == [q for q in evaluate.QUALITIES for _ in range(3)]
    assert {r["kind"] for r in records} == {"one-setting"}
    for record in records:
        if record["image"] != "mean":
            quality = record["quality"]
            recompute(
                many_rates,
                two_of_colour,
                record,
                lambda x, q=quality: codec.compress(model, x, quality=q),
            )


def test_a_large_picture_has_records_of_many_rates_too(many_rates, two_of_colour, monkeypatch):
    monkeypatch.setattr(codec.photo, "DECODED_PIXELS", 64)
    measured = evaluate.at_qualities(many_rates, two_of_colour, [0.5], progress=False)
    assert measured[0]["images"] == 2


# --- classical codecs ----------------------------------------------------------------------------


def test_a_baseline_keeps_to_each_rate_and_is_what_its_stream_decodes_to(two_pictures):
    records = evaluate.of_codec("jpeg", two_pictures, progress=False)
    assert {r["experiment"] for r in records} == {"jpeg"}
    assert [r["image"] for r in records[:3]] == ["mean", "a.png", 7]
    rates = sorted({r["rate"] for r in records})
    assert rates and set(rates) < set(evaluate.RATES)  # small pictures cannot reach the lowest
    for rate in rates:
        mean, *single = (r for r in records if r["rate"] == rate)
        assert mean["bpp"] == pytest.approx(np.mean([r["bpp"] for r in single]), abs=1e-5)
        for row, image in zip(single, two_pictures.images, strict=True):
            assert row["bpp"] <= rate
            blob = baselines.encode("jpeg", image, row["quality"])
            pixels = image.shape[0] * image.shape[1]
            assert row["bpp"] == pytest.approx(8 * len(blob) / pixels, abs=1e-5)
            decoded = baselines.decode("jpeg", blob, grey=image.ndim == 2).astype(float)
            assert row["mse"] == pytest.approx(((decoded - image) ** 2).mean(), abs=1e-4)
    errors = [next(r["mse"] for r in records if r["rate"] == rate) for rate in rates]
    assert errors == sorted(errors, reverse=True)


def test_an_unknown_or_missing_codec_is_an_error_and_not_an_empty_table(two_pictures, monkeypatch):
    with pytest.raises(ValueError, match="unknown codec 'gif'"):
        evaluate.of_codec("gif", two_pictures, progress=False)

    def missing(*_):
        raise baselines.CodecMissing("install it")

    monkeypatch.setattr(baselines, "at_rate", missing)
    with pytest.raises(baselines.CodecMissing):
        evaluate.of_codec("jpeg", two_pictures, progress=False)


def test_the_targets_are_models_of_that_data_and_its_baselines(both_zoo):
    of_photos, of_digits = evaluate.targets("kodak"), evaluate.targets("mnist")
    assert evaluate.targets("any folder").keys() == of_photos.keys()
    assert set(of_photos) == {*tiny.PHOTO_EXPERIMENTS, *evaluate.CODECS}
    assert set(of_digits) == set(tiny.EXPERIMENTS)


# --- the results file ----------------------------------------------------------------------------


def row(k: int) -> dict:
    return {"experiment": f"e{k}", "image": "mean", "bpp": k / 4}


def records_of(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))["records"]


def test_merging_replaces_what_the_same_command_made_and_nothing_else(tmp_path):
    path = tmp_path / "deep" / "r.json"
    merge(path, "one", [row(1), row(2)])
    merge(path, "two", [row(3)])
    merge(path, "one", [row(4)])
    found = [(r["command"], r["experiment"]) for r in records_of(path)]
    assert found == [("one", "e4"), ("two", "e3")]
    assert json.loads(path.read_text(encoding="utf-8"))["made_by"] == "cwlib eval"
    assert [p.name for p in path.parent.iterdir()] == ["r.json"]


def test_merging_the_same_twice_gives_the_same_bytes(tmp_path):
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    for path, order in ((a, "xy"), (b, "yx")):
        for command in order:
            merge(path, command, [row(ord(command))])
    merge(a, "x", [row(ord("x"))])
    assert a.read_bytes() == b.read_bytes()


MERGER = """
import sys
from pathlib import Path
from cwlib.evaluate import merge
for k in range(20):
    merge(Path("r.json"), f"{sys.argv[1]} {k}", [{"experiment": "e"}])
"""


def test_processes_that_merge_into_one_file_at_once_keep_all_records(tmp_path):
    words = [[sys.executable, "-c", MERGER, name] for name in "abcd"]
    running = [subprocess.Popen(line, cwd=tmp_path) for line in words]
    assert [process.wait(120) for process in running] == [0] * 4
    assert len(records_of(tmp_path / "r.json")) == 80
    assert [p.name for p in tmp_path.iterdir()] == ["r.json"]


@pytest.mark.parametrize(
    "junk",
    [
        "",
        "not json",
        "[1, 2]",
        "{}",
        '{"records": []}',
        '{"made_by": "x", "records": 3}',
        '{"made_by": "x", "records": [1]}',
        '{"made_by": "x", "records": [{"command": "c"}]}',
        '{"made_by": "x", "records": [{"experiment": "e"}]}',
        "null",
        "\xff\xfe",
    ],
)
def test_what_is_no_results_file_is_refused_and_left_alone(tmp_path, junk):
    path = tmp_path / "r.json"
    path.write_bytes(junk.encode("latin-1"))
    with pytest.raises(ValueError, match=r"r\.json is not a results file .*: name another"):
        merge(path, "c", [row(1)])
    assert path.read_bytes() == junk.encode("latin-1")


def test_a_full_disk_leaves_the_results_as_they_were(tmp_path, monkeypatch):
    path = tmp_path / "r.json"
    merge(path, "one", [row(1)])
    before = path.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        merge(path, "two", [row(2)])
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["r.json"]


def test_the_books_results_are_those_beside_the_package(tmp_path, monkeypatch):
    book = Path(evaluate.__file__).parents[1] / "book" / "results"
    assert evaluate.is_the_books(book / "kodak.json")
    monkeypatch.chdir(book)
    assert evaluate.is_the_books(Path("new.json"))
    assert evaluate.is_the_books(Path("..") / "results" / "kodak.json")
    for other in (Path("deeper") / "kodak.json", tmp_path / "book" / "results" / "kodak.json"):
        assert not evaluate.is_the_books(other)
