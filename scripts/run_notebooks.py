"""Run chapters from clean kernels and store their outputs, so that the book builds without running.

    python scripts/run_notebooks.py                            # every notebook of _toc.yml
    python scripts/run_notebooks.py book/mnist/01-task.ipynb   # some

Stored is only what the code decides: no versions, progress bars or random ids. A cell with the tag
`timing` shows what this machine took; it is run like all others, but keeps the outputs that it has
unless `--timings` asks for new ones. Running twice therefore changes a file only where a result
changed. A chapter that fails keeps its old outputs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
import yaml
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from cwlib import files

ROOT = Path(__file__).resolve().parent.parent
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
WIDGET = "application/vnd.jupyter.widget-view+json"
CELL_METADATA = {"tags", "mystnb", "render", "slideshow", "colab"}


def chapters(root: Path = ROOT) -> list[Path]:
    """The notebooks that _toc.yml names and that exist, in reading order, the front page first."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    names = [toc["root"]]
    names += [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    paths = [(root / name).with_suffix(".ipynb") for name in names]
    return [path for path in paths if path.exists()]


def read(path: Path) -> nbformat.NotebookNode:
    """The notebook; a cell without an id gets its place as its id, so that ids never change."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    for i, cell in enumerate(raw["cells"]):
        cell.setdefault("id", f"cell-{i:02d}")
    raw["nbformat"], raw["nbformat_minor"] = 4, 5
    return nbformat.reads(json.dumps(raw), as_version=4)


def execute(path: Path, timeout: int, timings: bool = False) -> nbformat.NotebookNode:
    """The notebook with fresh outputs, of cells that measure time only where `timings`.

    Raises CellExecutionError where a cell fails.
    """
    notebook, kept = read(path), {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            if "timing" in cell.metadata.get("tags", []) and cell.outputs and not timings:
                kept[cell.id] = cell.outputs
            cell.outputs, cell.execution_count = [], None
    NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=timeout,
        record_timing=False,
        store_widget_state=False,
        extra_arguments=["--log-level=ERROR"],  # else it warns about TCP, which stays on loopback
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = kept.get(cell.id, cell.outputs)
    return notebook


def normalise(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Leave out what depends on the machine or the moment."""
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    )
    for cell in notebook.cells:
        kept = {key: value for key, value in cell.metadata.items() if key in CELL_METADATA}
        cell.metadata = nbformat.from_dict(kept)
        if cell.cell_type == "code":
            cell.outputs = [output for output in map(_stored, _joined(cell.outputs)) if output]
    return notebook


def _joined(outputs: list[Any]) -> list[Any]:
    """One stream output where the kernel happened to send several pieces."""
    joined: list[Any] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if (
            last is not None
            and output.output_type == last.output_type == "stream"
            and output.name == last.name
        ):
            last.text += output.text
        else:
            joined.append(output)
    return joined


def _stored(output: Any) -> Any:
    """The output as it is kept, or None: a progress bar, or a widget that needs a kernel."""
    if output.output_type == "stream":
        return None if output.name == "stderr" and "\r" in output.text else output
    return None if WIDGET in output.get("data", {}) else output


def save(notebook: nbformat.NotebookNode, path: Path) -> bool:
    """Write the notebook if its text changed; says whether it did."""
    text = nbformat.writes(notebook, version=4) + "\n"
    if text == path.read_text(encoding="utf-8"):
        return False
    files.write(path, text.encode())
    return True


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all in _toc.yml")
    parser.add_argument("--timeout", type=int, default=600, help="seconds a cell may take")
    parser.add_argument("--timings", action="store_true", help="measure times anew as well")
    options = parser.parse_args(arguments)
    if sys.platform == "win32":
        asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
    failed = 0
    for path in options.notebooks or chapters():
        start = time.perf_counter()
        try:
            notebook = execute(path.resolve(), options.timeout, options.timings)
            changed = save(normalise(notebook), path.resolve())
        except CellExecutionError as error:
            failed += 1
            print(f"{path}: failed, its stored outputs stay\n{error}", file=sys.stderr)
            continue
        seconds = time.perf_counter() - start
        print(f"{path}: {seconds:.0f} s, {'outputs changed' if changed else 'no change'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
