"""Bars show where somebody looks on."""

from __future__ import annotations

import io
import sys

import pytest

from cwlib.progress import Bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


Notebook = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})


@pytest.mark.parametrize(
    ("stderr", "show", "seen"),
    [
        (Terminal, True, True),
        (Notebook, True, True),
        (io.StringIO, True, False),  # a log file
        (Terminal, False, False),
    ],
)
def test_a_bar_goes_to_terminals_and_notebooks_where_it_is_wanted(monkeypatch, stderr, show, seen):
    monkeypatch.setattr(sys, "stderr", stderr())
    assert list(Bar(range(3), desc="steps", show=show)) == [0, 1, 2]
    assert ("steps: 100%" in sys.stderr.getvalue()) == seen


def test_a_notebook_is_known_by_what_takes_its_output():
    iostream = pytest.importorskip("ipykernel.iostream")
    assert iostream.OutStream.__module__ == Notebook.__module__
