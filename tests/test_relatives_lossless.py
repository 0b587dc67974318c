"""Lossless streams from coarse to fine: exact, about as long as the model says, checked."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import scenes
from cwbook.relatives import interpolator as ip
from cwbook.relatives import lossless
from cwlib.coding import stream
from cwlib.coding.stream import StreamError
from test_relatives_interpolator import net

SIDES = st.one_of(st.integers(1, 40), st.sampled_from([1, 8, 9, 16, 17, 65]))


@given(SIDES, SIDES, st.integers(0, 5))
@settings(max_examples=25)
def test_every_size_comes_back_exactly(height, width, seed):
    image = scenes.scene(height, width, seed)
    assert np.array_equal(lossless.decode(net(), lossless.encode(net(), image)), image)


@given(hnp.arrays(np.uint8, (19, 21, 3)))
@settings(max_examples=15)
def test_every_picture_comes_back_exactly_however_unlikely(image):
    assert np.array_equal(lossless.decode(net(), lossless.encode(net(), image)), image)


def test_values_that_no_table_holds_come_back_too():
    image = np.zeros((24, 24, 3), dtype=np.uint8)
    image[1::5, ::3] = 255, 0, 255  # chroma from 0 to its ends, which the escapes have to carry
    sure = ip.Interpolator()
    with torch.no_grad():
        for predictor in (sure.first, sure.second):
            predictor.body[-1].bias[:] = -9  # the smallest scales everywhere, and wrong means
    assert np.array_equal(lossless.decode(sure, lossless.encode(sure, image)), image)


def test_a_coarser_level_can_be_had_from_the_same_stream():
    image = scenes.scene(50, 37)
    blob = lossless.encode(net(), image)
    for k, x in enumerate(ip.levels(ip.to_ycocg(image))):
        assert np.array_equal(lossless.decode(net(), blob, finest=k), ip.from_ycocg(x))


def test_the_stream_is_about_as_long_as_the_model_says():
    # grain without edges: no value is so unlikely that the least count or the escape matters
    grain = np.random.default_rng(0).normal(128, 4, (128, 128, 3))
    image = grain.round().astype(np.uint8)
    blob = lossless.encode(net(), image)
    coarsest = 3 * 8 * 8  # bytes, as they are
    said = sum(cost.sum() for cost in ip.bits_by_pixel(net(), image)) / 8 + coarsest
    # 64 scales and 8 fractions cost little; 2 bytes for each of 37 sections and as many lengths
    assert said < len(blob) < 1.002 * said + 4 * 37 + stream.MIN_BYTES


def test_a_good_net_makes_smaller_files_than_an_untrained_one():
    photos = [scenes.scene(64, 64, k) for k in range(4)]
    unseen = scenes.scene(64, 64, 99)
    untrained, trained = ip.Interpolator().eval(), ip.train(photos, steps=60, size=32, batch=4)
    assert len(lossless.encode(trained, unseen)) < len(lossless.encode(untrained, unseen))


# tables


def test_a_table_holds_the_probabilities_of_its_logistic():
    scale, fraction = 40, 5
    t = scale * lossless.FRACTIONS + fraction
    s = np.exp(ip.LOG_S_MIN + scale * (ip.LOG_S_MAX - ip.LOG_S_MIN) / (lossless.SCALES - 1))
    mean = (fraction + 0.5) / lossless.FRACTIONS
    tables = lossless.tables()
    size, first = tables.sizes[t] - 1, tables.offsets[t]
    found = np.diff(tables.cdfs[t, : size + 1]) / 65536
    edges = 1 / (1 + np.exp(-(first + np.arange(size + 1) - 0.5 - mean) / s))
    assert found == pytest.approx(np.diff(edges), abs=1.5 / 65536)


@given(st.floats(-300, 300), st.floats(ip.LOG_S_MIN, ip.LOG_S_MAX))
def test_the_table_chosen_is_the_nearest_in_mean_and_scale(mean, log_s):
    whole, index = lossless.table_of(torch.tensor([mean]).double(), torch.tensor([log_s]).double())
    scale, fraction = divmod(int(index[0]), lossless.FRACTIONS)
    step = (ip.LOG_S_MAX - ip.LOG_S_MIN) / (lossless.SCALES - 1)
    assert abs(ip.LOG_S_MIN + scale * step - log_s) <= step / 2 + 1e-9
    assert abs(whole[0] + (fraction + 0.5) / lossless.FRACTIONS - mean) <= 1 / 16 + 1e-9


# damage


def test_every_damaged_byte_is_noticed():
    blob = lossless.encode(net(), scenes.scene(20, 20))
    for k in range(0, len(blob), 7):
        with pytest.raises(StreamError):
            lossless.decode(net(), blob[:k] + bytes([blob[k] ^ 16]) + blob[k + 1 :])


def test_a_stream_of_another_net_is_refused_by_name():
    blob = lossless.encode(net(seed=0), scenes.scene(20, 20))
    with pytest.raises(StreamError, match="only the net that wrote"):
        lossless.decode(net(seed=1), blob)


def test_sections_that_do_not_fit_the_size_are_refused():
    for height, sections in ((20, [b""]), (5, [b"too short"])):
        blob = stream.pack(lossless.model_id(net()), height, 20, 3, sections)
        with pytest.raises(StreamError, match="sections|coarsest"):
            lossless.decode(net(), blob)


@pytest.mark.parametrize(
    "image", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3)), np.zeros((0, 8, 3), np.uint8)]
)
def test_other_pictures_are_refused(image):
    with pytest.raises(ValueError, match="expected uint8"):
        lossless.encode(net(), image)
