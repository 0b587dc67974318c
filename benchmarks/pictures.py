"""`python -m benchmarks codec`: whole pictures through our models, beside other codecs."""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from benchmarks.peers import Skipped
from benchmarks.speed import format_load, load_average
from cwlib import baselines, codec, metrics, zoo
from cwlib.codec import AnyLatents
from cwlib.zoo import TrainedModel

#: Bits a pixel that every codec aims at which can be asked for a rate.
RATE = 0.36
#: The codecs of `baselines`: those that all others are measured against, and the rest.
RIVALS = {"webp": "WebP", "jpeg2000": "OpenJPEG"}
OTHERS = ("avif", "hevc", "jxl")
COMPRESSAI = "CompressAI hyperprior"

Encode = Callable[[], object]  # of one picture
Decode = Callable[[object], np.ndarray]
Prepare = Callable[[np.ndarray], tuple[Encode, Decode]]

# What one picture takes of memory is measured in a process of its own: its first second is loading.
ONE_PICTURE = """
import sys
import numpy as np
from cwlib import codec, zoo
shape = tuple(map(int, sys.argv[2].split("x")))
image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
codec.decompress(codec.compress(zoo.load(sys.argv[1]), image))
"""
# Linux lets getrusage's figure begin with that of the process which started this one; VmHWM is its
# own. In MiB.
PRINT_PEAK = """
import pathlib, resource, sys
status = pathlib.Path("/proc/self/status")
if status.exists():
    print(int(status.read_text().split("VmHWM:")[1].split()[0]) / 2**10)
else:
    unit = 2**20 if sys.platform == "darwin" else 2**10
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)
"""


class Timing(NamedTuple):
    """The best times of one picture, and its stream."""

    encode_ms: float
    decode_ms: float
    blob: object


def codec_speed(images: np.ndarray, repeats: int = 5) -> dict:
    """Milliseconds to compress and decompress one picture, per model of its kind and per peer.

    images: (N, H, W) or (N, H, W, 3) uint8; wall-clock time after a warm-up, the median over images
    of the best of `repeats`. Who can be asked for a rate makes RATE; the qualities for it are
    sought before the clock. `bpp`: the mean of the streams. `ratios`: how many times as long as
    each of RIVALS in the same run. Models of photographs also have `peak_mib`, the memory of a
    process that does one picture, and what `_details` tells.
    """
    load_before = load_average()
    rows = {name: _row(prepare, images, repeats) for name, prepare in _ways(images).items()}
    if images.ndim == 4:
        for name in zoo.names():
            if name in rows:
                rows[name] |= _details(zoo.load(name), images[0], rows[name])
    times = {n: r["encode_ms"] + r["decode_ms"] for n, r in rows.items() if "skipped" not in r}
    for name, ms in times.items():
        rows[name]["ratios"] = {rival: ms / times[rival] for rival in RIVALS if rival in times}
    return {
        "made_by": "python -m benchmarks codec" + (" --data kodak" if images.ndim == 4 else ""),
        "picture": f"{images.shape[1]}x{images.shape[2]}",
        "pictures": len(images),
        "rate": RATE,
        "threads": torch.get_num_threads(),
        "cpu_count": os.cpu_count(),
        "load_average_before": load_before,
        "load_average_after": load_average(),
        "models": rows,
    }


def format_codec_table(result: dict) -> str:
    """The result of `codec_speed` as plain text."""
    head = f"{result['picture']:<24}{'encode ms':>12}{'decode ms':>12}{'bpp':>8}"
    lines = [head + "".join(f"{'/ ' + name:>12}" for name in RIVALS.values())]
    for name, row in result["models"].items():
        if "skipped" in row:
            lines.append(f"{name:<24}  skipped: {row['skipped']}")
            continue
        line = f"{name:<24}{row['encode_ms']:>12.2f}{row['decode_ms']:>12.2f}"
        line += f"{row['bpp']:>8.3f}" if "bpp" in row else " " * 8
        for rival in RIVALS:
            line += f"{row['ratios'][rival]:>12.1f}" if rival in row["ratios"] else " " * 12
        if "coding_share" in row:
            line += f"   {100 * row['coding_share']:.0f} % entropy coding, "
            line += f"{100 * row['tables_share']:.0f} % exact nets"
        if row.get("peak_mib"):
            line += f"   {row['peak_mib']:.0f} MiB"
        lines.append(line)
    return "\n".join([*lines, f"{result['threads']} threads, wall-clock", format_load(result)])


def _ways(images: np.ndarray) -> dict[str, Prepare]:
    """What is timed: a function for each that makes it ready for one picture.

    It raises Skipped, CodecMissing or ImportError where it cannot be had.
    """
    colour = images.ndim == 4
    classical = (*RIVALS, *OTHERS) if colour else tuple(RIVALS)
    ways: dict[str, Prepare] = {name: partial(_classical, name) for name in classical}
    models = [zoo.load(name) for name in zoo.names()]
    models = [m for m in models if (m.experiment.dataset == "photos") == colour]
    ways |= {model.name: partial(_ours, model) for model in models}
    return ways | ({COMPRESSAI: compressai_hyperprior} if colour else {})


def _classical(name: str, image: np.ndarray) -> tuple[Encode, Decode]:
    """A codec of `baselines` at RATE, or at its lowest quality where that takes more."""
    try:
        _, quality = baselines.at_rate(name, image, RATE)
    except baselines.RateTooLow:
        quality = baselines.CODECS[name].qualities[0]
    decode = partial(baselines.decode, name, grey=image.ndim == 2)
    return partial(baselines.encode, name, image, quality), decode


def _ours(model: TrainedModel, image: np.ndarray) -> tuple[Encode, Decode]:
    """A model of ours; one of many rates at RATE, if it has that."""
    try:
        quality = codec.info(codec.compress_to(model, image, RATE)).quality
    except ValueError:  # one rate, or none so low or so high
        quality = None
    return partial(codec.compress, model, image, quality=quality), codec.decompress


@cache
def _compressai_net() -> nn.Module:
    from compressai.zoo import bmshj2018_hyperprior

    net = bmshj2018_hyperprior(3, pretrained=False).eval()
    net.update()
    return net


def compressai_hyperprior(image: np.ndarray) -> tuple[Encode, Decode]:
    """bmshj2018-hyperprior at quality 3 (N = 128, M = 192), untrained: the time is the same."""
    net = _compressai_net()

    @torch.no_grad()
    def encode() -> dict:
        rim = [(0, -side % 64) for side in image.shape[:2]]  # it wants multiples of 64
        x = torch.from_numpy(np.pad(image, (*rim, (0, 0)), mode="edge"))
        return net.compress(x.permute(2, 0, 1)[None].float() / 255)

    @torch.no_grad()
    def decode(coded: dict) -> np.ndarray:
        x_hat = net.decompress(coded["strings"], coded["shape"])["x_hat"]
        return (x_hat[0].permute(1, 2, 0) * 255).round().clamp(0, 255).byte().numpy()

    return encode, decode


def _row(prepare: Prepare, images: np.ndarray, repeats: int) -> dict:
    """Times and rate of one way over all pictures, or why it is skipped."""
    try:
        ready = [prepare(image) for image in images]
    except (Skipped, ImportError, baselines.CodecMissing) as why:
        return {"skipped": str(why)}
    timings = [_one_picture(encode, decode, repeats) for encode, decode in ready]
    row = {
        "encode_ms": statistics.median(t.encode_ms for t in timings),
        "decode_ms": statistics.median(t.decode_ms for t in timings),
    }
    sizes = [len(t.blob) for t in timings if isinstance(t.blob, bytes)]
    if sizes:  # the peer's net is untrained: its rate says nothing, and it makes no bytes
        row["bpp"] = statistics.mean(metrics.bpp(size, images[0].shape) for size in sizes)
    return row


def _details(model: TrainedModel, image: np.ndarray, row: dict) -> dict:
    """A process's peak memory, and shares of the two parts of coding in the time of one picture.

    `coding_share`: entropy coding alone; `tables_share`: the nets in whole numbers that pick its
    tables. Both only where the model's coder lets those nets run apart.
    """
    size = "x".join(map(str, image.shape))
    details = {"peak_mib": _peak_mib(ONE_PICTURE, model.name, size)}
    latents = codec.unpack(model, _ours(model, image)[0]())
    pick = _table_picker(model, latents)
    if pick is None:
        return details
    pack = partial(codec.pack, model, latents, image.shape)
    coding = _one_picture(pack, partial(codec.unpack, model), repeats=3)
    picking = _one_picture(pick, lambda _: None, repeats=3).encode_ms
    whole = row["encode_ms"] + row["decode_ms"]
    # each direction asks for the tables once
    share = (coding.encode_ms + coding.decode_ms - 2 * picking) / whole
    return details | {"coding_share": share, "tables_share": 2 * picking / whole}


def _table_picker(model: TrainedModel, latents: AnyLatents) -> Callable[[], object] | None:
    """What picks the tables of these latents, as coding them does; None where it is not offered."""
    pick = getattr(model.coder, "scale_indices", None)
    return None if pick is None else partial(pick, latents.y)


def _peak_mib(script: str, *arguments: str) -> float | None:
    """Memory in MiB of a process that runs the script; None where the system does not tell."""
    command = [sys.executable, "-c", script + PRINT_PEAK, *arguments]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    return None if done.returncode else float(done.stdout.split()[-1])


def _one_picture(encode: Encode, decode: Decode, repeats: int) -> Timing:
    """Best encode and decode time of one picture, after a warm-up."""
    blob = encode()
    decode(blob)
    best = [math.inf, math.inf]
    for _ in range(repeats):
        for way, run in enumerate((encode, partial(decode, blob))):
            start = time.perf_counter()
            run()
            best[way] = min(best[way], 1000 * (time.perf_counter() - start))
    return Timing(*best, blob)
