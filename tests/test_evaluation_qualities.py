"""Records of the net of many rates: one quality for all, one size for each, a region that gains."""

from __future__ import annotations

import numpy as np
import pytest

import own
from cwlib import codec, metrics, zoo
from cwlib.evaluation import photos, qualities


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    own.save(folder)
    return folder / "tiny-own.safetensors"


@pytest.fixture(scope="module")
def two() -> photos.Photos:
    return photos.Photos("two", ("a", "b"), (own.scene(192, 176), own.scene(160, 200)))


def recompute(path, two, record, blob_of):
    """bpp and PSNR of one picture's record, from a stream made here."""
    image = two.images[two.labels.index(record["image"])]
    blob = blob_of(image)
    wanted = metrics.psnr(image, codec.decompress(blob, model=zoo.load(path)))
    assert record["bpp"] == pytest.approx(metrics.bpp(len(blob), image.shape), abs=1e-5)
    assert record["psnr"] == pytest.approx(wanted, abs=1e-5)


def test_one_setting_is_one_quality_for_all_pictures(path, two):
    model = zoo.load(path)
    records = qualities.one_setting_records(path, two, progress=False)
    assert [r["quality"] for r in records] == [q for q in qualities.QUALITIES for _ in range(3)]
    assert {r["kind"] for r in records} == {"one-setting"}
    for record in records:
        if record["image"] != "mean":
            quality = record["quality"]
            recompute(path, two, record, lambda x, q=quality: codec.compress(model, x, quality=q))


def test_equal_rates_are_met_from_below_by_every_picture(path, two, monkeypatch):
    monkeypatch.setattr(photos, "RATES", (0.001, 0.9, 1.4))
    model = zoo.load(path)
    records = qualities.equal_rate_records(path, two, progress=False)
    assert {r["rate"] for r in records} == {0.9, 1.4}, "0.001 cannot be reached and is left out"
    for record in records:
        assert record["kind"] == "equal-rate" and record["bpp"] <= record["rate"]
        if record["image"] != "mean":
            rate = record["rate"]
            recompute(path, two, record, lambda x, r=rate: codec.compress_to(model, x, r))


def test_pictures_larger_than_decoding_takes_from_strangers_are_measured(path, two, monkeypatch):
    monkeypatch.setattr(codec.photo, "DECODED_PIXELS", 64)
    monkeypatch.setattr(qualities, "ROI_RATE", 0.8)
    for measure in (qualities.one_setting_records, qualities.regions_records):
        assert measure(path, two, progress=False)[0]["images"] == 2


@pytest.mark.parametrize("shape", [(512, 768, 3), (768, 512, 3), (300, 451)])
@pytest.mark.parametrize("share", [0.1, 0.4])
def test_the_region_is_an_ellipse_of_the_share_that_is_asked_for(shape, share):
    mask = qualities.middle(shape, share)
    assert mask.dtype == np.uint8 and mask.shape == shape[:2] and set(np.unique(mask)) == {0, 255}
    assert (mask > 0).mean() == pytest.approx(share, rel=0.01)
    assert np.array_equal(mask, mask[::-1, ::-1])
    reach = [np.ptp(np.flatnonzero(mask.any(axis=axis))) + 1 for axis in (1, 0)]
    assert reach[0] / shape[0] == pytest.approx(reach[1] / shape[1], rel=0.05)


def test_a_region_gains_and_the_rest_pays_at_the_same_size(path, two, monkeypatch):
    monkeypatch.setattr(qualities, "ROI_RATE", 0.8)
    records = qualities.regions_records(path, two, progress=False)
    assert [r["roi"] for r in records] == [False] * 3 + [True] * 3
    for alike, masked in zip(records[:3], records[3:], strict=True):
        assert alike["kind"] == masked["kind"] == "regions"
        assert masked["bpp"] <= 0.8 and alike["bpp"] <= 0.8
        assert masked["psnr_inside"] > alike["psnr_inside"]
        assert masked["psnr_outside"] < alike["psnr_outside"]
    for record in records:  # the two parts make the whole
        if record["image"] != "mean":
            image = two.images[two.labels.index(record["image"])]
            inside = (qualities.middle(image.shape) > 0).mean()
            parts = [10 ** (-record[f"psnr_{part}"] / 10) for part in ("inside", "outside")]
            whole = -10 * np.log10(inside * parts[0] + (1 - inside) * parts[1])
            assert record["psnr"] == pytest.approx(whole, abs=1e-4)
