"""Plans: operations by hand from the tables of layers, and torch's own count of a whole step."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import tiny
from cwbook import plans
from cwlib import experiments, zoo
from cwlib.models import catalogue

PHOTO = tiny.PHOTO_EXPERIMENTS["tiny-photo"]  # strides (2, 2, 2, 1), crops of 64


def multiply_adds(n: int, side: int) -> int:
    """Of paper 2's network at N = n, strides (2, 2, 2, 1), on a side x side crop: by hand."""
    c, f1, f2, z = n + 3, (side // 2) ** 2, (side // 4) ** 2, (side // 8) ** 2  # places
    y, half = (side // 32) ** 2, (side // 16) ** 2
    encoder = 25 * n * (3 * f1 + n * f2 + n * z + n * z)  # kernel 5: inputs x outputs x places
    laterals = 9 * n * (f1 + f2 + z)
    # a transposed convolution puts a kernel down at every place of its input
    decoder = 25 * (n * n * z + (n + 1) * n * z + (n + 1) * n * f2 + (n + 1) * 3 * f1)
    norms = n * n * (f1 + f2 + z) + n * n * (z + f2 + f1)
    hyper_encoder = 9 * c * n * z + 25 * n * n * (half + y)
    hyper_decoder = 25 * n * n * (y + half) + 9 * n * c * z
    prior = n * y * (3 + 9 + 9 + 9 + 3)  # widths 1-3-3-3-3-1
    return encoder + laterals + decoder + norms + hyper_encoder + hyper_decoder + 2 * prior


@pytest.mark.parametrize("width", [4, 8, 12])
@pytest.mark.parametrize("side", [64, 96])
def test_a_step_is_six_times_the_multiply_adds_of_the_layers(width, side):
    e = replace(PHOTO, width=width, crop=side, batch_size=5)
    assert plans.step_flop(e) == 5 * 3 * 2 * multiply_adds(width, side)


@pytest.mark.parametrize(
    "experiment",
    [*tiny.EXPERIMENTS.values(), *tiny.PHOTO_EXPERIMENTS.values()],
    ids=lambda e: e.name,
)
def test_three_forward_passes_are_about_a_step_with_its_slopes(experiment):
    e = replace(experiment, batch_size=2)
    net = catalogue.build(e).train()
    grey = e.dataset == "mnist"
    x = torch.rand(2, 1 if grey else 3, *[128 if grey else e.crop] * 2)
    with FlopCounterMode(display=False) as counter:
        net.loss_terms(x)["loss"].backward()
    assert plans.step_flop(e) == pytest.approx(counter.get_total_flops(), rel=0.15)


def test_counting_leaves_the_random_numbers_alone():
    torch.manual_seed(0)
    before = torch.rand(3)
    torch.manual_seed(0)
    plans.step_flop(PHOTO)
    assert torch.equal(torch.rand(3), before)


def test_the_papers_network_is_planned_as_its_note_says():
    run = plans.plan(experiments.get("kodak-mstar"))
    assert (run.experiment, run.images, run.batch_size) == ("kodak-mstar", 689, 16)
    assert run.steps == 5000 * (689 // 16) == 215_000
    assert run.flop == run.steps * run.step_flop
    assert run.hours(run.flop / 7200) == pytest.approx(2)


def test_more_photographs_are_more_steps_unless_the_steps_are_given():
    assert plans.plan(replace(PHOTO, epochs=3), images=100).steps == 3 * 50
    assert plans.plan(replace(PHOTO, epochs=3), images=1).steps == 3
    assert plans.plan(replace(PHOTO, steps=77), images=100).steps == 77


def test_training_records_are_the_cards_and_the_plans(tiny_photo_weights, monkeypatch):
    monkeypatch.setattr(zoo, "WEIGHTS", tiny_photo_weights)
    names = ("kodak-mstar-n64", "mnist-cae")
    few = {name: experiments.get(name) for name in names}
    monkeypatch.setattr(experiments, "EXPERIMENTS", few)
    records = plans.training_records()
    assert [(r["experiment"], r["kind"]) for r in records] == [
        *((name, "trained") for name in sorted(tiny.PHOTO_EXPERIMENTS)),
        *((name, "plan") for name in names),
    ]
    assert records[0]["trained_by"] == "none" and records[0]["curve"] == []
    assert {"flop_per_second", "final"}.isdisjoint(records[0])  # nobody trained it
    assert records[-1]["flop"] == plans.plan(few["mnist-cae"]).flop


def test_what_was_spent_is_what_the_card_says(tmp_path, monkeypatch):
    curve = [
        {"step": 50, "seconds": 1.0, "loss": 2.0, "psnr": 20.0},
        {"step": 90, "seconds": 3.0, "loss": 1.0, "psnr": 25.0},
    ]
    card = {"command": "cwlib train tiny-photo", "steps": 100, "seconds": 4, "device": "cpu"}
    card |= {"data": "3 pictures", "remarks": "stopped once", "secret": 1, "curve": curve}
    zoo.save(tiny.photo_net("tiny-photo"), tmp_path, card)
    monkeypatch.setattr(zoo, "WEIGHTS", tmp_path)
    monkeypatch.setattr(experiments, "EXPERIMENTS", {})
    (record,) = plans.training_records()
    assert record["trained_by"] == "cwlib train tiny-photo"
    assert {k: record[k] for k in ("steps", "seconds", "device", "data", "remarks")} == {
        k: card[k] for k in ("steps", "seconds", "device", "data", "remarks")
    }
    assert record["final"] == {"loss": 1.0, "psnr": 25.0} and record["curve"] == curve
    assert record["flop_per_second"] == 25 * plans.step_flop(PHOTO)
    assert "secret" not in record
