"""The chapters need the digits: without files and network they are skipped, and say so.

With CWLIB_REQUIRE_DATA=1 they run, and fail.
"""

import os

import pytest

from cwlib import data


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    chapters = [item for item in items if item.path.suffix == ".ipynb"]
    if not chapters or os.environ.get("CWLIB_REQUIRE_DATA") == "1" or data.available("mnist"):
        return
    try:
        data.fetch("mnist")
    except data.DataUnavailable as error:
        skip = pytest.mark.skip(reason=" ".join(str(error).split()))
        for item in chapters:
            item.add_marker(skip)
