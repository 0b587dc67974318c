"""A model, a baseline or a study over a data set -> records for book/results.

`targets(dataset)` names all that `cwlib eval` can do.
"""

from collections.abc import Callable

from cwlib import experiments, zoo
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
    markdown_table,
    merge,
    one,
    open_results,
    read,
    results_file,
    summarise,
)


def targets() -> dict[str, Callable[[TestSet], list[dict]]]:
    """What `cwlib eval` can do with the digits, by name: every trained model and the studies."""
    table: dict[str, Callable[[TestSet], list[dict]]] = {
        name: lambda test, name=name: model_records(name, test)
        for name in zoo.names()
        if experiments.get(name).dataset == "mnist"
    }
    table["uniform"] = uniform_records
    table["accounting"] = accounting_records
    table["baselines"] = baseline_records
    table["source"] = source_records
    for name in ("mnist-cw", "mnist-cw1"):
        table[f"importance:{name}"] = lambda test, name=name: importance_records(name, test)
    return table


__all__ = [
    "IMPORTANCE_STEPS",
    "TestSet",
    "accounting_records",
    "baseline_records",
    "importance_records",
    "markdown_table",
    "merge",
    "mnist",
    "model_records",
    "one",
    "open_results",
    "paper_accounting",
    "read",
    "results_file",
    "source_records",
    "summarise",
    "targets",
    "uniform_records",
]
