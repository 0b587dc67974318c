"""Peers: each that is here gives the symbols back; each that is not says why, in one line."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import CODERS, Skipped, cases, peers
from benchmarks.peers import peer

RNG_SEED = 3
CASES = cases.all_cases(2_000, np.random.default_rng(RNG_SEED))
SUITED = [(coder, case) for case in CASES for coder in CODERS if coder.suits(case)]


@pytest.mark.parametrize(("coder", "case"), SUITED, ids=lambda x: x.name)
def test_each_coder_gives_the_symbols_back(coder, case):
    given = case.sorted_by_table() if coder.presorted else case
    try:
        encode, decode = coder.prepare(given)
    except Skipped as reason:
        pytest.skip(str(reason))
    data = encode()
    assert isinstance(data, bytes) and encode() == data
    assert np.array_equal(decode(data), given.symbols)


def test_every_rival_is_one_of_ours():
    ours = {coder.name for coder in CODERS if not coder.rival}
    assert {coder.rival for coder in CODERS if coder.rival} <= ours


def write_module(folder: Path, name: str, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / f"{name}.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, name, raising=False)


def test_an_absent_package_is_named_with_the_way_to_get_it():
    with pytest.raises(Skipped, match=r"^no cwlib_nowhere: pip install cwlib_nowhere$"):
        peer("cwlib_nowhere.part")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (
            "import cwlib_nowhere",
            "import here: No module named 'cwlib_nowhere'",
        ),
        (
            "raise RuntimeError('no ninja\\nfrom here on')",
            "build here: no ninja$",
        ),
        ("raise OSError()", "build here: OSError$"),
    ],
)
def test_a_package_that_fails_is_skipped_with_its_first_line(tmp_path, monkeypatch, source, says):
    write_module(tmp_path, "cwlib_odd", source, monkeypatch)
    with pytest.raises(Skipped, match="^cwlib_odd does not " + says):
        peer("cwlib_odd")


def test_what_a_peer_says_at_its_import_is_not_shown_but_what_comes_after_is(
    tmp_path, monkeypatch, capfd
):
    loud = "import os, sys\nprint('LOUD')\nos.system('echo LOUD')\nsys.stderr.write('LOUD')"
    write_module(tmp_path, "cwlib_loud", loud, monkeypatch)
    assert peer("cwlib_loud").__name__ == "cwlib_loud"
    print("after")
    assert capfd.readouterr() == ("after\n", "")


def test_torchac_is_spared_what_would_not_fit_in_memory(monkeypatch):
    monkeypatch.setattr(peers, "MOST_ENTRIES", 1000)
    (torchac,) = [coder for coder in CODERS if coder.name == "torchac"]
    with pytest.raises(Skipped, match="wants a table for every symbol: 0.0 GiB"):
        torchac.prepare(CASES[0])
