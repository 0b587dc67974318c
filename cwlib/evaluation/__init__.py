"""A model or a classical codec over a data set -> records for book/results.

`targets(dataset)` names all that `cwlib eval` can do.
"""

import os
from collections.abc import Callable

from cwlib import zoo
from cwlib.evaluation import photos, qualities
from cwlib.evaluation.digits import (
    IMPORTANCE_STEPS,
    TestSet,
    accounting_records,
    baseline_records,
    importance_records,
    mnist,
    model_records,
    paper_accounting,
    source_records,
    uniform_records,
)
from cwlib.evaluation.results import (
    check_place,
    is_the_books,
    merge,
    summarise,
)

Target = Callable[[TestSet | photos.Photos], list[dict]]
Targets = dict[str, Target]


def targets(dataset: str = "mnist") -> Targets:
    """What `cwlib eval` can do with the digits ("mnist") or with photographs (any other name).

    Every trained model and the studies, by name.
    """
    return _digit_targets() if dataset == "mnist" else _photo_targets()


def of_weights(path: str | os.PathLike, dataset: str = "mnist") -> Target:
    """What measures a weights file of your own, as `targets` has it for those of the package.

    Raises ValueError where the model is of other pictures, and as `zoo.load` does.
    """
    model = zoo.load(path)
    digits = model.experiment.dataset == "mnist"
    if digits != (dataset == "mnist"):
        pictures, fitting = (
            ("digits", "mnist") if digits else ("photographs", "kodak, heldout or a folder")
        )
        raise ValueError(
            f"{os.fspath(path)} holds {model.name}, a model of {pictures}: the data to measure it "
            f"on is {fitting}, not {dataset}"
        )
    records = model_records if digits else photos.model_records
    if model.net.codec == "photo":
        records = qualities.one_setting_records
    return lambda test: records(path, test)


def _digit_targets() -> Targets:
    table: Targets = {
        name: lambda test, name=name: model_records(name, test) for name in _trained_on("mnist")
    }
    table["uniform"] = uniform_records
    table["accounting"] = accounting_records
    table["baselines"] = baseline_records
    table["source"] = source_records
    for name in ("mnist-cw", "mnist-cw1"):
        table[f"importance:{name}"] = lambda test, name=name: importance_records(name, test)
    return table


def _photo_targets() -> Targets:
    table: Targets = {}
    for name in _trained_on("photos"):
        if zoo.load(name).net.codec == "photo":
            table |= qualities.targets(name)
            continue
        table[name] = lambda test, name=name: photos.model_records(name, test)
        if zoo.load(name).experiment.mask != "none":
            study = f"importance:{name}"
            table[study] = lambda test, name=name: photos.importance_records(name, test)
    for codec in photos.CODECS:
        table[codec] = lambda test, codec=codec: photos.baseline_records(codec, test)
    for codec in (*photos.ONE_SETTING, *photos.ONE_SLOPE):
        study = f"one-setting:{codec}"
        table[study] = lambda test, codec=codec: photos.one_setting_records(codec, test)
    table["jpeg-standard"] = lambda test: photos.quality_records("jpeg-standard", test)
    return table


def _trained_on(dataset: str) -> list[str]:
    return [name for name in zoo.names() if zoo.load(name).experiment.dataset == dataset]


__all__ = [
    "IMPORTANCE_STEPS",
    "TestSet",
    "accounting_records",
    "baseline_records",
    "check_place",
    "importance_records",
    "is_the_books",
    "merge",
    "mnist",
    "model_records",
    "of_weights",
    "paper_accounting",
    "photos",
    "qualities",
    "source_records",
    "summarise",
    "targets",
    "uniform_records",
]
