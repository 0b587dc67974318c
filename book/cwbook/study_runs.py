"""Studies: train every member with every seed, measure each, one record a run -> ablations.json.

A run that came to its end stays in its folder and is not trained again, so a study can be stopped
and taken up, and two processes can share one by its members or seeds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from cwbook import studies, sweeps
from cwbook.studies import Study
from cwlib import checkpoints, codec, data, evaluate, metrics, runs, training, zoo
from cwlib.coding import rans
from cwlib.coding.tables import Tables
from cwlib.evaluate import BATCH, Pictures
from cwlib.experiments import Experiment
from cwlib.models import importance, quantize

DIGITS = 500  # test digits that a study measures on
LEARN = 1000  # training digits that the channels' tables are learnt from
CURVE_ROWS = 30


def run(
    study: Study,
    folder: Path,
    only: list[str] | None = None,
    seeds: list[int] | None = None,
    device: str = "auto",
    photographs: Path | None = None,
) -> Iterator[tuple[str, dict]]:
    """(command, record) of each member and seed, as they come.

    only: some of the members; seeds: None means the study's. folder: runs lie in its
    NAME-sSEED. photographs: see runs.training_set.
    """
    sources, tests = {}, {}
    for name in only or study.members:
        if name not in study.members:
            known = ", ".join(study.members)
            raise ValueError(f"{name!r} is no member of the study {study.name}: there are {known}")
    for seed in study.seeds if seeds is None else seeds:
        for name in only or study.members:
            experiment = replace(studies.get(name), seed=seed)
            kind = experiment.dataset
            if kind not in tests:
                sources[kind] = runs.training_set(experiment, photographs)
                tests[kind] = (
                    evaluate.pictures("mnist", DIGITS)
                    if kind == "mnist"
                    else evaluate.pictures("kodak")
                )
            words = command(study, name, seed)
            model = trained(experiment, words, folder, sources[kind], device, study.minutes)
            record = measured(model, folder, tests[kind], sources[kind])
            yield words, {"study": study.name, **record}


def command(study: Study, name: str, seed: int) -> str:
    """What makes one record anew."""
    return f"python -m cwbook study {study.name} --only {name} --seeds {seed}"


def run_folder(experiment: Experiment, folder: Path) -> Path:
    """Where a run of a study keeps checkpoint, weights and card."""
    return folder / f"{experiment.name}-s{experiment.seed}"


def trained(
    experiment: Experiment,
    words: str,
    folder: Path,
    source: runs.TrainingSet,
    device: str = "auto",
    minutes: float | None = None,
) -> zoo.TrainedModel:
    """The model of a run: trained now, or as an earlier one left it.

    words: the command, for its card; minutes: how long; None: as many steps as the experiment says.
    What it starts from is trained first, with the same seed. A run that was stopped goes on.
    """
    here = run_folder(experiment, folder)
    found = runs.finished(experiment, here)
    if found is not None:
        return found
    start = None
    if experiment.warm_start is not None:
        first = replace(studies.get(experiment.warm_start), seed=experiment.seed)
        command_of_first = command(studies.of_member(first.name), first.name, first.seed)
        start = trained(first, command_of_first, folder, source, device).net
    begun = (here / checkpoints.NAME).exists()
    seconds = 60 * minutes if minutes else None
    settings = training.Settings(seconds=seconds, device=device, resume=begun)
    return runs.make(experiment, words, here, source, settings, start=start)


def measured(
    model: zoo.TrainedModel,
    folder: Path,
    test: Pictures,
    source: runs.TrainingSet,
) -> dict:
    """The mean over the test images, and what was spent."""
    e, card = model.experiment, model.card
    path = runs.weights(run_folder(e, folder), model.name)
    if model.net.codec == "photo":
        record = sweeps.study_record(path, test)
    else:
        record = evaluate.as_trained(path, test)[0]
    record |= {k: card[k] for k in ("steps", "seconds", "device")}
    record |= {"batch_size": e.batch_size, "width": e.width}
    record["curve"] = training.thinned(card["curve"], CURVE_ROWS)
    if e.model in ("cw", "channels"):
        record |= _masked(model, test, source)
    if e.model == "quantised":
        record |= _mismatch(model, test)
    return record


def _masked(model: zoo.TrainedModel, test: Pictures, source: runs.TrainingSet) -> dict:
    """What a mask keeps, and what its code takes with one table a channel.

    A Huffman code takes at least one bit for a value, masked or not, so it hides what a mask
    saves. `rans_bpp` is of real streams of the codes alone, without a header; the tables were
    learnt from training digits and are not sent. `code_bpp`: code bits that the mask lets through,
    what the rate term of training counts; `on_paper`: the share of them at places without ink.
    """
    learn = data.resize_digits(source.images[:LEARN])
    tables = _channel_tables(_symbols(model, learn))
    kept, sizes = [], []
    for symbols in _symbols(model, test.images):
        index = np.repeat(np.arange(len(symbols)), symbols[0].size)
        blob = rans.encode(symbols.ravel(), index, tables)
        if not np.array_equal(rans.decode(blob, index, tables), symbols.ravel()):
            raise RuntimeError(f"{model.name}: a code did not decode to its own symbols")
        sizes.append(len(blob))
        kept.append((symbols > 0).mean())
    shape, share = test.images.shape[1:], _kept_shares(model, test.images)
    values = model.experiment.channels / codec.digits.DOWNSCALE**2  # code values per pixel
    empty = ~_ink(test.images)
    return {
        "rans_bpp": round(float(np.mean([metrics.bpp(size, shape) for size in sizes])), 5),
        "nonzero": round(float(np.mean(kept)), 5),
        "code_bpp": round(float(importance.CODE_BITS * values * share.mean()), 5),
        "on_paper": round(float(share[empty].sum() / share.sum()), 5),
    }


def _symbols(model: zoo.TrainedModel, images: np.ndarray) -> np.ndarray:
    """The whole numbers of the codes: (N, C, h, w)."""
    parts = [
        latents.symbols
        for k in range(0, len(images), BATCH)
        for latents in codec.analyse(model, images[k : k + BATCH], 1.0)
    ]
    return np.stack(parts)


def _channel_tables(symbols: np.ndarray) -> Tables:
    """One table for each channel of codes (N, C, h, w); every value can be coded."""
    n = 2**importance.CODE_BITS
    counts = [1 + np.bincount(symbols[:, c].ravel(), minlength=n) for c in range(symbols.shape[1])]
    return Tables.from_probabilities([row / row.sum() for row in counts], [0] * len(counts))


@torch.no_grad()
def _kept_shares(model: zoo.TrainedModel, images: np.ndarray) -> np.ndarray:
    """Share of the code bits of each place that the mask lets through: (N, h, w)."""
    e, parts = model.experiment, []
    for k in range(0, len(images), BATCH):
        x = torch.from_numpy(images[k : k + BATCH]).unsqueeze(1).float() / 255
        _, m = model.net.analyse(x)  # (B, 1 or C, h, w)
        if e.model != "channels":
            levels = quantize.to_levels(m, importance.MAP_BITS)
            m = importance.kept_bits(levels, e.reading) / importance.CODE_BITS
        parts.append(m.mean(1).numpy())
    return np.concatenate(parts)


def _ink(images: np.ndarray) -> np.ndarray:
    """Whether there is any ink behind each place of the code: (N, H, W) -> (N, H/8, W/8)."""
    n, h, w = images.shape
    step = codec.digits.DOWNSCALE
    return images.reshape(n, h // step, step, w // step, step).max((2, 4)) > 0


@torch.no_grad()
@torch.random.fork_rng(devices=[])
def _mismatch(model: zoo.TrainedModel, test: Pictures) -> dict:
    """PSNR of the means over test digits: with the quantiser's stand-in, and with the quantiser."""
    net, errors = model.net, {"proxy": [], "hard": []}
    torch.manual_seed(0)  # the noise
    for k in range(0, len(test.images), BATCH):
        x = torch.from_numpy(test.images[k : k + BATCH]).unsqueeze(1).float() / 255
        z, _ = net.analyse(x)
        for name, z_hat in (("proxy", net.proxy(z)), ("hard", net.hard(z))):
            errors[name].append(((net.synthesise(z_hat) - x) ** 2).mean((1, 2, 3)).numpy())
    mse = {name: float(np.concatenate(e).mean()) for name, e in errors.items()}
    return {f"{name}_psnr": round(-10 * float(np.log10(e)), 5) for name, e in mse.items()}
