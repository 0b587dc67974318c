"""What a training run costs: counted beforehand, and afterwards what the cards say was spent.

An estimate for hardware that one has not paid for yet: the operations of a step are counted in the
network, and divided by what a machine sustains (not by its peak, which no network reaches).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from cwlib import experiments, zoo
from cwlib.experiments import Experiment
from cwlib.losses import features
from cwlib.models import catalogue

IMAGES = {"mnist": 60_000, "photos": 689}  # of an epoch: what the shipped models were trained on
DIGIT_SIDE = 128
AXES = ("step", "seconds")  # of a learning curve: all else in its rows is a term of the loss


@dataclass(frozen=True)
class Plan:
    """A training run of `steps`, each of `batch_size` images and `step_flop` operations.

    Operations are floating-point ones; images: how many an epoch runs through.
    """

    experiment: str
    images: int
    steps: int
    batch_size: int
    step_flop: int

    @property
    def flop(self) -> int:
        """Floating-point operations of the whole run."""
        return self.steps * self.step_flop

    def hours(self, flop_per_second: float) -> float:
        """The run's hours on hardware that sustains so many operations a second."""
        return self.flop / flop_per_second / 3600


def plan(experiment: Experiment, images: int | None = None) -> Plan:
    """What training an experiment takes on so many images; None: as many as in IMAGES.

    Raises as `losses.features` does.
    """
    e = experiment
    images = images or IMAGES[e.dataset]
    steps = e.steps or round(e.epochs * max(1, images // e.batch_size))
    return Plan(e.name, images, steps, e.batch_size, step_flop(e))


@torch.no_grad()
def step_flop(experiment: Experiment) -> int:
    """Estimated floating-point operations of one training step, two for each multiply-add.

    Counted in the products of matrices and convolutions of one image's forward pass, loss included.
    """
    e = experiment
    grey = e.dataset == "mnist"
    with torch.random.fork_rng(devices=[]):  # counting changes no one's random numbers
        net = catalogue.build(e).train()
        x = torch.rand(1, 1 if grey else 3, *[DIGIT_SIDE if grey else e.crop] * 2)
        with FlopCounterMode(display=False) as counter:
            net.loss_terms(x, features=features(e))
    # The slopes of a layer's input and those of its weights cost a product each, as the layer did.
    return 3 * e.batch_size * counter.get_total_flops()


def training_records() -> list[dict]:
    """For book/results/training.json: a record of every trained model of the package, with its
    learning curve (`kind: trained`), and the plan of every experiment of the papers (`kind: plan`).

    `flop_per_second`: what the machine that trained it sustained.
    """
    planned = [_planned(e) for e in experiments.EXPERIMENTS.values()]
    return [_spent(zoo.load(name)) for name in zoo.names()] + planned


def _spent(model: zoo.TrainedModel) -> dict:
    e, card = model.experiment, model.card
    told = ("data", "steps", "epochs", "seconds", "device", "torch", "date", "remarks")
    record = {"experiment": model.name, "dataset": e.dataset, "kind": "trained", "seed": e.seed}
    record |= {"trained_by": card["command"]} | {k: card[k] for k in told if k in card}
    record |= {"batch_size": e.batch_size, "step_flop": step_flop(e)}
    if card["seconds"]:
        record["flop_per_second"] = round(card["steps"] * record["step_flop"] / card["seconds"])
    if card["curve"]:
        record["final"] = {k: v for k, v in card["curve"][-1].items() if k not in AXES}
    return {**record, "curve": card["curve"]}


def _planned(experiment: Experiment) -> dict:
    e, run = experiment, plan(experiment)
    record = {"experiment": e.name, "dataset": e.dataset, "kind": "plan", "seed": e.seed}
    record |= {"images": run.images, "steps": run.steps, "batch_size": run.batch_size}
    return {**record, "step_flop": run.step_flop, "flop": run.flop}
