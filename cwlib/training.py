"""One training loop for every experiment: any device, a step or time budget, checkpoint and resume.

What makes a resumed run equal to an uninterrupted one: step k always sees the same images
(batches.py), the schedule depends on the step alone, and the checkpoint holds model, optimiser and
random state. With a time budget the
schedule follows the clock instead, so there only the course is the same, not the last bit.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from cwlib import batches, data, losses
from cwlib.experiments import Experiment
from cwlib.models import catalogue

CHECKPOINT_SECONDS = 30.0
LOG_EVERY = 50
RATE_FADE_IN = 0.2  # share of the budget over which lambda grows to its full value


class TrainingStopped(RuntimeError):
    """Training cannot go on (loss not finite, another experiment's checkpoint, disk full)."""


@dataclass(frozen=True)
class Budget:
    """When to stop. Exactly one of steps and seconds is set."""

    steps: int | None = None
    seconds: float | None = None

    def progress(self, step: int, elapsed: float) -> float:
        """Share of the budget that is used, 0 .. 1."""
        if self.steps is not None:
            return min(1.0, step / max(1, self.steps))
        return min(1.0, elapsed / max(1e-9, self.seconds))


@dataclass(frozen=True)
class Run:
    """A finished run: the trained model in eval mode, what was spent, and the learning curve."""

    model: nn.Module
    step: int
    seconds: float
    device: str
    curve: list[dict]


def pick_device(wanted: str = "auto") -> torch.device:
    """'auto' takes a CUDA GPU, then Apple's, then the CPU."""
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"device {wanted}: torch sees no CUDA GPU here, use auto or cpu")
    if wanted != "auto":
        return torch.device(wanted)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def learning_rate(experiment: Experiment, progress: float) -> float:
    """Rate at a share `progress` (0 .. 1) of the budget.

    Constant, or: warm up over 5 %, hold to 50 %, then half a cosine down to 2 %.
    """
    if experiment.schedule == "constant":
        return experiment.lr
    warm_up = min(1.0, (progress + 1e-3) / 0.05)
    fall = max(0.0, (progress - 0.5) / 0.5)
    return experiment.lr * warm_up * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * fall)))


def loss_terms(
    experiment: Experiment, model: nn.Module, x: Tensor, weight: float
) -> dict[str, Tensor]:
    """Forward pass and the loss of the experiment; `weight` (0 .. 1) fades paper 1's rate in."""
    if experiment.model == "hierarchical":
        return _hierarchical_terms(experiment, model, x)
    out = model(x)
    terms = {"mse": losses.mse(out.x_hat, x)}
    if out.bits is not None:
        terms["bpp"] = losses.bits_per_pixel(out.bits, x)
    elif out.m is not None:
        terms["bpp"] = losses.kept_bits_per_pixel(out.m, x, experiment.channels, experiment.reading)
    # L = MSE + lambda R
    terms["loss"] = terms["mse"] + weight * experiment.lambda_rate * terms.get("bpp", 0.0)
    return terms


def _hierarchical_terms(experiment: Experiment, model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Paper 2, Eq. 12; `hyper_bpp` and `kept` (share of channels, mean) are for the curve alone."""
    out = model(x)
    terms = {
        "mse": losses.mse(out.x_hat, x),
        "bpp": losses.bits_per_pixel(out.bits, x),
        "hyper_bpp": losses.bits_per_pixel(out.hyper_bits, x),
    }
    if out.f is not None:
        terms["kept"] = out.f.mean() / out.z.shape[1]
    d_feat = 0.0
    if experiment.lambda_1:
        d_feat = terms["d_feat"] = losses.feature_distance(model.g_a, out.x_hat, x)
    terms["loss"] = losses.rate_distortion(
        terms["mse"], terms["bpp"], experiment.lambda_2, experiment.lambda_1, d_feat
    )
    return terms


def train(
    experiment: Experiment,
    folder: Path,
    budget: Budget | None = None,
    device: str = "auto",
    resume: bool = False,
    warm_start: nn.Module | None = None,
    images: Sequence[np.ndarray] | None = None,
    progress_bar: bool = True,
    half: bool = True,
) -> Run:
    """Train an experiment; checkpoints go to folder/checkpoint.pt every half minute.

    budget: None means the experiment's own epochs. images: (N, 28, 28) uint8, None loads MNIST; for
    an experiment on photographs, uint8 (H, W, 3) each. half: convolutions in bfloat16.
    Raises TrainingStopped; on KeyboardInterrupt it ends the step, saves, then raises.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if images is None:
        if experiment.dataset != "mnist":
            raise ValueError(f"{experiment.name}: give the photographs to train on (data.photos)")
        images = data.mnist28("train")[0]
    source = batches.source(experiment, images)
    budget = budget or Budget(steps=round(experiment.epochs * source.per_epoch))
    torch.manual_seed(experiment.seed)
    where = pick_device(device)
    model = catalogue.build(experiment)
    if warm_start is not None:
        copy_matching(warm_start, model)
    model = model.to(where, memory_format=torch.channels_last).train()
    loop = _Loop(experiment, model, folder, budget, where, half)
    if resume:
        loop.load()
    loop.run(source, progress_bar)
    return Run(model.eval(), loop.step, loop.elapsed, str(where), loop.curve)


def copy_matching(source: nn.Module, target: nn.Module) -> int:
    """Copy every tensor of source whose name and shape exist in target; returns how many."""
    theirs, ours = source.state_dict(), target.state_dict()
    shared = {k: v for k, v in theirs.items() if k in ours and ours[k].shape == v.shape}
    target.load_state_dict(shared, strict=False)
    return len(shared)


@contextlib.contextmanager
def _whole_step() -> Iterator[None]:
    """Ctrl-C inside waits for the end: half an optimiser step must not get into a checkpoint."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread gets KeyboardInterrupt
        return
    pressed = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt


class _Loop:
    """State of one run; everything that a checkpoint must hold is an attribute."""

    def __init__(self, experiment, model, folder, budget, where, half):
        self.experiment, self.model, self.folder = experiment, model, folder
        self.budget, self.where, self.half = budget, where, half
        self.step, self.elapsed, self.curve = 0, 0.0, []
        self.sums: dict[str, float] = {}  # of the terms since the last row of the curve
        if experiment.optimizer == "sgd":
            self.optimizer = torch.optim.SGD(
                model.parameters(), experiment.lr, momentum=experiment.momentum
            )
        else:
            self.optimizer = torch.optim.Adam(model.parameters(), experiment.lr)

    def run(self, source: batches.Digits | batches.Crops, progress_bar: bool) -> None:
        last_save = last_tick = time.monotonic()
        name = self.experiment.name
        with tqdm(total=1000, disable=not progress_bar, desc=name, unit="permille") as bar:
            try:
                while (share := self.budget.progress(self.step, self.elapsed)) < 1.0:
                    with _whole_step():
                        self.one_step(source.at(self.step), share)
                        now = time.monotonic()
                        self.elapsed += now - last_tick
                        last_tick = now
                        if self.step % LOG_EVERY == 0:
                            self.log(bar, share)
                    if now - last_save > CHECKPOINT_SECONDS:
                        self.save()
                        last_save = time.monotonic()
            except KeyboardInterrupt:
                self.save()
                raise
        self.save()

    def one_step(self, pixels: Tensor, share: float) -> None:
        x = pixels.to(self.where).float() / 255  # (B, 1 or 3, 128, 128)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.experiment, share)
        mixed = self.half and self.where.type in ("cpu", "cuda")
        cast = (
            torch.autocast(self.where.type, torch.bfloat16) if mixed else contextlib.nullcontext()
        )
        with cast:
            terms = loss_terms(self.experiment, self.model, x, min(1.0, share / RATE_FADE_IN))
        loss = terms["loss"]
        if not torch.isfinite(loss):
            raise TrainingStopped(self.not_finite("the loss"))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.experiment.grad_clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.experiment.grad_clip)
        self.optimizer.step()
        self.step += 1
        for key, value in {"steps": 1, **{k: v.item() for k, v in terms.items()}}.items():
            self.sums[key] = self.sums.get(key, 0) + value

    def log(self, bar: tqdm, share: float) -> None:
        steps = self.sums.pop("steps")
        means = {key: value / steps for key, value in self.sums.items()}
        self.sums = {}
        row = {"step": self.step, "seconds": round(self.elapsed, 1), "loss": means["loss"]}
        row["psnr"] = -10 * math.log10(max(means["mse"], 1e-12))
        row |= {k: v for k, v in means.items() if k not in ("loss", "mse")}
        self.curve.append({k: round(v, 6) for k, v in row.items()})
        bar.n = round(1000 * share)
        bar.set_postfix(step=self.step, dB=f"{row['psnr']:.2f}", bpp=f"{row.get('bpp', 0):.4f}")

    def not_finite(self, what: str) -> str:
        return (
            f"{what} became infinite or not a number at step {self.step}; the last good checkpoint "
            f"in {self.folder}, if there is one, is kept: lower the learning rate and use --resume"
        )

    def save(self) -> None:
        """Write checkpoint.pt whole or not at all."""
        state = {
            "experiment": asdict(self.experiment),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": torch.get_rng_state(),
            "step": self.step,
            "elapsed": self.elapsed,
            "curve": json.dumps(self.curve),
            "sums": self.sums,
        }
        target, part = self.folder / "checkpoint.pt", self.folder / "checkpoint.pt.part"
        if not all(p.isfinite().all() for p in self.model.parameters()):
            raise TrainingStopped(self.not_finite("a weight"))
        try:
            torch.save(state, part)
            os.replace(part, target)
        except (OSError, RuntimeError) as error:
            part.unlink(missing_ok=True)
            raise TrainingStopped(
                f"cannot write {target}: {error}; the checkpoint before it is intact"
            ) from error

    def load(self) -> None:
        """Take up checkpoint.pt; raises TrainingStopped where there is none or it is another's."""
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            raise TrainingStopped(f"nothing to resume: {path} does not exist")
        try:
            state = torch.load(path, map_location=self.where, weights_only=True)
            if not isinstance(state, dict):
                raise TypeError(f"it holds a {type(state).__name__}, not a checkpoint")
            found = dict(state["experiment"])
        except Exception as error:  # torch.load raises all kinds for a damaged file
            raise TrainingStopped(f"cannot read {path}: {error}") from error
        wanted = asdict(self.experiment)
        changed = [k for k in wanted if wanted[k] != found.get(k)]
        if changed:
            raise TrainingStopped(
                f"{path} was made with other settings ({', '.join(changed)}): "
                "train without --resume or in another folder"
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"].cpu())
        self.step, self.elapsed = state["step"], state["elapsed"]
        self.curve = json.loads(state["curve"])
        self.sums = state.get("sums", {})
