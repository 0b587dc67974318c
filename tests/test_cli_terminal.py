"""The command among others: standard input and output, names, errors and Ctrl-C of every kind."""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cwlib
import scenes
import tiny
from cwlib import cli, codec, zoo
from cwlib.cli import commands, files, pictures, terminal

PHOTO = scenes.scene(50, 70)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    tiny.save_photo_nets(folder)
    return folder


@pytest.fixture(autouse=True)
def here(weights, monkeypatch, tmp_path):
    """Commands run in a folder with photo.png and know a tiny network."""
    monkeypatch.setattr(zoo, "WEIGHTS", weights)
    monkeypatch.setattr(pictures, "PHOTO_MODEL", "tiny-photo")
    monkeypatch.chdir(tmp_path)
    Image.fromarray(PHOTO).save("photo.png")


@pytest.fixture
def piped(monkeypatch, capsys):
    """Run the command on some standard input: standard output and what is said on stderr."""

    def run(words: str, given: bytes = b"", encoding: str = "utf-8") -> tuple[bytes, str]:
        out = io.BytesIO()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given), encoding="utf-8"))
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding=encoding))
        assert cli.main(words.split()) == 0
        return out.getvalue(), capsys.readouterr().err

    return run


# --- standard input and output -------------------------------------------------------------------


def test_a_picture_goes_through_standard_input_and_output_and_back(piped):
    blob, said = piped("compress - -", Path("photo.png").read_bytes())
    assert blob == codec.compress(zoo.load("tiny-photo"), PHOTO)
    assert said.startswith(f"50x70 RGB -> {len(blob)} bytes")
    told, said = piped("info -", blob)
    assert b"50x70, RGB" in told and said == ""
    picture, said = piped("decompress - -", blob)
    assert picture.startswith(b"\x89PNG") and said == "50x70 RGB -> -\n"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(picture))), codec.decompress(blob))


def test_the_device_of_standard_output_gets_the_stream_and_nothing_else(piped):
    blob, said = piped("compress photo.png /dev/stdout")
    assert blob == codec.compress(zoo.load("tiny-photo"), PHOTO)
    assert said.startswith(f"50x70 RGB -> {len(blob)} bytes")


@pytest.mark.skipif(not Path("/dev/stdin").exists(), reason="no /dev/stdin on this system")
def test_the_file_behind_standard_input_is_not_replaced():
    before = Path("photo.png").read_bytes()
    command = '"$0" -m cwlib compress - photo.png < photo.png'
    done = subprocess.run(["sh", "-c", command, sys.executable], capture_output=True, text=True)
    assert done.returncode == 2 and "it is the file to be read" in done.stderr
    assert Path("photo.png").read_bytes() == before


def test_a_file_may_be_called_as_standard_input_is():
    assert files.place("-") == files.STANDARD
    assert files.place("./-") == Path("-") != files.STANDARD


def test_nothing_is_put_on_a_terminal_or_a_closed_output(complaint, monkeypatch):
    monkeypatch.setattr(codec, "compress", None)  # would be a TypeError
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert complaint("compress", "photo.png", "-").startswith("standard output is a terminal")
    monkeypatch.setattr(sys, "__stdout__", None)
    assert complaint("compress", "photo.png", "-").startswith("standard output is closed")


def test_empty_input_is_said_to_be_empty(complaint, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    assert complaint("compress", "-", "o.cwc") == "standard input is empty"


@pytest.mark.parametrize("words", ["info /dev/zero", "info -", "compress /dev/zero o"])
def test_what_never_ends_is_not_read_for_ever(complaint, monkeypatch, words):
    monkeypatch.setattr(files, "LARGEST", 2)
    with open("/dev/zero", encoding="latin-1") as zeros:
        monkeypatch.setattr(sys, "stdin", zeros)
        assert "has more than 2 MiB" in complaint(*words.split())


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(closed):
    Path("o.cwc").write_bytes(codec.compress(zoo.load("tiny-photo"), PHOTO))
    command = f'"$0" -m cwlib info o.cwc {closed}'
    done = subprocess.run(["sh", "-c", command, sys.executable], capture_output=True)
    assert done.returncode == 0 and done.stderr == b""


# --- names ---------------------------------------------------------------------------------------


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"cwlib {cwlib.__version__}\n"


STEERING = "a\nb\r\x1b[31m\u202e\x9b\x7f\udcff.png"


def test_a_name_can_neither_break_a_line_nor_steer_the_terminal(complaint, capsys):
    escaped = r"a\nb\r\x1b[31m\u202e\x9b\x7f\udcff.png"
    assert complaint("compress", STEERING, "o.cwc").startswith(f"{escaped}: No such file")
    assert complaint("info", "o.cwc", STEERING).startswith(f"unrecognized arguments: {escaped}")
    Path("o.cwc").write_bytes(codec.compress(zoo.load("tiny-photo"), PHOTO))
    assert cli.main(["decompress", "o.cwc", STEERING]) == 0
    assert capsys.readouterr().out == f"50x70 RGB -> {escaped}\n"
    assert Image.open(STEERING).size == (70, 50)


def test_words_of_any_language_are_printed_as_they_are():
    for text in ("plain words", "größer → 画像", "c:\\x"):
        assert terminal.one_line(text) == text


def test_a_name_that_the_output_cannot_encode_ends_no_finished_job(piped):
    Path("o.cwc").write_bytes(codec.compress(zoo.load("tiny-photo"), PHOTO))
    out, said = piped("decompress o.cwc é→.png", encoding="ascii")
    assert (out, said) == (b"50x70 RGB -> \\xe9\\u2192.png\n", "") and Path("é→.png").exists()


@pytest.mark.parametrize(
    "words", ["compress| |o.cwc", "info|", "compress|photo.png|", "train|mnist-cw|--photos|"]
)
def test_an_empty_name_is_not_the_folder_itself(complaint, words):
    said = complaint(*(word.strip() for word in words.split("|")))
    assert "a name is missing" in said


# --- errors --------------------------------------------------------------------------------------

TORCH = "[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory: you tried"


def wrapped(inner: Exception, outer: Exception) -> Exception:
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError(), "too little memory"),
        (RuntimeError(TORCH), "too little memory"),
        (wrapped(RuntimeError(TORCH), ValueError("x.safetensors has no weights")), "too little"),
        (OSError(12, "Cannot allocate memory"), "too little memory"),
        (RuntimeError("CUDA out of memory.\nTried to allocate 1 GiB"), "too little memory"),
        (ImportError("many\n\nlines: libtorch.so\n"), "cannot load a library, for want of memory"),
        (RuntimeError("two\n  lines"), "two lines"),
        (OverflowError("too large"), "a fault of cwlib, which nobody foresaw: OverflowError: too"),
        (KeyError("x"), "a fault of cwlib, which nobody foresaw: KeyError: 'x' (test_cli_term"),
        (OSError(13, "Permission denied", "f.png"), "f.png: Permission denied"),
        (OSError(2, "No such file", "out of memory.png"), "out of memory.png: No such file"),
        (ValueError("out of memory.png is empty"), "out of memory.png is empty"),
    ],
)
def test_every_error_is_one_sentence_and_status_2(complaint, monkeypatch, error, says):
    def fail(args):
        raise error

    monkeypatch.setattr(commands, "models", fail)
    assert complaint("models").startswith(says)


@pytest.mark.parametrize("megabytes", [100, 300])
def test_too_little_memory_is_one_sentence(megabytes):
    done = subprocess.run(
        [sys.executable, "-m", "cwlib", "compress", "photo.png", "o.cwc"],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20,) * 2),
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("cwlib: ") and "memory" in done.stderr


# --- Ctrl-C --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "words", "kept"),
    [
        (pictures, "compress photo.png o.cwc", "; nothing was written"),
        (pictures, "decompress o.cwc o.png", "; nothing was written"),
        (pictures, "info o.cwc", ""),
        (commands, "train mnist-cw", "; what was trained is kept, and --resume goes on from there"),
        (commands, "models", ""),
    ],
)
def test_ctrl_c_tells_what_is_there_then(complaint, monkeypatch, module, words, kept):
    def interrupt(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, words.split()[0], interrupt)
    assert complaint(*words.split(), status=130) == f"interrupted{kept}"


INTERRUPTED = """
import runpy, sys
class Finder:
    def find_spec(name, path, target=None):
        if name == "numpy":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Finder)
sys.argv = ["cwlib", "models"]
"""


@pytest.mark.parametrize(
    "entry",
    [
        "from cwlib.cli import main; sys.exit(main())",
        "runpy.run_module('cwlib', run_name='__main__')",
    ],
)
def test_ctrl_c_is_heard_while_libraries_load(entry):
    done = subprocess.run([sys.executable, "-c", INTERRUPTED + entry], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"cwlib: interrupted\n")


def test_nothing_is_loaded_before_ctrl_c_is_heard():
    code = "import sys; b = set(sys.modules); import cwlib.cli; print(sorted({*sys.modules} - b))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    assert done.stdout == "['cwlib', 'cwlib.cli']\n"


# --- measuring -----------------------------------------------------------------------------------


def test_eval_names_the_picture_that_fails_and_keeps_the_earlier_records(complaint):
    Path("album").mkdir()
    Image.fromarray(scenes.scene(200, 200)).save("album/a.png")
    Image.fromarray(scenes.scene(1, 1)).save("album/tiny.png")
    words = ["eval", "jpeg", "--data", "album", "--out", "r.json"]
    earlier = {"command": "cwlib eval jpeg --data album", "experiment": "jpeg"}
    before = json.dumps({"made_by": "cwlib eval", "records": [earlier]}).encode()
    Path("r.json").write_bytes(before)
    assert complaint(*words).startswith("tiny.png: jpeg needs at least ")
    Path("album/tiny.png").write_bytes(b"junk")
    assert complaint(*words).startswith("album/tiny.png is not a readable picture")
    assert Path("r.json").read_bytes() == before
