"""`python -m cwbook` and `python -m benchmarks` as a stranger types them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

import benchmarks
import strokes
import tiny
from benchmarks.__main__ import main as clocks
from cwbook import studies, study_runs
from cwbook.__main__ import main
from cwlib import cli, evaluate, experiments, runs
from cwlib.evaluate import Pictures


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
    pictures = Pictures("mnist", range(4), images, images)
    monkeypatch.setattr(evaluate, "pictures", lambda *_: pictures)
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


def test_training_needs_no_pictures_and_prints_no_curves(both_zoo, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        experiments, "EXPERIMENTS", {"mnist-cae": experiments.EXPERIMENTS["mnist-cae"]}
    )
    assert main(["training", "--out", "r.json"]) == 0
    records = json.loads(Path("r.json").read_text(encoding="utf-8"))["records"]
    assert {r["command"] for r in records} == {"python -m cwbook training"}
    assert {r["experiment"] for r in records} == {
        *tiny.EXPERIMENTS, *tiny.PHOTO_EXPERIMENTS, "mnist-cae",
    }  # fmt: skip
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(printed) == len(records) and not any("curve" in row for row in printed)
    assert printed[-1]["kind"] == "plan" and printed[-1]["flop"] > 0


def test_ledger_judges_the_claims_and_brings_the_decisions_up_to_date(tmp_path, capsys):
    row = {"id": "52", "effect": "", "measured": "not"}
    decisions = tmp_path / "decisions.json"
    decisions.write_text(json.dumps({"records": [row]}), encoding="utf-8")
    nets = {"experiment": "kodak-mstar-n64", "image": "mean", "kind": "map", "command": "c"}
    nets |= {"images": 24, "winners": 1}
    (tmp_path / "claims.json").write_text(json.dumps({"records": [nets]}), encoding="utf-8")
    assert main(["ledger", "--out", str(tmp_path / "ledger.json")]) == 0
    out = capsys.readouterr().out
    assert " pending" in out and "decisions.json: 1 decisions" in out
    claims = json.loads((tmp_path / "ledger.json").read_text(encoding="utf-8"))["records"]
    (claim,) = [c for c in claims if c["id"] == "2-02"]
    assert claim["ours"] == "1 of 64 channels ever chosen on 24 photographs"
    assert {c["verdict"] for c in claims if c["id"] in ("1-01", "2-33")} == {"pending"}
    (decision,) = json.loads(decisions.read_text(encoding="utf-8"))["records"]
    assert decision["effect"] == "channels ever chosen on 24 photographs: 1"


def test_a_ledger_that_is_not_there_is_told_in_one_line(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(["ledger"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("cwbook: ") and "ledger.json" in said and said.count("\n") == 1


@pytest.mark.parametrize("words", ["masks", "coders"])
def test_a_place_that_cannot_be_written_is_told_before_the_work(
    words, monkeypatch, capsys, tmp_path
):
    (tmp_path / "there").write_text("a file, not a folder", encoding="utf-8")
    monkeypatch.setattr(study_runs, "run", None)  # would be a TypeError
    monkeypatch.setattr(benchmarks, "coders", None)
    run = {"masks": lambda w: main(["study", *w]), "coders": clocks}[words]
    assert run([words, "--out", str(tmp_path / "there" / "r.json")]) == 2
    assert "there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("run", "prog", "command"),
    [
        *((main, "cwbook", c) for c in ("study", "claims", "training", "ledger")),
        *((clocks, "benchmarks", c) for c in ("coders", "codec", "training")),
    ],
)
def test_the_help_of_each_command_has_an_example(run, prog, command, capsys):
    with pytest.raises(SystemExit) as caught:
        run([command, "--help"])
    assert caught.value.code == 0
    assert f"example: python -m {prog} {command}" in capsys.readouterr().out
