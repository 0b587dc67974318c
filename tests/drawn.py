"""What the tests of figures share: a clean matplotlib for each, and the texts of an Axes."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib
import pytest

matplotlib.use("Agg")
from matplotlib import pyplot as plt


@pytest.fixture(autouse=True)
def own_figures() -> Iterator[None]:
    """Every test starts in matplotlib's own style without figures, and leaves neither behind."""
    with matplotlib.rc_context():
        yield
        plt.close("all")


def texts(ax: plt.Axes) -> list[str]:
    """The texts drawn into it, titles and labels left out."""
    return [text.get_text() for text in ax.texts]


def drawn(box, **moves) -> tuple:
    """Picture and caption once the controls of these names stand so."""
    values = {c.description: c.value for c in box.children[:-1]}
    assert moves.keys() <= values.keys()
    picture, caption = box.f.__wrapped__(**values | moves)
    return (picture if isinstance(picture, bytes) else picture.tobytes()), caption
