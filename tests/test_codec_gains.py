"""Streams of a net with gains: the strength travels in one byte; other nets' streams have none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import gained
import scenes
import tiny
from cwlib import codec, zoo
from cwlib.codec import StreamError

IMAGE = scenes.scene(64, 96)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a net with gains and the same net without."""
    folder = tmp_path_factory.mktemp("any")
    gained.save(folder)
    tiny.save_photo_nets(folder)
    return folder


@pytest.fixture
def model(models, monkeypatch) -> zoo.TrainedModel:
    monkeypatch.setattr(zoo, "WEIGHTS", models)
    return zoo.load("tiny-any")


@pytest.mark.parametrize("importance", [0.0, 0.1, 0.25, 0.7, 1.0])
def test_a_stream_tells_its_strength_and_decodes_to_its_own_symbols(model, importance):
    latents = codec.analyse(model, IMAGE[None], importance)[0]
    blob = codec.pack(model, latents, IMAGE.shape)
    found = codec.unpack(model, blob)
    assert found.level == latents.level == round(255 * importance)
    assert np.array_equal(found.z, latents.z) and np.array_equal(found.y, latents.y)
    assert np.array_equal(
        codec.decompress(blob), codec.synthesise(model, [latents], IMAGE.shape)[0]
    )


def test_the_decoder_undoes_the_gain_of_the_strength_that_was_sent(model):
    net = model.net
    for importance in (0.3, 1.0):
        level = round(255 * importance)
        latents = codec.analyse(model, IMAGE[None], importance)[0]
        x = torch.from_numpy(IMAGE.copy()).permute(2, 0, 1)[None].float() / 255
        with torch.no_grad():
            out = net(x, level / 255)
        assert np.array_equal(latents.z, out.z_hat[0].numpy())
        decoded = codec.synthesise(model, [latents], IMAGE.shape)[0].astype(float)
        wanted = (255 * out.x_hat[0].permute(1, 2, 0).clamp(0, 1)).numpy()
        assert np.abs(decoded - wanted).max() <= 0.51


def test_more_strength_is_finer(model):
    sizes, errors = [], []
    for importance in (0.25, 0.5, 1.0):
        blob = codec.compress(model, IMAGE, importance)
        z = codec.unpack(model, blob).z
        sizes.append(len(blob))
        errors.append(np.abs(z).sum())
    assert sizes == sorted(set(sizes)) and errors == sorted(set(errors))


def test_the_strength_is_the_first_byte_of_the_first_section(model):
    latents = codec.analyse(model, IMAGE[None], 0.5)[0]
    first, second = codec.photos.to_sections(model, latents)
    assert [first[1:], second] == model.coder.encode(latents.z, latents.y)
    assert first[0] == 128


def test_a_section_without_its_strength_is_refused(model):
    blob = codec.compress(model, IMAGE)
    header = codec.stream.read_header(blob)
    _, second = codec.photos.to_sections(model, codec.unpack(model, blob))
    with pytest.raises(StreamError, match="the strength is missing"):
        codec.photos.from_sections(model, header, [b"", second])


def test_a_net_without_gains_sends_no_strength(model):
    plain = zoo.load("tiny-photo")
    latents = codec.analyse(plain, IMAGE[None], 0.5)[0]
    sections = codec.photos.to_sections(plain, latents)
    assert sections == plain.coder.encode(latents.z, latents.y)
    assert codec.unpack(plain, codec.pack(plain, latents, IMAGE.shape)).level == 255
