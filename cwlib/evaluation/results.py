"""Records of measurements, and the files under book/results that hold them.

A record is either the mean over all images of a data set (`image: "mean"`) or one image
(`image: 0`, 1, ...). PSNR means are means of per-image PSNRs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from cwlib import files

SINGLE_IMAGES = 10  # images with a record of their own
BOOK = Path(__file__).resolve().parents[2] / "book" / "results"  # of this package's repository


def summarise(
    experiment: str, dataset: str, rates: Iterable[float], errors: Iterable[float], **more
) -> list[dict]:
    """Mean record and single-image records from per-image bpp and MSE (0..255 scale).

    An image that came back exactly has no PSNR: `exact` counts these, the mean is over the rest.
    Raises ValueError for no images, and for numbers that are none.
    """
    rates, errors = np.asarray(list(rates)), np.asarray(list(errors))
    if not rates.size or rates.shape != errors.shape or not np.isfinite([rates, errors]).all():
        raise ValueError(f"{experiment}: nothing of {dataset} was measured, or not all of it")
    with np.errstate(divide="ignore"):
        psnr = 10 * np.log10(255**2 / errors)
    base = {"experiment": experiment, "dataset": dataset, **more}
    mean = {**base, "image": "mean", "images": len(rates)}
    mean |= {"bpp": rates.mean(), "mse": errors.mean()}
    lossy = np.isfinite(psnr)
    if lossy.any():
        mean["psnr"] = psnr[lossy].mean()
    if not lossy.all():
        mean["exact"] = int((~lossy).sum())
    records = [mean]
    for k in range(min(SINGLE_IMAGES, len(rates))):
        one = {**base, "image": k, "bpp": rates[k], "mse": errors[k]}
        if np.isfinite(psnr[k]):
            one["psnr"] = psnr[k]
        records.append(one)
    return [{k: _rounded(v) for k, v in record.items()} for record in records]


def _rounded(value: object) -> object:
    return round(float(value), 5) if isinstance(value, float | np.floating) else value


def check_place(path: Path) -> None:
    """Raises ValueError or OSError where no records can be merged; before the work, not after it.

    A folder that is missing is made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    files.check_place(path)
    open_results(path)


def merge(path: Path, command: str, records: list[dict]) -> None:
    """Put records into a results file, in place of all that the same command made before.

    Several processes may do so at once. Raises ValueError if it is not a results file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.locked(path.resolve().parent):
        made_by, found = open_results(path)
        rows = [r for r in found if r["command"] != command]
        rows += [{**r, "command": command} for r in records]
        rows.sort(key=lambda r: (r["command"], r["experiment"]))
        lines = ",\n".join(" " + json.dumps(r) for r in rows)
        text = f'{{"made_by": {json.dumps(made_by)}, "records": [\n{lines}\n]}}\n'
        files.write(path, text.encode())


def open_results(path: Path) -> tuple[str, list[dict]]:
    """Maker and records of a results file, none of a missing one. Raises ValueError for junk."""
    if not path.is_file():
        return "cwlib eval", []
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        for record in found["records"]:
            record["command"], record["experiment"]
        return found["made_by"], found["records"]
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"{path} is not a results file ({reason}): name another") from error


def is_the_books(path: Path) -> bool:
    """Whether a results file is one of the book's own, in the repository of this package."""
    return Path(path).resolve().parent == BOOK
