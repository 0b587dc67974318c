"""The training loop: what a crash, Ctrl-C, a full disk or a diverging loss leave behind."""

from __future__ import annotations

import itertools
import math
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import strokes
from cwlib import experiments, parallel, training
from cwlib.models import catalogue
from cwlib.training import Settings, TrainingStopped, learning_rate

TINY = replace(
    experiments.get("mnist-cw"), name="tiny", width=4, units=1, batch_size=2, lambda_rate=0.01
)
IMAGES = strokes.digits(8)
STEPS = 16


def train(
    folder: Path, steps: int | None = STEPS, experiment=TINY, images=IMAGES, warm_start=None, **more
) -> training.Run:
    settings = Settings(**{"steps": steps, "device": "cpu", "progress_bar": False, **more})
    return training.train(experiment, folder, images, settings, warm_start)


def weights(run: training.Run) -> dict[str, torch.Tensor]:
    return run.model.state_dict()


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def checkpoint(folder: Path) -> dict:
    return torch.load(folder / "checkpoint.pt", weights_only=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> training.Run:
    """The run that nothing interrupts."""
    return train(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def every_step(monkeypatch):
    """A checkpoint after every step."""
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1.0)


def spoil_step(monkeypatch, step: int, spoil) -> None:
    """Hand the terms of the loss at `step` (counted from 0, in this process) to `spoil`."""
    real, counter = training.Objective.forward, itertools.count()

    def terms(*args):
        found = real(*args)
        return spoil(found) if next(counter) == step else found

    monkeypatch.setattr(training.Objective, "forward", terms)


# --- budget, schedule, order of the images -------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_step_budget_is_the_number_of_steps(tmp_path, steps):
    run = train(tmp_path, steps)
    assert run.step == steps == checkpoint(tmp_path)["step"]
    assert not run.model.training


def test_without_a_budget_the_epochs_of_the_experiment_are_trained(tmp_path):
    e = replace(TINY, epochs=1.5)  # 8 images in batches of 2: 4 steps an epoch
    run = train(tmp_path, None, e)
    assert run.step == 6


def test_progress_is_the_used_share_of_the_budget():
    assert [Settings(steps=4).progress(k, 99.0) for k in (0, 1, 4, 9)] == [0, 0.25, 1, 1]
    assert [Settings(seconds=10).progress(99, s) for s in (0.0, 2.5, 10.0, 11.0)] == [0, 0.25, 1, 1]


def test_the_learning_rate_warms_up_holds_and_falls_along_a_cosine():
    e = replace(TINY, lr=3.0, schedule="cosine")
    assert learning_rate(e, 0.0) == pytest.approx(3.0 * 0.001 / 0.05)
    assert learning_rate(e, 0.024) == pytest.approx(1.5)
    for share in (0.05, 0.2, 0.5):
        assert learning_rate(e, share) == pytest.approx(3.0)
    # a quarter, a half and three quarters of the cosine's way from 1 to 0.02
    for share, height in ((0.625, math.cos(math.pi / 4)), (0.75, 0.0), (1.0, -1.0)):
        assert learning_rate(e, share) == pytest.approx(3.0 * (0.02 + 0.98 * (1 + height) / 2))


def test_a_constant_schedule_is_constant():
    e = replace(TINY, lr=0.25, schedule="constant")
    assert {learning_rate(e, share) for share in np.linspace(0, 1, 11)} == {0.25}


def test_the_same_run_twice_gives_the_same_weights_to_the_bit(tmp_path, whole):
    assert same(weights(train(tmp_path)), weights(whole))
    assert not same(weights(train(tmp_path, experiment=replace(TINY, seed=1))), weights(whole))


def test_sgd_is_sgd_with_the_momentum_of_the_experiment(tmp_path, monkeypatch):
    e = replace(TINY, optimizer="sgd", lr=1e-3, momentum=0.9, schedule="constant")
    folder = tmp_path / "sgd"
    train(folder, 2, e, half=False)
    group = checkpoint(folder)["optimizer"]["param_groups"][0]
    assert (group["momentum"], group["lr"]) == (0.9, 1e-3)


# --- interruptions -------------------------------------------------------------------------------

CHILD = """
import os, pathlib, signal, sys, types
sys.path.insert(0, os.path.dirname(sys.argv[1]))
import torch
torch.set_num_threads(int(sys.argv[3]))
import test_training
from cwlib import training

# A clock that goes 0.1 s a step, so that nothing here depends on how busy the machine is.
ticks = [0.0]
def monotonic():
    ticks[0] += 0.1
    return ticks[0]
training.time = types.SimpleNamespace(monotonic=monotonic)
training.CHECKPOINT_SECONDS = 0.35
real_step, real_save = training._Loop.one_step, training._Loop.save
def one_step(loop, *args):
    if sys.argv[4] == "step" and loop.step == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    real_step(loop, *args)
def save(loop):
    if sys.argv[4] == "save" and loop.step > 10:
        os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
    real_save(loop)
training._Loop.one_step, training._Loop.save = one_step, save
test_training.train(sys.argv[2])
"""


@pytest.mark.parametrize("moment", ["step", "save"])
def test_a_killed_run_resumes_to_the_same_weights_to_the_bit(tmp_path, whole, moment):
    done = subprocess.run(
        [sys.executable, "-c", CHILD, __file__, tmp_path, str(torch.get_num_threads()), moment],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    found = checkpoint(tmp_path)["step"]
    # 0.35 s of a clock that goes 0.1 s a step: at most four steps lie between two checkpoints
    assert 13 - 5 <= found < 13
    run = train(tmp_path, resume=True)
    assert run.step == STEPS
    assert same(weights(run), weights(whole))


@pytest.mark.parametrize("stop", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_wish_to_stop_in_the_middle_of_a_step_ends_the_step_and_keeps_it(
    tmp_path, whole, monkeypatch, stop
):
    def press(terms):
        os.kill(os.getpid(), getattr(signal, stop))
        return terms

    spoil_step(monkeypatch, 6, press)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path)
    assert checkpoint(tmp_path)["step"] == 7
    assert list(tmp_path.glob("*.part")) == []
    monkeypatch.undo()
    assert same(weights(train(tmp_path, resume=True)), weights(whole))


def test_ctrl_c_while_a_checkpoint_is_written_waits_for_its_end(tmp_path, monkeypatch, every_step):
    real = training.checkpoints.write

    def press(*args):
        os.kill(os.getpid(), signal.SIGINT)
        real(*args)

    monkeypatch.setattr(training.checkpoints, "write", press)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path)
    assert checkpoint(tmp_path)["step"] == 1


def test_what_is_ignored_stays_ignored_and_after_training_all_is_as_before(tmp_path, monkeypatch):
    hung_up = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    before = [signal.getsignal(stop) for stop in parallel.STOPS]
    try:
        spoil_step(monkeypatch, 1, lambda terms: os.kill(os.getpid(), signal.SIGHUP) or terms)
        assert train(tmp_path, 3).step == 3
        assert [signal.getsignal(stop) for stop in parallel.STOPS] == before
    finally:
        signal.signal(signal.SIGHUP, hung_up)


ENDLESS = """
import sys
sys.path.insert(0, sys.argv[1])
import test_training
from cwlib import training
training.CHECKPOINT_SECONDS = 0.0
test_training.train(sys.argv[2], 10**9)
"""


def test_a_second_training_in_a_folder_is_refused_until_the_first_is_dead(tmp_path):
    first = subprocess.Popen([sys.executable, "-c", ENDLESS, Path(__file__).parent, tmp_path])
    try:
        while not (tmp_path / "checkpoint.pt").exists():
            assert first.poll() is None
            time.sleep(0.1)
        for resume in (False, True):
            with pytest.raises(TrainingStopped, match=f"another training is at work in {tmp_path}"):
                train(tmp_path, resume=resume)
        assert first.poll() is None
    finally:
        first.kill()
        first.wait()
    assert train(tmp_path, 1, resume=True).step >= 1


def test_a_folder_that_cannot_hold_a_checkpoint_is_told_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "checkpoint.pt").mkdir()
    monkeypatch.setattr(training.catalogue, "build", None)
    with pytest.raises(OSError, match="cannot write .*checkpoint.pt: it is there and is not a"):
        train(tmp_path)


def test_training_runs_in_another_thread_too(tmp_path):
    runs = []
    thread = threading.Thread(target=lambda: runs.append(train(tmp_path, 2)))
    thread.start()
    thread.join()
    assert runs[0].step == 2


def test_a_resumed_run_has_the_learning_curve_of_an_uninterrupted_one(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "LOG_EVERY", 4)
    once = train(tmp_path / "once", 12).curve
    # the second run stops in the middle of a row, at step 6; the schedule is that of 12 steps
    spoil_step(monkeypatch, 6, lambda terms: {**terms, "loss": terms["loss"] * torch.nan})
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1.0)
    with pytest.raises(TrainingStopped):
        train(tmp_path / "twice", 12)
    twice = train(tmp_path / "twice", 12, resume=True).curve
    strip = [[{k: v for k, v in row.items() if k != "seconds"} for row in c] for c in (once, twice)]
    assert [row["step"] for row in once] == [4, 8, 12]
    assert strip[0] == strip[1]


def test_a_checkpoint_from_before_a_setting_existed_is_taken_up(tmp_path, whole):
    train(tmp_path, 5)
    state = checkpoint(tmp_path)
    for newer in ("strength_min", "lambda_2_low", "gains", "ema"):
        del state["experiment"][newer]
    torch.save(state, tmp_path / "checkpoint.pt")
    assert train(tmp_path, 6, resume=True).step == 6
    with pytest.raises(TrainingStopped, match=r"other settings \(ema\)"):
        train(tmp_path, 6, resume=True, experiment=replace(TINY, ema=0.9))


def test_a_run_of_another_experiment_is_not_taken_up(tmp_path):
    train(tmp_path, 1)
    with pytest.raises(TrainingStopped, match=r"other settings \(lr\)"):
        train(tmp_path, resume=True, experiment=replace(TINY, lr=1e-4))
    with pytest.raises(TrainingStopped, match="nothing to resume"):
        train(tmp_path / "empty", resume=True)


def test_resuming_a_finished_run_changes_nothing(tmp_path, whole):
    train(tmp_path)
    run = train(tmp_path, resume=True)
    assert run.step == STEPS and same(weights(run), weights(whole))


def test_without_resume_a_run_starts_anew(tmp_path, whole):
    train(tmp_path, 3)
    assert same(weights(train(tmp_path)), weights(whole))


def test_a_warm_start_takes_what_fits(tmp_path, whole):
    other = catalogue.build(replace(TINY, model="resnet"))
    copied = training.copy_matching(whole.model, other)
    assert copied == len(other.state_dict())  # cw is resnet and an importance net
    assert all(torch.equal(v, weights(whole)[k]) for k, v in other.state_dict().items())
    wider = catalogue.build(replace(TINY, width=6))
    assert 0 < training.copy_matching(whole.model, wider) < len(wider.state_dict())


# --- what stops a run ----------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_with_the_step_and_the_last_checkpoint(
    tmp_path, monkeypatch, every_step, bad
):
    spoil_step(monkeypatch, 5, lambda terms: {**terms, "loss": terms["loss"] * bad})
    with pytest.raises(TrainingStopped) as caught:
        train(tmp_path)
    assert "step 5" in str(caught.value) and "\n" not in str(caught.value)
    kept = checkpoint(tmp_path)
    assert kept["step"] == 5
    assert all(v.isfinite().all() for v in kept["model"].values())


def test_weights_that_are_not_finite_never_get_into_a_checkpoint(tmp_path, monkeypatch, every_step):
    real = training._Loop.one_step

    def one_step(loop, *args):
        real(loop, *args)
        if loop.step == 4:  # a finite loss with an infinite gradient does this
            with torch.no_grad():
                next(loop.model.parameters())[0] = math.nan

    monkeypatch.setattr(training._Loop, "one_step", one_step)
    with pytest.raises(TrainingStopped, match="a weight .* step 4"):
        train(tmp_path)
    assert checkpoint(tmp_path)["step"] == 3


# --- devices -------------------------------------------------------------------------------------


def test_auto_takes_the_gpu_where_there_is_one(monkeypatch):
    for cuda, mps, wanted in ((True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda mps=mps: mps)
        assert training.pick_device("auto").type == wanted
    assert training.pick_device("cpu").type == "cpu"


def test_a_gpu_that_is_not_there_is_refused_in_words(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="device cuda: torch sees no CUDA GPU"):
        training.pick_device("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU on this machine")
def test_a_run_moves_from_the_gpu_to_the_cpu(tmp_path):
    on_gpu = train(tmp_path, 8, device="cuda")
    assert on_gpu.device.startswith("cuda") and on_gpu.step == 8
    on_cpu = train(tmp_path, 16, resume=True, device="cpu")
    assert on_cpu.step == 16
    assert all(v.isfinite().all() for v in weights(on_cpu).values())


# --- photographs ---------------------------------------------------------------------------------

PHOTO = replace(
    experiments.get("kodak-mstar-n64"), name="tiny-photo", width=4, batch_size=2, crop=32
)
PHOTOS = [np.random.default_rng(k).integers(0, 256, (48, 64, 3), dtype=np.uint8) for k in range(3)]


def train_photos(folder: Path, steps: int = 8, experiment=PHOTO, **more) -> training.Run:
    return train(folder, steps, experiment, images=PHOTOS, **more)


def test_a_run_on_photographs_resumes_to_the_same_weights_to_the_bit(tmp_path, monkeypatch):
    whole_run = train_photos(tmp_path / "once")
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1.0)
    spoil_step(monkeypatch, 5, lambda terms: {**terms, "loss": terms["loss"] * math.nan})
    with pytest.raises(TrainingStopped, match="step 5"):
        train_photos(tmp_path / "twice")
    resumed = train_photos(tmp_path / "twice", resume=True)
    assert resumed.step == 8 and same(weights(resumed), weights(whole_run))


def test_training_on_a_few_crops_makes_the_loss_fall(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "LOG_EVERY", 20)
    flat = [np.full((32, 32, 3), 40 + 60 * k, np.uint8) for k in range(3)]
    curve = train(tmp_path, 60, PHOTO, images=flat).curve
    assert curve[-1]["loss"] < 0.7 * curve[0]["loss"]


def test_the_curve_of_paper_2_says_what_hyper_latents_cost_and_the_mask_keeps(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(training, "LOG_EVERY", 2)
    masked = train_photos(tmp_path, 2).curve[0]
    assert 0 < masked["hyper_bpp"] < masked["bpp"] and 0 < masked["kept"] < 1
    plain = replace(PHOTO, mask="none", lambda_1=10.0)
    row = train_photos(tmp_path, 2, plain).curve[0]
    assert "kept" not in row and row["d_feat"] > 0


def test_the_gradient_is_cut_to_its_longest_length(tmp_path):
    # one step of SGD without momentum moves the weights by lr times the gradient
    base = replace(PHOTO, optimizer="sgd", momentum=0.0, lr=1.0, schedule="constant")
    moved = {}
    for clip in (0.0, 0.01):
        torch.manual_seed(base.seed)
        start = catalogue.build(base)
        run = train_photos(tmp_path, 1, replace(base, grad_clip=clip), half=False)
        steps = [a - b for a, b in zip(run.model.parameters(), start.parameters(), strict=True)]
        moved[clip] = torch.cat([s.detach().flatten() for s in steps])
    assert moved[0.0].norm() > 0.02
    assert moved[0.01].norm().item() == pytest.approx(0.01, rel=1e-2)
    torch.testing.assert_close(
        moved[0.01] / moved[0.01].norm(), moved[0.0] / moved[0.0].norm(), rtol=1e-3, atol=1e-4
    )


def test_noise_depends_on_seed_and_step_and_not_on_what_was_drawn_before(tmp_path, monkeypatch):
    once = train_photos(tmp_path / "a")
    real = training.Objective.forward

    def waste(*args):
        torch.rand(17)
        return real(*args)

    monkeypatch.setattr(training.Objective, "forward", waste)
    assert same(weights(train_photos(tmp_path / "b")), weights(once))


ANY = replace(PHOTO, name="tiny-any", strength_min=0.25, lambda_2=0.02, lambda_2_low=0.001, gains=3)


def test_a_model_for_many_rates_trains_and_resumes_to_the_bit(tmp_path, every_step, monkeypatch):
    whole_run = train_photos(tmp_path / "once", 6, ANY)
    start = catalogue.build(ANY).gains
    assert (whole_run.model.gains.log_gain != start.log_gain).any(dim=1).all()  # at every strength
    spoil_step(monkeypatch, 4, lambda terms: {**terms, "loss": terms["loss"] * math.nan})
    with pytest.raises(TrainingStopped, match="step 4"):
        train_photos(tmp_path / "twice", 6, ANY)
    resumed = train_photos(tmp_path / "twice", 6, ANY, resume=True)
    assert same(weights(resumed), weights(whole_run))


# --- average of the weights ----------------------------------------------------------------------


def test_the_exported_weights_are_the_average_over_the_steps(tmp_path, monkeypatch):
    e, seen = replace(TINY, ema=0.75), []
    real = training._Loop.one_step

    def one_step(loop, *args):
        if not seen:
            seen.append({k: v.double() for k, v in loop.model.state_dict().items()})
        real(loop, *args)
        seen.append({k: v.double() for k, v in loop.model.state_dict().items()})

    monkeypatch.setattr(training._Loop, "one_step", one_step)
    run = train(tmp_path, 40, e)
    name = "g_a.0.weight"
    wanted = seen[0][name]
    for t, now in enumerate(seen[1:], start=1):
        keep = t / (t + 9) if t <= 27 else 0.75  # t / (t + 9) is 0.75 at t = 27
        wanted = keep * wanted + (1 - keep) * now[name]
    torch.testing.assert_close(weights(run)[name].double(), wanted, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(weights(run)[name].double(), seen[-1][name], rtol=1e-3)
    # the run goes on from the weights, not from their average
    assert torch.equal(checkpoint(tmp_path)["model"][name].double(), seen[-1][name])


def test_the_average_is_resumed_to_the_bit(tmp_path, every_step, monkeypatch):
    e = replace(TINY, ema=0.9)
    whole_run = train(tmp_path / "once", 8, e)
    spoil_step(monkeypatch, 5, lambda terms: {**terms, "loss": terms["loss"] * math.nan})
    with pytest.raises(TrainingStopped):
        train(tmp_path / "twice", 8, e)
    assert same(weights(train(tmp_path / "twice", 8, e, resume=True)), weights(whole_run))


# --- torch.compile, learning curve ---------------------------------------------------------------


@pytest.mark.parametrize("experiment", [TINY, ANY], ids=["paper 1", "paper 2"])
def test_a_compiled_run_has_the_losses_of_a_plain_one(tmp_path, monkeypatch, experiment):
    # traced as for any backend, but not turned into machine code, which takes a minute
    real, made = torch.compile, []
    monkeypatch.setattr(torch, "compile", lambda net: made.append(1) or real(net, backend="eager"))
    images = IMAGES if experiment is TINY else PHOTOS
    curves = [
        train(
            tmp_path / str(compiled),
            3,
            experiment,
            images=images,
            half=False,
            compiled=compiled,
            log_every=1,
        ).curve
        for compiled in (False, True)
    ]
    assert made == [1]
    losses = [[row["loss"] for row in curve] for curve in curves]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_a_row_of_the_curve_is_the_mean_of_log_every_steps(tmp_path):
    fine, coarse = (train(tmp_path / str(n), 12, log_every=n, half=False).curve for n in (1, 4))
    assert [row["step"] for row in coarse] == [4, 8, 12]
    for k, row in enumerate(coarse):
        losses = [r["loss"] for r in fine[4 * k : 4 * k + 4]]
        assert row["loss"] == pytest.approx(sum(losses) / 4, abs=2e-6)


@pytest.mark.parametrize(("length", "rows"), [(0, 5), (3, 5), (5, 5), (12, 5), (101, 60)])
def test_a_thinned_curve_keeps_the_mean_of_all_rows_and_the_last_step(length, rows):
    curve = [
        {"step": 50 * k, "seconds": k / 10, "loss": float(k % 7)} for k in range(1, length + 1)
    ]
    short = training.thinned(curve, rows)
    assert len(short) <= rows and (length > rows or short == curve)
    if length == 12:
        assert [row["step"] for row in short] == [150, 300, 450, 600]
        assert [row["loss"] for row in short] == pytest.approx([2, 5, 1, 4])
    assert [row["step"] for row in short[-1:]] == [row["step"] for row in curve[-1:]]


def test_an_experiment_on_photographs_wants_photographs(tmp_path):
    with pytest.raises(ValueError, match="give the photographs"):
        training.train(PHOTO, tmp_path, settings=Settings(steps=1, device="cpu"))


@pytest.mark.parametrize("name", ["mnist-cae-sgd", "mnist-resnet-sgd", "mnist-cw-sgd"])
def test_sgd_has_the_momentum_that_the_chapters_name(name):
    """v_t = 0.9 v_(t-1) + g: under a constant gradient three steps go 1 + 1.9 + 2.71 far."""
    e = experiments.get(name)
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = training.optimizer(e, [{"params": [weight], "factor": 1.0}])
    for _ in range(3):
        weight.grad = torch.ones(1)
        optimizer.step()
    assert weight.item() == pytest.approx(-e.lr * (1 + 1.9 + 2.71), rel=1e-5)
