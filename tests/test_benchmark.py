"""The measurement behind `cwlib bench coders`: honest, complete, and ready for JSON."""

import json
import math
import sys

import numpy as np
import pytest

from cwlib import benchmark
from cwlib.coding import jit

OURS = ("huffman", "arithmetic")


@pytest.fixture(scope="module")
def result() -> dict:
    return benchmark.coders(n=50_000 if jit.COMPILED else 5_000, repeats=2)


def test_there_is_a_large_and_a_small_case(result):
    n = result["cases"][0]["n"]
    assert [case["n"] for case in result["cases"]] == [n, n // 50]
    assert result["cases"][0]["case"] == f"64 symbols, {n // 1000}k"


def test_every_coder_has_its_speeds_or_the_reason_why_not(result):
    for case in result["cases"]:
        assert list(case["coders"]) == [coder.name for coder in benchmark.CODERS]
        for name, entry in case["coders"].items():
            if "skipped" in entry:
                assert name not in OURS
                assert "pip install" in entry["skipped"]
            else:
                assert entry["bytes"] > 0 and entry["encode"] > 0 and entry["decode"] > 0


def test_a_ratio_is_our_speed_over_theirs(result):
    for case in result["cases"]:
        for entry in case["coders"].values():
            if "rival" in entry:
                ours = case["coders"][entry["rival"]]
                for way in "encode", "decode":
                    assert entry[f"{way}_ratio"] == pytest.approx(ours[way] / entry[way])


def test_every_coder_stays_near_the_entropy_and_none_goes_far_below(result):
    for case in result["cases"]:
        entries = case["coders"]
        # Where the data end is known to the decoder from outside, and worth a byte or two.
        assert all(e["bytes"] >= case["ideal_bytes"] - 2 for e in entries.values() if "bytes" in e)
        assert entries["huffman"]["bytes"] < case["ideal_bytes"] + case["n"] / 8
        assert entries["arithmetic"]["bytes"] < case["ideal_bytes"] * 1.001 + 8


def test_bitarray_with_our_words_takes_as_many_bytes_as_we_do(result):
    pytest.importorskip("bitarray")
    for case in result["cases"]:
        assert case["coders"]["bitarray"]["bytes"] == case["coders"]["huffman"]["bytes"]


@pytest.mark.skipif(not jit.COMPILED, reason="numba is absent or switched off")
def test_our_huffman_coder_is_faster_than_bitarray_both_ways(result):
    pytest.importorskip("bitarray")
    entry = result["cases"][0]["coders"]["bitarray"]
    assert entry["encode_ratio"] > 1 and entry["decode_ratio"] > 1


def test_the_circumstances_are_recorded_and_all_of_it_is_json(result):
    assert json.loads(json.dumps(result)) == result
    assert result["made_by"] == "cwlib bench coders"
    assert {"repeats", "seed", "cpu_count", "compiled"} <= set(result)
    assert {"load_average_before", "load_average_after"} <= set(result)


def test_the_table_names_every_case_and_coder(result):
    table = benchmark.format_table(result)
    for case in result["cases"]:
        assert f"{case['case']} (ideal: {case['ideal_bytes']} bytes)" in table
    for coder in benchmark.CODERS:
        assert table.count(f"  {coder.name} ") == len(result["cases"])
    assert all(len(line) <= 100 for line in table.splitlines())


def test_an_absent_peer_is_skipped_with_the_way_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "bitarray", None)
    result = benchmark.coders(n=500, repeats=1)
    entry = result["cases"][0]["coders"]["bitarray"]
    assert entry == {"skipped": "no bitarray: pip install 'cwlib[bench]'"}
    assert "skipped: no bitarray" in benchmark.format_table(result)


def test_a_peer_is_added_with_one_entry(monkeypatch):
    def prepare(case):
        return case.symbols.tobytes, lambda data: np.frombuffer(data, dtype=np.int64)

    raw = benchmark.Coder("raw", prepare, rival="huffman")
    monkeypatch.setattr(benchmark, "CODERS", (*benchmark.CODERS[:1], raw))
    entry = benchmark.coders(n=500, repeats=1)["cases"][0]["coders"]["raw"]
    assert entry["bytes"] == 8 * 500 and entry["encode_ratio"] > 0


def test_a_coder_that_loses_symbols_stops_the_run(monkeypatch):
    liar = benchmark.Coder("liar", lambda case: (lambda: b"x", lambda data: case.symbols[:-1]))
    monkeypatch.setattr(benchmark, "CODERS", (liar,))
    with pytest.raises(RuntimeError, match="liar did not give back"):
        benchmark.coders(n=500, repeats=1)


def test_the_seed_fixes_the_symbols():
    def sizes(seed):
        cases = benchmark.coders(n=500, repeats=1, seed=seed)["cases"]
        return [case["coders"]["huffman"]["bytes"] for case in cases]

    assert sizes(1) == sizes(1) != sizes(2)


def test_the_ideal_is_the_entropy():
    assert benchmark._ideal_bytes(np.array([8, 8, 0])) == 2
    assert benchmark._ideal_bytes(np.array([3, 1])) == math.ceil((4 * 2 - 3 * math.log2(3)) / 8)


def test_the_table_of_a_case_is_a_valid_cumulative_distribution():
    case = benchmark._static_case("x", 10_000, np.random.default_rng(0))
    (cdf,) = case.cdfs
    assert cdf[0] == 0 and cdf[-1] == 65536 and (np.diff(cdf) > 0).all()
    assert cdf.size == 64 + 2  # 64 values and the escape
    p, q = case.counts / 10_000, np.diff(cdf)[:-1] / 65536
    assert np.abs(p - q).max() < 0.01


@pytest.mark.parametrize("arguments", [{"n": 49}, {"n": 500, "repeats": 0}])
def test_a_run_without_symbols_or_rounds_is_refused(arguments):
    with pytest.raises(ValueError, match="expected n >= 50"):
        benchmark.coders(**arguments)
