"""The clock of `cwlib bench codec`: whole pictures through our models, beside other codecs."""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from cwlib import baselines, codec, zoo
from cwlib.benchmark.peers import Skipped
from cwlib.benchmark.speed import format_load, load_average

Encode = Callable[[np.ndarray], bytes]
Decode = Callable[[bytes], np.ndarray]

# What one picture takes of memory is measured in a process of its own: its first second is loading.
MEMORY_SCRIPT = """
import resource, sys
import numpy as np
from cwlib import codec, zoo
shape = tuple(map(int, sys.argv[2].split("x")))
image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
codec.decompress(codec.compress(zoo.load(sys.argv[1]), image))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def codec_speed(images: np.ndarray, repeats: int = 5) -> dict:
    """Milliseconds to compress and decompress one picture, per model of its kind and per peer.

    images: (N, H, W) or (N, H, W, 3) uint8; wall-clock time after a warm-up, the median over images
    of the best of `repeats`. `ratio`: how many times as long as WebP in the same run; of models of
    photographs also the shares of entropy coding (`coding_share`) and of the hyper-decoder in whole
    numbers (`tables_share`) in it, and `peak_mib`, the memory of a process that does one picture.
    """
    load_before = load_average()
    rows = {}
    for name, way in _ways(images).items():
        try:
            encode, decode = way()
        except (Skipped, ImportError) as why:
            rows[name] = {"skipped": str(why)}
            continue
        times = [_one_picture(encode, decode, image, repeats) for image in images]
        rows[name] = {
            "encode_ms": statistics.median(t[0] for t in times),
            "decode_ms": statistics.median(t[1] for t in times),
        }
        if images.ndim == 4 and name in zoo.names():
            rows[name] |= _details(name, images[0], rows[name])
    webp = rows["webp"]["encode_ms"] + rows["webp"]["decode_ms"]
    for row in rows.values():
        if "skipped" not in row:
            row["ratio"] = (row["encode_ms"] + row["decode_ms"]) / webp
    return {
        "made_by": "cwlib bench codec" + (" --data kodak" if images.ndim == 4 else ""),
        "picture": f"{images.shape[1]}x{images.shape[2]}",
        "pictures": len(images),
        "threads": torch.get_num_threads(),
        "cpu_count": os.cpu_count(),
        "load_average_before": load_before,
        "load_average_after": load_average(),
        "models": rows,
    }


def format_codec_table(result: dict) -> str:
    """The result of `codec_speed` as plain text."""
    lines = [f"{result['picture']:<24}{'encode ms':>12}{'decode ms':>12}{'/ WebP':>10}"]
    for name, row in result["models"].items():
        if "skipped" in row:
            lines.append(f"{name:<24}  skipped: {row['skipped']}")
            continue
        line = f"{name:<24}{row['encode_ms']:>12.2f}{row['decode_ms']:>12.2f}{row['ratio']:>10.1f}"
        if "coding_share" in row:
            line += f"   {100 * row['coding_share']:.0f} % entropy coding, "
            line += f"{100 * row['tables_share']:.0f} % hyper-decoder"
        if row.get("peak_mib"):
            line += f", {row['peak_mib']:.0f} MiB"
        lines.append(line)
    return "\n".join([*lines, f"{result['threads']} threads, wall-clock", format_load(result)])


def _ways(images: np.ndarray) -> dict[str, Callable[[], tuple[Encode, Decode]]]:
    """What is timed: a function for each that prepares it, or raises Skipped or ImportError."""

    def webp() -> tuple[Encode, Decode]:
        return lambda i: baselines.encode("webp", i, 20), partial(baselines.decode, "webp")

    def ours(name: str) -> tuple[Encode, Decode]:
        return partial(codec.compress, zoo.load(name)), codec.decompress

    colour = images.ndim == 4
    models = [zoo.load(name) for name in zoo.names()]
    names = [m.name for m in models if (m.experiment.dataset == "photos") == colour]
    ways = {"webp": webp} | {name: partial(ours, name) for name in names}
    return ways | {"CompressAI hyperprior": compressai_hyperprior} if colour else ways


def compressai_hyperprior() -> tuple[Encode, Decode]:
    """bmshj2018-hyperprior at quality 3 (N = 128, M = 192), untrained: the time is the same."""
    from compressai.zoo import bmshj2018_hyperprior

    net = bmshj2018_hyperprior(3, pretrained=False).eval()
    net.update()

    @torch.no_grad()
    def encode(image: np.ndarray) -> dict:
        rim = [(0, -side % 64) for side in image.shape[:2]]  # it wants multiples of 64
        x = torch.from_numpy(np.pad(image, (*rim, (0, 0)), mode="edge"))
        return net.compress(x.permute(2, 0, 1)[None].float() / 255)

    @torch.no_grad()
    def decode(coded: dict) -> np.ndarray:
        x_hat = net.decompress(coded["strings"], coded["shape"])["x_hat"]
        return (x_hat[0].permute(1, 2, 0) * 255).round().clamp(0, 255).byte().numpy()

    return encode, decode


def _details(name: str, image: np.ndarray, row: dict) -> dict:
    """Shares of the two parts of coding in the time of one picture, and a process's peak memory."""
    model = zoo.load(name)
    latents = codec.analyse(model, image[None])[0]
    pack, unpack = partial(codec.pack, model, shape=image.shape), partial(codec.unpack, model)
    both = sum(_one_picture(pack, unpack, latents, repeats=3))
    scales, _ = _one_picture(model.coder.scale_indices, lambda _: None, latents.y, repeats=3)
    whole = row["encode_ms"] + row["decode_ms"]
    return {
        "coding_share": (both - 2 * scales) / whole,  # each direction asks for the tables once
        "tables_share": 2 * scales / whole,
        "peak_mib": _peak_mib(name, image.shape),
    }


def _peak_mib(name: str, shape: tuple[int, ...]) -> float | None:
    """Memory in MiB; None where the system does not tell (Windows)."""
    command = [sys.executable, "-c", MEMORY_SCRIPT, name, "x".join(map(str, shape))]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return int(done.stdout) * unit / 2**20


def _one_picture(encode, decode, image, repeats: int) -> tuple[float, float]:
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
