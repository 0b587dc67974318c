"""Refuse notebooks that would not do in the book: errors, machine paths, figures without alt text.

    python scripts/check_notebooks.py                            # every notebook below book/
    python scripts/check_notebooks.py book/mnist/01-task.ipynb   # some, as pre-commit calls it

Exit status 1 and one line for each fault. Needs nothing but Python.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
#: what only one machine knows: its folders, and where an object lay in its memory
MACHINE = re.compile(
    r"/(home|Users|root|tmp|work|opt|var|mnt|content)/|[A-Z]:\\Users|at 0x[0-9a-f]"
)

HIDDEN = {"hide-input", "hide-cell", "remove-input"}
WIDGET = "application/vnd.jupyter.widget-view+json"


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """The cells with code in them."""
    cells = notebook["cells"]
    return [c for c in cells if c["cell_type"] == "code" and "".join(c["source"]).strip()]


def text_of(output: dict[str, Any]) -> str:
    """Everything readable in an output: streams, plain text, HTML without its pictures."""
    data = output.get("data", {})
    parts = [output.get("text", ""), data.get("text/plain", ""), data.get("text/html", "")]
    text = "\n".join("".join(part) for part in parts)
    return re.sub(r"data:image/[^\"\s]+", "", text)


def faults(notebook: dict[str, Any]) -> list[str]:
    """What is wrong with a notebook, a sentence each; [] for one that will do."""
    cells = code_cells(notebook)
    found = []
    if notebook["metadata"]["kernelspec"]["name"] != "python3":
        found.append("does not run on the kernel python3")
    if [cell["execution_count"] for cell in cells] != list(range(1, len(cells) + 1)):
        found.append("was not run from top to bottom: make notebooks NOTEBOOKS=FILE")
    if cells and not any(cell["outputs"] for cell in cells):
        found.append("holds no outputs: make notebooks NOTEBOOKS=FILE")
    if cells and not HIDDEN & set(cells[0]["metadata"].get("tags", [])):
        found.append("does not open with a hidden setup cell: tag its first one hide-input")
    for cell in notebook["cells"]:
        where = f"cell {cell.get('id', '?')}"
        if cell["cell_type"] == "markdown" and "![](" in "".join(cell["source"]):
            found.append(f"{where} has a picture without alt text")
        for output in cell.get("outputs", ()):
            found += [f"{where} {fault}" for fault in _of_output(output)]
        kinds = {kind for output in cell.get("outputs", ()) for kind in output.get("data", {})}
        alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
        if any(kind.startswith("image/") for kind in kinds) and len(alt) < 15:
            found.append(f"{where} has a figure without alt text: say in mystnb.image.alt")
    return found


def _of_output(output: dict[str, Any]) -> Iterator[str]:
    text = text_of(output)
    if output["output_type"] == "error":
        yield f"failed: {output['ename']}: {output['evalue']}"
    if output.get("name") == "stderr":
        yield f"warns: {text.strip()[:100]}"
    if machine := MACHINE.search(text):
        yield f"names this machine: {machine.group()}"
    if output["output_type"] == "execute_result" and re.search(r"<(Axes|matplotlib)|Line2D", text):
        yield f"shows the name of an object, {text.strip()[:40]}: end it with plt.show()"
    if WIDGET in output.get("data", {}):
        yield "has an output that is dead without a kernel"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all below book/")
    paths = parser.parse_args(arguments).notebooks or sorted(ROOT.glob("book/**/*.ipynb"))
    bad = 0
    for path in paths:
        for fault in faults(json.loads(path.read_text(encoding="utf-8"))):
            print(f"{path}: {fault}", file=sys.stderr)
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
