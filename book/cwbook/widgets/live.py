"""Explorers for a live kernel: controls, and below them what a function makes of their values.

    a control moves --> wait until it rests --> frame() --> picture and caption

`explorer` is all that the modules beside this one share; each adds a `..._frame` that draws and an
`explore_...` that puts controls on it.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from cwbook.widgets.scrubber import Frame

if TYPE_CHECKING:
    import ipywidgets as widgets

PAUSE = 0.1  # seconds without a move after which an explorer draws


class Debounced:
    """Calls `function` once when no call has come for `pause` seconds; arguments are dropped.

    Where no event loop runs (a plain script) there is nothing to wait in: it calls at once.
    """

    def __init__(self, function: Callable[[], None], pause: float = PAUSE) -> None:
        self._function = function
        self._pause = pause
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, *_: object) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._function()
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_later(self._pause, self._function)


def explorer(
    controls: Sequence[widgets.Widget], frame: Callable[[], tuple[Frame, str]]
) -> widgets.VBox:
    """The controls, and below them the picture and caption that `frame` makes of where they stand.

    frame: returns uint8 (H, W) or (H, W, 3), or a PNG file, and one line of text. A ValueError that
    it raises becomes the caption; the picture stays.
    """
    import ipywidgets as widgets

    picture = widgets.Image(format="png", layout=widgets.Layout(width="40rem", max_width="100%"))
    caption = widgets.HTML()

    def draw() -> None:
        try:
            shown, text = frame()
        except ValueError as error:
            caption.value = escape(str(error))
            return
        picture.value, caption.value = _png(shown), escape(text)

    later = Debounced(draw)
    for control in controls:
        control.observe(later, names="value")
    draw()
    return widgets.VBox([*controls, picture, caption])


def slider(
    name: str, value: float, least: float, most: float, step: float
) -> widgets.IntSlider | widgets.FloatSlider:
    """A slider; of whole numbers where the step is one."""
    import ipywidgets as widgets

    kind = widgets.IntSlider if isinstance(step, int) else widgets.FloatSlider
    return kind(value, min=least, max=most, step=step, **_look(name))


def choice(name: str, options: Sequence[str]) -> widgets.Dropdown:
    """A list to choose from; the first option is chosen."""
    import ipywidgets as widgets

    return widgets.Dropdown(options=list(options), **_look(name))


def words(name: str, value: str) -> widgets.Text:
    """A line to type in."""
    import ipywidgets as widgets

    return widgets.Text(value, **_look(name))


def _look(name: str) -> dict[str, Any]:
    import ipywidgets as widgets

    layout = widgets.Layout(width="32rem", max_width="100%")
    return {"description": name, "layout": layout, "style": {"description_width": "7rem"}}


def _png(shown: Frame) -> bytes:
    if not isinstance(shown, np.ndarray):
        return shown
    buffer = io.BytesIO()
    Image.fromarray(shown).save(buffer, "PNG")
    return buffer.getvalue()
