"""A real browser that can reach no host but this one, and pages that remember what went wrong."""

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = ("/usr/bin/chromium", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
OPTIONS = [
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
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
HERE = ("http://127.0.0.1:", "file:", "data:", "blob:", "about:")
DESKTOP = dict(viewport={"width": 1440, "height": 900})
PHONE = dict(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)


def find_chromium() -> str | None:
    found = [shutil.which(name) for name in NAMES] + [p for p in PLACES if os.path.exists(p)]
    return next((path for path in found if path), None)


def skip_or_fail(reason: str) -> None:
    if os.environ.get("CWLIB_REQUIRE_BROWSER") == "1":
        pytest.fail(f"CWLIB_REQUIRE_BROWSER=1, but {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="module")  # while it runs, asyncio believes to be inside a loop
def browser() -> Iterator["playwright.Browser"]:  # noqa: F821
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright drives the browser")
    executable = find_chromium()
    if executable is None:
        skip_or_fail("no Chromium was found on PATH")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=executable, args=OPTIONS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def html(browser) -> Path:
    """The built book, built again where its sources are newer."""
    import test_book

    test_book.build_html()
    return test_book.HTML


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        """Say nothing: pytest reports what matters."""


@pytest.fixture(scope="module")
def address(html) -> Iterator[str]:
    handler = functools.partial(QuietHandler, directory=str(html))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


class Watched:
    """A browser page; everything that went wrong in it, and the work that it was."""

    def __init__(self, browser, **settings) -> None:
        self.context = browser.new_context(**settings)
        self.context.set_default_timeout(30_000)
        self.page = self.context.new_page()
        self.problems: list[str] = []
        self.fetched = self.requests = 0
        self.page.on("request", self._request)
        self.page.on("requestfailed", lambda request: self._note(f"failed: {request.url[:200]}"))
        self.page.on("response", self._response)
        self.page.on("pageerror", lambda error: self._note(f"script: {error}"))
        self.page.on("console", self._console)
        self.devtools = self.context.new_cdp_session(self.page)
        self.devtools.send("Performance.enable")
        self.devtools.send("Network.enable")
        self.devtools.send("Network.setCacheDisabled", {"cacheDisabled": True})
        self.devtools.on("Network.loadingFinished", self._finished)

    def __enter__(self) -> "Watched":
        return self

    def __exit__(self, *error) -> None:
        self.context.close()

    def _request(self, request) -> None:
        if not request.url.startswith(HERE):
            self._note(f"another host: {request.url[:200]}")

    def _response(self, response) -> None:
        if response.status >= 400 and not response.url.endswith("/favicon.ico"):
            self._note(f"{response.status}: {response.url[:200]}")

    def _console(self, message) -> None:
        if message.type == "error" and "favicon.ico" not in message.location.get("url", ""):
            self._note(f"console: {message.text}")

    def _finished(self, event) -> None:
        self.fetched += int(event["encodedDataLength"])
        self.requests += 1  # those of data: addresses, too

    def _note(self, problem: str) -> None:
        if not any(known in problem for known in HARMLESS):
            self.problems.append(problem)

    def open(self, url: str):
        self.fetched = self.requests = 0
        self.page.goto(url, wait_until="load")
        return self.page

    def work(self) -> dict[str, int]:
        """What the page has cost since it was opened, in counts that no clock changes."""
        measured = self.devtools.send("Performance.getMetrics")["metrics"]
        return {
            "bytes": self.fetched,
            "requests": self.requests,
            "elements": self.page.evaluate("document.querySelectorAll('*').length"),
            "layouts": next(int(m["value"]) for m in measured if m["name"] == "LayoutCount"),
        }


@pytest.fixture
def watched(browser) -> Iterator[Watched]:
    with Watched(browser, **DESKTOP) as watcher:
        yield watcher


@pytest.fixture
def phone(browser) -> Iterator[Watched]:
    with Watched(browser, **PHONE) as watcher:
        yield watcher
