"""Sphinx extension: renders maths with the KaTeX in `book/_static/katex`, with or without node.

With node, `sphinxcontrib.katex` prerenders every formula, so pages need no script for their maths.
Without it, the same KaTeX runs in the reader's browser.
"""

import shutil
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

KATEX = Path(__file__).resolve().parent.parent / "_static" / "katex"


def use_local_renderer(app: Sphinx) -> None:
    """Stylesheet and renderer have to be of one version: both are the vendored one."""
    app.config.katex_js_path = str(KATEX / "katex.min.js")


def render_in_browser_without_node(app: Sphinx) -> None:
    if shutil.which("node") is None:
        app.config.katex_prerender = False
        app.add_js_file("katex/katex.min.js")
        app.add_js_file("katex/render.js")


def protect_less_than(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Unrendered display maths reaches the page unescaped: a bare < would start a tag."""
    if not app.config.katex_prerender:
        for block in doctree.findall(nodes.math_block):
            block[:] = [nodes.Text(block.astext().replace("<", r"\lt "))]


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", use_local_renderer, priority=100)
    app.connect("builder-inited", render_in_browser_without_node, priority=900)
    app.connect("doctree-resolved", protect_less_than)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
