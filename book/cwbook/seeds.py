"""Runs that differ in their seed alone: their mean, their spread, and differences between models.

Two models with the same seed saw the same crops and the same noise, so their difference is taken
seed by seed.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cwbook.rd_curves import Points
from cwbook.results import read

# Student's t: 95 % of all means lie so many standard errors around the true one, by n - 1
_T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


def _t95(freedom: int) -> float:
    return _T95[min(freedom, len(_T95)) - 1]


@dataclass(frozen=True)
class Spread:
    """n values: their mean, and the standard deviation with n - 1 (None for one value)."""

    n: int
    mean: float
    sd: float | None

    @property
    def standard_error(self) -> float | None:
        """sd / sqrt n, of the mean; None for one value."""
        return None if self.sd is None else self.sd / math.sqrt(self.n)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where the true mean lies with 95 %, for values from a bell curve; None for one value.

        Beyond ten values a little too wide.
        """
        if self.standard_error is None:
            return None
        half = _t95(self.n - 1) * self.standard_error
        return self.mean - half, self.mean + half


def spread(values: Iterable[float]) -> Spread:
    """Mean and spread of at least one value. Raises ValueError for none.

    >>> spread([1.0, 2.0, 3.0])
    Spread(n=3, mean=2.0, sd=1.0)
    """
    found = list(values)
    if not found:
        raise ValueError("a spread needs at least one value")
    sd = statistics.stdev(found) if len(found) > 1 else None
    return Spread(len(found), statistics.fmean(found), sd)


def chance_difference(groups: Iterable[Iterable[float]]) -> float | None:
    """Two single runs of equally good models differ by less than this in 95 % of all cases.

    groups: runs that differ in their seed alone; their scatter is pooled. None where no group has
    two.
    """
    found = [spread(group) for group in map(list, groups) if len(group) > 1]
    freedom = sum(s.n - 1 for s in found)
    if not freedom:
        return None
    # s^2 = sum (n - 1) s_i^2 / sum (n - 1); the difference of two runs has variance 2 s^2
    variance = sum((s.n - 1) * s.sd**2 for s in found) / freedom
    return _t95(freedom) * math.sqrt(2 * variance)


def paired(values: Mapping[int, float], over: Mapping[int, float]) -> dict[int, float]:
    """{seed: difference} of the seeds that both have."""
    return {seed: values[seed] - over[seed] for seed in sorted(values.keys() & over.keys())}


def study_records(study: str) -> list[dict]:
    """The records of a study in book/results/ablations.json; none where it was not run yet."""
    try:
        return read("ablations", study=study)
    except FileNotFoundError:
        return []


def curves(
    records: Iterable[Mapping], names: Iterable[str], field: str, points: int = 2
) -> dict[int, Points]:
    """{seed: [(bpp, value of `field`), ...]} of a model whose rate points are `names`.

    A seed with fewer than `points` of them is left out.
    """
    wanted, found = set(names), {}
    for r in records:
        if r["experiment"] in wanted:
            found.setdefault(r["seed"], []).append((r["bpp"], r[field]))
    return {seed: sorted(c) for seed, c in sorted(found.items()) if len(c) >= points}
