"""What a stream can cost whoever decodes it, at the most pixels that are decoded by default.

    python scripts/worst_cases.py --out book/results/worst.json

For each kind of network and coder, two streams that no encoder writes are decoded, each in a
process of its own: one of as few bytes as there are, and one full of large symbols. Seconds are
those that one core is at work, so a machine of two takes from half of them upwards; memory is what
the process takes beyond what it had taken for a small stream before.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import fuzz
from cwlib import codec, files, zoo
from cwlib.coding import stream

COMMAND = "python scripts/worst_cases.py --out book/results/worst.json"
STEP = 64  # every network takes multiples of it
KINDS = {  # symbols of a shape
    "few bytes": lambda shape: np.zeros(shape, dtype=np.int64),
    "many bytes": lambda shape: np.random.default_rng(0).integers(-200, 200, shape),
}


def models() -> list[str]:
    """The first model of each kind of network and coder."""
    found = {}
    for name in zoo.names():
        model = zoo.load(name)
        found.setdefault((model.experiment.model, model.experiment.gains > 0), name)
    return list(found.values())


def made(model: zoo.TrainedModel, kind: str, side: int) -> bytes:
    """A stream of side x side pixels."""
    found = fuzz.sections(model, side, side, KINDS[kind], level=0)
    channels = 1 if model.net.codec == "digits" else 3
    return stream.pack(model.model_id, side, side, channels, found)


def measure(path: str, small: str) -> dict:
    """Decode a stream, after a small one that has loaded and compiled what is needed."""
    torch.set_num_threads(1)
    codec.decompress(Path(small).read_bytes())
    blob, before, start = Path(path).read_bytes(), fuzz.peak_mib(), time.process_time()
    height, width = codec.decompress(blob).shape[:2]
    seconds = time.process_time() - start
    told = {"height": height, "width": width, "bytes": len(blob), "seconds": round(seconds, 1)}
    return {**told, "mib": round(fuzz.peak_mib() - before)}


def records(folder: Path) -> list[dict]:
    """One for each model and kind of stream."""
    found = []
    for name in models():
        model = zoo.load(name)
        limit = getattr(codec, model.net.codec).DECODED_PIXELS
        side = math.isqrt(limit) // STEP * STEP
        for kind in KINDS:
            paths = folder / "large.cwc", folder / "small.cwc"
            for path, length in zip(paths, (side, STEP), strict=True):
                path.write_bytes(made(model, kind, length))
            done = subprocess.run(
                [sys.executable, __file__, "--measure", *paths], capture_output=True, check=True
            )
            found.append({"experiment": name, "kind": kind, **json.loads(done.stdout)})
            print(found[-1], flush=True)
    return found


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="results file to write into")
    parser.add_argument("--measure", nargs=2, metavar="STREAM", help="a large and a small one")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(*options.measure)))
        return
    with tempfile.TemporaryDirectory() as folder:
        found = records(Path(folder))
    if options.out:
        rows = ",\n".join(" " + json.dumps(record) for record in found)
        text = f'{{"made_by": {json.dumps(COMMAND)}, "records": [\n{rows}\n]}}\n'
        files.write(options.out, text.encode())


if __name__ == "__main__":
    main()
