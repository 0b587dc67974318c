"""The chapter on the reader's own photograph, run on a picture that is as small as they come."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib
import pytest
from PIL import Image

import scenes

CHAPTER = Path(__file__).resolve().parent.parent / "book" / "kodak" / "07-yours.ipynb"
OTHER_PICTURES = {"fails-figure", "fails-table", "fails-verdict", "solution-4"}


def test_every_cell_runs_on_a_picture_of_three_pixels(tmp_path, monkeypatch):
    pytest.importorskip("skimage")
    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)  # the chapter goes elsewhere; this brings us back
    mine = tmp_path / "mine.png"
    Image.fromarray(scenes.scene(1, 3)).save(mine)
    scope: dict = {}
    for cell in json.loads(CHAPTER.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code" and cell["id"] not in OTHER_PICTURES:
            source = "".join(cell["source"]).replace("    %pip", "    # %pip")
            exec(source.replace('MINE = ""', f"MINE = {str(mine)!r}"), scope)
    assert scope["photo"].shape == (1, 3, 3) and scope["sizes"].keys() == scope["cases"].keys()
