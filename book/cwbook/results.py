"""What the chapters read: the records in book/results, as `cwlib eval` and `cwbook` wrote them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path

# A curve is of one test set and one rule. Who asks for a codec gets its points on the usual set and
# by the rule of equal rates; points of these come only to a search that names the field.
APART = {"kind": ("one-setting", "equal-rate", "regions"), "dataset": ("heldout",)}


def results_file(name: str) -> Path:
    """book/results/NAME.json of the repository that the working folder lies in.

    Raises FileNotFoundError saying where the file is.
    """
    for folder in (Path.cwd(), *Path.cwd().parents):
        path = folder / "book" / "results" / f"{name}.json"
        if path.exists():
            return path
    raise FileNotFoundError(
        f"book/results/{name}.json is neither in {Path.cwd()} nor above it: "
        "go to the folder of the book, which holds book/results"
    )


def read(results: str | Path, **where: object) -> list[dict]:
    """Records whose fields equal `where`: read("mnist", experiment="mnist-cw", image="mean").

    results: a name in book/results, or the path of a results file. Records that are APART are
    found where their field is named: read("baselines", dataset="heldout").
    """
    path = results if isinstance(results, Path) else results_file(results)
    records = json.loads(path.read_text(encoding="utf-8"))["records"]
    rows = (r for r in records if all(r.get(k) == v for k, v in where.items()))
    return [r for r in rows if not apart(r, where)]


def apart(record: Mapping, named: Collection[str]) -> bool:
    """Whether a search that names these fields must not find the record: see APART."""
    return any(record.get(k) in values and k not in named for k, values in APART.items())


def one(results: str | Path, image: str | int = "mean", **where: object) -> dict | None:
    """The first record that `read` finds, by default the mean; None where it was not measured."""
    rows = read(results, image=image, **where)
    return rows[0] if rows else None
