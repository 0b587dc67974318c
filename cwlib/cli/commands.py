"""What each command does, but for those on pictures and streams (`pictures`).

Libraries are imported where they are used: `cwlib --help` is instant.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cwlib.cli.files import UsageError
from cwlib.cli.terminal import say

# --- training and measuring ----------------------------------------------------------------------


def train(args: argparse.Namespace) -> None:
    """`cwlib train`: train an experiment and write its weights and card."""
    from cwlib import experiments, runs, training, zoo

    for name in ("minutes", "steps"):
        if getattr(args, name) is not None and not 0 < 60 * getattr(args, name) < math.inf:
            raise UsageError(f"--{name} must be above zero, and must end")
    experiment = experiments.get(args.experiment)
    changed = {k: getattr(args, k) for k in ("width", "seed") if getattr(args, k) is not None}
    experiment = experiments.check(replace(experiment, **changed))
    settings = training.Settings(
        steps=args.steps,
        seconds=None if args.minutes is None else 60 * args.minutes,
        device=args.device,
        resume=args.resume,
        compiled=args.compile,
    )
    given = None if args.start is None else zoo.load(args.start)
    if given:
        start = runs.fitting(given, experiment)
    else:
        start = None if args.resume else runs.warm_start(experiment, args.runs)
    model = runs.make(
        experiment,
        _train_words(args, changed),
        args.runs / experiment.name,
        runs.training_set(experiment, args.photos),
        settings,
        out=args.out,
        start=start,
        before=runs.history(given),
    )
    if model is not None:
        steps, seconds = model.card["steps"], model.card["seconds"]
        where = args.out or args.runs / experiment.name
        say(f"{model.name}: {steps} steps in {seconds} s -> {where}")


def _train_words(args: argparse.Namespace, changed: dict) -> str:
    """The command that made a model, without folders of this machine."""
    words = ["cwlib", "train", args.experiment]
    words += [f"--{k} {v}" for k, v in changed.items()]
    words += [f"--start {Path(args.start).name}"] if args.start else []
    words += [f"--minutes {args.minutes:g}"] if args.minutes else []
    words += [f"--steps {args.steps}"] if args.steps else []
    return " ".join(words)


def evaluate(args: argparse.Namespace) -> None:
    """`cwlib eval`: measure, and print the records or write them into a results file."""
    from cwlib import evaluate, zoo

    def note(name: str, test: evaluate.Pictures, records: list[dict]) -> None:
        # the card is about the whole of the public test set, and nothing else
        whole = args.data in ("mnist", "kodak") and not args.limit
        if name in zoo.names() and whole and evaluate.is_the_books(args.out):
            usual = (r for r in records if r.get("quality") == 0.5 and r["image"] == "mean")
            zoo.write_metrics(name, next(usual, records[0]))

    measure(args, "cwlib eval", args.model, evaluate.targets, note)


def measure(
    args: argparse.Namespace, command: str, word: str, targets: Callable, note: Callable | None
) -> None:
    """Measure a target, or all of them, on --data; print the records or put them into --out.

    targets: a data set's name -> what there is to measure, by name; note: called with name,
    pictures and records once they are in --out.
    """
    from cwlib import baselines, evaluate

    chosen = _chosen(word, args.data, targets)
    test = test_pictures(args)
    left_out = []
    for name, target in chosen.items():
        try:
            records = target(test, jobs=args.jobs)
        except baselines.CodecMissing as error:
            if word != "all":
                raise
            left_out.append(f"{name} ({error})")
            continue
        if args.out:
            evaluate.merge(args.out, f"{command} {name}{test_words(args, test)}", records)
            if note:
                note(name, test, records)
        print_means(records)
    if len(left_out) == len(chosen):
        raise UsageError(f"nothing was measured; left out: {', '.join(left_out)}")
    if left_out:
        say(f"cwlib: left out: {', '.join(left_out)}", sys.stderr)


def _chosen(word: str, dataset: str, targets: Callable) -> dict[str, Callable[..., list[dict]]]:
    """What a word of the command line stands for: names, and what measures each."""
    from cwlib import evaluate

    table, path = targets(dataset), Path(word)
    if word == "all":
        return table
    if word in table:
        return {word: table[word]}
    if path.suffix == ".safetensors":
        return {path.name: evaluate.of_weights(path, dataset)}
    if path.is_file():
        raise UsageError(f"{path} is not a file of weights: name the .safetensors that train wrote")
    other = "mnist" if dataset != "mnist" else "kodak"
    hint = f"; for this one say --data {other}" * (word in targets(other))
    raise UsageError(f"unknown model or measurement {word!r}{hint}: there are {', '.join(table)}")


def print_means(records: list[dict]) -> None:
    """A line for each mean record, without its lists."""
    for record in records:
        if record.get("image", "mean") == "mean":
            say(json.dumps({k: v for k, v in record.items() if not isinstance(v, list)}))


def test_words(args: argparse.Namespace, test) -> str:
    """--data and --limit as the command of a record has them: without folders of this machine."""
    limit = f" --limit {args.limit}" if args.limit else ""
    return f" --data {test.name}" * (args.data != "mnist") + limit


def test_pictures(args: argparse.Namespace):
    """The pictures of --data and --limit, once --out is seen to take records."""
    from cwlib import evaluate

    for name in ("limit", "jobs"):
        if (number := getattr(args, name, None)) is not None and number <= 0:
            raise UsageError(f"--{name} must be above zero")
    if args.out:
        evaluate.check_place(args.out)
    return evaluate.pictures(args.data, args.limit)


# --- what there is -------------------------------------------------------------------------------


def fetch(args: argparse.Namespace) -> None:
    """`cwlib data`: fetch data sets and verify them."""
    from cwlib import data

    for name in [args.name] if args.name else data.NAMES:
        for file in data.fetch(name):
            say(f"{file.status:10} {file.sha256[:12]}  {file.path}")


def models(args: argparse.Namespace) -> None:
    """`cwlib models`: list trained models and experiments."""
    from cwlib import evaluate, experiments, zoo

    trained = zoo.names()
    others = [e for e in experiments.EXPERIMENTS.values() if e.name not in trained]
    wide = max(len(name) for name in [*trained, *(e.name for e in others)])
    say("trained models:")
    for name in trained:
        model = zoo.load(name)
        card = model.card
        spent = f"{card['steps']} steps, {card['seconds'] / 60:.0f} min on {card['device']}"
        say(f"  {name:{wide}} {model.experiment.note} ({spent})")
    say("experiments without shipped weights (cwlib train NAME):")
    for experiment in others:
        say(f"  {experiment.name:{wide}} {experiment.note}")
    say(f"codecs to compare with (cwlib eval NAME --data kodak): {', '.join(evaluate.CODECS)}")
    say(f"small nets of the book's studies: {', '.join(zoo.study_names()) or 'none'}")
