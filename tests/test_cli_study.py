"""`python -m cwbook study` as a stranger types it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from PIL import Image

import strokes
from cwbook import studies
from cwbook.__main__ import main
from cwlib import cli, runs
from cwlib.evaluation import digits


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nonsense"], "unknown study 'nonsense': choose one of selection"),
        (["masks", "--only", "mnist-cw"], "'mnist-cw' is no member of the study masks"),
        (["masks", "--seeds", "-1"], "seed must be a whole number of 0 to"),
        (["masks", "--seeds", str(2**63)], "seed must be a whole number of 0 to"),
        (["masks", "--seeds", "one"], "invalid int value: 'one'"),
        (["masks", "--out", "."], "is not a plain file"),
    ],
)
def test_wrong_words_are_one_line_and_status_2(words, said, capsys):
    assert main(["study", *words]) == 2
    told = capsys.readouterr()
    assert said in told.err and told.err.count("\n") == 1 and not told.out


def test_a_study_writes_a_row_for_each_run_and_replaces_its_own(tmp_path, monkeypatch, capsys):
    e = replace(studies.get("tiny-ste"), width=4, steps=2, batch_size=4)
    monkeypatch.setitem(studies.SMALL, "tiny-ste", e)
    images = strokes.digits(4, 128)
    monkeypatch.setattr(digits, "mnist", lambda limit: digits.TestSet("mnist", images, images))
    source = runs.TrainingSet(strokes.digits(8, 28), "drawn digits")
    monkeypatch.setattr(runs, "training_set", lambda *_: source)
    out = tmp_path / "ablations.json"
    words = ["study", "quantisers", "--only", "tiny-ste", "--device", "cpu", "--out", str(out)]
    words += ["--runs", str(tmp_path / "runs"), "--seeds"]
    assert main([*words, "0", "1"]) == 0 == main([*words, "1"])
    rows = json.loads(out.read_text(encoding="utf-8"))["records"]
    assert [(r["experiment"], r["seed"]) for r in rows] == [("tiny-ste", 0), ("tiny-ste", 1)]
    assert rows[0]["command"] == "python -m cwbook study quantisers --only tiny-ste --seeds 0"
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 3 and "curve" not in json.loads(printed[0])


def test_a_warm_start_that_is_not_there_says_what_to_train_first(tmp_path, capsys):
    Image.new("RGB", (160, 160)).save(tmp_path / "grey.png")
    words = ["train", "kodak-mstar-l0.0018", "--steps", "1", "--photos", str(tmp_path)]
    assert cli.main([*words, "--runs", str(tmp_path / "runs")]) == 2
    assert "first run cwlib train kodak-mstar" in capsys.readouterr().err
