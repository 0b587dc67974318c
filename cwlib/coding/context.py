"""Arithmetic coding of map and code under the learnt prior of `mnist-cw1`, exact on every machine.

The net of `models/context_prior.py` runs here on whole numbers alone: features, weights (x 2^12)
and hidden activations (x 2^8) are int64, so every sum is exact in any order. Its two outputs are
rounded to a grid, and the interval borders come from the CDF of Student's t with two degrees of
freedom, whose + x / and square root IEEE 754 rounds in one way only. Encoder and decoder walk the
same loop, `_walk`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cwlib.coding import arithmetic
from cwlib.coding.jit import jit

MAP_LEVELS = 4
CODE_BITS = 6

# Units of the whole numbers. A feature of 64 is 1.0 in training.
FEATURE_UNIT = 64
MAP_SCALE = 16  # feature value of one map level
PLACE_SCALE = 4  # feature value of one step on the 16 x 16 grid of places
INPUT_ONE = 64
WEIGHT_ONE = 1 << 12
HIDDEN_ONE = 1 << 8
HIDDEN_MAX = 1 << 24

# The grid of predictions: mu in steps of 1/128, log2 s in steps of 1/4.
MU_MIN, MU_MAX = -0.25, 1.25
LOG2_S_MIN, LOG2_S_MAX = -9.0, 1.0
QUARTERS = (1.0, 1.189207115002721, 1.4142135623730951, 1.681792830507429)  # 2^(k/4)


def map_features() -> int:
    """Inputs of the map's net: 12 neighbours, row, column."""
    return 12 + 2


def code_features(channels: int) -> int:
    """Inputs of a code channel's net: neighbours, map window, row, column, channels before it."""
    return 12 * channels + 25 + 2 + channels


@dataclass(frozen=True, eq=False)
class Weights:
    """Integer weights of one net of C coded channels, F features and H hidden units.

    w1: (C, H, F); b1: (C, H); w2: (C, H, H); b2: (C, H); w3: (C, 2, H); b3: (C, 2).
    """

    w1: np.ndarray
    b1: np.ndarray
    w2: np.ndarray
    b2: np.ndarray
    w3: np.ndarray
    b3: np.ndarray

    def arrays(self) -> tuple[np.ndarray, ...]:
        """All six as contiguous int64, in order."""
        return tuple(
            np.ascontiguousarray(a, dtype=np.int64)
            for a in (self.w1, self.b1, self.w2, self.b2, self.w3, self.b3)
        )


@dataclass(frozen=True)
class Coder:
    """Codes levels (H, W) of a map and values (C, H, W) of a code with a pair of nets.

    kept: bits that each of the four map levels keeps, 0 to 6. Raises ValueError where weights
    do not fit each other: the compiled loop checks no bounds.
    """

    map_net: Weights
    code_net: Weights
    kept: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.kept) != MAP_LEVELS or not all(0 <= k <= CODE_BITS for k in self.kept):
            raise ValueError(f"kept: expected {MAP_LEVELS} of 0..{CODE_BITS} bits, got {self.kept}")
        _check_net(self.map_net, "map", 1, map_features())
        channels = len(self.code_net.w1)
        _check_net(self.code_net, "code", channels, code_features(channels))

    def encode(self, levels: np.ndarray, values: np.ndarray) -> bytes:
        """levels 0..3 and values 0 .. 2^kept - 1 (the kept leading bits as a number) -> bytes.

        Raises ValueError for other shapes and types and for numbers outside these ranges.
        """
        levels, values = _whole(levels, "levels"), _whole(values, "values")
        self._check(levels, values)
        out = np.zeros(16 + 4 * (levels.size + values.size), dtype=np.uint8)
        end = self._run(levels, values, out, True)
        return out[:end].tobytes()

    def decode(self, data: bytes, channels: int, h: int, w: int) -> tuple[np.ndarray, np.ndarray]:
        """bytes -> levels (h, w) and values (channels, h, w). Raises StreamError."""
        levels = np.zeros((h, w), dtype=np.int64)
        values = np.zeros((channels, h, w), dtype=np.int64)
        self._check(levels, values)
        message = arithmetic.as_message(data)
        arithmetic.check_end(message, self._run(levels, values, message, False))
        return levels, values

    def _check(self, levels: np.ndarray, values: np.ndarray) -> None:
        """The loop trusts its arrays, so nothing unsound may reach it."""
        channels = len(self.code_net.w1)
        if levels.ndim != 2 or values.shape != (channels, *levels.shape):
            raise ValueError(
                f"expected levels (H, W) and values ({channels}, H, W), "
                f"got {levels.shape} and {values.shape}"
            )
        if ((levels < 0) | (levels >= MAP_LEVELS)).any():
            raise ValueError(f"map levels lie in 0..{MAP_LEVELS - 1}")
        if ((values < 0) | (values >> np.array(self.kept)[levels] > 0)).any():
            raise ValueError("a value has more bits than its map level keeps")

    def _run(self, levels, values, message, encoding) -> int:
        kept = np.array(self.kept, dtype=np.int64)
        map_net, code_net = self.map_net.arrays(), self.code_net.arrays()
        return int(_walk(levels, values, message, encoding, map_net, code_net, kept))


def _check_net(net: Weights, name: str, channels: int, features: int) -> None:
    """Raise ValueError unless all weights are integers of the shapes that `Weights` states."""
    hidden = net.w1.shape[1] if net.w1.ndim == 3 else 0
    shapes = [(hidden, features), (hidden,), (hidden, hidden), (hidden,), (2, hidden), (2,)]
    for part, shape in zip(("w1", "b1", "w2", "b2", "w3", "b3"), shapes, strict=True):
        a, expected = getattr(net, part), (channels, *shape)
        if a.shape != expected or a.dtype.kind not in "iu":
            raise ValueError(
                f"{part} of the {name} net: expected integers {expected}, got {a.dtype} {a.shape}"
            )


def _whole(values: np.ndarray, what: str) -> np.ndarray:
    """`values` as contiguous, writable int64: one type, so that the loop is compiled once."""
    values = np.asarray(values)
    if values.size and values.dtype.kind not in "iu":
        raise ValueError(f"{what}: expected whole numbers, got {values.dtype}")
    return np.require(values, np.int64, ["C", "A", "W"])


@jit
def _predict(f, net, c):
    """Features -> (mu, s) on the grid, by whole-number arithmetic."""
    w1, b1, w2, b2, w3, b3 = net
    h = (w1[c] * f).sum(axis=1) + b1[c]  # x 2^18
    h = np.minimum(np.maximum(h >> 10, 0), HIDDEN_MAX)  # x 2^8
    h = (w2[c] * h).sum(axis=1) + b2[c]  # x 2^20
    h = np.minimum(np.maximum(h >> 12, 0), HIDDEN_MAX)
    out = (w3[c] * h).sum(axis=1) + b3[c]  # x 2^20
    mu_step = (out[0] + (1 << 12)) >> 13  # in 1/128
    mu_step = min(max(mu_step, np.int64(MU_MIN * 128)), np.int64(MU_MAX * 128))
    s_step = (out[1] + (1 << 17)) >> 18  # in 1/4 octave
    s_step = min(max(s_step, np.int64(LOG2_S_MIN * 4)), np.int64(LOG2_S_MAX * 4))
    s = QUARTERS[s_step & 3]
    octave = s_step >> 2
    while octave < 0:
        s *= 0.5
        octave += 1
    while octave > 0:
        s *= 2.0
        octave -= 1
    return mu_step / 128.0, s


@jit
def border(k, n, mu, s):
    """Cumulative frequency below bin k of n bins of [0, 1]; 0 for k = 0, 65536 for k = n."""
    if k <= 0:
        return np.int64(0)
    if k >= n:
        return np.int64(65536)
    t = (k / n - mu) / s
    # F(t) = 1/2 + t / (2 sqrt(2 + t^2)); one count is set aside for each bin
    share = 0.5 + t / (2.0 * math.sqrt(2.0 + t * t))
    return np.int64(math.floor(share * (65536 - n))) + k


@jit
def _code_one(value, n, mu, s, state, message, encoding):
    """Encode `value`, one of n, or decode and return it."""
    if not encoding:
        target = min(state[arithmetic.CODE] // (state[arithmetic.WIDTH] >> 16), np.int64(65535))
        value, behind = np.int64(0), n
        while behind - value > 1:
            middle = (value + behind) >> 1
            if border(middle, n, mu, s) <= target:
                value = middle
            else:
                behind = middle
    a, b = border(value, n, mu, s), border(value + 1, n, mu, s)
    if encoding:
        arithmetic.narrow(state, message, a, b)
    else:
        arithmetic.widen(state, message, a, b)
    return value


@jit
def _around(plane, y, x, f, at):
    """The 12 places above and left of (y, x), two steps far, into f[at:]; plane has a rim of 2."""
    f[at : at + 5] = plane[y, x : x + 5]
    f[at + 5 : at + 10] = plane[y + 1, x : x + 5]
    f[at + 10 : at + 12] = plane[y + 2, x : x + 2]


@jit
def _walk(levels, values, message, encoding, map_net, code_net, kept):
    """The one loop of both directions: returns the number of bytes written or read.

    Decoding may read past the end, where there are zeros; -1 tells of a damaged message.
    """
    channels, height, width = values.shape
    if encoding:
        state = arithmetic.start_encoder()
    else:
        state = arithmetic.start_decoder(message)

    f = np.zeros(14, dtype=np.int64)
    map_plane = np.zeros((height + 4, width + 4), dtype=np.int64)
    for y in range(height):
        for x in range(width):
            _around(map_plane, y, x, f, 0)
            f[12] = (16 * y) // height * PLACE_SCALE
            f[13] = (16 * x) // width * PLACE_SCALE
            mu, s = _predict(f, map_net, 0)
            levels[y, x] = _code_one(
                levels[y, x], np.int64(MAP_LEVELS), mu, s, state, message, encoding
            )
            map_plane[y + 2, x + 2] = levels[y, x] * MAP_SCALE
            if not encoding and state[arithmetic.CODE] >= state[arithmetic.WIDTH]:
                return np.int64(-1)

    f = np.zeros(13 * channels + 27, dtype=np.int64)
    planes = np.zeros((channels, height + 4, width + 4), dtype=np.int64)
    before = 12 * channels + 27
    for y in range(height):
        for x in range(width):
            bits = kept[levels[y, x]]
            if bits == 0:
                continue
            n = np.int64(1) << bits
            for c in range(channels):
                _around(planes[c], y, x, f, 12 * c)
            for row in range(5):
                at = 12 * channels + 5 * row
                f[at : at + 5] = map_plane[y + row, x : x + 5]
            f[before - 2] = (16 * y) // height * PLACE_SCALE
            f[before - 1] = (16 * x) // width * PLACE_SCALE
            f[before:] = 0
            for c in range(channels):
                mu, s = _predict(f, code_net, c)
                values[c, y, x] = _code_one(values[c, y, x], n, mu, s, state, message, encoding)
                f[before + c] = values[c, y, x] << (CODE_BITS - bits)
                planes[c, y + 2, x + 2] = f[before + c]
                if not encoding and state[arithmetic.CODE] >= state[arithmetic.WIDTH]:
                    return np.int64(-1)
    if encoding:
        return arithmetic.finish(state, message)
    return state[arithmetic.POSITION]
