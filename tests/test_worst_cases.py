"""scripts/worst_cases.py: streams that are sound, in kinds that cover every network and coder."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import gained
import own
import worst_cases
from cwlib import codec, zoo


@pytest.fixture
def all_kinds(both_zoo):
    own.save(zoo.WEIGHTS)
    gained.save(zoo.WEIGHTS)


def test_every_kind_of_network_is_measured_once(all_kinds):
    kinds = [(zoo.load(n).experiment.model, "any" in n or "own" in n) for n in worst_cases.models()]
    assert sorted(kinds) == [
        ("cae", False),
        ("cw", False),
        ("cw1", False),
        ("hierarchical", False),
        ("hierarchical", True),
        ("photo", True),
        ("resnet", False),
    ]


def test_both_streams_of_each_kind_decode_and_one_is_short(all_kinds, tmp_path):
    for name in worst_cases.models():
        model, sizes = zoo.load(name), {}
        for kind in worst_cases.KINDS:
            blob = worst_cases.made(model, kind, 128)
            assert codec.decompress(blob).shape[:2] == (128, 128)
            sizes[kind] = len(blob)
        assert sizes["few bytes"] < 0.3 * sizes["many bytes"]


def test_a_measurement_tells_what_the_stream_is_and_what_it_took(all_kinds, tmp_path):
    paths = tmp_path / "large.cwc", tmp_path / "small.cwc"
    for path, side in zip(paths, (256, 64), strict=True):
        path.write_bytes(worst_cases.made(zoo.load("tiny-cw1"), "many bytes", side))
    threads = torch.get_num_threads()
    try:
        found = worst_cases.measure(*paths)
    finally:
        torch.set_num_threads(threads)
    assert (found["height"], found["width"]) == (256, 256)
    assert found["bytes"] == len(paths[0].read_bytes())
    assert found["seconds"] >= 0 and found["mib"] >= 0
    assert np.isfinite(json.loads(json.dumps(found))["seconds"])
