"""`python -m cwbook`: the measurements that only the book needs.

Errors are one line on stderr and exit status 2, as those of `cwlib` are.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from cwlib import cli
from cwlib.cli.files import path
from cwlib.cli.terminal import say

EXAMPLES = """examples:
  python -m cwbook study masks --seeds 0 --out masks.json      small nets that answer one question
  python -m cwbook measure uniform --out mnist.json            a codec at many settings
  python -m cwbook claims --data kodak --out claims.json       what only claims of the papers need
  python -m cwbook ledger                                      judge the claims by what is on file
"""


def study(args: argparse.Namespace) -> None:
    """Train and measure every member of a study, with every seed."""
    from dataclasses import replace

    from cwbook import studies, study_runs
    from cwlib import evaluate, experiments

    chosen = studies.study(args.study)
    for seed in args.seeds or ():
        experiments.check(replace(studies.get(chosen.members[0]), seed=seed))
    if args.out:
        evaluate.check_place(args.out)
    rows = study_runs.run(chosen, args.runs, args.only, args.seeds, args.device, args.photos)
    for command, record in rows:
        if args.out:
            evaluate.merge(args.out, command, [record])
        say(json.dumps({k: v for k, v in record.items() if k != "curve"}))


def claims(args: argparse.Namespace) -> None:
    """Measure what only the ledger of claims needs."""
    from cwbook import measurements
    from cwlib.cli.commands import test_pictures, test_words

    test = test_pictures(args)
    _report(f"claims{test_words(args, test)}", measurements.records(test), args.out)


def measure(args: argparse.Namespace) -> None:
    """Measure a codec at settings that only the chapters ask for."""
    from cwbook import sweeps
    from cwlib.cli import commands

    commands.measure(args, "python -m cwbook measure", args.sweep, sweeps.targets, None)


def training(args: argparse.Namespace) -> None:
    """Write what training the models takes, and what it took."""
    from cwbook import plans
    from cwlib import evaluate

    if args.out:
        evaluate.check_place(args.out)
    _report("training", plans.training_records(), args.out)


def _report(words: str, records: list[dict], out: Path | None) -> None:
    from cwlib import evaluate
    from cwlib.cli.commands import print_means

    if out:
        evaluate.merge(out, f"python -m cwbook {words}", records)
    print_means(records)


def ledger(args: argparse.Namespace) -> None:
    """Judge every claim by the results files, and bring the decisions beside it up to date."""
    from cwbook import claims, decisions, ledger, results

    place = args.out or results.results_file("ledger")
    verdicts = ledger.count(ledger.renew(place, claims.CLAIMS))
    say(f"{place}: " + ", ".join(f"{n} {verdict}" for verdict, n in verdicts.items()))
    if (beside := place.with_name("decisions.json")).exists():
        say(f"{beside}: {len(decisions.renew(beside))} decisions")


def build() -> argparse.ArgumentParser:
    """The parser of `python -m cwbook`."""
    from cwbook.studies import STUDIES
    from cwlib.cli.parser import MEASURED, add_pictures, command_line

    top, add = command_line("python -m cwbook", "What only the book needs.", EXAMPLES)
    listed = "\n".join(f"  {s.name:12}{s.question}" for s in STUDIES.values())
    out = dict(type=path, help="results file to write into (default: print)")

    p = add(
        "study",
        study,
        "train and measure the small nets that answer one question",
        "python -m cwbook study masks --seeds 0 --out masks.json",
        "\n\nA run that came to its end in RUNS is measured again, not trained again.\n\n"
        f"studies:\n{listed}",
        kept="; runs that came to their end are kept",
    )
    p.add_argument("study", metavar="STUDY", help="one of those above")
    p.add_argument("--only", nargs="+", metavar="NAME", help="some of its members")
    p.add_argument("--seeds", nargs="+", type=int, metavar="SEED", help="other seeds than its own")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda, mps (default %(default)s)")
    p.add_argument("--photos", type=path, help="pictures to train on (default: $CWLIB_DATA/train)")
    p.add_argument("--runs", type=path, default=Path("runs/studies"), help="folder for the runs")
    p.add_argument("--out", **out)

    example = "python -m cwbook measure importance:mnist-cw1 --limit 500"
    words = "measure a codec at settings that only the chapters ask for"
    p = add("measure", measure, words, example, kept=MEASURED)
    p.add_argument("sweep", metavar="SWEEP", help="one of what an unknown word lists")
    add_pictures(p)

    example = "python -m cwbook claims --limit 500 --out claims.json"
    p = add("claims", claims, "measure what only claims of the papers need", example)
    add_pictures(p)

    example = "python -m cwbook training --out training.json"
    p = add("training", training, "what training takes, and what it took", example)
    p.add_argument("--out", **out)

    p = add("ledger", ledger, "judge every claim by what is on file", "python -m cwbook ledger")
    p.add_argument("--out", type=path, help="the ledger (default: book/results/ledger.json)")
    return top


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    return cli.run(build, argv, "cwbook")


if __name__ == "__main__":
    sys.exit(main())
