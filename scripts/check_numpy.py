"""Do other versions of NumPy give the same tables and streams? Compares with the golden digests.

    python scripts/check_numpy.py               NumPy 1.26.4 and the newest
    python scripts/check_numpy.py 2.0.2         the versions that are named

Each version gets a throw-away virtual environment with NumPy and the newest numba that works with
it; tests/digests.py then runs there, compiled and plain. Exit status 1 where a digest differs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden" / "digests.json"


def install(folder: Path, wanted: str) -> tuple[Path, str, bool]:
    """A new environment: its Python, its NumPy's version ("" for none), whether it has numba."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not pip(python, "numpy" if wanted == "newest" else f"numpy=={wanted}"):
        return python, "", False
    show = "import numpy; print(numpy.__version__)"
    version = subprocess.check_output([python, "-c", show], encoding="utf-8").strip()
    return python, version, pip(python, "numba", f"numpy=={version}")


def pip(python: Path, *packages: str) -> bool:
    """Install; False where pip finds nothing that fits."""
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    return subprocess.run(command, capture_output=True).returncode == 0


def differing(python: Path, plain: str) -> list[str]:
    """Names of the digests that are not the golden ones; plain: '1' runs without numba."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "CWLIB_NO_JIT": plain}
    env["NUMBA_CACHE_DIR"] = str(python.parent.parent / "numba")  # compiled here and now
    command = [python, "-W", "error", ROOT / "tests" / "digests.py"]
    done = subprocess.run(command, env=env, capture_output=True, encoding="utf-8")
    if done.returncode:
        return [f"an error: {done.stderr.strip().splitlines()[-1]}"]
    found, golden = json.loads(done.stdout), json.loads(GOLDEN.read_text(encoding="utf-8"))
    return sorted(name for name in found | golden if found.get(name) != golden.get(name))


def main(versions: list[str]) -> int:
    """Check every version; the number of runs that differ, or 1 where nothing could be run."""
    failed, runs = 0, 0
    for wanted in versions:
        with tempfile.TemporaryDirectory() as folder:
            python, version, has_numba = install(Path(folder), wanted)
            if not version:
                print(f"numpy {wanted}: skipped, pip finds none for this Python")
                continue
            for plain in "01" if has_numba else "1":
                bad = differing(python, plain)
                runs, failed = runs + 1, failed + bool(bad)
                how = "plain Python" if plain == "1" else "compiled"
                print(f"numpy {version}, {how}: {'differs: ' + ', '.join(bad) if bad else 'same'}")
            if not has_numba:
                print(f"numpy {version}, compiled: skipped, no numba works with it yet")
    return failed if runs else 1


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:] or ["1.26.4", "newest"]) else 0)
