"""scripts/check_notebooks.py refuses what would not do in the book, and says why."""

import json

import pytest

import check_notebooks

KERNEL = {"kernelspec": {"name": "python3"}}


def cell(outputs: list[dict], count: int | None = 1, **metadata) -> dict:
    metadata = {"tags": ["hide-input"], **metadata}
    found = {"cell_type": "code", "source": ["f()"], "metadata": metadata}
    return {**found, "execution_count": count, "outputs": outputs}


def faults(*cells: dict, metadata: dict = KERNEL) -> list[str]:
    return check_notebooks.faults({"metadata": metadata, "cells": list(cells)})


def shows(kind: str, what: str, output_type: str = "display_data") -> dict:
    return {"output_type": output_type, "data": {kind: [what]}}


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
        (cell([shows("text/html", "<X at 0x7f>")]), "names this machine: at 0x7"),
        (cell([PRINTS], tags=[]), "hidden setup cell"),
        (cell([shows("image/png", "")]), "without alt text"),
        (cell([shows("image/png", "")], mystnb={"image": {"alt": "a plot"}}), "without alt text"),
        (cell([shows("text/plain", "<Axes: >", "execute_result")]), "end it with plt.show()"),
        (cell([shows(check_notebooks.WIDGET, "")]), "dead without a kernel"),
        ({"cell_type": "markdown", "source": ["![](x.png)"], "metadata": {}}, "without alt text"),
    ],
)
def test_a_notebook_that_would_not_do_is_refused(broken, told):
    (fault,) = faults(broken)
    assert told in fault


def test_another_kernel_is_refused_and_a_good_notebook_is_not():
    assert faults(cell([PRINTS])) == []
    assert faults(cell([PRINTS]), metadata={"kernelspec": {"name": "julia"}}) == [
        "does not run on the kernel python3"
    ]


def test_pictures_are_not_read_as_paths():
    assert faults(cell([shows("text/html", '<img src="data:image/x,/tmp/">')])) == []


def test_the_check_of_notebooks_exits_with_1_and_says_where(tmp_path, capsys):
    path = tmp_path / "bad.ipynb"
    path.write_text(json.dumps({"metadata": KERNEL, "cells": [cell([])]}), encoding="utf-8")
    assert check_notebooks.main([str(path)]) == 1
    assert "bad.ipynb" in capsys.readouterr().err
