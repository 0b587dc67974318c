"""Images to bytes and back: exact, for any size, and without fear of damaged bytes.

Here with the models of digits; test_codec_photos.py has those of photographs.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tracemalloc
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from PIL import Image

import damage
import gained
import own
import scenes
import standins
import strokes
import tiny
from cwlib import StreamError, codec, data, zoo
from cwlib.coding import huffman, stream

SHIPPED = [name for name in zoo.names() if zoo.load(name).experiment.dataset == "mnist"]
TINY = sorted(tiny.EXPERIMENTS)
SIZES = [(1, 1), (3, 5), (7, 200), (28, 28), (129, 127), (128, 128)]


@pytest.fixture
def tiny_zoo(tiny_weights, monkeypatch):
    """A zoo of the four tiny networks and nothing else."""
    monkeypatch.setattr(zoo, "WEIGHTS", tiny_weights)


@pytest.fixture(scope="module")
def digits(mnist_test):
    return data.resize_digits(mnist_test[0][:20])


def decoder_input(model: zoo.TrainedModel, image: np.ndarray) -> tuple[torch.Tensor, ...]:
    """What the decoder should see, by the paper's text and integer arithmetic of our own."""
    padded = np.pad(image, [(0, -s % 8) for s in image.shape], mode="edge")
    with torch.no_grad():
        z, m = model.net.analyse(torch.from_numpy(padded)[None, None].float() / 255)
    q = np.minimum((z.numpy().astype(np.float64) * 64).astype(int), 63)
    if m is None:
        return (torch.from_numpy((q + 0.5) / 64).float(),)
    i = np.minimum((m.numpy().astype(np.float64) * 4).astype(int), 3)
    cut = 6 - 2 * i  # all shipped models keep 2i bits
    z_hat = torch.from_numpy((q >> cut << cut) / 64).float()
    return z_hat, torch.from_numpy(i / 4).float()


def pixels(x_hat: torch.Tensor, shape: tuple[int, int]) -> np.ndarray:
    return np.rint(x_hat[0, 0].numpy() * 255)[: shape[0], : shape[1]]


# --- round trips ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("name", TINY)
def test_any_size_comes_back_as_the_decoder_made_it(tiny_zoo, name, shape):
    model, image = zoo.load(name), strokes.page(*shape)
    blob = codec.compress(model, image)
    found = codec.decompress(blob)
    assert found.shape == shape and found.dtype == np.uint8
    with torch.no_grad():
        wanted = pixels(model.net.synthesise(*decoder_input(model, image)), shape)
    assert np.abs(found - wanted).max() <= 1  # rounding of x.5 in float32
    assert (found == wanted).mean() > 0.99


@pytest.mark.parametrize("shape", [(1, 1), (28, 28), (129, 127)])
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_take_odd_sizes(name, shape):
    model, image = zoo.load(name), strokes.page(*shape)
    latents = codec.analyse(model, image[None])[0]
    blob = codec.compress(model, image)
    assert np.array_equal(codec.unpack(model, blob).symbols, latents.symbols)
    assert codec.decompress(blob).shape == shape


@pytest.mark.parametrize("name", SHIPPED)
def test_a_digit_comes_back_and_looks_like_itself(digits, name):
    model = zoo.load(name)
    for image in digits[:5]:
        found = codec.decompress(codec.compress(model, image)).astype(float)
        error = ((found - image) ** 2).mean()
        assert error < 0.2 * (image.astype(float) ** 2).mean()  # a black page would give 1


@pytest.mark.parametrize("name", TINY)
def test_a_batch_and_its_images_one_by_one_give_streams_that_decode(tiny_zoo, name):
    model, images = zoo.load(name), strokes.digits(3, 40)
    for latents in codec.analyse(model, images):
        blob = codec.pack(model, latents, (40, 40))
        found = codec.unpack(model, blob)
        assert np.array_equal(found.symbols, latents.symbols)
        if latents.levels is not None:
            assert np.array_equal(found.levels, latents.levels)


@pytest.mark.parametrize(
    "view",
    [lambda a: a[::-1, ::-1], lambda a: a.T, lambda a: a[::2, ::3], np.asfortranarray],
    ids=["flipped", "transposed", "strided", "fortran"],
)
def test_the_memory_layout_of_an_image_does_not_matter(tiny_zoo, view):
    model, image = zoo.load("tiny-cw1"), view(strokes.page(64, 48))
    image.setflags(write=False)
    assert codec.compress(model, image) == codec.compress(model, image.copy(order="C"))


def test_compressing_leaves_the_image_alone_and_repeats_to_the_byte(tiny_zoo):
    model, image = zoo.load("tiny-cw"), strokes.page(50, 50)
    before = image.copy()
    assert codec.compress(model, image) == codec.compress(model, image)
    assert np.array_equal(image, before)


@pytest.mark.parametrize("name", TINY)
def test_the_shorter_of_the_two_huffman_streams_is_taken(tiny_zoo, name):
    if name == "tiny-cw1":
        pytest.skip("tiny-cw1 has no Huffman code")
    model = zoo.load(name)
    flat = codec.Latents(np.full((4, 16, 16), 7))  # 1024 times one value: 1 bit each with own table
    rich = codec.analyse(model, strokes.page(128, 128)[None])[0]
    for latents in (flat, rich):
        static = len(model.coder.encode(latents.symbols.ravel()))
        blob = codec.pack(model, latents, (128, 128))
        assert len(blob) <= static + 17
        assert np.array_equal(codec.unpack(model, blob).symbols, latents.symbols)
    assert len(codec.pack(model, flat, (128, 128))) <= 128 + 32 + 18


# --- the header ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TINY)
def test_on_a_digit_the_header_is_at_most_20_bytes(tiny_zoo, name):
    model = zoo.load(name)
    for importance in (1.0, 0.2) if "cw" in name else (1.0,):
        blob = codec.compress(model, strokes.page(128, 128), importance)
        told = codec.info(blob)
        assert len(blob) - sum(told.section_bytes) <= 20
        assert told.bpp == 8 * len(blob) / 128**2


def test_info_tells_the_header_without_decoding(tiny_zoo, monkeypatch):
    model = zoo.load("tiny-cw1")
    blob = codec.compress(model, strokes.page(30, 50))

    def forbidden(*_):
        raise AssertionError("info decodes")

    for step in ("unpack", "synthesise"):
        monkeypatch.setattr(codec, step, forbidden)
    told = codec.info(blob)
    assert (told.model, told.height, told.width, told.channels) == ("tiny-cw1", 30, 50, 1)
    assert (told.model_id, told.n_bytes) == (model.model_id.hex(), len(blob))


def test_info_of_a_foreign_model_has_no_name_but_its_hash(tiny_zoo):
    told = codec.info(stream.pack(b"\xde\xad\xbe\xef", 10, 20, 1, [b"?"]))
    assert (told.model, told.model_id) == (None, "deadbeef")


def test_a_foreign_model_is_refused_with_its_hash_and_the_known_ones(tiny_zoo):
    blob = stream.pack(b"\xde\xad\xbe\xef", 10, 20, 1, [b"?"])
    with pytest.raises(StreamError) as caught:
        codec.decompress(blob)
    message = str(caught.value)
    assert "deadbeef" in message and "\n" not in message
    for name in TINY:
        assert f"{name} {zoo.load(name).model_id.hex()}" in message


def test_a_stream_of_one_model_is_not_unpacked_with_another(tiny_zoo):
    blob = codec.compress(zoo.load("tiny-cw"), strokes.page(16, 16))
    with pytest.raises(StreamError, match="tiny-resnet"):
        codec.unpack(zoo.load("tiny-resnet"), blob)


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize(("channels", "sections"), [(3, 1), (1, 0), (1, 3)])
def test_another_number_of_channels_or_sections_is_refused(tiny_zoo, name, channels, sections):
    model = zoo.load(name)
    with pytest.raises(StreamError, match="channel"):
        codec.decompress(stream.pack(model.model_id, 8, 8, channels, [b"abc"] * sections))


# --- importance ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in SHIPPED if "cw1" in n])
def test_less_importance_never_costs_more_bytes(digits, name):
    model = zoo.load(name)
    sizes = np.array(
        [
            [len(codec.compress(model, image, step)) for step in np.linspace(0, 1, 5)]
            for image in digits[:8]
        ]
    )
    assert (np.diff(sizes.sum(axis=0)) >= 0).all()
    assert sizes[:, 0].max() < sizes[:, -1].min()
    for step in (0.0, 0.5):
        assert codec.decompress(codec.compress(model, digits[0], step)).shape == (128, 128)


@pytest.mark.parametrize("name", ["tiny-cw", "tiny-cw1"])
def test_importance_zero_keeps_nothing(tiny_zoo, name):
    latents = codec.analyse(zoo.load(name), strokes.page(64, 64)[None], 0.0)[0]
    assert not latents.symbols.any()


def test_importance_one_is_as_trained(tiny_zoo):
    model, image = zoo.load("tiny-cw1"), strokes.page(64, 64)
    assert codec.compress(model, image, 1.0) == codec.compress(model, image)


@pytest.mark.parametrize("importance", [-0.1, 1.01, 2, float("nan"), float("inf")])
def test_importance_outside_0_to_1_is_refused(tiny_zoo, importance):
    with pytest.raises(ValueError, match=r"importance must lie in 0\.\.1"):
        codec.compress(zoo.load("tiny-cw1"), strokes.page(16, 16), importance)


@pytest.mark.parametrize("name", ["tiny-cae", "tiny-resnet"])
def test_a_model_without_a_map_refuses_to_scale_it(tiny_zoo, name):
    with pytest.raises(ValueError, match=f"{name} has no importance map"):
        codec.compress(zoo.load(name), strokes.page(16, 16), 0.5)


# --- images that no model takes ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "error", "says"),
    [
        (np.zeros((8, 8)), TypeError, "uint8 pixels in 0..255, got float64"),
        (np.zeros((8, 8), np.uint16), TypeError, "uint16"),
        (np.zeros((8, 8), bool), TypeError, "bool"),
        (np.zeros((8, 8), np.int8), TypeError, "int8"),
        ([[1, 2], [3, 4]], TypeError, "got list: for a picture of Pillow"),
        (Image.new("P", (8, 8)), TypeError, "got Image: for a picture of Pillow pass"),
        (np.ma.masked_array(np.zeros((8, 8), np.uint8)), TypeError, "MaskedArray"),
        (torch.zeros(8, 8, dtype=torch.uint8), TypeError, "Tensor"),
        ("digit.png", TypeError, "uint8"),
        (None, TypeError, "uint8"),
        (np.zeros((8, 8, 3), np.uint8), ValueError, r"\(8, 8, 3\): convert it to grey"),
        (np.zeros((8, 8, 1), np.uint8), ValueError, r"\(8, 8, 1\)"),
        (np.zeros(8, np.uint8), ValueError, r"\(8,\)"),
        (np.array(3, np.uint8), ValueError, r"\(\)"),
        (np.zeros((0, 8), np.uint8), ValueError, r"at least 1x1, got shape \(0, 8\)"),
        (np.zeros((8, 0), np.uint8), ValueError, r"at least 1x1"),
        (np.zeros((1, 8, 8, 1), np.uint8), ValueError, "at least 1x1"),
        (np.broadcast_to(np.uint8(0), (2**13, 2**12)), ValueError, "8192x4096 is over 16777216"),
    ],
)
def test_what_is_not_a_grey_uint8_image_is_refused_with_a_reason(tiny_zoo, image, error, says):
    with pytest.raises(error, match=says):
        codec.compress(zoo.load("tiny-cae"), image)


@pytest.mark.parametrize("name", ["tiny-cae", "tiny-cw", "tiny-cw1"])
def test_stripes_of_a_large_digit_are_as_the_whole(tiny_zoo, monkeypatch, name):
    model, image = zoo.load(name), strokes.page(400, 72)
    latents = codec.analyse(model, image[None])
    whole = codec.synthesise(model, latents, image.shape)[0]
    monkeypatch.setattr(codec.digits, "STRIPE_PIXELS", 72 * 80)
    stripes = []
    found = codec.synthesise(model, latents, image.shape, lambda r: stripes.extend(r) or r)[0]
    assert len(stripes) > 2
    assert np.abs(found.astype(int) - whole).max() <= 1 and (found == whole).mean() > 0.99


# --- public steps --------------------------------------------------------------------------------

DIGIT = strokes.page(16, 24)


@pytest.mark.parametrize(
    "step",
    [
        lambda model, latents: codec.compress(model, DIGIT),
        lambda model, latents: codec.compress_to(model, DIGIT, 0.5),
        lambda model, latents: codec.analyse(model, DIGIT[None]),
        lambda model, latents: codec.pack(model, latents, DIGIT.shape),
        lambda model, latents: codec.unpack(model, b""),
        lambda model, latents: codec.synthesise(model, [latents], DIGIT.shape),
        lambda model, latents: codec.latent_bits(model, latents),
        lambda model, latents: codec.decompress(stream.pack(b"abcd", 1, 1, 1, []), model=model),
        lambda model, latents: codec.strength(model, 0.5),
    ],
)
def test_a_name_in_place_of_a_model_is_told_what_to_pass(tiny_zoo, step):
    (latents,) = codec.analyse(zoo.load("tiny-cw1"), DIGIT[None])
    with pytest.raises(TypeError, match=r"got str: pass zoo\.load\('tiny-cw1'\)"):
        step("tiny-cw1", latents)


@pytest.mark.parametrize(
    ("images", "error", "says"),
    [
        (DIGIT[None] / 255.0, TypeError, "uint8 pixels in 0..255, got float64"),
        (DIGIT, ValueError, r"\(16, 24\): pass image\[None\]"),
        (np.zeros((1, 8, 8, 3), np.uint8), ValueError, "codes grey images"),
        (np.zeros((8, 9, 3), np.uint8), ValueError, r"\(8, 9, 3\): pass image\[None\]"),
        (np.zeros((1, 0, 8), np.uint8), ValueError, "at least 1x1"),
        (DIGIT[None].tolist(), TypeError, "got list"),
    ],
)
def test_what_are_no_images_is_not_analysed(tiny_zoo, images, error, says):
    with pytest.raises(error, match=says):
        codec.analyse(zoo.load("tiny-cw1"), images)


@pytest.mark.parametrize(
    ("change", "shape", "error", "says"),
    [
        ({}, (24, 16), ValueError, r"symbols: .* \(4, 3, 2\), got \(4, 2, 3\)"),
        ({}, (17, 24), ValueError, r"symbols: .* \(4, 3, 3\), got"),
        ({}, (16, 24, 3), ValueError, r"shape: .*\(H, W\), got \(16, 24, 3\)"),
        ({}, (0, 24), ValueError, "shape"),
        ({}, (16.0, 24), TypeError, "shape"),
        ({}, "16", TypeError, "shape"),
        ({"symbols": np.full((4, 2, 3), 64)}, (16, 24), ValueError, r"symbols lie in 0\.\.63"),
        ({"symbols": np.full((4, 2, 3), -1)}, (16, 24), ValueError, "symbols lie in"),
        ({"symbols": np.zeros((4, 2, 3))}, (16, 24), TypeError, "symbols: .*float64"),
        ({"symbols": np.full((4, 2, 3), 63), "levels": np.ones((2, 3), int)}, (16, 24), ValueError,
         "more bits than its map level keeps"),
        ({"levels": None}, (16, 24), ValueError, "levels: tiny-cw1 sends a map"),
        ({"levels": np.full((2, 3), 4)}, (16, 24), ValueError, r"levels lie in 0\.\.3"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("step", ["pack", "synthesise"])
def test_latents_that_do_not_fit_are_refused(tiny_zoo, step, change, shape, error, says):
    model = zoo.load("tiny-cw1")
    latents = replace(codec.analyse(model, DIGIT[None])[0], **change)
    with pytest.raises(error, match=says):
        if step == "pack":
            codec.pack(model, latents, shape)
        else:
            codec.synthesise(model, [latents], shape)


def test_latents_of_another_kind_are_refused(tiny_zoo):
    model = zoo.load("tiny-cw")
    (latents,) = codec.analyse(zoo.load("tiny-cw1"), DIGIT[None])
    with pytest.raises(ValueError, match="levels: tiny-cw sends no map"):
        codec.pack(model, latents, DIGIT.shape)
    with pytest.raises(TypeError, match="Latents, as analyse and unpack give them"):
        codec.pack(model, codec.photos.Latents(latents.symbols, latents.symbols), DIGIT.shape)
    with pytest.raises(TypeError, match=r"pass \[latents\]"):
        codec.synthesise(model, latents, DIGIT.shape)
    with pytest.raises(ValueError, match="take a model of photographs"):
        codec.latent_bits(model, replace(latents, levels=None))


def test_whole_numbers_of_any_width_are_latents(tiny_zoo):
    model = zoo.load("tiny-cw1")
    (latents,) = codec.analyse(model, DIGIT[None])
    wanted = codec.pack(model, latents, DIGIT.shape)
    for kind in (np.uint8, np.int16, np.uint64):
        other = replace(
            latents, symbols=latents.symbols.astype(kind), levels=latents.levels.astype(kind)
        )
        shape = tuple(np.uint8(side) for side in DIGIT.shape)
        assert codec.pack(model, other, shape) == wanted
        assert np.array_equal(
            codec.synthesise(model, [other], shape), codec.synthesise(model, [latents], shape)
        )


@pytest.mark.parametrize(
    ("wish", "error", "says"),
    [
        ({"importance": "0.5"}, TypeError, "importance: expected a number of 0..1, got str"),
        ({"importance": None}, TypeError, "importance"),
        ({"importance": np.ones(2)}, TypeError, "importance"),
    ],
)
def test_an_importance_is_a_number(tiny_zoo, wish, error, says):
    with pytest.raises(error, match=says):
        codec.compress(zoo.load("tiny-cw1"), DIGIT, **wish)


@pytest.mark.parametrize("max_pixels", ["1000", 1e6, [1]])
def test_a_limit_is_a_whole_number(tiny_zoo, max_pixels):
    blob = codec.compress(zoo.load("tiny-cw1"), DIGIT)
    with pytest.raises(TypeError, match="max_pixels: expected a whole number"):
        codec.decompress(blob, max_pixels)
    assert codec.decompress(blob, np.int32(16 * 24)).shape == DIGIT.shape


@pytest.mark.parametrize("blob", [None, "CW", 7, np.zeros(20)])
def test_what_is_not_bytes_is_a_type_error(tiny_zoo, blob):
    for step in (codec.decompress, codec.info, lambda b: codec.unpack(zoo.load("tiny-cw"), b)):
        with pytest.raises((TypeError, StreamError)):
            step(blob)


# --- what a caller does to nets and to libraries -------------------------------------------------


def set_to(setter, value, back):
    """A caller's choice that holds within a `with`."""

    @contextmanager
    def choose():
        setter(value)
        try:
            yield
        finally:
            setter(back)

    return choose


CHOICES = {
    "default type": set_to(torch.set_default_dtype, torch.float64, torch.float32),
    "half as default type": set_to(torch.set_default_dtype, torch.bfloat16, torch.float32),
    "default device": set_to(torch.set_default_device, "meta", None),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "no gradients": torch.no_grad,
    "inference mode": torch.inference_mode,
    "strict NumPy": lambda: np.errstate(all="raise"),
    "strict algorithms": set_to(torch.use_deterministic_algorithms, True, False),
    "anomaly mode": torch.autograd.detect_anomaly,
}


@pytest.fixture(scope="module")
def coded(tmp_path_factory, tiny_weights, tiny_photo_weights):
    """A folder of tiny nets of all families, and for each a picture, its stream and what comes."""
    folder = tmp_path_factory.mktemp("coded")
    for path in [*tiny_weights.iterdir(), *tiny_photo_weights.iterdir()]:
        (folder / path.name).write_bytes(path.read_bytes())
    own.save(folder)
    gained.save(folder)
    before, zoo.WEIGHTS = zoo.WEIGHTS, folder
    try:
        found = {}
        for name in ("tiny-cae", "tiny-cw", "tiny-cw1", "tiny-photo", "tiny-any", "tiny-own"):
            model, image, wish = zoo.load(name), strokes.page(70, 97), {}
            if model.net.codec != "digits":
                image = scenes.scene(70, 97)
            if model.net.codec == "photo":
                wish = {"effort": 2}
            blob = codec.compress(model, image, **wish)
            found[name] = image, wish, blob, codec.decompress(blob)
    finally:
        zoo.WEIGHTS = before
    return folder, found


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
@pytest.mark.parametrize("choice", CHOICES)
def test_global_settings_of_the_libraries_change_neither_streams_nor_pictures(
    coded, monkeypatch, choice
):
    folder, found = coded
    monkeypatch.setattr(zoo, "WEIGHTS", folder)
    for name, (image, wish, blob, picture) in found.items():
        model = zoo.load(name)
        with CHOICES[choice]():
            assert codec.compress(model, image, **wish) == blob
            assert np.array_equal(codec.decompress(blob), picture)
            assert codec.info(blob).model == name


def halve(net):
    net.half()


def train(net):
    net.train()
    for part in net.modules():
        part.register_forward_hook(lambda *_: None)


def zero(net):
    with torch.no_grad():
        for p in net.parameters():
            p.zero_()


@pytest.mark.parametrize("spoil", [train, halve, zero], ids=lambda f: f.__name__)
def test_what_a_caller_does_to_a_net_changes_no_decoding(coded, monkeypatch, spoil):
    folder, found = coded
    monkeypatch.setattr(zoo, "WEIGHTS", folder)
    for name, (image, wish, blob, picture) in found.items():
        spoil(zoo.load(name).net)
        spoil(zoo.by_id(blob[3:7]).net)
        assert np.array_equal(codec.decompress(blob), picture)
        assert codec.compress(zoo.load(name), image, **wish) == blob


@pytest.mark.parametrize("spoil", [train, halve], ids=lambda f: f.__name__)
def test_a_net_that_is_not_ready_is_refused_by_name(coded, spoil):
    folder, found = coded
    for name, (image, *_) in found.items():
        model = zoo.load(folder / f"{name}.safetensors")
        spoil(model.net)
        with pytest.raises(ValueError, match=rf"^{name}: its net is .*eval\(\)"):
            codec.compress(model, image)
        model.net.float().eval()
        codec.compress(model, image)


def explode(net):
    with torch.no_grad():
        for p in net.parameters():
            p.fill_(torch.nan)


def test_a_net_that_went_astray_is_named(coded):
    folder, found = coded
    for name, (image, *_) in found.items():
        model = zoo.load(folder / f"{name}.safetensors")
        explode(model.net)
        with pytest.raises(ValueError, match=f"^{name} makes no finite numbers of this image"):
            codec.compress(model, image)


def test_a_decoder_that_makes_no_numbers_is_a_stream_error_and_no_black_picture(coded):
    folder, found = coded
    for name, (image, *_) in found.items():
        model = zoo.load(folder / f"{name}.safetensors")
        blob = codec.compress(model, image)
        explode(model.net.g_s)
        with pytest.raises(codec.StreamError, match="some pixels are no numbers"):
            codec.decompress(blob, model=model)


# --- damage --------------------------------------------------------------------------------------


QUANTISED = [n for n in zoo.study_names() if zoo.load(n).experiment.model == "quantised"]


@pytest.mark.parametrize("name", QUANTISED)
@pytest.mark.parametrize("symbol", [3, 4, 63])
def test_symbols_outside_a_models_own_alphabet_are_refused(name, symbol):
    model = zoo.load(name)  # four values, where a table of a stream's own has room for 64
    code = huffman.Code.from_counts(np.eye(64, dtype=int)[symbol])
    sections = [code.to_bytes(), code.encode(np.full(4, symbol))]
    blob = stream.pack(model.model_id, 8, 8, 1, sections)
    if symbol < 4:
        assert codec.decompress(blob).shape == (8, 8)
    else:
        with pytest.raises(StreamError, match=f"a symbol is {symbol}: {name} has 4"):
            codec.decompress(blob)


def test_the_stream_that_named_a_symbol_outside_the_alphabet_is_refused():
    blob = bytes.fromhex("4357013bc34cd308080101f1f8fc7e30742c4fd4")  # of tiny-ste
    with pytest.raises(StreamError):
        codec.decompress(blob)


FUZZED = [
    (name, shape, importance)
    for name in TINY + SHIPPED
    for shape in ((1, 1), (17, 30), (40, 40))
    for importance in ((1.0, 0.3) if "cw" in name else (1.0,))
]


@pytest.fixture(scope="module")
def mixed_zoo(tiny_weights, tmp_path_factory):
    """The tiny networks and the shipped ones side by side, and sound streams of each."""
    folder, shipped = tmp_path_factory.mktemp("mixed"), zoo.WEIGHTS
    for weights in (tiny_weights, shipped):
        for path in weights.glob("*.*"):
            (folder / path.name).write_bytes(path.read_bytes())
    zoo.WEIGHTS = folder
    try:
        yield [codec.compress(zoo.load(n), strokes.page(*size), s) for n, size, s in FUZZED]
    finally:
        zoo.WEIGHTS = shipped


@given(st.data())
def test_damage_is_refused_where_the_checksum_was_not_repaired(mixed_zoo, data):
    blob, body = data.draw(damage.bodies(mixed_zoo))
    assume(body != blob[:-4])
    with pytest.raises(StreamError):
        codec.decompress(body + blob[-4:])


@settings(max_examples=1000)
@given(st.data())
def test_damage_under_a_right_checksum_is_refused_or_decodes_to_the_size_in_the_header(
    mixed_zoo, data
):
    blob = damage.sealed(data.draw(damage.bodies(mixed_zoo))[1])
    try:
        image = codec.decompress(blob, max_pixels=2**12)
    except StreamError as error:
        assert str(error) and "\n" not in str(error)
        event("refused")
    else:
        header = stream.read_header(blob)
        assert image.shape == (header.height, header.width) and image.dtype == np.uint8
        event("decoded")


def test_many_flipped_bits_pass_where_the_checksum_is_repaired(mixed_zoo):
    # Why there is a checksum; and the tests above would mean little if the coders saw nothing.
    model, blob = zoo.load("tiny-cw1"), codec.compress(zoo.load("tiny-cw1"), strokes.page(40, 40))
    passed = 0
    for bit in range(8 * 11, 8 * (len(blob) - 4)):
        body = bytearray(blob[:-4])
        body[bit // 8] ^= 1 << bit % 8
        with suppress(StreamError):
            codec.unpack(model, damage.sealed(body))
            passed += 1
    assert passed > 2 * (len(blob) - 15)  # two of the eight bits of each byte behind the header


def test_every_truncation_is_refused(tiny_zoo):
    blob = codec.compress(zoo.load("tiny-cw"), strokes.page(24, 24))
    for size in range(len(blob)):
        with pytest.raises(StreamError):
            codec.decompress(blob[:size])


@pytest.mark.parametrize(
    ("height", "width"),
    [(2**16, 2**16), (2**24 + 1, 1), (2**32 - 1, 2**32 - 1), (1, 2**24), (2**24, 1)],
)
def test_a_stream_that_claims_too_many_pixels_is_refused_before_any_work(
    tiny_zoo, monkeypatch, height, width
):
    monkeypatch.setattr(codec, "synthesise", None)  # would be a TypeError
    blob = stream.pack(zoo.load("tiny-cw1").model_id, height, width, 1, [b"\x12"])
    tracemalloc.start()
    try:
        with pytest.raises(StreamError, match="more than the limit of 2097152"):
            codec.decompress(blob)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_a_smaller_limit_is_on_the_pixels_of_the_image_not_on_its_margin(tiny_zoo):
    blob = codec.compress(zoo.load("tiny-cw1"), strokes.page(28, 28))  # 32 x 32 for the network
    assert codec.decompress(blob, max_pixels=28 * 28).shape == (28, 28)
    with pytest.raises(StreamError, match="28x28 pixels, more than the limit of 783"):
        codec.decompress(blob, max_pixels=28 * 28 - 1)


def test_a_strip_that_is_too_large_with_its_margin_is_not_compressed(tiny_zoo):
    strip = np.broadcast_to(np.uint8(0), (1, 2**22))
    with pytest.raises(ValueError, match="1x4194304 is over 16777216 pixels once both sides"):
        codec.compress(zoo.load("tiny-cae"), strip)


@pytest.mark.parametrize("extra", [1, 2, 5, 6, 50])
def test_zeros_behind_an_arithmetic_code_are_refused(tiny_zoo, extra):
    # The decoder reads zeros there anyway: one picture would have many streams.
    model = zoo.load("tiny-cw1")
    blob = codec.compress(model, strokes.page(24, 24))
    _, (section,) = stream.unpack(blob)
    with pytest.raises(StreamError, match="zero byte"):
        codec.decompress(stream.pack(model.model_id, 24, 24, 1, [section + bytes(extra)]))


@pytest.mark.parametrize("blob", [b"", b"C", b"CW\x01", b"\x89PNG\r\n\x1a\n" * 9, bytes(100)])
def test_what_is_no_stream_is_refused(blob):
    with pytest.raises(StreamError):
        codec.decompress(blob)


REGRESSIONS = Path(__file__).with_name("regressions")
ROW = re.compile(r"^\| `(.+?)` \| (.+?) \| (.+?) \|$", re.MULTILINE)
TABLE = {
    name: outcome
    for name, _, outcome in ROW.findall((REGRESSIONS / "README.md").read_text(encoding="utf-8"))
}


@pytest.mark.parametrize("name", TABLE)
def test_a_kept_stream_meets_what_its_table_says(monkeypatch, name):
    monkeypatch.setattr(zoo, "shared", standins.shared)
    try:
        found = "a picture of {}x{}".format(*codec.decompress(kept(name)).shape)
    except StreamError as error:
        found = str(error)
    assert found.startswith(TABLE[name])


def kept(name: str) -> bytes:
    return (REGRESSIONS / name).read_bytes()


def test_every_kept_stream_is_small_and_in_the_table():
    paths = list(REGRESSIONS.glob("*.cwc"))
    assert {path.name for path in paths} == set(TABLE)
    assert max(path.stat().st_size for path in paths) <= 128


@pytest.mark.parametrize("kind", standins.SHAPES)
def test_format_version_1_is_frozen(kind):
    blob, wanted = kept(f"sound-{kind}.cwc"), standins.latents(kind)
    assert standins.sound(kind) == blob
    found = codec.unpack(standins.models()[blob[3:7]], blob)
    assert np.array_equal(found.symbols, wanted.symbols)
    assert (found.levels is None) == (wanted.levels is None)
    if wanted.levels is not None:
        assert np.array_equal(found.levels, wanted.levels)


# --- other processes -----------------------------------------------------------------------------

CHILD = """
import hashlib, json, pathlib, sys
import torch
torch.set_num_threads(2)
from cwlib import codec, zoo
for path in sys.argv[2:]:
    zoo.WEIGHTS = pathlib.Path(sys.argv[1])
    blob = pathlib.Path(path).read_bytes()
    latents = codec.unpack(zoo.load(codec.info(blob).model), blob)
    parts = [latents.symbols] + ([] if latents.levels is None else [latents.levels])
    digest = hashlib.sha256(b"".join(a.tobytes() for a in parts)).hexdigest()
    print(json.dumps([str(latents.symbols.dtype), latents.symbols.shape, digest]))
"""


def decoded_elsewhere(weights: Path, paths: list[Path]) -> list:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(weights), *map(str, paths)],
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_another_process_with_other_threads_decodes_the_same_symbols(
    tiny_weights, tmp_path, monkeypatch
):
    # the tiny networks and the shipped ones side by side
    for weights in (tiny_weights, zoo.WEIGHTS):
        for path in weights.glob("*.*"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(zoo, "WEIGHTS", tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        names = [name for name in TINY + SHIPPED if "cae" not in name]
        wanted, paths = [], []
        for name in names:
            model = zoo.load(name)
            latents = codec.analyse(model, strokes.page(120, 130)[None])[0]
            paths.append(tmp_path / f"{name}.cwc")
            paths[-1].write_bytes(codec.pack(model, latents, (120, 130)))
            parts = [latents.symbols] + ([] if latents.levels is None else [latents.levels])
            digest = hashlib.sha256(b"".join(a.tobytes() for a in parts)).hexdigest()
            wanted.append(["int64", list(latents.symbols.shape), digest])
    finally:
        torch.set_num_threads(threads)
    assert decoded_elsewhere(tmp_path, paths) == wanted
