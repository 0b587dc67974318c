"""A quality or a size is wanted: the strength that stands for it, and the stream that fits."""

from __future__ import annotations

import bisect
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import damage
import gained
import scenes
import tiny
from cwlib import StreamError, codec, zoo
from cwlib.codec import photos, rates

IMAGE = scenes.scene(61, 97)
PIXELS = 61 * 97


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("rates")
    tiny.save_photo_nets(where)
    gained.save(where)
    return where


@pytest.fixture(autouse=True)
def tiny_zoo(folder, monkeypatch):
    monkeypatch.setattr(zoo, "WEIGHTS", folder)


@pytest.fixture(scope="module")
def sound(folder) -> list[bytes]:
    """Streams of small pictures at three strengths."""
    model = zoo.load(folder / "tiny-any.safetensors")
    return [codec.compress(model, scenes.scene(33, 20), s) for s in (0.0, 0.3, 1.0)]


@pytest.fixture
def model(tiny_zoo) -> zoo.TrainedModel:
    return zoo.load("tiny-any")


def bpp(blob: bytes) -> float:
    return 8 * len(blob) / PIXELS


# --- quality -------------------------------------------------------------------------------------


def test_equal_steps_of_quality_are_equal_ratios_of_strength(model):
    found = [codec.strength(model, q) for q in np.linspace(0, 1, 11)]
    assert found == pytest.approx(np.geomspace(0.25, 1, 11))
    assert (found[0], found[-1]) == (0.25, 1.0)


def test_what_is_sent_says_which_quality_was_asked_for(model):
    for q in np.linspace(0, 1, 21):
        told = codec.info(codec.compress(model, IMAGE, codec.strength(model, q)))
        assert told.strength == pytest.approx(0.25 ** (1 - q), abs=0.5 / 255)
        # half a 255th is at most 0.6 % of quality, at the lower end
        assert told.quality == pytest.approx(q, abs=0.006) and 0 <= told.quality <= 1


def test_better_quality_is_a_larger_stream_closer_to_the_finest(model):
    blobs = [codec.compress(model, IMAGE, codec.strength(model, q)) for q in (0, 0.3, 0.6, 1)]
    assert sorted(map(len, blobs)) == [len(blob) for blob in blobs]
    assert len(blobs[0]) < 0.8 * len(blobs[-1])


def test_a_strength_that_no_quality_stands_for_is_told_as_such(model):
    told = codec.info(codec.compress(model, IMAGE, importance=0.1))
    assert told.quality is None and told.strength == pytest.approx(0.1, abs=0.5 / 255)


def test_streams_of_one_rate_tell_neither(model):
    told = codec.info(codec.compress(zoo.load("tiny-photo"), IMAGE))
    assert told.strength is None and told.quality is None


def test_the_stream_of_an_unknown_model_tells_no_strength(model, monkeypatch, tmp_path):
    blob = codec.compress(model, IMAGE)
    monkeypatch.setattr(zoo, "WEIGHTS", tmp_path)
    told = codec.info(blob)
    assert (told.model, told.strength, told.quality) == (None, None, None)


@given(st.data())
def test_damage_under_a_right_checksum_is_refused_or_told_and_decodes_to_its_size(sound, data):
    blob = damage.sealed(data.draw(damage.bodies(sound))[1])
    try:
        told = codec.info(blob)
        image = codec.decompress(blob, max_pixels=2**13)
    except StreamError as error:
        assert str(error) and "\n" not in str(error)
    else:
        assert image.shape[:2] == (told.height, told.width)
        assert 0 <= told.strength <= 1 and (told.quality is None or 0 <= told.quality <= 1)


@pytest.mark.parametrize("quality", [-0.01, 1.01, 2, float("nan"), float("inf")])
def test_a_quality_outside_0_to_1_is_refused(model, quality):
    with pytest.raises(ValueError, match=r"quality must lie in 0\.\.1, got "):
        codec.strength(model, quality)


def test_a_model_of_one_rate_names_those_of_many(monkeypatch, tmp_path):
    plain = zoo.load("tiny-photo")
    for ask in (
        lambda: codec.strength(plain, 0.5),
        lambda: codec.compress_to(plain, IMAGE, 1.0),
        lambda: rates.levels(plain),
    ):
        with pytest.raises(ValueError, match="tiny-photo was trained for one rate.*take tiny-any$"):
            ask()
    monkeypatch.setattr(zoo, "WEIGHTS", tmp_path)
    with pytest.raises(ValueError, match="no model here has one$"):
        codec.strength(plain, 0.5)


# --- a size --------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 40), max_size=200), st.integers(0, 50))
def test_the_longest_that_fits_is_found_in_few_tries(lengths, limit):
    lengths, tried = sorted(lengths), []

    def encode(k: int) -> bytes:
        tried.append(k)
        return bytes(lengths[k])

    found = rates.largest(encode, range(len(lengths)), limit)
    fitting = bisect.bisect_right(lengths, limit)
    assert found == ((fitting - 1, bytes(lengths[fitting - 1])) if fitting else None)
    assert len(set(tried)) == len(tried) <= len(lengths).bit_length()


@given(st.lists(st.integers(0, 40), max_size=200), st.integers(0, 50))
def test_lengths_that_do_not_grow_still_give_nothing_too_long(lengths, limit):
    found = rates.largest(lambda k: bytes(lengths[k]), range(len(lengths)), limit)
    assert found is None or len(found[1]) <= limit


@given(st.integers(20, 900), st.floats(0.3, 1.0), st.integers(0, 99))
def test_a_search_with_effort_fits_and_is_near(limit, share, seed):
    """Lengths grow with the choice; effort saves about the same share of each."""
    rng = np.random.default_rng(seed)
    lengths = np.cumsum(rng.integers(1, 9, 200))
    shares = share * rng.uniform(0.98, 1.0, 200)
    tried = []

    def refined(k: int) -> bytes:
        tried.append(k)
        return bytes(int(lengths[k] * shares[k]))

    blob = rates.largest_with_effort(lambda k: bytes(int(lengths[k])), refined, range(200), limit)
    assert len(blob) <= limit and len(set(tried)) == len(tried) <= rates.TRIES
    assert len(blob) >= 0.94 * min(limit, 0.98 * share * lengths[-1]) - 18


def test_a_search_with_effort_finds_nothing_where_nothing_fits():
    found = rates.largest_with_effort(lambda k: bytes(9), lambda k: bytes(9 - k), range(3), 8)
    assert found is None


@pytest.fixture(scope="module")
def every_stream(folder) -> list[bytes]:
    """The streams of all strengths of quality 0 to 1, by the plain way."""
    model = zoo.load(folder / "tiny-any.safetensors")
    return [codec.compress(model, IMAGE, level / 255) for level in range(64, 256)]


def test_the_strengths_of_quality_0_to_1_are_64_to_255(model):
    assert list(rates.levels(model)) == list(range(64, 256))
    assert codec.unpack(model, codec.compress(model, IMAGE, codec.strength(model, 0))).level == 64


@pytest.mark.parametrize("share", [0.0, 0.1, 0.37, 0.5, 0.93, 1.0])
def test_a_wanted_rate_is_met_from_below_by_the_largest_stream(
    model, every_stream, share, monkeypatch
):
    lengths = [len(blob) for blob in every_stream]
    wanted = 8 * (min(lengths) + share * (max(lengths) - min(lengths))) / PIXELS
    calls, real = [], photos.quantise
    monkeypatch.setattr(photos, "quantise", lambda *a: calls.append(a) or real(*a))
    found = codec.compress_to(model, IMAGE, wanted)
    assert len(calls) <= 8
    assert found in every_stream and bpp(found) <= wanted + 1e-9
    # lengths grow with the strength but for a few bytes, so bisection may stop at a neighbour
    assert len(found) >= max(n for n in lengths if n <= wanted * PIXELS / 8 + 1e-6) - 8
    assert codec.decompress(found).shape == IMAGE.shape


def test_the_network_looks_at_the_picture_once(model, monkeypatch):
    looks, real = [], photos.transform
    monkeypatch.setattr(photos, "transform", lambda *a: looks.append(a) or real(*a))
    codec.compress_to(model, IMAGE, 2.0)
    assert len(looks) == 1


def test_more_room_than_the_best_quality_takes_gives_the_best_quality(model, every_stream):
    assert codec.compress_to(model, IMAGE, 1000) == every_stream[-1]


def test_less_room_than_the_smallest_takes_is_refused_with_the_range(model, every_stream):
    least, most = bpp(every_stream[0]), bpp(every_stream[-1])
    with pytest.raises(ValueError) as caught:
        codec.compress_to(model, IMAGE, least - 0.001)
    told = re.search(r"in (\S+) to (\S+) bits a pixel", str(caught.value))
    low, high = map(float, told.groups())
    assert least <= low < least + 1e-4 and high == pytest.approx(most, abs=1e-4)
    assert codec.compress_to(model, IMAGE, low) == codec.compress_to(model, IMAGE, least)
    for blob in every_stream[::16]:
        assert bpp(codec.compress_to(model, IMAGE, bpp(blob))) >= bpp(blob) - 8 * 8 / PIXELS
    assert bpp(codec.compress_to(model, IMAGE, least)) == least


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(model, rate):
    with pytest.raises(ValueError, match="above 0 and finite"):
        codec.compress_to(model, IMAGE, rate)


def test_grey_pictures_have_rates_too(model):
    grey = np.ascontiguousarray(IMAGE[..., 1])
    found = codec.compress_to(model, grey, 1.5)
    assert bpp(found) <= 1.5 and codec.decompress(found).shape == grey.shape


def test_the_steps_of_the_search_are_watched(model):
    seen = []
    codec.compress_to(model, IMAGE, 1.5, watch=lambda steps: seen.append(steps) or steps)
    assert seen == [range(8)]
