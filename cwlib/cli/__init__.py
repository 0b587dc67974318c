"""The `cwlib` command. Errors are one line on stderr and exit status 2; Ctrl-C is 130.

`parser` says which words there are, `pictures` and `commands` what they do, `files` reads and
writes.
"""

from __future__ import annotations

import os
import sys

from cwlib.cli import parser
from cwlib.cli.files import UsageError


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    try:
        args = parser.build().parse_args(argv)
        args.run(args)
        sys.stdout.flush()  # here, where a full disk or a closed pipe can still be told
        return 0
    except KeyboardInterrupt:
        return _complain("interrupted; what was finished is kept", 130)
    except BrokenPipeError:  # `cwlib models | head -1`: nobody reads on, and that is all right
        _settle_stdout()
        return 0
    except OSError as error:
        _settle_stdout()
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"{where}{error.strerror or error}", 2)
    except (UsageError, ValueError, TypeError, RuntimeError) as error:
        return _complain(" ".join(str(error).split()), 2)


def _settle_stdout() -> None:
    """Drop what cannot be written to stdout: else Python complains once more at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(text: str, status: int) -> int:
    print(f"cwlib: {text}", file=sys.stderr)
    return status
