"""The measurement behind `cwlib bench train`."""

from __future__ import annotations

import builtins
import json

import pytest

from cwlib import benchmark


def test_every_way_has_a_time_and_ours_a_ratio():
    result = benchmark.step_time(width=4, repeats=2)
    assert json.loads(json.dumps(result)) == result
    ours = {k: r for k, r in result["steps"].items() if k.startswith("ours")}
    assert set(ours) == {"ours, float32", "ours, bfloat16"}
    assert all(row["ms"] > 0 for row in ours.values())
    theirs = result["steps"].get("CompressAI hyperprior, float32")
    if theirs:
        ratio = ours["ours, float32"]["ms"] / theirs["ms"]
        assert ours["ours, float32"]["ratio"] == pytest.approx(ratio)


def test_an_absent_peer_is_skipped_with_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **more):
        if name.startswith("compressai"):
            raise ImportError(f"No module named {name!r}", name="compressai")
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    result = benchmark.step_time(width=4, repeats=1)
    assert "cwlib[bench]" in result["steps"]["CompressAI hyperprior"]["skipped"]
    assert "skipped" in benchmark.format_step_table(result)
