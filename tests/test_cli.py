"""The command: what it does, and what it says, in one line, when it cannot."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import struct
import subprocess
import sys
import termios
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import scenes
import strokes
import tiny
from cwlib import baselines, cli, codec, data, evaluate, experiments, training, zoo
from cwlib.cli import parser, pictures
from cwlib.coding import stream

COMMANDS = ["compress", "decompress", "info", "train", "eval", "data", "models"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("weights")
    tiny.save_all(where)
    tiny.save_photo_nets(where)
    return where


@pytest.fixture(autouse=True)
def tiny_zoo(folder, monkeypatch, tmp_path):
    """Commands run in an empty folder and know tiny networks of both papers."""
    monkeypatch.setattr(zoo, "WEIGHTS", folder)
    for name, experiment in (tiny.EXPERIMENTS | tiny.PHOTO_EXPERIMENTS).items():
        monkeypatch.setitem(experiments.EXPERIMENTS, name, experiment)
    monkeypatch.setattr(pictures, "DIGIT_MODEL", "tiny-cw1")
    monkeypatch.setattr(pictures, "PHOTO_MODEL", "tiny-photo")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "digit.png"
    Image.fromarray(strokes.page(40, 33)).save(path)
    return path


def compress(picture: Path, out: str = "d.cwc", model: str = "tiny-cw1", *more: str) -> int:
    return cli.main(["compress", str(picture), out, "--model", model, *more])


# --- the way there and back ----------------------------------------------------------------------


@pytest.mark.parametrize("model", sorted(tiny.EXPERIMENTS))
def test_a_picture_is_compressed_described_and_brought_back(picture, capsys, model):
    assert compress(picture, model=model) == 0
    blob = Path("d.cwc").read_bytes()
    out = capsys.readouterr().out
    assert f"40x33 grey -> {len(blob)} bytes, {8 * len(blob) / (40 * 33):.4f} bpp" in out

    assert cli.main(["info", "d.cwc"]) == 0
    out = capsys.readouterr().out
    identity = zoo.load(model).model_id.hex()
    assert f"{model} ({identity}: a name, not a signature)\n" in out
    assert "40x33, grey" in out and f"{len(blob)} bytes" in out

    assert cli.main(["decompress", "d.cwc", "back.png"]) == 0
    found = np.asarray(Image.open("back.png"))
    assert np.array_equal(found, codec.decompress(blob))
    assert sorted(p.name for p in Path.cwd().iterdir()) == ["back.png", "d.cwc", "digit.png"]


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff", ".pgm", ".PNG"])
def test_every_lossless_format_gives_the_same_pixels(picture, suffix):
    compress(picture)
    assert cli.main(["decompress", "d.cwc", f"back{suffix}"]) == 0
    found = np.asarray(Image.open(f"back{suffix}"))
    assert np.array_equal(found, codec.decompress(Path("d.cwc").read_bytes()))


def test_importance_reaches_the_model(picture):
    compress(picture, "all.cwc")
    compress(picture, "none.cwc", "tiny-cw1", "--importance", "0")
    assert Path("none.cwc").stat().st_size < Path("all.cwc").stat().st_size


@pytest.mark.parametrize("mode", ["L", "1", "RGB", "P", "LA", "RGBA"])
def test_a_grey_picture_in_any_mode_is_the_same_picture(mode):
    grey = np.where(strokes.page(20, 20) > 100, 255, 0).astype(np.uint8)
    Image.fromarray(grey).convert(mode).save("in.png")
    assert compress(Path("in.png")) == 0
    assert Path("d.cwc").read_bytes() == codec.compress(zoo.load("tiny-cw1"), grey)


def test_a_photo_is_taken_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to show it
    Image.fromarray(strokes.page(20, 30)).save("in.png", exif=exif)
    assert compress(Path("in.png")) == 0
    assert codec.decompress(Path("d.cwc").read_bytes()).shape == (30, 20)


def test_models_lists_models_experiments_and_codecs(capsys):
    assert cli.main(["models"]) == 0
    out = capsys.readouterr().out
    for name in (*tiny.EXPERIMENTS, *tiny.PHOTO_EXPERIMENTS, "mnist-cw1-l0.03"):
        assert name in out
    assert "jpeg2000" in out.split("--data kodak): ")[1]
    assert "small-mstar-low" not in out
    assert out.endswith("small nets of the book's studies: none\n")  # the folder of this test


# --- photographs ---------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm"])
def test_a_colour_photograph_is_compressed_described_and_brought_back(capsys, suffix):
    photo = scenes.scene(50, 71)
    Image.fromarray(photo).save("photo.png")
    assert cli.main(["compress", "photo.png", "p.cwc"]) == 0
    blob = Path("p.cwc").read_bytes()
    assert blob == codec.compress(zoo.load("tiny-photo"), photo)
    out = capsys.readouterr().out
    assert out.startswith(f"50x71 RGB -> {len(blob)} bytes, {8 * len(blob) / (50 * 71):.4f} bpp")

    assert cli.main(["info", "p.cwc"]) == 0
    out = capsys.readouterr().out
    assert "tiny-photo" in out and "50x71, RGB" in out

    assert cli.main(["decompress", "p.cwc", f"back{suffix}"]) == 0
    assert "50x71 RGB" in capsys.readouterr().out
    back = Image.open(f"back{suffix}")
    assert back.mode == "RGB" and np.array_equal(np.asarray(back), codec.decompress(blob))


@pytest.mark.parametrize(
    ("image", "model"),
    [
        (strokes.page(128, 128), "tiny-cw1"),
        (strokes.page(1, 1), "tiny-cw1"),
        (strokes.page(128, 129), "tiny-photo"),
        (strokes.page(300, 20), "tiny-photo"),
        (scenes.scene(20, 20), "tiny-photo"),
        (scenes.scene(200, 20), "tiny-photo"),
    ],
    ids=lambda v: v if isinstance(v, str) else "x".join(map(str, v.shape)),
)
def test_the_model_suits_the_picture_unless_one_is_named(image, model, capsys):
    Image.fromarray(image).save("in.png")
    assert cli.main(["compress", "in.png", "o.cwc"]) == 0
    assert f"({model})" in capsys.readouterr().out
    assert codec.decompress(Path("o.cwc").read_bytes()).shape == image.shape
    assert cli.main(["compress", "in.png", "o.cwc", "--model", "tiny-photo-wide"]) == 0
    assert "(tiny-photo-wide)" in capsys.readouterr().out


def test_the_help_names_the_models_that_are_taken(capsys):
    with pytest.raises(SystemExit):
        cli.main(["compress", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "tiny-cw1 for grey pictures of at most 128x128, tiny-photo for all others and for "
        "--quality, --bpp, --effort and --roi"
    ) in said


def test_the_default_models_are_shipped():
    shipped = Path(zoo.__file__).parent / "weights"
    source = Path(pictures.__file__).read_text(encoding="utf-8")
    for name in ("mnist-cw1", "photo"):
        assert f'"{name}"' in source and (shipped / f"{name}.safetensors").exists()


def test_a_colour_photograph_is_taken_upright():
    photo, exif = scenes.scene(20, 31), Image.Exif()
    for orientation, upright in (
        (3, photo[::-1, ::-1]),
        (6, photo.transpose(1, 0, 2)[:, ::-1]),
        (8, photo.transpose(1, 0, 2)[::-1]),
    ):
        exif[0x0112] = orientation
        Image.fromarray(photo).save("in.png", exif=exif)
        assert cli.main(["compress", "in.png", "o.cwc"]) == 0
        wanted = codec.compress(zoo.load("tiny-photo"), np.ascontiguousarray(upright))
        assert Path("o.cwc").read_bytes() == wanted


def faithful() -> dict[str, Image.Image]:
    """Pictures in modes that RGB holds exactly."""
    few = (scenes.scene(20, 30) // 128 * 100).astype(np.uint8)  # at most 8 colours
    photo = Image.fromarray(few)
    opaque = photo.copy()
    opaque.putalpha(255)
    return {"RGB": photo, "P": photo.quantize(8, dither=Image.Dither.NONE), "RGBA": opaque}


@pytest.mark.parametrize("mode", ["RGB", "P", "RGBA"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_colour_picture_in_any_faithful_mode_is_the_same_picture(mode, suffix):
    picture = faithful()[mode]
    assert picture.mode == mode
    picture.save(f"in{suffix}")
    assert cli.main(["compress", f"in{suffix}", "o.cwc"]) == 0
    wanted = np.asarray(picture.convert("RGB"))
    assert Path("o.cwc").read_bytes() == codec.compress(zoo.load("tiny-photo"), wanted)


def test_a_jpeg_is_taken_as_it_decodes_and_the_preview_of_a_camera_is_left_out():
    photo = Image.fromarray(scenes.scene(40, 50))
    photo.save("one.jpg", quality=90)
    photo.save("two.jpg", "MPO", quality=90, save_all=True, append_images=[photo.resize((9, 9))])
    assert Image.open("two.jpg").n_frames == 2
    for name in ("one.jpg", "two.jpg"):
        assert cli.main(["compress", name, "o.cwc"]) == 0
        wanted = codec.compress(zoo.load("tiny-photo"), np.asarray(Image.open(name).convert("RGB")))
        assert Path("o.cwc").read_bytes() == wanted


def test_a_bitmap_of_16_bits_a_pixel_is_no_picture_of_16_bits_a_sample():
    # 5 bits each for red, green and blue: less than 8, and Pillow's name for it has a 16 in it too
    header = b"BM" + (54 + 8).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little")
    header += (40).to_bytes(4, "little") + (2).to_bytes(4, "little") * 2
    header += (1).to_bytes(2, "little") + (16).to_bytes(2, "little") + bytes(24)
    Path("in.bmp").write_bytes(header + bytes([0, 124, 31, 0, 224, 3, 0, 0]))
    assert cli.main(["compress", "in.bmp", "o.cwc"]) == 0
    assert codec.info(Path("o.cwc").read_bytes()).channels == 3


def sixteen_bit_rgb_png() -> bytes:
    """2x1 pixels, 16 bits a sample: Pillow has no way to write one."""

    def chunk(name: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(name + body).to_bytes(4, "big")
        return len(body).to_bytes(4, "big") + name + body + crc

    header = (2).to_bytes(4, "big") + (1).to_bytes(4, "big") + bytes([16, 2, 0, 0, 0])
    row = bytes([0]) + bytes(range(12))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(row))
        + chunk(b"IEND", b"")
    )


def test_what_rgb_cannot_hold_is_refused_in_one_sentence(complaint):
    photo = Image.fromarray(scenes.scene(8, 8))
    clear = photo.copy()
    clear.putalpha(200)
    photo.convert("CMYK").save("cmyk.jpg")
    photo.convert("LAB").save("lab.tif")
    clear.save("clear.png")
    photo.quantize(8).save("key.png", transparency=0)
    photo.save("moving.gif", save_all=True, append_images=[photo.rotate(90)])
    photo.save("moving.png", save_all=True, append_images=[photo.rotate(90)])
    photo.save("moving.webp", save_all=True, append_images=[photo.rotate(90)])
    photo.save("pages.tif", save_all=True, append_images=[photo.rotate(90)])
    Path("deep.png").write_bytes(sixteen_bit_rgb_png())
    Image.fromarray(np.full((8, 8), 300, np.uint16)).save("deep-grey.png")
    Image.fromarray(np.full((8, 8), 0.5, np.float32)).save("float.tif")
    for name, says in {
        "cmyk.jpg": "is a CMYK picture, not RGB: convert it to RGB first",
        "lab.tif": "is a LAB picture",
        "clear.png": "has transparent pixels: put it on a background first",
        "key.png": "has transparent pixels",
        "moving.gif": "holds 2 pictures",
        "moving.png": "holds 2 pictures",
        "moving.webp": "holds 2 pictures",
        "pages.tif": "holds 2 pictures",
        "deep.png": "has other samples than 8-bit unsigned ones: convert it to 8 bits first",
        "deep-grey.png": "has other samples",
        "float.tif": "has other samples",
    }.items():
        assert complaint("compress", name, "o.cwc").startswith(f"{name} {says}"), name
    assert not Path("o.cwc").exists()


def test_a_photograph_that_is_empty_cut_or_no_picture_is_refused(complaint):
    Image.fromarray(scenes.scene(60, 60)).save("whole.jpg", quality=95)
    whole = Path("whole.jpg").read_bytes()
    for content, says in (
        (b"", "is empty"),
        (whole[:900], "is not a readable"),
        (b"words", "is not"),
    ):
        Path("bad.jpg").write_bytes(content)
        assert complaint("compress", "bad.jpg", "o.cwc").startswith(f"bad.jpg {says}")


def test_a_picture_that_is_too_large_is_refused(complaint):
    Image.new("1", (5000, 4000)).save("large.png")
    said = complaint("compress", "large.png", "o.cwc", "--model", "tiny-cw1")
    assert "4000x5000 is over 16777216 pixels" in said
    Image.new("1", (9000, 8000)).save("larger.png")
    said = complaint("compress", "larger.png", "o.cwc")
    assert "8000x9000 is over 67108864 pixels" in said and "make it smaller" in said
    for size in ((10000, 9000), (20000, 10000)):
        Image.new("1", size).save("bomb.png")
        said = complaint("compress", "bomb.png", "o.cwc")
        assert said == "bomb.png has too many pixels: cut it or make it smaller"


def test_a_format_for_the_other_kind_of_picture_is_refused(complaint, picture, capsys):
    Image.fromarray(scenes.scene(8, 8)).save("photo.png")
    cli.main(["compress", "photo.png", "colour.cwc"])
    cli.main(["compress", str(picture), "grey.cwc"])
    capsys.readouterr()
    assert ".ppm for colour" in complaint("decompress", "colour.cwc", "o.pgm")
    assert ".pgm is for grey" in complaint("decompress", "grey.cwc", "o.ppm")
    assert not Path("o.pgm").exists() and not Path("o.ppm").exists()


# --- help ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_has_an_example(command, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main([command, "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert f"example: cwlib {command}" in out


def test_the_examples_of_the_help_are_commands_that_exist(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    lines = [line.split("  ")[1] for line in capsys.readouterr().out.splitlines() if "  " in line]
    examples = [line.split() for line in lines if line.startswith("cwlib ")]
    assert len(examples) >= 5
    for words in examples:
        parser.build().parse_args(words[1:])  # raises where a word does not fit


def test_the_command_starts_without_the_libraries_that_take_seconds():
    code = "import sys; from cwlib.cli import parser; parser.build(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    assert done.stdout == "False\n"


def test_python_dash_m_is_the_same_command():
    done = subprocess.run(
        [sys.executable, "-m", "cwlib", "frobnicate"], capture_output=True, encoding="utf-8"
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "frobnicate" in done.stderr


# --- pictures and streams that cannot be read ----------------------------------------------------


def test_a_missing_file_is_named(complaint):
    assert "nothere.png" in complaint("compress", "nothere.png", "o", "--model", "tiny-cw")
    assert "nothere.cwc" in complaint("decompress", "nothere.cwc", "o.png")
    assert "nothere.cwc" in complaint("info", "nothere.cwc")


def test_a_folder_is_not_a_file(complaint, tmp_path):
    for words in (["compress", tmp_path, "o", "--model", "tiny-cw"], ["info", tmp_path]):
        assert "is a folder" in complaint(*words)
    assert "is a folder" in complaint("decompress", tmp_path, "o.png")


def unreadable() -> dict[str, bytes]:
    Image.fromarray(strokes.page(60, 60)).save("whole.png")
    Image.fromarray(strokes.page(60, 60)).save("whole.jpg")
    png, jpg = Path("whole.png").read_bytes(), Path("whole.jpg").read_bytes()
    return {
        "text": b"these are words\nin two lines\n",
        "cut png": png[: len(png) // 2],
        "png header": png[:20],
        "cut jpg": jpg[: len(jpg) // 2],
        "bad png": png[:60] + bytes(20) + png[80:],
        "gif magic": b"GIF89a",
        "tiff magic": b"II*\0" + bytes(8),
    }


def test_what_is_not_a_whole_picture_is_refused(complaint):
    for name, content in unreadable().items():
        Path("bad.png").write_bytes(content)
        said = complaint("compress", "bad.png", "o.cwc", "--model", "tiny-cw")
        assert "bad.png is not a readable picture" in said, name
    assert not Path("o.cwc").exists()


def test_a_png_cut_anywhere_is_refused_or_read(capsys):
    Image.fromarray(strokes.page(16, 16)).save("whole.png")
    png = Path("whole.png").read_bytes()
    for size in range(len(png)):
        Path("cut.png").write_bytes(png[:size])
        status = compress(Path("cut.png"))
        assert status in (0, 2)
        assert capsys.readouterr().err.count("\n") == status // 2


def test_an_empty_file_is_said_to_be_empty(complaint):
    Path("empty.png").touch()
    assert "is empty" in complaint("compress", "empty.png", "o", "--model", "tiny-cw")
    Path("empty.cwc").touch()
    assert "empty" in complaint("decompress", "empty.cwc", "o.png")
    assert "empty" in complaint("info", "empty.cwc")


def test_colour_transparency_and_16_bits_are_refused_by_models_of_digits(complaint):
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (8, 8, 3), np.uint8)
    clear = np.dstack([np.full((8, 8, 3), 9, np.uint8), rgb[..., 0]])
    pictures = {
        "convert it to grey, or take a model of photographs": Image.fromarray(rgb),
        "convert it to grey": Image.fromarray(rgb).quantize(8),
        "CMYK": Image.fromarray(rgb).convert("CMYK"),
        "transparent": Image.fromarray(clear),
        "transparent pixels": Image.fromarray(clear).convert("LA"),
        "8-bit unsigned": Image.fromarray(np.full((8, 8), 300, np.uint16)),
        "8-bit unsigned ": Image.fromarray(np.full((8, 8), 0.5, np.float32)),
    }
    for says, picture in pictures.items():
        picture.save("in.tif")
        assert says.strip() in complaint("compress", "in.tif", "o", "--model", "tiny-cw")


def test_a_damaged_stream_is_refused(complaint, picture, capsys):
    compress(picture)
    capsys.readouterr()
    blob = Path("d.cwc").read_bytes()
    Path("bad.cwc").write_bytes(blob[:-1] + bytes([blob[-1] ^ 1]))
    assert "damaged" in complaint("decompress", "bad.cwc", "o.png")
    assert "damaged" in complaint("info", "bad.cwc")
    Path("bad.cwc").write_bytes(picture.read_bytes())
    assert "not a cwlib stream" in complaint("decompress", "bad.cwc", "o.png")
    assert not Path("o.png").exists()


def test_a_stream_of_an_unknown_model_says_which_models_there_are(complaint):
    Path("f.cwc").write_bytes(stream.pack(b"\xde\xad\xbe\xef", 8, 8, 1, [b""]))
    said = complaint("decompress", "f.cwc", "o.png")
    assert "deadbeef" in said and "tiny-cw1" in said


# --- words that do not fit -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "missing: COMMAND (see cwlib --help)"),
        ("frobnicate", "invalid choice: 'frobnicate'"),
        ("compress", "missing: IN, OUT (see cwlib compress --help)"),
        ("compress digit.png o --model nope", "unknown model 'nope': there are tiny-cae"),
        ("compress digit.png o --model no.safetensors", "no weights at no.safetensors"),
        ("compress digit.png o --model tiny-cw --importance 2", "importance must lie in 0..1"),
        ("compress digit.png o --model tiny-cw --importance nan", "importance must lie in 0..1"),
        ("compress digit.png o --model tiny-cw --importance much", "invalid float value"),
        ("compress digit.png o --model tiny-cae --importance 0.5", "no importance map"),
        ("decompress digit.png o.jpg", "lossless picture"),
        ("decompress digit.png o", "lossless picture"),
        ("train nope", "unknown experiment 'nope'"),
        ("train mnist-cw --steps 0", "--steps must be above zero"),
        ("train mnist-cw --steps -3", "--steps must be above zero"),
        ("train mnist-cw --minutes 0", "--minutes must be above zero"),
        ("train mnist-cw --minutes nan", "--minutes must be above zero"),
        ("train mnist-cw --minutes 1 --steps 1", "not allowed with"),
        ("train mnist-cw --steps 1 --width 0", "width must be a whole number of 2 to 4096"),
        ("train mnist-cw --steps 1 --seed -1", "seed must be a whole number of 0 to"),
        ("train mnist-cw --steps 1 --device abacus", "abacus"),
        ("train mnist-cw --steps 1 --resume", "nothing to resume"),
        ("train mnist-cw1-l0.03 --steps 1", "mnist-cw1, which is not trained yet"),
        ("eval nope", "unknown model or measurement 'nope'"),
        (
            "eval tiny-cw --data kodak",
            "measurement 'tiny-cw'; for this one say --data mnist: there are",
        ),
        ("eval tiny-photo", "measurement 'tiny-photo'; for this one say --data kodak: there are"),
        ("eval tiny-photo --data nowhere", "nowhere: no such folder"),
        ("eval tiny-photo --data empty", "empty: no pictures in this folder"),
        ("train tiny-photo --steps 1 --photos nowhere", "nowhere: no such folder"),
        ("train tiny-photo --steps 1 --photos empty", "empty: no pictures in this folder"),
        ("eval tiny-cw --limit 0", "above zero"),
        ("data nope", "unknown data set 'nope'"),
        ("models extra", "unrecognized arguments: extra"),
    ],
)
def test_words_that_do_not_fit_are_refused_in_one_line(
    complaint, picture, monkeypatch, words, says
):
    monkeypatch.setattr(data, "mnist28", lambda split: (strokes.digits(20), np.zeros(20)))
    Path("empty").mkdir()
    assert says in complaint(*words.split())
    assert not Path("o").exists()


# --- places that cannot be written ---------------------------------------------------------------


def test_an_output_folder_that_is_not_there_is_named(complaint, picture):
    said = complaint("compress", picture, "no/such/o.cwc", "--model", "tiny-cw")
    assert said == "cannot write no/such/o.cwc: there is no folder no/such"


def test_a_file_is_not_a_folder_to_write_into(complaint, picture):
    said = complaint("compress", picture, picture / "o.cwc", "--model", "tiny-cw")
    assert said == f"cannot write {picture / 'o.cwc'}: there is no folder {picture}"


def test_a_folder_is_never_replaced(complaint, picture, tmp_path):
    (tmp_path / "o.cwc").mkdir()
    said = complaint("compress", picture, "o.cwc", "--model", "tiny-cw")
    assert "o.cwc: it is there and is not a plain file" in said


@pytest.mark.parametrize("code", [errno.EACCES, errno.ENOSPC, errno.EROFS])
def test_a_write_that_fails_leaves_what_was_there(complaint, picture, monkeypatch, code):
    Path("o.cwc").write_bytes(b"from before")

    def refuse(_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    said = complaint("compress", picture, "o.cwc", "--model", "tiny-cw")
    assert said == f"cannot write o.cwc: {os.strerror(code)}"
    assert Path("o.cwc").read_bytes() == b"from before"
    assert sorted(p.name for p in Path.cwd().iterdir()) == ["digit.png", "o.cwc"]


# The real way in and out of the command, with a short speech for its work.
TALKER = """
import sys
from cwlib import cli
from cwlib.cli import commands
commands.models = lambda args: print("a trained model")
sys.exit(cli.main(["models"]))
"""


def buffered() -> dict[str, str]:
    """The environment, in which Python keeps what it prints until it has more."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("words", [["-c", TALKER], ["-m", "cwlib", "--help"]])
@pytest.mark.parametrize("unbuffered", [False, True])
def test_a_full_disk_behind_stdout_is_told(words, unbuffered):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, *words],
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=buffered() | ({"PYTHONUNBUFFERED": "1"} if unbuffered else {}),
        )
    assert done.returncode == 2
    assert done.stderr == "cwlib: No space left on device\n"


def test_a_reader_who_stops_reading_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", TALKER],
        stdout=writing,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=buffered(),
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


# --- data, evaluation, training ------------------------------------------------------------------


@pytest.fixture
def no_data(monkeypatch, tmp_path):
    """Neither files nor a network: the mirrors are a port where nobody listens."""
    for variable in ("CWLIB_DATA", "CWLIB_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.setattr(data, "MIRRORS", dict.fromkeys(data.NAMES, ("http://127.0.0.1:9/{file}",)))


@pytest.mark.parametrize(
    "words", ["data mnist", "data kodak", "data", "train mnist-cw --steps 1", "eval tiny-cw"]
)
def test_without_data_one_line_says_what_is_wanted_and_where(
    complaint, no_data, monkeypatch, words
):
    said = complaint(*words.split())
    assert said.startswith("cannot get ") and "SHA-256" in said and "CWLIB_DATA" in said


def test_eval_refuses_a_bad_results_file_before_the_work(complaint, monkeypatch):
    monkeypatch.setattr(data, "mnist28", None)  # would be a TypeError
    Path("junk.json").write_text("[1, 2]", encoding="utf-8")
    said = complaint("eval", "tiny-cw", "--out", "junk.json")
    assert "junk.json is not a results file" in said
    assert Path("junk.json").read_text(encoding="utf-8") == "[1, 2]"


@pytest.mark.parametrize("name", sorted(tiny.EXPERIMENTS))
def test_eval_writes_and_prints_means_of_real_streams(monkeypatch, capsys, name):
    originals = strokes.digits(3)
    monkeypatch.setattr(data, "mnist28", lambda split: (originals, np.zeros(3)))
    assert cli.main(["eval", name, "--limit", "2", "--out", "r.json"]) == 0
    mean, *single = json.loads(Path("r.json").read_text(encoding="utf-8"))["records"]
    assert (mean["image"], mean["images"], len(single)) == ("mean", 2, 2)
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert printed.items() <= mean.items()

    model, images = zoo.load(name), data.resize_digits(originals[:2])
    blobs = [codec.compress(model, image) for image in images]
    errors = [
        ((codec.decompress(b).astype(float) - image) ** 2).mean()
        for b, image in zip(blobs, images, strict=True)
    ]
    sizes = [len(b) for b in blobs]
    assert [r["bpp"] for r in single] == pytest.approx([8 * s / 128**2 for s in sizes], rel=0.02)
    assert [r["mse"] for r in single] == pytest.approx(errors, rel=0.02)


# --- photographs, trained on and measured --------------------------------------------------------


@pytest.fixture
def album(tmp_path) -> Path:
    """A folder of three small photographs."""
    (tmp_path / "album").mkdir()
    for k in range(3):
        Image.fromarray(scenes.scene(70, 90, k)).save(tmp_path / "album" / f"{k}.png")
    return tmp_path / "album"


def test_training_on_photographs_leaves_weights_a_card_and_a_model_that_codes(album, capsys):
    words = ["train", "tiny-photo", "--steps", "2", "--photos", "album", "--device", "cpu"]
    assert cli.main(words) == 0
    assert capsys.readouterr().out.startswith("tiny-photo: 2 steps in ")
    card = json.loads(Path("runs/tiny-photo/tiny-photo.json").read_text(encoding="utf-8"))
    assert (card["name"], card["steps"], card["seed"]) == ("tiny-photo", 2, 0)
    assert card["command"] == "cwlib train tiny-photo --steps 2"
    assert card["data"] == "3 photographs of album, random 64x64 crops"
    assert card["epochs"] == pytest.approx(2 * 2 / 3, abs=0.01)

    model = zoo.load(Path("runs/tiny-photo/tiny-photo.safetensors"))
    latents = codec.analyse(model, scenes.scene(40, 50)[None])[0]
    found = codec.unpack(model, codec.pack(model, latents, (40, 50, 3)))
    assert np.array_equal(found.z, latents.z)
    # and a name with a path is what the command takes too
    words = [
        "compress",
        "album/0.png",
        "o.cwc",
        "--model",
        "runs/tiny-photo/tiny-photo.safetensors",
    ]
    assert cli.main(words) == 0


def test_training_on_photographs_without_a_folder_is_refused(complaint, monkeypatch):
    monkeypatch.delenv("CWLIB_DATA", raising=False)
    assert "--photos FOLDER is missing" in complaint("train", "tiny-photo", "--steps", "1")


@pytest.mark.parametrize("name", ["tiny-photo", "jpeg"])
def test_eval_of_a_folder_writes_a_record_for_each_photograph(album, capsys, name):
    words = ["eval", name, "--data", "album", "--limit", "2", "--out", "r.json"]
    assert cli.main(words) == 0
    records = json.loads(Path("r.json").read_text(encoding="utf-8"))["records"]
    assert {r["command"] for r in records} == {f"cwlib eval {name} --data album --limit 2"}
    assert {r["dataset"] for r in records} == {"album"}
    means = [r for r in records if r["image"] == "mean"]
    assert {r["images"] for r in means} == {2}
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [r["bpp"] for r in printed] == [r["bpp"] for r in means]
    single = {r["image"]: r for r in records if r["image"] != "mean"}
    if name == "tiny-photo":
        blob = codec.compress(zoo.load(name), scenes.scene(70, 90, 1))
        assert single["1.png"]["bpp"] == pytest.approx(8 * len(blob) / (70 * 90), abs=1e-5)


def test_the_card_notes_the_whole_public_test_set_for_the_books_results(
    album, folder, monkeypatch, tmp_path
):
    card = folder / "tiny-photo.json"
    before = card.read_bytes()
    monkeypatch.setattr(data, "kodak", lambda: [scenes.scene(40, 50), scenes.scene(40, 51)])
    monkeypatch.setattr(evaluate, "BOOK", tmp_path / "book" / "results")
    (tmp_path / "book" / "results").mkdir(parents=True)

    def measure(*words: str) -> bytes:
        assert cli.main(["eval", *words]) == 0
        return card.read_bytes()

    for words in (
        ["tiny-photo", "--data", "kodak"],
        ["tiny-photo", "--data", "kodak", "--out", "r.json"],
        ["tiny-photo", "--data", "album", "--out", "book/results/r.json"],
        ["tiny-photo", "--data", "kodak", "--limit", "1", "--out", "book/results/r.json"],
        [str(folder / "tiny-photo.safetensors"), "--data", "kodak", "--out", "book/results/r.json"],
    ):
        assert measure(*words) == before, words
    try:
        measure("tiny-photo", "--data", "kodak", "--out", "book/results/r.json")
        metrics = json.loads(card.read_text(encoding="utf-8"))["metrics"]
        assert (metrics["dataset"], metrics["image"], metrics["images"]) == ("kodak", "mean", 2)
    finally:
        card.write_bytes(before)


def test_eval_takes_weights_of_your_own(album, folder, capsys, complaint):
    for suffix in ("safetensors", "json"):
        Path(f"mine.{suffix}").write_bytes((folder / f"tiny-photo.{suffix}").read_bytes())
    mine = Path.cwd() / "mine.safetensors"
    assert cli.main(["eval", str(mine), "--data", "album", "--out", "r.json"]) == 0
    records = json.loads(Path("r.json").read_text(encoding="utf-8"))["records"]
    assert {r["experiment"] for r in records} == {"tiny-photo"}
    # the file's name, without the folders of this machine
    assert {r["command"] for r in records} == {"cwlib eval mine.safetensors --data album"}
    capsys.readouterr()

    said = complaint("eval", "mine.safetensors")
    assert said.startswith("mine.safetensors holds tiny-photo, a model of photographs")
    assert "no weights at none.safetensors" in complaint("eval", "none.safetensors")
    Path("checkpoint.pt").write_bytes(b"")
    said = complaint("eval", "checkpoint.pt", "--data", "album")
    assert said == "checkpoint.pt is not a file of weights: name the .safetensors that train wrote"
    Path("alone.safetensors").write_bytes(Path("mine.safetensors").read_bytes())
    said = complaint("eval", "alone.safetensors", "--data", "album")
    assert said.startswith("alone.json is not a readable card")


@pytest.fixture
def only(monkeypatch):
    """Leave just these photo codecs and studies to be measured; some of them are not installed."""

    def install(names: str, missing: str = "") -> None:
        def records(name: str) -> list[dict]:
            if name in missing.split():
                raise baselines.CodecMissing(f"{name} needs a package: install it")
            return [{"experiment": name, "image": "mean", "bpp": 1.0}]

        table = {name: lambda _, jobs, name=name: records(name) for name in names.split()}
        monkeypatch.setattr(evaluate, "targets", lambda dataset: table)

    return install


def test_eval_all_does_what_it_can_and_says_what_is_left_out(album, only, capsys):
    only("avif jpeg hevc webp", missing="avif hevc")
    assert cli.main(["eval", "all", "--data", "album", "--out", "r.json"]) == 0
    out, err = capsys.readouterr()
    assert [json.loads(line)["experiment"] for line in out.splitlines()] == ["jpeg", "webp"]
    records = json.loads(Path("r.json").read_text(encoding="utf-8"))["records"]
    assert [r["experiment"] for r in records] == ["jpeg", "webp"]
    assert err == (
        "cwlib: left out: avif (avif needs a package: install it), "
        "hevc (hevc needs a package: install it)\n"
    )
    only("jpeg webp")
    assert cli.main(["eval", "all", "--data", "album"]) == 0
    assert capsys.readouterr().err == ""


def test_a_missing_codec_is_an_error_where_it_is_named_or_nothing_else_is_there(
    album, only, complaint
):
    only("avif jpeg hevc", missing="avif hevc")
    assert complaint("eval", "avif", "--data", "album") == "avif needs a package: install it"
    only("avif hevc", missing="avif hevc")
    said = complaint("eval", "all", "--data", "album", "--out", "r.json")
    assert said.startswith("nothing was measured; left out: avif (avif needs a package")
    assert not Path("r.json").exists()


IN_ANOTHER_LANGUAGE = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy, strokes
from cwlib import cli, data
data.mnist28 = lambda split: (strokes.digits(40), numpy.zeros(40))
for words in (
    "train mnist-cw --width 4 --steps 1 --device cpu",
    "eval runs/mnist-cw/mnist-cw.safetensors --out results/r.json",
):
    assert cli.main(words.split()) == 0, words
from cwbook import claims, ledger
ledger.renew("results/ledger.json", claims.CLAIMS)
"""


def test_text_files_are_utf8_whatever_the_language_of_the_system():
    """Nor is any file read or written in the system's encoding: that would be an error here."""
    Path("results").mkdir()
    strict = "-X utf8=0 -X warn_default_encoding -W error::EncodingWarning -c"
    done = subprocess.run(
        [sys.executable, *strict.split(), IN_ANOTHER_LANGUAGE, Path(__file__).parent],
        env={**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert "Ballé" in Path("results/ledger.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "words",
    [
        "train tiny-cw --steps 1 --out there/weights",
        "train tiny-cw --steps 1 --out in-there",
        "train tiny-cw --steps 1 --runs there/runs",
        "eval tiny-cw --out there/r.json",
    ],
)
def test_a_place_that_cannot_be_written_is_told_before_the_work(complaint, monkeypatch, words):
    Path("there").write_text("a file, not a folder", encoding="utf-8")
    Path("in-there/tiny-cw.safetensors").mkdir(parents=True)
    for owner, work in (
        (training.catalogue, "build"),
        (evaluate, "pictures"),
    ):
        monkeypatch.setattr(owner, work, None)  # would be a TypeError
    monkeypatch.setattr(data, "mnist28", lambda split: (strokes.digits(40), np.zeros(40)))
    assert "there" in complaint(*words.split())


# --- breaking off --------------------------------------------------------------------------------

CHILD = """
import signal, sys
signal.alarm(300)  # a run that hears nothing ends all the same
sys.path.insert(0, sys.argv[1])
import numpy, strokes
from cwlib import cli, data, training
training.LOG_EVERY = 5
data.mnist28 = lambda split: (strokes.digits(40), numpy.zeros(40))
sys.exit(cli.main(sys.argv[2:]))
"""


def heard(terminal: int, until: bytes) -> bytes:
    """What a terminal shows, up to some words or to the end of those who write on it."""
    said = b""
    with contextlib.suppress(OSError):  # that is how a terminal ends
        while until not in said and (chunk := os.read(terminal, 1000)):
            said += chunk
    return said


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM", "the terminal is closed"])
def test_a_training_run_that_is_to_stop_exits_with_130_and_a_checkpoint(
    tmp_path, capsys, monkeypatch, how
):
    words = ["train", "mnist-cw", "--width", "4", "--runs", str(tmp_path)]
    screen, keyboard = os.openpty()
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("4H", 24, 200, 0, 0))  # for a long bar
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, Path(__file__).parent, *words, "--steps", "100000"],
        stderr=keyboard,
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(2, termios.TIOCSCTTY, 0),  # the terminal is this session's
    )
    os.close(keyboard)
    try:
        said = heard(screen, b"step=5")  # the progress bar shows it when 5 steps are done
        assert b"step=5" in said, f"the run ended by itself: {said.decode()}"
        if how == "the terminal is closed":
            os.close(screen)
        elif how == "Ctrl-C":
            os.write(screen, b"\x03")
        else:
            process.terminate()
        assert how == "the terminal is closed" or b"\ncwlib: interrupted" in heard(screen, b"kept")
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130 and out == b""

    # and the run goes on from there
    monkeypatch.setattr(data, "mnist28", lambda split: (strokes.digits(40), np.zeros(40)))
    assert cli.main([*words, "--steps", "7", "--resume"]) == 0
    steps = int(capsys.readouterr().out.split()[1])
    assert steps >= 7
    assert list((tmp_path / "mnist-cw").glob(".*")) == []
    card = json.loads((tmp_path / "mnist-cw" / "mnist-cw.json").read_text(encoding="utf-8"))
    assert card["steps"] == steps and "--width 4" in card["command"]
    weights = tmp_path / "mnist-cw" / "mnist-cw.safetensors"
    assert zoo.load(weights).experiment.width == 4


def test_a_training_run_that_diverges_says_so_in_one_line(complaint, monkeypatch, capsys):
    real = training.Objective.forward

    def broken(*args):
        return {k: v * np.nan for k, v in real(*args).items()}

    monkeypatch.setattr(training.Objective, "forward", broken)
    monkeypatch.setattr(data, "mnist28", lambda split: (strokes.digits(20), np.zeros(20)))
    said = complaint("train", "mnist-cw", "--width", "4", "--steps", "3")
    assert "step 0" in said and "lower the learning rate" in said
