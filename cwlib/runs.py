"""From an experiment to weights and their card: what `cwlib train` and the studies share."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from cwlib import checkpoints, data, files, training, zoo
from cwlib.experiments import Experiment
from cwlib.models import catalogue

CODE_DIGITS = 1000  # training digits that a Huffman code is learnt from


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Images to train on and what a card says of them."""

    images: Sequence[np.ndarray]
    described: str


def training_set(experiment: Experiment, folder: Path | None = None) -> TrainingSet:
    """The images of an experiment; `folder` of photographs: None means $CWLIB_DATA/train.

    Raises ValueError where there is none, and as `data` does.
    """
    if experiment.dataset == "mnist":
        digits = data.mnist28("train")[0]
        return TrainingSet(digits, "MNIST training set, 60,000 digits at 128x128")
    if folder is None:
        own = data.own_dir()
        if own is None:
            raise ValueError("--photos FOLDER is missing: this experiment trains on photographs")
        folder = own / "train"
    photos = data.photos(folder)
    crops = f"random {experiment.crop}x{experiment.crop} crops"
    return TrainingSet(photos, f"{len(photos)} photographs of {folder.resolve().name}, {crops}")


def warm_start(experiment: Experiment, runs: Path, suffix: str = "") -> nn.Module | None:
    """The net that training starts from: a shipped one, or one that was trained in `runs`.

    Raises zoo.UnknownModel that says what to train first; None where it starts from nothing.
    """
    name = experiment.warm_start
    if name is None:
        return None
    if name in zoo.names():
        return zoo.load(name).net
    path = weights(runs / (name + suffix), name)
    if not path.exists():
        raise zoo.UnknownModel(
            f"{experiment.name} starts from {name}, which is not trained yet: first run "
            f"cwlib train {name}"
        )
    return zoo.load(path).net


def fitting(model: zoo.TrainedModel, experiment: Experiment) -> nn.Module:
    """A trained net to start an experiment from; raises ValueError unless all its weights fit."""
    built = catalogue.build(experiment).state_dict()
    own = model.net.state_dict()
    if {k: v.shape for k, v in built.items()} != {k: v.shape for k, v in own.items()}:
        raise ValueError(f"--start: {model.name} has not the shape of {experiment.name}")
    return model.net


def weights(folder: Path, name: str) -> Path:
    """Where a run in `folder` leaves its weights."""
    return folder / f"{name}.safetensors"


def make(
    experiment: Experiment,
    command: str,
    folder: Path,
    source: TrainingSet,
    settings: training.Settings | None = None,
    *,
    out: Path | None = None,
    start: nn.Module | None = None,
    before: Sequence[dict] = (),
) -> zoo.TrainedModel | None:
    """Train with checkpoints in `folder`, save weights and card in `out` (None: there too).

    before: the `history` of the net that it starts from.
    None in all but one of several processes. Raises as training.train and zoo.save do.
    """
    out = out or folder
    out.mkdir(parents=True, exist_ok=True)
    files.check_place(weights(out, experiment.name))
    run = training.train(experiment, folder, source.images, settings, start)
    if not run.leads:  # under torchrun one process writes for all
        return None
    learn = None
    if experiment.dataset == "mnist":
        learn = data.resize_digits(source.images[:CODE_DIGITS])
    origin = card(command, source, experiment, run, before)
    return zoo.save(run.model, out, origin, learn)


def finished(experiment: Experiment, folder: Path) -> zoo.TrainedModel | None:
    """What an earlier run left in `folder`, if it had just these settings and came to its end."""
    path = weights(folder, experiment.name)
    if not path.exists():
        return None
    model = zoo.load(path)
    whole = model.card.get("steps", 0) >= experiment.steps
    changed = checkpoints.changed_settings(asdict(model.experiment), experiment)
    return model if whole and not changed else None


def history(model: zoo.TrainedModel | None) -> list[dict]:
    """The runs that a model comes from, the first one first; of None there are none."""
    if model is None:
        return []
    entries = ("command", "data", "seed", "steps", "seconds", "device", "torch", "date")
    return [*model.card.get("before", []), {k: model.card[k] for k in entries if k in model.card}]


def card(
    command: str,
    source: TrainingSet,
    experiment: Experiment,
    run: training.Run,
    before: Sequence[dict] = (),
) -> dict:
    """Where a model comes from, for the file beside its weights; `before`: see `history`."""
    return {
        "command": command,
        **({"before": list(before)} if before else {}),
        "data": source.described,
        "seed": experiment.seed,
        "steps": run.step,
        "epochs": round(run.step * experiment.batch_size / len(source.images), 2),
        "seconds": round(run.seconds),
        "device": device_name(run.device) + f" x {run.processes}" * (run.processes > 1),
        "torch": torch.__version__.split("+")[0],
        "date": time.strftime("%Y-%m-%d"),
        "curve": training.thinned(run.curve),
    }


def device_name(device: str) -> str:
    """'cuda' -> the name of the GPU; 'cpu' -> with its threads."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(0)
    n = torch.get_num_threads()
    return f"cpu, {n} thread{'s' * (n > 1)}" if device == "cpu" else device
