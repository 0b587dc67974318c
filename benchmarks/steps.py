"""`python -m benchmarks training`: one training step of every family of networks, and of a peer.

A step is what `cwlib train` does between two looks at its clock: crops, forward pass with the
convolutions in bfloat16, the experiment's loss, backward pass, clipping, Adam, moving average. The
images are noise, and the weights hardly move: a step takes as long as any other of its kind.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.speed import format_load, load_average
from cwlib import batches, experiments, parallel, training
from cwlib.experiments import Experiment
from cwlib.models import catalogue

#: One experiment of each family, and at how many images where its own batch takes too long.
FAMILIES = {
    "mnist-cae": None,
    "mnist-resnet": None,
    "mnist-cw1": None,
    "kodak-mstar-n64": None,
    "kodak-mstar": 4,
    "photo": None,
}
PEER = "CompressAI hyperprior"
PHOTOS, DIGITS = 4, 60_000  # made-up images to cut crops from, and as many digits as MNIST has
WARM_UP = 2  # steps before the clock starts

Step = Callable[[], None]


def families() -> list[Experiment]:
    """The experiments that `step_time` measures: one of each family."""
    chosen = ((experiments.get(name), batch) for name, batch in FAMILIES.items())
    return [replace(e, batch_size=batch) if batch else e for e, batch in chosen]


def step_time(
    chosen: Sequence[Experiment] | None = None, width: int = 64, repeats: int = 10
) -> dict:
    """What a training step costs on the CPU, for each of `chosen` (None: `families()`).

    `families`, by name: `ms` and `cpu_ms` of a step, medians of wall-clock and of the CPU time of
    all threads, which other work on the machine does not lengthen; `gflop`, and `gflop_per_s` of
    CPU time; `outside_convolutions`, the share of the time that convolutions do not take. `steps`:
    paper 2's network beside CompressAI's, see `_beside`. Ready for `json.dump`.
    """
    load_before = load_average()
    rows = {e.name: _cost(e, repeats) for e in (families() if chosen is None else chosen)}
    return {
        "made_by": "python -m benchmarks training",
        "families": rows,
        "width": width,
        "steps": _beside(width, repeats),
        "threads": torch.get_num_threads(),
        "cpu_count": os.cpu_count(),
        "bfloat16": bfloat16_flags(),
        "load_average_before": load_before,
        "load_average_after": load_average(),
    }


def format_step_table(result: dict) -> str:
    """The result of `step_time` as plain text."""
    lines = [f"{'':<20}{'batch':>14}{'ms':>9}{'CPU ms':>9}{'GFLOP':>8}{'GFLOP/s':>9}{'outside':>9}"]
    for name, row in result["families"].items():
        batch = f"{row['batch']} x {row['crop']}x{row['crop']}"
        line = f"{name:<20}{batch:>14}{row['ms']:>9.1f}{row['cpu_ms']:>9.1f}{row['gflop']:>8.1f}"
        share = f"{100 * row['outside_convolutions']:.0f} %"
        lines.append(f"{line}{row['gflop_per_s']:>9.0f}{share:>9}")
    lines += ["", f"kodak-mstar-n64 at N = {result['width']}, beside a peer"]
    for name, row in result["steps"].items():
        if "skipped" in row:
            lines.append(f"{name:<34}skipped: {row['skipped']}")
            continue
        ratio = f"   {row['ratio']:.2f} of theirs" if "ratio" in row else ""
        lines.append(f"{name:<34}{row['ms']:>9.1f}{row['cpu_ms']:>9.1f}{ratio}")
    lines += ["", "medians; GFLOP/s and ratios are of CPU time, outside: of convolutions"]
    units = ", ".join(result["bfloat16"]) or "no instructions known"
    lines += [f"{result['threads']} threads, bfloat16: {units}"]
    return "\n".join([*lines, format_load(result)])


def bfloat16_flags() -> list[str]:
    """The CPU's instructions for bfloat16, as Linux calls them; none where there is no telling."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return []
    return sorted(flags & {"amx_bf16", "avx512_bf16", "avx_ne_convert", "bf16"})


def _cost(experiment: Experiment, repeats: int) -> dict:
    """The row of one experiment."""
    step = _step(experiment)
    (times,) = _in_turns({"": step}, repeats).values()
    gflop, (ms, cpu_ms) = _gflop(step), times
    return {
        "batch": experiment.batch_size,
        "crop": experiment.crop,
        "ms": ms,
        "cpu_ms": cpu_ms,
        "gflop": gflop,
        "gflop_per_s": 1000 * gflop / cpu_ms,
        "outside_convolutions": _outside_convolutions(step),
    }


def _beside(width: int, repeats: int) -> dict[str, dict]:
    """Both networks at N = M = `width` with 8 crops of 128x128, the loss and lambda of ours.

    In float32 and with bfloat16 convolutions; the rounds are interleaved. `ratio`: CPU time of ours
    / theirs, below 1 ours is faster. Our strides are (2, 2, 2, 1), theirs (2, 2, 2, 2).
    """
    experiment = replace(experiments.get("kodak-mstar-n64"), width=width)
    formats = {"float32": False, "bfloat16": True}
    steps = {f"ours, {name}": _step(experiment, half) for name, half in formats.items()}
    skipped = {}
    try:
        steps |= {f"{PEER}, {name}": _peer(experiment, half) for name, half in formats.items()}
    except ImportError as error:
        skipped = {PEER: {"skipped": f"no {error.name}: pip install {error.name}"}}
    times = _in_turns(steps, repeats)
    rows = {name: {"ms": ms, "cpu_ms": cpu_ms} for name, (ms, cpu_ms) in times.items()}
    for name in formats:
        if not skipped:
            ours, theirs = rows[f"ours, {name}"], rows[f"{PEER}, {name}"]
            ours["ratio"] = ours["cpu_ms"] / theirs["cpu_ms"]
    return rows | skipped


def _step(experiment: Experiment, half: bool = True) -> Step:
    """A step of `cwlib train`, as at the beginning of a run, where the learning rate is small."""
    torch.manual_seed(0)
    net = catalogue.build(experiment).to(memory_format=torch.channels_last).train()
    settings = training.Settings(steps=1, half=half, log_every=1)
    loop = training._Loop(experiment, net, Path(), settings, parallel.Team(torch.device("cpu")))
    return partial(loop.one_step, training.Objective(experiment, net), _source(experiment), 0.0)


def _peer(experiment: Experiment, half: bool) -> Step:
    """The same of CompressAI's ScaleHyperprior; raises ImportError where it is absent."""
    from compressai.models import ScaleHyperprior

    torch.manual_seed(0)
    width, source = experiment.width, _source(experiment)
    net = ScaleHyperprior(width, width).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam(net.parameters(), 1e-5, fused=True)

    def step() -> None:
        x = source.at(0).float() / 255
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            out = net(x)
            bits = sum(-torch.log2(p.float()).sum() for p in out["likelihoods"].values())
            mse = ((out["x_hat"].float() - x) ** 2).mean()
            loss = experiment.lambda_2 * 255**2 * mse + bits / x[:, 0].numel()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), experiment.grad_clip)
        optimizer.step()

    return step


def _source(experiment: Experiment) -> batches.Digits | batches.Crops:
    """Batches of noise."""
    rng = np.random.default_rng(0)
    if experiment.dataset == "mnist":
        images = rng.integers(0, 256, (DIGITS, 28, 28), dtype=np.uint8)
    else:
        images = list(rng.integers(0, 256, (PHOTOS, 512, 768, 3), dtype=np.uint8))
    return batches.source(experiment, images, progress_bar=False)


def _in_turns(steps: dict[str, Step], repeats: int) -> dict[str, tuple[float, float]]:
    """Median milliseconds of wall-clock and of CPU time of each, round by round."""
    times = {name: [] for name in steps}
    for round_ in range(WARM_UP + repeats):
        for name, step in steps.items():
            start, cpu_start = time.perf_counter(), time.process_time()
            step()
            took = time.perf_counter() - start, time.process_time() - cpu_start
            if round_ >= WARM_UP:
                times[name].append(took)
    return {
        name: tuple(1000 * statistics.median(column) for column in zip(*rows, strict=True))
        for name, rows in times.items()
    }


def _gflop(step: Step) -> float:
    """Multiplications and additions in a step, in 10^9: convolutions and products of matrices."""

    def in_place(_, a: torch.Size, b: torch.Size, **_more) -> int:
        return 2 * a[0] * a[1] * b[1]

    more = {torch.ops.aten.addmm_: in_place}  # GDN's, which torch's own list of formulas lacks
    with FlopCounterMode(display=False, custom_mapping=more) as counter:
        step()
    return counter.get_total_flops() / 1e9


def _outside_convolutions(step: Step) -> float:
    """Share of a step that convolutions do not take, forwards or backwards: self CPU time."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # or torch's profiler reports to the terminal
    with profile(activities=[ProfilerActivity.CPU]) as seen, record_function("step"):
        step()
    # "step" itself counts too: what Python does between torch's operations
    times = {event.key: event.self_cpu_time_total for event in seen.key_averages()}
    convolving = sum(t for key, t in times.items() if key.startswith("aten::") and "conv" in key)
    return 1 - convolving / sum(times.values())
