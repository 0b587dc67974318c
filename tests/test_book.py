"""The book's files: chapters are run, complete and self-contained; built pages load nothing."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import check_notebooks
from cwlib import files
from prose import FRONT_PAGE, ROOT, notebook, notebooks, toc_pages

HTML = ROOT / "_build" / "html"


def code_cells(path: Path) -> list[dict[str, Any]]:
    return check_notebooks.code_cells(notebook(path))


def build_html() -> None:
    """Bring _build/html up to date, as `make book` does; raises with the log where it fails.

    Tests run in several processes: the first one builds, and the others wait for it.
    """
    with files.locked(ROOT / "book"):
        if html_is_current():
            return
        tool = Path(sys.executable).with_name("jupyter-book")
        command = [tool, "build", ".", "-W", "-n", "--keep-going", "--all"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=600)
    if done.returncode:
        raise RuntimeError(f"jupyter-book failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")


def html_is_current() -> bool:
    """The built book exists and is not older than what it is made from."""
    pages = [HTML / f"{page}.html" for page in toc_pages()]
    if not all(page.exists() for page in pages):
        return False
    skip = {".ipynb_checkpoints", "__pycache__", "results"}
    sources = [ROOT / "_config.yml", ROOT / "_toc.yml"]
    sources += [p for p in (ROOT / "book").rglob("*") if p.is_file() and not skip & set(p.parts)]
    # Sphinx leaves pages alone that did not change: its own record is new after every build.
    built = (HTML / "searchindex.js").stat().st_mtime
    return built >= max(path.stat().st_mtime for path in sources)


def test_every_page_of_the_table_of_contents_exists():
    for page in toc_pages():
        assert any((ROOT / f"{page}{suffix}").exists() for suffix in (".md", ".ipynb")), page


@pytest.mark.parametrize("path", [FRONT_PAGE, *notebooks()], ids=lambda path: path.stem)
def test_a_notebook_passes_the_check_opens_with_its_title_and_is_smaller_than_2_mb(path):
    assert check_notebooks.faults(notebook(path)) == []
    assert markdown(path)[0].startswith("# ")
    assert path.stat().st_size < 2_000_000


def markdown(path: Path) -> list[str]:
    cells = notebook(path)["cells"]
    return ["".join(c["source"]) + "\n" for c in cells if c["cell_type"] == "markdown"]


class Resources(HTMLParser):
    """The addresses that a browser fetches by itself when it opens the page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag in {"script", "img", "iframe", "source", "video", "audio", "embed"}:
            self.found += [given.get("src") or "", given.get("srcset") or ""]
        if tag == "link" and given.get("rel") not in {"canonical", "next", "prev"}:
            self.found.append(given.get("href") or "")
        self.found += re.findall(r"url\(['\"]?([^'\")]+)", given.get("style") or "")


REMOTE = re.compile(r"\s*(https?:)?//")


@pytest.fixture(scope="session")
def html() -> Path:
    """The built book; built here only where the browser tests are required anyway."""
    if not HTML.exists() and os.environ.get("CWLIB_REQUIRE_BROWSER") == "1":
        build_html()
    if not HTML.exists():
        pytest.skip("the book is not built: make book")
    return HTML


def test_no_page_fetches_anything_from_another_host(html):
    for page in html.rglob("*.html"):
        parser = Resources()
        parser.feed(page.read_text(encoding="utf-8"))
        remote = [address[:120] for address in parser.found if REMOTE.match(address)]
        assert not remote, f"{page.relative_to(html)} fetches {remote}"


def test_no_stylesheet_fetches_anything_from_another_host(html):
    for sheet in html.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        remote = re.findall(r"(?:url\(|@import)\s*['\"]?((?:https?:)?//[^'\")]+)", text)
        assert not remote, f"{sheet.relative_to(html)} fetches {remote}"


def test_a_page_that_fetches_something_would_be_noticed():
    parser = Resources()
    parser.feed('<script src="//cdn.example/x.js"></script><p style="background:url(http://a/b)">')
    assert [address for address in parser.found if REMOTE.match(address)] == [
        "//cdn.example/x.js",
        "http://a/b",
    ]
