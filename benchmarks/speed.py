"""`python -m benchmarks coders`: all coders on the same symbols, in one process, by turns."""

from __future__ import annotations

import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from benchmarks.cases import Case, all_cases
from benchmarks.peers import CODERS, Coder, Skipped
from cwlib.coding import jit
from cwlib.progress import Bar

#: A timed call is repeated until it has run for about this long.
SLICE_SECONDS = 0.01
#: The fewest symbols: CompressAI crashes on messages of three.
FEWEST = 500


def coders(
    n: int = 1_000_000,
    repeats: int = 5,
    seed: int = 0,
    rows: Sequence[Coder] = CODERS,
    progress: bool = True,
) -> dict:
    """Encode and decode speeds of all coders on `n` symbols, on n / 50 and on sparse ones.

    Per case and coder: `bytes`, `encode` and `decode` in million symbols per second, and against
    its rival `encode_ratio` and `decode_ratio`, above 1 where ours is faster. A peer that cannot
    run has a `skipped` entry instead. Ready for `json.dump`.
    Raises RuntimeError if a coder does not give the symbols back.
    """
    if n < FEWEST or repeats < 1:
        raise ValueError(f"expected n >= {FEWEST} and repeats >= 1, got n={n}, repeats={repeats}")
    load_before = load_average()
    cases = all_cases(n, np.random.default_rng(seed))
    bar = Bar(cases, desc="cases", show=progress)
    measured = [_measure(case, repeats, rows) for case in bar]
    return {
        "made_by": "python -m benchmarks coders",
        "repeats": repeats,
        "seed": seed,
        "compiled": jit.COMPILED,
        "python": platform.python_version(),
        **_versions("numpy", "numba", "bitarray", "compressai", "constriction", "torchac"),
        "cpu_count": os.cpu_count(),
        "load_average_before": load_before,
        "load_average_after": load_average(),
        "cases": measured,
    }


def _measure(case: Case, repeats: int, rows: Sequence[Coder]) -> dict:
    """Check every coder that suits the case, then time them all, round by round."""
    ready, entries = {}, {}
    for coder in rows:
        if not coder.suits(case):
            continue
        try:
            entries[coder.name], ready[coder.name] = _prepare(coder, case)
        except Skipped as reason:
            entries[coder.name] = {"skipped": str(reason)}

    calls = {(name, way): _calls(run) for name, ways in ready.items() for way, run in ways.items()}
    seconds = {key: [] for key in calls}
    for _ in range(repeats):
        for name, way in calls:
            run, n_calls = ready[name][way], calls[name, way]
            seconds[name, way].append(_cpu_seconds(run, n_calls) / n_calls)
    for name, way in calls:
        entries[name][way] = case.symbols.size / statistics.median(seconds[name, way]) / 1e6
    for coder in rows:
        if coder.rival in ready and coder.name in ready:
            ours, theirs = entries[coder.rival], entries[coder.name]
            theirs["rival"] = coder.rival
            for way in "encode", "decode":
                theirs[f"{way}_ratio"] = ours[way] / theirs[way]
    return {
        "case": case.name,
        "n": int(case.symbols.size),
        "ideal_bytes": case.ideal_bytes,
        "coders": entries,
    }


def _prepare(coder: Coder, case: Case) -> tuple[dict, dict[str, Callable[[], object]]]:
    """(its entry so far, the calls to time), after one round trip that must be right."""
    given = case.sorted_by_table() if coder.presorted else case
    encode, decode = coder.prepare(given)
    data = encode()  # the first call of ours also compiles
    if not np.array_equal(decode(data), given.symbols):
        raise RuntimeError(f"{coder.name} did not give back the symbols of '{case.name}'")
    return {"bytes": len(data)}, {"encode": encode, "decode": partial(decode, data)}


def format_table(result: dict) -> str:
    """The result of `coders` as plain text."""
    lines = [f"{'':<28}{'bytes':>10}{'Msymbols/s':>14}{'':>10}{'ours / theirs':>18}"]
    lines += [f"{'':<28}{'':>10}{'encode':>12}{'decode':>12}{'encode':>10}{'decode':>10}"]
    for case in result["cases"]:
        lines += ["", f"{case['case']} (ideal: {case['ideal_bytes']} bytes)"]
        for name, entry in case["coders"].items():
            if "skipped" in entry:
                lines.append(f"  {name:<26}  skipped: {entry['skipped']}"[:100])
                continue
            line = f"  {name:<26}{entry['bytes']:>10}{entry['encode']:>12.1f}"
            line += f"{entry['decode']:>12.1f}"
            if "rival" in entry:
                line += f"{entry['encode_ratio']:>9.2f}x{entry['decode_ratio']:>9.2f}x"
            lines.append(line)
    speed = "numba" if result["compiled"] else "plain Python, no numba"
    lines += ["", f"CPU time, medians of {result['repeats']} interleaved rounds"]
    lines += [f"{format_load(result)}, {speed}"]
    return "\n".join(lines)


def format_load(result: dict) -> str:
    """'2 cores, load 0.35', of the result of any measurement here."""
    load = result["load_average_after"]
    return f"{result['cpu_count']} cores, " + (
        "load unknown" if load is None else f"load {load[0]:.2f}"
    )


def load_average() -> list[float] | None:
    """Mean number of busy processes over 1, 5 and 15 minutes; None where the system has no such."""
    return list(os.getloadavg()) if hasattr(os, "getloadavg") else None  # not on Windows


def _calls(run: Callable[[], object]) -> int:
    """How many calls of `run` fill one time slice."""
    return max(1, math.ceil(SLICE_SECONDS / max(_cpu_seconds(run, 1), 1e-6)))


def _cpu_seconds(run: Callable[[], object], n_calls: int) -> float:
    start = time.process_time()
    for _ in range(n_calls):
        run()
    return time.process_time() - start


def _versions(*packages: str) -> dict[str, str]:
    """The versions of those that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
