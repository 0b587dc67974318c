"""The fuzzer of scripts/: it runs from a seed, and it would notice."""

import importlib.util
import os
import random
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import cwlib
import damage
from cwlib import StreamError, codec, zoo
from cwlib.coding import stream

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "fuzz.py"
SOUND = stream.pack(b"HUFF", 8, 300, 1, [b"words"])
DAMAGED = SOUND[:-5] + b"?" + SOUND[-4:]
REPAIRED = damage.sealed(DAMAGED[:-4])


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz"] = module
    spec.loader.exec_module(module)
    return module


def judged(fuzz, folder, blob, decompress):
    """A judge that has looked at one input of a codec that does `decompress`."""
    codec = SimpleNamespace(decompress=decompress)
    judge = fuzz.Judge(SimpleNamespace(codec=codec, StreamError=StreamError), {SOUND}, folder)
    judge.look(blob)
    return judge


def raising(error):
    def decompress(*_):
        raise error

    return decompress


def picture(*shape, dtype=np.uint8):
    return lambda *_: np.zeros(shape, dtype)


@pytest.mark.parametrize(
    ("blob", "decompress"),
    [
        (REPAIRED, picture(8, 299)),
        (REPAIRED, picture(8, 300, 1)),
        (REPAIRED, picture(8, 300, dtype=np.float32)),
        (DAMAGED, picture(8, 300)),  # silently wrong
        (DAMAGED, raising(KeyError("x"))),
        (DAMAGED, raising(MemoryError())),
        (DAMAGED, raising(SystemExit(0))),
        (DAMAGED, raising(StreamError(""))),
        (DAMAGED, raising(StreamError("two\nlines"))),
    ],
)
def test_what_breaks_the_promise_is_a_finding_and_saved(fuzz, tmp_path, capsys, blob, decompress):
    judge = judged(fuzz, tmp_path, blob, decompress)
    assert sum(judge.findings.values()) == 1
    (path,) = tmp_path.iterdir()
    assert path.read_bytes() == blob and path.suffix == ".cwc"
    assert "FINDING" in capsys.readouterr().out


def test_a_picture_of_three_colours_is_what_a_header_of_three_channels_promises(fuzz, tmp_path):
    blob = stream.pack(b"PHOT", 8, 300, 3, [b"words"])
    assert not judged(fuzz, tmp_path, blob, picture(8, 300, 3)).findings
    assert judged(fuzz, tmp_path, blob, picture(8, 300)).findings


def test_a_hang_is_broken_off_and_a_finding(fuzz, tmp_path, monkeypatch):
    def forever(*_):
        while True:
            pass

    monkeypatch.setattr(fuzz, "PATIENCE", 0.05)
    monkeypatch.setattr(fuzz, "SECOND", 9.0)
    before = signal.getsignal(signal.SIGPROF)
    try:
        fuzz.watch_time()
        judge = judged(fuzz, tmp_path, REPAIRED, forever)
    finally:
        signal.signal(signal.SIGPROF, before)
    assert judge.findings == {"hang": 1}


def test_an_input_of_more_than_a_second_is_a_finding(fuzz, tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz, "SECOND", -1.0)
    judge = judged(fuzz, tmp_path, REPAIRED, picture(8, 300))
    assert [what.split(",")[0] for what in judge.findings] == ["slow"]


@pytest.mark.parametrize(
    ("blob", "decompress", "accepted", "runs"),
    [
        (REPAIRED, picture(8, 300), 1, 1),
        (DAMAGED, raising(StreamError("no")), 0, 1),
        (SOUND, picture(8, 300), 0, 0),  # nobody damaged it: not counted
    ],
)
def test_what_keeps_the_promise_is_counted(fuzz, tmp_path, blob, decompress, accepted, runs):
    judge = judged(fuzz, tmp_path, blob, decompress)
    assert not judge.findings and not list(tmp_path.iterdir())
    assert (judge.accepted, judge.runs) == (accepted, runs)


def test_kinds_of_refusals_do_not_depend_on_the_stream(fuzz):
    kinds = {
        fuzz.kind(str(StreamError(text)))
        for text in (
            "not a cwlib stream (it starts with b'\\x89PN', not b'CW')",
            "not a cwlib stream (it starts with b\"a'b(\", not b'CW')",
        )
    }
    assert kinds == {"not a cwlib stream (it starts with #, not #)"}
    assert fuzz.kind("no model here has the identity deadbeef: there are a, b") == (
        "no model here has the identity #"
    )


def test_forged_streams_are_sound_and_reach_past_the_coders(fuzz, both_zoo):
    rng, outcomes = random.Random(1), {}
    for model in fuzz.all_models(cwlib):
        outcomes[model.name] = []
        for _ in range(30):
            blob = fuzz.forged(rng, model)
            assert fuzz.is_sealed(blob) and blob[3:7] == model.model_id
            with suppress(StreamError):
                outcomes[model.name].append(codec.decompress(blob).shape == fuzz.stated_shape(blob))
    assert all(found and all(found) for found in outcomes.values()), outcomes


def test_every_model_that_a_stream_can_name_is_asked(fuzz):
    named = {model.model_id for model in fuzz.all_models(cwlib)}
    assert named == {zoo.load(n).model_id for n in [*zoo.names(), *zoo.study_names()]}
    assert {zoo.load(n).experiment.model for n in zoo.study_names()} > {"quantised", "channels"}


def test_a_short_plain_run_finds_nothing_and_says_what_it_did(tmp_path):
    command = [sys.executable, SCRIPT, "--plain", "--runs", "150", "--out", tmp_path / "out"]
    done = subprocess.run(
        command, env=os.environ, capture_output=True, encoding="utf-8", timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("150 damaged streams (plain, seed 1, coders in plain Python)")
    assert "0 silently wrong pictures, 0 findings" in done.stdout
    assert not (tmp_path / "out").exists()
