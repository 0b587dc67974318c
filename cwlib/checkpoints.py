"""checkpoint.pt: a training run on disk, written whole or not at all, and read without trust.

It holds plain tensors and numbers (never code: `weights_only`), and the settings of its experiment,
so that a run is not taken up by another one by mistake. The last 32 bytes are the SHA-256 of all
before them.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import asdict, fields
from io import BytesIO
from pathlib import Path

import torch

from cwlib import files
from cwlib.experiments import Experiment

NAME = "checkpoint.pt"


class TrainingStopped(RuntimeError):
    """Training cannot go on (loss not finite, another experiment's checkpoint, disk full)."""


@contextlib.contextmanager
def held(folder: Path, leads: bool = True) -> Iterator[None]:
    """A run's folder, there and writable, for one training at a time; `leads`: that writes in it.

    Raises TrainingStopped where another one is at work, OSError where nothing can be written.
    """
    if not leads:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    taken = TrainingStopped(
        f"another training is at work in {folder}: wait for its end, or train in another folder"
    )
    with files.locked(folder / f"{NAME}.lock", taken):
        files.check_place(folder / NAME)
        files.sweep(folder)
        yield


def write(folder: Path, experiment: Experiment, state: dict) -> None:
    """Put `state` and the settings into folder/checkpoint.pt, in place of what is there.

    Raises TrainingStopped where it cannot be written; a checkpoint before it is then intact.
    """
    target, content = folder / NAME, BytesIO()
    torch.save({"experiment": asdict(experiment), **state}, content)
    content.write(_checksum(content.getvalue()))
    try:
        files.write(target, content.getvalue())
    except OSError as error:
        kept = "the checkpoint before it is intact" if target.exists() else "there is none yet"
        raise TrainingStopped(f"{error}; {kept}") from error


def read(folder: Path, experiment: Experiment, device: torch.device) -> dict:
    """The `state` in folder/checkpoint.pt, its tensors on `device`.

    Raises TrainingStopped where there is none, where it is damaged or where it is another's.
    """
    path = folder / NAME
    if not path.exists():
        raise TrainingStopped(f"nothing to resume: {path} does not exist")
    try:
        content = _verified(path.read_bytes())
        state = torch.load(BytesIO(content), map_location=device, weights_only=True)
        if not isinstance(state, dict):
            raise TypeError(f"it holds a {type(state).__name__}, not a checkpoint")
        settings = dict(state["experiment"])
    except Exception as error:  # torch.load raises all kinds for a damaged file
        raise TrainingStopped(f"cannot read {path}: {error}") from error
    if changed := changed_settings(settings, experiment):
        raise TrainingStopped(
            f"{path} was made with other settings ({', '.join(changed)}): "
            "train without --resume or in another folder"
        )
    return state


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _verified(content: bytes) -> bytes:
    """What a checkpoint holds, without the checksum behind it. Raises ValueError for damage."""
    body, checksum = content[:-32], content[-32:]
    if checksum == _checksum(body):
        return body
    if content[-22:-18] == b"PK\5\6":  # the end of a zip archive: an old one, without a checksum
        return content
    raise ValueError("it is damaged: its checksum is another")


def changed_settings(settings: dict, experiment: Experiment) -> list[str]:
    """Names of the settings in which a checkpoint differs from an experiment.

    A setting that is newer than the checkpoint counts as having had its default value. The note
    is words about the experiment and sets nothing.
    """
    defaults = {f.name: f.default for f in fields(Experiment)}
    own = asdict(experiment)
    changed = [k for k, v in own.items() if k != "note" and settings.get(k, defaults[k]) != v]
    return changed + [k for k in settings if k not in own]
