"""Explorers for a live kernel: ipywidgets' controls over what makes the frames of a page."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from cwbook.widgets.scrubber import Frame

if TYPE_CHECKING:
    from ipywidgets import interactive


def explorer(frame: Callable[..., tuple[Frame, str]], **controls: object) -> interactive:
    """Controls, and below them the picture and caption that `frame` makes of where they stand.

    frame: returns uint8 (H, W) or (H, W, 3), or a PNG file, and one line of text; the defaults of
    its arguments are where the controls begin. A ValueError that it raises is shown as the caption.
    controls: for each argument what `interact` takes: (least, most, step), a list, a text.
    """
    from IPython.display import HTML, display
    from IPython.display import Image as Picture
    from ipywidgets import interactive

    @wraps(frame)
    def show(**values: object) -> None:
        try:
            shown, text = frame(**values)
        except ValueError as error:
            display(HTML(escape(str(error))))
            return
        whole = isinstance(shown, bytes)
        display(Picture(shown) if whole else Image.fromarray(np.asarray(shown)), HTML(escape(text)))

    box = interactive(show, **controls)
    for control in box.children[:-1]:
        if hasattr(control, "continuous_update"):
            control.continuous_update = False  # draw when the control rests
    return box
