"""The measurement behind `cwlib bench codec`."""

from __future__ import annotations

import json

import pytest
import scenes
import strokes
import tiny

from cwlib import benchmark, zoo


@pytest.fixture
def result(tiny_weights, monkeypatch) -> dict:
    monkeypatch.setattr(zoo, "WEIGHTS", tiny_weights)
    return benchmark.codec_speed(strokes.digits(2, 40), repeats=1)


def test_webp_and_every_model_have_their_times(result):
    assert set(result["models"]) == {"webp", *tiny.EXPERIMENTS}
    assert all(r["encode_ms"] > 0 and r["decode_ms"] > 0 for r in result["models"].values())
    assert result["picture"] == "40x40" and result["pictures"] == 2


def test_a_ratio_is_the_time_over_webps(result):
    webp = result["models"]["webp"]
    both = webp["encode_ms"] + webp["decode_ms"]
    for row in result["models"].values():
        assert row["ratio"] * both == pytest.approx(row["encode_ms"] + row["decode_ms"])


def test_models_of_photographs_do_not_get_digits_nor_the_other_way_round(tiny_weights, monkeypatch):
    monkeypatch.setattr(zoo, "WEIGHTS", tiny_weights)
    colour = strokes.digits(1, 40)[..., None].repeat(3, axis=-1)
    found = benchmark.codec_speed(colour, repeats=1)["models"]
    assert set(found) == {"webp", "CompressAI hyperprior"}
    peer = found["CompressAI hyperprior"]  # where it is not installed, it says so
    assert peer.get("encode_ms", 0) > 0 or "compressai" in peer["skipped"]


def test_a_model_of_photographs_tells_the_share_of_coding(tiny_photo_weights, monkeypatch):
    monkeypatch.setattr(zoo, "WEIGHTS", tiny_photo_weights)
    photo = scenes.scene(64, 96)
    row = benchmark.codec_speed(photo[None], repeats=1)["models"]["tiny-photo"]
    assert 0 < row["tables_share"] < 1 and row["coding_share"] + row["tables_share"] < 1


def test_the_circumstances_are_recorded_and_all_of_it_is_json(result):
    assert json.loads(json.dumps(result)) == result
    assert result["made_by"] == "cwlib bench codec" and result["cpu_count"]


def test_the_table_names_every_model(result):
    lines = benchmark.format_codec_table(result).splitlines()
    assert [line.split()[0] for line in lines[1:-2]] == list(result["models"])
    assert "cores" in lines[-1]
