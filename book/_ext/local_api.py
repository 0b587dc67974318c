"""Sphinx extension: the pages of the API, made from the docstrings.

    .. api:: coding quantize       each module, and all modules of a package, under a title
    {cw}`codec.compress`           a link to the entry of cwlib.codec.compress
    {cw}`cwbook.seeds`             the other houses are named in full
    {lines}`cwlib/coding`          how many lines of Python a folder holds, counted at the build

Docstrings here are plain text with the habits of Markdown: `name`, tables drawn with bars, indented
diagrams. autodoc wants reStructuredText, and `to_rst` is the bridge. What is known of a constant or
a field is the comment behind it, which autodoc would read only after `#:`.
"""

import ast
import importlib
import inspect
import io
import os
import pkgutil
import re
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

HOUSES = ("cwlib", "cwbook", "benchmarks")  # packages whose names become links
LONG_SIGNATURE = 12  # a class of more fields is told by them, without a signature
LONG_VALUE = 88  # characters; longer values are not shown


def modules(name: str) -> list[str]:
    """`coding` -> cwlib.coding and all public modules in it: what `.. api:: coding` shows."""
    found = importlib.import_module(dotted(name))
    inside = pkgutil.walk_packages(getattr(found, "__path__", []), f"{dotted(name)}.")
    return [dotted(name), *(m.name for m in inside if "._" not in m.name)]


def dotted(name: str) -> str:
    """`codec.compress` -> cwlib.codec.compress; names of the other houses are whole already."""
    return name if name.split(".")[0] in HOUSES else f"cwlib.{name}"


class Api(SphinxDirective):
    """Each module of the names given, packages with all that is in them, under a title."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        lines = []
        for name in (m for argument in self.arguments[0].split() for m in modules(argument)):
            note_comments(name)
            lines += [name, "-" * len(name), "", f".. automodule:: {name}", ""]
        node = nodes.section(document=self.state.document)
        nested_parse_with_titles(self.state, StringList(lines, self.get_location()), node)
        return node.children


def link(role, raw, text, line, inliner, options=None, content=()) -> tuple[list, list]:
    """{cw}`codec.compress`: a link that Sphinx warns of where it leads nowhere."""
    target = full_name(_named(dotted(text))) or dotted(text)
    where = inliner.document.settings.env.docname
    code = nodes.literal(raw, text, classes=["xref", "py"])
    wanted = {"refdomain": "py", "reftype": "obj", "reftarget": target, "refdoc": where}
    return [addnodes.pending_xref("", code, **wanted, refwarn=True)], []


def lines(role, raw, text, line, inliner, options=None, content=()) -> tuple[list, list]:
    """{lines}`cwlib`: the lines of the Python files in a folder of the repository, counted."""
    folder = Path(inliner.document.settings.env.srcdir) / text
    counted = sum(len(p.read_bytes().splitlines()) for p in folder.rglob("*.py"))
    if not counted:
        return [], [inliner.reporter.error(f"no lines of Python in {text}", line=line)]
    return [nodes.Text(f"{counted:,}")], []


def full_name(found: object) -> str | None:
    """Where a public function, class or module of ours is defined, as a dotted name; else None."""
    full = f"{getattr(found, '__module__', '')}.{getattr(found, '__qualname__', '')}"
    full = found.__name__ if inspect.ismodule(found) else full
    house, *names = full.split(".")
    ours = house in HOUSES and all(re.fullmatch(r"[A-Za-z]\w*", name) for name in names)
    return full if ours and (names or house != "cwlib") else None


def _named(name: str) -> object:
    """What a dotted name leads to, modules being imported on the way; None if nowhere."""
    try:
        return pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError):  # ValueError: `explore_...` is no name
        return None


# Docstrings --------------------------------------------------------------------------------------


def to_rst(lines: Iterable[str], scope: object = None) -> list[str]:
    """A docstring of ours as reStructuredText; scope: the object whose docstring it is."""
    out: list[str] = []
    for filled, group in groupby(lines, key=lambda line: bool(line.strip())):
        if filled:
            out += [*_block(list(group), scope), ""]
    return out


def _block(lines: list[str], scope: object) -> list[str]:
    """A paragraph, a list, a table, an example, or a drawing: what is indented."""
    if lines[0].startswith(">>>"):
        return lines
    if lines[0].startswith(" "):
        return [".. code-block:: text", "", *(f"    {line}" for line in lines)]
    if all(line.startswith("|") for line in lines):
        return _table(lines, scope)
    if not lines[0].startswith("- ") and any(line.startswith("    ") for line in lines):
        at = next(k for k, line in enumerate(lines) if line.startswith("    "))
        return [*_block(lines[:at], scope), "", *_block(lines[at:], scope)]
    return inline("\n".join(lines), scope).split("\n")


def _table(lines: list[str], scope: object) -> list[str]:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    rows = [row for row in rows if set("".join(row)) - set("-: ")]
    widest = max(map(len, rows))
    out = [".. list-table::", "   :header-rows: 1", ""]
    for row in rows:
        cells = [inline(cell, scope) for cell in row + [""] * (widest - len(row))]
        out += [f"   {'  ' if k else '* '}- {cell}" for k, cell in enumerate(cells)]
    return out


def inline(text: str, scope: object = None) -> str:
    """`name` becomes a link where it names something public of ours, else code; marks are text."""
    parts = re.split(r"`([^`]+)`", text)
    plain = [re.sub(r"([\\*|]|(?<=\w)_(?!\w))", r"\\\1", part) for part in parts[::2]]
    code = [_code(" ".join(part.split()), scope) for part in parts[1::2]]
    return "".join(p + c for p, c in zip(plain, [*code, ""], strict=True))


def _code(text: str, scope: object) -> str:
    target = _target(text, scope) if re.fullmatch(r"[A-Za-z_][\w.]*", text) else None
    # "\ " ends the markup, whatever letter follows
    return f":py:obj:`{text} <{target}>`\\ " if target else f"``{text}``\\ "


def _target(name: str, scope: object) -> str | None:
    """Full name of what a docstring calls `name`: in its class, its module, or in a house."""
    for start in (scope, inspect.getmodule(scope)):
        found = start
        for part in name.split("."):
            found = getattr(found, part, None)
        if full_name(found):
            return full_name(found)
    return full_name(_named(dotted(name)))


# Constants and fields ----------------------------------------------------------------------------


def note_comments(module: str) -> None:
    """Let autodoc find a module's public constants, and its fields that have a comment."""
    found = importlib.import_module(module)
    source = Path(found.__file__).read_text(encoding="utf-8")
    behind = {
        token.start[0]: token.string.lstrip("#: ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT and token.line.strip() != token.string
    }
    analyzer = ModuleAnalyzer.for_module(module)
    analyzer.analyze()
    found_in = list(assignments(ast.parse(source).body))
    sizes = Counter(scope for scope, _, _ in found_in)
    for scope, name, node in found_in:
        comment = [behind.get(node.end_lineno, ""), ""]
        if not scope and _hidden(getattr(found, name)):
            comment += [":meta hide-value:", ""]
        if comment[0] or not scope or sizes[scope] > LONG_SIGNATURE:
            analyzer.attr_docs.setdefault((scope, name), comment)


def _hidden(value: object) -> bool:
    """Values that a page does not show: long ones, and folders, elsewhere on each machine."""
    return isinstance(value, Path) or len(repr(value)) > LONG_VALUE


def assignments(
    body: list[ast.stmt], scope: str = ""
) -> Iterator[tuple[str, str, ast.Assign | ast.AnnAssign]]:
    """Public names that a module, or a class in it, assigns: class or "", name, statement."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not scope:
            yield from assignments(node.body, node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
            yield from ((scope, name, node) for name in names if not name.startswith("_"))


# What autodoc asks -------------------------------------------------------------------------------


def process_docstring(app, what, name, obj, options, lines: list[str]) -> None:
    lines[:] = to_rst(lines, obj)


def process_signature(app, what, name, obj, options, signature, returned):
    if what == "class" and signature and signature.count(":") > LONG_SIGNATURE:
        return "", None
    return None


def setup(app: Sphinx) -> dict[str, bool]:
    os.environ.setdefault("CWLIB_NO_JIT", "1")  # what is not compiled has a signature
    app.setup_extension("sphinx.ext.autodoc")
    app.add_directive("api", Api)
    app.add_role("cw", link)
    app.add_role("lines", lines)
    app.connect("autodoc-process-docstring", process_docstring)
    app.connect("autodoc-process-signature", process_signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
