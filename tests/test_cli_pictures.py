"""compress, decompress, info: how good and how large, what shows meanwhile, what is refused."""

from __future__ import annotations

import io
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gained
import own
import scenes
import strokes
import tiny
from cwlib import cli, codec, progress, zoo
from cwlib.cli import pictures
from cwlib.codec import photos

PHOTO = scenes.scene(64, 96)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models of digits and of photographs, two of them of many rates."""
    folder = tmp_path_factory.mktemp("weights")
    tiny.save_all(folder)
    tiny.save_photo_nets(folder)
    gained.save(folder)
    own.save(folder)
    return folder


@pytest.fixture(autouse=True)
def here(weights, monkeypatch, tmp_path):
    """Commands run in a folder with photo.png and digit.png, and know the tiny networks."""
    monkeypatch.setattr(zoo, "WEIGHTS", weights)
    monkeypatch.setattr(pictures, "DIGIT_MODEL", "tiny-cw1")
    monkeypatch.setattr(pictures, "PHOTO_MODEL", "tiny-any")
    monkeypatch.chdir(tmp_path)
    Image.fromarray(PHOTO).save("photo.png")
    Image.fromarray(strokes.page(40, 33)).save("digit.png")


@pytest.fixture
def told(capsys):
    """Run the command with these words and return the line that it prints."""

    def run(words: str) -> str:
        assert cli.main(words.split()) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return out

    return run


def stream(path: str = "o.cwc") -> bytes:
    return Path(path).read_bytes()


def at_quality(quality: float, image: np.ndarray = PHOTO) -> bytes:
    model = zoo.load("tiny-any")
    return codec.compress(model, image, codec.strength(model, quality))


# --- how good ------------------------------------------------------------------------------------


@pytest.mark.parametrize("quality", [0, 0.25, 0.7, 1])
@pytest.mark.parametrize("model", ["", " --model tiny-any"])
def test_a_quality_reaches_the_model_of_many_rates(told, quality, model):
    out = told(f"compress photo.png o.cwc --quality {quality}{model}")
    assert stream() == at_quality(quality)
    assert out.endswith(f"bpp (tiny-any, quality {codec.info(stream()).quality:.2f})\n")
    told("decompress o.cwc back.png")
    assert np.array_equal(np.asarray(Image.open("back.png")), codec.decompress(stream()))


@pytest.mark.parametrize("model", ["", " --model tiny-any"])
def test_without_a_wish_the_quality_is_a_half(told, model):
    assert "(tiny-any, quality 0.50)" in told(f"compress photo.png o.cwc{model}")
    assert stream() == at_quality(0.5)


def test_an_importance_is_what_the_model_gets(told):
    told("compress photo.png o.cwc --importance 0.8")
    assert stream() == codec.compress(zoo.load("tiny-any"), PHOTO, 0.8)
    assert "quality" not in told("compress photo.png o.cwc --importance 0.8 --model tiny-photo")
    assert stream() == codec.compress(zoo.load("tiny-photo"), PHOTO, 0.8)


def test_a_digit_goes_to_the_model_of_digits_unless_a_quality_or_a_size_is_wanted(told):
    assert "(tiny-cw1)" in told("compress digit.png o.cwc")
    assert "(tiny-any, quality 0.70)" in told("compress digit.png o.cwc --quality 0.7")
    assert "(tiny-any, quality 1.00)" in told("compress digit.png o.cwc --bpp 999")
    assert codec.decompress(stream()).shape == (40, 33)


def test_info_tells_the_strength_that_was_sent(told):
    told("compress photo.png o.cwc --quality 0.5")
    assert told("info o.cwc").splitlines()[-1] == "strength   0.502, quality 0.50"
    told("compress photo.png o.cwc --importance 0.1")
    assert told("info o.cwc").splitlines()[-1] == "strength   0.102, quality below 0"
    told("compress photo.png o.cwc --model tiny-photo")
    assert "strength" not in told("info o.cwc")


def test_a_large_picture_is_decoded_where_the_user_says_how_large(told, complaint, monkeypatch):
    told("compress photo.png o.cwc")
    monkeypatch.setattr(photos, "DECODED_PIXELS", 64 * 96 - 1)
    assert "64x96 pixels" in (said := complaint(*"decompress o.cwc back.png".split()))
    assert "decompress --max-pixels" in said
    told("decompress o.cwc back.png --max-pixels 6144")
    assert Image.open("back.png").size == (96, 64)
    assert "limit of 6143" in complaint(*"decompress o.cwc back.png --max-pixels 6143".split())


def test_weights_of_ones_own_decode_what_they_made_and_nothing_else(
    told, complaint, weights, monkeypatch, tmp_path
):
    mine = tmp_path / "mine" / "tiny-photo.safetensors"
    mine.parent.mkdir()
    for path in weights.glob("tiny-photo.*"):
        (mine.parent / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(zoo, "WEIGHTS", tmp_path / "none")
    told(f"compress photo.png o.cwc --model {mine}")
    assert "no model here has the identity" in complaint(*"decompress o.cwc back.png".split())
    told(f"decompress o.cwc back.png --model {mine}")
    wanted = codec.decompress(stream(), model=zoo.load(mine))
    assert np.array_equal(np.asarray(Image.open("back.png")), wanted)
    other = weights / "tiny-any.safetensors"
    assert "this stream was made by model" in complaint(
        *f"decompress o.cwc b.png --model {other}".split()
    )


# --- how large -----------------------------------------------------------------------------------


def test_a_rate_is_the_largest_stream_that_is_not_above_it(told):
    wanted = 8 * len(at_quality(0.4)) / (64 * 96)
    out = told(f"compress photo.png o.cwc --bpp {wanted}")
    assert stream() == codec.compress_to(zoo.load("tiny-any"), PHOTO, wanted)
    assert len(at_quality(0.3)) < len(stream()) <= len(at_quality(0.4))
    assert f"-> {len(stream())} bytes" in out and "(tiny-any, quality 0." in out


def test_a_rate_that_cannot_be_is_refused_with_those_that_can(complaint):
    said = complaint(*"compress photo.png o.cwc --bpp 0.01".split())
    most = 8 * len(at_quality(1)) / (64 * 96)
    assert f" to {most:.4f} bits a pixel (quality 0 to 1), not in 0.01" in said
    assert not Path("o.cwc").exists()


def test_a_rate_beyond_all_sizes_gets_the_best_there_is(told):
    assert "(tiny-any, quality 1.00)" in told("compress photo.png o.cwc --bpp 1e306")


# --- words that do not fit -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--quality 2", "quality must lie in 0..1, got 2.0"),
        ("--quality -0.1", "quality must lie in 0..1, got -0.1"),
        ("--quality nan", "quality must lie in 0..1, got nan"),
        ("--quality abc", "argument --quality: invalid float value: 'abc'"),
        ("--quality", "argument --quality: expected one argument"),
        ("--bpp 0", "above 0 and finite, got 0.0"),
        ("--bpp nan", "above 0 and finite, got nan"),
        ("--bpp -1", "above 0 and finite, got -1.0"),
        ("--bpp much", "argument --bpp: invalid float value: 'much'"),
        ("--importance 2", "importance must lie in 0..1"),
        ("--quality 0.5 --importance 1", "--importance: not allowed with argument --quality"),
        ("--quality 0.5 --bpp 1", "--bpp: not allowed with argument --quality"),
        ("--bpp 1 --importance 1", "--importance: not allowed with argument --bpp"),
        ("--quality 0.5 --model tiny-photo", "tiny-photo was trained for one rate and has no"),
        ("--quality 0.5 --model tiny-cw1", "tiny-cw1 codes grey images"),
        ("--bpp 1 --model tiny-photo", "no quality to choose: take tiny-any"),
        ("--quality 0.5 --model nope", "unknown model 'nope'"),
    ],
)
def test_wishes_that_cannot_be_are_refused_in_one_line(complaint, words, says):
    assert says in complaint(*f"compress photo.png o.cwc {words}".split())
    assert not Path("o.cwc").exists()


# --- our own model -------------------------------------------------------------------------------


@pytest.fixture
def own_model(monkeypatch):
    monkeypatch.setattr(pictures, "PHOTO_MODEL", "tiny-own")
    half = np.zeros((64, 96), np.uint8)
    half[:, 48:] = 255
    Image.fromarray(half).save("mask.png")
    return zoo.load("tiny-own"), half


def test_effort_and_regions_reach_the_model(told, own_model):
    model, half = own_model
    assert "(tiny-own, quality 0.40)" in told("compress photo.png o.cwc --quality 0.4 --effort 1")
    assert stream() == codec.compress(model, PHOTO, quality=0.4, effort=1)
    told("compress photo.png o.cwc --roi mask.png --roi-weight 0.3")
    assert stream() == codec.compress(model, PHOTO, roi=half, roi_weight=0.3)
    assert "regions    " in told("info o.cwc")
    told("compress photo.png o.cwc --bpp 2 --roi auto")
    auto = codec.photo.activity_mask(PHOTO)
    assert stream() == codec.compress_to(model, PHOTO, 2.0, roi=auto)
    told("decompress o.cwc back.png")
    assert np.array_equal(np.asarray(Image.open("back.png")), codec.decompress(stream()))


def test_a_digit_goes_to_the_model_of_photographs_where_only_that_has_what_is_wanted(
    told, own_model
):
    assert "(tiny-own" in told("compress digit.png o.cwc --effort 1")
    assert "(tiny-cw1)" in told("compress digit.png o.cwc")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--effort 10", "effort must be a whole number of 0..9, got 10"),
        ("--effort much", "argument --effort: invalid int value: 'much'"),
        ("--roi nothing.png", "nothing.png: No such file"),
        ("--roi digit.png", "size, 64x96, got 40x33"),
        ("--roi photo.png", "is in colour: a mask is a grey picture"),
        ("--roi mask.png --roi-weight 0", "roi_weight must"),
        ("--roi-weight 0.5", "give --roi too"),
        ("--importance 0.5", "has no importance map to scale"),
        ("--model tiny-cw1 --effort 2", "tiny-cw1 codes grey images"),
        ("--model tiny-any --effort 2", "tiny-any knows neither regions (roi) nor effort"),
    ],
)
def test_wishes_that_our_model_cannot_meet_are_refused(complaint, own_model, words, says):
    assert says in complaint(*f"compress photo.png o.cwc {words}".split())
    assert not Path("o.cwc").exists()


def test_a_black_mask_is_refused(complaint, own_model):
    Image.fromarray(np.zeros((64, 96), np.uint8)).save("black.png")
    assert "black everywhere" in complaint(*"compress photo.png o.cwc --roi black.png".split())


def test_a_place_that_cannot_be_written_is_told_before_the_work(complaint, monkeypatch):
    monkeypatch.setattr(codec, "compress", None)  # would be a TypeError
    monkeypatch.setattr(codec, "decompress", None)
    said = "cannot write no/o.png: there is no folder no"
    assert complaint(*"compress photo.png no/o.png".split()) == said
    assert complaint(*"decompress photo.cwc no/o.png".split()) == said


def test_what_is_read_is_not_written_over(complaint):
    before = stream("photo.png")
    Path("link.png").symlink_to("photo.png")
    for name in ("photo.png", "./photo.png", "link.png"):
        assert "is the file to be read" in complaint(*f"compress photo.png {name}".split())
    for name in ("mask.png", "own.safetensors"):
        Path(name).write_bytes(b"read as well")
    assert "is the file to be read" in complaint(
        *"compress photo.png mask.png --roi mask.png".split()
    )
    own = "own.safetensors"
    assert "is the file to be read" in complaint(*f"compress photo.png {own} --model {own}".split())
    Image.fromarray(PHOTO[..., 0]).save("mask", "PNG")
    Path("own.json").write_bytes(b"a card")
    assert "is the file to be read" in complaint(*"compress photo.png mask --roi mask".split())
    assert "is the file to be read" in complaint(
        *f"compress photo.png own.json --model {own}".split()
    )
    Path("stream.png").write_bytes(at_quality(0.5))
    assert "is the file to be read" in complaint(*"decompress stream.png stream.png".split())
    assert stream("photo.png") == before and stream("stream.png") == at_quality(0.5)


# --- what shows meanwhile ------------------------------------------------------------------------


class Terminal(io.StringIO):
    """A stderr that somebody looks at."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def large(monkeypatch):
    """Every picture goes in several stripes, and bars do not wait for a second."""
    monkeypatch.setattr(photos, "STRIPE_PIXELS", 1)
    monkeypatch.setattr(progress, "Bar", lambda *a, **k: BAR(*a, **{**k, "delay": 0}))


BAR = partial(progress.Bar, mininterval=0)


def test_somebody_who_looks_on_sees_how_far_the_stripes_are(large, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert cli.main(["compress", "photo.png", "o.cwc"]) == 0
    seen = sys.stderr.getvalue()
    assert "compress:" in seen and "3/3" in seen and "\n" not in seen  # the bar goes when done
    assert cli.main(["decompress", "o.cwc", "back.png"]) == 0
    assert "decompress:" in sys.stderr.getvalue()
    assert stream() == at_quality(0.5)


def test_a_file_behind_stderr_gets_no_bar(large, told):
    told("compress photo.png o.cwc")  # looks that stderr stays empty
    told("compress photo.png o.cwc --bpp 2")
    told("decompress o.cwc back.png")


def test_what_takes_no_second_shows_no_bar(monkeypatch):
    monkeypatch.setattr(photos, "STRIPE_PIXELS", 1)
    monkeypatch.setattr(sys, "stderr", Terminal())
    later = lambda *a, **k: BAR(*a, **{**k, "delay": 1000 * k["delay"]})  # noqa: E731
    monkeypatch.setattr(progress, "Bar", later)
    assert cli.main(["compress", "photo.png", "o.cwc"]) == 0
    assert sys.stderr.getvalue() == ""


# --- a stranger at the real command --------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "mode"),
    [((1, 1), "RGB"), ((1, 1), "L"), ((3, 2000), "RGB"), ((2000, 3), "L"), ((1, 40), "P")],
)
def test_pictures_of_odd_shapes_go_there_and_back(told, shape, mode):
    picture = Image.fromarray(scenes.scene(*shape)).convert(mode)
    picture.save("in.png")
    told("compress in.png o.cwc")
    told("decompress o.cwc back.png")
    assert Image.open("back.png").size == picture.size


def test_the_real_command_says_one_sentence_and_leaves_with_status_2():
    Image.fromarray(PHOTO).convert("CMYK").save("cmyk.jpg")
    Path("empty.jpg").write_bytes(b"")
    Path("cut.png").write_bytes(stream("photo.png")[:2000])
    Path("words.txt").write_text("these are words", encoding="utf-8")
    code = (
        "import sys; from cwlib import cli\n"
        "for line in sys.stdin: print(cli.main(line.split()), file=sys.stderr)"
    )
    lines = {
        "compress cmyk.jpg o.cwc": "cmyk.jpg is a CMYK picture",
        "compress empty.jpg o.cwc": "empty.jpg is empty",
        "compress cut.png o.cwc": "cut.png is not a readable picture: ",
        "compress words.txt o.cwc": "words.txt is not a readable picture: no whole file of PNG, ",
        "compress none.jpg o.cwc": "none.jpg: No such file",
        "compress photo.png o.cwc --quality 2 --model kodak-mstar-n64": "kodak-mstar-n64 was",
        "compress photo.png no/o.cwc": "cannot write no/o.cwc: there is no folder no",
        "decompress photo.png o.png": "not a cwlib stream",
        "info words.txt": "not a cwlib stream",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], input="\n".join(lines), capture_output=True, encoding="utf-8"
    )
    assert done.stdout == "" and done.returncode == 0
    said = done.stderr.splitlines()
    assert said[1::2] == ["2"] * len(lines)
    for found, wanted in zip(said[::2], lines.values(), strict=True):
        assert found.startswith(f"cwlib: {wanted}")
