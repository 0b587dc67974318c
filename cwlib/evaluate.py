"""A codec over pictures -> records of rate and distortion, and the results file that holds them.

Every `bpp` is 8 * len(stream) / pixels of a stream that was decoded again. A record is of one
picture (`image`: its file's name or number) or the mean over all (`image: "mean"`, the first one);
a mean PSNR is the mean of the pictures' PSNRs.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import torch

from cwlib import baselines, codec, data, files, metrics, zoo
from cwlib.coding import huffman
from cwlib.models.importance import kept_bits
from cwlib.progress import Bar

RATES = (0.13, 0.25, 0.361, 0.5, 0.7, 0.9)  # bpp; 0.361 is that of paper 2's Table 1
QUALITIES = (0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)  # of nets of many rates
CODECS = ("jpeg", "jpeg2000", "webp", "avif", "hevc", "jxl", "jpeg2000-53")
MS_SSIM_SIDE = 161  # smaller pictures have no MS-SSIM
SINGLE_DIGITS = 10  # digits with a record of their own
BATCH = 50  # digits that go through a net at once
BOOK = Path(__file__).resolve().parents[1] / "book" / "results"  # of this package's repository


@dataclass(frozen=True, eq=False)
class Pictures:
    """Images uint8 (H, W, 3) or (H, W), each with a label; of digits the 28x28 originals too."""

    name: str
    labels: Sequence[str | int]
    images: Sequence[np.ndarray]
    originals: np.ndarray | None = None

    @property
    def digits(self) -> bool:
        """Whether these are MNIST's digits: (N, 128, 128), and the originals (N, 28, 28)."""
        return self.originals is not None


def pictures(name: str | Path, limit: int | None = None) -> Pictures:
    """The pictures of a test set, all or the first `limit`.

    name: mnist (10,000 digits), kodak (24 photographs, numbered from 1 as their files are), heldout
    (photographs that no training set here has), or a folder, in order of the files' names, each
    read when it is asked for. Raises as `data` does.
    """
    if name == "mnist":
        originals = data.mnist28("test")[0][:limit]
        return digits("mnist", originals)
    if name == "kodak":
        images = tuple(data.kodak()[:limit])
        return Pictures("kodak", tuple(range(1, len(images) + 1)), images)
    if name == "heldout":
        return Pictures("heldout", data.HELDOUT[:limit], tuple(data.heldout()[:limit]))
    paths = data.photos(name).paths[:limit]
    labels = tuple(path.relative_to(name).as_posix() for path in paths)
    return Pictures(Path(name).resolve().name, labels, data.Photos(paths))


def digits(name: str, originals: np.ndarray) -> Pictures:
    """Digits to measure on: their 28x28 originals enlarged to 128x128."""
    return Pictures(name, range(len(originals)), data.resize_digits(originals), originals)


# --- from pictures to records --------------------------------------------------------------------

Coded = tuple[bytes, np.ndarray, dict]  # stream, decoded picture, more fields for its record
Code = Callable[[Sequence[np.ndarray]], Iterable[Coded]]  # of a batch of pictures of one shape


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


def run(
    title: str, test: Pictures, code: Code, *, batch: int = 1, jobs: int = 1, progress: bool = True
) -> list[dict]:
    """Code every picture, decode it and score it: a row of numbers for each, in their order.

    jobs: so many processes share the work; the rows are the same. Errors name the picture.
    """
    starts = range(0, len(test.images), batch)
    parts = (joblib.delayed(_rows)(code, test, range(k, len(test.images))[:batch]) for k in starts)
    done = joblib.Parallel(n_jobs=jobs, return_as="generator")(parts)
    bar = Bar(done, desc=title, total=len(starts), show=progress, leave=False)
    return [row for rows in bar for row in rows]


def _rows(code: Code, test: Pictures, part: range) -> list[dict]:
    images = [test.images[k] for k in part]  # whose own errors name the file
    with _naming(test.labels[part[0]]):
        coded = code(images)
        return [
            {**score(image, decoded, len(blob)), **more}
            for image, (blob, decoded, more) in zip(images, coded, strict=True)
        ]


@contextlib.contextmanager
def _naming(label: str | int) -> Iterator[None]:
    """Errors inside say which picture they are about."""
    try:
        yield
    except baselines.CodecMissing:  # which is about none of them
        raise
    except (ValueError, OSError, RuntimeError) as error:
        error.args = (f"{label}: {error}",)
        raise


def records(
    base: dict, labels: Iterable[str | int], rows: Sequence[dict], singles: int | None = None
) -> list[dict]:
    """The mean of the rows first, then each (or the first `singles`) with its picture's label.

    Numbers are rounded to 5 digits. A picture that came back exactly has no PSNR: `exact` counts
    these, and the mean is over the rest. Of what else some picture lacks there is no mean.
    Raises ValueError for no rows, and for numbers that are none.
    """
    numbers = [value for row in rows for value in row.values()]
    if not numbers or not np.isfinite(numbers).all():
        raise ValueError(f"{base}: nothing was measured, or not all of it")
    mean = {"image": "mean", "images": len(rows)}
    for key in rows[0] if "psnr" in rows[0] else {**rows[0], "psnr": None}:
        values = [row[key] for row in rows if key in row]
        if len(values) == len(rows) or (values and key == "psnr"):
            mean[key] = float(np.mean(values))
    if exact := sum(row.get("mse") == 0 for row in rows):
        mean["exact"] = exact
    single = [{"image": k, **row} for k, row in zip(labels, rows, strict=True)][:singles]
    return [
        {k: round(float(v), 5) if isinstance(v, float) else v for k, v in {**base, **one}.items()}
        for one in (mean, *single)
    ]


# --- what can be measured ------------------------------------------------------------------------

Target = Callable[..., list[dict]]  # of (pictures, jobs=1, progress=True)


def targets(dataset: str = "mnist") -> dict[str, Target]:
    """What `cwlib eval` measures on the digits ("mnist") or on photographs (any other name).

    Every trained model of these pictures by its name, and for photographs the classical codecs.
    """
    of_digits = dataset == "mnist"
    known = {n: of_model(n) for n in zoo.names() if _is_of_digits(zoo.load(n)) == of_digits}
    return known if of_digits else known | {name: partial(of_codec, name) for name in CODECS}


def of_weights(path: str | os.PathLike, dataset: str = "mnist") -> Target:
    """What measures a weights file of your own, as `targets` has it for those of the package.

    Raises ValueError where the model is of other pictures, and as `zoo.load` does.
    """
    model = zoo.load(path)
    if _is_of_digits(model) != (dataset == "mnist"):
        kind, fitting = ("photographs", "kodak, heldout or a folder")
        if _is_of_digits(model):
            kind, fitting = ("digits", "mnist")
        raise ValueError(
            f"{os.fspath(path)} holds {model.name}, a model of {kind}: the data to measure it on "
            f"is {fitting}, not {dataset}"
        )
    return of_model(path)


def of_model(name: str | os.PathLike) -> Target:
    """What measures a trained model, by its name or its file: the records are under its own name.

    A net of one rate as it was trained, one of many rates (photo) at each of QUALITIES.
    """
    return partial(at_qualities if zoo.load(name).net.codec == "photo" else as_trained, name)


def _is_of_digits(model: zoo.TrainedModel) -> bool:
    return model.experiment.dataset == "mnist"


def as_trained(
    name: str | os.PathLike, test: Pictures, importance: float = 1.0, **how: int
) -> list[dict]:
    """Real streams of one of the papers' models, compared symbol by symbol once they are decoded.

    Digits: `kept_bits` that the map leaves of each code value. Photographs: `estimated_bpp`, what
    the likelihoods say that the stream should take; `live_channels` that are not all zero.
    how: jobs and progress of `run`, here and below.
    """
    model = zoo.load(name)
    e = model.experiment
    base = {"experiment": model.name, "dataset": test.name, "seed": e.seed}
    base |= {"importance": importance}
    code = partial(_code, name, importance)
    if not test.digits:
        rows = run(model.name, test, code, **how)
        return records(base | {"lambda_2": e.lambda_2}, test.labels, rows)
    rows = run(model.name, test, code, batch=BATCH, **how)
    base["coder"] = "huffman" if isinstance(model.coder, huffman.Code) else "arithmetic"
    if "kept_bits" in rows[0]:
        base["kept_bits"] = float(np.mean([row.pop("kept_bits") for row in rows]))
    base |= {"lambda_rate": e.lambda_rate} if e.lambda_rate else {}
    return records(base, test.labels, rows, SINGLE_DIGITS)


def _code(
    name: str | os.PathLike, importance: float, images: Sequence[np.ndarray]
) -> Iterator[Coded]:
    model, shape = zoo.load(name), images[0].shape
    latents = codec.analyse(model, np.stack(images), importance)
    blobs = [codec.pack(model, one, shape) for one in latents]
    decoded = [codec.unpack(model, blob, codec.photos.MAX_PIXELS) for blob in blobs]  # our own
    sent = ("symbols",) if _is_of_digits(model) else ("z", "y")
    for one, other in zip(latents, decoded, strict=True):
        if not all(np.array_equal(getattr(one, part), getattr(other, part)) for part in sent):
            raise codec.StreamError(f"{model.name}: a stream did not decode to its own symbols")
    if _is_of_digits(model):
        more = _kept_bits(model, images, importance)
    else:
        more = [
            {
                "estimated_bpp": estimated_bits(model, one) / (shape[0] * shape[1]),
                "live_channels": int(one.z.any(axis=(1, 2)).sum()),
            }
            for one in latents
        ]
    return zip(blobs, codec.synthesise(model, decoded, shape), more, strict=True)


@torch.no_grad()
def _kept_bits(
    model: zoo.TrainedModel, images: Sequence[np.ndarray], importance: float
) -> list[dict]:
    """Mean number of leading bits of a code value that a map of bits keeps; {} without one."""
    z, m = model.net.analyse(torch.from_numpy(np.stack(images)).unsqueeze(1).float() / 255)
    levels = None if m is None else model.net.symbols(z, importance * m)[1]
    if levels is None:
        return [{} for _ in images]
    kept = kept_bits(levels, model.experiment.reading).float().flatten(1).mean(1)
    return [{"kept_bits": value} for value in kept.tolist()]


@torch.no_grad()
def estimated_bits(model: zoo.TrainedModel, latents: codec.photos.Latents) -> float:
    """-log2 of the likelihood that the float model gives to these latents and hyper-latents."""
    z, y = (torch.from_numpy(a).float()[None] for a in (latents.z, latents.y))
    return float(sum(model.net.bits(z, y)))


def at_qualities(
    name: str | os.PathLike,
    test: Pictures,
    qualities: Iterable[float] = QUALITIES,
    effort: int = 0,
    **how: int,
) -> list[dict]:
    """A net of many rates at qualities that all pictures share: kind `one-setting`."""
    measured = []
    for quality in qualities:
        wish = {"quality": quality, "effort": effort}
        measured += as_wished(name, test, codec.compress, wish, **how)
    return [{**r, "kind": "one-setting"} for r in measured]


def as_wished(
    name: str | os.PathLike,
    test: Pictures,
    compress: Callable[..., bytes],
    wish: dict,
    more: dict | None = None,
    **how: int,
) -> list[dict]:
    """A net of many rates: streams of `compress(model, image, **wish)`; more: fields of the records
    (None: the wish itself), which have the `quality` of each picture too where that was not it."""
    model = zoo.load(name)
    base = {"experiment": model.name, "dataset": test.name, "seed": model.experiment.seed}
    code = partial(_code_as_wished, name, compress, wish)
    rows = run(f"{model.name} {wish}", test, code, **how)
    return records(base | (wish if more is None else more), test.labels, rows)


def _code_as_wished(name, compress, wish: dict, images: Sequence[np.ndarray]) -> Iterator[Coded]:
    model = zoo.load(name)
    for image in images:
        blob = compress(model, image, **wish)
        latents = codec.unpack(model, blob, codec.photo.MAX_PIXELS)
        quality = {"quality": codec.photo.quality(model, latents.level)}
        decoded = codec.synthesise(model, [latents], image.shape)[0]
        yield blob, decoded, {} if "quality" in wish else quality


def of_codec(name: str, test: Pictures, **how: int) -> list[dict]:
    """A classical codec at each of RATES: of every picture the best stream not above the rate.

    Raises as `at_rates` does, ValueError for an unknown codec, and baselines.CodecMissing.
    """

    def measure(rate: float) -> list[dict]:
        base = {"experiment": name, "dataset": test.name, "rate": rate}
        code = partial(_code_at_rate, name, rate)
        rows = run(f"{name} {rate:g} bpp", test, code, **how)
        return records(base, test.labels, rows)

    return at_rates(measure)


def _code_at_rate(name: str, rate: float, images: Sequence[np.ndarray]) -> Iterator[Coded]:
    for image in images:
        blob, quality = baselines.at_rate(name, image, rate)
        decoded = baselines.decode(name, blob, grey=image.ndim == 2)
        yield blob, decoded, {"quality": float(quality)}


def at_rates(measure: Callable[[float], list[dict]]) -> list[dict]:
    """The records of each of RATES; one that some picture cannot reach is left out.

    Raises baselines.RateTooLow where that leaves none.
    """
    measured, missed = [], None
    for rate in RATES:
        try:
            measured += measure(rate)
        except baselines.RateTooLow as error:
            missed = error
    if not measured:
        raise baselines.RateTooLow(f"{missed}: leave this picture out") from missed
    return measured


# --- the results file ----------------------------------------------------------------------------


def check_place(path: Path) -> None:
    """Raises ValueError or OSError where no records can be merged; before the work, not after it.

    A folder that is missing is made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    files.check_place(path)
    open_results(path)


def merge(path: Path, command: str, rows: list[dict]) -> None:
    """Put records into a results file, in place of all that the same command made before.

    Several processes may do so at once. Raises ValueError if it is not a results file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.locked(path.resolve().parent):
        made_by, before = open_results(path)
        kept = [r for r in before if r["command"] != command]
        kept += [{**r, "command": command} for r in rows]
        kept.sort(key=lambda r: (r["command"], r["experiment"]))
        lines = ",\n".join(" " + json.dumps(r) for r in kept)
        text = f'{{"made_by": {json.dumps(made_by)}, "records": [\n{lines}\n]}}\n'
        files.write(path, text.encode())


def open_results(path: Path) -> tuple[str, list[dict]]:
    """Maker and records of a results file, none of a missing one. Raises ValueError for junk."""
    if not path.is_file():
        return "cwlib eval", []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        for record in content["records"]:
            record["command"], record["experiment"]
        return content["made_by"], content["records"]
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"{path} is not a results file ({reason}): name another") from error


def is_the_books(path: Path) -> bool:
    """Whether a results file is one of the book's own, in the repository of this package."""
    return Path(path).resolve().parent == BOOK
