"""Foreign picture files: the exact pixels, or a sentence that says what would be lost."""

from __future__ import annotations

import re
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import scenes
from cwlib import data, imagefiles

FILES = Path(__file__).parent / "pictures"  # encoded by imagecodecs: Pillow makes none of these
GREY = scenes.scene(20, 30)[..., 0]
RGB = scenes.scene(20, 30)


def saved(picture: Image.Image | np.ndarray, format: str, **options) -> bytes:
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    buffer = BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def png(depth: int, colour: int, row: bytes) -> bytes:
    """2x1 pixels, written by hand: Pillow writes no RGB of 16 bits a sample."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", 2, 1, depth, colour, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", zlib.compress(b"\0" + row)),
            chunk(b"IEND", b""),
        ]
    )


def tiff(samples: np.ndarray, *, photometric: int = 1, **more: list[int]) -> bytes:
    """A TIFF of one strip, written by hand after the specification; more: other tags, as t254=[1].

    Every value is stored as a 16-bit number.
    """
    height, width, *planes = samples.shape
    n = planes[0] if planes else 1
    tags = {256: [width], 257: [height], 258: [8 * samples.itemsize] * n, 259: [1]}
    tags |= {262: [photometric], 273: [0], 277: [n], 278: [height], 279: [samples.nbytes]}
    tags |= {int(name[1:]): values for name, values in more.items()}
    room = 8 + 2 + 12 * len(tags) + 4  # before the values that do not fit into their entry
    entries, values = b"", b""
    tags[273] = [room + sum(2 * len(v) for v in tags.values() if len(v) > 2)]
    for tag, shorts in sorted(tags.items()):
        packed = struct.pack(f"<{len(shorts)}H", *shorts)
        where = packed.ljust(4, b"\0")
        if len(packed) > 4:
            where = struct.pack("<I", room + len(values))
            values += packed
        entries += struct.pack("<HHI", tag, 3, len(shorts)) + where
    head = b"II*\0" + struct.pack("<IH", 8, len(tags))
    return head + entries + bytes(4) + values + samples.tobytes()


def colours(unit: int) -> list[int]:
    """A TIFF's map of 256 greys, all reds before all greens: in 16 bits, units of 257 or 256."""
    return [unit * (k % 256) for k in range(768)]


def jpeg2000(depths: bytes) -> bytes:
    """A JPEG 2000 file whose header gives its three components these depths."""
    content = saved(RGB, "JPEG2000")
    start = content.index(b"\xff\x4f\xff\x51") + 4 + 38
    for k, depth in enumerate(depths):
        content = content[: start + 3 * k] + bytes([depth]) + content[start + 3 * k + 1 :]
    return content


def mpo(kind: int, *others: Image.Image) -> bytes:
    """A JPEG with other pictures behind it, whose index says that the first is of this kind."""
    first = Image.fromarray(RGB)
    content = saved(first, "MPO", save_all=True, append_images=others)
    at = content.rindex(struct.pack("<I", PRIMARY), 0, content.index(b"MPF\0") + 120)
    return content[:at] + struct.pack("<I", kind) + content[at + 4 :]


PREVIEW = Image.fromarray(RGB).resize((15, 10))
PRIMARY, STEREO = 0x30000, 0x20002  # types of the Multi-Picture Format, CIPA DC-007

# --- kept ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("pixels", [GREY, RGB], ids=["grey", "colour"])
@pytest.mark.parametrize(
    "format", ["PNG", "BMP", "DIB", "TIFF", "PPM", "JPEG2000", "SGI", "PCX", "TGA", "WEBP", "AVIF"]
)
def test_samples_of_8_bits_come_back_exactly(format, pixels):
    exact = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}
    content = saved(pixels, format, **exact.get(format, {}))
    rgba = imagefiles.decode(content, "in")
    wanted = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    assert rgba.dtype == np.uint8 and rgba.shape == (20, 30, 4)
    off = 3 if format == "AVIF" else 0  # it is exact in YCbCr only
    assert np.abs(rgba[..., :3].astype(int) - wanted).max() <= off
    assert (rgba[..., 3] == 255).all()


@pytest.mark.parametrize(
    ("content", "pixels"),
    [
        (png(4, 0, bytes([0x0F])), [0, 255]),
        (png(1, 0, bytes([0x40])), [0, 255]),
        (b"P5\n# by hand\n2 1 # wide, high\n255\n\x07\x08", [7, 8]),
        (b"P4\n2 1\n\x80", [0, 255]),
        (b"P1\n2 1\n1 0\n", [0, 255]),
        (b"P2\n2 1\n15\n0 15\n", [0, 255]),
        (tiff(np.uint8([[7, 8]])), [7, 8]),
        (tiff(np.uint8([[7, 8]]), photometric=0), [248, 247]),
        (tiff(np.uint8([[1, 2]]), photometric=3, t320=colours(257)), [1, 2]),
        (tiff(np.uint8([[1, 2]]), photometric=3, t320=colours(256)), [1, 2]),
    ],
    ids="4-bit 1-bit comments P4 P1 maxval-15 tiff white-is-zero map-257 map-256".split(),
)  # fmt: skip
def test_files_by_hand_are_read_as_their_specification_says(content, pixels):
    assert imagefiles.decode(content, "in")[0, :, 0].tolist() == pixels


@pytest.mark.parametrize("damage", [False, True])
def test_the_preview_that_a_camera_puts_behind_a_jpeg_is_left_out(damage):
    content = mpo(PRIMARY, PREVIEW)
    if damage:
        content = content[: content.rindex(b"\xff\xd8")]
    wanted = np.asarray(Image.open(BytesIO(saved(RGB, "JPEG"))))
    assert np.array_equal(imagefiles.decode(content, "in")[..., :3], wanted)


# --- refused -------------------------------------------------------------------------------------

GREY16 = GREY.astype(np.uint16) * 250


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(png(16, 2, bytes(range(12))), id="PNG RGB"),
        pytest.param(png(16, 0, bytes(range(4))), id="PNG grey"),
        pytest.param(png(16, 6, bytes(range(16))), id="PNG RGBA"),
        pytest.param(b"P6\n2 1\n65535\n" + bytes(12), id="PPM 16"),
        pytest.param(b"P6\n2 1\n1023\n" + bytes(12), id="PPM 10"),
        pytest.param(b"P3\n2 1\n65535\n1 2 3 4 5 6\n", id="PPM in words"),
        pytest.param(b"P5 2 1 0256 " + bytes(4), id="PGM 9"),
        pytest.param(b"Pf\n2 1\n-1.0\n" + bytes(8), id="PFM"),
        pytest.param(saved(GREY, "SGI", bpc=2), id="SGI grey"),
        pytest.param(saved(RGB, "SGI", bpc=2), id="SGI RGB"),
        pytest.param(tiff(np.int8([[-40, 5]]), t339=[2]), id="TIFF signed"),
        pytest.param(tiff(np.uint16([[1, 300]])), id="TIFF 16"),
        pytest.param(tiff(GREY16[..., None].repeat(3, 2), photometric=2), id="TIFF RGB 16"),
        pytest.param(tiff(np.float32([[0.5, 1]]), t339=[3]), id="TIFF float"),
        pytest.param(tiff(np.uint8([[0, 16, 1, 0, 0, 0]]), t256=[4], t258=[12]), id="TIFF 12"),
        pytest.param(tiff(GREY, photometric=3, t320=colours(255)), id="TIFF map of 16-bit colours"),
        pytest.param(saved(GREY16, "JPEG2000"), id="JPEG 2000 grey 16"),
        pytest.param(jpeg2000(b"\x0f\x0f\x0f"), id="JPEG 2000 RGB 16"),
        pytest.param(jpeg2000(b"\x07\x0b\x07"), id="JPEG 2000 RGB 12"),
        pytest.param(jpeg2000(b"\x87\x87\x87"), id="JPEG 2000 signed"),
        pytest.param((FILES / "16-bit.jp2").read_bytes(), id="JPEG 2000 RGB of a real encoder"),
        pytest.param((FILES / "10-bit.avif").read_bytes(), id="AVIF 10"),
    ],
)
def test_samples_of_other_kinds_are_refused(content):
    with pytest.raises(ValueError, match="^in has other samples than 8-bit unsigned ones"):
        imagefiles.decode(content, "in")


@pytest.mark.parametrize(
    "content", [png(16, 2, bytes(range(12))), tiff(np.int8([[-40, 5]]), t339=[2])]
)
def test_photographs_to_train_on_pass_the_same_check(tmp_path, content):
    (tmp_path / "deep.png").write_bytes(content)
    with pytest.raises(ValueError, match="deep.png has other samples than 8-bit unsigned ones"):
        data.photos(tmp_path)[0]


TURNED = Image.fromarray(RGB).rotate(180)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(saved(RGB, "GIF", save_all=True, append_images=[TURNED]), id="GIF"),
        pytest.param(saved(RGB, "PNG", save_all=True, append_images=[TURNED]), id="PNG"),
        pytest.param(saved(RGB, "WEBP", save_all=True, append_images=[TURNED]), id="WebP"),
        pytest.param(saved(RGB, "TIFF", save_all=True, append_images=[TURNED]), id="TIFF"),
        pytest.param(mpo(STEREO, PREVIEW), id="stereo"),
        pytest.param(mpo(PRIMARY, TURNED), id="two of one size"),
    ],
)
def test_several_pictures_in_a_file_are_refused(content):
    with pytest.raises(ValueError, match="^in holds 2 pictures"):
        imagefiles.decode(content, "in")


@pytest.mark.parametrize("between", [b"", b"\n"], ids=["at once", "after a line"])
@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_pages_one_after_another_as_programs_send_them_are_refused(mode, between):
    page = saved(TURNED.convert(mode), "PPM")
    with pytest.raises(ValueError, match="^in holds several pictures"):
        imagefiles.decode(page + between + page, "in")
    assert (imagefiles.decode(page, "in") == imagefiles.decode(page + b"\n\0", "in")).all()


def test_two_pngs_in_a_file_are_refused_and_other_words_behind_one_are_not():
    png = saved(RGB, "PNG")
    with pytest.raises(ValueError, match="^in holds several pictures"):
        imagefiles.decode(png + saved(TURNED, "PNG"), "in")
    assert (imagefiles.decode(png, "in") == imagefiles.decode(png + b"\n\0", "in")).all()


def test_the_preview_in_a_raw_photograph_is_not_the_photograph():
    with pytest.raises(ValueError, match="^in shows a preview of a raw photograph"):
        imagefiles.decode(tiff(GREY, t254=[1]), "in")


@pytest.mark.parametrize(
    "content",
    [saved(RGB, "ICO"), saved(RGB, "ICNS"), saved(RGB, "EPS"), saved(RGB, "DDS"), b"words"],
    ids=["ICO", "ICNS", "EPS", "DDS", "text"],
)
def test_formats_that_hold_several_pictures_or_do_not_tell_are_no_pictures_here(content):
    Image.init()
    with pytest.raises(ValueError, match="^in is not a readable picture: no whole file of PNG, "):
        imagefiles.decode(content, "in")


@pytest.mark.parametrize("mode", ["CMYK", "LAB", "YCbCr"])
def test_other_colours_than_rgb_are_refused(mode):
    with pytest.raises(ValueError, match=f"^in is a {mode} picture, not RGB"):
        imagefiles.decode(saved(Image.fromarray(RGB).convert(mode), "TIFF"), "in")


def test_a_fourth_channel_that_is_no_alpha_is_refused():
    content = tiff(np.dstack([RGB, GREY]), photometric=2, t338=[0])
    with pytest.raises(ValueError, match="^in has a channel that is neither colour nor"):
        imagefiles.decode(content, "in")


def test_too_little_memory_is_not_the_fault_of_the_picture(monkeypatch):
    def full(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(Image, "open", full)
    with pytest.raises(MemoryError):
        imagefiles.decode(saved(RGB, "PNG"), "in")


@pytest.mark.parametrize("most", [2019, 1000])
def test_a_picture_of_too_many_pixels_is_refused(monkeypatch, most):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)  # Pillow warns, above twice that it raises
    with pytest.raises(ValueError, match=re.escape("in has too many pixels: cut it")):
        imagefiles.decode(saved(np.zeros((20, 101), np.uint8), "PNG"), "in")
