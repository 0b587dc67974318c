"""Machine code on disk: what numba's own cache does, but for stale and for damaged files.

Numba asks whether a function's own file has changed, while compiled code holds its callees too,
from whatever file; and it trusts what it reads. Here a file counts only if its checksum, taken over
all sources of this folder as well, is right. Whatever fails is a miss: then the function is
compiled again.
"""

from __future__ import annotations

import hashlib
import pickle
import sys
from contextlib import suppress
from functools import cache
from importlib import resources
from pathlib import Path

import llvmlite
import numba
from numba.core.caching import FunctionCache
from numba.core.serialize import dumps

SEAL_BYTES = hashlib.sha256().digest_size


class Cache(FunctionCache):
    """The cache of one function, in the folder that numba finds for it.

    Raises RuntimeError where there is none, and OSError.
    """

    def __init__(self, fn):
        super().__init__(fn)
        self._cache_file = _Files(Path(self.cache_path), self._impl.filename_base)

    def load_overload(self, sig, target_context):
        """The machine code for a signature, or None."""
        with suppress(Exception):
            return super().load_overload(sig, target_context)

    def save_overload(self, sig, data):
        """Keep it, where that is possible."""
        with suppress(Exception):
            super().save_overload(sig, data)


class _Files:
    """One file for each signature: a checksum and the pickled machine code."""

    def __init__(self, folder: Path, stem: str):
        self.folder, self.stem = folder, stem

    def load(self, key):
        blob = self._path(key).read_bytes()
        seal, data = blob[:SEAL_BYTES], blob[SEAL_BYTES:]
        return pickle.loads(data) if seal == _seal(key, data) else None

    def save(self, key, value):
        data = dumps(value)
        self._path(key).write_bytes(_seal(key, data) + data)

    def flush(self):
        for path in self.folder.glob(f"{self.stem}.*.nbc"):
            path.unlink(missing_ok=True)

    def _path(self, key) -> Path:
        name = hashlib.sha256(repr(key).encode()).hexdigest()[:12]
        return self.folder / f"{self.stem}.{name}.nbc"


def _seal(key, data: bytes) -> bytes:
    return hashlib.sha256(b"\0".join([_sources(), repr(key).encode(), data])).digest()


@cache
def _sources() -> bytes:
    """SHA-256 of all that machine code is made from: this folder's files, numba, LLVM, Python."""
    parts = [numba.__version__, llvmlite.__version__, sys.version]
    files = sorted(resources.files(__package__).iterdir(), key=lambda file: file.name)
    parts += [file.read_text("utf-8") for file in files if file.name.endswith(".py")]
    return hashlib.sha256("\0".join(parts).encode()).digest()
