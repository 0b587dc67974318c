"""Arithmetic coding and rANS at work: an interval zoomed into, numbers in colours, a state."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from cwbook.figures.labels import label_line
from cwbook.figures.look import COLOURS, SMALL, TINY, WIDTH, new_axes

INK = COLOURS["original"]
_FILL = ("#cfe0f1", "#f7d9c8", "#cdeae3", "#e6d0de")  # light enough for black letters
_MONO = "DejaVu Sans Mono"  # ships with matplotlib
_SHOWN = 26  # bits of an interval's ends that are written out


def interval_zoom(
    cdf: ArrayLike,
    names: Sequence[str],
    low: Fraction | float,
    width: Fraction | float,
    symbol: int | None = None,
) -> Axes:
    """A message's interval on [0, 1), split among the next symbols; below, the one that is taken.

    cdf: (n + 1,) rising whole numbers from 0, the shares of the n symbols; low, width: the interval
    before the symbol, Fractions for long messages; symbol: 0 to n - 1, or None before the first.
    At the bottom the interval's two ends in binary, the bits on which they agree in bold.
    ValueError for an interval outside [0, 1) and for tables or symbols that do not fit.
    """
    cdf = [int(c) for c in np.asarray(cdf)]
    low, width = Fraction(low), Fraction(width)
    if not (low >= 0 and width > 0 and low + width <= 1):
        raise ValueError(f"[{float(low):g}, {float(low + width):g}) does not lie in [0, 1)")
    a, b = (0, cdf[-1]) if symbol is None else (cdf[symbol], cdf[symbol + 1])
    new_low, new_width = low + width * Fraction(a, cdf[-1]), width * Fraction(b - a, cdf[-1])

    ax = new_axes(height=3.0)
    whole, middle, bottom = 0.35, 1.75, 3.45  # tops of the three bars
    _bar(ax, 0, 1, whole, 0.5, "white")
    _zoom(ax, float(low), float(low + width), whole + 0.5, middle)
    seen = max(float(new_width), 0.004)  # else nobody sees it
    here = plt.Rectangle((float(new_low), whole), seen, 0.5, fc=COLOURS["cw"], ec="none", zorder=3)
    ax.add_patch(here)
    _bar(ax, 0, 1, middle, 0.9, "white")
    for s, name in enumerate(names):
        taken = s == symbol
        left, right = cdf[s] / cdf[-1], cdf[s + 1] / cdf[-1]
        face = COLOURS["cw"] if taken else _FILL[s % len(_FILL)]
        _bar(ax, left, right, middle, 0.9, face, name, colour="white" if taken else INK)
    if symbol is not None:
        _zoom(ax, a / cdf[-1], b / cdf[-1], middle + 0.9, bottom)
        for s, name in enumerate(names):
            left, right = cdf[s] / cdf[-1], cdf[s + 1] / cdf[-1]
            _bar(ax, left, right, bottom, 0.9, _FILL[s % len(_FILL)], name)
    note = {"fontsize": TINY, "color": "#404040", "va": "bottom"}
    ax.text(0, whole - 0.08, "all messages: 0 to 1", ha="left", **note)
    before = f"2$^{{{_log2(width):.1f}}}$" if width < 1 else "1"
    ax.text(0, middle - 0.06, f"before: width {before}", ha="left", **note,
            bbox={"fc": "white", "ec": "none", "pad": 0.6, "alpha": 0.8})  # fmt: skip
    if symbol is not None:
        after = f"after: width 2$^{{{_log2(new_width):.1f}}}$"
        ax.text(0, bottom - 0.06, after, ha="left", **note,
                bbox={"fc": "white", "ec": "none", "pad": 0.6, "alpha": 0.8})  # fmt: skip
    _ends(ax, new_low, new_width, top=4.7)
    ax.set(xlim=(-0.01, 1.01), ylim=(6.2, 0.0))
    ax.axis("off")
    return ax


def _bar(
    ax: Axes,
    left: float,
    right: float,
    top: float,
    height: float,
    face: str,
    text: str = "",
    colour: str = INK,
) -> None:
    """A box from left to right, with its text where there is room for it."""
    box = plt.Rectangle((left, top), right - left, height, fc=face, ec=INK, lw=0.8, zorder=2)
    ax.add_patch(box)
    if text and right - left > 0.02 * len(text):
        place = ((left + right) / 2, top + height / 2)
        ax.text(*place, text, ha="center", va="center", fontsize=TINY, color=colour, zorder=4)


def _zoom(ax: Axes, left: float, right: float, above: float, below: float) -> None:
    """The glass between a part of the bar above and the whole bar below."""
    corners = [(left, above), (right, above), (1, below), (0, below)]
    ax.add_patch(plt.Polygon(corners, fc="#ececec", ec="#bdbdbd", lw=0.6, zorder=1))


def _log2(x: Fraction) -> float:
    """log2 of a fraction that may be too small for a float."""
    return math.log2(x.numerator) - math.log2(x.denominator)


def _ends(ax: Axes, low: Fraction, width: Fraction, top: float) -> None:
    """First and last number of the interval in binary, the bits that they share in bold."""
    scale = 1 << (_SHOWN + 1 + max(0, math.ceil(-_log2(width))))  # bits enough to tell them apart
    n = scale.bit_length() - 1
    first, last = math.floor(low * scale), math.ceil((low + width) * scale) - 1
    ends = [f"{value:0{n}b}" for value in (first, last)]
    settled = next((k for k in range(n) if ends[0][k] != ends[1][k]), n)
    skip = max(0, settled - _SHOWN + 6)  # of a long message, the last bits
    x0, step = 0.145, 0.0285
    font = {"fontsize": TINY, "family": _MONO, "va": "center", "ha": "center"}
    for row, (name, bits) in enumerate(zip(("from", "up to"), ends, strict=True)):
        y = top + 0.55 * row
        ax.text(0, y, name, fontsize=TINY, va="center", color="#404040")
        ax.text(x0 - 1.3 * step, y, "0." if skip == 0 else "0.…", **font)
        for k, bit in enumerate(bits[skip : skip + _SHOWN]):
            sure = skip + k < settled
            weight, colour = ("bold", COLOURS["cw"]) if sure else ("normal", "#6a6a6a")
            ax.text(x0 + k * step, y, bit, weight=weight, color=colour, **font)
    ax.text(0, top + 1.15, f"{settled} bits settled", fontsize=TINY, va="center",
            color=COLOURS["cw"], weight="bold")  # fmt: skip


def state_plot(
    states: ArrayLike, moved: ArrayLike, bounds: tuple[float, float], *, ylabel: str, note: str
) -> Axes:
    """log2 of a coder's state after each symbol, a mark where something moved out, the bounds.

    states: (n,) numbers > 0; moved: (n,) how many bytes or words moved out at that symbol; bounds:
    log2 of the least and the most; note: what a mark means.
    """
    states, moved = np.asarray(states, dtype=float), np.asarray(moved)
    ax = new_axes("symbols coded", ylabel, height=2.5)
    height, at = np.log2(states), np.arange(1, states.size + 1)
    ax.step(at, height, where="mid", color=COLOURS["resnet"], lw=1.3)
    out = moved > 0
    ax.plot(at[out], height[out], "o", color=COLOURS["cw"], ms=4.5)
    for bound in bounds:
        ax.axhline(bound, color="#8a8a8a", lw=1, dashes=(4, 2))
    ax.set_title(f"dots: {note}", loc="left", fontsize=SMALL, color=COLOURS["cw"])
    room = 0.12 * (bounds[1] - bounds[0])
    ax.set(ylim=(bounds[0] - room, bounds[1] + room), xlim=(0, states.size + 1))
    return ax


def coloured_numbers(
    frequencies: ArrayLike,
    names: Sequence[str],
    *,
    rows: int = 4,
    moves: Sequence[tuple[int, int]] = (),
) -> Axes:
    """The whole numbers in rows of n, coloured by symbol: rANS on paper.

    frequencies: (symbols,) whole numbers >= 1 with sum n, the cells of each symbol in a row; the
    small number in a cell counts the earlier cells of its symbol. moves: (state, symbol) pairs to
    mark: in state x, symbol s leads to the cell of s whose small number is x. ValueError for other
    frequencies and for moves that leave the picture.
    """
    frequencies = np.asarray(frequencies)
    if frequencies.ndim != 1 or frequencies.min(initial=1) < 1 or len(names) != frequencies.size:
        raise ValueError("expected a frequency >= 1 and a name for each symbol")
    starts = np.cumsum(frequencies) - frequencies
    n = int(frequencies.sum())
    owner = np.repeat(np.arange(frequencies.size), frequencies)
    marked = set()
    for x, s in moves:
        marked.add(int(x // frequencies[s] * n + starts[s] + x % frequencies[s]))
        if max(marked) >= rows * n:
            raise ValueError(f"state {x} and symbol {s} lead to {max(marked)}: draw more rows")
    ax = new_axes(height=0.44 * rows + 0.3)
    for number in range(rows * n):
        row, slot = divmod(number, n)
        s = owner[slot]
        lit = number in marked
        edge = {"ec": COLOURS["cw"] if lit else "white", "lw": 2.2 if lit else 1.0}
        cell = plt.Rectangle(
            (slot + 0.03, row + 0.03), 0.94, 0.94, fc=_FILL[s % len(_FILL)], **edge
        )
        cell.set_zorder(2 + lit)
        ax.add_patch(cell)
        ax.text(slot + 0.36, row + 0.5, str(number), ha="center", va="center", fontsize=SMALL,
                weight="bold" if lit else "normal", color=INK, zorder=4)  # fmt: skip
        rank = row * frequencies[s] + slot - starts[s]
        ax.text(slot + 0.78, row + 0.66, str(rank), ha="center", va="center", fontsize=TINY,
                color=COLOURS["cw"] if lit else "#5a5a5a", zorder=4)  # fmt: skip
    for s, name in enumerate(names):
        ax.text(starts[s] + frequencies[s] / 2, -0.12, name, ha="center", va="bottom",
                fontsize=SMALL, weight="bold", color=INK)  # fmt: skip
    ax.set(xlim=(-0.05, n + 0.05), ylim=(rows + 0.05, -0.55))
    ax.axis("off")
    return ax


def rans_state(
    cdf: ArrayLike,
    names: Sequence[str],
    symbol: int,
    before: int,
    after: int,
    words: Sequence[int] = (),
) -> Axes:
    """One push of rANS: the symbol's interval, log2 of the state, its 64 bits, the words that left.

    cdf: (n + 1,) from 0 to 65536; before, after: the state, below 2^64; words: 32 bits each. The
    16 bits of the state that tell a decoder the symbol have an orange frame. ValueError for tables,
    symbols and states that do not fit.
    """
    cdf = [int(c) for c in np.asarray(cdf)]
    if not (0 < before < 1 << 64 and 0 < after < 1 << 64):
        raise ValueError(f"a state lies between 1 and 2^64 - 1, got {before} and {after}")
    ax = new_axes(width=WIDTH, height=3.1)
    note = {"fontsize": TINY, "color": "#404040", "va": "bottom"}
    ax.text(0, -0.1, f"slots 0 to {cdf[-1] - 1}", ha="left", **note)
    for s, name in enumerate(names):
        taken = s == symbol
        left, right = (64 * cdf[k] / cdf[-1] for k in (s, s + 1))
        face = COLOURS["cw"] if taken else _FILL[s % len(_FILL)]
        ax.add_patch(plt.Rectangle((left, 0), right - left, 0.9, fc=face, ec=INK, lw=0.8))
        if right - left > 1.2 * len(name):
            ax.text((left + right) / 2, 0.46, name, ha="center", va="center", fontsize=TINY,
                    color="white" if taken else INK)  # fmt: skip
    _ruler(ax, 2.15, before, after, len(words))
    _register(ax, 4.25, after)
    ax.text(0, 4.15, "the state in bits", ha="left", **note)
    if words:
        text = "moved out: " + "  ".join(f"{word:08x}" for word in words)
        ax.text(0, 7.0, text, fontsize=TINY, family=_MONO, color=COLOURS["cw"], va="center")
    ax.set(xlim=(-0.7, 64.7), ylim=(7.4, -0.75))
    ax.axis("off")
    return ax


def _ruler(ax: Axes, y: float, before: int, after: int, n_words: int) -> None:
    """log2 of the state from 0 to 64, the allowed range in grey, an arrow for each move."""
    ax.add_patch(plt.Rectangle((31, y), 32, 0.5, fc="#ececec", ec="none"))
    ax.plot([0, 64], [y + 0.5] * 2, color="#5a5a5a", lw=0.8)
    for tick in (0, 16, 31, 48, 63):
        ax.plot([tick] * 2, [y + 0.4, y + 0.6], color="#5a5a5a", lw=0.8)
        text = f"$2^{{{tick}}}$"
        ax.text(tick, y + 0.72, text, ha="center", va="top", fontsize=TINY, color="#404040")
    low, high = math.log2(before), math.log2(after)
    arrow = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, "lw": 1.4}
    level = y + 0.25
    start = low
    if n_words:
        start = low - 32 * n_words
        ax.annotate("", (start, level - 0.55), (low, level - 0.55),
                    arrowprops={**arrow, "color": COLOURS["cw"]})  # fmt: skip
        ax.text((start + low) / 2, level - 0.63, f"-{32 * n_words} bits", ha="center", va="bottom",
                fontsize=TINY, color=COLOURS["cw"])  # fmt: skip
        ax.plot([start] * 2, [level - 0.55, level], color=COLOURS["cw"], lw=0.8)
    ax.plot(low, level, "o", mfc="white", mec=INK, ms=6, zorder=4)
    ax.plot(high, level, "o", color=INK, ms=6, zorder=5)
    if abs(high - start) > 1.2:
        ax.annotate("", (high, level), (start, level), arrowprops={**arrow, "color": INK})


def _register(ax: Axes, y: float, state: int) -> None:
    """64 bits in two rows, black for one; a frame around the lowest 16, the slot."""
    for k, bit in enumerate(f"{state:064b}"):
        row, column = divmod(k, 32)
        face = INK if bit == "1" else "white"
        box = plt.Rectangle((2 * column + 0.1, y + 1.15 * row), 1.8, 1.0, fc=face, ec="#8a8a8a",
                            lw=0.5)  # fmt: skip
        ax.add_patch(box)
    frame = plt.Rectangle((32, y + 1.08), 32, 1.15, fill=False, ec=COLOURS["cw"], lw=1.8, zorder=5)
    ax.add_patch(frame)


def learning_cost(n: ArrayLike, extra: Mapping[int, ArrayLike]) -> Axes:
    """What it costs to learn k shares while coding, over the message's length.

    n: (m,) lengths; extra: {k: (m,) bits over the ideal}, one line each. Dashed: lines that rise by
    (k - 1) / 2 bits with every doubling, laid through each line's last point.
    """
    n = np.asarray(n, dtype=float)
    cycle = (COLOURS[name] for name in ("cae", "resnet", "cw", "cw1"))
    colours = dict(zip(extra, cycle, strict=False))
    ax = new_axes("symbols coded", "bits over the ideal", height=3.0)
    ax.set_xscale("log", base=2)
    for k, bits in extra.items():
        bits = np.asarray(bits, dtype=float)
        ax.plot(n, bits, color=colours[k], marker="o", ms=3.5)
        line = bits[-1] + (k - 1) / 2 * np.log2(n / n[-1])
        ax.plot(n[line > 0], line[line > 0], color=colours[k], lw=1, dashes=(4, 2))
        label_line(ax, n[-1], bits[-1], f"{k} symbols", colours[k], offset=(6, 0))
    ax.set_ylim(bottom=0)
    return ax


def overheads(n: ArrayLike, over: Mapping[str, ArrayLike]) -> Axes:
    """Bits over the ideal against the length of the message, both on logarithmic axes.

    n: (m,) lengths; over: {name: (m,) bits}, a line each, named at its end; below a bit nothing is
    drawn.
    """
    n = np.asarray(n, dtype=float)
    cycle = (COLOURS[name] for name in ("webp", "resnet", "cw", "cae"))
    ax = new_axes("symbols in the message", "bits over the ideal", height=3.0)
    ax.set(xscale="log", yscale="log")
    for (name, bits), colour in zip(over.items(), cycle, strict=False):
        bits = np.asarray(bits, dtype=float)
        seen = bits >= 1
        ax.plot(n[seen], bits[seen], color=colour, marker="o", ms=3.5)
        if seen.any():
            label_line(ax, n[seen][-1], bits[seen][-1], name, colour, offset=(6, 0))
    ax.set_ylim(bottom=1)
    return ax
