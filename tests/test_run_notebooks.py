"""Chapters run again: what the code decides is stored, what the clock decides is kept."""

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "run_notebooks.py"
TIME = "import time; print(time.perf_counter_ns())"


@pytest.fixture
def chapter(tmp_path) -> Path:
    cells = [
        v4.new_markdown_cell("# A chapter", id="title"),
        v4.new_code_cell(TIME, id="clock", metadata={"tags": ["timing"]}),
        v4.new_code_cell("print(6 * 7)", id="sum"),
    ]
    path = tmp_path / "chapter.ipynb"
    nbformat.write(v4.new_notebook(cells=cells), path)
    return path


def run(chapter: Path, *options: str) -> str:
    command = [sys.executable, SCRIPT, *options, chapter]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout


def printed(chapter: Path) -> dict[str, str]:
    cells = json.loads(chapter.read_text(encoding="utf-8"))["cells"]
    return {
        c["id"]: "".join("".join(o["text"]) for o in c["outputs"])
        for c in cells
        if c["cell_type"] == "code"
    }


def test_a_second_run_changes_no_byte_and_times_are_new_only_where_asked_for(chapter):
    assert "outputs changed" in run(chapter)
    first, text = printed(chapter), chapter.read_bytes()
    assert first["sum"] == "42\n" and int(first["clock"]) > 0  # measured where there was none
    assert "no change" in run(chapter)
    assert chapter.read_bytes() == text
    assert "outputs changed" in run(chapter, "--timings")
    assert printed(chapter)["clock"] != first["clock"]


def test_a_cell_of_times_that_fails_is_not_hidden_by_what_it_showed_once(chapter):
    run(chapter)
    text = chapter.read_text(encoding="utf-8").replace("time.perf_counter_ns()", "no_such_name")
    chapter.write_text(text, encoding="utf-8")
    command = [sys.executable, SCRIPT, chapter]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert done.returncode == 1 and "no_such_name" in done.stderr
    assert chapter.read_text(encoding="utf-8") == text, "the stored outputs stay"
