"""The built book in a real browser that can reach no host but this one."""

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_book import HTML, ROOT, build_html, html_is_current, toc_pages

playwright = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = ("/usr/bin/chromium", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# What the theme says in every book; neither changes anything.
HARMLESS = ("THEBE_JS_URL", "Got invalid theme mode")


def find_chromium() -> str | None:
    found = [shutil.which(name) for name in NAMES] + [p for p in PLACES if os.path.exists(p)]
    return next((path for path in found if path), None)


def skip_or_fail(reason: str) -> None:
    if os.environ.get("CWLIB_REQUIRE_BROWSER") == "1":
        pytest.fail(f"CWLIB_REQUIRE_BROWSER=1, but {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator["playwright.Browser"]:
    executable = find_chromium()
    if executable is None:
        skip_or_fail("no Chromium was found on PATH")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=executable, args=OPTIONS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def html(browser) -> Path:
    if not html_is_current():
        build_html()
    return HTML


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        """Say nothing: pytest reports what matters."""


@pytest.fixture(scope="session")
def address(html) -> Iterator[str]:
    handler = functools.partial(QuietHandler, directory=str(html))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


class Watched:
    """A browser page, and everything that went wrong in it."""

    def __init__(self, browser, **settings) -> None:
        self.context = browser.new_context(**settings)
        self.context.set_default_timeout(30_000)
        self.context.route("**/*", self._only_here)
        self.page = self.context.new_page()
        self.problems: list[str] = []
        self.page.on("requestfailed", lambda request: self._note(f"failed: {request.url[:200]}"))
        self.page.on("response", self._response)
        self.page.on("pageerror", lambda error: self._note(f"script: {error}"))
        self.page.on("console", self._console)

    def _only_here(self, route) -> None:
        if route.request.url.startswith(("http://127.0.0.1:", "file:", "data:", "blob:")):
            route.continue_()
        else:
            self._note(f"another host: {route.request.url[:200]}")
            route.abort()

    def _response(self, response) -> None:
        if response.status >= 400 and not response.url.endswith("/favicon.ico"):
            self._note(f"{response.status}: {response.url[:200]}")

    def _console(self, message) -> None:
        if message.type == "error" and "favicon.ico" not in message.location.get("url", ""):
            self._note(f"console: {message.text}")

    def _note(self, problem: str) -> None:
        if not any(known in problem for known in HARMLESS):
            self.problems.append(problem)

    def open(self, url: str):
        self.page.goto(url, wait_until="load")
        return self.page


@pytest.fixture
def watched(browser) -> Iterator[Watched]:
    watcher = Watched(browser, viewport={"width": 1280, "height": 900})
    yield watcher
    watcher.context.close()


@pytest.fixture
def phone(browser) -> Iterator[Watched]:
    settings = dict(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    watcher = Watched(browser, **settings)
    yield watcher
    watcher.context.close()


def has_maths(page: str) -> bool:
    source = next(path for path in ROOT.glob(f"{page}.*") if path.suffix in (".md", ".ipynb"))
    return "$$" in source.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", toc_pages())
def test_page_loads_whole_and_without_an_error(watched, address, name):
    page = watched.open(f"{address}/{name}.html")
    assert watched.problems == []
    if has_maths(name):
        assert page.locator(".katex").count() > 0, "maths is not rendered"
    assert page.locator(".katex-error").count() == 0
    broken = page.evaluate(
        "[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
    )
    assert broken == []
    unnamed = page.evaluate(
        "[...document.querySelectorAll('article img')].filter(i => !i.alt).map(i => i.outerHTML)"
    )
    assert unnamed == [], "pictures without alt text"


@pytest.mark.parametrize("name", toc_pages())
def test_every_scrubber_moves_with_the_keyboard(watched, address, name):
    page = watched.open(f"{address}/{name}.html")
    scrubbers = page.locator("[data-scrubber]")
    for i in range(scrubbers.count()):
        scrubber = scrubbers.nth(i)
        slider, picture = scrubber.get_by_role("slider"), scrubber.locator("img")
        first, last = int(slider.input_value()), int(slider.get_attribute("max"))
        if last == 0:
            continue
        before = picture.get_attribute("src"), slider.get_attribute("aria-valuetext")
        slider.focus()
        page.keyboard.press("ArrowRight" if first < last else "ArrowLeft")
        after = picture.get_attribute("src"), slider.get_attribute("aria-valuetext")
        assert after[0].startswith("data:image/") and before[0] != after[0]
        assert before[1] != after[1], "a screen reader is told nothing new"
        page.keyboard.press("ArrowLeft" if first < last else "ArrowRight")
        assert picture.get_attribute("src") == before[0], "the way back leads elsewhere"
    assert watched.problems == []


@pytest.mark.parametrize("name", toc_pages())
def test_page_is_not_wider_than_a_phone(phone, address, name):
    page = phone.open(f"{address}/{name}.html")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    wide = page.evaluate(
        """[...document.querySelectorAll('article img, article .scrubber, article .admonition')]
           .filter(e => e.getBoundingClientRect().right > 391).map(e => e.outerHTML.slice(0, 99))"""
    )
    assert wide == []


@pytest.mark.parametrize("name", toc_pages())
def test_dark_mode_leaves_the_pixels_of_pictures_alone(browser, address, name):
    watcher = Watched(browser, color_scheme="dark")
    try:
        page = watcher.open(f"{address}/{name}.html")
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        filters = page.evaluate(
            "[...document.querySelectorAll('article img')].map(i => getComputedStyle(i).filter)"
        )
        assert set(filters) <= {"none"}
    finally:
        watcher.context.close()


def test_pages_work_from_the_file_system(watched, html):
    name = toc_pages()[-1]
    page = watched.open((html / f"{name}.html").as_uri())
    assert watched.problems == []
    assert page.locator("h1").count() >= 1


def test_without_javascript_maths_and_pictures_are_still_there(browser, address):
    watcher = Watched(browser, java_script_enabled=False)
    try:
        for name in toc_pages():
            page = watcher.open(f"{address}/{name}.html")
            if shutil.which("node") and has_maths(name):
                assert page.locator(".katex").count() > 0
            for i in range(page.locator("[data-scrubber]").count()):
                scrubber = page.locator("[data-scrubber]").nth(i)
                assert scrubber.locator("img").is_visible()
                assert scrubber.locator("p").inner_text()
                assert not scrubber.locator("label").is_visible()
    finally:
        watcher.context.close()


def test_sandboxed_frame_as_in_colab_moves_too(browser, address, tmp_path):
    """A notebook output in Colab is an iframe without the rights of its page."""
    import numpy as np

    from cwlib.widgets import Scrubber

    frames = [np.full((8, 8), 80 * i, np.uint8) for i in range(3)]
    widget = Scrubber(frames, ["a", "b", "c"], "Bits kept", "Grey")
    watcher = Watched(browser)
    try:
        page = watcher.open(f"{address}/search.html")
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
        assert inside.locator("img").nth(0).get_attribute("src") == inside.locator("img").nth(
            1
        ).get_attribute("src")
    finally:
        watcher.context.close()
