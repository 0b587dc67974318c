"""One switch between compiled and plain Python, for the loops of the entropy coders.

With numba, `@jit` compiles a function on its first call and keeps the machine code on disk.
Without numba, or with `CWLIB_NO_JIT=1` in the environment, `@jit` gives the function back as
it is: a debugger then steps through the very source that runs fast elsewhere.

A loop that is to run both ways keeps to int64 scalars, and its caller to one dtype for each array.
Keep it in one file with the compiled functions that it calls: numba's cache notices only changes
of a function's own file.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

F = TypeVar("F", bound=Callable)

numba = None
if os.environ.get("CWLIB_NO_JIT") != "1":  # when switched off, save the 0.4 s of its import
    with suppress(ImportError):  # not installed, or not made for this NumPy
        import numba

#: True where `jit` compiles. Read once, at import.
COMPILED: bool = numba is not None


def jit(fn: F) -> F:
    """Compile `fn` with numba where that is possible and wanted; else return it unchanged.

    Compiled code checks no array bounds: a caller hands it only arrays that it has checked.
    """
    if not COMPILED:
        return fn
    options = {"nogil": True, "boundscheck": False}
    try:
        return numba.njit(cache=True, **options)(fn)
    except RuntimeError:
        # numba found no folder that it may write its cache to (a read-only installation without
        # a home folder): then every process compiles for itself, which takes seconds, once.
        return numba.njit(**options)(fn)
