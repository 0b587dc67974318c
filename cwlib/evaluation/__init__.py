"""A model, a baseline or a study over a data set -> records for book/results.

`targets(dataset)` names all that `cwlib eval` can do.
"""

from collections.abc import Callable

from cwlib import zoo
from cwlib.evaluation import photos
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
    merge,
    one,
    open_results,
    read,
    results_file,
    summarise,
)

Targets = dict[str, Callable[[TestSet | photos.Photos], list[dict]]]


def targets(dataset: str = "mnist") -> Targets:
    """What `cwlib eval` can do with the digits ("mnist") or with photographs (any other name).

    Every trained model and the studies, by name.
    """
    return _digit_targets() if dataset == "mnist" else _photo_targets()


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
        table[name] = lambda test, name=name: photos.model_records(name, test)
        if zoo.load(name).experiment.mask != "none":
            study = f"importance:{name}"
            table[study] = lambda test, name=name: photos.importance_records(name, test)
    for codec in photos.CODECS:
        table[codec] = lambda test, codec=codec: photos.baseline_records(codec, test)
    table["jpeg-standard"] = lambda test: photos.quality_records("jpeg-standard", test)
    return table


def _trained_on(dataset: str) -> list[str]:
    return [name for name in zoo.names() if zoo.load(name).experiment.dataset == dataset]


__all__ = [
    "IMPORTANCE_STEPS",
    "TestSet",
    "accounting_records",
    "baseline_records",
    "importance_records",
    "merge",
    "mnist",
    "model_records",
    "one",
    "open_results",
    "paper_accounting",
    "photos",
    "read",
    "results_file",
    "source_records",
    "summarise",
    "targets",
    "uniform_records",
]
