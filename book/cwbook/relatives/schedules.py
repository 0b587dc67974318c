"""Who is decoded when, and what it may look at: the schedules of a code with three scales.

A decoder computes probabilities, reads the symbols that they belong to, computes the next ones from
what it has read, and so on: a step is one turn. Within a step all symbols are decoded at once, so
none may look at another. In quarters, scale by scale (Reed et al. 2017, and the paper):

    1 . 1 .     1 3 1 3     1: from the coarser scale
    . . . .     3 2 3 2     2: from its four corners and the coarser scale
    1 . 1 .     1 3 1 3     3: from its four sides and the coarser scale
    . . . .     3 2 3 2

The paper decodes a scale's first quarter together with the coarser scale, of which it has as many
places: two steps a scale, where we take three.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CELL = 16  # pixels along a side of the coarsest place

FIRST, OPPOSITE, OTHERS = ((0, 0),), ((1, 1),), ((0, 1), (1, 0))  # (row, column) modulo 2
EVERY = FIRST + OPPOSITE + OTHERS
CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))
SIDES = ((-1, 0), (0, -1), (0, 1), (1, 0))
BEFORE = ((-1, -1), (-1, 0), (-1, 1), (0, -1))  # of the 8 neighbours, those that raster order has
AROUND = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1))


@dataclass(frozen=True)
class Step:
    """The places of one scale that are decoded together.

    scale: 0 is the finest; phases: which of the four places of each 2x2; own: offsets to places of
    the same scale that are known by then; coarser: whether the 3x3 places of the next coarser scale
    are looked at; one_by_one: not together but in raster order, each seeing the ones before.
    """

    scale: int
    phases: tuple[tuple[int, int], ...]
    own: tuple[tuple[int, int], ...] = ()
    coarser: bool = False
    one_by_one: bool = False


SCHEDULES: dict[str, tuple[Step, ...]] = {
    "each scale alone": tuple(Step(s, EVERY) for s in (2, 1, 0)),
    "coarse to fine": tuple(Step(s, EVERY, (), s < 2) for s in (2, 1, 0)),
    "in quarters": tuple(
        Step(s, phases, own, s < 2)
        for s in (2, 1, 0)
        for phases, own in ((FIRST, ()), (OPPOSITE, CORNERS), (OTHERS, SIDES))
    ),
    "one by one": tuple(Step(s, EVERY, BEFORE, s < 2, True) for s in (2, 1, 0)),
}


def places(step: Step, h: int, w: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns (n,) of a step's places in raster order, on its scale of h x w places."""
    y, x = np.divmod(np.arange(h * w), w)
    mine = np.isin(2 * (y % 2) + x % 2, [2 * a + b for a, b in step.phases])
    return y[mine], x[mine]


def sizes(height: int, width: int) -> list[tuple[int, int]]:
    """(h, w) of the three scales of a picture, finest first."""
    h, w = -(-height // CELL), -(-width // CELL)
    return [(4 * h, 4 * w), (2 * h, 2 * w), (h, w)]


def turns(schedule: Sequence[Step], scale: int, h: int, w: int) -> np.ndarray:
    """In which of the scale's own steps each of its h x w places is decoded, from 1: (h, w)."""
    turn, now = np.zeros((h, w), dtype=np.int64), 0
    for step in schedule:
        if step.scale == scale:
            y, x = places(step, h, w)
            turn[y, x] = now + 1 + (np.arange(len(y)) if step.one_by_one else 0)
            now = int(turn.max())
    return turn


def sequential_steps(schedule: Sequence[Step], height: int, width: int) -> int:
    """How many times the decoder of a picture computes, then reads, one after the other.

    Steps that look at nothing are done together, first.
    """
    scales = sizes(height, width)
    waiting = [s for s in schedule if s.own or s.coarser]
    each = [len(places(s, *scales[s.scale])[0]) if s.one_by_one else 1 for s in waiting]
    return sum(each) + (len(waiting) < len(schedule))
