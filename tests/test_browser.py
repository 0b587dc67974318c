"""The built book in a real browser: pages load, weigh little, move, are found and can be printed.

Whether they can be read by everybody is the question of test_accessibility.py.
"""

import re
import shutil

import pytest

from browser import Watched
from prose import ROOT, toc_pages

pytestmark = pytest.mark.browser

# What loading a page may cost, counted, not timed: a busy computer counts the same. Bytes are those
# with nothing compressed on the way and nothing in the cache; a script that reads sizes while it
# changes the page shows in the layouts.
MOST = {"bytes": 3_000_000, "requests": 60, "elements": 25_000, "layouts": 100}

BROKEN = "[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
UNNAMED = "[...document.querySelectorAll('article img')].filter(i => !i.alt).map(i => i.outerHTML)"


def source_of(page: str) -> str:
    found = next(path for path in ROOT.glob(f"{page}.*") if path.suffix in (".md", ".ipynb"))
    return found.read_text(encoding="utf-8")


def pages_with(text: str) -> list[str]:
    return [page for page in toc_pages() if text in source_of(page)]


@pytest.mark.parametrize("name", toc_pages())
def test_page_loads_whole_and_with_little_work(watched, address, name):
    page, problems = watched.open(f"{address}/{name}.html"), watched.problems
    problems += [f"broken picture: {src}" for src in page.evaluate(BROKEN)]
    problems += [f"no alt text: {img[:200]}" for img in page.evaluate(UNNAMED)]
    if "$$" in source_of(name) and page.locator(".katex").count() == 0:
        problems.append("maths is not rendered")
    if page.locator(".katex-error").count():
        problems.append("a formula is wrong")
    over = {k: n for k, n in watched.work().items() if n > MOST[k]}
    problems += [f"{n:,} {k}, more than {MOST[k]:,}" for k, n in over.items()]
    assert problems == []


def test_a_script_that_forces_layouts_is_counted(watched, address):
    page = watched.open(f"{address}/search.html")
    before = watched.work()
    page.evaluate("""() => {
      for (let i = 0; i < 50; i++) {
        document.body.appendChild(document.createElement("p")).textContent = i;
        document.body.offsetHeight;
      }
    }""")
    after = watched.work()
    assert after["layouts"] >= before["layouts"] + 50
    assert after["elements"] == before["elements"] + 50


@pytest.mark.parametrize("name", toc_pages())
def test_page_works_from_the_file_system(watched, html, name):
    page = watched.open((html / f"{name}.html").as_uri())
    assert watched.problems == []
    assert page.evaluate(BROKEN) == []
    assert page.locator("h1").count() >= 1


def test_the_file_that_make_book_names_leads_to_the_front_page(watched, html):
    page = watched.open((html / "index.html").as_uri())
    page.wait_for_url(f"**/{toc_pages()[0]}.html")
    assert watched.problems == []


def test_a_request_to_another_host_would_be_noticed_and_fail(watched, address):
    page = watched.open(f"{address}/search.html")
    assert watched.problems == []
    page.evaluate("fetch('https://example.org/').catch(() => {})")
    page.wait_for_timeout(200)
    assert "another host: https://example.org/" in watched.problems
    assert "failed: https://example.org/" in watched.problems


# Scrubbers ---------------------------------------------------------------------------------------


def state(scrubber) -> tuple[str, str, str]:
    """Picture, caption, and what a screen reader is told of the slider."""
    return (
        scrubber.locator("img").get_attribute("src"),
        scrubber.locator("p").inner_text(),
        scrubber.get_by_role("slider").get_attribute("aria-valuetext"),
    )


def scrubbers_of(page) -> list:
    found = page.locator("[data-scrubber]").all()
    return [s for s in found if s.get_by_role("slider").get_attribute("max") != "0"]


def drag_with_a_finger(watched: Watched, start: tuple[float, float], end: tuple[float, float]):
    for kind, points in [("touchStart", [start]), ("touchMove", [end]), ("touchEnd", [])]:
        touches = [{"x": x, "y": y} for x, y in points]
        watched.devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})


def drag_with_the_mouse(watched: Watched, start: tuple[float, float], end: tuple[float, float]):
    mouse = watched.page.mouse
    mouse.move(*start)
    mouse.down()
    mouse.move(*end, steps=3)
    mouse.up()


def ends_of(slider) -> list[tuple[float, float]]:
    """Where the handle is at both ends of the slider, the nearer one first."""
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    y = box["y"] + box["height"] / 2
    ends = [(box["x"] + 8, y), (box["x"] + box["width"] - 8, y)]
    return ends if int(slider.input_value()) == 0 else ends[::-1]


@pytest.mark.parametrize("name", pages_with("data-scrubber"))
def test_every_scrubber_moves_with_the_keyboard_and_the_mouse(watched, address, name):
    page = watched.open(f"{address}/{name}.html")
    for scrubber in scrubbers_of(page):
        slider = scrubber.get_by_role("slider")
        onward = int(slider.input_value()) < int(slider.get_attribute("max"))
        before = state(scrubber)
        slider.focus()
        page.keyboard.press("ArrowRight" if onward else "ArrowLeft")
        after = state(scrubber)
        assert after[0].startswith("data:image/") and before[0] != after[0]
        assert before[2] != after[2], "a screen reader is told nothing new"
        page.keyboard.press("ArrowLeft" if onward else "ArrowRight")
        assert state(scrubber) == before, "the way back leads elsewhere"
        page.keyboard.press("Home")
        drag_with_the_mouse(watched, *ends_of(slider))
        assert slider.input_value() == slider.get_attribute("max")
    assert watched.problems == []


@pytest.mark.parametrize("name", pages_with("data-scrubber"))
def test_every_scrubber_moves_with_a_finger(phone, address, name):
    page = phone.open(f"{address}/{name}.html")
    for scrubber in scrubbers_of(page):
        slider = scrubber.get_by_role("slider")
        slider.press("Home")
        before = state(scrubber)
        drag_with_a_finger(phone, *ends_of(slider))
        assert slider.input_value() == slider.get_attribute("max"), "the handle does not follow"
        after = state(scrubber)
        assert before[0] != after[0] and before[2] != after[2]
    assert phone.problems == []


def test_sandboxed_frame_as_in_colab_moves_too(watched, address):
    """A notebook output in Colab is an iframe without the rights of its page."""
    import numpy as np

    from cwbook.widgets import Scrubber

    frames = [np.full((8, 8), 80 * i, np.uint8) for i in range(3)]
    widget = Scrubber(frames, ["a", "b", "c"], "Bits kept", "Grey")
    page = watched.open(f"{address}/search.html")
    page.evaluate(
        """html => {
             const frame = document.createElement('iframe');
             frame.sandbox = 'allow-scripts';
             frame.srcdoc = html;
             document.body.prepend(frame);
           }""",
        widget._repr_html_() * 2,
    )
    inside = page.frame_locator("iframe").first
    for i in range(2):  # the same widget twice on one page: each moves its own picture
        slider = inside.get_by_role("slider", name="Bits kept").nth(i)
        slider.focus()
        slider.press("ArrowRight")
        assert inside.locator("p").nth(i).inner_text() == "b"
    pictures = [inside.locator("img").nth(i).get_attribute("src") for i in range(2)]
    assert pictures[0] == pictures[1]


# Without scripts, on paper, and by words ---------------------------------------------------------


def test_without_javascript_maths_and_pictures_are_still_there(browser, address):
    with Watched(browser, java_script_enabled=False) as watcher:
        for name in sorted({*pages_with("$$"), *pages_with("data-scrubber")}):
            page = watcher.open(f"{address}/{name}.html")
            if shutil.which("node") and "$$" in source_of(name):
                assert page.locator(".katex").count() > 0
            for scrubber in page.locator("[data-scrubber]").all():
                assert scrubber.locator("img").is_visible()
                assert scrubber.locator("p").inner_text()
                assert not any(one.is_visible() for one in scrubber.locator("label").all())


@pytest.mark.parametrize("where", ["http", "file"])
def test_search_finds_a_word_without_any_server_elsewhere(watched, address, html, where):
    start = address if where == "http" else html.as_uri()
    page = watched.open(f"{start}/{toc_pages()[0]}.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("huffman")
    page.keyboard.press("Enter")
    # results come one after another
    page.locator('#search-results ul.search li a[href*="02-huffman.html"]').first.wait_for()
    assert watched.problems == []


@pytest.mark.parametrize("name", pages_with("data-scrubber")[::6])
def test_printed_page_has_its_pictures_and_nothing_that_wants_a_hand(watched, address, name):
    page = watched.open(f"{address}/{name}.html")
    page.emulate_media(media="print")
    assert page.locator("article img").first.is_visible()
    useless = [".scrubber label", ".copybtn", "article details:not([open])"]
    for hidden in [*useless, ".bd-sidebar-primary", ".bd-header-article"]:
        shown = [part for part in page.locator(hidden).all() if part.is_visible()]
        assert shown == [], f"{hidden} is printed"
    # equal pictures are stored once in a PDF
    pictures = page.evaluate(
        "new Set([...document.querySelectorAll('article img')].map(i => i.src)).size"
    )
    assert len(re.findall(rb"/Subtype */Image", page.pdf())) >= pictures


def test_what_is_printed_in_dark_mode_is_dark_on_white(watched, address):
    watched.page.emulate_media(color_scheme="dark")
    page = watched.open(f"{address}/{toc_pages()[0]}.html")
    page.evaluate("""() => {
      const theme = () => document.documentElement.dataset.theme;
      window.themes = [theme()];
      for (const moment of ["beforeprint", "afterprint"])
        window.addEventListener(moment, () => window.themes.push(theme()));
    }""")
    page.pdf()
    assert page.evaluate("window.themes") == ["dark", "light", "dark"]


def test_a_wide_table_fades_where_it_goes_on_and_only_there(phone, address):
    page = phone.open(f"{address}/book/reference/notation.html")
    table = page.locator(".pst-scrollable-table-container").first
    wide = table.evaluate("box => box.scrollWidth > box.clientWidth")
    assert wide, "take another page: this table fits a phone"
    faded = "box => getComputedStyle(box).maskImage !== 'none'"
    assert table.evaluate(faded)
    table.evaluate("box => { box.scrollLeft = box.scrollWidth }")
    page.wait_for_function("() => !document.querySelector('article table').closest('[data-more]')")
    assert not table.evaluate(faded)
