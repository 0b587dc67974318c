"""The data sets, checked byte by byte: MNIST digits, Kodak photographs, and any folder of pictures.

A file is looked for in three places, in this order:

    $CWLIB_DATA/<name>/<file>  ->  the user cache  ->  download from the mirrors into the cache

and is accepted only if its SHA-256 is the one listed here. Whatever goes wrong on the way ends in
`DataUnavailable`, which says what each place answered.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import importlib.util
import os
import queue
import sys
import threading
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator, Sequence
from operator import index
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from cwlib import files, imagefiles
from cwlib.progress import Bar
from cwlib.sources import MIRRORS, SHA256

NAMES = tuple(SHA256)
PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})

_TIMEOUT_S = 20.0  # of silence, per connection; and what a mirror may lose before it is too slow
_LEAST_SPEED = 10_000  # bytes a second
_CHUNK = 1 << 14
_LARGEST_FILE = 1 << 25  # bytes; a mirror that sends more is not sending one of these files

Split = Literal["train", "test"]


class DataUnavailable(RuntimeError):
    """A data file could not be had; the message names it, its SHA-256 and the places tried."""


class Fetched(NamedTuple):
    """One verified file: where it lies, its SHA-256, and 'found' or 'downloaded'."""

    path: Path
    sha256: str
    status: str


# --- MNIST ---------------------------------------------------------------------------------------


def mnist(split: Split, limit: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The digits at the paper's size: images uint8 (N, 128, 128) and labels int64 (N,).

    split: 'train' (60,000; 983 MB at this size) or 'test' (10,000). limit: only the first digits.
    A training loop keeps `mnist28` and calls `resize_digits` on each batch.
    Raises DataUnavailable.
    """
    images, labels = mnist28(split)
    return resize_digits(images[:limit]), labels[:limit]


def mnist28(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """The digits as published: images uint8 (N, 28, 28) and labels int64 (N,).

    split: 'train' or 'test'. Raises DataUnavailable. Source: LeCun, Cortes and Burges, 1998.
    """
    if split not in ("train", "test"):
        raise ValueError(f"unknown split {split!r}: expected 'train' or 'test'")
    prefix = "train" if split == "train" else "t10k"
    images = parse_idx(read("mnist", f"{prefix}-images-idx3-ubyte.gz"))
    labels = parse_idx(read("mnist", f"{prefix}-labels-idx1-ubyte.gz"))
    return images, labels.astype(np.int64)


def resize_digits(images: np.ndarray, size: int = 128) -> np.ndarray:
    """Resize uint8 (N, n, n) to uint8 (N, size, size), bilinearly and without antialiasing.

    Pixel centres lie at half integers (align_corners=False); beyond the outermost centres the edge
    value is held. The sum is exact and is rounded once, halves up. This is what torch's
    `interpolate(mode='bilinear')` gives before rounding; Pillow rounds after the rows and again
    after the columns, which moves about one pixel in thirty by one grey level.
    """
    if images.ndim != 3 or images.shape[1] != images.shape[2] or images.dtype != np.uint8:
        raise ValueError(f"expected uint8 (N, n, n), got {images.dtype} {images.shape}")
    if (size := index(size)) < 1:  # Python's whole number: those of NumPy wrap around
        raise ValueError(f"a side has at least 1 pixel, got {size}")
    weights, unit = _bilinear(images.shape[1], size)
    out = np.empty((len(images), size, size), np.uint8)
    for start in range(0, len(images), 256):  # a bounded float64 scratch, 34 MB at size 128
        # y = floor(W x W^T / unit^2 + 1/2); every product and sum is a whole number below 2^53
        exact = weights @ images[start : start + 256].astype(np.float64) @ weights.T
        exact += unit**2 / 2
        exact /= unit**2
        np.copyto(out[start : start + 256], exact, casting="unsafe")  # truncation is floor here
    return out


def _bilinear(n: int, size: int) -> tuple[np.ndarray, int]:
    """Whole-number weights W (size, n) and their row sum `unit`: output = W @ input / unit."""
    # Output centre i + 1/2 lies at (i + 1/2) n / size - 1/2 on the input grid. Times 2 size, that
    # is the whole number (2i + 1) n - size, so the two weights need no rounding.
    unit = 2 * size
    position = np.clip((2 * np.arange(size) + 1) * n - size, 0, (n - 1) * unit)
    left, towards_right = np.divmod(position, unit)
    weights = np.zeros((size, n))
    weights[np.arange(size), left] = unit - towards_right
    weights[np.arange(size), np.minimum(left + 1, n - 1)] += towards_right
    return weights, unit


def parse_idx(packed: bytes) -> np.ndarray:
    """Unpack one gzipped IDX file of unsigned bytes; shape as its header says.

    Raises DataUnavailable with the reason when it is not such a file.
    """
    try:
        raw = gzip.decompress(packed)
    except (OSError, EOFError, zlib.error) as error:
        raise DataUnavailable(f"corrupt IDX file: not a whole gzip stream ({error})") from error
    # Header: two zero bytes, type 8 (uint8), number of dimensions, then each as big-endian uint32.
    if len(raw) < 4 or raw[:3] != b"\0\0\x08" or len(raw) < 4 + 4 * raw[3]:
        raise DataUnavailable(f"corrupt IDX file: header {raw[:4].hex(' ') or 'missing'}")
    shape = [int.from_bytes(raw[i : i + 4], "big") for i in range(4, 4 + 4 * raw[3], 4)]
    body, expected = len(raw) - 4 - 4 * raw[3], 1
    for side in shape:
        expected *= side
    if body != expected:
        raise DataUnavailable(f"corrupt IDX file: {body} bytes for shape {tuple(shape)}")
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape).copy()


# --- photographs ---------------------------------------------------------------------------------


def kodak() -> list[np.ndarray]:
    """The 24 Kodak PhotoCD images, kodim01 to kodim24: uint8 (512, 768, 3) or (768, 512, 3).

    For testing only, never for training. Raises DataUnavailable.
    """
    return [_rgb(read("kodak", file), file) for file in SHA256["kodak"]]


# astronaut and rocket: NASA and SpaceX; chelsea: a cat; coffee: a cup; motorcycle_left: Middlebury
# 2014. Colour photographs of 0.14 to 0.37 megapixels with little or no trace of JPEG. The others in
# that folder are grey, drawn, medical, of the deep sky, or the same motorcycle from its right.
HELDOUT = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")


def heldout() -> list[np.ndarray]:
    """The photographs HELDOUT, which come with scikit-image: five, each uint8 (H, W, 3).

    No training set here has them. Raises DataUnavailable where that package is missing.
    """
    package = importlib.util.find_spec("skimage")
    if package is None:
        raise DataUnavailable(
            "the held-out photographs come with scikit-image: pip install scikit-image"
        )
    folder = Path(package.origin).parent / "data"
    try:
        return [load_photo(folder / file) for file in HELDOUT]
    except ValueError as error:
        raise DataUnavailable(f"{error}: install scikit-image again") from error


class Photos(Sequence[np.ndarray]):
    """Pictures that are read from disk when they are asked for; `.paths` are their files."""

    def __init__(self, paths: Sequence[Path]):
        self.paths = tuple(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:
        return load_photo(self.paths[index])


def photos(folder: str | os.PathLike[str]) -> Photos:
    """The pictures of a folder and its subfolders, sorted by path: each uint8 (H, W, 3).

    PNG, JPEG, WebP, BMP and TIFF files are taken; hidden ones are left out. See `load_photo`.
    Raises ValueError for a folder that is missing or has no pictures.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder")
    paths = sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in PICTURE_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
        and path.is_file()
    )
    if not paths:
        kinds = " ".join(sorted(PICTURE_SUFFIXES))
        raise ValueError(f"{root}: no pictures in this folder (looked for {kinds})")
    return Photos(paths)


def load_photo(path: str | os.PathLike[str]) -> np.ndarray:
    """One picture file as uint8 (H, W, 3), upright (EXIF), alpha dropped.

    Raises ValueError naming the file where it cannot be read and where 8-bit RGB cannot hold it:
    see `imagefiles.decode`.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{path} is not a readable picture: {error.strerror or error}") from error
    return _rgb(content, path)


def _rgb(content: bytes, file: str | os.PathLike[str]) -> np.ndarray:
    return np.ascontiguousarray(imagefiles.decode(content, file)[..., :3])


# --- files ---------------------------------------------------------------------------------------


def fetch(name: str) -> list[Fetched]:
    """Find or download every file of data set `name` ('mnist' or 'kodak') and verify it.

    Raises DataUnavailable at the first file that cannot be had, ValueError for an unknown name.
    """
    return [_obtain(name, file)[1] for file in _files(name)]


def available(name: str) -> bool:
    """Whether every file of data set `name` lies on this machine and is whole; no download."""
    return all(_find(name, file, []) is not None for file in _files(name))


def read(name: str, file: str) -> bytes:
    """The verified bytes of one file of a data set, e.g. read('kodak', 'kodim01.png').

    Raises DataUnavailable, ValueError for a file that is not of the data set.
    """
    if file not in _files(name):
        raise ValueError(f"{name} has no file {file!r}: it has {', '.join(_files(name))}")
    return _obtain(name, file)[0]


def own_dir() -> Path | None:
    """The user's own folder of data sets, $CWLIB_DATA; None where it is not set."""
    chosen = os.environ.get("CWLIB_DATA")
    return Path(chosen).expanduser() if chosen else None


def cache_dir() -> Path:
    """Where downloads are kept: $CWLIB_CACHE, else the platform's cache folder for this user.

    Raises RuntimeError where that is in a home folder and there is none.
    """
    if chosen := os.environ.get("CWLIB_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "cwlib"
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        return Path(base) / "cwlib" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cwlib"


def _files(name: str) -> dict[str, str]:
    if name not in SHA256:
        raise ValueError(f"unknown data set {name!r}: there are {', '.join(NAMES)}")
    return SHA256[name]


def _obtain(name: str, file: str) -> tuple[bytes, Fetched]:
    """Search, then download. `tried` collects one line per place for the error message."""
    tried: list[str] = []
    sha256 = SHA256[name][file]
    if local := _find(name, file, tried):
        content, path = local
        return content, Fetched(path, sha256, "found")
    try:
        path = cache_dir() / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        files.sweep(path.parent)
        files.check_place(path)
        if content := _download(name, file, tried):
            files.write(path, content)
    except (OSError, RuntimeError) as error:
        tried.append(f"cannot save a download: {error}")
        raise _unavailable(name, file, tried) from error
    if content is None:
        raise _unavailable(name, file, tried)
    return content, Fetched(path, sha256, "downloaded")


def _find(name: str, file: str, tried: list[str]) -> tuple[bytes, Path] | None:
    for folder in _folders(tried):
        path = folder / name / file
        try:
            content = path.read_bytes()
        except OSError as error:
            tried.append(f"{path}: {error.strerror or error}")
            continue
        if (sha256 := hashlib.sha256(content).hexdigest()) == SHA256[name][file]:
            return content, path
        tried.append(f"{path}: {len(content)} bytes with SHA-256 {sha256}: not this file")
    return None


def _folders(tried: list[str]) -> Iterator[Path]:
    for label, place in (("CWLIB_DATA", own_dir), ("the user cache", cache_dir)):
        try:
            folder = place()
        except RuntimeError as error:  # nobody knows this user's home folder
            tried.append(f"{label}: {error}")
            continue
        if folder is None:
            tried.append(f"{label}: not set")
        else:
            yield folder


def _download(name: str, file: str, tried: list[str]) -> bytes | None:
    """The bytes from the first mirror that has the right ones. In memory: at most 10 MB each."""
    for mirror in MIRRORS[name]:
        url = mirror.format(file=file, number=file[5:7])
        try:
            content = _get(url, file)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            status = f"HTTP {error.code} " if isinstance(error, urllib.error.HTTPError) else ""
            # One line: a server that does not speak HTTP is quoted in the exception.
            said = " ".join(str(reason).split())[:200]
            tried.append(f"{url}: {status}{said or type(error).__name__}")
            continue
        if (sha256 := hashlib.sha256(content).hexdigest()) == SHA256[name][file]:
            return content
        tried.append(f"{url}: sent {len(content)} bytes with SHA-256 {sha256}: not this file")
    return None


def _get(url: str, label: str) -> bytes:
    """What a mirror sends. One that is slower than _LEAST_SPEED is given up.

    A thread of its own waits for it: not bytes alone can drip, but headers and redirections too.
    """
    pieces: queue.SimpleQueue[int | bytes | Exception] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(url, pieces), daemon=True).start()
    content, began = bytearray(), time.monotonic()
    with Bar(desc=label, unit="B", unit_scale=True, leave=False) as bar:
        while True:
            patience = _TIMEOUT_S + len(content) / _LEAST_SPEED - (time.monotonic() - began)
            try:
                piece = pieces.get(timeout=max(0.0, patience))
            except queue.Empty:
                raise TimeoutError(f"slower than {_LEAST_SPEED} bytes a second") from None
            if isinstance(piece, Exception):
                raise piece
            if isinstance(piece, int):
                bar.total = piece or None
            elif piece:
                content += piece
                bar.update(len(piece))
            else:
                return bytes(content)


def _receive(url: str, pieces: queue.SimpleQueue[int | bytes | Exception]) -> None:
    """Puts the size that a mirror announces, the bytes as they come, and b"" or what went wrong."""
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "cwlib"})
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
            total, received = int(response.headers.get("Content-Length") or 0), 0
            pieces.put(total)
            while chunk := response.read(_CHUNK):
                received += len(chunk)
                if received > _LARGEST_FILE:
                    raise ValueError(f"more than {_LARGEST_FILE} bytes: not this file")
                pieces.put(chunk)
        if received < total:
            raise ValueError(f"stopped after {received} of {total} bytes")
        pieces.put(b"")
    except Exception as error:
        pieces.put(error)


def _unavailable(name: str, file: str, tried: list[str]) -> DataUnavailable:
    return DataUnavailable(
        "\n  ".join([f"cannot get {name}/{file} (SHA-256 {SHA256[name][file]}):", *tried])
        + f"\nPut the file at FOLDER/{name}/{file} and set CWLIB_DATA=FOLDER."
    )
