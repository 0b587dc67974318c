"""Codes: words as a budget, trees merge by merge, rows of bits, a coin, tables side by side."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from cwbook.figures.labels import label_line
from cwbook.figures.look import COLOURS, SMALL, STYLE, TINY, WIDTH, new_axes

INK = COLOURS["original"]
_FILL = ("#cfe0f1", "#f7d9c8", "#cdeae3", "#e6d0de")  # light enough for black letters
_SHADE = "#ececec"  # what a word has used up
_ROOT = "#f7d9c8"  # a tree that still waits for a partner


def kraft_budget(words: Mapping[str, str], *, depth: int | None = None) -> Axes:
    """Words of zeros and ones as shares of a budget: a word of l bits takes a 1/2^l of the width.

    words: {name: word}; grey below a word: what cannot be a word any more. depth: rows, by default
    as many as the longest word has bits. ValueError where a word begins another, is no word of
    zeros and ones, or is longer than `depth`.
    """
    _check_words(words)
    longest = max(map(len, words.values()))
    depth = longest if depth is None else depth
    if not longest <= depth <= 8:
        raise ValueError(f"expected {longest} to 8 rows for these words, got depth={depth}")
    ax = new_axes(height=0.36 * (depth + 1) + 0.5)
    _cell(ax, 0.0, 0, 1.0, "", "white")
    for row in range(1, depth + 1):
        for k in range(2**row):
            prefix = f"{k:0{row}b}"
            used = any(prefix.startswith(word) for word in words.values())
            text = "" if used or row > 3 else prefix
            _cell(ax, k / 2**row, row, 2.0**-row, text, _SHADE if used else "white", "#9a9a9a")
    for k, (name, word) in enumerate(words.items()):
        left, width = int(word, 2) / 2 ** len(word), 2.0 ** -len(word)
        text = f"{name}: {word}" if width > 0.1 else f"{name}"
        _cell(ax, left, len(word), width, text, _FILL[k % len(_FILL)], bold=True)
    spent = sum(2.0 ** -len(word) for word in words.values())
    ax.text(0.5, 0.5, f"the whole budget; spent: {spent:g}", ha="center", va="center", color=INK)
    ax.set(xlim=(0, 1), ylim=(depth + 1, 0), xlabel="share of all bit strings", ylabel="bits")
    ax.set_xticks(np.arange(5) / 4, ["0", "1/4", "1/2", "3/4", "1"])
    ax.set_yticks(np.arange(depth + 1) + 0.5, range(depth + 1))
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False)
    ax.spines["left"].set_visible(False)
    return ax


def _check_words(words: Mapping[str, str]) -> None:
    """Raise ValueError unless these are words of zeros and ones, and none begins another."""
    if not words:
        raise ValueError("no words: give at least one")
    for name, word in words.items():
        if not word or set(word) - {"0", "1"}:
            raise ValueError(f"{name!r}: expected a word of zeros and ones, got {word!r}")
    ordered = sorted(words.values())  # a word that begins others stands right before one of them
    for first, second in zip(ordered, ordered[1:], strict=False):
        if second.startswith(first):
            raise ValueError(f"the word {first!r} begins the word {second!r}")


def _cell(
    ax: Axes,
    left: float,
    row: int,
    width: float,
    text: str,
    face: str,
    colour: str = INK,
    *,
    bold: bool = False,
) -> None:
    """A box of one row's height with its text in the middle."""
    edge = {"ec": INK if bold else "#bdbdbd", "lw": 1.0 if bold else 0.6, "zorder": 2 + bold}
    ax.add_patch(plt.Rectangle((left, row), width, 1, fc=face, **edge))
    if text:
        weight = "bold" if bold else "normal"
        place = (left + width / 2, row + 0.5)
        ax.text(*place, text, ha="center", va="center", color=colour, fontsize=TINY, weight=weight,
                zorder=5)  # fmt: skip


def huffman_tree(
    counts: ArrayLike,
    merges: Sequence[Sequence[int]],
    *,
    names: Sequence[str] | None = None,
    done: int | None = None,
) -> Axes:
    """The first `done` merges of a Huffman tree, drawn in the places of the finished one.

    counts: (n,) occurrences of the leaves, nodes 0 ... n - 1, where 0 has no part in the tree;
    merges: (left, right, ...) nodes of each merge, as `huffman.tree_steps` gives them; the k-th
    makes node n + k. Orange: trees that wait for a partner; an edge to the left is a 0. names: of
    the leaves, by default their numbers; done: by default all merges.
    """
    counts = np.asarray(counts)
    n = counts.size
    leaves = np.flatnonzero(counts).tolist()
    children = _children(n, leaves, merges)
    done = len(merges) if done is None else done
    names = [str(k) for k in range(n)] if names is None else names
    place = _tree_places(n + len(merges) - 1 if merges else leaves[0], children)
    total = np.concatenate([counts, np.zeros(len(merges), counts.dtype)])
    for node, pair in children.items():
        total[node] = total[list(pair)].sum()

    deepest = max(y for _, y in place.values())
    ax = new_axes(height=0.42 * (deepest + 1) + 0.35)
    there = n + done
    nodes = [*leaves, *range(n, there)]
    waiting = set(nodes) - {child for node in range(n, there) for child in children[node]}
    for node in range(n, there):
        newest = node == there - 1
        for bit, child in enumerate(children[node]):
            (x0, y0), (x1, y1) = place[node], place[child]
            colour = COLOURS["cw"] if newest else "#707070"
            ax.plot([x0, x1], [y0, y1], color=colour, lw=2.4 if newest else 1.3, zorder=1)
            middle = (0.5 * (x0 + x1), 0.5 * (y0 + y1))
            ax.text(*middle, str(bit), ha="center", va="center", fontsize=TINY, color=colour,
                    bbox={"fc": "white", "ec": "none", "pad": 0.6})  # fmt: skip
    for node in nodes:
        face = _ROOT if node in waiting else "white"
        edge = COLOURS["cw"] if node in waiting else INK
        shape = "round,pad=0.3" if node >= n else "square,pad=0.3"
        text = f"{total[node]}" if node >= n else f"{names[node]}\n{total[node]}"
        ax.text(*place[node], text, ha="center", va="center", fontsize=TINY, color=INK, zorder=3,
                linespacing=1.05, bbox={"fc": face, "ec": edge, "boxstyle": shape})  # fmt: skip
    ax.set(xlim=(-0.6, len(leaves) - 0.4), ylim=(deepest + 0.55, -0.55))
    ax.axis("off")
    return ax


def _children(
    n: int, leaves: Sequence[int], merges: Sequence[Sequence[int]]
) -> dict[int, tuple[int, int]]:
    """{node: its two children}."""
    return {n + k: (int(a), int(b)) for k, (a, b, *_) in enumerate(merges)}


def _tree_places(
    root: int, children: Mapping[int, tuple[int, int]]
) -> dict[int, tuple[float, float]]:
    """(x, depth) of every node: leaves from left to right, a parent between its children."""
    place: dict[int, tuple[float, float]] = {}
    columns = itertools.count()

    def walk(node: int, depth: int) -> float:
        if node in children:
            left, right = (walk(child, depth + 1) for child in children[node])
            x = (left + right) / 2
        else:
            x = float(next(columns))
        place[node] = (x, float(depth))
        return x

    walk(root, 0)
    return place


def bit_row(words: Sequence[tuple[str, str]]) -> Axes:
    """Words one after another as a row of bits, each word in a colour, the bytes marked below.

    words: (name, zeros and ones); a line has 24 bits.
    """
    per_line = 24  # bits: three bytes, each bit wide enough for a phone
    n_bits = sum(len(word) for _, word in words)
    lines = -(-n_bits // per_line)
    ax = new_axes(height=0.72 * lines + 0.15)
    at = 0
    for k, (name, word) in enumerate(words):
        for j, bit in enumerate(word):
            line, x = divmod(at, per_line)
            face = _FILL[k % len(_FILL)]
            ax.add_patch(plt.Rectangle((x, 3 * line), 1, 1, fc=face, ec="white", lw=0.8))
            ax.text(x + 0.5, 3 * line + 0.52, bit, ha="center", va="center", fontsize=SMALL)
            if j == 0:
                ax.text(x + 0.1, 3 * line - 0.12, name, va="bottom", fontsize=TINY, color=INK)
            at += 1
    for byte in range(-(-n_bits // 8)):
        line, x = divmod(8 * byte, per_line)
        ax.plot([x + 0.08, x + 7.92], [3 * line + 1.2] * 2, color="#707070", lw=1.2)
        ax.text(x + 4, 3 * line + 1.3, f"byte {byte}", ha="center", va="top", fontsize=TINY,
                color="#404040")  # fmt: skip
    ax.set(xlim=(-0.2, per_line + 0.2), ylim=(3 * lines - 0.75, -0.85))
    ax.axis("off")
    return ax


def coin(share: float, tosses: ArrayLike, rates: Mapping[str, float]) -> Axes:
    """The entropy of a coin over its share of ones, this coin on it, and some of its tosses below.

    share: 0 to 1; tosses: (n,) zeros and ones, drawn as white and black squares; rates: {name: bits
    a toss} of up to 6 codes, drawn at this coin's share. ValueError for another share or tosses.
    """
    tosses = np.asarray(tosses)
    if not 0 <= share <= 1:
        raise ValueError(f"a share lies between 0 and 1, got {share}")
    if tosses.ndim != 1 or not tosses.size or not np.isin(tosses, (0, 1)).all():
        raise ValueError("tosses: expected a 1-D array of zeros and ones")
    with plt.rc_context(STYLE):
        _, (ax, below) = plt.subplots(
            2, 1, figsize=(WIDTH, 3.5), gridspec_kw={"height_ratios": [5, 1]}
        )
    p = np.linspace(0, 1, 201)
    ax.plot(p, _binary_entropy(p), color=COLOURS["resnet"])
    ax.axvline(share, color="#8a8a8a", lw=0.8)
    ax.plot(share, _binary_entropy(share), "o", color=COLOURS["resnet"], ms=8)
    # beside the flank of the curve that falls, so that the names lie above it
    right, taken = share >= 0.5, -1.0
    colours = dict(zip(rates, 2 * [COLOURS["cw"], COLOURS["cae"], COLOURS["cw1"]], strict=False))
    for name, rate in sorted(rates.items(), key=lambda item: item[1]):
        ax.plot(share, rate, "D", color=colours[name])
        taken = max(rate, taken + 0.1)  # names of near rates stand above each other
        label_line(ax, share, taken, name, colours[name], offset=(9 if right else -9, 0),
                   ha="left" if right else "right")  # fmt: skip
    ax.set(xlabel="share of ones", ylabel="bits a toss", ylim=(0, 1.28), xticks=np.arange(6) / 5,
           xlim=(-0.02, 1.3) if right else (-0.3, 1.02))  # fmt: skip
    below.imshow(1 - tosses.reshape(-1, 32 if tosses.size % 32 == 0 else tosses.size), vmin=0,
                 vmax=1, cmap="gray", aspect="equal")  # fmt: skip
    below.set(xticks=[], yticks=[])
    below.grid(visible=False)
    for spine in below.spines.values():
        spine.set_visible(True)
    return ax


def _binary_entropy(p: ArrayLike) -> np.ndarray:
    """-p log2 p - (1 - p) log2(1 - p), and 0 at both ends."""
    p = np.asarray(p, dtype=float)
    both = np.stack([p, 1 - p])
    return -(both * np.log2(np.where(both > 0, both, 1))).sum(axis=0)


def two_tables(p: ArrayLike, q: ArrayLike, names: tuple[str, str]) -> np.ndarray:
    """What occurs (bars) over what the table expects (line), and what each symbol costs too much.

    p, q: (n,) shares, each with sum 1; q > 0 wherever p > 0. Below: p log2(p / q), whose sum is the
    extra cost in bits a symbol. Returns both Axes; ValueError where p and q are no such shares.
    """
    p, q = np.asarray(p, dtype=float), np.asarray(q, dtype=float)
    if p.shape != q.shape or p.ndim != 1:
        raise ValueError(f"expected two tables of one length, got {p.shape} and {q.shape}")
    for name, table in zip(names, (p, q), strict=True):
        if table.min(initial=0) < 0 or abs(table.sum() - 1) > 1e-6:
            raise ValueError(f"{name}: expected shares >= 0 with sum 1")
    if ((p > 0) & (q == 0)).any():
        raise ValueError(f"{names[1]} gives 0 to a symbol that occurs: its cost has no limit")
    extra = np.zeros_like(p)
    seen = p > 0
    extra[seen] = p[seen] * np.log2(p[seen] / q[seen])
    symbols = np.arange(p.size)
    with plt.rc_context(STYLE):
        _, (top, bottom) = plt.subplots(2, 1, figsize=(WIDTH, 3.9), sharex=True)
        top.bar(symbols, 100 * p, width=0.9, color=_FILL[0], ec=COLOURS["resnet"], lw=0.5)
        top.step(symbols, 100 * q, where="mid", color=COLOURS["cw"], lw=1.6)
        top.set_ylabel("share (%)")
        top.set_title(f"bars: {names[0]}, line: {names[1]}", fontsize=SMALL)
        bottom.bar(symbols, extra, width=0.9, color=np.where(extra > 0, COLOURS["cw"], "#8a8a8a"))
        bottom.axhline(0, color="#5a5a5a", lw=0.8)
        bottom.set(xlabel="level of the code", ylabel="bits a symbol")
        bottom.set_title(f"extra cost of the wrong table: {extra.sum():.2f} in all", fontsize=SMALL)
    return np.array([top, bottom])


def joint_table(counts: ArrayLike, *, xlabel: str, ylabel: str) -> Axes:
    """How often two symbols occur together, as a picture: dark is often, white is never.

    counts: (rows, columns) >= 0, the first row at the bottom; shades grow with the logarithm.
    """
    counts = np.asarray(counts, dtype=float)
    ax = new_axes(xlabel, ylabel, width=3.8, height=3.4)
    shades = ax.imshow(np.log2(1 + counts), cmap="Greys", origin="lower", vmin=0, aspect="auto")
    ticks = 2.0 ** np.arange(0, np.log2(1 + counts.max()) + 1, 3) - 1
    scale = ax.figure.colorbar(shades, ax=ax, label="occurs", ticks=np.log2(1 + ticks))
    scale.ax.set_yticklabels([f"{tick:.0f}" for tick in ticks])
    scale.outline.set_visible(False)
    ax.grid(visible=False)
    return ax
