"""The coder of map and code: exact round trips, exact borders, and no fear of damaged bytes."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from decimal import Decimal, getcontext
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwlib.coding import context, jit
from cwlib.coding.context import Coder, Weights, border
from cwlib.coding.stream import StreamError

KEPT = {"double": (0, 2, 4, 6), "ceil": (2, 3, 5, 6), "offset": (3, 4, 5, 6)}


def random_coder(seed: int = 0, channels: int = 4, kept=KEPT["double"], hidden: int = 8) -> Coder:
    """A pair of nets with whole-number weights of the usual sizes."""
    rng = np.random.default_rng(seed)

    def net(c: int, features: int) -> Weights:
        def normal(*shape, scale):
            return np.rint(rng.normal(0, scale, shape)).astype(np.int64)

        return Weights(
            normal(c, hidden, features, scale=4096 / features**0.5),
            normal(c, hidden, scale=2**17),
            normal(c, hidden, hidden, scale=4096 / hidden**0.5),
            normal(c, hidden, scale=2**18),
            normal(c, 2, hidden, scale=4096 / hidden**0.5),
            normal(c, 2, scale=2**19),
        )

    return Coder(
        net(1, context.map_features()), net(channels, context.code_features(channels)), kept
    )


def random_latents(coder: Coder, h: int, w: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([seed, h, w])
    levels = rng.integers(0, 4, (h, w))
    bits = np.array(coder.kept)[levels]
    values = rng.integers(0, 1 << np.broadcast_to(bits, (len(coder.code_net.w1), h, w)))
    return levels, values


# --- round trips ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", KEPT.values(), ids=KEPT)
@pytest.mark.parametrize(("h", "w"), [(1, 1), (1, 9), (7, 1), (2, 3), (16, 16), (5, 21)])
def test_any_map_and_code_come_back(h, w, kept):
    for seed, channels in ((0, 4), (1, 1), (2, 3)):
        coder = random_coder(seed, channels, kept)
        levels, values = random_latents(coder, h, w, seed)
        found = coder.decode(coder.encode(levels, values), channels, h, w)
        assert np.array_equal(found[0], levels)
        assert np.array_equal(found[1], values)


@given(st.integers(0, 3), st.sampled_from([0, -1]), st.integers(1, 20), st.integers(0, 5))
def test_constant_pages_come_back(level, value, size, seed):
    coder = random_coder(seed)
    levels = np.full((size, 3), level)
    values = np.full((4, size, 3), value % (1 << coder.kept[level]))  # the lowest or the highest
    found = coder.decode(coder.encode(levels, values), 4, size, 3)
    assert np.array_equal(found[0], levels) and np.array_equal(found[1], values)


@pytest.mark.parametrize("size", [2**20, 2**31 - 1])
def test_weights_of_any_size_make_a_code_that_comes_back(size):
    # what a file may hold are int32: no sum may overflow
    rng = np.random.default_rng(0)
    small = random_coder()
    nets = (
        Weights(*(rng.choice([-size, size], a.shape) for a in net.arrays()))
        for net in (small.map_net, small.code_net)
    )
    coder = Coder(*nets, small.kept)
    levels, values = random_latents(coder, 9, 9)
    found = coder.decode(coder.encode(levels, values), 4, 9, 9)
    assert np.array_equal(found[0], levels) and np.array_equal(found[1], values)


@pytest.mark.parametrize("kept", [(0, 2, 4), (0, 2, 4, 7), (-1, 2, 4, 6), (0, 2, 4, 6, 6)])
def test_bits_that_no_map_level_can_keep_are_refused(kept):
    whole = random_coder()
    with pytest.raises(ValueError, match=r"kept: expected 4 of 0\.\.6 bits"):
        Coder(whole.map_net, whole.code_net, kept)


def test_weights_that_do_not_fit_are_refused_by_name():
    whole = random_coder()
    swapped = "w1 of the map net: expected integers"
    with pytest.raises(ValueError, match=swapped):
        Coder(whole.code_net, whole.map_net, whole.kept)
    arrays = list(whole.code_net.arrays())
    arrays[3] = arrays[3][:, :-1]
    with pytest.raises(ValueError, match="b2 of the code net: expected integers"):
        Coder(whole.map_net, Weights(*arrays), whole.kept)
    arrays[3] = whole.code_net.b2 + 0.5
    with pytest.raises(ValueError, match="b2 of the code net: .* got float64"):
        Coder(whole.map_net, Weights(*arrays), whole.kept)


def test_latents_that_are_no_whole_numbers_are_refused():
    coder = random_coder()
    levels, values = random_latents(coder, 4, 4)
    with pytest.raises(ValueError, match="levels: expected whole numbers, got float64"):
        coder.encode(levels + 0.5, values)
    with pytest.raises(ValueError, match="values: expected whole numbers, got bool"):
        coder.encode(levels, values > 0)


def test_read_only_latents_are_coded_too():
    coder = random_coder()
    levels, values = random_latents(coder, 4, 4)
    blob = coder.encode(levels, values)
    levels.flags.writeable = values.flags.writeable = False
    assert coder.encode(levels, values) == blob


def test_encoding_leaves_its_arguments_alone():
    coder = random_coder()
    levels, values = random_latents(coder, 6, 6)
    before = levels.copy(), values.copy()
    coder.encode(levels, values)
    assert np.array_equal(levels, before[0]) and np.array_equal(values, before[1])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda i, v: (i + 3, v), r"levels lie in 0\.\.3"),
        (lambda i, v: (i - 4, v), r"levels lie in 0\.\.3"),
        (lambda i, v: (i, v - 1), "more bits than its map level keeps"),
        (lambda i, v: (i, v + 64), "more bits than its map level keeps"),
        (lambda i, v: (i * 0, v * 0 + 1), "more bits than its map level keeps"),
        (lambda i, v: (i, v[:3]), r"\(4, H, W\), got \(6, 6\) and \(3, 6, 6\)"),
        (lambda i, v: (i[:5], v), r"got \(5, 6\) and \(4, 6, 6\)"),
        (lambda i, v: (i[None], v), r"got \(1, 6, 6\)"),
    ],
)
def test_what_the_loop_could_not_bear_is_refused(change, says):
    coder = random_coder()
    with pytest.raises(ValueError, match=says):
        coder.encode(*change(*random_latents(coder, 6, 6)))


# --- the borders of the intervals ----------------------------------------------------------------

unit = st.integers(context.MU_MIN * 128, context.MU_MAX * 128)
octaves = st.integers(int(context.LOG2_S_MIN * 4), int(context.LOG2_S_MAX * 4))


def exact_border(k: int, n: int, mu: Fraction, s: float) -> int:
    """F((k/n - mu) / s) by 50 digits, with one count set aside for each bin."""
    if k in (0, n):
        return 65536 * (k == n)
    getcontext().prec = 50
    t = (Fraction(k, n) - mu) / Fraction(s)
    t = Decimal(t.numerator) / Decimal(t.denominator)
    share = Decimal("0.5") + t / (2 * (2 + t * t).sqrt())
    return math.floor(share * (65536 - n)) + k


@given(st.sampled_from([4, 8, 16, 32, 64]), st.integers(0, 64), unit, octaves)
def test_a_border_is_that_of_50_digits(n, k, mu_step, s_step):
    k, s = min(k, n), 2.0 ** (s_step / 4)
    # where the exact value is nearly whole the floor may fall on either side
    found, wanted = border(k, n, mu_step / 128, s), exact_border(k, n, Fraction(mu_step, 128), s)
    if found != wanted:
        nudged = [exact_border(k, n, Fraction(mu_step, 128), s * f) for f in (1 - 1e-12, 1 + 1e-12)]
        assert found in nudged and abs(found - wanted) == 1


@given(st.sampled_from([4, 8, 16, 32, 64]), unit, octaves)
def test_the_borders_grow_from_0_to_65536_so_that_no_bin_is_empty(n, mu_step, s_step):
    borders = [border(k, n, mu_step / 128, 2.0 ** (s_step / 4)) for k in range(n + 1)]
    assert borders[0] == 0 and borders[-1] == 65536
    assert all(b > a for a, b in zip(borders, borders[1:], strict=False))


def test_the_quarter_octaves_are_the_powers_of_two():
    assert context.QUARTERS == pytest.approx([2 ** (k / 4) for k in range(4)], rel=1e-15)


@given(unit, octaves, st.sampled_from([-10, 10]))
def test_a_net_of_biases_predicts_them_on_the_grid(mu_step, s_step, offset):
    # all weights zero, so that the outputs are b3: mu in 1/128, log2 s in 1/4, to the nearest
    # (half a step of mu is 2^12, of log2 s 2^17)
    zero = [np.zeros_like(a) for a in random_coder().map_net.arrays()]
    zero[5][0] = [mu_step * 2**13 + offset * 400, s_step * 2**18 + offset * 13000]
    mu, s = context._predict(np.zeros(14, dtype=np.int64), tuple(zero), 0)
    assert (mu, s) == (mu_step / 128, pytest.approx(2 ** (s_step / 4), rel=1e-15))


# --- damage --------------------------------------------------------------------------------------


def fuzz(n: int) -> tuple[int, int]:
    """Decode n messages of noise or of damage: (refused, decoded to sound latents)."""
    rng = np.random.default_rng(0)
    coder = random_coder()
    levels, values = random_latents(coder, 6, 7)
    sound = np.frombuffer(coder.encode(levels, values), np.uint8)
    refused = 0
    for k in range(n):
        if k % 2:
            blob = rng.integers(0, 256, rng.integers(0, 120), np.uint8)
        else:
            blob = sound[: rng.integers(len(sound))] if k % 4 else sound.copy()
            blob = blob ^ (rng.random(len(blob)) < 0.02).astype(np.uint8) * np.uint8(255)
        try:
            found = coder.decode(blob.tobytes(), 4, 6, 7)
        except StreamError as error:
            assert "\n" not in str(error)
            refused += 1
            continue
        assert found[0].shape == (6, 7) and ((found[0] >= 0) & (found[0] < 4)).all()
        assert found[1].shape == (4, 6, 7)
        assert ((found[1] >= 0) & (found[1] < 1 << np.array(coder.kept)[found[0]])).all()
    return refused, n - refused


def test_noise_is_refused_or_gives_sound_latents_and_nothing_else():
    refused, decoded = fuzz(2000)
    assert refused > 50 and decoded > 50


def test_a_message_that_is_too_long_is_refused():
    coder = random_coder()
    blob = coder.encode(*random_latents(coder, 4, 4))
    with pytest.raises(StreamError, match="where at most"):
        coder.decode(blob + b"x" * 100, 4, 4, 4)


# --- plain Python, other threads -----------------------------------------------------------------

CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
import test_context
test_context.fuzz(30)  # in plain Python, numpy checks every index here
print(test_context.digest(), test_context.jit.COMPILED)
"""


def digest() -> str:
    """A fingerprint of some streams, each decoded again."""
    out = hashlib.sha256()
    for seed, kept in enumerate(KEPT.values()):
        coder = random_coder(seed, kept=kept)
        levels, values = random_latents(coder, 5, 6)
        blob = coder.encode(levels, values)
        found = coder.decode(blob, 4, 5, 6)
        assert np.array_equal(found[0], levels) and np.array_equal(found[1], values)
        out.update(blob)
    return out.hexdigest()


@pytest.mark.parametrize(
    "changed", [{"CWLIB_NO_JIT": "1"}, {"OMP_NUM_THREADS": "2", "NUMBA_NUM_THREADS": "2"}]
)
def test_another_process_without_numba_or_with_more_threads_gives_the_same_bytes(changed):
    done = subprocess.run(
        [sys.executable, "-c", CHILD, Path(__file__).parent],
        env={**os.environ, **changed},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    compiled = jit.COMPILED and "CWLIB_NO_JIT" not in changed
    assert done.stdout.split() == [digest(), str(compiled)]
