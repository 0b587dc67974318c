"""Write tests/golden/rans.json: messages and the bytes that CompressAI makes of them.

    python scripts/make_golden_rans.py

Made once, with CompressAI 1.2.8, NumPy 2.4.6 and seed 2018, and then only read: the file holds
tables, symbols and bytes, so its tests need neither CompressAI nor the same random numbers. Run it
again only to add messages. Left out is what CompressAI cannot code: messages of less than four
symbols and tables of one interval (crashes), zig-zag numbers of 2^28 and above (hangs).
"""

import json
from importlib.metadata import version
from math import erf
from pathlib import Path

import numpy as np
from compressai import ans

from cwlib import files

SEED = 2018
GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden" / "rans.json"


def cumulative(weights: np.ndarray) -> list[int]:
    """Weights of the symbols -> 0 ... 65536 with a last interval, the escape, of one count."""
    weights = np.asarray(weights, dtype=float)
    freqs = 1 + np.floor(weights / weights.sum() * (65535 - weights.size)).astype(int)
    freqs[freqs.argmax()] += 65535 - freqs.sum()
    return [0, *np.cumsum(freqs).tolist(), 65536]


def gaussian(sigma: float) -> tuple[list[int], int]:
    """Table of a rounded Gaussian up to 4 sigma, and its first value."""
    reach = int(np.ceil(4 * sigma))
    edges = np.arange(-reach, reach + 2) - 0.5
    below = np.array([0.5 * (1 + erf(edge / sigma / 2**0.5)) for edge in edges])
    return cumulative(np.diff(below)), -reach


def messages() -> dict[str, tuple[list, list, list, list]]:
    """{name: (symbols, indices, cdfs, offsets)}."""
    rng = np.random.default_rng(SEED)
    pairs = [gaussian(sigma) for sigma in (0.11, 0.3, 0.8, 2, 5, 12)]
    cdfs, offsets = [cdf for cdf, _ in pairs], [offset for _, offset in pairs]
    which = rng.integers(0, 6, 600)
    near = np.rint(rng.normal(0, np.array([0.11, 0.3, 0.8, 2, 5, 12])[which])).astype(int)
    far = rng.integers(-(2**27), 2**27, 600) >> rng.integers(0, 27, 600)
    mixed = np.where(rng.random(600) < 0.1, far, near)
    digits = [0, 1, 15, 16, 255, 256, 2**12, 2**16 - 1, 2**20, 2**24, 2**27 - 1]
    edges = [sign * digit for digit in digits for sign in (1, -1)]
    certain = [0, 65535, 65536]
    rare = [0, 1, 65535, 65536]
    return {
        "four symbols": ([0, 1, 0, 1], [0, 0, 0, 0], [[0, 20000, 50000, 65536]], [0]),
        "gaussian": (near.tolist(), which.tolist(), cdfs, offsets),
        "gaussian and far values": (mixed.tolist(), which.tolist(), cdfs, offsets),
        "number of digits": (edges, [0] * len(edges), [[0, 40000, 65536]], [0]),
        "all but certain": ([7] * 300 + [8] + [7] * 300, [0] * 601, [certain], [7]),
        "rare": ([-3, -2, -3, -3, -2, -1] * 20, [0] * 120, [rare], [-3]),
    }


def main() -> None:
    found = []
    for name, (symbols, indices, cdfs, offsets) in messages().items():
        sizes = [len(cdf) for cdf in cdfs]
        blob = ans.RansEncoder().encode_with_indexes(symbols, indices, cdfs, sizes, offsets)
        back = ans.RansDecoder().decode_with_indexes(blob, indices, cdfs, sizes, offsets)
        assert back == symbols, name
        fields = {"symbols": symbols, "indices": indices, "cdfs": cdfs, "offsets": offsets}
        found.append({"name": name, **fields, "bytes": blob.hex()})
    versions = {name: version(name) for name in ("compressai", "numpy")}
    head = {"made_by": "scripts/make_golden_rans.py", "seed": SEED, "versions": versions}
    files.write(GOLDEN, (json.dumps({**head, "messages": found}) + "\n").encode())


if __name__ == "__main__":
    main()
