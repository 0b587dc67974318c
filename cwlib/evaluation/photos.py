"""Codecs over photographs -> records for book/results/baselines.json and kodak.json.

Every `bpp` is 8 * len(stream) / pixels of a stream that was decoded again. Each image has a record
(`image`: its file name or number), and each setting one of the mean.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch

from cwlib import baselines, codec, data, metrics, zoo
from cwlib.coding.stream import StreamError
from cwlib.progress import Bar

RATES = (0.13, 0.25, 0.361, 0.5, 0.7, 0.9)  # bpp; 0.361 is that of the paper's Table 1
CODECS = ("jpeg", "jpeg2000", "webp", "avif", "hevc", "jxl", "jpeg2000-53")
IMPORTANCE_STEPS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
QUALITY_STEPS = (0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)
QUALITIES = (10, 20, 30, 40, 50, 60, 70, 80, 90)  # of the published JPEG points
# Qualities that all images share; on Kodak their mean rates go from 0.1 bpp (JPEG XL: 0.15) to 1.3.
ONE_SETTING: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "jpeg": (4, 6, 9, 13, 18, 25, 36, 50, 65, 74),
        "webp": (0, 3, 9, 19, 32, 46, 60, 72, 79, 83),
        "avif": (6, 12, 19, 26, 34, 42, 50, 58, 65),
        "hevc": (7, 12, 18, 24, 29, 34, 39, 43, 47),
        "jxl": (0, 6, 12, 19, 25, 40, 55, 65, 75, 83),
    }
)
# OpenJPEG has no quantiser to set: its qualities are decibels, and the same decibels for all images
# take most bits where they buy least (1 dB is lost). What the others have with one quantiser is one
# slope, which other encoders of JPEG 2000 can be asked for: the bits per pixel that one unit of
# MSE is worth. It is the lambda_2 of a learned codec.
ONE_SLOPE: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {"jpeg2000": (0.0009, 0.0014, 0.002, 0.003, 0.0045, 0.007, 0.011, 0.019, 0.032, 0.062)}
)
SLOPE_QUALITIES = tuple(step / 4 for step in range(18 * 4, 46 * 4 + 1))  # dB, to choose from
MS_SSIM_SIDE = 161  # smaller images have no MS-SSIM


@dataclass(frozen=True, eq=False)
class Photos:
    """Images uint8 (H, W, 3) or (H, W), each with a name."""

    name: str
    labels: tuple[str | int, ...]
    images: Sequence[np.ndarray]


def kodak(limit: int | None = None) -> Photos:
    """The 24 Kodak images, or the first `limit`. They are numbered from 1, as their files are."""
    images = tuple(data.kodak()[:limit])
    return Photos("kodak", tuple(range(1, len(images) + 1)), images)


def heldout(limit: int | None = None) -> Photos:
    """The photographs that no training set here has, or the first `limit`, by their files' names.

    Raises as `data.heldout` does.
    """
    labels = data.HELDOUT[:limit]
    return Photos("heldout", labels, tuple(data.heldout()[:limit]))


def folder(path: Path, limit: int | None = None) -> Photos:
    """Every photograph in a folder, or the first `limit`, in order of their names.

    They are read when they are asked for. Raises as `data.photos` does.
    """
    paths = data.photos(path).paths[:limit]
    labels = tuple(p.relative_to(path).as_posix() for p in paths)
    return Photos(Path(path).resolve().name, labels, data.Photos(paths))


def score(image: np.ndarray, decoded: np.ndarray, n_bytes: int) -> dict[str, float]:
    """bpp, MSE, PSNR (none where nothing was lost) and two MS-SSIMs (none below 161 pixels).

    `ms_ssim` is the mean over the colours; `ms_ssim_luma` is of the luma (BT.601, not rounded).
    """
    row = {"bpp": metrics.bpp(n_bytes, image.shape), "mse": metrics.mse(image, decoded)}
    if row["mse"]:
        row["psnr"] = metrics.psnr(image, decoded)
    if min(image.shape[:2]) >= MS_SSIM_SIDE:
        row["ms_ssim"] = metrics.ms_ssim(image, decoded)
        row["ms_ssim_luma"] = metrics.ms_ssim_luma(image, decoded)
    return row


def with_mean(base: dict, labels: Iterable[str | int], rows: list[dict]) -> list[dict]:
    """The mean of the rows first, then each with its image's label; numbers rounded to 5 digits.

    A quantity that some image lacks (the PSNR of an exact one) has no mean.
    """
    keys = [key for key in rows[0] if all(key in row for row in rows)]
    mean = {key: float(np.mean([row[key] for row in rows])) for key in keys}
    records = [{**base, "image": "mean", "images": len(rows), **mean}]
    records += [{**base, "image": label, **row} for label, row in zip(labels, rows, strict=True)]
    return [
        {k: round(v, 5) if isinstance(v, float) else v for k, v in record.items()}
        for record in records
    ]


Coded = tuple[bytes, np.ndarray, dict]  # stream, decoded image, more fields for its record


def run(name: str, photos: Photos, code: Callable[[np.ndarray], Coded], progress: bool) -> list:
    """Code every image: a row of scores and the further fields for each."""
    rows = []
    bar = Bar(photos.images, desc=name, show=progress, leave=False)
    for label, image in zip(photos.labels, bar, strict=True):
        with naming(label):
            blob, decoded, more = code(image)
            rows.append({**score(image, decoded, len(blob)), **more})
    return rows


@contextlib.contextmanager
def naming(label: str | int) -> Iterator[None]:
    """Errors inside say which picture they are about."""
    try:
        yield
    except baselines.CodecMissing:  # which is about none of them
        raise
    except (ValueError, OSError, RuntimeError) as error:
        error.args = (f"{label}: {error}",)
        raise


def at_rates(measure: Callable[[float], list[dict]]) -> list[dict]:
    """The records of each of RATES; one that some picture cannot reach is left out.

    Raises baselines.RateTooLow where that leaves none.
    """
    records, missed = [], None
    for rate in RATES:
        try:
            records += measure(rate)
        except baselines.RateTooLow as error:
            missed = error
    if not records:
        raise baselines.RateTooLow(f"{missed}: leave this picture out") from missed
    return records


def baseline_records(name: str, photos: Photos, progress: bool = True) -> list[dict]:
    """One codec at each of RATES: for every image the best stream that is not above the rate.

    A rate that some image cannot reach is left out. Raises ValueError for an unknown codec and
    where no rate is left, and baselines.CodecMissing.
    """

    def measure(rate: float) -> list[dict]:
        def code(image: np.ndarray) -> Coded:
            blob, quality = baselines.at_rate(name, image, rate)
            decoded = baselines.decode(name, blob, grey=image.ndim == 2)
            return blob, decoded, {"quality": float(quality)}

        rows = run(f"{name} {rate:g} bpp", photos, code, progress)
        base = {"experiment": name, "dataset": photos.name, "rate": rate}
        return with_mean(base, photos.labels, rows)

    return at_rates(measure)


def quality_records(name: str, photos: Photos, progress: bool = True) -> list[dict]:
    """One codec at each of QUALITIES, as most published JPEG curves are made."""
    return _at_qualities(name, photos, QUALITIES, "quality", progress)


def one_setting_records(name: str, photos: Photos, progress: bool = True) -> list[dict]:
    """One codec at settings that all images share: ONE_SETTING or ONE_SLOPE.

    That is how a learned codec is measured; `baseline_records` gives each image a setting of its
    own. Raises ValueError for a codec without such settings and baselines.CodecMissing.
    """
    if name in ONE_SLOPE:
        return _at_slopes(name, photos, ONE_SLOPE[name], progress)
    if name not in ONE_SETTING:
        known = ", ".join([*ONE_SETTING, *ONE_SLOPE])
        raise ValueError(f"no settings for {name!r}: there are {known}")
    return _at_qualities(name, photos, ONE_SETTING[name], "one-setting", progress)


def _at_slopes(name: str, photos: Photos, slopes: Iterable[float], progress: bool) -> list[dict]:
    """For each lambda_2, and each image, the quality at which lambda_2 MSE + bpp is least."""
    rows: dict[float, list[dict]] = {slope: [] for slope in slopes}
    bar = Bar(photos.images, desc=f"{name} slopes", show=progress, leave=False)
    for label, image in zip(photos.labels, bar, strict=True):
        with naming(label):
            blobs = {quality: baselines.encode(name, image, quality) for quality in SLOPE_QUALITIES}
        rate = {quality: metrics.bpp(len(blob), image.shape) for quality, blob in blobs.items()}
        decoded = {q: baselines.decode(name, b, grey=image.ndim == 2) for q, b in blobs.items()}
        error = {quality: metrics.mse(image, seen) for quality, seen in decoded.items()}
        for slope, found in rows.items():
            cost = {quality: slope * error[quality] + rate[quality] for quality in blobs}
            best = min(cost, key=cost.__getitem__)
            found.append({**score(image, decoded[best], len(blobs[best])), "quality": best})
    base = {"experiment": name, "dataset": photos.name, "kind": "one-setting"}
    return [
        record
        for slope, found in rows.items()
        for record in with_mean({**base, "lambda_2": slope}, photos.labels, found)
    ]


def _at_qualities(
    name: str, photos: Photos, qualities: Iterable[float], kind: str, progress: bool
) -> list[dict]:
    records = []
    for quality in qualities:

        def code(image: np.ndarray, quality: float = quality) -> Coded:
            blob = baselines.encode(name, image, quality)
            return blob, baselines.decode(name, blob, grey=image.ndim == 2), {}

        rows = run(f"{name} {quality:g}", photos, code, progress)
        base = {"experiment": name, "dataset": photos.name, "kind": kind, "quality": quality}
        records += with_mean(base, photos.labels, rows)
    return records


def model_records(
    name: str | os.PathLike, photos: Photos, importance: float = 1.0, progress: bool = True
) -> list[dict]:
    """Real streams of a trained model, decoded again from their bytes.

    name: as `zoo.load` takes it, so the path of a weights file too; the records have the model's
    own name. `estimated_bpp`: what its likelihoods say that the stream should take.
    """
    model = zoo.load(name)

    def code(image: np.ndarray) -> Coded:
        latents = codec.analyse(model, image[None], importance)[0]
        blob = codec.pack(model, latents, image.shape)
        decoded = codec.unpack(model, blob, codec.photos.MAX_PIXELS)  # our own, so of any size
        if not (np.array_equal(latents.z, decoded.z) and np.array_equal(latents.y, decoded.y)):
            raise StreamError(f"{model.name}: a stream did not decode to its own symbols")
        more = {"estimated_bpp": estimated_bits(model, latents) / (image.shape[0] * image.shape[1])}
        more |= {"live_channels": int(latents.z.any(axis=(1, 2)).sum())}
        return blob, codec.synthesise(model, [decoded], image.shape)[0], more

    rows = run(model.name, photos, code, progress)
    experiment = model.experiment
    base = {"experiment": model.name, "dataset": photos.name, "seed": experiment.seed}
    base |= {"importance": importance, "lambda_2": experiment.lambda_2}
    return with_mean(base, photos.labels, rows)


@torch.no_grad()
def estimated_bits(model: zoo.TrainedModel, latents: codec.photos.Latents) -> float:
    """-log2 of the likelihood that the float model gives to these latents and hyper-latents."""
    z, y = (torch.from_numpy(a).float()[None] for a in (latents.z, latents.y))
    return float(sum(model.net.bits(z, y)))


def importance_records(
    name: str | os.PathLike, photos: Photos, progress: bool = True
) -> list[dict]:
    """One model at several `importance=` factors: means only.

    A net with gains is measured at QUALITY_STEPS, whose records also say the `quality`.
    """
    model, records = zoo.load(name), []
    if model.net.gains is None:
        for step in IMPORTANCE_STEPS:
            records += model_records(name, photos, step, progress)[:1]
    else:
        for quality in QUALITY_STEPS:
            step = codec.strength(model, quality)
            (record, *_) = model_records(name, photos, step, progress)
            records.append({**record, "importance": round(step, 5), "quality": quality})
    return [{**r, "kind": "importance"} for r in records]
