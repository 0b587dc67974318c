"""The measurement behind `python -m benchmarks codec`."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import benchmarks
import scenes
import strokes
import tiny
from benchmarks import pictures
from cwlib import baselines, zoo


@pytest.fixture
def result(tiny_weights, monkeypatch) -> dict:
    monkeypatch.setattr(zoo, "WEIGHTS", tiny_weights)
    return benchmarks.codec_speed(strokes.digits(2, 40), repeats=1)


@pytest.fixture
def quick(monkeypatch) -> None:
    """Without the codecs that take long, and without a process for the memory."""
    monkeypatch.setattr(pictures, "OTHERS", ())
    monkeypatch.setattr(pictures, "_peak_mib", lambda *_: 12.5)


def photo(n: int = 1) -> np.ndarray:
    return np.stack([scenes.scene(64, 96)] * n)


def test_the_rivals_and_every_model_have_their_times(result):
    assert set(result["models"]) == {*pictures.RIVALS, *tiny.EXPERIMENTS}
    assert all(r["encode_ms"] > 0 and r["decode_ms"] > 0 for r in result["models"].values())
    assert result["picture"] == "40x40" and result["pictures"] == 2


def test_a_ratio_is_the_time_over_the_rivals(result):
    for rival in pictures.RIVALS:
        theirs = result["models"][rival]
        both = theirs["encode_ms"] + theirs["decode_ms"]
        for row in result["models"].values():
            ours = row["encode_ms"] + row["decode_ms"]
            assert row["ratios"][rival] * both == pytest.approx(ours)


def test_models_of_photographs_do_not_get_digits_nor_the_other_way_round(
    tiny_weights, monkeypatch, quick
):
    monkeypatch.setattr(zoo, "WEIGHTS", tiny_weights)
    colour = strokes.digits(1, 40)[..., None].repeat(3, axis=-1)
    found = benchmarks.codec_speed(colour, repeats=1)["models"]
    assert set(found) == {*pictures.RIVALS, "CompressAI hyperprior"}
    peer = found["CompressAI hyperprior"]  # where it is not installed, it says so
    assert peer.get("encode_ms", 0) > 0 or "compressai" in peer["skipped"]


def test_a_model_of_photographs_tells_the_share_of_coding(tiny_photo_weights, monkeypatch, quick):
    monkeypatch.setattr(zoo, "WEIGHTS", tiny_photo_weights)
    result = benchmarks.codec_speed(photo(), repeats=1)
    row = result["models"]["tiny-photo"]
    assert 0 < row["tables_share"] < 1 and row["coding_share"] + row["tables_share"] < 1
    (line,) = (
        line
        for line in benchmarks.format_codec_table(result).splitlines()
        if line.split()[0] == "tiny-photo"
    )
    assert "% entropy coding" in line and "% exact nets" in line and "12 MiB" in line


class OfAnotherKind:
    """A coder that does what the codec needs and offers nothing beside it."""

    def __init__(self, coder):
        self.encode, self.decode = coder.encode, coder.decode


def test_a_coder_that_offers_no_nets_to_run_apart_has_no_shares(
    tiny_photo_weights, monkeypatch, quick
):
    monkeypatch.setattr(zoo, "WEIGHTS", tiny_photo_weights)
    model = zoo.load("tiny-photo")
    other = replace(model, coder=OfAnotherKind(model.coder))
    row = pictures._details(other, photo()[0], {"encode_ms": 1.0, "decode_ms": 1.0})
    assert row == {"peak_mib": 12.5}


def test_the_memory_is_that_of_the_script_and_not_of_who_starts_it():
    ours = pictures._peak_mib("")
    kept = bytearray(200 << 20)
    kept[:: 1 << 12] = b"x" * (len(kept) >> 12)  # every page is in use
    assert 1 < pictures._peak_mib("") < ours + 50
    assert pictures._peak_mib("kept = bytearray(b'x' * (100 << 20))") > ours + 80
    assert pictures._peak_mib("raise SystemExit(1)") is None


def test_all_codecs_get_near_the_rate_where_they_can():
    picture = scenes.scene(128, 192)
    for name in pictures.RIVALS:
        encode, decode = pictures._classical(name, picture)
        blob = encode()
        assert 0.7 * pictures.RATE < 8 * len(blob) / (128 * 192) <= pictures.RATE
        assert decode(blob).shape == picture.shape


def test_a_rate_that_is_too_low_for_a_codec_gets_its_lowest_quality(monkeypatch):
    monkeypatch.setattr(pictures, "RATE", 1e-6)
    digit = strokes.digits(1, 40)[0]
    encode, decode = pictures._classical("webp", digit)
    assert encode() == baselines.encode("webp", digit, 0)
    assert decode(encode()).shape == (40, 40)  # grey again


def test_a_missing_plugin_is_skipped_with_its_reason(tiny_weights, monkeypatch):
    def missing(name, *_):
        raise baselines.CodecMissing(f"{name} needs the package pillow-heif")

    monkeypatch.setattr(zoo, "WEIGHTS", tiny_weights)
    monkeypatch.setattr(pictures, "OTHERS", ("hevc",))
    monkeypatch.setattr(pictures, "compressai_hyperprior", missing)
    real = baselines.at_rate
    monkeypatch.setattr(
        baselines, "at_rate", lambda name, *a: (missing if name == "hevc" else real)(name, *a)
    )
    result = benchmarks.codec_speed(photo(), repeats=1)
    assert "pillow-heif" in result["models"]["hevc"]["skipped"]
    (line,) = (x for x in benchmarks.format_codec_table(result).splitlines() if "hevc" in x)
    assert "skipped" in line and "pillow-heif" in line


def test_a_missing_rival_leaves_out_its_ratios_alone(tiny_weights, monkeypatch, quick):
    monkeypatch.setattr(zoo, "WEIGHTS", tiny_weights)
    real = pictures._classical

    def without(name, image):
        if name == "jpeg2000":
            raise baselines.CodecMissing("this Pillow was built without JPEG2000: update it")
        return real(name, image)

    monkeypatch.setattr(pictures, "_classical", without)
    result = benchmarks.codec_speed(strokes.digits(1, 40), repeats=1)
    assert set(result["models"]["webp"]["ratios"]) == {"webp"}
    assert "update it" in benchmarks.format_codec_table(result)


def test_the_circumstances_are_recorded_and_all_of_it_is_json(result):
    assert json.loads(json.dumps(result)) == result
    assert result["made_by"] == "python -m benchmarks codec" and result["cpu_count"]


def test_the_table_names_every_model(result):
    lines = benchmarks.format_codec_table(result).splitlines()
    assert [line.split()[0] for line in lines[1:-2]] == list(result["models"])
    assert "cores" in lines[-1]
