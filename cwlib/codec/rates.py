"""Many rates from one model: which strength a quality stands for, and which fits into a size.

    quality q in 0..1 --> strength s = s_min^(1 - q) --> level round(255 s), the byte that is sent

Nets with gains can do it (`models.hierarchical.Gains`, experiment kodak-any-n64): they met all
strengths from s_min to 1 in training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache

from cwlib import zoo
from cwlib.codec import arguments
from cwlib.codec.photos import LEVELS, Watch
from cwlib.zoo import TrainedModel

TRIES, NEAR = 4, 0.985  # of a search with effort: how often, and what share of the size will do


def strength(model: TrainedModel, quality: float) -> float:
    """The importance that a quality stands for: s_min at quality 0 (smallest stream), 1 at 1.

    Equal steps of quality are equal ratios of strength, as in training. Raises ValueError for a
    quality outside 0..1, and for a model of one rate.
    """
    s_min = _least_strength(arguments.trained(model))
    # s = s_min^(1 - q)
    return s_min ** (1.0 - arguments.share("quality", quality))


def quality(model: TrainedModel, level: int) -> float | None:
    """What `strength` undoes, for a level of 0..255; None below the levels of `levels`."""
    if level not in levels(model):
        return None
    # q = 1 - log s / log s_min
    return max(0.0, 1.0 - math.log(level / LEVELS) / math.log(_least_strength(model)))


def levels(model: TrainedModel) -> range:
    """The strengths that the model was trained for, in 255ths: those of quality 0 to 1."""
    return range(round(LEVELS * _least_strength(model)), LEVELS + 1)


def largest(
    encode: Callable[[int], bytes], choices: Sequence[int], n_bytes: int, watch: Watch = iter
) -> tuple[int, bytes] | None:
    """The last choice whose stream has at most n_bytes, and that; None where even the first is
    longer.

    By bisection, as lengths grow with the choice: at most log2(choices) + 1 calls.
    """
    best, low, high = None, 0, len(choices)  # what is below `low` fits, from `high` on nothing
    for _ in watch(range(len(choices).bit_length())):
        if low == high:
            break
        middle = (low + high) // 2
        blob = encode(choices[middle])
        if len(blob) <= n_bytes:
            best, low = (choices[middle], blob), middle + 1
        else:
            high = middle
    return best


def largest_with_effort(
    plain: Callable[[int], bytes],
    refined: Callable[[int], bytes],
    choices: Sequence[int],
    n_bytes: int,
    watch: Watch = iter,
) -> bytes | None:
    """The same where better streams take long: refined(choice) is shorter than plain(choice), by a
    share that hardly depends on the choice. Tries at most TRIES of them.

    Each try aims by the share that the last one saved, a little below n_bytes, and after every
    stream that was too long twice as far below.
    """
    plain = cache(plain)
    fits, fails, best = -1, len(choices), None  # places in choices
    goal, below = float(n_bytes), (1 - NEAR) / 2
    for _ in range(TRIES):
        guess = largest(lambda k: plain(choices[k]), range(len(choices)), int(goal), watch)
        place = min(max(guess[0] if guess else 0, fits + 1), fails - 1)
        if not fits < place < fails:
            break
        blob = refined(choices[place])
        if len(blob) <= n_bytes:
            fits, best = place, blob
        else:
            fails, below = place, 2 * below
        if NEAR * n_bytes <= len(blob) <= n_bytes:
            break
        goal *= (1 - below) * n_bytes / max(1, len(blob))
    if best is None and (fitting := largest(plain, choices, n_bytes, watch)):
        best = fitting[1]
    return best


def _least_strength(model: TrainedModel) -> float:
    """s_min of a net with gains; raises ValueError that names the models here that have them."""
    if not model.experiment.gains:
        able = [name for name in zoo.names() if zoo.load(name).experiment.gains]
        raise ValueError(
            f"{model.name} was trained for one rate and has no quality to choose: "
            + (f"take {' or '.join(able)}" if able else "no model here has one")
        )
    return model.experiment.strength_min
