"""checkpoint.pt: whole or not at all, of this experiment or not, and never run as code."""

from __future__ import annotations

import errno
import os
from dataclasses import asdict, replace

import pytest
import torch

from cwlib import checkpoints, experiments
from cwlib.checkpoints import TrainingStopped

TINY = replace(experiments.get("kodak-mstar-n64"), name="tiny", width=4)
CPU = torch.device("cpu")
STATE = {"model": {"w": torch.arange(3.0)}, "step": 7}


def test_what_was_written_is_read_back(tmp_path):
    checkpoints.write(tmp_path, TINY, STATE)
    found = checkpoints.read(tmp_path, TINY, CPU)
    assert torch.equal(found["model"]["w"], STATE["model"]["w"]) and found["step"] == 7
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize("where", ["fsync", "replace"])
@pytest.mark.parametrize("first", [True, False])
def test_a_full_disk_says_what_is_left_and_leaves_no_part(tmp_path, monkeypatch, where, first):
    if not first:
        checkpoints.write(tmp_path, TINY, STATE)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, where, full)
    left = "there is none yet" if first else "the checkpoint before it is intact"
    with pytest.raises(TrainingStopped, match=f"cannot write .*checkpoint.pt: No space.*; {left}$"):
        checkpoints.write(tmp_path, TINY, {**STATE, "step": 8})
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_nothing_to_resume_is_said(tmp_path):
    with pytest.raises(TrainingStopped, match="nothing to resume: .*checkpoint.pt"):
        checkpoints.read(tmp_path, TINY, CPU)


@pytest.mark.parametrize(
    ("change", "says"),
    [({"lr": 1e-4}, "lr"), ({"width": 6, "seed": 3}, "width, seed"), ({"model": "cae"}, "model")],
)
def test_a_checkpoint_of_another_experiment_is_refused_by_its_settings(tmp_path, change, says):
    checkpoints.write(tmp_path, TINY, STATE)
    with pytest.raises(TrainingStopped, match=rf"other settings \({says}\)"):
        checkpoints.read(tmp_path, replace(TINY, **change), CPU)


def test_a_setting_newer_than_the_checkpoint_counts_as_its_default():
    old = asdict(TINY)
    del old["ema"], old["gains"]
    assert checkpoints.changed_settings(old, TINY) == []
    assert checkpoints.changed_settings(old, replace(TINY, ema=0.9)) == ["ema"]
    assert checkpoints.changed_settings({**old, "from_the_future": 1}, TINY) == ["from_the_future"]
    del old["name"]  # which has no default
    assert checkpoints.changed_settings(old, TINY) == ["name"]


def test_words_about_an_experiment_are_no_setting():
    assert checkpoints.changed_settings(asdict(TINY), replace(TINY, note="put better")) == []


def test_a_checkpoint_from_before_there_were_checksums_is_read(tmp_path):
    torch.save({"experiment": asdict(TINY), **STATE}, tmp_path / "checkpoint.pt")
    assert checkpoints.read(tmp_path, TINY, CPU)["step"] == 7


def test_a_flipped_bit_anywhere_is_refused_in_one_sentence(tmp_path):
    checkpoints.write(tmp_path, TINY, STATE)
    path = tmp_path / "checkpoint.pt"
    whole_file = path.read_bytes()
    for place in [*range(0, len(whole_file), 5), *range(-60, 0)]:
        flipped = bytearray(whole_file)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        with pytest.raises(TrainingStopped, match="^cannot read .*checkpoint.pt: it is damaged"):
            checkpoints.read(tmp_path, TINY, CPU)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    checkpoints.write(tmp_path, TINY, STATE)
    path = tmp_path / "checkpoint.pt"
    whole_file = path.read_bytes()
    for content in (b"", b"junk", whole_file[: len(whole_file) // 2]):
        path.write_bytes(content)
        with pytest.raises(TrainingStopped, match="cannot read"):
            checkpoints.read(tmp_path, TINY, CPU)
    for state in (torch.zeros(3), {"model": {}}, {"experiment": 3}):
        torch.save(state, path)
        with pytest.raises(TrainingStopped, match="cannot read"):
            checkpoints.read(tmp_path, TINY, CPU)


def test_a_checkpoint_that_holds_code_is_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    torch.save({"experiment": Trap()}, tmp_path / "checkpoint.pt")
    with pytest.raises(TrainingStopped, match="cannot read"):
        checkpoints.read(tmp_path, TINY, CPU)
    assert not (tmp_path / "sprung").exists()
