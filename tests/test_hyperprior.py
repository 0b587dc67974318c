"""Coding with a scale hyperprior: all that goes in comes back, in as few bits as the tables say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import damage
from cwlib import StreamError
from cwlib.coding import rans
from cwlib.coding.gaussian import SCALES, gaussian_tables
from cwlib.coding.hyperprior import Coder
from cwlib.coding.scales import ScaleDecoder
from cwlib.coding.tables import Tables


def coder(n: int = 3, c: int = 5, seed: int = 0) -> Coder:
    """A small random net, and tables of hyper-latents that are unlike each other."""
    rng = np.random.default_rng(seed)
    shapes = [(n, n, 5, 5), (n, n, 5, 5), (c, n, 3, 3)]
    weights = [0.3 * rng.standard_normal(s) for s in shapes]
    scales = ScaleDecoder.from_reals(weights, [rng.standard_normal(m) for m in (n, n, c)])
    sizes = rng.integers(1, 30, n)
    tables = Tables.from_probabilities(
        [rng.random(k) + 0.01 for k in sizes], [-int(k) // 2 for k in sizes], [0.01] * n
    )
    return Coder(tables, scales.scale_indices)


def symbols(rng: np.random.Generator, of: Coder, h: int, w: int, far: float = 0.0) -> tuple:
    """Latents that follow the tables (a share `far` of them does not), and hyper-latents."""
    y = np.rint(2 * rng.standard_normal((len(of.hyper_tables.sizes), h, w))).astype(np.int64)
    indices = of.scale_indices(y)
    z = np.rint(np.array(SCALES)[indices] * rng.standard_normal(indices.shape)).astype(np.int64)
    z = np.where(rng.random(z.shape) < far, rng.integers(-(2**29), 2**29, z.shape), z)
    y = np.where(rng.random(y.shape) < far, rng.integers(-(2**29), 2**29, y.shape), y)
    return z, y


def ideal_bits(values: np.ndarray, indices: np.ndarray, tables: Tables) -> float:
    """-log2 of the probabilities that the tables give; behind an escape come digits of 4 bits."""
    total = 0.0
    for value, t in zip(values.ravel().tolist(), indices.ravel().tolist(), strict=True):
        cdf, j = tables.cdfs[t], value - int(tables.offsets[t])
        escape = int(tables.sizes[t]) - 1
        if not 0 <= j < escape:
            distance = 2 * (j - escape) if j >= 0 else -2 * j - 1
            total += 4 + 4 * -(-distance.bit_length() // 4)  # how many, and they
            j = escape
        total += 16 - np.log2(cdf[j + 1] - cdf[j])
    return total


# --- there and back ------------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 4),
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.01, 0.5]),
)
def test_latents_and_hyper_latents_come_back(seed, n, c, h, w, far):
    made, rng = coder(n, c, seed), np.random.default_rng(seed)
    z, y = symbols(rng, made, h, w, far)
    z[rng.random(c) < 0.4] = 0
    sections = made.encode(z, y)
    assert len(sections) == 2 and all(isinstance(s, bytes) for s in sections)
    z_found, y_found = made.decode(sections, 4 * h, 4 * w)
    assert np.array_equal(z_found, z) and np.array_equal(y_found, y)
    assert z_found.dtype == y_found.dtype == np.int64


def test_the_code_is_within_a_two_hundredth_of_its_ideal_length():
    made, rng = coder(8, 20), np.random.default_rng(0)
    z, y = symbols(rng, made, 8, 9)
    first, second = made.encode(z, y)
    channels = np.broadcast_to(np.arange(8)[:, None, None], y.shape)
    ideal = ideal_bits(y, channels, made.hyper_tables) / 8
    assert ideal - 5 <= len(first) <= ideal * 1.005 + 8
    ideal = ideal_bits(z, made.scale_indices(y), gaussian_tables()) / 8
    assert ideal - 5 <= len(second) - 3 <= ideal * 1.005 + 8  # 3 bytes: 20 channels, one bit each


def test_the_layout_of_arrays_in_memory_does_not_matter():
    made, rng = coder(), np.random.default_rng(1)
    z, y = symbols(rng, made, 3, 4)
    wanted = made.encode(z, y)
    assert made.encode(np.asfortranarray(z), y[:, ::-1][:, ::-1]) == wanted
    assert made.encode(z.astype(np.int32), y.astype(np.int16)) == wanted


# --- channels that are zero everywhere -----------------------------------------------------------


@pytest.mark.parametrize("c", [1, 7, 8, 9, 67])
def test_a_dead_channel_costs_one_bit_and_comes_back(c):
    made, rng = coder(3, c), np.random.default_rng(c)
    z, y = symbols(rng, made, 4, 4)
    z[:] = 0
    _, none = made.encode(z, y)
    assert len(none) == -(-c // 8) + 8  # the bits, and the rANS code of an empty message
    assert not made.decode(made.encode(z, y), 16, 16)[0].any()

    z[c // 2, 1, 2] = -3
    _, one = made.encode(z, y)
    assert one[: -(-c // 8)] == np.packbits(np.arange(c) == c // 2).tobytes()
    found, _ = made.decode(made.encode(z, y), 16, 16)
    assert np.array_equal(found, z)
    indices = made.scale_indices(y)[c // 2]
    ideal = ideal_bits(z[c // 2], indices, gaussian_tables()) / 8
    assert len(one) - len(none) <= ideal * 1.005 + 4


def test_dead_channels_are_not_looked_at_when_decoding(monkeypatch):
    made, rng = coder(3, 40), np.random.default_rng(0)
    z, y = symbols(rng, made, 4, 4)
    z[2:] = 0
    sections = made.encode(z, y)
    asked, real = [], rans.decode

    def counting(data, indices, tables):
        asked.append(len(indices))
        return real(data, indices, tables)

    monkeypatch.setattr(rans, "decode", counting)
    made.decode(sections, 16, 16)
    assert asked == [y.size, z[:2].size]


# --- what is not taken ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("z_shape", "y_shape", "says"),
    [
        ((5, 4, 4), (3, 1), r"hyper-latents \(3, h/4, w/4\)"),
        ((5, 4, 4), (2, 1, 1), r"hyper-latents \(3, h/4, w/4\).* got \(2, 1, 1\)"),
        ((5, 4, 4), (3, 0, 1), "of some size"),
        ((5, 4, 8), (3, 1, 1), r"tells of latents \(5, 4, 4\), got z \(5, 4, 8\)"),
        ((4, 4, 4), (3, 1, 1), r"got z \(4, 4, 4\)"),
        ((5, 16), (3, 1, 1), r"got z \(5, 16\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(z_shape, y_shape, says):
    with pytest.raises(ValueError, match=says):
        coder().encode(np.ones(z_shape, int), np.zeros(y_shape, int))


@pytest.mark.parametrize(("h", "w"), [(5, 4), (4, 6), (0, 4)])
def test_a_size_that_no_hyper_latents_have_is_refused(h, w):
    made = coder()
    with pytest.raises(ValueError):
        made.decode(made.encode(np.ones((5, 4, 4), int), np.zeros((3, 1, 1), int)), h, w)


def test_values_that_are_no_whole_numbers_or_too_large_are_refused():
    z, y = np.ones((5, 4, 4), int), np.zeros((3, 1, 1), int)
    for bad in (z + 0.5, z * 2**31):
        with pytest.raises(ValueError):
            coder().encode(bad, y)
    with pytest.raises(ValueError):
        coder().encode(z, y - 2**31)


# --- damage --------------------------------------------------------------------------------------

MADE = coder(3, 12, seed=5)
SOUND = []
for _seed in range(4):
    _z, _y = symbols(np.random.default_rng(_seed), MADE, 2, 3)
    _z[_seed :: 2 + _seed] = 0
    SOUND.append(MADE.encode(_z, _y))


def read(sections: list[bytes]) -> None:
    """Decode; what comes back must be of the right shape and encode to the same sections."""
    z, y = MADE.decode(sections, 8, 12)
    assert z.shape == (12, 8, 12) and y.shape == (3, 2, 3)
    assert MADE.encode(z, y) == sections  # one picture, one stream


@settings(max_examples=300)
@given(st.data())
def test_damaged_sections_are_refused_or_are_other_latents_code(data):
    which = data.draw(st.integers(0, 1))
    blobs = [sections[which] + bytes(damage.CRC_BYTES) for sections in SOUND]
    _, body = data.draw(damage.bodies(blobs))
    sections = list(data.draw(st.sampled_from(SOUND)))
    sections[which] = body
    try:
        read(sections)
    except StreamError as error:
        assert str(error) and "\n" not in str(error)


@pytest.mark.parametrize("which", [0, 1])
def test_every_truncation_and_every_trailing_byte_is_refused(which):
    sound = SOUND[0]
    for size in range(len(sound[which])):
        sections = list(sound)
        sections[which] = sections[which][:size]
        with pytest.raises(StreamError):
            MADE.decode(sections, 8, 12)
    for extra in (1, 3, 4, 8):
        sections = list(sound)
        sections[which] += bytes(extra)
        with pytest.raises(StreamError):
            MADE.decode(sections, 8, 12)


def test_a_bit_for_a_channel_that_does_not_exist_is_refused():
    first, second = SOUND[0]
    flipped = second[:1] + bytes([second[1] | 1]) + second[2:]
    with pytest.raises(StreamError, match="more than the 12 channels"):
        MADE.decode([first, flipped], 8, 12)


def test_a_channel_of_zeros_that_is_coded_all_the_same_is_refused():
    # The same latents with the bit set and the zeros coded: a second stream of the same picture.
    z, y = np.zeros((12, 8, 12), int), np.zeros((3, 2, 3), int)
    z[3] = 1
    indices = MADE.scale_indices(y)
    live = np.isin(np.arange(12), (3, 7))
    code = rans.encode(z[live].ravel(), indices[live].ravel(), gaussian_tables())
    first, _ = MADE.encode(z, y)
    with pytest.raises(StreamError, match="channel of zeros"):
        MADE.decode([first, np.packbits(live).tobytes() + code], 8, 12)
