"""The book's files: chapters are run, complete and self-contained; built pages load nothing."""

import json
import os
import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

import check_notebooks
from check_notebooks import MACHINE, text_of

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build" / "html"
FRONT_PAGE = ROOT / "book" / "index.ipynb"


@cache
def toc_pages() -> list[str]:
    """Every page of the table of contents, without suffix, in reading order."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    chapters = [chapter for part in toc["parts"] for chapter in part["chapters"]]
    pages = [page for chapter in chapters for page in [chapter, *chapter.get("sections", [])]]
    return [toc["root"], *(page["file"] for page in pages)]


def notebooks() -> list[Path]:
    """The chapters. The front page is a notebook too, for its slider, but not a chapter."""
    return [path for page in toc_pages()[1:] if (path := ROOT / f"{page}.ipynb").exists()]


@cache
def notebook(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def code_cells(path: Path) -> list[dict[str, Any]]:
    return check_notebooks.code_cells(notebook(path))


def outputs(path: Path) -> list[dict[str, Any]]:
    return [output for cell in code_cells(path) for output in cell["outputs"]]


def build_html() -> None:
    """Build the book into _build/html, as `make book` does; raises with the log where it fails."""
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


@pytest.mark.parametrize("page", toc_pages())
def test_every_page_of_the_table_of_contents_exists(page):
    assert any((ROOT / f"{page}{suffix}").exists() for suffix in (".md", ".ipynb"))


@pytest.mark.parametrize("path", [FRONT_PAGE, *notebooks()], ids=lambda path: path.stem)
class TestNotebook:
    def test_runs_on_the_python3_kernel(self, path):
        assert notebook(path)["metadata"]["kernelspec"]["name"] == "python3"

    def test_is_smaller_than_2_mb(self, path):
        assert path.stat().st_size < 2_000_000

    def test_was_run_from_top_to_bottom(self, path):
        counts = [cell["execution_count"] for cell in code_cells(path)]
        assert counts == list(range(1, len(counts) + 1)), "run `make notebooks`"

    def test_has_no_error_and_no_warning_among_its_outputs(self, path):
        for output in outputs(path):
            assert output["output_type"] != "error", output.get("evalue")
            assert output.get("name") != "stderr", output["text"]

    def test_its_outputs_name_no_machine(self, path):
        for output in outputs(path):
            found = MACHINE.search(text_of(output))
            assert not found, f"{found.group()!r} in: {text_of(output)[:300]}"

    def test_shows_pictures_and_not_the_names_of_axes(self, path):
        for output in outputs(path):
            if output["output_type"] == "execute_result":
                plain = "".join(output["data"].get("text/plain", ""))
                assert not re.search(r"<(Axes|matplotlib)|Line2D", plain), (
                    f"{plain[:80]}: end the cell with plt.show()"
                )

    def test_every_figure_has_alt_text(self, path):
        for cell in code_cells(path):
            if any(
                kind.startswith("image/") for o in cell["outputs"] for kind in o.get("data", {})
            ):
                alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
                assert len(alt) >= 15, (
                    f"mystnb.image.alt is {alt!r}, which says too little, at: {cell['source'][:2]}"
                )

    def test_every_picture_in_the_text_has_alt_text(self, path):
        for cell in notebook(path)["cells"]:
            if cell["cell_type"] == "markdown":
                assert "![](" not in "".join(cell["source"])

    def test_has_no_output_that_is_dead_without_a_kernel(self, path):
        for output in outputs(path):
            assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {})

    def test_opens_with_its_title_and_one_hidden_setup_cell(self, path):
        first = notebook(path)["cells"][0]
        assert first["cell_type"] == "markdown" and "".join(first["source"]).startswith("# ")
        tags = [set(cell["metadata"].get("tags", [])) for cell in code_cells(path)]
        assert tags[0] & {"hide-input", "hide-cell", "remove-input"}, "the setup cell is in view"


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
class TestChapter:
    @pytest.mark.parametrize(
        "part", ["In this chapter", "Predict", "Try it", "Summary", "Exercises", "References"]
    )
    def test_has_every_part_of_a_chapter(self, path, part):
        assert part in parts_of(path), f"no heading or box called {part!r}"

    def test_each_exercise_has_a_solution(self, path):
        text = "".join(markdown(path))
        solved = parts_of(path).count("Solution") + sum(
            "hide-cell" in cell["metadata"].get("tags", []) for cell in code_cells(path)
        )
        assert solved or "Exercises" not in text, "exercises want solutions, in dropdowns"


def markdown(path: Path) -> list[str]:
    cells = notebook(path)["cells"]
    return ["".join(c["source"]) + "\n" for c in cells if c["cell_type"] == "markdown"]


def parts_of(path: Path) -> list[str]:
    """The titles of headings and boxes; of `Predict: how many?` the part before the colon."""
    found = []
    for text in markdown(path):
        titles = re.findall(r"^(?:#+ |:{3,}\{admonition\} )(.+?)\s*$", text, re.MULTILINE)
        found += [re.split(r"[:.?(]", title)[0].strip() for title in titles]
    return found


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
