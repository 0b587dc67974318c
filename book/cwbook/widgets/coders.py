"""Entropy coders at work on a few symbols that the reader chooses: one picture a step.

A message is typed as its symbols' names, one character each: "000132" for grey levels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cwbook import figures
from cwbook.widgets import live

if TYPE_CHECKING:
    from ipywidgets import interactive

    from cwlib.coding.tables import Tables

LONGEST = 24  # symbols of a message, leaves of a tree: more cannot be seen


def huffman_frame(
    counts: Sequence[int], done: int, names: Sequence[str] | None = None
) -> tuple[bytes, str]:
    """The tree after `done` merges (at the most all), and what its words cost in the end.

    counts: at least two that are not 0, none negative, else ValueError.
    """
    from cwlib.coding import huffman
    from cwlib.coding.frequencies import entropy

    counts = np.asarray(counts, dtype=np.int64)
    if not 2 <= np.count_nonzero(counts) <= LONGEST or counts.min() < 0:
        raise ValueError(f"expected 2 to {LONGEST} counts above 0, got {counts.tolist()}")
    merges = huffman.tree_steps(counts)
    done = min(done, len(merges))
    axes = figures.huffman_tree(counts, merges, names=names, done=done)
    lengths = huffman.Code.from_counts(counts).lengths
    mean = float((counts * lengths).sum() / counts.sum())
    said = "before the first merge"
    if done:
        last = merges[done - 1]
        said = f"merge {done}: {last.left_weight} + {last.right_weight} = {last.weight}"
    words = " ".join(str(n) for n in lengths)
    caption = f"{said}; words of {words} bits, {mean:.3f} a symbol, entropy {entropy(counts):.3f}"
    return figures.as_png(axes), caption


def explore_huffman(counts: Sequence[int], names: Sequence[str] | None = None) -> interactive:
    """Counts to type, and a slider over the merges."""

    def frame(counts: str, merges: int = len(counts) - 1):
        typed = _counts(counts)
        return huffman_frame(typed, merges, names if len(typed) == size else None)

    size, text = len(counts), " ".join(str(int(n)) for n in counts)
    return live.explorer(frame, counts=text, merges=(0, LONGEST - 1))


def interval_frame(
    tables: Tables, names: Sequence[str], message: Sequence[int], k: int
) -> tuple[bytes, str]:
    """The arithmetic coder's interval at symbol k of the message (0: before the first).

    tables: the first one codes every symbol; names: of its intervals, the escape last.
    """
    from cwlib.coding import arithmetic

    message = _message(message, len(names) - 1)
    k = min(k, len(message))
    cdf = tables.cdfs[0][: len(names) + 1]
    past = message[: max(k - 1, 0)]
    low, width = arithmetic.interval(past, np.zeros_like(past), tables)
    symbol = int(message[k - 1]) if k else None
    picture = figures.as_png(figures.interval_zoom(cdf, names, low, width, symbol))
    if symbol is None:
        return picture, "nothing is coded yet: every message is possible"
    costs = 16 - np.log2(np.diff(cdf)[message[:k]])  # -log2(f / 65536)
    said = f"symbol {k} of {len(message)} is {names[symbol]}"
    return picture, f"{said}: {costs[-1]:.2f} bits, {costs.sum():.2f} in all"


def explore_interval(tables: Tables, names: Sequence[str], message: Sequence[int]) -> interactive:
    """A message to type, and a slider over its symbols."""
    return _explore_message(tables, names, message, interval_frame, 0)


def rans_frame(
    tables: Tables, names: Sequence[str], message: Sequence[int], k: int
) -> tuple[bytes, str]:
    """The k-th push of rANS (from 1), which begins with the message's last symbol."""
    from cwlib.coding import rans

    message = _message(message, len(names) - 1)
    steps = list(rans.encode_steps(message, np.zeros_like(message), tables))
    k = min(max(k, 1), len(steps))
    step = steps[k - 1]
    cdf = tables.cdfs[0][: len(names) + 1]
    axes = figures.rans_state(cdf, names, step.symbol, step.before, step.after, step.words)
    cost, size = 16 - math.log2(step.freq), math.log2(step.after)
    said = f"push {k} of {len(steps)}, {names[step.symbol]}: {cost:.2f} bits"
    moved = ", after 32 bits moved out" if step.words else ""
    return figures.as_png(axes), f"{said}; the state has {size:.2f} bits{moved}"


def explore_rans(tables: Tables, names: Sequence[str], message: Sequence[int]) -> interactive:
    """A message to type, and a slider over the pushes."""
    return _explore_message(tables, names, message, rans_frame, 1)


def _explore_message(
    tables: Tables,
    names: Sequence[str],
    message: Sequence[int],
    draw: Callable[..., tuple[bytes, str]],
    first: int,
) -> interactive:
    def frame(message: str, symbols: int = len(message) // 2):
        return draw(tables, names, _symbols(message, names[:-1]), symbols)

    text = "".join(names[s] for s in message)
    return live.explorer(frame, message=text, symbols=(first, LONGEST))


def _counts(text: str) -> list[int]:
    """Whole numbers between spaces or commas."""
    try:
        return [int(part) for part in text.replace(",", " ").split()]
    except ValueError as error:
        raise ValueError(f"counts are whole numbers with spaces between, got {text!r}") from error


def _symbols(text: str, names: Sequence[str]) -> list[int]:
    """A symbol for each character, spaces left out."""
    characters = text.replace(" ", "")
    for character in characters:
        if character not in names:
            raise ValueError(f"{character!r} is no symbol: there are {', '.join(names)}")
    return [list(names).index(character) for character in characters]


def _message(symbols: Sequence[int], n: int) -> np.ndarray:
    """The symbols as int64; ValueError for none, too many to see, or one that is not 0..n-1."""
    message = np.asarray(symbols, dtype=np.int64)
    if not 1 <= len(message) <= LONGEST:
        raise ValueError(f"a message of 1 to {LONGEST} symbols can be seen, got {len(message)}")
    if message.min() < 0 or message.max() >= n:
        raise ValueError(f"the symbols are 0 to {n - 1}, got {message.tolist()}")
    return message
