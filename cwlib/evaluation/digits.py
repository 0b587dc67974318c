"""A model or a baseline over the test digits -> records for book/results/mnist.json.

Every `bpp` is 8 * len(stream) / pixels of a stream that was decoded again and compared; the few
figures that are not (the paper's own accounting) have `estimated: true`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from cwlib import baselines, codec, data, metrics, zoo
from cwlib.coding import huffman, stream
from cwlib.evaluation.results import summarise
from cwlib.models import autoencoders
from cwlib.models.importance import CODE_BITS, kept_bits
from cwlib.models.quantize import to_levels
from cwlib.progress import Bar

BATCH = 50
IMPORTANCE_STEPS = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
UNIFORM_BITS = (2, 3, 4, 6)
DECIMALS = 6  # the paper: 'the first 6 digits of the encoding result'


@dataclass(frozen=True, eq=False)
class TestSet:
    """Digits to evaluate on: originals (N, 28, 28) and their 128x128 versions, uint8."""

    name: str
    originals: np.ndarray
    images: np.ndarray

    __test__ = False  # not a pytest class


def mnist(limit: int | None = None) -> TestSet:
    """The MNIST test digits, all 10,000 or the first `limit`."""
    originals = data.mnist28("test")[0][:limit]
    return TestSet("mnist", originals, data.resize_digits(originals))


def _mse(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Per-image MSE of stacks (N, H, W) uint8."""
    return ((a.astype(np.float32) - b) ** 2).mean((1, 2))


def _in_batches(n: int, name: str, progress: bool) -> Iterator[slice]:
    for k in Bar(range(0, n, BATCH), desc=name, show=progress, unit="batch"):
        yield slice(k, k + BATCH)


def model_records(
    name: str | os.PathLike, test: TestSet, importance: float = 1.0, progress: bool = True
) -> list[dict]:
    """Real streams of a trained model: packed, unpacked, compared symbol by symbol, decoded.

    name: as `zoo.load` takes it, so the path of a weights file too.
    """
    model = zoo.load(name)
    rates, errors, kept = [], [], []
    for part in _in_batches(len(test.images), model.name, progress):
        images = test.images[part]
        shape = images.shape[1:]
        latents = codec.analyse(model, images, importance)
        blobs = [codec.pack(model, one, shape) for one in latents]
        decoded = [codec.unpack(model, blob) for blob in blobs]
        for a, b in zip(latents, decoded, strict=True):
            if not np.array_equal(a.symbols, b.symbols):
                raise stream.StreamError(
                    f"{model.name}: a stream did not decode to its own symbols"
                )
        rates += [metrics.bpp(len(blob), shape) for blob in blobs]
        errors += list(_mse(images, codec.synthesise(model, decoded, shape)))
        if model.experiment.model.startswith("cw"):
            kept.append(_kept_bits(model, images, importance))
    more = {"seed": model.experiment.seed, "importance": importance, "coder": _coder_name(model)}
    if kept:
        more["kept_bits"] = float(np.mean(kept))
    if model.experiment.lambda_rate:
        more["lambda_rate"] = model.experiment.lambda_rate
    return summarise(model.name, test.name, rates, errors, **more)


@torch.no_grad()
def _kept_bits(model: zoo.TrainedModel, images: np.ndarray, importance: float) -> float:
    """Mean number of leading bits that the map keeps per code value."""
    x = torch.from_numpy(images).unsqueeze(1).float() / 255
    z, m = model.net.analyse(x)
    _, levels = model.net.symbols(z, importance * m)
    return kept_bits(levels, model.experiment.reading).mean().item()


def _coder_name(model: zoo.TrainedModel) -> str:
    return "huffman" if isinstance(model.coder, huffman.Code) else "arithmetic"


def importance_records(name: str, test: TestSet, progress: bool = True) -> list[dict]:
    """One model at several `importance=` factors: means only."""
    records = []
    for step in IMPORTANCE_STEPS:
        records += model_records(name, test, step, progress)[:1]
    return [{**r, "kind": "importance"} for r in records]


def uniform_records(test: TestSet, name: str = "mnist-resnet", progress: bool = True) -> list[dict]:
    """The float baseline quantised to 2, 3, 4 and 6 bits, each with its own static Huffman code.

    The code is learnt on training digits, as for the shipped models, and is not sent.
    """
    model = zoo.load(name)
    learn = data.resize_digits(data.mnist28("train")[0][:1000])
    z_learn = _codes(model.net, learn)
    coders = {
        bits: huffman.Code.from_counts(
            1 + np.bincount(_levels(z_learn, bits).ravel(), minlength=2**bits)
        )
        for bits in UNIFORM_BITS
    }
    rates = {bits: [] for bits in UNIFORM_BITS}
    errors = {bits: [] for bits in UNIFORM_BITS}
    for part in _in_batches(len(test.images), f"{name} uniform", progress):
        images = test.images[part]
        z = _codes(model.net, images)
        for bits, coder in coders.items():
            blobs = [
                stream.pack(model.model_id, *images.shape[1:], 1, [coder.encode(q)])
                for q in _levels(z, bits)
            ]
            q = np.stack(
                [coder.decode(stream.unpack(b)[1][0], z[0].size).reshape(z[0].shape) for b in blobs]
            )
            with torch.no_grad():
                z_hat = torch.from_numpy((q + 0.5) / 2**bits).float()
                x_hat = model.net.synthesise(z_hat)[:, 0]
            rates[bits] += [metrics.bpp(len(b), images.shape[1:]) for b in blobs]
            errors[bits] += list(_mse(images, torch.round(x_hat * 255).numpy()))
    return [
        record
        for bits in UNIFORM_BITS
        for record in summarise(
            f"{name}-uniform-{bits}", test.name, rates[bits], errors[bits], bits=bits, seed=0
        )
    ]


@torch.no_grad()
def _codes(net: autoencoders.Autoencoder, images: np.ndarray) -> np.ndarray:
    """Unquantised codes (N, C, h, w) of uint8 images (N, H, W)."""
    parts = [
        net.analyse(torch.from_numpy(images[k : k + BATCH]).unsqueeze(1).float() / 255)[0]
        for k in range(0, len(images), BATCH)
    ]
    return torch.cat(parts).numpy()


def _levels(z: np.ndarray, bits: int) -> np.ndarray:
    return to_levels(torch.from_numpy(z), bits).numpy().astype(np.int64)


def paper_accounting(code: np.ndarray) -> dict[str, float]:
    """The paper's BPP of one image's code (C, h, w): per-image Huffman, the table not sent.

    Floats are cut to 6 decimals, whole numbers taken as they are. Returns bits per pixel of the
    words (`bpp`), of the table that a decoder would need (`table_bpp`), and how many symbols are
    distinct.
    """
    whole = np.issubdtype(code.dtype, np.integer)
    symbols = code.ravel() if whole else np.round(code.astype(np.float64).ravel() * 10**DECIMALS)
    values, counts = np.unique(symbols, return_counts=True)
    lengths = huffman.Code.from_counts(counts, max_length=24).lengths.astype(np.int64)
    pixels = code[0].size * autoencoders.DOWNSCALE**2
    # the table: each distinct value (20 bits for 6 decimals, 6 for whole numbers), its word length
    value_bits = CODE_BITS if whole else int(np.ceil(np.log2(10**DECIMALS)))
    return {
        "bpp": float(counts @ lengths) / pixels,
        "table_bpp": len(values) * (value_bits + 4) / pixels,
        "distinct": len(values),
    }


def accounting_records(test: TestSet, progress: bool = True) -> list[dict]:
    """The paper's Table 1 as it was computed: trained and untrained nets, table not sent."""
    records = []
    names = ["mnist-cae", "mnist-resnet", "mnist-cw"]
    nets = {name: zoo.load(name).net for name in names}
    for name in names:
        torch.manual_seed(0)
        nets[f"{name}-untrained"] = autoencoders.build(
            replace(nets[name].experiment, name=f"{name}-untrained")
        ).eval()
    for name, net in Bar(nets.items(), desc="accounting", show=progress):
        rows = []
        for part in _in_batches(len(test.images), name, False):
            for code in _paper_codes(net, test.images[part]):
                rows.append(paper_accounting(code))
        record = {"experiment": name, "dataset": test.name, "kind": "paper-accounting"}
        record |= {"image": "mean", "images": len(rows), "estimated": True, "seed": 0}
        record |= {k: round(float(np.mean([r[k] for r in rows])), 5) for k in rows[0]}
        records.append(record)
    return records


@torch.no_grad()
def _paper_codes(net: autoencoders.Autoencoder, images: np.ndarray) -> np.ndarray:
    """What the paper Huffman-codes: floats of the baselines, masked integers of the proposal."""
    z, m = net.analyse(torch.from_numpy(images).unsqueeze(1).float() / 255)
    if m is None:
        return z.numpy()
    return net.symbols(z, m)[0].numpy().astype(np.int64)


BASELINES: dict[str, list[float | None]] = {
    "webp": [0, 5, 10, 20, 40, 60, 80],
    "jpeg": [2, 5, 10, 20, 40, 60, 80],
    "jpeg2000": [26, 28, 30, 32, 34, 36, 38, 40],
}


def baseline_records(test: TestSet, progress: bool = True) -> list[dict]:
    """JPEG, JPEG 2000, WebP at 128x128 over qualities; lossless PNG and WebP of the originals."""
    records = []
    for name, qualities in BASELINES.items():
        for quality in qualities:
            rates, errors = [], []
            bar = Bar(test.images, desc=f"{name} {quality}", show=progress, leave=False)
            for image in bar:
                blob = baselines.encode(name, image, quality)
                rates.append(metrics.bpp(len(blob), image.shape))
                errors.append(metrics.mse(image, baselines.decode(name, blob, grey=True)))
            records += summarise(name, test.name, rates, errors, quality=quality)[:1]
    return records


GREY_LEVELS = (2, 3, 4, 6, 8, 16)


def source_records(test: TestSet, progress: bool = True) -> list[dict]:
    """Codecs that know what the 128x128 digits were made from, charged to the 128x128 pixels.

    PNG, lossless WebP and gzip of the 28x28 originals; and `grey-28`, the hardest simple rival:
    round the original to a few grey levels, code it as lossless WebP, enlarge what comes back.
    """
    records = []
    for name in ("png", "webp-lossless"):
        sizes = [len(baselines.encode(name, image)) for image in test.originals]
        rates = [metrics.bpp(size, test.images.shape[1:]) for size in sizes]
        records += summarise(f"{name}-28", test.name, rates, np.zeros(len(rates)))[:1]
    for levels in Bar(GREY_LEVELS, desc="grey-28", show=progress):
        step = 255 / (levels - 1)
        coarse = np.round(np.round(test.originals / step) * step).astype(np.uint8)
        blobs = [baselines.encode("webp-lossless", image) for image in coarse]
        back = np.stack([baselines.decode("webp-lossless", blob, grey=True) for blob in blobs])
        rates = [metrics.bpp(len(blob), test.images.shape[1:]) for blob in blobs]
        errors = _mse(test.images, data.resize_digits(back))
        records += summarise("grey-28", test.name, rates, errors, quality=levels)[:1]
    gz = {"experiment": "gzip-28", "dataset": test.name, "image": "mean", "mse": 0.0}
    return [*records, {**gz, "images": 10000, "bpp": round(baselines.gzip_bpp(), 5)}]
