"""The clock of `cwlib bench train`: one training step of paper 2's network, beside CompressAI's."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from cwlib import experiments, losses
from cwlib.benchmark.speed import format_load, load_average
from cwlib.models import catalogue

CROP, BATCH = 128, 8


def step_time(width: int = 64, repeats: int = 10) -> dict:
    """Milliseconds of a step: forward, loss, backward, Adam; 8 crops of 128x128, CPU, wall-clock.

    Both at the same N = M = `width`, in float32 and with bfloat16 convolutions; the rounds are
    interleaved and the figure is the median. `ratio`: ours / theirs below 1 means ours is faster.
    Our strides are (2, 2, 2, 1), theirs (2, 2, 2, 2).
    """
    load_before = load_average()
    x = torch.from_numpy(np.random.default_rng(0).random((BATCH, 3, CROP, CROP), np.float32))
    x = x.contiguous(memory_format=torch.channels_last)
    steps = {"ours": _ours(width, x)}
    try:
        steps["CompressAI hyperprior"] = _compressai(width, x)
        skipped = ""
    except ImportError as error:
        skipped = f"no {error.name}: pip install 'cwlib[bench]'"
    ways = {(name, half): step for name, step in steps.items() for half in (False, True)}
    times = {way: [] for way in ways}
    for round_ in range(repeats + 2):
        for (name, half), step in ways.items():
            start = time.perf_counter()
            step(half)
            if round_ >= 2:  # the first two warm up
                times[name, half].append(1000 * (time.perf_counter() - start))
    rows = {
        f"{name}, {'bfloat16' if half else 'float32'}": {"ms": statistics.median(found)}
        for (name, half), found in times.items()
    }
    for key, row in rows.items():
        other = key.replace("ours", "CompressAI hyperprior")
        if key.startswith("ours") and other in rows:
            row["ratio"] = row["ms"] / rows[other]["ms"]
    if skipped:
        rows["CompressAI hyperprior"] = {"skipped": skipped}
    return {
        "made_by": "cwlib bench train",
        "width": width,
        "batch": BATCH,
        "crop": CROP,
        "threads": torch.get_num_threads(),
        "cpu_count": os.cpu_count(),
        "load_average_before": load_before,
        "load_average_after": load_average(),
        "steps": rows,
    }


def format_step_table(result: dict) -> str:
    """The result of `step_time` as plain text."""
    lines = [f"N = {result['width']}, {result['batch']} crops of {result['crop']}x{result['crop']}"]
    for name, row in result["steps"].items():
        if "skipped" in row:
            lines.append(f"{name:<34}skipped: {row['skipped']}")
            continue
        ratio = f"   {row['ratio']:.2f} of theirs" if "ratio" in row else ""
        lines.append(f"{name:<34}{row['ms']:>9.1f} ms{ratio}")
    return "\n".join([*lines, f"{result['threads']} threads, wall-clock", format_load(result)])


def _ours(width: int, x: torch.Tensor) -> Callable[[bool], None]:
    experiment = replace(experiments.get("kodak-mstar-n64"), width=width)
    torch.manual_seed(0)
    net = catalogue.build(experiment).to(memory_format=torch.channels_last).train()

    def loss() -> torch.Tensor:
        out = net(x)
        mse, bpp = losses.mse(out.x_hat, x), losses.bits_per_pixel(out.bits, x)
        return losses.rate_distortion(mse, bpp, experiment.lambda_2)

    return _step(net, loss)


def _compressai(width: int, x: torch.Tensor) -> Callable[[bool], None]:
    from compressai.models import ScaleHyperprior

    torch.manual_seed(0)
    net = ScaleHyperprior(width, width).to(memory_format=torch.channels_last).train()
    pixels = x.shape[0] * x.shape[2] * x.shape[3]

    def loss() -> torch.Tensor:
        out = net(x)
        bpp = sum(-torch.log2(p.float()).sum() for p in out["likelihoods"].values()) / pixels
        return 0.0045 * 255**2 * ((out["x_hat"].float() - x) ** 2).mean() + bpp

    return _step(net, loss)


def _step(net: torch.nn.Module, loss: Callable[[], torch.Tensor]) -> Callable[[bool], None]:
    """One step of Adam on the net; its argument says whether convolutions run in bfloat16."""
    optimizer = torch.optim.Adam(net.parameters(), 1e-4)

    def step(half: bool) -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            value = loss()
        value.backward()
        optimizer.step()

    return step
