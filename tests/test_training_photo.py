"""Training our net for photographs: resumed runs, warm starts, what its card says."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import own
import scenes
from cwlib import batches, cli, experiments, runs, training, zoo
from cwlib.training import Settings, train

PHOTOS = [scenes.scene(150, 200, seed) for seed in range(6)]


def trained(folder: Path, steps: int, **more) -> training.Run:
    settings = Settings(steps=steps, progress_bar=False, **more)
    return train(own.EXPERIMENT, folder, PHOTOS, settings)


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    other = b.state_dict()
    return all(torch.equal(v, other[k]) for k, v in a.state_dict().items())


def test_a_resumed_run_is_the_uninterrupted_one(tmp_path, monkeypatch):
    whole = trained(tmp_path / "a", 6)
    step = training._Loop.one_step

    def interrupted(loop, *args):
        if loop.step == 3:
            os.kill(os.getpid(), signal.SIGINT)
        step(loop, *args)

    monkeypatch.setattr(training._Loop, "one_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "b", 6)
    monkeypatch.setattr(training._Loop, "one_step", step)
    assert same(trained(tmp_path / "b", 6, resume=True).model, whole.model)


def test_training_lowers_the_loss_and_the_average_is_what_comes_out(tmp_path):
    run = trained(tmp_path, 40, log_every=10)
    assert run.curve[-1]["loss"] < run.curve[0]["loss"]
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert all(torch.equal(v, state["average"][k]) for k, v in run.model.state_dict().items())
    assert any(not torch.equal(v, state["model"][k]) for k, v in run.model.state_dict().items())


def test_crops_of_the_pyramid_are_parts_of_the_three_sizes():
    source = batches.Pyramid(PHOTOS[:1], batch_size=30, seed=0, size=64, progress_bar=False)
    half = Image.fromarray(PHOTOS[0]).resize((144, 108), Image.Resampling.LANCZOS)
    assert [p.shape for p in source.photos] == [(150, 200, 3), (108, 144, 3), (75, 100, 3)]
    assert np.array_equal(source.photos[1], np.asarray(half))
    crops = source.at(5).permute(0, 2, 3, 1).numpy()
    assert crops.shape == (30, 64, 64, 3) and np.array_equal(crops[7:9], _rows(source, 5, 7, 9))
    for crop in crops:
        variants = [v for c in (crop, crop.transpose(1, 0, 2)) for v in (c, c[:, ::-1])]
        variants += [v[::-1] for v in variants]
        assert any(_is_in(v, p) for p in source.photos for v in variants)


def _rows(source: batches.Pyramid, step: int, first: int, last: int) -> np.ndarray:
    return source.at(step, slice(first, last)).permute(0, 2, 3, 1).numpy()


def _is_in(crop: np.ndarray, picture: np.ndarray) -> bool:
    """Whether the crop is a part of the picture: its first row tells where it can be."""
    rows = np.lib.stride_tricks.sliding_window_view(picture, (64, 3), axis=(1, 2))[:, :, 0]
    for i, j in np.argwhere((rows == crop[0]).all(axis=(2, 3))):
        if np.array_equal(picture[i : i + 64, j : j + 64], crop):
            return True
    return False


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with photographs and weights of tiny-own, which the command line knows."""
    own.save(tmp_path / "weights")
    (tmp_path / "photos").mkdir()
    for k, photo in enumerate(PHOTOS):
        Image.fromarray(photo).save(tmp_path / "photos" / f"{k}.png")
    monkeypatch.setitem(experiments.EXPERIMENTS, "tiny-own", own.EXPERIMENT)
    monkeypatch.setattr(zoo, "WEIGHTS", tmp_path / "weights")
    monkeypatch.chdir(tmp_path)


def test_a_run_starts_from_weights_and_its_card_names_the_run_before(here, capsys):
    words = "train tiny-own --steps 1 --photos photos --runs r --start"
    assert cli.main([*words.split(), "tiny-own"]) == 0
    card = json.loads(Path("r/tiny-own/tiny-own.json").read_text(encoding="utf-8"))
    assert card["command"] == "cwlib train tiny-own --start tiny-own --steps 1"
    assert card["before"] == runs.history(zoo.load("tiny-own"))
    assert card["before"][0]["command"] == "none"
    # one step with the rate of its warm-up moves no weight by more than that
    moved = zoo.load("r/tiny-own/tiny-own.safetensors").net.state_dict()
    for name, value in zoo.load("tiny-own").net.state_dict().items():
        assert (moved[name] - value).abs().max() < 0.02 * value.abs().max() + 0.01
    assert cli.main([*words.split(), "r/tiny-own/tiny-own.safetensors"]) == 0
    card = json.loads(Path("r/tiny-own/tiny-own.json").read_text(encoding="utf-8"))
    assert [run["command"] for run in card["before"]] == [
        "none",
        "cwlib train tiny-own --start tiny-own --steps 1",
    ]
    assert "--start tiny-own.safetensors" in card["command"]


def test_a_start_that_does_not_fit_is_refused(here, capsys, tiny_photo_weights):
    other = tiny_photo_weights / "tiny-photo.safetensors"
    words = f"train tiny-own --steps 1 --photos photos --runs r --start {other}"
    assert cli.main(words.split()) == 2
    assert "tiny-photo has not the shape of tiny-own" in capsys.readouterr().err
    assert not Path("r/tiny-own/tiny-own.json").exists()


@pytest.mark.parametrize("name", ["adam", "sgd", "soap", "muon"])
def test_every_optimiser_is_given_all_weights_and_lowers_the_loss(tmp_path, name):
    if name in ("soap", "muon"):
        pytest.importorskip("pytorch_optimizer", reason="needs pip install pytorch-optimizer")
    experiment = replace(own.EXPERIMENT, optimizer=name, ema=0.0, lr=1e-3)
    settings = Settings(steps=30, progress_bar=False, log_every=10)
    run = train(experiment, tmp_path, PHOTOS, settings)
    assert run.curve[-1]["loss"] < run.curve[0]["loss"]
    start = own.Photo(experiment)
    start.start(torch.cat([_source(experiment).at(k) for k in range(100)]) / 255)
    before = dict(start.named_parameters())
    assert not any(torch.equal(p, before[name]) for name, p in run.model.named_parameters())


def _source(experiment) -> batches.Pyramid:
    return batches.source(experiment, PHOTOS, progress_bar=False)


def test_an_optimiser_whose_package_is_missing_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    with pytest.raises(ValueError, match="pip install pytorch-optimizer"):
        train(replace(own.EXPERIMENT, optimizer="soap"), tmp_path, PHOTOS, Settings(steps=1))


def test_a_cold_start_knows_no_components():
    net = own.Photo(replace(own.EXPERIMENT, linear_start=False))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    net.start(torch.rand(2, 3, 64, 64))
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
