"""A codec of many rates over photographs -> records for book/results/kodak.json.

Every `bpp` is 8 * len(stream) / pixels of a stream that was decoded again. Two ways to choose the
rates, never to be mixed: one quality for all pictures, or for every picture the quality that fits
into a size.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch

from cwlib import codec, metrics, zoo
from cwlib.evaluation import photos
from cwlib.evaluation.photos import Coded, Photos

QUALITIES = (0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)
EFFORTS = (1, 5, 9)  # beside 0, for the records of what more time gives
EFFORT_QUALITIES = (0.25, 0.375, 0.5, 0.625)
STUDY_QUALITIES = (0.25, 0.5, 0.75)
ROI_RATE, ROI_SHARE = 0.361, 0.1  # bpp of both files; how much of a picture the region is


def one_setting_records(
    name: str | os.PathLike, test: Photos, effort: int = 0, progress: bool = True
) -> list[dict]:
    """Each of QUALITIES (EFFORT_QUALITIES above effort 1) for all pictures: kind `one-setting`."""
    records = []
    for quality in EFFORT_QUALITIES if effort > 1 else QUALITIES:
        wish = {"quality": quality, "effort": effort}
        records += _records(name, test, codec.compress, wish, wish, progress)
    return [{**r, "kind": "one-setting"} for r in records]


def equal_rate_records(
    name: str | os.PathLike, test: Photos, effort: int = 0, progress: bool = True
) -> list[dict]:
    """The best stream of every picture that is not above each of photos.RATES.

    A rate that some picture cannot reach is left out. Raises as `photos.at_rates` does.
    """

    def measure(rate: float) -> list[dict]:
        more = {"rate": rate, "effort": effort}
        wish = {"bpp": rate, "effort": effort}
        return _records(name, test, codec.compress_to, wish, more, progress)

    return [{**r, "kind": "equal-rate"} for r in photos.at_rates(measure)]


def regions_records(name: str | os.PathLike, test: Photos, progress: bool = True) -> list[dict]:
    """What a region gains at the size that the whole picture had: kind `regions`, at ROI_RATE.

    Two sets of records: `roi` False (all places alike) and True, with `middle` for the region.
    `psnr_inside`, `psnr_outside`: of the region and of the rest.
    """
    model, records = zoo.load(name), []
    for roi in (False, True):

        def code(image: np.ndarray, roi: bool = roi) -> Coded:
            mask = middle(image.shape)
            blob = codec.compress_to(model, image, ROI_RATE, roi=mask if roi else None)
            decoded, inside = codec.decompress(blob, codec.photo.MAX_PIXELS, model=model), mask > 0
            told = {
                "psnr_inside": metrics.psnr(image[None, inside], decoded[None, inside]),
                "psnr_outside": metrics.psnr(image[None, ~inside], decoded[None, ~inside]),
            }
            return blob, decoded, told

        base = {"experiment": model.name, "dataset": test.name, "seed": model.experiment.seed}
        base |= {"kind": "regions", "rate": ROI_RATE, "roi": roi}
        rows = photos.run(f"{model.name} regions {roi}", test, code, progress)
        records += photos.with_mean(base, test.labels, rows)
    return records


def middle(shape: Sequence[int], share: float = ROI_SHARE) -> np.ndarray:
    """A mask with an ellipse in the middle that takes `share` of the picture: uint8 (H, W)."""
    y, x = (np.abs(2 * np.arange(side) + 1 - side) / side for side in shape[:2])
    # x^2 + y^2 <= r^2, with the sides from -1 to 1: pi r^2 of the area 4
    inside = y[:, None] ** 2 + x**2 <= 4 * share / np.pi
    return np.where(inside, 255, 0).astype(np.uint8)


def study_record(name: str | os.PathLike, test: Photos, progress: bool = True) -> dict:
    """The mean at the usual quality, and `cost`: R + lambda_2 D as training weighs it, the mean of
    STUDY_QUALITIES. Real streams."""
    net, means, costs = zoo.load(name).net, {}, []
    for quality in STUDY_QUALITIES:
        wish = {"quality": quality}
        means[quality] = _records(name, test, codec.compress, wish, wish, progress)[0]
        lambda_2, middle = (net.lambda_2(torch.tensor(q)).item() for q in (quality, 0.5))
        cost = means[quality]["bpp"] + lambda_2 * means[quality]["mse"]
        costs.append((middle / lambda_2) ** 0.5 * cost)
    return {**means[0.5], "cost": round(float(np.mean(costs)), 5)}


def _records(name, test: Photos, compress, wish: dict, more: dict, progress: bool) -> list[dict]:
    model = zoo.load(name)

    def code(image: np.ndarray) -> Coded:
        blob = compress(model, image, **wish)
        latents = codec.unpack(model, blob, codec.photo.MAX_PIXELS)
        quality = codec.photo.quality(model, latents.level)
        told = {"quality": quality} if "rate" in more else {}
        return blob, codec.synthesise(model, [latents], image.shape)[0], told

    rows = photos.run(f"{model.name} {wish}", test, code, progress)
    base = {"experiment": model.name, "dataset": test.name, "seed": model.experiment.seed}
    return photos.with_mean(base | more, test.labels, rows)


def targets(name: str) -> dict:
    """What `cwlib eval` can measure of a model of many rates."""
    table = {name: partial(one_setting_records, name)}
    table[f"equal-rate:{name}"] = partial(equal_rate_records, name)
    table[f"regions:{name}"] = partial(regions_records, name)
    for effort in EFFORTS:
        table[f"effort-{effort}:{name}"] = partial(one_setting_records, name, effort=effort)
    return table
