"""Damage small streams and hold `codec.decompress` to its promise, whatever the bytes.

    python scripts/fuzz.py                          # guided by coverage: pip install atheris
    python scripts/fuzz.py --plain --seed 1         # random and structured damage, nothing needed
    python scripts/fuzz.py --plain --compiled       # the same on the coders' machine code

The promise: the picture has exactly the size that the header says, or StreamError is raised with
one line of text; within one second of CPU time; in bounded memory. A third of the inputs are
damaged and their checksum is not repaired: a picture from one of those would be silently wrong, and
there must be none. In a third it is repaired, so that the damage reaches the coders and the
networks, and a third are sound streams of symbols that no network gave (but for libFuzzer's).

Unless --compiled is given, the entropy coders run as plain Python: coverage sees into them, and
every array access is checked. Each finding is saved, and the exit status is then 1.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import re
import resource
import signal
import struct
import sys
import tempfile
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import NoReturn

import numpy as np

SIZES = [(8, 8), (1, 30), (24, 40), (64, 64)]
MAX_PIXELS = 2**13  # what a header may claim here: time grows with the pixels that are allowed
SECOND, PATIENCE = 1.0, 10.0  # CPU seconds: a finding; a hang, which is broken off
MORE_MEMORY = 2**30  # bytes of address space beyond those after the warm-up; then MemoryError
CRC = 4


class Hang(BaseException):
    """Decoding did not end in PATIENCE seconds. No Exception: nothing may catch it on the way."""


# --- damage --------------------------------------------------------------------------------------


def seal(body: bytes) -> bytes:
    """`body` with the checksum that it should have."""
    return bytes(body) + struct.pack("<I", zlib.crc32(body))


def is_sealed(blob: bytes) -> bool:
    return len(blob) > CRC and seal(blob[:-CRC]) == blob


def place(rng: random.Random, size: int) -> int:
    """A position: anywhere, behind magic, version and model, or (mostly) in the sections."""
    first = rng.choice([0, 7, 11, 11, 11])
    return rng.randrange(min(first, size - 1), size)


def flip(rng: random.Random, body: bytearray, other: bytes) -> None:
    for _ in range(rng.randint(1, 4)):
        body[place(rng, len(body))] ^= 1 << rng.randrange(8)


def cut(rng: random.Random, body: bytearray, other: bytes) -> None:
    del body[place(rng, len(body)) :]


def insert(rng: random.Random, body: bytearray, other: bytes) -> None:
    at = place(rng, len(body))
    body[at:at] = rng.randbytes(rng.randint(1, 9))


def repeat(rng: random.Random, body: bytearray, other: bytes) -> None:
    at, to = sorted(place(rng, len(body)) for _ in range(2))
    body[to:to] = body[at:to]


def swap(rng: random.Random, body: bytearray, other: bytes) -> None:
    a, b, c = sorted(place(rng, len(body)) for _ in range(3))
    body[a:c] = body[b:c] + body[a:b]


def splice(rng: random.Random, body: bytearray, other: bytes) -> None:
    body[place(rng, len(body)) :] = other[place(rng, len(other)) : -CRC]


def noise(rng: random.Random, body: bytearray, other: bytes) -> None:
    body[place(rng, len(body)) :] = rng.randbytes(rng.randrange(80))


def run_of_one_byte(rng: random.Random, body: bytearray, other: bytes) -> None:
    at = place(rng, len(body))
    body[at : at + rng.randint(1, 30)] = bytes([rng.choice([0, 1, 127, 128, 255])]) * 9


VARINTS = [bytes([n]) for n in (0, 1, 2, 3, 32, 64)] + [b"\x80\x01", b"\xff\xff\xff\xff\x0f"]


def header(rng: random.Random, body: bytearray, other: bytes) -> None:
    """Version, model, a side, channels or the number of sections become something else."""
    at, size = rng.choice([(2, 1), (3, 4), (7, 1), (8, 1), (9, 1), (10, 1), (11, 1)])
    body[at : at + size] = other[3:7] if at == 3 else rng.choice(VARINTS)


DAMAGE: list[Callable[[random.Random, bytearray, bytes], None]] = [
    flip, cut, insert, repeat, swap, splice, noise, run_of_one_byte, header,
]  # fmt: skip


def damaged(rng: random.Random, blob: bytes, corpus: list[bytes]) -> bytes:
    """`blob` without its checksum, after one to three accidents."""
    body = bytearray(blob[:-CRC])
    for _ in range(rng.choice([1, 1, 2, 3])):
        if body:
            rng.choice(DAMAGE)(rng, body, rng.choice(corpus))
    return bytes(body)


# --- the judge -----------------------------------------------------------------------------------


def stated_shape(blob: bytes) -> tuple[int, ...]:
    """The shape that a header promises, (H, W) or (H, W, 3), read independently of cwlib."""
    sizes, at = [], 7
    for _ in range(2):
        value = shift = 0
        while True:
            value |= (blob[at] & 127) << shift
            at, shift = at + 1, shift + 7
            if blob[at - 1] < 128:
                break
        sizes.append(value)
    return (*sizes, 3) if blob[at] == 3 else tuple(sizes)


def kind(message: str) -> str:
    """A refusal without what differs from stream to stream."""
    message = message.split(": there are")[0]
    return re.sub(r"\bb(['\"]).*?\1(?=[,)])|\b[0-9a-f]{8}\b|\d+", "#", message)


@dataclass
class Judge:
    """Decodes inputs one by one, counts what comes of them and saves what must not be."""

    cwlib: ModuleType
    known: set[bytes]  # streams that nobody has damaged
    out: Path
    runs: int = 0
    repaired: int = 0
    accepted: int = 0
    slowest: float = 0.0
    refused: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    samples: dict[str, bytes] = field(default_factory=dict)

    def look(self, blob: bytes) -> None:
        """One input: decode it and hold the outcome to the promise."""
        sealed = is_sealed(blob)
        self.runs += blob not in self.known
        self.repaired += sealed and blob not in self.known
        start = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, PATIENCE)
        try:
            outcome = self._decode(blob, sealed)
        except Hang:
            outcome = self._found("hang", blob)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        seconds = time.process_time() - start
        self.slowest = max(self.slowest, seconds)
        if seconds > SECOND:
            self._found(f"slow, {seconds:.1f} s", blob)
        self.samples.setdefault(outcome, blob)

    def _decode(self, blob: bytes, sealed: bool) -> str:
        try:
            image = self.cwlib.codec.decompress(blob, MAX_PIXELS)
        except self.cwlib.StreamError as error:
            if not str(error) or "\n" in str(error):
                return self._found("a refusal that is not one line", blob)
            self.refused[kind(str(error))] += 1
            return kind(str(error))
        except (Hang, KeyboardInterrupt):
            raise
        except BaseException as error:  # whatever it is, it should have been a StreamError
            return self._found(f"{type(error).__name__}: {error}", blob)
        if not sealed:
            return self._found("silently wrong: the checksum does not fit", blob)
        if image.dtype != np.uint8 or image.shape != stated_shape(blob):
            return self._found(f"a picture {image.dtype} {image.shape}", blob)
        self.accepted += blob not in self.known
        return "accepted"

    def _found(self, what: str, blob: bytes) -> str:
        self.findings[kind(what)] += 1
        if self.findings[kind(what)] == 1:
            self.out.mkdir(parents=True, exist_ok=True)
            path = self.out / f"finding-{hashlib.sha256(blob).hexdigest()[:8]}.cwc"
            path.write_bytes(blob)
            print(f"FINDING: {what}; saved as {path}", flush=True)
        return what


def watch_time() -> None:
    """Turn a hang into an exception, which the judge can pin to an input."""

    def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise Hang

    signal.signal(signal.SIGPROF, stop)


def watch_memory() -> None:
    """Turn a greedy allocation into MemoryError, where the system tells what is in use now."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        now = int(statm.read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + MORE_MEMORY, -1))


def peak_mib() -> float:
    """The most that this process has had in memory."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage's figure begins with that of the process which started this one
        return int(status.read_text(encoding="utf-8").split("VmHWM:")[1].split()[0]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


# --- the inputs ----------------------------------------------------------------------------------


def start_corpus(cwlib: ModuleType) -> list[bytes]:
    """Sound streams of every model that streams can name and of every size, also with the map
    scaled down.

    Models of photographs code the picture in colour, and in grey too.
    """
    blobs = []
    for model in all_models(cwlib):
        has_map = model.experiment.model in ("cw", "cw1") or model.experiment.mask != "none"
        for h, w in SIZES:
            grey = picture(h, w)
            colour = np.stack([grey, 255 - grey, grey // 2], axis=2)  # (h, w, 3)
            for image in [grey, colour] if model.experiment.dataset == "photos" else [grey]:
                blobs.append(cwlib.codec.compress(model, image))
                if model.net.codec == "photo":  # regions, and the ends of the range of qualities
                    blobs.append(cwlib.codec.compress(model, image, quality=0.9, roi=grey))
                    blobs.append(cwlib.codec.compress(model, image, quality=0.1, effort=1))
                if has_map:
                    blobs.append(cwlib.codec.compress(model, image, importance=0.4))
    return sorted(set(blobs))


def all_models(cwlib: ModuleType) -> list:
    """Every model that streams can name."""
    return [cwlib.zoo.load(n) for n in [*cwlib.zoo.names(), *cwlib.zoo.study_names()]]


def sections(model, h: int, w: int, wild: Callable, level: int) -> list[bytes]:
    """What the coders soundly write for symbols that no network gave: those of wild(shape)."""
    from cwlib.coding import context, huffman

    if isinstance(model.coder, huffman.Code):
        symbols = wild((model.experiment.channels * -(-h // 8) * -(-w // 8),)) % 64
        own = huffman.Code.from_counts(np.bincount(symbols, minlength=64))
        return [own.to_bytes(), own.encode(symbols)]
    if isinstance(model.coder, context.Coder):
        levels = wild((-(-h // 8), -(-w // 8))) % 4
        values = wild((model.experiment.channels, *levels.shape))
        return [model.coder.encode(levels, values % 2 ** np.array(model.coder.kept)[levels])]
    step = model.net.downscale
    y_shape, z_shape = model.net.noise_shapes(h + -h % step, w + -w % step)
    y = wild(y_shape)
    if model.net.codec == "photos":
        found = model.coder.encode(wild(z_shape), y)
    else:
        levels = np.full(z_shape[1:], level)
        coded = model.coder.walk(y, levels, lambda half, mu, tables: wild(mu.shape))
        found = model.coder.write(coded, y)
    if model.experiment.gains:
        found[0] = bytes([level]) + found[0]
    return found


def forged(rng: random.Random, model) -> bytes:
    """A small stream that the coders wrote soundly, with symbols that no network gave them."""
    from cwlib.coding import adaptive, stream

    (h, w), numbers = rng.choice(SIZES), np.random.default_rng(rng.randrange(2**32))
    top, share = rng.choice([1, 2, 1000, 2**14, 2**16, 2**28]), rng.choice([0, 0.01, 0.3])

    def wild(shape: tuple[int, ...]) -> np.ndarray:
        """Mostly zeros, and a few numbers that may be large."""
        return np.where(numbers.random(shape) < share, numbers.integers(-top, top, shape), 0)

    found = sections(model, h, w, wild, rng.randrange(256))
    if model.net.codec == "photo" and rng.random() < 0.3:
        mask = numbers.integers(0, 9, -(-h // 16) * -(-w // 16))
        found.append(bytes([rng.randrange(256)]) + adaptive.encode(mask, 9, order=1))
    channels = 3 if model.net.codec != "digits" and rng.random() < 0.5 else 1
    return stream.pack(model.model_id, h, w, channels, found)


def picture(h: int, w: int) -> np.ndarray:
    """Something like a 0: (h, w) uint8."""
    y, x = np.mgrid[:h, :w]
    ring = np.abs(np.hypot(y - h / 2, x - w / 2) - min(h, w) / 3)
    return (255 * np.clip(2 - ring, 0, 1)).astype(np.uint8)


def plain(judge: Judge, corpus: list[bytes], runs: int, seed: int) -> None:
    """`runs` streams from a seed: damaged, damaged with the checksum repaired, and forged."""
    rng = random.Random(seed)
    models = all_models(judge.cwlib)
    while judge.runs < runs:
        blob = rng.choice(corpus)
        body = damaged(rng, blob, corpus)
        judge.look(
            [body + blob[-CRC:], seal(body), forged(rng, rng.choice(models))][judge.runs % 3]
        )


def guided(judge: Judge, corpus: list[bytes], runs: int, seed: int, end: Callable) -> NoReturn:
    """Let libFuzzer choose: it keeps what reaches new code. It never returns; `end` is called."""
    import atheris

    folder = tempfile.TemporaryDirectory()
    for i, blob in enumerate(corpus):
        Path(folder.name, f"{i:03d}").write_bytes(blob)

    def one_input(blob: bytes) -> None:
        judge.look(blob)
        if judge.runs >= runs:
            kept = [path.read_bytes() for path in sorted(Path(folder.name).iterdir())]
            folder.cleanup()
            end(kept)

    def mutate(blob: bytes, max_size: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < 0.5:
            kept = rng.choice([0, 11])  # half of these leave the header of a digit alone
            body = blob[:kept] + atheris.Mutate(blob[kept:-CRC], max_size - CRC - kept)
        else:
            body = damaged(rng, blob, corpus)[: max_size - CRC]
        return seal(body) if rng.random() < 0.5 else body + blob[-CRC:]

    options = [f"-seed={seed}", "-max_len=512", "-rss_limit_mb=0", "-timeout=60", "-verbosity=0"]
    options += [f"-artifact_prefix={folder.name}/"]
    atheris.Setup([sys.argv[0], *options, folder.name], one_input, custom_mutator=mutate)
    atheris.Fuzz()
    raise RuntimeError("libFuzzer gave up before the last input")


# --- the summary ---------------------------------------------------------------------------------


def coverage(judge: Judge, inputs: list[bytes]) -> tuple[int, int, str]:
    """In the functions of cwlib that decoding enters: lines reached, all lines, the ones missed."""
    root = str(Path(judge.cwlib.__file__).parent)
    reached: dict[CodeType, set[int]] = {}

    def trace(frame: FrameType, event: str, _arg: object) -> Callable | None:
        if not frame.f_code.co_filename.startswith(root):
            return None
        lines = reached.setdefault(frame.f_code, set())
        if event == "line":
            lines.add(frame.f_lineno)
        return trace

    for blob in inputs:
        sys.settrace(trace)
        try:
            judge.cwlib.codec.decompress(blob, MAX_PIXELS)
        except BaseException:  # judged before; here only the way matters
            pass
        finally:
            sys.settrace(None)
    total, missed = 0, defaultdict(list)
    for code, lines in reached.items():
        there = {n for _, _, n in code.co_lines() if n} - {code.co_firstlineno}
        total += len(there)
        missed[Path(code.co_filename).name] += there - lines
    text = "; ".join(f"{k} {', '.join(map(str, sorted(v)))}" for k, v in missed.items() if v)
    return total - sum(map(len, missed.values())), total, text


def summary(judge: Judge, inputs: list[bytes], how: str, warm: float, seconds: float) -> str:
    """One paragraph, then every kind of refusal with its count."""
    found = sum(judge.findings.values())
    silent = judge.findings["silently wrong: the checksum does not fit"]
    before = peak_mib()
    reached, total, missed = coverage(judge, inputs)
    refused = sum(judge.refused.values())
    text = (
        f"{judge.runs:,} damaged streams ({how}), {judge.repaired:,} of them with a repaired "
        f"checksum: {judge.accepted:,} decoded to the size in their header, {refused:,} were "
        f"refused with {len(judge.refused)} kinds of sentence; {silent} silently wrong pictures, "
        f"{found} findings. Slowest {judge.slowest:.3f} s of CPU; peak memory {before:.0f} MiB, "
        f"{before - warm:.0f} MiB above that after decoding the {len(judge.known)} sound streams "
        f"(address space was limited to {MORE_MEMORY >> 20} MiB more). {reached} of {total} lines "
        f"of the functions entered were reached. {seconds:.0f} s in all."
    )
    rows = [f"{n:9,}  {what}" for what, n in judge.refused.most_common()]
    rows += [f"{n:9,}  FINDING: {what}" for what, n in judge.findings.items()]
    return "\n".join([text, "", *rows, "", "lines not reached: " + (missed or "none")])


def import_cwlib(instrument: bool) -> ModuleType:
    """cwlib; for libFuzzer with a counter on every branch, and after the switch of the coders."""
    if not instrument:
        import cwlib.codec

        return cwlib
    try:
        import atheris
    except ImportError:
        sys.exit("coverage guidance needs atheris: `pip install atheris`, or take --plain")
    with atheris.instrument_imports(include=["cwlib"]):
        return import_cwlib(instrument=False)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--plain", action="store_true", help="damage by a seed, without atheris")
    parser.add_argument("--runs", type=int, default=100_000, help="damaged streams to decode")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--compiled", action="store_true", help="run the coders as machine code")
    parser.add_argument("--out", type=Path, default=Path("fuzz-findings"), help="for findings")
    options = parser.parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # on pictures this small, threads only wait
    os.environ["CWLIB_NO_JIT"] = "0" if options.compiled else "1"

    cwlib = import_cwlib(instrument=not options.plain)
    corpus = start_corpus(cwlib)
    judge = Judge(cwlib, set(corpus), options.out)
    watch_time()
    for blob in corpus:
        judge.look(blob)
    watch_memory()
    warm, start = peak_mib(), time.perf_counter()
    how = f"{'plain' if options.plain else 'guided by coverage'}, seed {options.seed}, coders "
    how += "compiled" if options.compiled else "in plain Python"

    def end(kept: list[bytes]) -> NoReturn:
        inputs = [*corpus, *judge.samples.values(), *kept]
        print(summary(judge, inputs, how, warm, time.perf_counter() - start), flush=True)
        os._exit(1 if judge.findings else 0)  # libFuzzer would take SystemExit for a crash

    if options.plain:
        plain(judge, corpus, options.runs, options.seed)
        end([])
    guided(judge, corpus, options.runs, options.seed, end)


if __name__ == "__main__":
    sys.exit(main())
