"""Explorers of single steps: rounding a code to fewer bits, dividing by neighbours."""

import numpy as np
import pytest

import strokes
from cwbook import widgets
from cwlib import zoo
from drawn import (
    drawn,
    own_figures,  # noqa: F401 - a fixture of every test here
)


@pytest.fixture
def digit() -> np.ndarray:
    return strokes.page(128, 128)


def plain_model():
    return zoo.load(
        next(n for n in zoo.names() if zoo.load(n).experiment.model in ("cae", "resnet"))
    )


def test_fewer_bits_never_cost_more_and_the_entropy_is_below_the_plain_bits(both_zoo, digit):
    rates = []
    for bits in range(1, 9):
        picture, caption = widgets.rounding_frame(plain_model(), digit, bits)
        assert len(picture) == 128
        plain, ideal = (float(part.split()[0]) for part in caption.split("; ")[1].split(", "))
        assert plain == pytest.approx(bits / 16, abs=1e-4)  # 1024 numbers, 128 x 128 pixels
        assert ideal <= plain
        rates.append(ideal)
    assert rates == sorted(rates)


def test_the_rounding_explorers_sliders_draw_again(both_zoo, digit):
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")
    box = widgets.explore_rounding(plain_model(), np.stack([digit, digit[::-1]]))
    assert len({drawn(box, **move)[0] for move in ({}, {"digit": 1}, {"bits": 2})}) == 3


def heavy(n: int = 20_000) -> np.ndarray:
    """Pairs that share a random size: uncorrelated, but not independent; of deviation 1."""
    rng = np.random.default_rng(0)
    pairs = rng.normal(size=(n, 2)) * np.exp(0.7 * rng.normal(size=(n, 1)))
    return pairs / pairs.std(0)


def measured(caption: str) -> list[float]:
    """Kurtosis before and after, correlation of the sizes before and after."""
    words = caption.replace(",", "").replace(";", "").split()
    found = [float(word) for word in words if word.lstrip("+-").replace(".", "").isdigit()]
    return [found[0], found[2], found[1], found[3]]


def test_division_takes_the_tails_and_at_gamma_0_changes_nothing():
    picture, caption = widgets.gdn_frame(heavy(), 0.0)
    assert picture.startswith(b"\x89PNG")
    before, after, link, link_after = measured(caption)
    assert before == after and link == link_after and before > 6 and link > 0.2
    _, after, _, link_after = measured(widgets.gdn_frame(heavy(), 0.5)[1])
    assert after < before / 2 and link_after < link


def test_far_division_puts_all_pairs_on_a_ring():
    """On a ring of radius 1 the coordinate cos t has a kurtosis of 3/2."""
    _, after, _, _ = measured(widgets.gdn_frame(heavy(), 1e6, beta=1e-6)[1])
    assert after == pytest.approx(1.5, abs=0.06)


def test_the_gdn_explorers_sliders_draw_again():
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")
    box = widgets.explore_gdn(heavy())
    assert len({drawn(box, **move)[1] for move in ({}, {"gamma": 2.0}, {"beta": 0.1})}) == 3
