"""What a test does where the data sets cannot be had."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import pytest

from cwlib import data

T = TypeVar("T")


def data_or_skip(load: Callable[[], T]) -> T:
    """`load()`; without the data the test skips, or fails where CWLIB_REQUIRE_DATA=1."""
    try:
        return load()
    except data.DataUnavailable as error:
        if os.environ.get("CWLIB_REQUIRE_DATA") == "1":
            pytest.fail(f"CWLIB_REQUIRE_DATA=1, but {error}", pytrace=False)
        pytest.skip(str(error))
