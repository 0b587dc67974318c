"""Studies: every member with every seed, once; and what they measure beside the usual."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import strokes
from cwbook import studies, study_runs
from cwbook.studies import Study
from cwlib import evaluate, runs, training, zoo
from cwlib.coding import huffman
from cwlib.evaluate import Pictures

ORIGINALS = strokes.digits(24, 28)
SMALL = dict(width=4, steps=2, batch_size=4)


@pytest.fixture
def small(monkeypatch):
    """Studies on drawn digits, two steps long; returns the study."""
    names = ("tiny-bits", "tiny-separate", "tiny-soft")
    for name in names:
        changed = replace(studies.SMALL[name], **SMALL)
        monkeypatch.setitem(studies.SMALL, name, changed)
    images = strokes.digits(6, 128)
    pictures = Pictures("mnist", range(6), images, images)
    monkeypatch.setattr(evaluate, "pictures", lambda *_: pictures)
    source = runs.TrainingSet(ORIGINALS, "drawn digits")
    monkeypatch.setattr(runs, "training_set", lambda *_: source)
    return Study("small", "does it run?", names, (0, 1))


def test_every_member_is_measured_with_every_seed(small, tmp_path):
    found = dict(study_runs.run(small, tmp_path, device="cpu"))
    assert len(found) == 6
    assert {(r["experiment"], r["seed"]) for r in found.values()} == {
        (name, seed) for name in small.members for seed in (0, 1)
    }
    for command, record in found.items():
        assert command == (
            f"python -m cwbook study small --only {record['experiment']} --seeds {record['seed']}"
        )
        assert record["study"] == "small" and record["steps"] == 2 and record["images"] == 6
        assert record["image"] == "mean" and record["bpp"] > 0 and record["psnr"] > 0
    a, b = (found[f"python -m cwbook study small --only tiny-soft --seeds {s}"] for s in (0, 1))
    assert a["mse"] != b["mse"]  # the seed is not only written down


def test_a_finished_run_is_measured_again_and_not_trained_again(small, tmp_path, monkeypatch):
    first = dict(study_runs.run(small, tmp_path, ["tiny-soft"], [0], "cpu"))
    monkeypatch.setattr(training, "train", lambda *_, **__: pytest.fail("trained again"))
    assert dict(study_runs.run(small, tmp_path, ["tiny-soft"], [0], "cpu")) == first


def test_a_run_with_other_settings_is_trained_anew(small, tmp_path, monkeypatch):
    list(study_runs.run(small, tmp_path, ["tiny-soft"], [0], "cpu"))
    wider = replace(studies.get("tiny-soft"), lr=1e-4)
    assert runs.finished(replace(studies.get("tiny-soft"), seed=0), tmp_path / "tiny-soft-s0")
    assert runs.finished(wider, tmp_path / "tiny-soft-s0") is None
    longer = replace(studies.get("tiny-soft"), steps=3)
    assert runs.finished(longer, tmp_path / "tiny-soft-s0") is None


def test_a_stranger_is_no_member(small, tmp_path):
    with pytest.raises(ValueError, match="'mnist-cw' is no member of the study small.*tiny-bits"):
        list(study_runs.run(small, tmp_path, ["mnist-cw"], device="cpu"))


def test_what_a_member_starts_from_is_trained_first_with_the_same_seed(small, tmp_path):
    name = "tiny-soft"
    e = replace(studies.get(name), name="tiny-soft-on", warm_start=name, lr=1e-9, seed=1)
    source = runs.TrainingSet(ORIGINALS, "drawn digits")
    model = study_runs.trained(e, "none", tmp_path, source, "cpu")
    first = zoo.load(tmp_path / "tiny-soft-s1" / "tiny-soft.safetensors")
    assert first.card["seed"] == 1
    # two steps at a rate of 1e-9 leave weights where they began
    theirs, ours = first.net.g_a[0].weight, model.net.g_a[0].weight
    torch.testing.assert_close(ours, theirs, atol=2e-3, rtol=0)


def test_a_masks_bits_are_those_of_the_symbols_it_leaves(small, tmp_path):
    found = dict(study_runs.run(small, tmp_path, ["tiny-separate"], [0], "cpu"))
    (record,) = found.values()
    model = zoo.load(tmp_path / "tiny-separate-s0" / "tiny-separate.safetensors")
    test = evaluate.pictures("mnist")
    symbols = study_runs._symbols(model, test.images)
    assert record["nonzero"] == pytest.approx((symbols > 0).mean(), abs=1e-5)
    with torch.no_grad():
        _, m = model.net.analyse(torch.from_numpy(test.images).unsqueeze(1).float() / 255)
    # the mean share of 8 channels x 16 x 16 places x 6 bits, over 128 x 128 pixels
    assert record["code_bpp"] == pytest.approx(0.75 * m.mean().item(), abs=1e-4)
    empty = [
        [not test.images[n, 8 * r : 8 * r + 8, 8 * c : 8 * c + 8].any() for c in range(16)]
        for n in range(6)
        for r in range(16)
    ]
    spent = m[:, 0].reshape(-1, 16)[torch.tensor(empty)].sum() / m.sum()
    assert 0 < record["on_paper"] < 1
    assert record["on_paper"] == pytest.approx(spent.item(), abs=1e-4)


def test_a_mask_of_bits_is_counted_over_all_of_its_channels(small, tmp_path):
    (record,) = dict(study_runs.run(small, tmp_path, ["tiny-bits"], [0], "cpu")).values()
    model = zoo.load(tmp_path / "tiny-bits-s0" / "tiny-bits.safetensors")
    images = evaluate.pictures("mnist").images
    with torch.no_grad():
        _, m = model.net.analyse(torch.from_numpy(images).unsqueeze(1).float() / 255)
    kept = 2 * torch.floor(4 * m).clamp(max=3)  # (6, 8, 16, 16): 0, 2, 4 or 6 bits
    assert record["code_bpp"] == pytest.approx(kept.sum().item() / images.size, abs=1e-4)


def test_one_table_a_channel_beats_one_huffman_code_and_not_the_entropy(small, tmp_path):
    (record,) = dict(study_runs.run(small, tmp_path, ["tiny-bits"], [0], "cpu")).values()
    model = zoo.load(tmp_path / "tiny-bits-s0" / "tiny-bits.safetensors")
    symbols = study_runs._symbols(model, evaluate.pictures("mnist").images)  # (6, 8, 16, 16)
    assert isinstance(model.coder, huffman.Code)
    entropy = 0.0  # of each channel's own histogram: what no table can beat
    for c in range(8):
        counts = np.bincount(symbols[:, c].ravel(), minlength=64)
        p = counts[counts > 0] / counts.sum()
        entropy -= (p * np.log2(p)).sum() * counts.sum()
    assert record["rans_bpp"] > entropy / symbols.shape[0] / 128**2
    assert record["rans_bpp"] < record["bpp"]


def test_the_mismatch_of_rounding_is_nothing(small, tmp_path, monkeypatch):
    ste = replace(studies.SMALL["tiny-ste"], **SMALL)
    monkeypatch.setitem(studies.SMALL, "tiny-ste", ste)
    study = Study("two", "?", ("tiny-ste", "tiny-soft"), (0,))
    a, b = (record for _, record in study_runs.run(study, tmp_path, device="cpu"))
    assert a["proxy_psnr"] == a["hard_psnr"]
    assert b["proxy_psnr"] != b["hard_psnr"]
    # the mean of errors, not of decibels; pixels were rounded on the way through streams
    assert a["hard_psnr"] == pytest.approx(10 * np.log10(255**2 / a["mse"]), abs=0.05)
