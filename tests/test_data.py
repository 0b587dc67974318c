"""Data: the right pixels, from verified files, and a clear word when there are none."""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import http.server
import os
import re
import socket
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from cwlib import data
from needs import data_or_skip

# --- the digits ----------------------------------------------------------------------------------


def test_mnist28_is_the_published_test_set(mnist_test):
    images, labels = mnist_test
    assert images.shape == (10_000, 28, 28) and images.dtype == np.uint8
    assert labels.dtype == np.int64
    # Class sizes and pixel mean as published (0.1325 of full scale; the train set's is 0.1307).
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert images.mean() / 255 == pytest.approx(0.1325, abs=5e-5)
    assert labels[:5].tolist() == [7, 2, 1, 0, 4]


def test_mnist_is_the_resized_mnist28(mnist_test):
    images, labels = data.mnist("test", limit=7)
    assert images.shape == (7, 128, 128) and images.dtype == np.uint8
    assert np.array_equal(labels, mnist_test[1][:7])
    assert np.array_equal(images, data.resize_digits(mnist_test[0][:7]))


def test_an_unknown_split_is_named():
    with pytest.raises(ValueError, match="'valid'.*'train' or 'test'"):
        data.mnist28("valid")


def _torch_resize(images: np.ndarray, size: int) -> torch.Tensor:
    x = torch.from_numpy(images.astype(np.float32))[:, None]
    shape = (size, size)
    return torch.nn.functional.interpolate(x, shape, mode="bilinear", align_corners=False)[:, 0]


def test_resize_equals_torch_before_rounding(mnist_test):
    images = mnist_test[0][:300]
    # At 128 the weights are multiples of 1/64, so float32 holds torch's sums exactly.
    ours, theirs = data.resize_digits(images), _torch_resize(images, 128)
    assert np.array_equal(ours, torch.floor(theirs + 0.5).byte().numpy())
    # torch.round sends exact halves to the even neighbour; that is the only difference.
    differs = ours != torch.round(theirs).byte().numpy()
    assert np.all(theirs.numpy()[differs] % 1 == 0.5) and differs.mean() < 0.0003


def test_resize_equals_pillow_in_floating_point(mnist_test):
    for digit, ours in zip(mnist_test[0][:50], data.resize_digits(mnist_test[0][:50]), strict=True):
        exact = Image.fromarray(digit.astype(np.float32)).resize((128, 128), Image.BILINEAR)
        assert np.array_equal(ours, np.floor(np.asarray(exact) + 0.5))


def test_resize_differs_from_pillow_in_bytes_only_by_its_second_rounding(mnist_test):
    digits = mnist_test[0][:300]
    ours = data.resize_digits(digits).astype(int)
    pillow = np.stack(
        [np.asarray(Image.fromarray(d).resize((128, 128), Image.BILINEAR)) for d in digits]
    )
    difference = np.abs(ours - pillow)
    assert difference.max() == 1 and 0.03 < difference.mean() < 0.04  # 3.4 % of the pixels
    # Round after the rows, then after the columns: Pillow's bytes to the last one.
    weights, unit = data._bilinear(28, 128)
    rows = np.floor(digits @ weights.T / unit + 0.5)
    assert np.array_equal(np.floor(weights @ rows / unit + 0.5), pillow)


@given(
    images=hnp.arrays(np.uint8, st.tuples(st.integers(0, 3), st.just(5), st.just(5))),
    size=st.integers(5, 40),
)
def test_resize_rounds_torchs_exact_value_at_any_size(images, size):
    ours = data.resize_digits(images, size)
    assert ours.shape == (len(images), size, size) and ours.dtype == np.uint8
    if len(images):
        theirs = _torch_resize(images, size).numpy()
        assert np.abs(ours - theirs).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("size", [np.uint8(200), np.int8(100), np.int64(200)])
def test_a_size_of_any_width_is_the_whole_number_it_says(size):
    image = np.arange(28 * 28, dtype=np.uint16).reshape(1, 28, 28).astype(np.uint8)
    assert np.array_equal(data.resize_digits(image, size), data.resize_digits(image, int(size)))
    for wrong, error in ((0, ValueError), (-1, ValueError), (2.0, TypeError)):
        with pytest.raises(error):
            data.resize_digits(image, wrong)


def test_resize_keeps_flat_images_and_size():
    flat = np.full((2, 28, 28), 255, np.uint8)
    assert np.all(data.resize_digits(flat) == 255)
    noise = np.random.default_rng(0).integers(0, 256, (300, 9, 9), dtype=np.uint8)
    assert np.array_equal(data.resize_digits(noise, 9), noise)


@pytest.mark.parametrize("wrong", [np.zeros((28, 28), np.uint8), np.zeros((1, 28, 28), np.float32)])
def test_resize_says_what_it_got(wrong):
    with pytest.raises(ValueError, match=re.escape(f"{wrong.dtype} {wrong.shape}")):
        data.resize_digits(wrong)


# --- IDX -----------------------------------------------------------------------------------------


def _idx(array: np.ndarray) -> bytes:
    head = b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


def test_idx_round_trip():
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert np.array_equal(data.parse_idx(gzip.compress(_idx(array))), array)


@pytest.mark.parametrize(
    ("packed", "says"),
    [
        (b"", "header missing|not a whole gzip"),
        (b"<html>moved</html>", "not a whole gzip stream"),
        (gzip.compress(_idx(np.zeros((4, 9), np.uint8)))[:-9], "not a whole gzip stream"),
        (gzip.compress(b"\0\0\x08"), "header 00 00 08"),
        (gzip.compress(b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0"), "header 00 00 0d 01"),  # float32
        (gzip.compress(b"\0\0\x08\x03\0\0\0\x01"), "header 00 00 08 03"),
        (gzip.compress(_idx(np.zeros((4, 9), np.uint8))[:-1]), r"35 bytes for shape \(4, 9\)"),
        (gzip.compress(b"\0\0\x08\x04" + b"\xff" * 16), "0 bytes for shape"),
    ],
    ids=range(8),  # a gzip stream holds the time
)
def test_a_corrupt_idx_file_is_data_unavailable(packed, says):
    with pytest.raises(data.DataUnavailable, match=f"corrupt IDX file: ({says})"):
        data.parse_idx(packed)


# --- photographs ---------------------------------------------------------------------------------


def test_kodak_is_24_images_in_file_order(kodak_images):
    assert len(kodak_images) == 24 and all(image.dtype == np.uint8 for image in kodak_images)
    upright = [i for i, image in enumerate(kodak_images, 1) if image.shape == (768, 512, 3)]
    assert upright == [4, 9, 10, 17, 18, 19]
    assert all(image.shape in {(512, 768, 3), (768, 512, 3)} for image in kodak_images)


def test_photos_are_sorted_rgb_and_lazy(tmp_path):
    rgb = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    (tmp_path / "more").mkdir()
    Image.fromarray(rgb).save(tmp_path / "more" / "b.PNG")
    Image.fromarray(rgb[..., 0]).save(tmp_path / "a.bmp")
    Image.fromarray(np.dstack([rgb, rgb[..., :1]])).save(tmp_path / "c.tif")
    (tmp_path / "notes.txt").write_text("not a picture", encoding="utf-8")
    (tmp_path / ".hidden.png").write_text("not a picture", encoding="utf-8")
    (tmp_path / "z.jpg").write_text("damaged, but nobody asks for it", encoding="utf-8")
    pictures = data.photos(tmp_path)
    assert [path.name for path in pictures.paths] == ["a.bmp", "c.tif", "b.PNG", "z.jpg"]
    assert np.array_equal(pictures[0], np.repeat(rgb[..., :1], 3, axis=2))
    assert np.array_equal(pictures[1], rgb) and np.array_equal(pictures[2], rgb)
    with pytest.raises(ValueError, match="z.jpg is not a readable picture"):
        pictures[3]
    with pytest.raises(IndexError):
        pictures[4]


def test_photos_are_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn a quarter clockwise to show
    Image.fromarray(np.zeros((4, 9, 3), np.uint8)).save(tmp_path / "phone.jpg", exif=exif)
    assert data.photos(tmp_path)[0].shape == (9, 4, 3)


def test_sixteen_bit_pictures_are_refused_not_clipped(tmp_path):
    Image.fromarray(np.full((3, 3), 40_000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(ValueError, match="deep.png has other samples than 8-bit unsigned ones"):
        data.photos(tmp_path)[0]


def test_a_folder_without_pictures_is_a_clear_error(tmp_path):
    with pytest.raises(ValueError, match=r"no pictures in this folder \(looked for .bmp .jpeg"):
        data.photos(tmp_path)
    with pytest.raises(ValueError, match="nowhere: no such folder"):
        data.photos(tmp_path / "nowhere")


# --- finding, downloading, verifying -------------------------------------------------------------

GOOD = b"the very bytes " * 9000  # more than one chunk
PATHS: list[str] = []


class _Handler(http.server.BaseHTTPRequestHandler):
    """The first folder of the path says how this mirror behaves."""

    def do_GET(self):
        PATHS.append(self.path)
        behaviour = self.path.split("/")[1]
        if behaviour == "missing":
            self.send_error(404)
            return
        if behaviour == "moved":
            self.send_response(302)
            self.send_header("Location", self.path.replace("moved", "good", 1))
            self.end_headers()
            return
        if behaviour == "drippinghead":
            self.drip(b"HTTP/1.0 200 OK\r\nServer: " + GOOD)
            return
        if behaviour == "garbage":
            self.wfile.write(b"this is not HTTP\r\n\r\n")
            return
        self.send_response(200)
        length = "many" if behaviour == "nonsense" else str(len(GOOD))
        if behaviour != "unsized":
            self.send_header("Content-Length", length)
        self.end_headers()
        body = {"wrong": b"X" * len(GOOD), "truncated": GOOD[:-7000], "endless": GOOD * 9}
        if behaviour == "stalled":
            self.wfile.write(GOOD[:100])
            self.wfile.flush()
            self.server.finished.wait(5)
            return
        if behaviour == "dripping":
            self.drip(GOOD)
            return
        self.wfile.write(body.get(behaviour, GOOD))

    def drip(self, content):
        """A byte every now and then, so that the connection is never silent."""
        with contextlib.suppress(OSError):  # the client has gone
            for place in range(len(content)):
                self.wfile.write(content[place : place + 1])
                if self.server.finished.wait(0.02):
                    return

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as web:
        web.finished = threading.Event()
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}"
        web.finished.set()
        web.shutdown()


@pytest.fixture
def shelf(monkeypatch, tmp_path):
    """A data set 'toy' of one file, an empty cache, and no way out to the network."""
    monkeypatch.setitem(data.SHA256, "toy", {"toy.bin": hashlib.sha256(GOOD).hexdigest()})
    monkeypatch.setitem(data.MIRRORS, "toy", ())
    monkeypatch.setenv("CWLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CWLIB_DATA", raising=False)
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    monkeypatch.setattr(data, "_TIMEOUT_S", 1.0)
    PATHS.clear()
    return tmp_path


def _mirrors(monkeypatch, *urls: str) -> None:
    monkeypatch.setitem(data.MIRRORS, "toy", tuple(f"{url}/{{file}}" for url in urls))


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def _closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


FAULTS = {
    "wrong": "sent 135000 bytes with SHA-256 [0-9a-f]{64}: not this file",
    "missing": "HTTP 404 Not Found",
    "truncated": "stopped after 128000 of 135000 bytes",
    "endless": None,  # the client stops at Content-Length, so this one is good
    "garbage": "this is not HTTP",
    "nonsense": "many",
    "stalled": "timed out|slower than 10000 bytes a second",
    "dripping": "slower than 10000 bytes a second",
    "drippinghead": "slower than 10000 bytes a second",
    "refused": "[Rr]efused",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_mirror_gives_way_to_the_next(fault, server, shelf, monkeypatch):
    bad = _closed_port() if fault == "refused" else f"{server}/{fault}"
    _mirrors(monkeypatch, bad, f"{server}/good")
    [(path, sha256, status)] = data.fetch("toy")
    assert path == shelf / "cache" / "toy" / "toy.bin" and path.read_bytes() == GOOD
    assert (sha256, status) == (data.SHA256["toy"]["toy.bin"], "downloaded")
    assert _files(shelf) == ["toy.bin"]
    assert data.fetch("toy")[0].status == "found"


@pytest.mark.parametrize("fault", [fault for fault, says in FAULTS.items() if says])
def test_without_a_good_mirror_the_error_says_what_each_place_answered(
    fault, server, shelf, monkeypatch
):
    bad = _closed_port() if fault == "refused" else f"{server}/{fault}"
    _mirrors(monkeypatch, bad, f"{server}/missing")
    with pytest.raises(data.DataUnavailable) as caught:
        data.fetch("toy")
    lines = str(caught.value).splitlines()
    assert lines[0] == f"cannot get toy/toy.bin (SHA-256 {data.SHA256['toy']['toy.bin']}):"
    assert lines[1] == "  CWLIB_DATA: not set"
    assert lines[2].endswith("toy.bin: No such file or directory")
    assert lines[3].startswith(f"  {bad}/toy.bin: ") and re.search(FAULTS[fault], lines[3])
    assert lines[4] == f"  {server}/missing/toy.bin: HTTP 404 Not Found"
    assert lines[5] == "Put the file at FOLDER/toy/toy.bin and set CWLIB_DATA=FOLDER."
    assert _files(shelf) == [] and not data.available("toy")


@pytest.mark.parametrize("mirror", ["moved", "unsized"])
def test_redirects_and_unsized_answers_work(mirror, server, shelf, monkeypatch):
    _mirrors(monkeypatch, f"{server}/{mirror}")
    assert data.read("toy", "toy.bin") == GOOD


def test_a_mirror_cannot_fill_the_memory(server, shelf, monkeypatch):
    monkeypatch.setattr(data, "_LARGEST_FILE", 100_000)
    _mirrors(monkeypatch, f"{server}/unsized")
    with pytest.raises(data.DataUnavailable, match="more than 100000 bytes"):
        data.fetch("toy")


def test_a_full_disk_leaves_no_partial_file(server, shelf, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    _mirrors(monkeypatch, f"{server}/good")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(data.DataUnavailable, match="cannot write .*toy.bin: No space left"):
        data.fetch("toy")
    assert _files(shelf) == []


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_ctrl_c_leaves_no_partial_file(moment, server, shelf, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    _mirrors(monkeypatch, f"{server}/good")
    with monkeypatch.context() as now:
        now.setattr(os, moment, interrupt)
        with pytest.raises(KeyboardInterrupt):
            data.fetch("toy")
    assert _files(shelf) == []
    assert data.fetch("toy")[0].status == "downloaded"


@pytest.mark.parametrize("where", ["cache", "cache/toy/toy.bin/in the way"])
def test_a_cache_that_cannot_be_written_is_data_unavailable(server, shelf, monkeypatch, where):
    (shelf / where).parent.mkdir(parents=True, exist_ok=True)
    (shelf / where).write_text("a file where the cache should be, or in a folder", encoding="utf-8")
    _mirrors(monkeypatch, f"{server}/good")
    with pytest.raises(data.DataUnavailable, match="cannot save a download"):
        data.fetch("toy")
    assert PATHS == []  # told before anything is fetched


def test_cwlib_data_comes_before_the_cache_and_the_network(server, shelf, monkeypatch):
    for folder in ("cache", "mine"):
        (shelf / folder / "toy").mkdir(parents=True)
        (shelf / folder / "toy" / "toy.bin").write_bytes(GOOD)
    _mirrors(monkeypatch, f"{server}/good")
    assert data.fetch("toy")[0].path == shelf / "cache" / "toy" / "toy.bin"
    monkeypatch.setenv("CWLIB_DATA", str(shelf / "mine"))
    assert data.fetch("toy")[0].path == shelf / "mine" / "toy" / "toy.bin"
    assert data.available("toy") and PATHS == []


def test_a_corrupt_local_file_is_never_used(server, shelf, monkeypatch):
    monkeypatch.setenv("CWLIB_DATA", str(shelf / "mine"))
    for folder in ("cache", "mine"):
        (shelf / folder / "toy").mkdir(parents=True)
        (shelf / folder / "toy" / "toy.bin").write_bytes(GOOD[:-1] + b"?")
    assert not data.available("toy")
    with pytest.raises(data.DataUnavailable) as caught:
        data.read("toy", "toy.bin")
    assert str(caught.value).count("135000 bytes with SHA-256") == 2
    _mirrors(monkeypatch, f"{server}/good")
    assert data.read("toy", "toy.bin") == GOOD  # the cache is mended, the user's folder untouched
    assert (shelf / "cache" / "toy" / "toy.bin").read_bytes() == GOOD
    assert (shelf / "mine" / "toy" / "toy.bin").read_bytes() != GOOD


@pytest.fixture
def homeless(monkeypatch):
    """A user whom the system does not know, as in many a container."""

    def unknown(_):
        raise KeyError

    for name in ("HOME", "XDG_CACHE_HOME", "CWLIB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)


def test_without_a_home_folder_ones_own_data_are_found(shelf, homeless, monkeypatch):
    (shelf / "mine" / "toy").mkdir(parents=True)
    (shelf / "mine" / "toy" / "toy.bin").write_bytes(GOOD)
    monkeypatch.setenv("CWLIB_DATA", str(shelf / "mine"))
    assert data.read("toy", "toy.bin") == GOOD and data.available("toy")


@pytest.mark.parametrize("own", [None, "~/data"])
def test_an_unknown_home_folder_is_one_more_place_that_was_tried(shelf, homeless, monkeypatch, own):
    if own:
        monkeypatch.setenv("CWLIB_DATA", own)
    assert not data.available("toy")
    with pytest.raises(data.DataUnavailable) as caught:
        data.fetch("toy")
    assert str(caught.value).splitlines()[1:3] == [
        "  CWLIB_DATA: " + ("Could not determine home directory." if own else "not set"),
        "  the user cache: Could not determine home directory.",
    ]


def test_parts_of_downloads_that_were_killed_are_swept(server, shelf, monkeypatch):
    folder = shelf / "cache" / "toy"
    folder.mkdir(parents=True)
    for name in (".cwlib-0123456789abcdef.part", ".toy.bin.0123.part", ".cwlib-new.part"):
        (folder / name).write_bytes(GOOD[:10])
        if "new" not in name:
            os.utime(folder / name, (0, 0))
    _mirrors(monkeypatch, f"{server}/good")
    data.fetch("toy")
    assert _files(shelf) == [".cwlib-new.part", "toy.bin"]


def test_unknown_names_are_listed():
    with pytest.raises(ValueError, match="unknown data set 'cifar': there are mnist, kodak"):
        data.fetch("cifar")
    with pytest.raises(ValueError, match="kodak has no file 'x.png': it has kodim01.png"):
        data.read("kodak", "x.png")


@pytest.mark.parametrize(
    ("platform", "variables", "wanted"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x"}, Path("/x/cwlib")),
        ("linux", {}, Path("/home/me/.cache/cwlib")),
        ("darwin", {}, Path("/home/me/Library/Caches/cwlib")),
        ("win32", {"LOCALAPPDATA": "/l"}, Path("/l/cwlib/Cache")),
        ("win32", {}, Path("/home/me/AppData/Local/cwlib/Cache")),
        ("linux", {"CWLIB_CACHE": "~/c"}, Path("/home/me/c")),
    ],
)
def test_the_cache_is_where_the_platform_keeps_caches(platform, variables, wanted, monkeypatch):
    for name in ("CWLIB_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(data.sys, "platform", platform)
    assert data.cache_dir() == wanted


def test_every_file_has_a_sum_and_every_set_has_mirrors():
    assert len(data.SHA256["mnist"]) == 4 and len(data.SHA256["kodak"]) == 24
    assert list(data.SHA256["kodak"]) == [f"kodim{i:02d}.png" for i in range(1, 25)]
    sums = [sha256 for name in data.NAMES for sha256 in data.SHA256[name].values()]
    assert len(set(sums)) == 28 and all(re.fullmatch("[0-9a-f]{64}", s) for s in sums)
    assert all(len(data.MIRRORS[name]) >= 2 for name in data.NAMES)
    url = data.MIRRORS["kodak"][1].format(file="kodim07.png", number="kodim07.png"[5:7])
    assert url.endswith("/07.png")


# --- the fixtures themselves ---------------------------------------------------------------------


def _nothing():
    raise data.DataUnavailable("cannot get toy/toy.bin")


def test_missing_data_skips_or_fails_as_asked(monkeypatch):
    monkeypatch.delenv("CWLIB_REQUIRE_DATA", raising=False)
    with pytest.raises(pytest.skip.Exception, match="toy.bin"):
        data_or_skip(_nothing)
    monkeypatch.setenv("CWLIB_REQUIRE_DATA", "1")
    with pytest.raises(pytest.fail.Exception, match="CWLIB_REQUIRE_DATA=1, but cannot get toy"):
        data_or_skip(_nothing)
