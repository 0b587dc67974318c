"""Speed beside the best that exists, as ratios within one run: a bare speed ages, a ratio less so.

All coders get the same symbols in one process. What they can prepare once (code tables, lists
instead of arrays) is ready before the clock starts, which favours the peers. The clock is CPU
time, the rounds are interleaved so that a busy machine slows all alike, and the figure is the
median. Each coder must first give the symbols back, or the run stops.
"""

import math
import os
import statistics
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from cwlib import baselines, codec, zoo
from cwlib.coding import arithmetic, jit
from cwlib.coding.huffman import Code
from cwlib.coding.tables import Tables

N_VALUES = 64
#: A timed call is repeated until it has run for about this long.
SLICE_SECONDS = 0.01

Encode = Callable[[], bytes]
Decode = Callable[[bytes], np.ndarray]


@dataclass(frozen=True)
class Case:
    """What to code: `symbols[i]`, one of 0 ... 63, comes from table `indices[i]` of `cdfs`."""

    name: str
    symbols: np.ndarray  # (n,) int64
    indices: np.ndarray  # (n,) int64
    cdfs: list[np.ndarray]  # each 0 ... 65536; the last interval is the escape

    @property
    def counts(self) -> np.ndarray:
        return np.bincount(self.symbols, minlength=N_VALUES)


@dataclass(frozen=True)
class Coder:
    """One line of the table. To add a peer, write `prepare` and name it in CODERS.

    prepare(case): the two functions to time; it raises ImportError where the peer is missing.
    rival: the coder of ours that this one is measured against, empty for ours.
    """

    name: str
    prepare: Callable[[Case], tuple[Encode, Decode]]
    rival: str = ""


def _huffman(case: Case) -> tuple[Encode, Decode]:
    code, n = Code.from_counts(case.counts), case.symbols.size
    return lambda: code.encode(case.symbols), lambda data: code.decode(data, n)


def _bitarray(case: Case) -> tuple[Encode, Decode]:
    from bitarray import bitarray, decodetree

    words = {s: bitarray(word) for s, word in Code.from_counts(case.counts).codewords.items()}
    tree, symbols = decodetree(words), case.symbols.tolist()
    n_bits = sum(len(words[s]) for s in symbols)

    def encode() -> bytes:
        bits = bitarray()
        bits.encode(words, symbols)
        return bits.tobytes()

    def decode(data: bytes) -> list[int]:
        bits = bitarray()
        bits.frombytes(data)
        return list(bits[:n_bits].decode(tree))

    return encode, decode


def _zlib_huffman(case: Case) -> tuple[Encode, Decode]:
    symbols = case.symbols.astype(np.uint8).tobytes()

    def encode() -> bytes:
        coder = zlib.compressobj(strategy=zlib.Z_HUFFMAN_ONLY)
        return coder.compress(symbols) + coder.flush()

    return encode, lambda data: np.frombuffer(zlib.decompress(data), dtype=np.uint8)


def _arithmetic(case: Case) -> tuple[Encode, Decode]:
    tables = Tables.from_cdfs(case.cdfs, [0] * len(case.cdfs))
    return (
        lambda: arithmetic.encode(case.symbols, case.indices, tables),
        lambda data: arithmetic.decode(data, case.indices, tables),
    )


CODERS = (
    Coder("huffman", _huffman),
    Coder("bitarray", _bitarray, rival="huffman"),
    Coder("zlib, Huffman only", _zlib_huffman, rival="huffman"),
    Coder("arithmetic", _arithmetic),
)


def coders(n: int = 1_000_000, repeats: int = 5, seed: int = 0) -> dict:
    """Encode and decode speeds of all coders, on `n` symbols and on n / 50 (one small image).

    Per case and coder: `bytes`, `encode` and `decode` in million symbols per second, and against
    its rival `encode_ratio` and `decode_ratio`, above 1 where ours is faster. A peer that is not
    installed has a `skipped` entry instead. Ready for `json.dump`.
    Raises RuntimeError if a coder does not give the symbols back.
    """
    if n < 50 or repeats < 1:
        raise ValueError(f"expected n >= 50 and repeats >= 1, got n={n}, repeats={repeats}")
    load_before = _load_average()
    rng = np.random.default_rng(seed)
    cases = [
        _measure(_static_case(f"{N_VALUES} symbols, {_short(n)}", n, rng), repeats),
        _measure(_static_case(_short(n // 50), n // 50, rng), repeats),
    ]
    return {
        "made_by": "cwlib bench coders",
        "repeats": repeats,
        "seed": seed,
        "compiled": jit.COMPILED,
        "cpu_count": os.cpu_count(),
        "load_average_before": load_before,
        "load_average_after": _load_average(),
        "cases": cases,
    }


def codec_speed(images: np.ndarray, repeats: int = 5) -> dict:
    """Milliseconds to compress and decompress one picture, per trained model and for WebP.

    images: (N, H, W) uint8; wall-clock time after a warm-up, the median over images of the best of
    `repeats`. `ratio`: how many times as long as WebP in the same run.
    """
    load_before = _load_average()
    ways = {"webp": (lambda i: baselines.encode("webp", i, 20), partial(baselines.decode, "webp"))}
    for name in zoo.names():
        ways[name] = (partial(codec.compress, zoo.load(name)), codec.decompress)
    rows = {}
    for name, (encode, decode) in ways.items():
        times = [_one_picture(encode, decode, image, repeats) for image in images]
        rows[name] = {
            "encode_ms": statistics.median(t[0] for t in times),
            "decode_ms": statistics.median(t[1] for t in times),
        }
    for row in rows.values():
        total, webp = (sum(r.values()) for r in (row, dict(list(rows["webp"].items())[:2])))
        row["ratio"] = total / webp
    return {
        "made_by": "cwlib bench codec",
        "picture": f"{images.shape[1]}x{images.shape[2]}",
        "pictures": len(images),
        "cpu_count": os.cpu_count(),
        "load_average_before": load_before,
        "load_average_after": _load_average(),
        "models": rows,
    }


def format_codec_table(result: dict) -> str:
    """The result of `codec_speed` as plain text."""
    lines = [f"{result['picture']:<20}{'encode ms':>12}{'decode ms':>12}{'/ WebP':>10}"]
    for name, row in result["models"].items():
        times = f"{row['encode_ms']:>12.2f}{row['decode_ms']:>12.2f}{row['ratio']:>10.1f}"
        lines.append(f"{name:<20}{times}")
    load = result["load_average_after"]
    busy = "load unknown" if load is None else f"load {load[0]:.2f}"
    return "\n".join([*lines, f"{result['cpu_count']} cores, {busy}"])


def _one_picture(encode, decode, image: np.ndarray, repeats: int) -> tuple[float, float]:
    """Best encode and decode time of one picture, in ms."""
    blob = encode(image)
    decode(blob)
    best = [math.inf, math.inf]
    for _ in range(repeats):
        for way, run, argument in ((0, encode, image), (1, decode, blob)):
            start = time.perf_counter()
            run(argument)
            best[way] = min(best[way], 1000 * (time.perf_counter() - start))
    return best[0], best[1]


def format_table(result: dict) -> str:
    """The result of `coders` as plain text."""
    lines = [f"{'':<20}{'bytes':>10}{'Msymbols/s':>14}{'':>10}{'ours / theirs':>18}"]
    lines += [f"{'':<20}{'':>10}{'encode':>12}{'decode':>12}{'encode':>10}{'decode':>10}"]
    for case in result["cases"]:
        lines += ["", f"{case['case']} (ideal: {case['ideal_bytes']} bytes)"]
        for name, entry in case["coders"].items():
            if "skipped" in entry:
                lines.append(f"  {name:<18}  skipped: {entry['skipped']}")
                continue
            line = f"  {name:<18}{entry['bytes']:>10}{entry['encode']:>12.1f}"
            line += f"{entry['decode']:>12.1f}"
            if "rival" in entry:
                line += f"{entry['encode_ratio']:>9.2f}x{entry['decode_ratio']:>9.2f}x"
            lines.append(line)
    load = result["load_average_after"]
    busy = "load unknown" if load is None else f"load {load[0]:.2f}"
    speed = "numba" if result["compiled"] else "plain Python, no numba"
    lines += ["", f"CPU time, medians of {result['repeats']} interleaved rounds"]
    lines += [f"{result['cpu_count']} cores, {busy}, {speed}"]
    return "\n".join(lines)


def _static_case(name: str, n: int, rng: np.random.Generator) -> Case:
    """`n` rounded Gaussian values around 32 with deviation 8, all from one table: 5.1 bits each."""
    symbols = np.clip(np.rint(rng.normal(32, 8, n)), 0, N_VALUES - 1).astype(np.int64)
    share = np.cumsum(np.bincount(symbols, minlength=N_VALUES)) / n
    # Every symbol and the escape get at least 1 of the 65536 parts; the counts share the rest.
    steps = np.rint(share * (65536 - N_VALUES - 1)).astype(np.int64) + np.arange(1, N_VALUES + 1)
    cdf = np.concatenate([[0], steps, [65536]])
    return Case(name, symbols, np.zeros(n, dtype=np.int64), [cdf])


def _measure(case: Case, repeats: int) -> dict:
    """Check every coder on `case`, then time them all, round by round."""
    ready, entries = {}, {}
    for coder in CODERS:
        try:
            encode, decode = coder.prepare(case)
        except ImportError as error:
            entries[coder.name] = {"skipped": f"no {error.name}: pip install 'cwlib[bench]'"}
            continue
        data = encode()  # the first call of ours also compiles
        if not np.array_equal(decode(data), case.symbols):
            raise RuntimeError(f"{coder.name} did not give back the symbols of '{case.name}'")
        entries[coder.name] = {"bytes": len(data)}
        ready[coder.name] = {"encode": encode, "decode": partial(decode, data)}

    calls = {(name, way): _calls(run) for name, ways in ready.items() for way, run in ways.items()}
    seconds = {key: [] for key in calls}
    for _ in range(repeats):
        for name, way in calls:
            run, n_calls = ready[name][way], calls[name, way]
            seconds[name, way].append(_cpu_seconds(run, n_calls) / n_calls)
    for name, way in calls:
        entries[name][way] = case.symbols.size / statistics.median(seconds[name, way]) / 1e6
    for coder in CODERS:
        if coder.rival and coder.name in ready and coder.rival in ready:
            ours, theirs = entries[coder.rival], entries[coder.name]
            theirs["rival"] = coder.rival
            for way in "encode", "decode":
                theirs[f"{way}_ratio"] = ours[way] / theirs[way]
    return {
        "case": case.name,
        "n": int(case.symbols.size),
        "ideal_bytes": _ideal_bytes(case.counts),
        "coders": entries,
    }


def _calls(run: Callable[[], object]) -> int:
    """How many calls of `run` fill one time slice."""
    return max(1, math.ceil(SLICE_SECONDS / max(_cpu_seconds(run, 1), 1e-6)))


def _cpu_seconds(run: Callable[[], object], n_calls: int) -> float:
    start = time.process_time()
    for _ in range(n_calls):
        run()
    return time.process_time() - start


def _ideal_bytes(counts: np.ndarray) -> int:
    """The entropy of the counts, in whole bytes: what a static coder comes down to at best.

    A coder that leaves the end of its data to the container may save one byte or two of it.
    """
    p = counts[counts > 0] / counts.sum()
    return math.ceil(-(p * np.log2(p)).sum() * counts.sum() / 8)


def _load_average() -> list[float] | None:
    return list(os.getloadavg()) if hasattr(os, "getloadavg") else None  # not on Windows


def _short(n: int) -> str:
    """1000000 -> '1M', 20000 -> '20k', 1234 -> '1234'."""
    for unit, letter in (1_000_000, "M"), (1000, "k"):
        if n % unit == 0 and n >= unit:
            return f"{n // unit}{letter}"
    return str(n)
