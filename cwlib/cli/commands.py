"""What each command does. Libraries are imported where they are used: `cwlib --help` is instant."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cwlib.cli import files
from cwlib.cli.files import UsageError

DIGIT_MODEL, DIGIT_SIDE = "mnist-cw1", 128  # what it was trained on: grey, 128x128
PHOTO_MODEL = "kodak-mstar-n64"


# --- pictures and streams ------------------------------------------------------------------------


def compress(args: argparse.Namespace) -> None:
    from cwlib import codec, zoo

    image = files.read_picture(args.input)
    model = zoo.load(args.model or _model_for(image))
    blob = codec.compress(model, image, args.importance)
    files.write(args.output, blob)
    h, w = image.shape[:2]
    bpp = 8 * len(blob) / (h * w)
    print(f"{h}x{w} {_colours(image.ndim)} -> {len(blob)} bytes, {bpp:.4f} bpp ({model.name})")


def _model_for(image: np.ndarray) -> str:
    """The model that suits a picture where the user names none."""
    like_a_digit = image.ndim == 2 and max(image.shape) <= DIGIT_SIDE
    return DIGIT_MODEL if like_a_digit else PHOTO_MODEL


def _colours(channels: int) -> str:
    """1 or 3 channels, or 2 or 3 dimensions of an array."""
    return "RGB" if channels == 3 else "grey"


def decompress(args: argparse.Namespace) -> None:
    from cwlib import codec

    files.check_picture_name(args.output)
    image = codec.decompress(files.read(args.input))
    files.write_picture(args.output, image)
    print(f"{image.shape[0]}x{image.shape[1]} {_colours(image.ndim)} -> {args.output}")


def info(args: argparse.Namespace) -> None:
    from cwlib import codec

    told = codec.info(files.read(args.file))
    print(f"model      {told.model or 'unknown here'} ({told.model_id})")
    print(f"format     version {told.version}")
    print(f"image      {told.height}x{told.width}, {_colours(told.channels)}")
    print(f"size       {told.n_bytes} bytes = {told.bpp:.4f} bpp")
    payload = sum(told.section_bytes)
    print(f"sections   {payload} bytes of code, {told.n_bytes - payload} of header and checksum")


# --- training and measuring ----------------------------------------------------------------------


def train(args: argparse.Namespace) -> None:
    from cwlib import data, experiments, training, zoo

    for name in ("minutes", "steps", "width"):
        if getattr(args, name) is not None and not getattr(args, name) > 0:
            raise UsageError(f"--{name} must be above zero")
    if args.seed is not None and args.seed < 0:
        raise UsageError("--seed must be 0 or more")
    experiment = experiments.get(args.experiment)
    changed = {k: getattr(args, k) for k in ("width", "seed") if getattr(args, k) is not None}
    experiment = replace(experiment, **changed)
    budget = None
    if args.minutes is not None:
        budget = training.Budget(seconds=60 * args.minutes)
    elif args.steps is not None:
        budget = training.Budget(steps=args.steps)
    warm = zoo.load(experiment.warm_start).net if experiment.warm_start else None
    folder = args.runs / experiment.name
    images, described = _training_images(experiment, args.photos)
    run = training.train(
        experiment, folder, budget, args.device, args.resume, warm, images, compiled=args.compile
    )
    if not run.leads:  # under torchrun one process writes for all
        return
    card = _card(_train_words(args, changed), described, experiment, run, len(images))
    learn = data.resize_digits(images[:1000]) if experiment.dataset == "mnist" else None
    model = zoo.save(run.model, args.out or folder, card, learn)
    print(f"{model.name}: {run.step} steps in {run.seconds:.0f} s -> {args.out or folder}")


def _training_images(experiment, folder: Path | None) -> tuple[Sequence[np.ndarray], str]:
    """The images that an experiment trains on and what the card says of them."""
    from cwlib import data

    if experiment.dataset == "mnist":
        return data.mnist28("train")[0], "MNIST training set, 60,000 digits at 128x128"
    if folder is None:
        if "CWLIB_DATA" not in os.environ:
            raise UsageError("--photos FOLDER is missing: this experiment trains on photographs")
        folder = Path(os.environ["CWLIB_DATA"]) / "train"
    photos = data.photos(folder)
    crops = f"random {experiment.crop}x{experiment.crop} crops"
    return photos, f"{len(photos)} photographs of {folder.resolve().name}, {crops}"


def _train_words(args: argparse.Namespace, changed: dict) -> str:
    """The command that made a model, without folders of this machine."""
    words = ["cwlib", "train", args.experiment]
    words += [f"--{k} {v}" for k, v in changed.items()]
    words += [f"--minutes {args.minutes:g}"] if args.minutes else []
    words += [f"--steps {args.steps}"] if args.steps else []
    return " ".join(words)


def _card(command: str, described: str, experiment, run, n_images: int) -> dict:
    """Where a model comes from, for the file beside its weights."""
    import torch

    from cwlib import training

    return {
        "command": command,
        "data": described,
        "seed": experiment.seed,
        "steps": run.step,
        "epochs": round(run.step * experiment.batch_size / n_images, 2),
        "seconds": round(run.seconds),
        "device": _device_name(run.device) + f" x {run.processes}" * (run.processes > 1),
        "torch": torch.__version__.split("+")[0],
        "date": time.strftime("%Y-%m-%d"),
        "curve": training.thinned(run.curve),
    }


def _device_name(device: str) -> str:
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(0)
    n = torch.get_num_threads()
    return f"cpu, {n} thread{'s' * (n > 1)}" if device == "cpu" else device


def evaluate(args: argparse.Namespace) -> None:
    from cwlib import evaluation, zoo

    table = evaluation.targets(args.data)
    if args.model != "all" and args.model not in table:
        other = "mnist" if args.data != "mnist" else "kodak"
        hint = f"; for this one say --data {other}" * (args.model in evaluation.targets(other))
        known = ", ".join(table)
        raise UsageError(f"unknown model or study {args.model!r}{hint}: there are {known}")
    if args.limit is not None and args.limit <= 0:
        raise UsageError("--limit must be above zero")
    if args.out:
        evaluation.open_results(args.out)  # junk is refused before the work, not after it
    test = _test_images(args.data, args.limit)
    for name in table if args.model == "all" else [args.model]:
        records = table[name](test)
        if args.out:
            command = f"cwlib eval {name}" + (f" --data {test.name}" * (args.data != "mnist"))
            command += f" --limit {args.limit}" if args.limit else ""
            evaluation.merge(args.out, command, records)
            # the card is about the whole of the public test set, and nothing else
            if name in zoo.names() and not args.limit and args.data in ("mnist", "kodak"):
                zoo.write_metrics(name, records[0])
        for record in records:
            if record["image"] == "mean":
                print(json.dumps(record))


def _test_images(dataset: str, limit: int | None):
    from cwlib import evaluation

    if dataset == "mnist":
        return evaluation.mnist(limit)
    if dataset == "kodak":
        return evaluation.photos.kodak(limit)
    return evaluation.photos.folder(Path(dataset), limit)


# --- what there is -------------------------------------------------------------------------------


def fetch(args: argparse.Namespace) -> None:
    from cwlib import data

    for name in [args.name] if args.name else data.NAMES:
        for found in data.fetch(name):
            print(f"{found.status:10} {found.sha256[:12]}  {found.path}")


def models(args: argparse.Namespace) -> None:
    from cwlib import evaluation, experiments, zoo

    trained = zoo.names()
    print("trained models:")
    for name in trained:
        model = zoo.load(name)
        card = model.card
        spent = f"{card['steps']} steps, {card['seconds'] / 60:.0f} min on {card['device']}"
        print(f"  {name:18} {model.experiment.note} ({spent})")
    print("experiments without shipped weights (cwlib train NAME):")
    for name, experiment in experiments.EXPERIMENTS.items():
        if name not in trained:
            print(f"  {name:18} {experiment.note}")
    for dataset, more in (("mnist", ""), ("kodak", " --data kodak")):
        studies = [name for name in evaluation.targets(dataset) if name not in trained]
        print(f"studies (cwlib eval NAME{more}): {', '.join(studies)}")


def bench(args: argparse.Namespace) -> None:
    from cwlib import benchmark, data

    if args.what == "coders":
        result = benchmark.coders()
        print(benchmark.format_table(result))
    elif args.what == "train":
        result = benchmark.step_time()
        print(benchmark.format_step_table(result))
    else:
        if args.data == "kodak":
            wide = [image for image in data.kodak() if image.shape == (512, 768, 3)]
            images = np.stack(wide[:4])
        else:
            images = data.resize_digits(data.mnist28("test")[0][:20])
        result = benchmark.codec_speed(images)
        print(benchmark.format_codec_table(result))
    if args.out:
        files.write(args.out, (json.dumps(result, indent=1) + "\n").encode())
