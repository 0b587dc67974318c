"""What all explorers share: controls begin where the frame's defaults are, and draw it."""

import numpy as np
import pytest

from cwbook.widgets import live

pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")


def frame(level: int = 3, share: float = 0.5, codec: str = "b", message: str = "0012"):
    if level == 9:
        raise ValueError("9 < 10 is too bright")
    return np.full((4, 5), 20 * level, np.uint8), f"grey <{level}>"


@pytest.fixture
def shown(monkeypatch):
    """What the explorers display, newest last."""
    seen = []
    monkeypatch.setattr("IPython.display.display", lambda *parts: seen.append(parts))
    return seen


@pytest.fixture
def box(shown):
    controls = dict(level=(0, 9), share=(0.0, 1.0, 0.1), codec=["a", "b"], message="0012")
    return live.explorer(frame, **controls)


def test_controls_begin_at_the_defaults_and_draw_when_they_rest(box):
    assert [c.description for c in box.children[:-1]] == ["level", "share", "codec", "message"]
    assert box.kwargs == dict(level=3, share=0.5, codec="b", message="0012")
    assert [type(c.value) for c in box.children[:2]] == [int, float]
    assert not any(c.continuous_update for c in box.children[:2])


def test_a_move_draws_picture_and_caption(box, shown):
    box.children[0].value = 4
    picture, caption = shown[-1]
    assert (np.asarray(picture) == 80).all()
    assert caption.data == "grey &lt;4&gt;", "a caption is text, not HTML"


def test_a_value_error_becomes_the_caption(box, shown):
    box.children[0].value = 9
    (caption,) = shown[-1]
    assert caption.data == "9 &lt; 10 is too bright"


def test_a_png_file_is_shown_as_it_is(shown):
    png = b"\x89PNG..."
    live.explorer(lambda n=1: (png, "black"), n=(0, 3)).children[0].value = 2
    assert shown[-1][0].data == png
