"""`python -m benchmarks`: speed beside other coders, codecs and networks, as ratios in one run."""

from __future__ import annotations

import argparse
import json
import sys

from cwlib import cli, files
from cwlib.cli.files import path
from cwlib.cli.terminal import say

EXAMPLES = """examples:
  python -m benchmarks coders --out book/results/bench.json
  python -m benchmarks codec --data kodak
"""


def coders(args: argparse.Namespace) -> None:
    """Time the entropy coders."""
    import benchmarks

    _tell(args, benchmarks.coders, benchmarks.format_table)


def codec(args: argparse.Namespace) -> None:
    """Time whole pictures: digits, or four photographs of Kodak."""
    import numpy as np

    import benchmarks
    from cwlib import data

    def measure() -> dict:
        if args.data == "mnist":
            return benchmarks.codec_speed(data.resize_digits(data.mnist28("test")[0][:20]))
        wide = [image for image in data.kodak() if image.shape == (512, 768, 3)]
        return benchmarks.codec_speed(np.stack(wide[:4]))

    _tell(args, measure, benchmarks.format_codec_table)


def training(args: argparse.Namespace) -> None:
    """Time a training step."""
    import benchmarks

    _tell(args, benchmarks.step_time, benchmarks.format_step_table)


def _tell(args: argparse.Namespace, measure, table) -> None:
    if args.out:
        files.check_place(args.out)
    result = measure()
    for line in table(result).splitlines():
        say(line)
    if args.out:
        files.write(args.out, (json.dumps(result, indent=1) + "\n").encode())


def build() -> argparse.ArgumentParser:
    """The parser of `python -m benchmarks`."""
    from cwlib.cli.parser import command_line

    top, add = command_line(
        "python -m benchmarks", "Speed against peers, as ratios in one run.", EXAMPLES
    )
    for name, run, text in (
        ("coders", coders, "entropy coders, on what the models write"),
        ("codec", codec, "whole pictures: encode and decode"),
        ("training", training, "a training step of each family of networks"),
    ):
        p = add(name, run, text, f"python -m benchmarks {name}")
        p.add_argument("--out", type=path, help="write the figures as JSON too")
        if name == "codec":
            p.add_argument(
                "--data",
                default="mnist",
                choices=["mnist", "kodak"],
                help="digits (default) or photographs",
            )
    return top


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    return cli.run(build, argv, "benchmarks")


if __name__ == "__main__":
    sys.exit(main())
