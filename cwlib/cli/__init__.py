"""The `cwlib` command. Errors are one line on stderr and exit status 2; Ctrl-C is 130.

`parser` says which words there are, `pictures` and `commands` what they do, `files` reads and
writes, `terminal` prints.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback

from cwlib.cli.terminal import say


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    kept = ""  # what there is after Ctrl-C
    try:
        _open_what_is_closed()
        from cwlib.cli import parser  # in here: Ctrl-C may come while libraries are loaded

        args = parser.build().parse_args(argv)
        kept = args.kept
        args.run(args)
        sys.stdout.flush()  # here, where a full disk or a closed pipe can still be told
        return 0
    except KeyboardInterrupt:
        return _complain(f"interrupted{kept}", 130)
    except BrokenPipeError:  # `cwlib models | head -1`: nobody reads on, and that is all right
        _settle_stdout()
        return 0
    except OSError as error:
        _settle_stdout()
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"{where}{error.strerror or error}")
    except MemoryError:
        return _complain("too little memory: close other programs, or take a smaller picture")
    except RuntimeError as error:  # of data, torch and training: some in several lines
        return _complain(" ".join(str(error).split()))
    except (ValueError, TypeError) as error:
        return _complain(str(error))
    except Exception as error:  # nothing that a user can do leads here
        *_, last = traceback.extract_tb(error.__traceback__)
        where = f"{os.path.basename(last.filename)}, line {last.lineno}"
        return _complain(f"a fault of cwlib: {type(error).__name__}: {error} ({where})")


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


def _complain(text: str, status: int = 2) -> int:
    with contextlib.suppress(OSError):  # nobody listens
        say(f"cwlib: {text}", sys.stderr)
    return status
