"""Our coders and those of others, each made ready for one case.

Whatever can be prepared once is prepared here, off the clock: code tables, lists instead of
arrays, symbols sorted by table, one table for each symbol. That favours the peers.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from io import StringIO
from types import ModuleType

import numpy as np

from benchmarks.cases import Case
from cwlib.coding import arithmetic, rans
from cwlib.coding.huffman import Code

Encode = Callable[[], bytes]
Decode = Callable[[bytes], np.ndarray]

#: A peer that wants a table for every symbol gets at most this many entries (2 bytes each).
MOST_ENTRIES = 1 << 27


class Skipped(Exception):
    """A coder cannot run here; the text says why."""


@dataclass(frozen=True)
class Coder:
    """One line of the table. To add a peer, write `prepare` and name it in CODERS.

    prepare(case): the two functions to time; it raises Skipped where they cannot be had.
    rival: the coder of ours that this one is measured against, empty for ours.
    tables: which cases it runs on: "one" table for all symbols, "many", or "any" number.
    presorted: it gets the symbols in the order of their tables, sorted off the clock.
    """

    name: str
    prepare: Callable[[Case], tuple[Encode, Decode]]
    rival: str = ""
    tables: str = "any"
    presorted: bool = False

    def suits(self, case: Case) -> bool:
        """Whether this coder can take as many tables as the case has."""
        return self.tables in ("any", "one" if case.has_one_table else "many")


def peer(name: str) -> ModuleType:
    """Import another's package; raises Skipped where it is absent, or does not build or import."""
    try:
        if name in sys.modules and sys.modules[name] is not None:
            return sys.modules[name]
        with _quiet():  # torchac compiles itself at import, and tells at length
            return importlib.import_module(name)
    except ImportError as error:
        package = name.split(".")[0]
        if error.name in (name, package):
            raise Skipped(f"no {package}: pip install {package}") from None
        raise Skipped(f"{name} does not import here: {_first_line(error)}") from None
    except Exception as error:  # a failing build raises whatever the builder pleases
        raise Skipped(f"{name} does not build here: {_first_line(error)}") from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing reaches the terminal: not from Python, not from compilers that it starts."""
    kept = [(number, os.dup(number)) for number in (1, 2)]
    with tempfile.TemporaryFile() as sink, redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        try:
            for number, _ in kept:
                os.dup2(sink.fileno(), number)
            yield
        finally:
            for number, copy in kept:
                os.dup2(copy, number)
                os.close(copy)


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][:100]


# Ours --------------------------------------------------------------------------------------------


def _huffman(case: Case) -> tuple[Encode, Decode]:
    code, n = Code.from_counts(np.bincount(case.symbols)), case.symbols.size
    return lambda: code.encode(case.symbols), lambda data: code.decode(data, n)


def _arithmetic(case: Case) -> tuple[Encode, Decode]:
    return (
        lambda: arithmetic.encode(case.symbols, case.indices, case.tables),
        lambda data: arithmetic.decode(data, case.indices, case.tables),
    )


def _rans(case: Case, lanes: int = 1) -> tuple[Encode, Decode]:
    return (
        lambda: rans.encode(case.symbols, case.indices, case.tables, lanes),
        lambda data: rans.decode(data, case.indices, case.tables, lanes),
    )


# Theirs ------------------------------------------------------------------------------------------


def _bitarray(case: Case) -> tuple[Encode, Decode]:
    bitarray = peer("bitarray")
    codewords = Code.from_counts(np.bincount(case.symbols)).codewords
    words = {s: bitarray.bitarray(word) for s, word in codewords.items()}
    tree, symbols = bitarray.decodetree(words), case.symbols.tolist()
    n_bits = sum(len(words[s]) for s in symbols)

    def encode() -> bytes:
        bits = bitarray.bitarray()
        bits.encode(words, symbols)
        return bits.tobytes()

    def decode(data: bytes) -> list[int]:
        bits = bitarray.bitarray()
        bits.frombytes(data)
        return list(bits[:n_bits].decode(tree))

    return encode, decode


def _zlib_huffman(case: Case) -> tuple[Encode, Decode]:
    symbols = case.symbols.astype(np.uint8).tobytes()

    def encode() -> bytes:
        coder = zlib.compressobj(strategy=zlib.Z_HUFFMAN_ONLY)
        return coder.compress(symbols) + coder.flush()

    return encode, lambda data: np.frombuffer(zlib.decompress(data), dtype=np.uint8)


def _compressai(case: Case) -> tuple[Encode, Decode]:
    ans = peer("compressai.ans")
    encoder, decoder = ans.RansEncoder(), ans.RansDecoder()
    symbols, indices = case.symbols.tolist(), case.indices.tolist()
    sizes = (case.tables.sizes + 1).tolist()
    cdfs = [row[:size] for row, size in zip(case.tables.cdfs.tolist(), sizes, strict=True)]
    tables = cdfs, sizes, case.tables.offsets.tolist()
    return (
        lambda: encoder.encode_with_indexes(symbols, indices, *tables),
        lambda data: decoder.decode_with_indexes(data, indices, *tables),
    )


def _torchac(case: Case) -> tuple[Encode, Decode]:
    longest = int(case.tables.sizes[case.indices].max()) + 1
    entries = case.symbols.size * longest
    if entries > MOST_ENTRIES:
        raise Skipped(f"wants a table for every symbol: {2 * entries / 2**30:.1f} GiB")
    torchac, torch = peer("torchac"), peer("torch")
    # 16 bits hold no 65536. Only the end of a table is one, and of escapes there are none here.
    cdfs = np.minimum(case.tables.cdfs[:, :longest], 65535).astype(np.uint16)
    cdfs = cdfs.view(np.int16)[case.indices]  # (n, longest)
    j = (case.symbols - case.tables.offsets[case.indices]).astype(np.int16)
    cdfs, j, offsets = torch.from_numpy(cdfs), torch.from_numpy(j), case.tables.offsets
    return (
        lambda: torchac.encode_int16_normalized_cdf(cdfs, j),
        lambda data: (
            torchac.decode_int16_normalized_cdf(cdfs, data).numpy() + offsets[case.indices]
        ),
    )


def _constriction_ans(case: Case) -> tuple[Encode, Decode]:
    stream = peer("constriction").stream
    parts = _constriction_parts(case)

    def encode() -> bytes:
        coder = stream.stack.AnsCoder()
        for symbols, *model in reversed(parts):
            coder.encode_reverse(symbols, *model)
        return coder.get_compressed().tobytes()

    def start(data: bytes):
        return stream.stack.AnsCoder(np.frombuffer(data, dtype=np.uint32))

    return encode, partial(_constriction_decode, case, parts, start)


def _constriction_range(case: Case) -> tuple[Encode, Decode]:
    stream = peer("constriction").stream
    parts = _constriction_parts(case)

    def encode() -> bytes:
        coder = stream.queue.RangeEncoder()
        for symbols, *model in parts:
            coder.encode(symbols, *model)
        return coder.get_compressed().tobytes()

    def start(data: bytes):
        return stream.queue.RangeDecoder(np.frombuffer(data, dtype=np.uint32))

    return encode, partial(_constriction_decode, case, parts, start)


def _constriction_parts(case: Case) -> list[tuple]:
    """(symbols, model, its parameters ...) for each call of constriction's coders.

    Symbols in the order of their tables: one call for each table, with its own probabilities. In
    any other order: one call with a normal distribution for each symbol.
    """
    model = peer("constriction").stream.model
    if (np.diff(case.indices) < 0).any():
        reach = int(-case.tables.offsets.min())
        scales = case.scales[case.indices]
        symbols = case.symbols.astype(np.int32)
        return [(symbols, model.QuantizedGaussian(-reach, reach), np.zeros(scales.size), scales)]
    shares = np.diff(case.tables.cdfs) / 65536
    return [
        (symbols, model.Categorical(shares[t, : case.tables.sizes[t]], perfect=False))
        for t, symbols in case.groups()
    ]


def _constriction_decode(
    case: Case, parts: list[tuple], start: Callable, data: bytes
) -> np.ndarray:
    coder = start(data)
    if len(parts) == 1 and len(parts[0]) > 2:
        return coder.decode(*parts[0][1:])
    found = [coder.decode(model, symbols.size) for symbols, model in parts]
    return np.concatenate(found) + case.tables.offsets[case.indices]


CODERS = (
    Coder("huffman", _huffman, tables="one"),
    Coder("bitarray", _bitarray, rival="huffman", tables="one"),
    Coder("zlib, Huffman only", _zlib_huffman, rival="huffman", tables="one"),
    Coder("rans", _rans),
    Coder("rans, 2 lanes", partial(_rans, lanes=2)),
    Coder("CompressAI rANS", _compressai, rival="rans"),
    Coder("constriction ANS", _constriction_ans, rival="rans"),
    Coder("constriction ANS, sorted", _constriction_ans, "rans", tables="many", presorted=True),
    Coder("arithmetic", _arithmetic),
    Coder("constriction range", _constriction_range, rival="arithmetic"),
    Coder("constriction range, sorted", _constriction_range, "arithmetic", "many", presorted=True),
    Coder("torchac", _torchac, rival="arithmetic"),
)
