"""Hexdumps, varints and flips, read back from matplotlib's own objects."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from cwbook import figures
from drawn import own_figures, texts  # noqa: F401 - a fixture of every test here

plt = figures.plt
DATA = bytes(range(0xA0, 0xA0 + 30))
FIELDS = [("magic", 2), ("version", 1), ("section 0", 23), ("nothing", 0), ("checksum", 4)]


def boxes(ax) -> list[tuple[float, float, str]]:
    """(x, y, face colour) of every box of a byte, from left to right and top to bottom."""
    found = [p for p in ax.patches if p.get_width() > 0.9 and p.get_height() == 1]
    return [(round(p.get_x()), p.get_y(), to_hex(p.get_facecolor())) for p in found]


def test_a_hexdump_shows_every_byte_in_order_and_the_offset_of_each_row():
    shown = texts(figures.hexdump(DATA, FIELDS))
    assert [t for t in shown if re.fullmatch("[0-9a-f]{2}", t) and t > "9"] == [
        f"{byte:02x}" for byte in DATA
    ]
    assert shown[:3] == ["0", "12", "24"]
    assert {name for name, _ in FIELDS} <= set(shown)


def test_bytes_of_one_field_share_a_colour_and_neighbours_differ():
    found = boxes(figures.hexdump(DATA, FIELDS))
    assert len(found) == len(DATA)
    fields = np.repeat(np.arange(5), [n for _, n in FIELDS])
    for k in range(len(DATA) - 1):
        same = fields[k] == fields[k + 1]
        assert (found[k][2] == found[k + 1][2]) == same
    assert [(x, y) for x, y, _ in found[11:13]] == [(11, 0), (0, 1.25)]


def test_every_field_has_its_number_at_its_first_byte_and_in_the_legend():
    shown = texts(figures.hexdump(DATA, FIELDS))
    for number in "1235":  # beside colour
        assert shown.count(number) == 2
    assert shown.count("4") == 1  # without bytes, it stands in the legend only


def test_only_the_active_field_is_in_colour():
    found = boxes(figures.hexdump(DATA, FIELDS, active=2))
    assert {k for k, (_, _, face) in enumerate(found) if face != "#ffffff"} == set(range(3, 26))


@pytest.mark.parametrize(
    ("value", "coded"),
    [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (2**32 - 1, "ffffffff0f")],
)
def test_a_varint_shows_its_bytes_bits_and_sum(value, coded):
    shown = texts(figures.varint_bits(value))
    hexes = [t for t in shown if re.fullmatch("[0-9a-f]{2}", t)]
    bits = "".join(t for t in shown if t in ("0", "1") and len(t) == 1)
    assert "".join(hexes) == coded
    wanted = "".join(f"{byte:08b}" for byte in bytes.fromhex(coded))
    assert bits.startswith(wanted) or bits == wanted + str(value)
    assert shown.count("more") == len(hexes) - 1 and shown.count("last") == 1
    assert shown[-1] == f"= {value:,}"


@given(st.integers(0, 2**32 - 1))
def test_the_parts_of_a_varint_add_up(value):
    shown = texts(figures.varint_bits(value))
    plt.close("all")
    parts = [re.fullmatch(r"(?:\+ )?\$(\d+) \\cdot 2\^\{(\d+)\}\$", t) for t in shown]
    low = int(next(t for t in shown if t.startswith("   ")))
    assert low + sum(int(m[1]) << int(m[2]) for m in parts if m) == value


@pytest.mark.parametrize("value", [-1, 2**32])
def test_a_number_beyond_32_bits_is_refused(value):
    with pytest.raises(ValueError, match="4294967295"):
        figures.varint_bits(value)


def test_all_varints_make_frames_of_one_size():
    sizes = {
        figures.as_png(figures.varint_bits(v))[16:24] for v in (1, 300, 2**32 - 1)
    }  # PNG: w, h
    assert len(sizes) == 1


def test_flips_are_bars_over_the_bytes_and_fields_are_numbered_below():
    counts = np.arange(30) % 9
    ax = figures.flips_by_byte(counts, FIELDS)
    bars = [p for p in ax.patches if p.get_y() == 0]
    assert [p.get_height() for p in bars] == counts.tolist()
    assert [round(p.get_x(), 2) for p in bars] == list(range(30))
    assert texts(ax) == ["1", "2", "3", "5"]
    assert "bytes" in ax.get_xlabel() and "8" in ax.get_ylabel()
