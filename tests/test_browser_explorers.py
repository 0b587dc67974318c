"""An Explorer in a real browser, in all the places of a book; and the first screen of ours."""

import numpy as np
import pytest

from browser import PHONE, Watched
from cwbook.widgets import Explorer, Scrubber

pytestmark = pytest.mark.browser

FRAMED = """html => {
  const frame = document.createElement('iframe');
  frame.sandbox = 'allow-scripts';
  frame.srcdoc = html;
  document.body.append(frame);
}"""


def grey(levels: list[int], captions: list[str]) -> Scrubber:
    frames = [np.full((40, 300), level, np.uint8) for level in levels]
    return Scrubber(frames, captions, "Rate", f"Grey {levels}", values=["low", "mid", "high"])


@pytest.fixture
def explorer() -> Explorer:
    choices = {"JPEG": grey([0, 40, 80], ["j0", "j1", "j2"])}
    choices["WebP"] = grey([100, 140, 180], ["w0", "w1", "w2"])
    return Explorer(choices, "Codec")


@pytest.fixture
def file(explorer, tmp_path) -> str:
    page = tmp_path / "page.html"
    head = (
        '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    )
    page.write_text(f"{head}<body>{explorer._repr_html_()}", encoding="utf-8")
    return page.as_uri()


def shown(inside) -> tuple[str, str, str]:
    """Picture, caption and what the slider says of itself."""
    return (
        inside.locator("img").get_attribute("src"),
        inside.locator("p").inner_text(),
        inside.get_by_role("slider", name="Rate").get_attribute("aria-valuetext"),
    )


def test_both_controls_move_with_the_keyboard_alone(watched, file):
    page = watched.open(file)
    first = shown(page)
    assert first[1:] == ("j0", "low")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")  # the list, which keeps the slider where it is
    assert shown(page)[1:] == ("w0", "low")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert shown(page)[1:] == ("w1", "mid")
    page.get_by_role("combobox", name="Codec").focus()
    page.keyboard.press("ArrowUp")
    assert shown(page)[1:] == ("j1", "mid")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")
    assert shown(page) == first, "the way back leads elsewhere"
    assert watched.problems == []


def test_every_choice_at_every_place_shows_its_own_picture(watched, file):
    page = watched.open(file)
    slider, seen = page.get_by_role("slider", name="Rate"), set()
    for codec in ("WebP", "JPEG"):
        page.get_by_role("combobox").select_option(codec)
        for place in range(3):
            slider.fill(str(place))
            source, caption, _ = shown(page)
            assert caption == f"{codec[0].lower()}{place}"
            seen.add(source)
    assert len(seen) == 6


def test_in_a_sandboxed_frame_two_of_them_move_one_by_one(watched, explorer):
    watched.page.set_content("<!doctype html><body>")
    watched.page.evaluate(FRAMED, explorer._repr_html_() * 2)
    inside = watched.page.frame_locator("iframe")
    for i in range(2):
        one = inside.locator(".scrubber").nth(i)
        one.get_by_role("combobox", name="Codec").select_option("WebP")
        one.get_by_role("slider", name="Rate").press("End")
        assert shown(one)[1:] == ("w2", "high")
        if i == 0:
            assert shown(inside.locator(".scrubber").nth(1))[1] == "j0"
    assert watched.problems == []


def test_a_thumb_can_move_it_and_nothing_is_wider_than_the_phone(phone, file):
    page = phone.open(file)
    page.get_by_role("combobox").select_option("WebP")
    box = page.get_by_role("slider").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)
    assert shown(page)[1:] == ("w2", "high")
    assert box["height"] >= 24 and page.get_by_role("combobox").bounding_box()["height"] >= 24
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_without_javascript_the_first_picture_and_its_caption_stand_alone(browser, file):
    with Watched(browser, java_script_enabled=False) as watcher:
        page = watcher.open(file)
        assert page.locator("img").is_visible() and page.locator("p").inner_text() == "j0"
        assert not any(label.is_visible() for label in page.locator("label").all())


# The front page ----------------------------------------------------------------------------------


def test_the_first_screen_of_a_phone_has_title_slider_and_caption(phone, address):
    page = phone.open(f"{address}/book/index.html")
    height = PHONE["viewport"]["height"]
    for part in ("article h1", ".scrubber img", ".scrubber input", ".scrubber p"):
        box = page.locator(part).first.bounding_box()
        assert 0 <= box["y"] and box["y"] + box["height"] <= height, f"{part} is out of sight"


def test_the_front_page_weighs_less_than_1_5_mb(watched, address):
    watched.open(f"{address}/book/index.html")
    assert 0 < watched.fetched < 1_500_000
    assert watched.problems == []
