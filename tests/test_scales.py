"""The hyper-decoder in whole numbers: Python's integers, torch's layers, any order of adding."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

import scenes
import tiny
from cwlib import codec, zoo
from cwlib.coding import scales
from cwlib.coding.exact import convolve, enlarge
from cwlib.coding.gaussian import LOG2_SCALE_STEP, scale_index
from cwlib.coding.scales import ScaleDecoder

N, C = 3, 5  # channels of y and of z


def real_net(seed: int, size: float = 1.0) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights and biases in torch's order of axes, float32, about as large as trained ones."""
    rng = np.random.default_rng(seed)
    shapes = [(N, N, 5, 5), (N, N, 5, 5), (C, N, 3, 3)]
    weights = [(size * 0.3 * rng.standard_normal(s)).astype(np.float32) for s in shapes]
    biases = [(size * 0.5 * rng.standard_normal(c)).astype(np.float32) for c in (N, N, C)]
    return weights, biases


def hyper_latents(seed: int, h: int, w: int, spread: float = 3.0) -> np.ndarray:
    return np.rint(spread * np.random.default_rng(seed).standard_normal((N, h, w))).astype(np.int64)


# --- Python's integers ---------------------------------------------------------------------------


def enlarged_by_hand(a: list, weight: list, bias: list, h: int, w: int) -> list:
    """Transposed convolution k5 s2 p2 op1 from its definition, Python's integers."""
    out = [[[b] * (2 * w) for _ in range(2 * h)] for b in bias]
    for o, c, i, j in itertools.product(range(len(bias)), range(len(a)), range(h), range(w)):
        for u, v in itertools.product(range(5), range(5)):
            row, column = 2 * i + u - 2, 2 * j + v - 2
            if 0 <= row < 2 * h and 0 <= column < 2 * w:
                out[o][row][column] += weight[u][v][o][c] * a[c][i][j]
    return out


def convolved_by_hand(a: list, weight: list, bias: list, h: int, w: int) -> list:
    """Convolution k3 p1 from its definition, Python's integers."""
    out = [[[b] * w for _ in range(h)] for b in bias]
    for o, c, i, j in itertools.product(range(len(bias)), range(len(a)), range(h), range(w)):
        for u, v in itertools.product(range(3), range(3)):
            row, column = i + u - 1, j + v - 1
            if 0 <= row < h and 0 <= column < w:
                out[o][i][j] += weight[u][v][o][c] * a[c][row][column]
    return out


def by_hand(decoder: ScaleDecoder, y: np.ndarray) -> np.ndarray:
    """log2 sigma in units of 2^-26, by whole-number arithmetic without limits."""
    weights = [layer.weight.astype(int).tolist() for layer in decoder.layers]
    biases = [layer.bias[:, 0, 0].astype(int).tolist() for layer in decoder.layers]
    a, (_, h, w) = np.clip(y, -(2**16), 2**16).tolist(), y.shape
    for layer, shift in ((0, 6), (1, 16)):
        sums = enlarged_by_hand(a, weights[layer], biases[layer], h, w)
        h, w = 2 * h, 2 * w
        # round to the nearest, halves up; then relu and the upper limit
        a = [
            [[min(max((t + (1 << (shift - 1))) >> shift, 0), 2**26 - 1) for t in row] for row in p]
            for p in sums
        ]
    return np.array(convolved_by_hand(a, weights[2], biases[2], h, w))


@settings(max_examples=20)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from([0.1, 1.0, 20.0]),
    st.sampled_from([1.0, 100.0, 1e6]),
)
def test_it_is_what_whole_numbers_without_limits_give(seed, h, w, size, spread):
    decoder = ScaleDecoder.from_reals(*real_net(seed, size))
    y = hyper_latents(seed, h, w, spread)
    found = decoder.log2_scales(y)
    assert found.shape == (C, 4 * h, 4 * w) and found.dtype == np.float64
    assert np.array_equal(found * 2.0**26, by_hand(decoder, y))


# --- torch's layers ------------------------------------------------------------------------------


@pytest.mark.parametrize(("h", "w"), [(1, 1), (1, 4), (3, 2), (5, 6)])
def test_each_layer_is_torchs(h, w):
    rng = np.random.default_rng(h)
    a = rng.integers(-9, 10, (N, h, w)).astype(np.float64)
    up, same = rng.integers(-9, 10, (N, C, 5, 5)), rng.integers(-9, 10, (C, N, 3, 3))
    x = torch.from_numpy(a)[None]
    wanted = F.conv_transpose2d(x, torch.from_numpy(up).double(), None, 2, 2, 1)[0].numpy()
    assert np.array_equal(enlarge(a, up.transpose(2, 3, 1, 0).astype(float)), wanted)
    wanted = F.conv2d(x, torch.from_numpy(same).double(), padding=1)[0].numpy()
    assert np.array_equal(convolve(a, same.transpose(2, 3, 0, 1).astype(float)), wanted)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_float_net_but_for_the_rounding(seed):
    weights, biases = real_net(seed)
    y = hyper_latents(seed, 6, 5)
    x = torch.from_numpy(y).double()[None]
    w, b = ([torch.from_numpy(v).double() for v in vs] for vs in (weights, biases))
    for k in range(2):
        x = F.relu(F.conv_transpose2d(x, w[k], b[k], 2, 2, 1))
    wanted = F.conv2d(x, w[2], b[2], padding=1)[0].numpy()
    found = ScaleDecoder.from_reals(weights, biases).log2_scales(y)
    # an activation is off by at most 2^-11 behind the second layer's own rounding, a few times
    # that with what it inherits; 27 of them are summed with weights of 0.3
    assert np.abs(found - wanted).max() < 0.03
    assert np.abs(found - wanted).max() < LOG2_SCALE_STEP / 4
    assert (scale_index(found) == scale_index(wanted)).mean() > 0.95


def test_a_trained_models_tables_are_those_of_its_float_net():
    names = [n for n in zoo.names() if zoo.load(n).net.codec == "photos"]
    if not names:
        pytest.skip("no model of photographs is shipped")
    for model in map(zoo.load, names):
        y = codec.analyse(model, scenes.scene(160, 224)[None])[0].y
        with torch.no_grad():
            wanted = scale_index(model.net.h_s(torch.from_numpy(y).float()[None])[0].numpy())
        found = model.coder.scale_indices(y)
        assert np.abs(found - wanted).max() <= 1 and (found == wanted).mean() > 0.99


# --- the same everywhere -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_adding_does_not_matter(seed):
    weights, biases = real_net(seed, size=15)  # sums near the limit
    decoder = ScaleDecoder.from_reals(weights, biases)
    order = np.random.default_rng(seed).permutation(N)
    y = hyper_latents(seed, 4, 5, spread=30_000)
    first, second, last = decoder.layers
    mixed = ScaleDecoder(
        (replace(first, weight=first.weight[..., order]), second, last)
    ).log2_scales(y[order])
    assert np.array_equal(decoder.log2_scales(y), mixed)
    # and with the channels between the layers in another order, where terms are far from equal
    inner = ScaleDecoder(
        (
            replace(first, weight=first.weight[:, :, order], bias=first.bias[order]),
            replace(second, weight=second.weight[:, :, order][..., order], bias=second.bias[order]),
            replace(last, weight=last.weight[..., order]),
        )
    )
    assert np.array_equal(decoder.log2_scales(y), inner.log2_scales(y))


@pytest.mark.parametrize("height", [1, 2, 7, 31, 32, 33, 70])
def test_strips_give_what_the_whole_gives(height, monkeypatch):
    decoder = ScaleDecoder.from_reals(*real_net(0))
    y = hyper_latents(height, height, 3)
    whole = scale_index(decoder.log2_scales(y))
    assert np.unique(whole).size > 10
    for rows in (1, 5, 32):
        monkeypatch.setattr(scales, "ROWS", rows)
        found = decoder.scale_indices(y)
        assert found.dtype == np.int64 and np.array_equal(found, whole)


CHILD = """
import hashlib, json, pathlib, sys
import numpy as np, torch
torch.set_num_threads(int(sys.argv[2]))
from cwlib import zoo
y = np.load(sys.argv[3])
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.safetensors")):
    found = zoo.load(path).coder.scale_indices(y)
    print(hashlib.sha256(found.astype("<i8").tobytes()).hexdigest())
"""


def test_another_process_with_one_or_two_threads_finds_the_same_tables(
    tiny_photo_weights, tmp_path
):
    rng = np.random.default_rng(0)
    y = np.rint(4 * rng.standard_normal((8, 40, 41))).astype(np.int64)  # 8: width of the tiny nets
    np.save(tmp_path / "y.npy", y)
    wanted = [
        hashlib.sha256(zoo.load(path).coder.scale_indices(y).astype("<i8").tobytes()).hexdigest()
        for path in sorted(tiny_photo_weights.glob("*.safetensors"))
    ]
    assert len(wanted) == len(tiny.PHOTO_EXPERIMENTS)
    for threads in ("1", "2"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        done = subprocess.run(
            [sys.executable, "-c", CHILD, tiny_photo_weights, threads, tmp_path / "y.npy"],
            env={**os.environ, **dict.fromkeys(names, threads)},
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == wanted


# --- limits --------------------------------------------------------------------------------------


def layer_with(position: int, value: float) -> tuple[list[np.ndarray], list[np.ndarray]]:
    weights, biases = real_net(0)
    weights[position][0, 0, 0, 0] = value
    return weights, biases


@pytest.mark.parametrize("value", [1e9, -1e9, float("inf"), float("nan")])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_weights_whose_sums_could_reach_2_to_the_53_are_refused(position, value):
    with pytest.raises(ValueError, match=f"layer {position} .* could reach 2.53"):
        ScaleDecoder.from_reals(*layer_with(position, value))


def test_a_bias_that_is_too_large_is_refused_too():
    weights, biases = real_net(0)
    biases[1][2] = 1e12
    with pytest.raises(ValueError, match="layer 1"):
        ScaleDecoder.from_reals(weights, biases)


def test_the_largest_weights_allowed_are_exact_at_the_largest_inputs():
    # layer 1 takes sums of |w| just under 2^52 / (2^26 2^16) = 1024
    weights = [np.zeros((1, 1, 5, 5)), np.zeros((1, 1, 5, 5)), np.zeros((1, 1, 3, 3))]
    weights[0][0, 0, 2, 2] = 2.0**19  # y = 2^16 saturates the activations
    weights[1][:] = 1023.9 / 25
    weights[2][:] = 1023.9 / 9
    biases = [np.zeros(1), np.zeros(1), np.zeros(1)]
    decoder = ScaleDecoder.from_reals(weights, biases)
    for sign in (1, -1):
        y = np.full((1, 2, 2), sign * 2**40)
        assert np.array_equal(decoder.log2_scales(y) * 2.0**26, by_hand(decoder, y))
    weights[1][:] = 1024.1 / 25
    with pytest.raises(ValueError, match="layer 1"):
        ScaleDecoder.from_reals(weights, biases)


def test_another_number_of_layers_is_refused():
    weights, biases = real_net(0)
    with pytest.raises(ValueError):
        ScaleDecoder.from_reals(weights[:2], biases[:2])


@pytest.mark.parametrize("value", [2**16, 2**30 + 5, 2**62, -(2**16), -(2**62)])
def test_huge_hyper_latents_count_as_the_largest_and_give_no_nan(value):
    decoder = ScaleDecoder.from_reals(*real_net(1, size=20))
    y = np.full((N, 3, 3), value)
    with np.errstate(all="raise"):
        found = decoder.log2_scales(y)
    assert np.isfinite(found).all()
    assert np.array_equal(found, decoder.log2_scales(np.clip(y, -(2**16), 2**16)))
    indices = decoder.scale_indices(y)
    assert 0 <= indices.min() and indices.max() <= 63
