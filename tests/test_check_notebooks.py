"""scripts/check_notebooks.py refuses what would not do in the book, and says why."""

import pytest

import check_notebooks
from test_book import notebooks


def cell(outputs: list[dict], count: int | None = 1) -> dict:
    return {"cell_type": "code", "source": ["f()"], "execution_count": count, "outputs": outputs}


PRINTS = {"output_type": "stream", "name": "stdout", "text": ["3\n"]}


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (cell([PRINTS], count=None), "was not run"),
        (cell([PRINTS], count=7), "was not run"),
        (cell([]), "no outputs"),
        (cell([{"output_type": "error", "ename": "E", "evalue": "no"}]), "failed: E: no"),
        (cell([{**PRINTS, "name": "stderr"}]), "warns: 3"),
        (cell([{**PRINTS, "text": "in /home/me/x.py"}]), "names this machine: /home/"),
        (
            cell([{"output_type": "display_data", "data": {"text/html": ["<X at 0x7f>"]}}]),
            "names this machine: at 0x7",
        ),
    ],
)
def test_a_notebook_that_would_not_do_is_refused(broken, told):
    (fault,) = check_notebooks.faults({"cells": [broken]})
    assert told in fault


def test_pictures_are_not_read_as_paths():
    output = {
        "output_type": "display_data",
        "data": {"text/html": '<img src="data:image/x,/tmp/">'},
    }
    assert check_notebooks.faults({"cells": [cell([output])]}) == []


def test_the_check_of_notebooks_exits_with_1_and_says_where(tmp_path, capsys):
    path = tmp_path / "bad.ipynb"
    path.write_text('{"cells": [{"cell_type": "code", "source": "1", "execution_count": null, '
                    '"outputs": []}]}', encoding="utf-8")  # fmt: skip
    assert check_notebooks.main([str(path)]) == 1
    assert "bad.ipynb" in capsys.readouterr().err


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_the_chapters_pass_the_check(path):
    assert check_notebooks.main([str(path)]) == 0
