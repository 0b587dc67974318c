"""The measurement behind `python -m benchmarks training`."""

from __future__ import annotations

import builtins
import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

import benchmarks
from benchmarks import steps
from cwlib import experiments

TINY = [
    replace(experiments.get("mnist-cae"), width=4, batch_size=2),
    replace(experiments.get("kodak-mstar-n64"), width=4, batch_size=2, crop=64),
]


@pytest.fixture(scope="module")
def result() -> dict:
    return benchmarks.step_time(TINY, width=4, repeats=1)


def test_every_family_has_an_experiment():
    batches = {e.name: e.batch_size for e in steps.families()}
    assert set(batches) == set(steps.FAMILIES)
    assert batches["kodak-mstar"] == 4 and batches["photo"] == experiments.get("photo").batch_size
    kinds = {experiments.get(name).model for name in batches}
    assert kinds == {"cae", "resnet", "cw1", "hierarchical", "photo"}


def test_a_step_of_each_family_has_its_cost(result):
    assert set(result["families"]) == {"mnist-cae", "kodak-mstar-n64"}
    for row in result["families"].values():
        assert row["ms"] > 0 and row["cpu_ms"] > 0 and row["gflop"] > 0 and row["batch"] == 2
        assert row["gflop_per_s"] == pytest.approx(1000 * row["gflop"] / row["cpu_ms"])
        assert 0 < row["outside_convolutions"] < 1
    assert [row["crop"] for row in result["families"].values()] == [128, 64]


def test_the_peers_part_has_both_precisions_and_ratios_of_cpu_time(result):
    rows = result["steps"]
    ours = {k: r for k, r in rows.items() if k.startswith("ours")}
    assert set(ours) == {"ours, float32", "ours, bfloat16"}
    assert all(row["ms"] > 0 for row in ours.values())
    theirs = rows.get("CompressAI hyperprior, float32")
    if theirs:
        ratio = ours["ours, float32"]["cpu_ms"] / theirs["cpu_ms"]
        assert ours["ours, float32"]["ratio"] == pytest.approx(ratio)


def test_all_of_it_is_json(result):
    assert json.loads(json.dumps(result)) == result
    assert result["made_by"] == "python -m benchmarks training" and result["cpu_count"]


def test_the_table_has_a_line_for_every_family_and_way(result):
    text = benchmarks.format_step_table(result)
    for name in [*result["families"], *result["steps"]]:
        assert any(line.startswith(name) for line in text.splitlines()), name
    assert "2 x 128x128" in text and "GFLOP/s" in text and "cores" in text.splitlines()[-1]


def test_an_absent_peer_is_skipped_with_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **more):
        if name.startswith("compressai"):
            raise ImportError(f"No module named {name!r}", name="compressai")
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    result = benchmarks.step_time([], width=4, repeats=1)
    assert "pip install " in result["steps"]["CompressAI hyperprior"]["skipped"]
    assert "ratio" not in result["steps"]["ours, float32"]
    assert "skipped" in benchmarks.format_step_table(result)


def test_flop_are_two_for_each_product_in_place_ones_too():
    a, b, total = torch.ones(3, 5), torch.ones(5, 7), torch.zeros(3, 7)
    x, kernel = torch.ones(1, 2, 6, 6), torch.ones(4, 2, 3, 3)

    def step() -> None:
        total.addmm_(a, b)
        F.conv2d(x, kernel)  # (1, 4, 4, 4)

    products = 3 * 5 * 7 + 4 * 4 * 4 * 2 * 9
    assert steps._gflop(step) == pytest.approx(2 * products / 1e9)


def test_a_step_without_convolutions_is_all_outside_them():
    x, kernel = torch.ones(8, 16, 64, 64), torch.ones(16, 16, 3, 3)
    assert steps._outside_convolutions(lambda: x.sum()) == 1
    assert 0 < steps._outside_convolutions(lambda: F.conv2d(x, kernel)) < 1


def test_what_linux_says_of_bfloat16_is_known_words():
    assert set(steps.bfloat16_flags()) <= {"amx_bf16", "avx512_bf16", "avx_ne_convert", "bf16"}
