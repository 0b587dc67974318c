"""Progress bars, for those who look on."""

from __future__ import annotations

import sys

from tqdm import tqdm


class Bar(tqdm):
    """A bar in a terminal or a notebook; none in a log file, and none unless `show`."""

    def __init__(self, *args, show: bool = True, **options):
        notebook = type(sys.stderr).__module__ == "ipykernel.iostream"
        watched = sys.stderr.isatty() or notebook
        super().__init__(*args, disable=not (show and watched), **options)
