"""Baselines: streams that other decoders read, honest sizes, and the bar that FINDINGS measured."""

from __future__ import annotations

import warnings
from io import BytesIO

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data as pictures

from cwlib import baselines, data, metrics

# HEVC and JPEG XL need optional packages
HERE = [name for name in baselines.CODECS if baselines.available(name)]
LOSSY = [name for name in HERE if baselines.CODECS[name].qualities]
LOSSLESS = [name for name in HERE if not baselines.CODECS[name].qualities]
COLOUR = np.ascontiguousarray(pictures.astronaut()[40:168, 130:290])  # 128 x 160 x 3
GREY = np.ascontiguousarray(pictures.camera()[100:228, 150:310])
IMAGES = pytest.mark.parametrize("image", [GREY, COLOUR], ids=["grey", "colour"])


def _middle(codec: str) -> float | None:
    qualities = baselines.CODECS[codec].qualities
    return qualities[len(qualities) // 2] if qualities else None


def _decoded(codec: str, stream: bytes, image: np.ndarray) -> np.ndarray:
    return baselines.decode(codec, stream, grey=image.ndim == 2)


# --- round trips ---------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", LOSSLESS)
@given(seed=st.integers(0, 999), height=st.integers(1, 20), width=st.integers(1, 20))
@settings(max_examples=20)
def test_lossless_codecs_return_every_pixel_of_any_size(codec, seed, height, width):
    for shape in ((height, width), (height, width, 3)):
        image = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
        assert np.array_equal(_decoded(codec, baselines.encode(codec, image), image), image)


@pytest.mark.parametrize("codec", LOSSY)
@pytest.mark.parametrize("side", [(1, 1), (3, 5), (17, 16), (2, 300)])
def test_lossy_codecs_keep_any_shape(codec, side):
    for shape in (side, (*side, 3)):
        image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        decoded = _decoded(codec, baselines.encode(codec, image, _middle(codec)), image)
        assert decoded.shape == shape and decoded.dtype == np.uint8


@IMAGES
@pytest.mark.parametrize("codec", LOSSY)
def test_more_quality_is_more_bytes_and_less_error(codec, image):
    qualities = baselines.CODECS[codec].qualities
    steps = [qualities[len(qualities) * tenth // 10] for tenth in range(1, 9)]
    streams = [baselines.encode(codec, image, quality) for quality in steps]
    sizes = [len(stream) for stream in streams]
    errors = [metrics.mse(image, _decoded(codec, stream, image)) for stream in streams]
    assert sizes == sorted(sizes) and len(set(sizes)) > 4
    assert errors == sorted(errors, reverse=True)


@IMAGES
def test_jpeg2000_gives_the_psnr_that_it_was_asked_for(image):
    for wanted in (25, 30, 40):
        stream = baselines.encode("jpeg2000", image, wanted)
        decoded = baselines.decode("jpeg2000", stream)
        assert metrics.psnr(image, decoded) == pytest.approx(wanted, abs=1.0)


# --- second opinions -----------------------------------------------------------------------------


# torchvision brings a libjpeg and a libpng of its own; a later release is to drop them.
@pytest.mark.skipif(not hasattr(torchvision.io, "decode_image"), reason="no torchvision decoder")
@pytest.mark.filterwarnings("ignore:The image decoding and encoding:DeprecationWarning")
@IMAGES
@pytest.mark.parametrize("codec", ["jpeg", "png"])
def test_torchvision_decodes_the_same_pixels(codec, image):
    stream = baselines.encode(codec, image, _middle(codec))
    raw = torch.from_numpy(np.frombuffer(stream, np.uint8).copy())
    theirs = torchvision.io.decode_image(raw).permute(1, 2, 0).numpy().astype(int)
    difference = np.abs(theirs - np.atleast_3d(baselines.decode(codec, stream)))
    assert difference.max() <= (0 if codec == "png" else 2)  # JPEG leaves the inverse DCT open


def test_jpeg_has_its_own_huffman_tables_and_no_metadata():
    stream = baselines.encode("jpeg", GREY, 20)
    plain = BytesIO()
    Image.fromarray(GREY).save(plain, "JPEG", quality=20)
    assert len(stream) < len(plain.getvalue()) - 100
    assert np.array_equal(baselines.decode("jpeg", stream), np.asarray(Image.open(plain)))
    assert stream.startswith(b"\xff\xd8\xff\xe0") and b"Exif" not in stream


@IMAGES
def test_jpeg2000_is_a_bare_codestream_of_the_irreversible_wavelet(image):
    stream = baselines.encode("jpeg2000", image, 30)
    segments, at = {}, 2
    while stream[at + 1] != 0x90:  # main header segments, up to the first tile part
        length = int.from_bytes(stream[at + 2 : at + 4], "big")
        segments[stream[at + 1]] = stream[at + 4 : at + 2 + length]
        at += 2 + length
    assert stream[:4] == b"\xff\x4f\xff\x51"  # SOC, SIZ: no file-format boxes in front
    cod = segments[0x52]
    assert cod[9] == 0  # transformation: 0 is the 9-7 irreversible wavelet
    assert cod[4] == (image.ndim == 3)  # multiple component transform
    assert cod[5] == 3  # decomposition levels at 128 pixels
    assert segments[0x64] == b"\0\x01 "  # the comment is one blank


NEEDS_JPEG_XL = pytest.mark.skipif("jxl" not in HERE, reason="needs pillow-jxl-plugin")


@NEEDS_JPEG_XL
def test_jpeg_xl_is_a_bare_codestream_of_the_size_of_the_picture_in_xyb():
    stream = baselines.encode("jxl", COLOUR, 50)
    assert stream[:2] == b"\xff\x0a"  # a container would begin with a box of 12 bytes
    bits = (stream[2 + k // 8] >> k % 8 & 1 for k in range(99))

    def number(n: int) -> int:
        return sum(next(bits) << k for k in range(n))

    # ISO/IEC 18181-1, SizeHeader: both sides are below 256 and eights of pixels; 5:4 is ratio 6
    assert (number(1), 8 * (number(5) + 1), number(3)) == (1, 128, 6)
    assert number(1) == 1  # ImageMetadata: all defaults, so sRGB of 8 bits, coded as XYB


@NEEDS_JPEG_XL
def test_jpeg_xl_leaves_out_what_takes_more_bytes_than_a_better_setting():
    image = np.ascontiguousarray(pictures.astronaut()[:256, :384])
    shrunk, whole = (baselines.encode("jxl", image, q) for q in (18, 18.5))
    error = [metrics.mse(image, baselines.decode("jxl", s)) for s in (shrunk, whole)]
    assert len(shrunk) > len(whole) and error[0] > error[1]
    qualities = baselines.CODECS["jxl"].qualities
    assert 18 not in qualities and {12, 18.5} < set(qualities)
    assert list(qualities) == sorted(set(qualities))


@pytest.mark.parametrize(
    ("side", "levels"), [(1, 1), (15, 1), (16, 1), (32, 2), (128, 4), (512, 6), (4000, 6)]
)
def test_jpeg2000_resolutions_follow_the_smaller_side(side, levels):
    assert baselines._resolutions((side, 5000, 3)) == levels


@pytest.mark.parametrize("codec", ["webp", "webp-lossless"])
def test_webp_of_grey_is_stored_as_rgb_and_comes_back_grey(codec):
    stream = baselines.encode(codec, GREY, _middle(codec))
    assert baselines.decode(codec, stream).shape == (*GREY.shape, 3)
    assert baselines.decode(codec, stream, grey=True).shape == GREY.shape


# --- at a wanted rate ----------------------------------------------------------------------------


@IMAGES
@pytest.mark.parametrize("codec", LOSSY)
@pytest.mark.parametrize("wanted", [0.5, 1.3])
def test_at_rate_never_exceeds_and_comes_close(codec, image, wanted):
    stream, quality = baselines.at_rate(codec, image, wanted)
    found = metrics.bpp(len(stream), image.shape)
    assert 0.9 * wanted < found <= wanted
    assert stream == baselines.encode(codec, image, quality)


@pytest.mark.parametrize("codec", ["jpeg", "webp"])
def test_at_rate_finds_what_trying_everything_finds(codec):
    image = GREY[:64, :64]
    sizes = {q: len(baselines.encode(codec, image, q)) for q in baselines.CODECS[codec].qualities}
    for wanted in (1.0, 2.0):
        best = max(q for q, size in sizes.items() if 8 * size / image.size <= wanted)
        assert best - 2 <= baselines.at_rate(codec, image, wanted)[1] <= best


@pytest.mark.parametrize("codec", LOSSY)
def test_at_rate_gives_the_top_quality_when_everything_fits(codec):
    stream, quality = baselines.at_rate(codec, GREY, 99)
    assert quality == baselines.CODECS[codec].qualities[-1]
    assert stream == baselines.encode(codec, GREY, quality)


@pytest.mark.parametrize("codec", HERE)
def test_at_rate_says_what_the_codec_needs_at_least(codec):
    with pytest.raises(ValueError, match=rf"{codec} needs at least \d\.\d+ bpp here, more than"):
        baselines.at_rate(codec, GREY, 0.001)


def test_at_rate_of_a_lossless_codec_has_no_quality():
    stream, quality = baselines.at_rate("png", GREY, 8)
    assert quality is None and np.array_equal(baselines.decode("png", stream), GREY)


# --- errors --------------------------------------------------------------------------------------


def test_an_unknown_codec_lists_the_codecs():
    says = "unknown codec 'bpg': there are jpeg, jpeg2000, webp, avif, hevc, "
    with pytest.raises(ValueError, match=says):
        baselines.encode("bpg", GREY, 50)
    with pytest.raises(ValueError, match=says):
        baselines.decode("bpg", b"")
    with pytest.raises(ValueError, match=says):
        baselines.at_rate("bpg", GREY, 1)


@pytest.mark.parametrize(
    ("codec", "quality", "says"),
    [
        ("jpeg", None, "jpeg takes a quality from 1 to 100, got None"),
        ("jpeg", 0, "from 1 to 100, got 0"),  # Pillow would take 0 for its default of 75
        ("webp", 101, "from 0 to 100, got 101"),
        ("jpeg2000", 5, "from 10 to 60, got 5"),
        ("png", 9, "png is lossless: it takes no quality, got 9"),
    ],
)
def test_a_quality_out_of_range_is_named(codec, quality, says):
    with pytest.raises(ValueError, match=says):
        baselines.encode(codec, GREY, quality)


@pytest.mark.parametrize(
    "image", [GREY / 255, np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4), np.uint8), GREY[0]]
)
def test_another_kind_of_image_is_named(image):
    with pytest.raises(ValueError, match=r"expected a uint8 array \(H, W\) or \(H, W, 3\)"):
        baselines.encode("png", image)


@pytest.mark.parametrize("codec", HERE)
def test_a_stream_of_another_codec_or_none_is_refused(codec):
    foreign = baselines.encode("webp", GREY, 9) if codec == "png" else baselines.encode("png", GREY)
    for stream in (b"", b"hello", foreign):
        with pytest.raises(ValueError, match=f"not a whole {codec} stream"):
            baselines.decode(codec, stream)


@pytest.mark.parametrize("codec", HERE)
def test_a_damaged_stream_gives_pixels_or_value_error(codec):
    image = GREY[:32, :32]
    stream = bytearray(baselines.encode(codec, image, _middle(codec)))
    random = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(stream[: random.integers(1, len(stream) + 1)])
        damaged[random.integers(len(damaged))] ^= 1 << random.integers(8)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow warns of odd headers before it gives up
                baselines.decode(codec, bytes(damaged))
        except ValueError as error:
            assert str(error).startswith(f"not a whole {codec} stream")


# --- the bar on MNIST ----------------------------------------------------------------------------


def _mean(codec: str, digits: np.ndarray, quality: float) -> tuple[float, float]:
    """Mean bpp and PSNR over 128x128 digits."""
    points = []
    for digit in digits:
        stream = baselines.encode(codec, digit, quality)
        decoded = baselines.decode(codec, stream, grey=True)
        points.append((metrics.bpp(len(stream), digit.shape), metrics.psnr(digit, decoded)))
    return tuple(np.mean(points, axis=0))


def test_lossless_bar_on_mnist(mnist_test):
    digits = mnist_test[0][:200]
    # 28x28 originals, charged to the 128x128 pixels that the networks code
    rate = {
        c: np.mean([8 * len(baselines.encode(c, d)) / 128**2 for d in digits]) for c in LOSSLESS
    }
    assert rate["png"] == pytest.approx(0.130, abs=0.002)
    assert rate["webp-lossless"] == pytest.approx(0.097, abs=0.002)
    # 1,648,877 bytes as published, for 10,000 digits
    assert baselines.gzip_bpp() == pytest.approx(8 * 1_648_877 / (10_000 * 128 * 128), rel=1e-12)


@pytest.mark.parametrize(
    ("codec", "quality", "bpp", "psnr"),
    [
        ("jpeg", 5, 0.195, 28.6),  # 0.324 bpp with libjpeg's standard Huffman tables
        ("webp", 5, 0.137, 34.5),
        ("jpeg2000", 35, 0.147, 35.0),
    ],
)
def test_lossy_bar_on_mnist(codec, quality, bpp, psnr, mnist_test):
    digits = data.resize_digits(mnist_test[0][:200])
    found = _mean(codec, digits, quality)
    assert found[0] == pytest.approx(bpp, abs=0.003) and found[1] == pytest.approx(psnr, abs=0.15)


def test_a_codec_that_is_not_installed_names_its_package(monkeypatch):
    gone = baselines.Codec("HEIF", (0, 1), plugin="no_such_plugin", package="pillow-none")
    monkeypatch.setattr(baselines, "CODECS", {"hevc": gone})
    assert not baselines.available("hevc")
    with pytest.raises(baselines.CodecMissing, match="needs the package pillow-none: pip install"):
        baselines.encode("hevc", GREY, 0)


def test_a_pillow_without_the_format_says_so(monkeypatch):
    monkeypatch.setattr(baselines, "CODECS", {"avif": baselines.Codec("AVIX", (0, 1))})
    with pytest.raises(baselines.CodecMissing, match="built without AVIX"):
        baselines.encode("avif", GREY, 0)
