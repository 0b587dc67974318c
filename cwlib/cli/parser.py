"""Which words the `cwlib` command takes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TextIO

from cwlib import __version__
from cwlib.cli import commands, pictures
from cwlib.cli.files import UsageError, path, place

EXAMPLES = """examples:
  cwlib data mnist                                   fetch and verify the digits
  cwlib compress photo.jpg photo.cwc --quality 0.7   picture to stream
  cwlib info photo.cwc                               what the stream says of itself
  cwlib decompress photo.cwc back.png                stream to picture
  cwlib train mnist-cw --minutes 30 --resume         train, or go on training
  cwlib eval mnist-cw --out mnist.json               measure on the test digits
  cat photo.jpg | cwlib compress - - > photo.cwc     from one program to another
"""

_RAW = argparse.RawDescriptionHelpFormatter


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        message = message.replace("the following arguments are required:", "missing:")
        raise UsageError(f"{message} (see {self.prog} --help)")

    def _print_message(self, message: str, file: TextIO | None = None) -> None:
        (file or sys.stderr).write(message)  # argparse itself is silent about a full disk

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        sys.stdout.flush()  # of --help: where a full disk or a closed pipe can still be told
        super().exit(status, message)


Add = Callable[..., argparse.ArgumentParser]


def command_line(prog: str, description: str, epilog: str) -> tuple[argparse.ArgumentParser, Add]:
    """A parser of commands, and what adds one: add(name, run, text, example, more, kept=...)."""
    top = _Parser(prog=prog, description=description, epilog=epilog, formatter_class=_RAW)
    under = top.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)

    def add(
        name: str, run: Callable, text: str, example: str, more: str = "", kept: str = ""
    ) -> argparse.ArgumentParser:
        p = under.add_parser(
            name,
            help=text,
            description=text + more,
            epilog=f"example: {example}",
            formatter_class=_RAW,
        )
        p.set_defaults(run=run, kept=kept)
        return p

    return top, add


def build() -> argparse.ArgumentParser:
    """The parser of `cwlib`; `args.run(args)` then does what was asked for."""
    top, add = command_line("cwlib", "Content-weighted image compression.", EXAMPLES)
    top.add_argument("--version", action="version", version=f"cwlib {__version__}")
    _coding(add)
    _training(add)
    _telling(add)
    return top


NOTHING = "; nothing was written"
WHAT_IS_KEPT = """

Grey pictures stay grey, colour ones come back as RGB, both upright. What neither can hold exactly
is refused: transparent pixels, other samples than 8-bit unsigned ones, CMYK, several pictures in a
file. Colour profiles and other notes beside the pixels are not kept."""


def _coding(add: Add) -> None:
    p = add(
        "compress",
        pictures.compress,
        "a picture to a stream",
        "cwlib compress photo.jpg photo.cwc --quality 0.7",
        WHAT_IS_KEPT,
        kept=NOTHING,
    )
    p.add_argument("input", type=place, metavar="IN", help="a picture, or - for standard input")
    p.add_argument(
        "output", type=place, metavar="OUT", help="the stream to write, or - for standard output"
    )
    side = pictures.DIGIT_SIDE
    p.add_argument(
        "--model",
        help="trained model, or a .safetensors file of your own "
        f"(default: {pictures.DIGIT_MODEL} for grey pictures of at most {side}x{side}, "
        f"{pictures.PHOTO_MODEL} for all others and for --quality, --bpp, --effort and --roi)",
    )
    wish = p.add_mutually_exclusive_group()
    wish.add_argument(
        "--quality",
        type=float,
        metavar="Q",
        help=f"0 (smallest) to 1 (best), of a model of many rates (default {pictures.QUALITY})",
    )
    wish.add_argument(
        "--bpp",
        type=float,
        metavar="R",
        help="the largest stream of at most R bits a pixel that such a model makes",
    )
    wish.add_argument(
        "--importance",
        type=float,
        metavar="S",
        help="0..1, scales the importance map of the models that have one (1: as trained)",
    )
    p.add_argument(
        "--effort",
        type=int,
        metavar="E",
        help="0 (at once, the default) to 9 (minutes): how long to look for a better stream",
    )
    p.add_argument(
        "--roi",
        metavar="MASK",
        help="a grey picture of the same size, white where bits matter; or auto: less where the "
        "picture is busy and hides errors",
    )
    p.add_argument(
        "--roi-weight",
        type=float,
        metavar="W",
        help="how much less quality the black of the mask gets, above 0 to 1 (default 0.5)",
    )

    p = add(
        "decompress",
        pictures.decompress,
        "a stream to a picture",
        "cwlib decompress photo.cwc back.png",
        kept=NOTHING,
    )
    p.add_argument("input", type=place, metavar="IN", help="a stream, or - for standard input")
    p.add_argument(
        "output",
        type=place,
        metavar="OUT",
        help="the picture to write (.png), or - for standard output (as PNG)",
    )
    p.add_argument(
        "--model",
        metavar="FILE",
        help="weights that made the stream, if they are not in the package (.safetensors)",
    )
    p.add_argument(
        "--max-pixels",
        type=int,
        metavar="N",
        help="the largest height times width to decode (default: what takes a laptop some five "
        "seconds, 4 to 8 million, so that a few bytes cannot cost more)",
    )

    p = add("info", pictures.info, "what a stream says of itself", "cwlib info photo.cwc")
    p.add_argument("file", type=place, metavar="FILE", help="a stream, or - for standard input")


WHAT_IS_NOTED = """

--out puts the records into a results file, in place of those that the same command made before. If
that is one of the book's own, in book/results of the repository that holds this package, a measure
of a shipped model on the whole of mnist or kodak goes into its card too; no other file changes."""


def _training(add: Add) -> None:
    p = add(
        "train",
        commands.train,
        "train an experiment",
        "cwlib train mnist-cw --minutes 30",
        kept="; what was trained is kept, and --resume goes on from there",
    )
    p.add_argument("experiment", metavar="EXPERIMENT")
    budget = p.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=float, help="stop after this time")
    budget.add_argument("--steps", type=int, help="stop after this many steps in all")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda, mps (default %(default)s)")
    p.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    p.add_argument(
        "--start",
        metavar="MODEL",
        help="begin with the weights of a trained model of the same shape, or with a .safetensors "
        "file (default: as the experiment says)",
    )
    p.add_argument("--compile", action="store_true", help="torch.compile: a slow start, then fast")
    p.add_argument("--width", type=int, help="another width than the experiment's")
    p.add_argument("--seed", type=int, help="another seed than the experiment's")
    p.add_argument("--photos", type=path, help="pictures to train on (default: $CWLIB_DATA/train)")
    p.add_argument("--runs", type=path, default=Path("runs"), help="folder for checkpoints")
    p.add_argument("--out", type=path, help="folder for weights and card (default: RUNS/NAME)")

    p = add(
        "eval",
        commands.evaluate,
        "measure on test images",
        "cwlib eval mnist-cw --limit 500",
        WHAT_IS_NOTED,
        kept=MEASURED,
    )
    word = "a model, its .safetensors file, a classical codec (of photographs), or all of them: all"
    p.add_argument("model", metavar="MODEL", help=word)
    add_pictures(p)


MEASURED = "; what was measured whole is in the results file, if there is one"


def add_pictures(p: argparse.ArgumentParser) -> None:
    """The options of whatever measures on test images."""
    p.add_argument(
        "--data",
        default="mnist",
        help="mnist, kodak, heldout (a few photographs of scikit-image) or a FOLDER "
        "(default %(default)s)",
    )
    p.add_argument("--limit", type=int, help="only the first so many images")
    p.add_argument("--jobs", type=int, default=1, help="processes that share the images")
    p.add_argument("--out", type=path, help="results file to write into (default: print)")


def _telling(add: Add) -> None:
    p = add(
        "data",
        commands.fetch,
        "fetch and verify data sets",
        "cwlib data mnist",
        kept="; the files that came whole are kept",
    )
    p.add_argument("name", nargs="?", help="mnist or kodak (default: both)")

    add("models", commands.models, "trained models and experiments", "cwlib models")
