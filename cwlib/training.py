"""One training loop for every experiment: any device, a step or time budget, checkpoint and resume.

What makes a resumed run equal to an uninterrupted one: step k always sees the same images and the
same noise (batches.py), the schedule depends on the step alone, and the checkpoint holds model and
optimiser. With a time budget the schedule follows the clock instead, so there only the course is
the same, not the last bit. Several processes share a batch by its rows (parallel.py).
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor, nn

from cwlib import batches, checkpoints, data, parallel
from cwlib.averages import Average
from cwlib.checkpoints import TrainingStopped
from cwlib.experiments import Experiment
from cwlib.losses import features
from cwlib.models import catalogue, ordering
from cwlib.progress import Bar

CHECKPOINT_SECONDS = 30.0
LOG_EVERY = 50  # steps, whose mean is a row of the learning curve
# share of the budget for warming up, share where the fall begins, what is left of the rate
SCHEDULES = {"constant": (0, 1, 1), "cosine": (0.05, 0.5, 0.02), "long": (0.01, 0.3, 0.01)}
START_BATCHES = 100  # that a net may look at before its first step
RATE_FADE_IN = 0.2  # share of the budget over which lambda grows to its full value


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


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run: the trained model in eval mode, what was spent, and the learning curve.

    leads: False in all but one of several processes; that one writes the files.
    """

    model: nn.Module
    step: int
    seconds: float
    device: str
    curve: list[dict]
    processes: int = 1
    leads: bool = True


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
    """Rate at a share `progress` (0 .. 1) of the budget: warm up, hold, then half a cosine."""
    warm, hold, least = SCHEDULES[experiment.schedule]
    warm_up = min(1.0, (progress + 1e-3) / warm) if warm else 1.0
    fall = max(0.0, (progress - hold) / (1 - hold)) if hold < 1 else 0.0
    return experiment.lr * warm_up * (least + (1 - least) * 0.5 * (1 + math.cos(math.pi * fall)))


class Objective(nn.Module):
    """A model and its loss as one module: what is compiled, and what processes share."""

    def __init__(self, experiment: Experiment, model: nn.Module):
        super().__init__()
        self.model = model
        self.vgg = features(experiment)

    def forward(self, x: Tensor, weight: float, draws: batches.Draws | None) -> dict[str, Tensor]:
        """The terms of the loss for a batch x, which the net knows."""
        return self.model.loss_terms(x, draws, weight, self.vgg)


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
    compiled: bool = False,
    log_every: int | None = None,
) -> Run:
    """Train an experiment; checkpoints go to folder/checkpoint.pt every half minute.

    budget: None means the experiment's own steps or epochs. images: (N, 28, 28) uint8, None loads
    MNIST; for an experiment on photographs, uint8 (H, W, 3) each. half: convolutions in bfloat16.
    compiled: through torch.compile. log_every: steps in a row of the curve, None: LOG_EVERY.
    Under torchrun all its processes train together, in a `folder` that each of them sees.
    Raises TrainingStopped, also where another training is at work in the folder. On Ctrl-C and the
    other `parallel.STOPS` it ends the step, saves, then raises KeyboardInterrupt.
    """
    folder = Path(folder)
    if images is None:
        if experiment.dataset != "mnist":
            raise ValueError(f"{experiment.name}: give the photographs to train on (data.photos)")
        images = data.mnist28("train")[0]
    with parallel.join(pick_device(device)) as team, checkpoints.held(folder, team.leads):
        shown = progress_bar and team.leads
        source = batches.source(experiment, images, shown)
        steps = experiment.steps or round(experiment.epochs * source.per_epoch)
        budget = budget or Budget(steps=steps)
        torch.manual_seed(experiment.seed)
        model = catalogue.build(experiment)
        if warm_start is not None and not resume:
            copy_matching(_ordered(warm_start, experiment, source), model)
        elif hasattr(model, "start") and not resume:
            model.start(torch.cat([source.at(step) for step in range(START_BATCHES)]) / 255)
        model = parallel.share_statistics(model, team)
        model = model.to(team.device, memory_format=torch.channels_last).train()
        loop = _Loop(experiment, model, folder, budget, team, half, log_every or LOG_EVERY)
        if resume:
            loop.load()
        loop.run(source, shown, compiled)
        if loop.average is not None:
            model.load_state_dict(loop.average.values)
        where = str(team.device)
        return Run(model.eval(), loop.step, loop.elapsed, where, loop.curve, team.size, team.leads)


def _ordered(
    warm_start: nn.Module, experiment: Experiment, source: batches.Digits | batches.Crops
) -> nn.Module:
    """The weights to start from; useful channels first, where low strengths will keep those."""
    e = experiment
    if e.strength_min == 1.0 or e.mask != "largest" or warm_start.gains is not None:
        return warm_start
    x = torch.cat([source.at(step) for step in range(8)]).float() / 255
    return ordering.reordered(warm_start, ordering.by_use(warm_start, x))


def thinned(curve: list[dict], rows: int = 60) -> list[dict]:
    """A learning curve in at most so many rows: neighbours are averaged, none is dropped.

    `step` and `seconds` are those of the last row that went into a mean.
    """
    size = max(1, math.ceil(len(curve) / rows))
    short = []
    for k in range(0, len(curve), size):
        part = curve[k : k + size]
        mean = {key: float(np.mean([row[key] for row in part])) for key in part[-1]}
        last = {key: part[-1][key] for key in ("step", "seconds")}
        short.append({key: round(v, 6) for key, v in mean.items()} | last)
    return short


def copy_matching(source: nn.Module, target: nn.Module) -> int:
    """Copy every tensor of source whose name and shape exist in target; returns how many."""
    theirs, ours = source.state_dict(), target.state_dict()
    shared = {k: v for k, v in theirs.items() if k in ours and ours[k].shape == v.shape}
    target.load_state_dict(shared, strict=False)
    return len(shared)


def optimizer(experiment: Experiment, groups: list[dict]) -> torch.optim.Optimizer:
    """The optimiser of an experiment. Raises ValueError where its package is missing."""
    e = experiment
    if e.optimizer == "adam":
        return torch.optim.Adam(groups, e.lr, fused=True)
    if e.optimizer == "sgd":
        return torch.optim.SGD(groups, e.lr, momentum=e.momentum)
    try:
        import pytorch_optimizer
    except ImportError as error:
        raise ValueError(
            f"the optimiser {e.optimizer} needs a package: pip install pytorch-optimizer"
        ) from error
    if e.optimizer == "soap":
        return pytorch_optimizer.SOAP(groups, e.lr, weight_decay=0.0, precondition_frequency=10)
    kernels = [  # Muon is for matrices between hidden layers; it leaves the rest to Adam
        {**group, "params": [p for p in group["params"] if (p.ndim == 4) == matrices]}
        | {"use_muon": matrices and group["factor"] == 1.0}
        for group in groups
        for matrices in (True, False)
    ]
    kernels = [group for group in kernels if group["params"]]
    return pytorch_optimizer.Muon(kernels, e.lr, use_adjusted_lr=True, adamw_lr=e.lr)


class _Loop:
    """State of one run; everything that a checkpoint must hold is an attribute."""

    def __init__(
        self,
        experiment: Experiment,
        model: nn.Module,
        folder: Path,
        budget: Budget,
        team: parallel.Team,
        half: bool,
        log_every: int,
    ):
        self.experiment, self.model, self.folder = experiment, model, folder
        self.budget, self.team, self.log_every = budget, team, log_every
        self.step, self.elapsed, self.curve = 0, 0.0, []
        self.sums: dict[str, float] = {}  # of the terms since the last row of the curve
        self.rows = team.rows(experiment.batch_size)
        self.average = Average(model, experiment.ema) if experiment.ema else None
        self.half = half and team.device.type in ("cpu", "cuda")
        groups = [{"params": list(model.parameters()), "factor": 1.0}]
        if hasattr(model, "parameter_groups"):
            groups = model.parameter_groups()
        self.optimizer = optimizer(experiment, groups)

    def run(
        self, source: batches.Digits | batches.Crops, progress_bar: bool, compiled: bool
    ) -> None:
        objective = Objective(self.experiment, self.model).to(self.team.device)
        objective = self.team.wrap(objective)
        if compiled:
            objective = torch.compile(objective)
        last_save = last_tick = time.monotonic()
        name = self.experiment.name
        stops = []  # half a step must not get into a checkpoint: who asks to stop waits for its end
        shown = Bar(total=1000, show=progress_bar, desc=name, unit="permille")
        with shown as bar, parallel.heard(lambda number, _: stops.append(number)):
            while True:
                # the clock of the leading process decides for all, and so does its wish to stop
                used = 1.0 if stops else self.budget.progress(self.step, self.elapsed)
                share = self.team.agree(used)
                if share >= 1.0:
                    break
                self.one_step(objective, source, share)
                now = time.monotonic()
                self.elapsed += now - last_tick
                last_tick = now
                if self.step % self.log_every == 0:
                    self.log(bar, share)
                if now - last_save > CHECKPOINT_SECONDS:
                    self.save()
                    last_save = time.monotonic()
            self.save()
        if stops:
            raise KeyboardInterrupt

    def one_step(
        self, objective: nn.Module, source: batches.Digits | batches.Crops, share: float
    ) -> None:
        x, draws = self.inputs(source)
        if draws is not None and share >= self.experiment.rounded_from:
            draws = draws._replace(noise=None)
        for group in self.optimizer.param_groups:
            group["lr"] = group["factor"] * learning_rate(self.experiment, share)
        kind = self.team.device.type
        with torch.autocast(kind, torch.bfloat16) if self.half else contextlib.nullcontext():
            terms = objective(x, min(1.0, share / RATE_FADE_IN), draws)
        # the mean over the whole batch, which tells every process whether any of them must stop
        means = self.team.mean(torch.stack([v.detach().float() for v in terms.values()]))
        means = dict(zip(terms, means.tolist(), strict=True))
        if not math.isfinite(means["loss"]):
            self.stop("the loss")
        self.optimizer.zero_grad(set_to_none=True)
        terms["loss"].backward()
        if self.experiment.grad_clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.experiment.grad_clip)
        self.optimizer.step()
        self.step += 1
        if self.average is not None:
            self.average.update(self.model, self.step)
        for key, value in {"steps": 1, **means}.items():
            self.sums[key] = self.sums.get(key, 0) + value

    def inputs(self, source: batches.Digits | batches.Crops) -> tuple[Tensor, batches.Draws | None]:
        """This process's rows of the batch, (B, 1 or 3, 128, 128) in [0, 1], and their draws."""
        where = self.team.device
        x = source.at(self.step, self.rows).to(where).float() / 255
        if not hasattr(self.model, "noise_shapes"):
            return x, None
        shapes = self.model.noise_shapes(*x.shape[2:])
        size = getattr(self.model, "quality_size", None)
        maps = size and size(*x.shape[2:])
        return x, batches.draws(self.experiment, shapes, self.step, where, self.rows, maps)

    def log(self, bar: Bar, share: float) -> None:
        steps = self.sums.pop("steps")
        means = {key: value / steps for key, value in self.sums.items()}
        self.sums = {}
        row = {"step": self.step, "seconds": round(self.elapsed, 1), "loss": means["loss"]}
        row["psnr"] = -10 * math.log10(max(means["mse"], 1e-12))
        row |= {k: v for k, v in means.items() if k not in ("loss", "mse")}
        self.curve.append({k: round(v, 6) for k, v in row.items()})
        bar.n = round(1000 * share)
        bar.set_postfix(step=self.step, dB=f"{row['psnr']:.2f}", bpp=f"{row.get('bpp', 0):.4f}")

    def stop(self, what: str) -> NoReturn:
        """All processes stop in the same step; one of them says why."""
        if not self.team.leads:
            raise SystemExit(2)
        raise TrainingStopped(
            f"{what} became infinite or not a number at step {self.step}; the last good checkpoint "
            f"in {self.folder}, if there is one, is kept: lower the learning rate and use --resume"
        )

    def save(self) -> None:
        """Write checkpoint.pt; raises TrainingStopped rather than keep weights that are no good."""
        if not self.team.leads:
            return
        if not all(p.isfinite().all() for p in self.model.parameters()):
            self.stop("a weight")
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": torch.get_rng_state(),
            "step": self.step,
            "elapsed": self.elapsed,
            "curve": json.dumps(self.curve),
            "sums": self.sums,
        }
        if self.average is not None:
            state["average"] = self.average.values
        checkpoints.write(self.folder, self.experiment, state)

    def load(self) -> None:
        """Take up checkpoint.pt; raises TrainingStopped where that cannot be."""
        state = checkpoints.read(self.folder, self.experiment, self.team.device)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"].cpu())
        self.step, self.elapsed = state["step"], state["elapsed"]
        self.curve = json.loads(state["curve"])
        self.sums = state.get("sums", {})
        if self.average is not None:
            self.average.load(state["average"])
