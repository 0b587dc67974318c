"""The clock of `cwlib bench codec`: whole pictures through our models, beside WebP."""

from __future__ import annotations

import math
import os
import statistics
import time
from functools import partial

import numpy as np

from cwlib import baselines, codec, zoo
from cwlib.benchmark.speed import format_load, load_average


def codec_speed(images: np.ndarray, repeats: int = 5) -> dict:
    """Milliseconds to compress and decompress one picture, per model of its kind and for WebP.

    images: (N, H, W) or (N, H, W, 3) uint8; wall-clock time after a warm-up, the median over images
    of the best of `repeats`. `ratio`: how many times as long as WebP in the same run.
    """
    load_before = load_average()
    ways = {"webp": (lambda i: baselines.encode("webp", i, 20), partial(baselines.decode, "webp"))}
    dataset = "mnist" if images.ndim == 3 else "photos"
    models = [m for m in map(zoo.load, zoo.names()) if m.experiment.dataset == dataset]
    ways |= {model.name: (partial(codec.compress, model), codec.decompress) for model in models}
    rows = {}
    for name, (encode, decode) in ways.items():
        times = [_one_picture(encode, decode, image, repeats) for image in images]
        rows[name] = {
            "encode_ms": statistics.median(t[0] for t in times),
            "decode_ms": statistics.median(t[1] for t in times),
        }
    for row in rows.values():
        total, webp = (sum(r.values()) for r in (row, dict(list(rows["webp"].items())[:2])))
        row["ratio"] = total / webp
    return {
        "made_by": "cwlib bench codec",
        "picture": f"{images.shape[1]}x{images.shape[2]}",
        "pictures": len(images),
        "cpu_count": os.cpu_count(),
        "load_average_before": load_before,
        "load_average_after": load_average(),
        "models": rows,
    }


def format_codec_table(result: dict) -> str:
    """The result of `codec_speed` as plain text."""
    lines = [f"{result['picture']:<20}{'encode ms':>12}{'decode ms':>12}{'/ WebP':>10}"]
    for name, row in result["models"].items():
        times = f"{row['encode_ms']:>12.2f}{row['decode_ms']:>12.2f}{row['ratio']:>10.1f}"
        lines.append(f"{name:<20}{times}")
    return "\n".join([*lines, format_load(result)])


def _one_picture(encode, decode, image: np.ndarray, repeats: int) -> tuple[float, float]:
    """Best encode and decode time of one picture, in ms."""
    blob = encode(image)
    decode(blob)
    best = [math.inf, math.inf]
    for _ in range(repeats):
        for way, run, argument in ((0, encode, image), (1, decode, blob)):
            start = time.perf_counter()
            run(argument)
            best[way] = min(best[way], 1000 * (time.perf_counter() - start))
    return best[0], best[1]
