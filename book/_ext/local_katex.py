"""Sphinx extension: maths with the KaTeX in `book/_static/katex`, and nothing from elsewhere.

With node, every formula of a page is rendered while the book is built, so that pages need no script
for their maths, and a formula that KaTeX does not understand is a warning. Without node, the same
KaTeX runs in the reader's browser.
"""

import json
import shutil
import subprocess
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.locale import _
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)
RENDER = Path(__file__).resolve().parent.parent / "_static" / "katex" / "render.js"


def prerender(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Give every formula of a page its HTML: node runs once per page, and is gone afterwards."""
    formulas = [*doctree.findall(nodes.math), *doctree.findall(nodes.math_block)]
    node = shutil.which("node")
    if app.builder.format != "html" or node is None or not formulas:
        return
    task = [[formula.astext(), isinstance(formula, nodes.math_block)] for formula in formulas]
    done = subprocess.run(
        [node, str(RENDER)], input=json.dumps(task), capture_output=True, encoding="utf-8"
    )
    if done.returncode:
        logger.warning("node could not render the maths:\n%s", done.stderr, location=docname)
        return
    for formula, (html, error) in zip(formulas, json.loads(done.stdout), strict=True):
        formula["html"] = html
        if error:
            logger.warning("%s", error, location=formula if formula.line else docname)


def visit_math(self: HTML5Translator, node: nodes.math) -> None:
    text = self.encode(rf"\({node.astext()}\)")
    self.body.append(self.starttag(node, "span", "", CLASS="math") + node.get("html", text))
    self.body.append("</span>")
    raise nodes.SkipNode


def visit_displaymath(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math"))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, _("Link to this equation"))
        self.body.append("</span>")
    self.body.append(node.get("html", self.encode(rf"\[{node.astext()}\]")) + "</div>\n")
    raise nodes.SkipNode


def add_files(app: Sphinx) -> None:
    app.add_css_file("katex/katex.min.css")
    if shutil.which("node") is None:
        app.add_js_file("katex/katex.min.js")
        app.add_js_file("katex/render.js")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("katex", (visit_math, None), (visit_displaymath, None))
    app.connect("builder-inited", add_files)
    app.connect("doctree-resolved", prerender)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
