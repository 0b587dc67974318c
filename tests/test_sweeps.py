"""A codec at many settings: the paper's accounting by a textbook, searches by brute force."""

from __future__ import annotations

import heapq
import io
import itertools
from collections import Counter

import numpy as np
import pytest
from PIL import Image

import gained
import strokes
from cwbook import sweeps
from cwbook.sweeps import paper_accounting
from cwlib import baselines, codec, data, evaluate, zoo
from test_evaluate import recompute

# --- the paper's accounting ----------------------------------------------------------------------


def textbook_huffman_bits(symbols: list) -> int:
    """Huffman's own way: join the two rarest; each joint adds one bit to all that is below it."""
    heap = [(n, k) for k, n in enumerate(Counter(symbols).values())]
    if len(heap) == 1:
        return len(symbols)  # one bit each: no code has words of no bits
    heapq.heapify(heap)
    total = 0
    for k in itertools.count(len(heap)):
        a, b = heapq.heappop(heap), heapq.heappop(heap)
        total += a[0] + b[0]
        if not heap:
            return total
        heapq.heappush(heap, (a[0] + b[0], k))


def test_1024_distinct_values_cost_10_bits_each():
    code = (np.arange(1024) / 1024).reshape(4, 16, 16)
    found = paper_accounting(code)
    assert found["bpp"] == 0.625  # 10240 bits over 128 x 128 pixels
    assert found["distinct"] == 1024
    # the table that is never sent: 20 bits of a value and 4 of a length, 1024 times
    assert found["table_bpp"] == 1024 * 24 / 128**2


@pytest.mark.parametrize("seed", range(8))
def test_the_words_are_as_long_as_the_textbooks(seed):
    rng = np.random.default_rng(seed)
    whole = np.floor(rng.gamma(1, 1 + 3 * seed, (4, 5, 3))).astype(np.int64) % 64
    found = paper_accounting(whole)
    assert found["bpp"] * (5 * 3 * 64) == pytest.approx(
        textbook_huffman_bits(whole.ravel().tolist())
    )
    assert found["distinct"] == np.unique(whole).size
    assert found["table_bpp"] * (5 * 3 * 64) == pytest.approx(found["distinct"] * 10)
    # whole numbers as floats are the same symbols
    assert paper_accounting(whole.astype(np.float32))["bpp"] == found["bpp"]


def test_floats_are_told_apart_by_six_decimals():
    code = np.array([0.1234561, 0.1234564, 0.1234569, 0.5]).reshape(1, 2, 2)
    found = paper_accounting(code)
    assert found["distinct"] == 3
    bits = textbook_huffman_bits(["a", "a", "b", "c"])
    assert found["bpp"] * 4 * 64 == pytest.approx(bits)


def test_a_constant_code_costs_one_bit_a_value():
    assert paper_accounting(np.zeros((4, 16, 16), int))["bpp"] == 0.0625


# --- digits --------------------------------------------------------------------------------------


def test_importance_records_are_means_for_each_factor(both_zoo, pages):
    records = sweeps.importance("tiny-cw1", pages, progress=False)
    assert [r["importance"] for r in records] == list(sweeps.DIGIT_IMPORTANCE)
    assert {r["kind"] for r in records} == {"importance"} and {r["image"] for r in records} == {
        "mean"
    }
    kept = [r["kept_bits"] for r in records]
    assert kept == sorted(kept) and kept[0] == 0


def test_fewer_uniform_bits_are_fewer_bytes(both_zoo, pages, monkeypatch):
    monkeypatch.setattr(data, "mnist28", lambda split: (strokes.digits(20, seed=3), None))
    records = sweeps.uniform(pages, "tiny-resnet", progress=False)
    means = [r for r in records if r["image"] == "mean"]
    assert [r["experiment"] for r in means] == [f"tiny-resnet-uniform-{b}" for b in (2, 3, 4, 6)]
    rates = [r["bpp"] for r in means]
    assert rates == sorted(rates)
    for r in means:  # at least one bit a value, at most as many as there are and a header
        assert 0.0625 <= r["bpp"] <= 0.0625 * (r["bits"] + 1) + 8 * 17 / 128**2


def test_the_rivals_that_know_the_source_are_charged_to_the_large_pixels(pages, monkeypatch):
    monkeypatch.setattr(baselines, "gzip_bpp", lambda: 0.0805)
    records = sweeps.source(pages, progress=False)
    by_name = {r["experiment"]: r for r in records if r["experiment"] != "grey-28"}
    assert set(by_name) == {"png-28", "webp-lossless-28", "gzip-28"}
    sizes = [len(baselines.encode("png", image)) for image in pages.originals]
    assert by_name["png-28"]["bpp"] == pytest.approx(8 * np.mean(sizes) / 128**2, abs=1e-5)
    assert {r["mse"] for r in by_name.values()} == {0.0}

    grey = [r for r in records if r["experiment"] == "grey-28"]
    assert [r["quality"] for r in grey] == list(sweeps.GREY_LEVELS)
    two = data.resize_digits(np.where(pages.originals > 127, 255, 0).astype(np.uint8))
    error = ((two.astype(float) - pages.images) ** 2).mean()
    assert grey[0]["mse"] == pytest.approx(error, rel=1e-4)
    assert grey[0]["bpp"] < grey[-1]["bpp"] and grey[0]["mse"] > grey[-1]["mse"]


# --- classical codecs ----------------------------------------------------------------------------


def test_a_codec_at_fixed_qualities(two_pictures):
    records = sweeps.jpeg_standard(two_pictures, progress=False)
    means = [r for r in records if r["image"] == "mean"]
    assert [r["quality"] for r in means] == list(sweeps.STANDARD_QUALITIES)
    assert {r["kind"] for r in records} == {"quality"}
    rates = [r["bpp"] for r in means]
    assert rates == sorted(rates)
    row = next(r for r in records if r["quality"] == 50 and r["image"] == "a.png")
    blob = baselines.encode("jpeg-standard", two_pictures.images[0], 50)
    assert row["bpp"] == pytest.approx(8 * len(blob) / (90 * 120), abs=1e-5)


def test_one_setting_is_the_same_for_all_images(two_pictures):
    records = sweeps.one_setting("webp", two_pictures, progress=False)
    assert {(r["experiment"], r["kind"]) for r in records} == {("webp", "one-setting")}
    qualities = sweeps.ONE_SETTING["webp"]
    assert [r["quality"] for r in records] == [q for q in qualities for _ in range(3)]
    for quality in qualities:
        mean, *single = (r for r in records if r["quality"] == quality)
        assert mean["psnr"] == pytest.approx(np.mean([r["psnr"] for r in single]), abs=1e-5)
        for row, image in zip(single, two_pictures.images, strict=True):
            stream = io.BytesIO()
            Image.fromarray(image).save(stream, "WEBP", quality=quality, method=6)
            pixels = image.shape[0] * image.shape[1]
            assert row["bpp"] == pytest.approx(8 * len(stream.getvalue()) / pixels, abs=1e-5)
            decoded = Image.open(stream).convert("L" if image.ndim == 2 else "RGB")
            error = ((np.asarray(decoded, float) - image) ** 2).mean()
            assert row["mse"] == pytest.approx(error, abs=1e-4)


def test_one_slope_is_the_least_cost_for_every_image(two_pictures):
    records = sweeps.one_setting("jpeg2000", two_pictures, progress=False)
    slopes = sweeps.ONE_SLOPE["jpeg2000"]
    assert [r["lambda_2"] for r in records] == [s for s in slopes for _ in range(3)]
    slope = slopes[4]
    mean, *single = (r for r in records if r["lambda_2"] == slope)
    assert mean["quality"] == pytest.approx(np.mean([r["quality"] for r in single]), abs=1e-5)
    for row, image in zip(single, two_pictures.images, strict=True):
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


def test_settings_for_all_images_are_settings_of_the_codecs(two_pictures):
    for name, qualities in sweeps.ONE_SETTING.items():
        assert len(qualities) >= 8 and list(qualities) == sorted(set(qualities))
        assert set(qualities) <= set(baselines.CODECS[name].qualities), name
    with pytest.raises(ValueError, match="no settings for 'png': there are jpeg, "):
        sweeps.one_setting("png", two_pictures, progress=False)


# --- models of photographs -----------------------------------------------------------------------


def test_importance_records_are_means_whose_rate_rises(both_zoo, two_pictures):
    records = sweeps.importance("tiny-photo", two_pictures, progress=False)
    assert [r["importance"] for r in records] == list(sweeps.PHOTO_IMPORTANCE)
    assert {r["image"] for r in records} == {"mean"} and {r["kind"] for r in records} == {
        "importance"
    }
    rates = [r["bpp"] for r in records]
    assert rates == sorted(rates) and rates[0] < rates[-1] / 2


def test_a_net_with_gains_is_measured_at_qualities_from_0_to_1(tmp_path, two_pictures):
    model = gained.save(tmp_path)
    path = tmp_path / "tiny-any.safetensors"
    records = sweeps.importance(path, two_pictures, progress=False)
    assert [r["quality"] for r in records] == list(evaluate.QUALITIES)
    # s = s_min^(1 - q)
    wanted = [model.experiment.strength_min ** (1 - q) for q in evaluate.QUALITIES]
    assert [r["importance"] for r in records] == pytest.approx(wanted, abs=1e-4)
    rates = [r["bpp"] for r in records]
    assert rates[0] < rates[-1]


def test_equal_rates_are_met_from_below_by_every_picture(many_rates, two_of_colour, monkeypatch):
    monkeypatch.setattr(evaluate, "RATES", (0.001, 0.9, 1.4))
    model = zoo.load(many_rates)
    records = sweeps.equal_rate(many_rates, two_of_colour, progress=False)
    assert {r["rate"] for r in records} == {0.9, 1.4}, "0.001 cannot be reached and is left out"
    for record in records:
        assert record["kind"] == "equal-rate" and record["bpp"] <= record["rate"]
        if record["image"] != "mean":
            rate = record["rate"]
            recompute(
                many_rates, two_of_colour, record, lambda x, r=rate: codec.compress_to(model, x, r)
            )


def test_pictures_larger_than_decoding_takes_from_strangers_are_measured(
    many_rates, two_of_colour, monkeypatch
):
    monkeypatch.setattr(codec.photo, "DECODED_PIXELS", 64)
    monkeypatch.setattr(sweeps, "ROI_RATE", 0.8)
    for measure in (sweeps.equal_rate, sweeps.regions):
        assert measure(many_rates, two_of_colour, progress=False)[0]["images"] == 2


@pytest.mark.parametrize("shape", [(512, 768, 3), (768, 512, 3), (300, 451)])
@pytest.mark.parametrize("share", [0.1, 0.4])
def test_the_region_is_an_ellipse_of_the_share_that_is_asked_for(shape, share):
    mask = sweeps.middle(shape, share)
    assert mask.dtype == np.uint8 and mask.shape == shape[:2] and set(np.unique(mask)) == {0, 255}
    assert (mask > 0).mean() == pytest.approx(share, rel=0.01)
    assert np.array_equal(mask, mask[::-1, ::-1])
    reach = [np.ptp(np.flatnonzero(mask.any(axis=axis))) + 1 for axis in (1, 0)]
    assert reach[0] / shape[0] == pytest.approx(reach[1] / shape[1], rel=0.05)


def test_a_region_gains_and_the_rest_pays_at_the_same_size(many_rates, two_of_colour, monkeypatch):
    monkeypatch.setattr(sweeps, "ROI_RATE", 0.8)
    records = sweeps.regions(many_rates, two_of_colour, progress=False)
    assert [r["roi"] for r in records] == [False] * 3 + [True] * 3
    for alike, masked in zip(records[:3], records[3:], strict=True):
        assert alike["kind"] == masked["kind"] == "regions"
        assert masked["bpp"] <= 0.8 and alike["bpp"] <= 0.8
        assert masked["psnr_inside"] > alike["psnr_inside"]
        assert masked["psnr_outside"] < alike["psnr_outside"]
    for record in records:  # the two parts make the whole
        if record["image"] != "mean":
            image = two_of_colour.images[two_of_colour.labels.index(record["image"])]
            inside = (sweeps.middle(image.shape) > 0).mean()
            parts = [10 ** (-record[f"psnr_{part}"] / 10) for part in ("inside", "outside")]
            whole = -10 * np.log10(inside * parts[0] + (1 - inside) * parts[1])
            assert record["psnr"] == pytest.approx(whole, abs=1e-4)


def test_the_targets_are_sweeps_of_what_is_there(both_zoo):
    of_photos = sweeps.targets("kodak")
    assert {f"one-setting:{name}" for name in (*sweeps.ONE_SETTING, *sweeps.ONE_SLOPE)} < set(
        of_photos
    )
    # a model without a map has no importance to scale
    assert "importance:tiny-photo" in of_photos and "importance:tiny-photo-m" not in of_photos
    assert {"uniform", "accounting", "baselines", "source"} == set(sweeps.targets("mnist"))
