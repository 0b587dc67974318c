"""What the command prints: lines that names of files can neither break nor colour."""

from __future__ import annotations

import sys
from typing import TextIO


def say(line: str, to: TextIO | None = None) -> None:
    """Print one line, on standard output unless another stream is given.

    What that stream cannot encode is printed as an escape.
    """
    to = to or sys.stdout
    encoding = to.encoding or "utf-8"
    print(one_line(line).encode(encoding, "backslashreplace").decode(encoding), file=to)


def one_line(text: str) -> str:
    r"""The text with escapes, as \n and \x1b, for all that is not to be printed as it is."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
