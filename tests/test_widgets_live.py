"""What all explorers share: they draw once when the controls rest, and say what is wrong."""

import asyncio
import io

import numpy as np
import pytest
from PIL import Image

from cwbook.widgets import live

pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")


class Grey:
    """A frame of one grey, that counts how often it was drawn."""

    def __init__(self) -> None:
        self.level = live.slider("level", 3, 0, 9, 1)
        self.drawn: list[int] = []
        self.box = live.explorer([self.level], self.frame)

    def frame(self):
        self.drawn.append(self.level.value)
        if self.level.value == 9:
            raise ValueError("9 < 10 is too bright")
        return np.full((4, 5), 20 * self.level.value, np.uint8), f"grey <{self.level.value}>"

    def shown(self) -> int:
        *_, picture, _ = self.box.children
        return int(np.asarray(Image.open(io.BytesIO(picture.value)))[0, 0])


def test_the_first_picture_is_there_at_once():
    grey = Grey()
    assert grey.drawn == [3] and grey.shown() == 60
    assert grey.box.children[-1].value == "grey &lt;3&gt;", "a caption is text, not HTML"


def test_without_an_event_loop_every_move_draws_at_once():
    grey = Grey()
    grey.level.value = 4
    assert grey.drawn == [3, 4] and grey.shown() == 80


def test_in_a_running_loop_many_moves_draw_once_with_the_last_value():
    async def moves() -> Grey:
        grey = Grey()
        for level in (4, 5, 6):
            grey.level.value = level
        assert grey.drawn == [3], "it has not waited"
        await asyncio.sleep(3 * live.PAUSE)
        return grey

    grey = asyncio.run(moves())
    assert grey.drawn == [3, 6] and grey.shown() == 120


def test_a_value_error_becomes_the_caption_and_the_picture_stays():
    grey = Grey()
    grey.level.value = 9
    assert grey.box.children[-1].value == "9 &lt; 10 is too bright"
    assert grey.shown() == 60


def test_a_png_file_is_shown_as_it_is():
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((2, 3), np.uint8)).save(buffer, "PNG")
    box = live.explorer([], lambda: (buffer.getvalue(), "black"))
    assert box.children[0].value == buffer.getvalue()


def test_a_slider_counts_in_whole_numbers_where_its_step_is_one():
    assert isinstance(live.slider("n", 1, 0, 5, 1).value, int)
    assert isinstance(live.slider("x", 1.0, 0.0, 5.0, 0.5).value, float)
    assert live.choice("codec", ["b", "a"]).value == "b"
    assert live.words("message", "0012").value == "0012"
