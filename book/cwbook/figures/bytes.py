"""Files byte by byte: hexdumps with their fields, varints, what a flipped bit does where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from cwbook.figures.look import COLOURS, SMALL, TINY, new_axes

INK = COLOURS["original"]
# Light enough for black letters; neighbours differ, and every field has its number as well.
_FILL = ("#cfe0f1", "#f7d9c8", "#cdeae3", "#e6d0de")
_MORE, _LAST = "#f7d9c8", "#e3e3e3"  # the top bit of a varint's byte
_MONO = "DejaVu Sans Mono"  # ships with matplotlib

Fields = Sequence[tuple[str, int]]


def hexdump(data: bytes, fields: Fields, *, active: int | None = None, per_row: int = 12) -> Axes:
    """A file as rows of bytes in hexadecimal; each field has a colour, a number and its name below.

    fields: (name, number of bytes) in order, which together are all of `data`; a field of 0 bytes
    is only named. active: the one field to show in colour, by default all. At the left of each row:
    the offset of its first byte.
    """
    fields = list(fields)
    rows, lines = -(-len(data) // per_row), -(-len(fields) // 3)
    height = 1.25 * rows + 0.4 + 0.95 * lines
    ax = new_axes(height=0.27 * height)
    for row in range(rows):
        ax.text(-0.25, 1.25 * row + 0.5, str(row * per_row), ha="right", va="center",
                fontsize=TINY, color="#5a5a5a")  # fmt: skip
    for k, start, end in _spans(fields):
        lit = active in (None, k)
        for at in range(start, end):
            row, column = divmod(at, per_row)
            _byte(ax, column, 1.25 * row, f"{data[at]:02x}", _FILL[k % len(_FILL)], lit=lit)
        if end > start:
            row, column = divmod(start, per_row)
            ax.text(column + 0.06, 1.25 * row + 0.02, str(k + 1), va="center", fontsize=6.5,
                    weight="bold", color=INK if lit else "#9a9a9a", zorder=4,
                    bbox={"fc": "white", "ec": "none", "pad": 0.4})  # fmt: skip
    _legend(ax, fields, 1.25 * rows + 0.3, per_row, active)
    ax.set(xlim=(-1.1, per_row + 0.1), ylim=(height - 0.15, -0.35))
    ax.axis("off")
    return ax


def _spans(fields: Fields) -> Iterator[tuple[int, int, int]]:
    """(number, first byte, byte behind) of each field."""
    at = 0
    for k, (_, length) in enumerate(fields):
        yield k, at, at + length
        at += length


def _byte(ax: Axes, x: float, y: float, text: str, face: str, *, lit: bool) -> None:
    """One byte in its box; unlit it is pale."""
    edge = {"ec": INK if lit else "#cfcfcf", "lw": 0.7, "zorder": 2 + lit}
    ax.add_patch(plt.Rectangle((x + 0.03, y), 0.94, 1, fc=face if lit else "white", **edge))
    ax.text(x + 0.5, y + 0.53, text, ha="center", va="center", fontsize=SMALL, family=_MONO,
            color=INK if lit else "#8a8a8a", zorder=4)  # fmt: skip


def _legend(ax: Axes, fields: Fields, top: float, width: float, active: int | None) -> None:
    """Number and name of every field, in three columns that read downwards."""
    lines = -(-len(fields) // 3)
    for k, (name, _) in enumerate(fields):
        column, line = divmod(k, lines)
        x, y = column * width / 3 - 0.75, top + 0.95 * line
        lit = active in (None, k)
        face = _FILL[k % len(_FILL)] if lit else "white"
        ax.add_patch(plt.Rectangle((x, y), 0.7, 0.7, fc=face, ec=INK if lit else "#cfcfcf", lw=0.7))
        number = {"fontsize": 6.5, "weight": "bold", "ha": "center", "va": "center"}
        ax.text(x + 0.35, y + 0.37, str(k + 1), color=INK, **number)
        ax.text(x + 0.9, y + 0.37, name, va="center", fontsize=TINY,
                weight="bold" if active == k else "normal",
                color=INK if lit else "#6a6a6a")  # fmt: skip


def varint_bits(value: int) -> Axes:
    """A whole number as a varint: one row per byte, its eight bits, and what it adds to the number.

    value: 0 to 2^32 - 1. The top bit stands apart: 1 says that another byte follows. ValueError for
    another value.
    """
    if not 0 <= value < 2**32:
        raise ValueError(f"expected a number from 0 to {2**32 - 1}, got {value}")
    groups = [value >> 7 * k & 127 for k in range(max(1, -(-value.bit_length() // 7)))]
    ax = new_axes(height=0.42 * 6 + 0.4)  # five bytes and the sum: all frames have one size
    for k, group in enumerate(groups):
        more = k < len(groups) - 1
        for j, bit in enumerate(f"{group | more << 7:08b}"):
            face = (_MORE if more else _LAST) if j == 0 else "white"
            x = j + 0.25 * (j > 0)
            ax.add_patch(plt.Rectangle((x + 0.04, k), 0.92, 0.84, fc=face, ec=INK, lw=0.8))
            ax.text(x + 0.5, k + 0.44, bit, ha="center", va="center", fontsize=SMALL, family=_MONO)
        ax.text(-0.15, k + 0.44, "more" if more else "last", ha="right", va="center", fontsize=TINY)
        ax.text(8.6, k + 0.44, f"{group | more << 7:02x}", va="center", fontsize=SMALL,
                family=_MONO, weight="bold")  # fmt: skip
        text = rf"${group} \cdot 2^{{{7 * k}}}$" if k else f"{group}"
        ax.text(9.9, k + 0.44, ("+ " if k else "   ") + text, va="center", fontsize=SMALL)
    ax.text(9.9, len(groups) + 0.4, f"= {value:,}", va="center", fontsize=SMALL, weight="bold")
    ax.set(xlim=(-1.6, 15.6), ylim=(6, -0.15))
    ax.axis("off")
    return ax


def flips_by_byte(unnoticed: ArrayLike, fields: Fields) -> Axes:
    """How many of the eight bits of each byte can be flipped without anything complaining.

    unnoticed: (n,) numbers 0 to 8, a bar each; fields: (name, number of bytes) as for `hexdump`,
    named in a strip below by their numbers.
    """
    unnoticed = np.asarray(unnoticed)
    fields = list(fields)
    ax = new_axes("offset in the file (bytes)", "flips that pass, of 8", height=2.6)
    for k, start, end in _spans(fields):
        if end == start:
            continue
        face = _FILL[k % len(_FILL)]
        ax.bar(np.arange(start, end), unnoticed[start:end], width=0.9, align="edge",
               color=COLOURS["cw"])  # fmt: skip
        ax.add_patch(plt.Rectangle((start, -1.5), end - start, 1.1, fc=face, ec=INK, lw=0.6))
        ax.text((start + end) / 2, -0.95, str(k + 1), ha="center", va="center", fontsize=6.5,
                weight="bold")  # fmt: skip
    ax.set(xlim=(0, unnoticed.size), ylim=(-1.6, 8.3), yticks=[0, 2, 4, 6, 8])
    ax.grid(axis="x", visible=False)
    ax.spines["bottom"].set_visible(False)
    return ax
