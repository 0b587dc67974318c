"""SHA-256 of what every coder writes for one fixed corpus, for tests/golden/digests.json.

    python tests/digests.py            prints them: with any NumPy, with or without numba
    python tests/digests.py --write    replaces the golden file: only for a new stream format

Needs NumPy and the package's `coding` folder only. The corpus comes from SHAKE-256 and whole-number
arithmetic, since NumPy's random distributions may change from version to version.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cwlib.coding import (
    adaptive,
    arithmetic,
    checkerboard,
    context,
    exact,
    gaussian,
    huffman,
    rans,
    stream,
)
from cwlib.coding.tables import Tables

GOLDEN = Path(__file__).parent / "golden" / "digests.json"


def numbers(seed: str, n: int, below: int) -> np.ndarray:
    """(n,) int64 in 0 ... below - 1, the same for ever."""
    raw = hashlib.shake_256(seed.encode()).digest(4 * n)
    return np.frombuffer(raw, dtype="<u4").astype(np.int64) % below


def bell(seed: str, n: int, below: int) -> np.ndarray:
    """(n,) int64 in 0 ... 4 (below - 1), most of them near the middle: sums of four."""
    return sum(numbers(f"{seed} {k}", n, below) for k in range(4))


def digest(*parts: bytes | np.ndarray) -> str:
    """SHA-256 of bytes, and of arrays as little-endian int64."""
    out = hashlib.sha256()
    for part in parts:
        out.update(part if isinstance(part, bytes) else np.asarray(part, dtype="<i8").tobytes())
    return out.hexdigest()


def learnt_tables() -> Tables:
    """Tables of 2, 17 and 300 symbols, made of probabilities that are unlike each other."""
    weights = [numbers(f"weights {k}", k, 10_000) ** 3 for k in (2, 17, 300)]
    return Tables.from_probabilities(
        [w / (w.sum() + 7) for w in weights], [0, -8, 1000], [0.5, 0, 1e-3]
    )


def messages() -> dict[str, tuple[np.ndarray, np.ndarray, Tables]]:
    """Symbols, table indices and tables: with escapes near and far, and empty."""
    learnt, gauss = learnt_tables(), gaussian.gaussian_tables()
    which = numbers("which", 600, 3)
    inside = learnt.offsets[which] + numbers("inside", 600, 1 << 20) % (learnt.sizes[which] - 1)
    far = np.where(numbers("far?", 600, 20) == 0, numbers("far", 600, 1 << 21) - (1 << 20), inside)
    scales = numbers("scales", 600, 64)
    halves = np.array(gaussian.SCALES)[scales] * (bell("gauss", 600, 1 << 14) / (1 << 14) - 2)
    empty = np.zeros(0, dtype=np.int64)
    return {
        "learnt": (inside, which, learnt),
        "escapes": (far, which, learnt),
        "gauss": (np.floor(halves).astype(np.int64), scales, gauss),
        "empty": (empty, empty, gauss),
    }


def coded(coder: Callable, **settings) -> str:
    """Digest of all messages by a coder of (symbols, indices, tables), each decoded again."""
    blobs = []
    for symbols, indices, tables in messages().values():
        blobs.append(coder.encode(symbols, indices, tables, **settings))
        assert np.array_equal(coder.decode(blobs[-1], indices, tables, **settings), symbols)
    return digest(*blobs)


def huffman_digest() -> str:
    symbols = bell("huffman", 900, 16)
    counts = np.bincount(symbols, minlength=64)
    parts = []
    for code in (huffman.Code.from_counts(counts), huffman.Code.from_counts(counts, max_length=6)):
        blob = code.encode(symbols)
        assert np.array_equal(code.decode(blob, symbols.size), symbols)
        parts += [code.to_bytes(), blob]
    parts += [np.array(huffman.tree_steps(counts))]
    return digest(*parts)


def adaptive_digest(order: int) -> str:
    symbols = bell("adaptive", 900, 11)
    settings = [(32, 65536), (1, 64), (1000, 4096)]
    parts = [adaptive.encode(symbols, 41, order, *setting) for setting in settings]
    for blob, setting in zip(parts, settings, strict=True):
        assert np.array_equal(adaptive.decode(blob, 900, 41, order, *setting), symbols)
    return digest(*parts)


def context_digest() -> str:
    """The coder of a learnt prior, its two nets filled with whole numbers of a natural size."""

    def net(seed: str, channels: int, features: int, hidden: int) -> context.Weights:
        shapes = [(hidden, features), (hidden,), (hidden, hidden), (hidden,), (2, hidden), (2,)]
        arrays = []
        for k, shape in enumerate(shapes):
            size = channels * int(np.prod(shape))
            reach = 1 << (12 if len(shape) == 2 else 17)
            arrays.append(numbers(f"{seed} {k}", size, reach) - reach // 2)
            arrays[-1] = arrays[-1].reshape(channels, *shape)
        return context.Weights(*arrays)

    nets = net("map", 1, context.map_features(), 8), net("code", 2, context.code_features(2), 8)
    coder = context.Coder(*nets, kept=(0, 2, 4, 6))
    levels = numbers("levels", 30, 4).reshape(5, 6)
    values = numbers("values", 60, 64).reshape(2, 5, 6) & ((1 << 2 * levels) - 1)
    blob = coder.encode(levels, values)
    back = coder.decode(blob, 2, 5, 6)
    assert np.array_equal(back[0], levels) and np.array_equal(back[1], values)
    return digest(blob)


def checkerboard_digest() -> str:
    """The two-pass coder, its exact nets filled with whole numbers of a natural size."""
    c, f, n, knots, h, w = 8, 6, 4, 3, 8, 12

    def layer(
        seed: str,
        k: int,
        c_in: int,
        c_out: int,
        last: bool = False,
        dtype: type = np.float32,
        **more,
    ) -> exact.Layer:
        weight = (numbers(seed, k * k * c_out * c_in, 255) - 127).reshape(k, k, c_out, c_in)
        bias = (numbers(f"{seed} bias", c_out, 1 << 15) - (1 << 14)).reshape(-1, 1, 1)
        unit = np.full((c_out, 1, 1), 128)
        arrays = (a.astype(dtype) for a in (weight, bias, unit))
        one = exact.Layer(*arrays, None if last else (0.0, 255.0), **more)
        one.check(4095 if dtype is np.float64 else 255)
        return one

    coder = checkerboard.Coder(
        Tables.from_probabilities([bell(f"y {k}", 31, 99) + 1.0 for k in range(n)], [-15] * n),
        (layer("h1", 3, n, 4 * f, shuffle=True), layer("h2", 3, f, 4 * f, shuffle=True)),
        (layer("p1", 1, f + knots, 8), layer("p1 last", 1, 8, 2 * c, last=True)),
        (layer("known", 1, c, f, dtype=np.float64),),
        (
            layer("p2", 3, 2 * f + knots, 8),
            layer("p2 middle", 1, 8, 8),
            layer("p2 last", 1, 8, 2 * c, last=True),
        ),
    )
    y = numbers("y", n * h * w // 16, 31).reshape(n, h // 4, w // 4) - 15
    levels = numbers("levels", h * w, 97).reshape(h, w)
    z = (bell("z", c * h * w, 4096).reshape(c, h, w) - 8190) / 64
    coded = coder.quantise(z, y, levels)
    sections = coder.write(coded, y)
    back, y_back = coder.decode(sections, levels)
    assert np.array_equal(back.values, coded.values) and np.array_equal(y_back, y)
    assert coder.encode(coded.symbols, y, levels) == sections
    return digest(*sections, coded.values, coded.tables)


def tables_digest(tables: Tables) -> str:
    return digest(tables.cdfs, tables.sizes, tables.offsets)


def all_digests() -> dict[str, str]:
    """{what: SHA-256 in hex}."""
    log2_sigma = numbers("log2 sigma", 500, 4096) / 256 - 6
    return {
        "gaussian tables": tables_digest(gaussian.gaussian_tables()),
        "scale indices": digest(gaussian.scale_index(log2_sigma)),
        "tables from probabilities": tables_digest(learnt_tables()),
        "huffman": huffman_digest(),
        "arithmetic": coded(arithmetic),
        "rans": coded(rans),
        "rans, two lanes": coded(rans, lanes=2),
        "adaptive, order 0": adaptive_digest(0),
        "adaptive, order 1": adaptive_digest(1),
        "context": context_digest(),
        "checkerboard": checkerboard_digest(),
        "stream": digest(stream.pack(b"\1\2\3\4", 300, 1, 3, [b"one", b"", b"three"])),
    }


if __name__ == "__main__":
    text = json.dumps(all_digests(), indent=2) + "\n"
    if "--write" in sys.argv[1:]:
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
