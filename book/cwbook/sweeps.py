"""A codec at many settings, for the chapters: `python -m cwbook measure NAME`.

What `cwlib.evaluate` measures is a codec as one uses it. Here are the settings that nobody ships:
importance and uniform quantisation, one setting or one slope for all pictures, equal rates, more
effort, regions, and paper 1's own way to count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType

import numpy as np
import torch

from cwlib import baselines, codec, data, evaluate, metrics, zoo
from cwlib.coding import huffman, stream
from cwlib.evaluate import BATCH, SINGLE_DIGITS, Pictures, Target, records, run
from cwlib.models import autoencoders, catalogue
from cwlib.models.importance import CODE_BITS
from cwlib.models.quantize import to_levels
from cwlib.progress import Bar

DIGIT_IMPORTANCE = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
PHOTO_IMPORTANCE = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
UNIFORM_BITS = (2, 3, 4, 6)
GREY_LEVELS = (2, 3, 4, 6, 8, 16)
DECIMALS = 6  # paper 1: 'the first 6 digits of the encoding result'
EFFORTS = (1, 5, 9)  # beside 0, for what more time gives
EFFORT_QUALITIES = (0.25, 0.375, 0.5, 0.625)
STUDY_QUALITIES = (0.25, 0.5, 0.75)
ROI_RATE, ROI_SHARE = 0.361, 0.1  # bpp of both files; how much of a picture the region is
STANDARD_QUALITIES = (10, 20, 30, 40, 50, 60, 70, 80, 90)  # of the published JPEG points
DIGIT_BASELINES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "webp": (0, 5, 10, 20, 40, 60, 80),
        "jpeg": (2, 5, 10, 20, 40, 60, 80),
        "jpeg2000": (26, 28, 30, 32, 34, 36, 38, 40),
    }
)
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


def targets(dataset: str = "mnist") -> dict[str, Target]:
    """What `python -m cwbook measure` can measure on the digits or on photographs, by name."""
    if dataset == "mnist":
        table = {"uniform": uniform, "accounting": accounting, "baselines": digit_baselines}
        table["source"] = source
        maps = [name for name in ("mnist-cw", "mnist-cw1") if name in zoo.names()]
        return table | {f"importance:{name}": partial(importance, name) for name in maps}
    table = {}
    for name in zoo.names():
        model = zoo.load(name)
        if model.net.codec == "photo":
            table[f"equal-rate:{name}"] = partial(equal_rate, name)
            table[f"regions:{name}"] = partial(regions, name)
            for effort in EFFORTS:
                table[f"effort-{effort}:{name}"] = partial(at_effort, name, effort)
        elif model.net.codec == "photos" and model.experiment.mask != "none":
            table[f"importance:{name}"] = partial(importance, name)
    for name in (*ONE_SETTING, *ONE_SLOPE):
        table[f"one-setting:{name}"] = partial(one_setting, name)
    table["jpeg-standard"] = jpeg_standard
    return table


# --- models --------------------------------------------------------------------------------------


def importance(name, test: Pictures, **how: int) -> list[dict]:
    """One of the papers' models at several `importance=` factors: means only.

    A net with gains is measured at evaluate.QUALITIES, whose records also say the `quality`.
    """
    model, means = zoo.load(name), []
    if test.digits or model.net.gains is None:
        steps = [(s, {}) for s in (DIGIT_IMPORTANCE if test.digits else PHOTO_IMPORTANCE)]
    else:
        steps = [(codec.strength(model, q), {"quality": q}) for q in evaluate.QUALITIES]
    for step, quality in steps:
        mean = evaluate.as_trained(name, test, step, **how)[0]
        means.append({**mean, "importance": round(step, 5), **quality, "kind": "importance"})
    return means


def equal_rate(name, test: Pictures, **how: int) -> list[dict]:
    """The best stream of every picture that is not above each of evaluate.RATES.

    A rate that some picture cannot reach is left out. Raises as `evaluate.at_rates` does.
    """

    def measure(rate: float) -> list[dict]:
        wish, more = {"bpp": rate}, {"rate": rate, "effort": 0}
        return evaluate.as_wished(name, test, codec.compress_to, wish, more, **how)

    return [{**r, "kind": "equal-rate"} for r in evaluate.at_rates(measure)]


def at_effort(name, effort: int, test: Pictures, **how: int) -> list[dict]:
    """One setting for all pictures with more effort, above effort 1 at EFFORT_QUALITIES alone."""
    qualities = EFFORT_QUALITIES if effort > 1 else evaluate.QUALITIES
    return evaluate.at_qualities(name, test, qualities, effort, **how)


def regions(name, test: Pictures, **how: int) -> list[dict]:
    """What a region gains at the size that the whole picture had: kind `regions`, at ROI_RATE.

    Two sets of records: `roi` False (all places alike) and True, with `middle` for the region.
    `psnr_inside`, `psnr_outside`: of the region and of the rest.
    """
    model, measured = zoo.load(name), []
    for roi in (False, True):
        base = {"experiment": model.name, "dataset": test.name, "seed": model.experiment.seed}
        base |= {"kind": "regions", "rate": ROI_RATE, "roi": roi}
        code = partial(_code_region, name, ROI_RATE, roi)
        rows = run(f"{model.name} regions {roi}", test, code, **how)
        measured += records(base, test.labels, rows)
    return measured


def _code_region(name, rate: float, roi: bool, images: Sequence[np.ndarray]):
    model = zoo.load(name)
    for image in images:
        mask = middle(image.shape)
        blob = codec.compress_to(model, image, rate, roi=mask if roi else None)
        decoded, inside = codec.decompress(blob, codec.photo.MAX_PIXELS, model=model), mask > 0
        psnr = {
            "psnr_inside": metrics.psnr(image[None, inside], decoded[None, inside]),
            "psnr_outside": metrics.psnr(image[None, ~inside], decoded[None, ~inside]),
        }
        yield blob, decoded, psnr


def middle(shape: Sequence[int], share: float = ROI_SHARE) -> np.ndarray:
    """A mask with an ellipse in the middle that takes `share` of the picture: uint8 (H, W)."""
    y, x = (np.abs(2 * np.arange(side) + 1 - side) / side for side in shape[:2])
    # x^2 + y^2 <= r^2, with the sides from -1 to 1: pi r^2 of the area 4
    inside = y[:, None] ** 2 + x**2 <= 4 * share / np.pi
    return np.where(inside, 255, 0).astype(np.uint8)


def study_record(name, test: Pictures, **how: int) -> dict:
    """The mean at the usual quality, and `cost`: R + lambda_2 D as training weighs it, the mean of
    STUDY_QUALITIES. Real streams."""
    net, means, costs = zoo.load(name).net, {}, []
    for quality in STUDY_QUALITIES:
        wish = {"quality": quality}
        means[quality] = evaluate.as_wished(name, test, codec.compress, wish, **how)[0]
        lambda_2, usual = (net.lambda_2(torch.tensor(q)).item() for q in (quality, 0.5))
        cost = means[quality]["bpp"] + lambda_2 * means[quality]["mse"]
        costs.append((usual / lambda_2) ** 0.5 * cost)
    return {**means[0.5], "cost": round(float(np.mean(costs)), 5)}


# --- classical codecs ----------------------------------------------------------------------------


def jpeg_standard(test: Pictures, **how: int) -> list[dict]:
    """Plain JPEG at STANDARD_QUALITIES, as most published JPEG curves are made."""
    return _at_qualities("jpeg-standard", test, STANDARD_QUALITIES, "quality", **how)


def one_setting(name: str, test: Pictures, **how: int) -> list[dict]:
    """One codec at settings that all images share: ONE_SETTING or ONE_SLOPE.

    That is how a learned codec is measured; `evaluate.of_codec` gives each image a setting of its
    own. Raises ValueError for a codec without such settings and baselines.CodecMissing.
    """
    if name in ONE_SLOPE:
        return _at_slopes(name, test, ONE_SLOPE[name], **how)
    if name not in ONE_SETTING:
        known = ", ".join([*ONE_SETTING, *ONE_SLOPE])
        raise ValueError(f"no settings for {name!r}: there are {known}")
    return _at_qualities(name, test, ONE_SETTING[name], "one-setting", **how)


def digit_baselines(test: Pictures, **how: int) -> list[dict]:
    """JPEG, JPEG 2000 and WebP of the 128x128 digits over DIGIT_BASELINES: means only."""
    measured = []
    for name, qualities in DIGIT_BASELINES.items():
        for quality in qualities:
            base = {"experiment": name, "dataset": test.name, "quality": quality}
            rows = run(f"{name} {quality}", test, partial(_code_at, name, quality), **how)
            measured += records(base, test.labels, rows)[:1]
    return measured


def _at_qualities(
    name: str, test: Pictures, qualities: Iterable[float], kind: str, **how: int
) -> list[dict]:
    measured = []
    for quality in qualities:
        base = {"experiment": name, "dataset": test.name, "kind": kind, "quality": quality}
        rows = run(f"{name} {quality:g}", test, partial(_code_at, name, quality), **how)
        measured += records(base, test.labels, rows)
    return measured


def _code_at(name: str, quality: float, images: Sequence[np.ndarray]):
    for image in images:
        blob = baselines.encode(name, image, quality)
        yield blob, baselines.decode(name, blob, grey=image.ndim == 2), {}


def _at_slopes(
    name: str, test: Pictures, slopes: Sequence[float], progress: bool = True, **how: int
) -> list[dict]:
    """For each lambda_2, and each image, the quality at which lambda_2 MSE + bpp is least."""
    rows: dict[float, list[dict]] = {slope: [] for slope in slopes}
    for image in Bar(test.images, desc=f"{name} slopes", show=progress, leave=False):
        blobs = {quality: baselines.encode(name, image, quality) for quality in SLOPE_QUALITIES}
        rate = {quality: metrics.bpp(len(blob), image.shape) for quality, blob in blobs.items()}
        decoded = {q: baselines.decode(name, b, grey=image.ndim == 2) for q, b in blobs.items()}
        error = {quality: metrics.mse(image, seen) for quality, seen in decoded.items()}
        for slope, of_images in rows.items():
            cost = {quality: slope * error[quality] + rate[quality] for quality in blobs}
            best = min(cost, key=cost.__getitem__)
            row = evaluate.score(image, decoded[best], len(blobs[best]))
            of_images.append({**row, "quality": best})
    base = {"experiment": name, "dataset": test.name, "kind": "one-setting"}
    return [
        record
        for slope, of_images in rows.items()
        for record in records({**base, "lambda_2": slope}, test.labels, of_images)
    ]


# --- paper 1: other ways to quantise and to count ------------------------------------------------


def uniform(test: Pictures, name: str = "mnist-resnet", **how: int) -> list[dict]:
    """The float baseline quantised to 2, 3, 4 and 6 bits, each with its own static Huffman code.

    The code is learnt on training digits, as for the shipped models, and is not sent.
    """
    learn = _codes(zoo.load(name).net, data.resize_digits(data.mnist28("train")[0][:1000]))
    measured = []
    for bits in UNIFORM_BITS:
        counts = np.bincount(_levels(learn, bits).ravel(), minlength=2**bits)
        coder = huffman.Code.from_counts(1 + counts)
        code = partial(_code_uniform, name, bits, coder)
        rows = run(f"{name} {bits} bits", test, code, batch=BATCH, **how)
        base = {"experiment": f"{name}-uniform-{bits}", "dataset": test.name}
        measured += records(base | {"bits": bits, "seed": 0}, test.labels, rows, SINGLE_DIGITS)
    return measured


def _code_uniform(name: str, bits: int, coder: huffman.Code, images: Sequence[np.ndarray]):
    model, images = zoo.load(name), np.stack(images)
    codes = _levels(_codes(model.net, images), bits)
    shape = images.shape[1:]
    blobs = [stream.pack(model.model_id, *shape, 1, [coder.encode(q)]) for q in codes]
    sections = [stream.unpack(blob)[1][0] for blob in blobs]
    back = [coder.decode(part, codes[0].size).reshape(codes[0].shape) for part in sections]
    with torch.no_grad():
        z_hat = torch.from_numpy((np.stack(back) + 0.5) / 2**bits).float()
        x_hat = torch.round(model.net.synthesise(z_hat)[:, 0] * 255).clamp(0, 255)
    return zip(blobs, x_hat.numpy().astype(np.uint8), [{}] * len(blobs), strict=True)


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


def accounting(test: Pictures, progress: bool = True, **how: int) -> list[dict]:
    """The paper's Table 1 as it was computed: trained and untrained nets, table not sent."""
    nets = {name: zoo.load(name).net for name in ("mnist-cae", "mnist-resnet", "mnist-cw")}
    for name, net in list(nets.items()):
        untrained = f"{name}-untrained"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            nets[untrained] = catalogue.build(replace(net.experiment, name=untrained)).eval()
    means = []
    for name, net in Bar(nets.items(), desc="accounting", show=progress):
        starts = range(0, len(test.images), BATCH)
        codes = (code for k in starts for code in _paper_codes(net, test.images[k : k + BATCH]))
        base = {"experiment": name, "dataset": test.name, "kind": "paper-accounting"}
        rows = [paper_accounting(code) for code in codes]
        mean = records(base, test.labels, rows)[0]
        means.append({**mean, "estimated": True, "seed": 0})
    return means


@torch.no_grad()
def _paper_codes(net: autoencoders.Autoencoder, images: np.ndarray) -> np.ndarray:
    """What the paper Huffman-codes: floats of the baselines, masked integers of the proposal."""
    z, m = net.analyse(torch.from_numpy(images).unsqueeze(1).float() / 255)
    if m is None:
        return z.numpy()
    return net.symbols(z, m)[0].numpy().astype(np.int64)


def source(test: Pictures, progress: bool = True, **how: int) -> list[dict]:
    """Codecs that know what the 128x128 digits were made from, charged to the 128x128 pixels.

    PNG, lossless WebP and gzip of the 28x28 originals; and `grey-28`, the hardest simple rival:
    round the original to a few grey levels, code it as lossless WebP, enlarge what comes back.
    """

    def mean(name: str, coded: np.ndarray, codec: str, **more) -> dict:
        blobs = [baselines.encode(codec, image) for image in coded]
        back = np.stack([baselines.decode(codec, blob, grey=True) for blob in blobs])
        large = data.resize_digits(back)
        scored = zip(test.images, large, map(len, blobs), strict=True)
        base = {"experiment": name, "dataset": test.name, **more}
        return records(base, test.labels, [evaluate.score(*one) for one in scored])[0]

    means = [mean(f"{name}-28", test.originals, name) for name in ("png", "webp-lossless")]
    for levels in Bar(GREY_LEVELS, desc="grey-28", show=progress):
        step = 255 / (levels - 1)
        coarse = np.round(np.round(test.originals / step) * step).astype(np.uint8)
        means.append(mean("grey-28", coarse, "webp-lossless", quality=levels))
    gz = {"experiment": "gzip-28", "dataset": test.name, "image": "mean", "mse": 0.0}
    return [*means, {**gz, "images": 10000, "bpp": round(baselines.gzip_bpp(), 5)}]
