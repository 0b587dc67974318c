"""checkpoint.pt: a training run on disk, written whole or not at all, and read without trust.

It holds plain tensors and numbers (never code: `weights_only`), and the settings of its experiment,
so that a run is not taken up by another one by mistake.
"""

from __future__ import annotations

import os
from dataclasses import asdict, fields
from pathlib import Path

import torch

from cwlib.experiments import Experiment

NAME = "checkpoint.pt"


class TrainingStopped(RuntimeError):
    """Training cannot go on (loss not finite, another experiment's checkpoint, disk full)."""


def write(folder: Path, experiment: Experiment, state: dict) -> None:
    """Put `state` and the settings into folder/checkpoint.pt, in place of what is there.

    Raises TrainingStopped where it cannot be written; the checkpoint before it is then intact.
    """
    target, part = folder / NAME, folder / f"{NAME}.part"
    try:
        torch.save({"experiment": asdict(experiment), **state}, part)
        os.replace(part, target)
    except (OSError, RuntimeError) as error:
        part.unlink(missing_ok=True)
        raise TrainingStopped(
            f"cannot write {target}: {error}; the checkpoint before it is intact"
        ) from error


def read(folder: Path, experiment: Experiment, device: torch.device) -> dict:
    """The `state` in folder/checkpoint.pt, its tensors on `device`.

    Raises TrainingStopped where there is none, where it is damaged or where it is another's.
    """
    path = folder / NAME
    if not path.exists():
        raise TrainingStopped(f"nothing to resume: {path} does not exist")
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        if not isinstance(state, dict):
            raise TypeError(f"it holds a {type(state).__name__}, not a checkpoint")
        found = dict(state["experiment"])
    except Exception as error:  # torch.load raises all kinds for a damaged file
        raise TrainingStopped(f"cannot read {path}: {error}") from error
    if changed := changed_settings(found, experiment):
        raise TrainingStopped(
            f"{path} was made with other settings ({', '.join(changed)}): "
            "train without --resume or in another folder"
        )
    return state


def changed_settings(found: dict, experiment: Experiment) -> list[str]:
    """Names of the settings in which a checkpoint differs from an experiment.

    A setting that is newer than the checkpoint counts as having had its default value. The note
    is words about the experiment and sets nothing.
    """
    defaults = {f.name: f.default for f in fields(Experiment)}
    wanted = asdict(experiment)
    changed = [k for k, v in wanted.items() if k != "note" and found.get(k, defaults[k]) != v]
    return changed + [k for k in found if k not in wanted]
