"""The `cwlib` command. Errors are one line on stderr and exit status 2; Ctrl-C is 130."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np

EXAMPLES = """examples:
  cwlib data mnist                                   fetch and verify the digits
  cwlib compress digit.png d.cwc --model mnist-cw    picture to stream
  cwlib info d.cwc                                   what the stream says of itself
  cwlib decompress d.cwc out.png                     stream to picture
  cwlib train mnist-cw --minutes 30 --resume         train, or go on training
  cwlib eval mnist-cw --out book/results/mnist.json  measure on the test digits
"""


class UsageError(Exception):
    """Something the user can mend; its text is the one line that is printed."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise UsageError(f"{message} (see {self.prog} --help)")


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    try:
        args = _parser().parse_args(argv)
        args.run(args)
        sys.stdout.flush()  # here, where a full disk or a closed pipe can still be told
        return 0
    except KeyboardInterrupt:
        return _complain("interrupted; what was finished is kept", 130)
    except BrokenPipeError:  # `cwlib models | head -1`: nobody reads on, and that is all right
        _settle_stdout()
        return 0
    except OSError as error:
        _settle_stdout()
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"{where}{error.strerror or error}", 2)
    except (UsageError, ValueError, TypeError, RuntimeError) as error:
        return _complain(" ".join(str(error).split()), 2)


def _settle_stdout() -> None:
    """Drop what cannot be written to stdout: else Python complains once more at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(text: str, status: int) -> int:
    print(f"cwlib: {text}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    top = _Parser(
        prog="cwlib",
        description="Content-weighted image compression.",
        epilog=EXAMPLES,
        formatter_class=raw,
    )
    commands = top.add_subparsers(dest="command", required=True, parser_class=_Parser)

    def add(name: str, run, text: str, example: str) -> argparse.ArgumentParser:
        p = commands.add_parser(
            name, help=text, description=text, epilog=f"example: {example}", formatter_class=raw
        )
        p.set_defaults(run=run)
        return p

    p = add("compress", _compress, "a picture to a stream", "cwlib compress digit.png d.cwc")
    p.add_argument("input", type=Path, metavar="IN", help="a picture")
    p.add_argument("output", type=Path, metavar="OUT", help="the stream to write")
    p.add_argument("--model", default="mnist-cw1", help="trained model (default %(default)s)")
    p.add_argument("--importance", type=float, default=1.0, help="0..1, scales the importance map")

    p = add("decompress", _decompress, "a stream to a picture", "cwlib decompress d.cwc out.png")
    p.add_argument("input", type=Path, metavar="IN", help="a stream")
    p.add_argument("output", type=Path, metavar="OUT", help="the picture to write (.png)")

    p = add("info", _info, "what a stream says of itself", "cwlib info d.cwc")
    p.add_argument("file", type=Path, metavar="FILE")

    p = add("train", _train, "train an experiment", "cwlib train mnist-cw --minutes 30")
    p.add_argument("experiment", metavar="EXPERIMENT")
    budget = p.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=float, help="stop after this time")
    budget.add_argument("--steps", type=int, help="stop after this many steps in all")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda, mps (default %(default)s)")
    p.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    p.add_argument("--width", type=int, help="another width than the experiment's")
    p.add_argument("--seed", type=int, help="another seed than the experiment's")
    p.add_argument("--photos", type=Path, help="pictures to train on (default: $CWLIB_DATA/train)")
    p.add_argument("--runs", type=Path, default=Path("runs"), help="folder for checkpoints")
    p.add_argument("--out", type=Path, help="folder for weights and card (default: RUNS/NAME)")

    p = add(
        "eval",
        _eval,
        "measure on test images; with --out, the model's card notes it too",
        "cwlib eval mnist-cw --limit 500",
    )
    p.add_argument("model", metavar="MODEL", help="a model, a study (see cwlib models), or 'all'")
    p.add_argument("--data", default="mnist", help="mnist, kodak or a FOLDER (default %(default)s)")
    p.add_argument("--limit", type=int, help="only the first so many images")
    p.add_argument("--out", type=Path, help="results file to write into (default: print)")

    p = add("data", _data, "fetch and verify data sets", "cwlib data mnist")
    p.add_argument("name", nargs="?", help="mnist or kodak (default: both)")

    add("models", _models, "trained models, experiments and studies", "cwlib models")

    p = add("bench", _bench, "speed against peers, in one run", "cwlib bench coders")
    p.add_argument("what", choices=["coders", "codec"])
    p.add_argument("--out", type=Path, help="write the figures as JSON too")
    return top


def _compress(args: argparse.Namespace) -> None:
    from cwlib import codec, zoo

    model = zoo.load(args.model)
    image = _read_grey(args.input)
    blob = codec.compress(model, image, args.importance)
    _write(args.output, blob)
    h, w = image.shape
    print(f"{h}x{w} grey -> {len(blob)} bytes, {8 * len(blob) / (h * w):.4f} bpp ({model.name})")


def _decompress(args: argparse.Namespace) -> None:
    from io import BytesIO

    from PIL import Image

    from cwlib import codec

    kinds = {".png": "PNG", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF", ".pgm": "PPM"}
    kind = kinds.get(args.output.suffix.lower())
    if kind is None:
        raise UsageError(f"{args.output}: write a lossless picture (.png, .bmp, .tif or .pgm)")
    image = codec.decompress(_read(args.input))
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, kind)
    _write(args.output, buffer.getvalue())
    print(f"{image.shape[0]}x{image.shape[1]} -> {args.output}")


def _info(args: argparse.Namespace) -> None:
    from cwlib import codec

    told = codec.info(_read(args.file))
    print(f"model      {told.model or 'unknown here'} ({told.model_id})")
    print(f"format     version {told.version}")
    print(f"image      {told.height}x{told.width}, {'grey' if told.channels == 1 else 'RGB'}")
    print(f"size       {told.n_bytes} bytes = {told.bpp:.4f} bpp")
    payload = sum(told.section_bytes)
    print(f"sections   {payload} bytes of code, {told.n_bytes - payload} of header and checksum")


def _train(args: argparse.Namespace) -> None:
    from dataclasses import replace

    import torch

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
    images, described = _training_images(experiment.dataset, args.photos)
    run = training.train(experiment, folder, budget, args.device, args.resume, warm, images)
    words = ["cwlib", "train", args.experiment]
    words += [f"--{k} {v}" for k, v in changed.items()]
    words += [f"--minutes {args.minutes:g}"] if args.minutes else []
    words += [f"--steps {args.steps}"] if args.steps else []
    card = {
        "command": " ".join(words),
        "data": described,
        "seed": experiment.seed,
        "steps": run.step,
        "epochs": round(run.step * experiment.batch_size / len(images), 2),
        "seconds": round(run.seconds),
        "device": _device_name(run.device),
        "torch": torch.__version__.split("+")[0],
        "date": time.strftime("%Y-%m-%d"),
        "curve": run.curve[:: max(1, len(run.curve) // 60)],
    }
    learn = data.resize_digits(images[:1000]) if experiment.dataset == "mnist" else None
    model = zoo.save(run.model, args.out or folder, card, learn)
    print(f"{model.name}: {run.step} steps in {run.seconds:.0f} s -> {args.out or folder}")


def _training_images(dataset: str, folder: Path | None):
    """The images of a data set and what the card says of them."""
    from cwlib import data

    if dataset == "mnist":
        return data.mnist28("train")[0], "MNIST training set, 60,000 digits at 128x128"
    if folder is None:
        if "CWLIB_DATA" not in os.environ:
            raise UsageError("--photos FOLDER is missing: this experiment trains on photographs")
        folder = Path(os.environ["CWLIB_DATA"]) / "train"
    photos = data.photos(folder)
    return photos, f"{len(photos)} photographs of {folder.name}, random 128x128 crops"


def _device_name(device: str) -> str:
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(0)
    n = torch.get_num_threads()
    return f"cpu, {n} thread{'s' * (n > 1)}" if device == "cpu" else device


def _eval(args: argparse.Namespace) -> None:
    from cwlib import evaluation, zoo

    photographs = args.data != "mnist"
    table = evaluation.targets(args.data)
    wanted = list(table) if args.model == "all" else [args.model]
    if args.model != "all" and args.model not in table:
        raise UsageError(f"unknown model or study {args.model!r}: there are {', '.join(table)}")
    if args.limit is not None and args.limit <= 0:
        raise UsageError("--limit must be above zero")
    if args.out:
        evaluation.open_results(args.out)  # junk is refused before the work, not after it
    if args.data == "kodak":
        test = evaluation.photos.kodak(args.limit)
    elif photographs:
        test = evaluation.photos.folder(Path(args.data), args.limit)
    else:
        test = evaluation.mnist(args.limit)
    for name in wanted:
        records = table[name](test)
        command = f"cwlib eval {name}" + (f" --data {test.name}" if photographs else "")
        command += f" --limit {args.limit}" if args.limit else ""
        if args.out:
            evaluation.merge(args.out, command, records)
            if name in zoo.names() and not args.limit:
                zoo.write_metrics(name, records[0])
        for record in records:
            if record["image"] == "mean":
                print(json.dumps(record))


def _data(args: argparse.Namespace) -> None:
    from cwlib import data

    for name in [args.name] if args.name else data.NAMES:
        for found in data.fetch(name):
            print(f"{found.status:10} {found.sha256[:12]}  {found.path}")


def _models(args: argparse.Namespace) -> None:
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
    studies = [name for name in evaluation.targets() if name not in trained]
    print(f"studies (cwlib eval NAME): {', '.join(studies)}")


def _bench(args: argparse.Namespace) -> None:
    from cwlib import benchmark, data

    if args.what == "coders":
        result = benchmark.coders()
        print(benchmark.format_table(result))
    else:
        digits = data.resize_digits(data.mnist28("test")[0][:20])
        result = benchmark.codec_speed(digits)
        print(benchmark.format_codec_table(result))
    if args.out:
        _write(args.out, (json.dumps(result, indent=1) + "\n").encode())


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise UsageError(f"{path} is a folder, not a file")
    return path.read_bytes()


def _write(path: Path, content: bytes) -> None:
    """The whole file or none: a full disk leaves what was there before."""
    if path.exists() and not path.is_file():  # a folder; or a device, which must not be replaced
        raise UsageError(f"cannot write {path}: it is there and is not a plain file")
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _read_grey(path: Path) -> np.ndarray:
    """A picture as grey uint8 (H, W); what cannot be kept is refused, not dropped in silence."""
    from io import BytesIO

    from PIL import Image, ImageOps

    content = _read(path)
    if not content:
        raise UsageError(f"{path} is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = ImageOps.exif_transpose(Image.open(BytesIO(content)))
    except Exception as error:  # Pillow's decoders raise all kinds for damaged files
        raise UsageError(f"{path} is not a readable picture: {error}") from error
    if picture.mode.startswith(("I", "F")):
        raise UsageError(f"{path} has more than 8 bits a pixel: convert it to 8 bits first")
    rgba = np.asarray(picture.convert("RGBA"))
    if (rgba[..., 3] != 255).any():
        raise UsageError(f"{path} has transparent pixels: put it on a background first")
    if (rgba[..., :3] != rgba[..., :1]).any():
        raise UsageError(
            f"{path} is a colour picture ({picture.mode}): these models code grey ones; "
            "convert it to grey first"
        )
    return np.ascontiguousarray(rgba[..., 0])
