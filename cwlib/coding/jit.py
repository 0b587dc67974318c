"""One switch between compiled and plain Python, for the loops of the entropy coders.

With numba, `@jit` compiles a function on its first call and keeps the machine code on disk
(`cache`). Without numba, or with `CWLIB_NO_JIT=1` (or true, yes, on) or `NUMBA_DISABLE_JIT=1` in
the environment, `@jit` gives the function back as it is: a debugger then steps through the very
source that runs fast elsewhere.

A loop that is to run both ways keeps to int64 scalars, and its caller to one dtype for each array.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

F = TypeVar("F", bound=Callable)

numba = None
# when switched off, save the 0.4 s of its import
if os.environ.get("CWLIB_NO_JIT", "").lower() not in ("1", "true", "yes", "on"):
    with suppress(Exception):  # not installed, not made for this NumPy, or broken
        import numba

#: True where `jit` compiles. Read once, at import.
COMPILED: bool = numba is not None and not numba.config.DISABLE_JIT


def jit(fn: F) -> F:
    """Compile `fn` with numba where that is possible and wanted; else return it unchanged.

    Compiled code checks no array bounds: a caller hands it only arrays that it has checked.
    """
    if not COMPILED:
        return fn
    compiled = numba.njit(nogil=True, boundscheck=False)(fn)
    # No folder may take a cache (a read-only installation without a home folder)? Then every
    # process compiles for itself, which takes seconds, once.
    with suppress(Exception):
        from cwlib.coding.cache import Cache

        compiled._cache = Cache(fn)
    return compiled
