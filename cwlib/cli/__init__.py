"""The `cwlib` command. Errors are one line on stderr and exit status 2; Ctrl-C is 130.

`parser` says which words there are, `pictures` and `commands` what they do, `files` reads and
writes, `terminal` prints. All are imported within `main`, where Ctrl-C is heard.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # the name that type checkers know; `typing` would have to be loaded
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""

    def build() -> argparse.ArgumentParser:
        from cwlib.cli import parser

        return parser.build()

    return run(build, argv)


def run(
    build: Callable[[], argparse.ArgumentParser], argv: list[str] | None, name: str = "cwlib"
) -> int:
    """Run a command of that name: `build` makes its parser, whose `args.run(args)` does the work.

    Whatever goes wrong is one line on stderr. Returns the exit status.
    """
    kept = ""  # what there is after Ctrl-C
    try:
        _open_what_is_closed()
        args = build().parse_args(argv)
        kept = args.kept
        args.run(args)
        sys.stdout.flush()  # here, where a full disk or a closed pipe can still be told
        return 0
    except KeyboardInterrupt:
        return _complain(name, f"interrupted{kept}", 130)
    except BrokenPipeError:  # `cwlib models | head -1`: nobody reads on, and that is all right
        _settle_stdout()
        return 0
    except Exception as error:
        _settle_stdout()
        return _complain(name, _sentence(error))


def _sentence(error: Exception) -> str:
    """What is said of an error, whatever it is."""
    if _is_of_memory(error):
        return "too little memory: close other programs, or take a smaller picture"
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    if isinstance(error, ImportError):  # NumPy has pages to say before its reason
        reason = (str(error).strip().splitlines() or [""])[-1]
        return f"cannot load a library, for want of memory or of the library: {reason}"
    if isinstance(error, RuntimeError):  # of data, torch and training: some in several lines
        return " ".join(str(error).split())
    if isinstance(error, ValueError | TypeError):
        return str(error)
    import traceback

    *_, last = traceback.extract_tb(error.__traceback__)
    where = f"{os.path.basename(last.filename)}, line {last.lineno}"
    return f"a fault of cwlib, which nobody foresaw: {type(error).__name__}: {error} ({where})"


def _is_of_memory(error: BaseException | None) -> bool:
    """Whether there was too little memory, for this or for what led to it; torch only says so."""
    import re

    while error is not None:
        if isinstance(error, OSError):  # whose text may hold the name of a file
            said = error.strerror or ""
        else:
            said = "" if isinstance(error, ValueError | TypeError) else str(error)
        if isinstance(error, MemoryError) or re.search("(of|allocate) memory", said):
            return True
        error = error.__cause__ or error.__context__
    return False


def _open_what_is_closed() -> None:
    """Where standard input, output or errors are closed (`>&-`), nothing is read, nobody reads."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))


def _settle_stdout() -> None:
    """Drop what cannot be written to stdout: else Python complains once more at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(name: str, text: str, status: int = 2) -> int:
    from cwlib.cli.terminal import say

    try:
        say(f"{name}: {text}", sys.stderr)
    except OSError:  # nobody listens
        pass
    return status
